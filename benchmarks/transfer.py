"""Many objects and trees against the peers: `python -m benchmarks.transfer`.

Each measurement is a process of its own that copies a directory to the server, or objects of the server to a directory.
What is compared is the processor time of that process and its children for an object, without what it took to start;
of programs that are no Python (or another one) all of it counts. Clients take turns, and the medians are shown.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import importlib.util
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .report import table
from .server import BUCKET, Link, Server, processor, serve, tree_prefix
from .workloads import KIB, MIB, peak_rss

ROOT = Path(__file__).parents[1]
TASKS = 32
KEY, SECRET = "benchmark", "secret"


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """A tree to copy: `count` objects of `size` bytes between a directory and a prefix."""

    endpoint: str
    directory: str
    count: int
    size: int
    up: bool
    processes: int = 1

    @property
    def prefix(self) -> str:
        return "up/" if self.up else tree_prefix(self.count, self.size)

    @property
    def names(self) -> list[str]:
        return [f"{number:08}" for number in range(self.count)]

    @property
    def paths(self) -> list[Path]:
        return [Path(self.directory, name) for name in self.names]


# --- the clients, each in a process of its own ------------------------------------------------------------------------


def aiostore_store(work: Work) -> Any:
    from aiostore import S3Store

    return S3Store(
        BUCKET, prefix=work.prefix, endpoint=work.endpoint, region="us-east-1", access_key_id=KEY,
        secret_access_key=SECRET,
    )  # fmt: skip


def aiostore_copy(work: Work) -> None:
    from aiostore import transfer

    async def run() -> None:
        ends = [work.directory, aiostore_store(work)]
        summary = await transfer.copy(
            *(ends if work.up else ends[::-1]), compare="never", processes=work.processes
        )  # fmt: skip
        assert (summary.copied, summary.failed) == (work.count, 0), summary

    run_async(run)


def aiostore_many(work: Work) -> None:
    """put_many and get_many, and plain files."""

    async def run() -> None:
        async with aiostore_store(work) as store:
            if work.up:
                results = store.put_many((name, path) for name, path in zip(work.names, work.paths, strict=True))
                async for result in results:
                    result.unwrap()
            else:
                async for result in store.get_many(work.names):
                    Path(work.directory, result.key).write_bytes(result.unwrap())

    run_async(run)


def obstore_gather(work: Work) -> None:
    from obstore.store import S3Store

    store = S3Store(
        BUCKET, endpoint=work.endpoint, region="us-east-1", access_key_id=KEY, secret_access_key=SECRET,
        client_options={"allow_http": True}, virtual_hosted_style_request=False,
    )  # fmt: skip

    async def run() -> None:
        permits = asyncio.Semaphore(TASKS)

        async def one(name: str, path: Path) -> None:
            async with permits:
                if work.up:
                    await store.put_async(work.prefix + name, path)
                else:
                    answer = await store.get_async(work.prefix + name)
                    path.write_bytes(await answer.bytes_async())

        await asyncio.gather(*(one(name, path) for name, path in zip(work.names, work.paths, strict=True)))

    run_async(run)


def boto3_threads(work: Work) -> None:
    import boto3
    from botocore.config import Config

    client = boto3.client(
        "s3", endpoint_url=work.endpoint, region_name="us-east-1", aws_access_key_id=KEY, aws_secret_access_key=SECRET,
        config=Config(max_pool_connections=TASKS, s3={"addressing_style": "path"}),
    )  # fmt: skip

    def one(name: str) -> None:
        path = Path(work.directory, name)
        if work.up:
            client.put_object(Bucket=BUCKET, Key=work.prefix + name, Body=path.read_bytes())
        else:
            path.write_bytes(client.get_object(Bucket=BUCKET, Key=work.prefix + name)["Body"].read())

    with ThreadPoolExecutor(TASKS) as pool:
        for _ in pool.map(one, work.names):
            continue


def s3fs_tree(work: Work) -> None:
    import s3fs

    filesystem = s3fs.S3FileSystem(
        key=KEY, secret=SECRET, endpoint_url=work.endpoint, client_kwargs={"region_name": "us-east-1"},
        config_kwargs={"max_pool_connections": TASKS, "s3": {"addressing_style": "path"}},
    )  # fmt: skip
    remote = f"{BUCKET}/{work.prefix}"
    if work.up:
        filesystem.put(f"{work.directory}/", remote, recursive=True, batch_size=TASKS)
    else:
        filesystem.get(remote, f"{work.directory}/", recursive=True, batch_size=TASKS)


def cloudfiles_transfer(work: Work) -> None:
    # Not an import: it may be in another environment only.
    CloudFiles = importlib.import_module("cloudfiles").CloudFiles  # noqa: N806  # a class

    remote = CloudFiles(
        f"s3://{work.endpoint}/{BUCKET}/{work.prefix}", progress=False, num_threads=TASKS,
        secrets={"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET},
    )  # fmt: skip
    local = CloudFiles(f"file://{work.directory}", progress=False, num_threads=TASKS)
    if work.up:
        local.transfer_to(remote, paths=work.names, reencode=None)
    else:
        remote.transfer_to(local, paths=work.names, reencode=None)


def run_async(work: Callable[[], Any]) -> None:
    factory = None
    if importlib.util.find_spec("uvloop"):
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(work())


CLIENTS: dict[str, Callable[[Work], None]] = {
    "aiostore": aiostore_copy,
    "aiostore, 2 processes": aiostore_copy,
    "aiostore *_many": aiostore_many,
    "obstore gather": obstore_gather,
    "boto3 threads": boto3_threads,
    "s3fs": s3fs_tree,
    "cloud-files": cloudfiles_transfer,
}
"""Those that are Python. cloud-files wants packages of other versions, so it may have an environment of its own."""

OURS = ("aiostore", "aiostore, 2 processes", "aiostore *_many")

LAZY = {
    **dict.fromkeys(
        OURS,
        ("aiostore.transfer", "aiostore.services.s3", "aiostore.services.local", "anyio._backends._asyncio", "uvloop"),
    ),
    "obstore gather": ("obstore.store", "uvloop"),
}
"""What they import when it is first used."""

MODULES = {
    **dict.fromkeys(OURS, "aiostore.drivers.s3"),
    "obstore gather": "obstore",
    "boto3 threads": "boto3",
    "s3fs": "s3fs",
}


def command_of(client: str, work: Work) -> list[str]:
    remote, local = f"{BUCKET}/{work.prefix}", work.directory
    if client == "awscli":
        ends = [local, f"s3://{remote}"]
        return [
            "aws", "s3", "cp", "--recursive", "--only-show-errors", "--endpoint-url", work.endpoint,
            *(ends if work.up else ends[::-1]),
        ]  # fmt: skip
    ends = [local, f":s3:{remote}"]
    return [
        "rclone", "copy", "--s3-provider", "Other", "--s3-endpoint", work.endpoint, "--s3-env-auth", "--s3-no-head",
        "--s3-no-check-bucket", "--transfers", str(TASKS), "--ignore-times", "--no-check-dest",
        "--ignore-checksum", "--s3-list-version", "2",
        *(ends if work.up else ends[::-1]),
    ]  # fmt: skip


PROGRAMS = {"awscli": "aws", "rclone": "rclone"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What one copy took: seconds by the clock and of the processor, and the peak of memory in bytes."""

    seconds: float
    cpu: float
    peak: int


def processor_time() -> float:
    """Of this process and those of its children that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def serve_client() -> None:
    """The process of a client: does the work that standard input says, and tells what it took."""
    message = json.loads(sys.stdin.readline())
    work = Work(**message["work"])
    client = message["client"]
    if (module := MODULES.get(client)) is not None:
        importlib.import_module(module)
    for lazy in LAZY.get(client, ()):
        importlib.import_module(lazy)
    begun, before = time.perf_counter(), processor_time()
    CLIENTS[client](work)
    cost = Cost(seconds=time.perf_counter() - begun, cpu=processor_time() - before, peak=peak_rss())
    print(json.dumps(asdict(cost)))


def measure(client: str, work: Work, peers: str) -> Cost:
    """Raises: subprocess.CalledProcessError if the client failed."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
        "PATH": os.pathsep.join(filter(None, [peers, os.environ["PATH"]])),
    }
    if client in PROGRAMS:
        environment |= {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": "us-east-1"}
        environment.pop("AWS_CA_BUNDLE", None)  # there is no TLS here, and rclone cannot use it
        begun, before = time.perf_counter(), processor_time()
        command = command_of(client, work)
        command[0] = shutil.which(command[0], path=environment["PATH"]) or command[0]
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        return Cost(seconds=time.perf_counter() - begun, cpu=processor_time() - before, peak=0)
    python = os.path.join(peers, "python") if client == "cloud-files" and peers else sys.executable
    message = json.dumps({"client": client, "work": asdict(work)})
    done = subprocess.run(
        [python, "-m", "benchmarks.transfer", "--serve"], input=message, text=True, capture_output=True, check=True,
        env=environment, cwd=ROOT,
    )  # fmt: skip
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def available(clients: Sequence[str], peers: str) -> Iterator[str]:
    for client in clients:
        program = PROGRAMS.get(client)
        if program is not None:
            found = shutil.which(program, path=os.pathsep.join([peers, os.environ["PATH"]])) is not None
        elif client == "cloud-files":
            found = bool(peers) or importlib.util.find_spec("cloudfiles") is not None
        else:
            found = importlib.util.find_spec(MODULES[client]) is not None
        if found:
            yield client


@contextmanager
def directory_for(work: Work) -> Iterator[Work]:
    """The directory that is copied, or copied to, on a disk in memory if there is one."""
    place = "/dev/shm" if os.path.isdir("/dev/shm") else None  # so that no disk is measured
    with tempfile.TemporaryDirectory(prefix="benchmark-tree-", dir=place) as directory:
        if work.up:
            block = os.urandom(min(work.size, MIB))
            for name in work.names:
                with Path(directory, name).open("wb") as file:
                    for _ in range(work.size // len(block)):
                        file.write(block)
        yield Work(**{**asdict(work), "directory": directory})


def compare(server: Server, options: argparse.Namespace, clients: Sequence[str], count: int, size: int) -> None:
    """Print what a tree of `count` objects of `size` bytes takes each client, up and down."""
    for up in (True, False):
        costs: dict[str, list[Cost]] = {client: [] for client in clients}
        for _ in range(options.rounds):
            for client in clients:
                processes = 2 if "2 processes" in client else 1
                work = Work(
                    endpoint=server.http, directory="", count=count, size=size, up=up, processes=processes
                )  # fmt: skip
                with directory_for(work) as ready:
                    before = server.stats()
                    try:
                        cost = measure(client, ready, options.peers)
                    except subprocess.CalledProcessError as error:
                        print(f"{client}: {str(error.stderr)[-300:]}", file=sys.stderr)
                        continue
                    after = server.stats()
                    moved = after.bytes_in - before.bytes_in if up else after.bytes_out - before.bytes_out
                    if moved < count * size:
                        print(f"{client}: moved {moved} bytes of {count * size}", file=sys.stderr)
                        continue
                costs[client].append(cost)
        print(f"\n{count} objects of {size // KIB} KiB, {'up' if up else 'down'}\n")
        head = ("client", "CPU us/object", "x aiostore", "seconds", "MiB/s", "peak MiB")
        print(table(head, rows_of(costs, count, size)))


def rows_of(costs: dict[str, list[Cost]], count: int, size: int) -> Iterator[tuple[str, ...]]:
    ours = statistics.median(cost.cpu for cost in costs["aiostore"]) if costs.get("aiostore") else 0.0
    for client, found in costs.items():
        if found:
            cpu = statistics.median(cost.cpu for cost in found)
            seconds = statistics.median(cost.seconds for cost in found)
            yield (
                client,
                f"{cpu / count * 1e6:.0f}",
                f"{cpu / ours:.2f}" if ours else "-",
                f"{seconds:.2f}",
                f"{count * size / MIB / seconds:.0f}",
                f"{max(cost.peak for cost in found) / MIB:.0f}" if found[0].peak else "-",
            )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transfer", description="Measures trees of objects.")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--objects", type=int, default=10_000, help="small objects (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=1, help="default %(default)s")
    parser.add_argument("--clients", nargs="+", default=[*CLIENTS, *PROGRAMS])
    parser.add_argument("--peers", default="", help="the bin directory of an environment with awscli and cloud-files")
    parser.add_argument("--shape", type=Link.parse, default=Link.parse("30ms,60MiB/s"), help="default %(default)s")
    parser.add_argument("--cases", nargs="+", default=["small", "large"], choices=["small", "large"])
    options = parser.parse_args()
    if options.serve:
        serve_client()
        return
    clients = list(available(options.clients, options.peers))
    print(f"{processor()}, {os.cpu_count()} cores; load average before: {os.getloadavg()[0]:.2f}")
    if "small" in options.cases:
        with serve(sizes=[10 * KIB], tls=False) as server:
            compare(server, options, clients, options.objects, 10 * KIB)
    if "large" in options.cases:
        with serve(sizes=[64 * MIB], tls=False, link=options.shape) as server:
            compare(server, options, [name for name in clients if name in {"aiostore", *PROGRAMS}], 16, 64 * MIB)


if __name__ == "__main__":
    main()
