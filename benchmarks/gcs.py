"""aiostore beside gcloud-aio-storage, obstore and gcsfs on the tests' strict GCS server: `python -m benchmarks.gcs`.

Each client works in a process of its own, interleaved round by round. The server is written in Python and slower than
the clients, so what is compared for small requests is the client's CPU time for one operation. ``link`` puts a relay
between them that delays every connection and bounds its rate, as a long way does: there it is the time that passes.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

KIB, MIB = 1024, 1024**2
CLIENTS = ("aiostore", "gcloud-aio", "obstore", "gcsfs")
BUCKET = "benchmark"

# What is done, how often, and how many at once.
WORKLOADS: dict[str, tuple[int, int]] = {
    "GET 1 KiB": (1000, 16),
    "PUT 1 KiB": (600, 16),
    "list 1000": (10, 1),
    "stream 256 MiB": (1, 1),
    "put 256 MiB": (1, 1),
    "stream 64 MiB over the link": (1, 1),
    "put 64 MiB over the link": (1, 1),
}
DELAY, RATE = 0.025, 4 * MIB
"""Of the link: seconds each way, and bytes a second for each connection."""

LONGEST = 120.0
"""Seconds of one measurement."""

Call = Callable[[], Awaitable[object]]


class Calls:
    """The operations of one client."""

    get: Call
    put: Call
    list: Call
    read: Callable[[str], Awaitable[int]]
    write: Callable[[int], Awaitable[object]]
    close: Call


async def aiostore_calls(state: dict[str, Any], url: str) -> Calls:
    from aiostore import GCSStore

    store, calls = GCSStore(BUCKET, endpoint=url, credentials=state["account"]), Calls()
    small = bytes(KIB)

    async def count() -> int:
        return len([meta async for meta in store.list("many/")])

    async def read(key: str) -> int:
        return sum([len(chunk) async for chunk in store.stream(key)])

    async def source(size: int) -> AsyncIterator[bytes]:
        for _ in range(size // MIB):
            yield _BLOCK

    calls.get, calls.put, calls.list = lambda: store.get("small"), lambda: store.put("put", small), count
    calls.read, calls.write, calls.close = read, lambda size: store.put("written", source(size)), store.aclose
    return calls


async def gcloud_calls(state: dict[str, Any], url: str) -> Calls:
    import aiohttp
    from gcloud.aio.auth import Token
    from gcloud.aio.storage import Storage

    session, calls = aiohttp.ClientSession(), Calls()
    scopes = ["https://www.googleapis.com/auth/devstorage.full_control"]
    shared: Any = session
    token = Token(service_file=io.StringIO(json.dumps(state["account"])), session=shared, scopes=scopes)
    storage = Storage(token=token, session=shared, api_root=url, api_is_dev=False)
    small = bytes(KIB)

    async def read(key: str) -> int:
        total = 0
        stream = await storage.download_stream(BUCKET, key, timeout=600)
        while chunk := await stream.read(MIB):
            total += len(chunk)
        return total

    calls.get = lambda: storage.download(BUCKET, "small")
    calls.put = lambda: storage.upload(BUCKET, "put", small)
    calls.list = lambda: storage.list_objects(BUCKET, params={"prefix": "many/"})
    calls.read = read
    calls.write = lambda size: storage.upload(BUCKET, "written", bytes(size), timeout=600)
    calls.close = session.close
    return calls


async def obstore_calls(state: dict[str, Any], url: str) -> Calls:
    import obstore
    from obstore.store import GCSStore

    account = json.dumps({**state["account"], "gcs_base_url": url, "disable_oauth": False})
    options: Any = {"allow_http": True, "timeout": "600 seconds"}
    store, calls = GCSStore(BUCKET, service_account_key=account, client_options=options), Calls()
    small = bytes(KIB)

    async def get() -> object:
        return await (await obstore.get_async(store, "small")).bytes_async()

    async def count() -> int:
        return sum([len(page) async for page in obstore.list(store, "many")])

    async def read(key: str) -> int:
        return sum([len(chunk) async for chunk in (await obstore.get_async(store, key)).stream()])

    async def nothing() -> None: ...

    calls.get, calls.list, calls.read, calls.close = get, count, read, nothing
    calls.put = lambda: obstore.put_async(store, "put", small)
    calls.write = lambda size: obstore.put_async(store, "written", bytes(size))
    return calls


async def gcsfs_calls(state: dict[str, Any], url: str) -> Calls:
    from gcsfs import GCSFileSystem
    from google.oauth2.credentials import Credentials

    make: Any = Credentials
    files, calls = GCSFileSystem(endpoint_url=url, token=make(token=state["token"]), asynchronous=True), Calls()
    await files._set_session()
    small = bytes(KIB)

    async def count() -> int:
        files.invalidate_cache()
        return len(await files._ls(f"{BUCKET}/many/"))

    async def read(key: str) -> int:
        return len(await files._cat_file(f"{BUCKET}/{key}"))

    async def nothing() -> None: ...

    calls.get, calls.list, calls.read, calls.close = lambda: read("small"), count, read, nothing
    calls.put = lambda: files._pipe_file(f"{BUCKET}/put", small)
    calls.write = lambda size: files._pipe_file(f"{BUCKET}/written", bytes(size))
    return calls


MAKERS = {"aiostore": aiostore_calls, "gcloud-aio": gcloud_calls, "obstore": obstore_calls, "gcsfs": gcsfs_calls}
_BLOCK = bytes(MIB)


@asynccontextmanager
async def link(url: str) -> AsyncIterator[str]:
    """The address of a relay to the server, in this process: its work counts for every client."""
    host, _, port = url.removeprefix("http://").partition(":")

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        free = time.perf_counter()
        while data := await reader.read(64 * KIB):
            free = max(free, time.perf_counter()) + len(data) / RATE
            await asyncio.sleep(free - time.perf_counter() + DELAY)
            writer.write(data)
            await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, sink = await asyncio.open_connection(host, int(port))
        await asyncio.gather(pump(reader, sink), pump(upstream, writer), return_exceptions=True)

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def work(client: str, workload: str, state: dict[str, Any]) -> dict[str, float]:
    """Do one workload; the seconds and the CPU seconds of one operation."""
    if workload.endswith("over the link"):
        async with link(state["url"]) as url:
            return await _timed(client, workload, state, url)
    return await _timed(client, workload, state, state["url"])


async def _timed(client: str, workload: str, state: dict[str, Any], url: str) -> dict[str, float]:
    calls = await MAKERS[client](state, url)
    count, concurrency = WORKLOADS[workload]
    size = (64 if "64" in workload else 256) * MIB
    call: Call = {
        "GET": calls.get,
        "PUT": calls.put,
        "list": calls.list,
        "stream": lambda: calls.read(f"large-{size}"),
        "put": lambda: calls.write(size),
    }[workload.partition(" ")[0]]
    numbers = iter(range(count))

    async def one_after_the_other() -> None:
        for _ in numbers:
            await call()

    await calls.get()
    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(one_after_the_other() for _ in range(concurrency)))
    result = {"cpu": (time.process_time() - cpu) / count, "wall": (time.perf_counter() - began) / count}
    await calls.close()
    return result


def measure(client: str, workload: str, state: Path) -> dict[str, float] | None:
    command = (sys.executable, "-m", "benchmarks.gcs", "--work", client, workload, str(state))
    # gcsfs would ask Google's gRPC service for the kind of the bucket.
    environment = {**os.environ, "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=LONGEST)
    except subprocess.TimeoutExpired:
        print(f"{client}: {workload}: took more than {LONGEST} s", file=sys.stderr)
        return None
    if done.returncode:
        print(f"{client}: {workload}: status {done.returncode}: {done.stderr.strip()[-300:]}", file=sys.stderr)
        return None
    found: dict[str, float] = json.loads(done.stdout)
    return found


def report(found: dict[tuple[str, str], list[dict[str, float]]]) -> None:
    print("The median of the rounds: CPU milliseconds (and milliseconds in all) of one operation\n")
    print(f"| | {' | '.join(CLIENTS)} |\n|---|{'---:|' * len(CLIENTS)}")
    for workload in WORKLOADS:
        cells = []
        for client in CLIENTS:
            rounds = found.get((client, workload))
            if rounds is None:
                cells.append("")
                continue
            cpu, wall = (statistics.median(result[name] for result in rounds) * 1e3 for name in ("cpu", "wall"))
            cells.append(f"{cpu:,.2f} ({wall:,.2f})")
        print(f"| {workload} | {' | '.join(cells)} |")


async def prepare(url: str, account: dict[str, str]) -> None:
    from aiostore import GCSStore

    async with GCSStore(BUCKET, endpoint=url, project="test-project", credentials=account) as store:
        await store.create_container()
        await store.put("small", os.urandom(KIB))
        for size in (64 * MIB, 256 * MIB):
            await store.put(f"large-{size}", os.urandom(MIB) * (size // MIB))
        for start in range(0, 1000, 50):
            await asyncio.gather(*(store.put(f"many/{number:04}", b"") for number in range(start, start + 50)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="workloads whose names contain this")
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        client, workload, path = options.work
        print(json.dumps(asyncio.run(work(client, workload, json.loads(Path(path).read_text())))), flush=True)
        # Not every client's threads survive the end of the interpreter.
        os._exit(0)
    from tests.servers.gcs import GCS

    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    with GCS() as server, tempfile.NamedTemporaryFile("w", suffix=".json") as state:
        endpoint = server.start()
        asyncio.run(prepare(endpoint.url, endpoint.account))
        json.dump({"url": endpoint.url, "account": endpoint.account, "token": endpoint.token()}, state)
        state.flush()
        for _ in range(options.rounds):
            for workload in (name for name in WORKLOADS if options.only in name):
                for client in CLIENTS:
                    if (result := measure(client, workload, Path(state.name))) is not None:
                        found.setdefault((client, workload), []).append(result)
    report(found)


if __name__ == "__main__":
    main()
