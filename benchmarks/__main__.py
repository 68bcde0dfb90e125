"""Measures aiostore and its peers, interleaved round by round: `python -m benchmarks --help`."""

from __future__ import annotations

import argparse
import fnmatch
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from . import local
from .clients import AZURE_CLIENTS, LOCAL_CLIENTS, OSS_CLIENTS, WIRE_CLIENTS, Target, find_client
from .origin import serve_by_nginx
from .report import DISTURBED, PEERS, SUBJECTS, Failure, Measurement, Report, machine, markdown, plot, versions
from .server import BUCKET, Link, Server, Stats, busy_seconds, ceilings, pin, serve
from .workloads import KIB, MIB, WORKLOADS, LinkKind, Result, Workload

ROOT = Path(__file__).parents[1]


class ClientError(RuntimeError):
    """A client's process could not do its work."""


class Process:
    """A client in a process of its own, started for one workload."""

    def __init__(self, client: str, work: Workload, target: Target, options: argparse.Namespace) -> None:
        source = ROOT / "src"
        path = os.pathsep.join(filter(None, (str(source), str(ROOT), os.environ.get("PYTHONPATH", ""))))
        environment = {**os.environ, "PYTHONPATH": path}
        if target.ca_bundle:
            # For the clients that have no option of their own.
            environment["SSL_CERT_FILE"] = target.ca_bundle
        self.client, self.work = client, work
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if options.verbose else subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        setup = {
            "client": client,
            "workload": work.name,
            "target": asdict(target),
            "cores": options.client_cores,
            "loop": options.loop,
        }
        self.send(setup)

    def send(self, message: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise ClientError("its process died")
        found: dict[str, Any] = json.loads(line)
        if "error" in found:
            raise ClientError(found["error"])
        return found

    def wait_until_ready(self) -> None:
        """Until it has imported and connected. Raises: ClientError if it could not (`--verbose` shows why)."""
        self.receive()

    def measure(self, seconds: float) -> Result:
        """Raises: ClientError if the client failed, or its process died."""
        try:
            self.send(seconds)
        except BrokenPipeError:
            raise ClientError("its process died") from None
        return Result(**self.receive())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: type[BaseException] | BaseException | TracebackType | None) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def payload(before: Stats, after: Stats) -> str:
    """How the PUTs between two counts were signed."""
    kinds = {
        "signed": after.signed - before.signed,
        "unsigned": after.unsigned - before.unsigned,
        "aws-chunked": after.streaming - before.streaming,
        "anonymous": after.anonymous - before.anonymous,
    }
    puts = sum(kinds.values())
    named = "/".join(kind for kind, count in kinds.items() if count)
    return named + (" + checksum" if puts and after.checksums - before.checksums > puts // 2 else "")


def check_work(work: Workload, result: Result, before: Stats, after: Stats) -> None:
    """Raises: ClientError if the server saw fewer bytes than the client says it moved."""
    if work.operation in {"head", "list_keys"}:
        return
    moved = after.bytes_in - before.bytes_in if work.is_upload else after.bytes_out - before.bytes_out
    if moved < result.operations * work.size:
        raise ClientError(f"the server saw {moved} bytes of {result.operations * work.size}")


class Run:
    """One run of the command: the servers it needs and what it finds."""

    def __init__(self, options: argparse.Namespace, report: Report, stack: ExitStack) -> None:
        self.options, self.report, self.stack = options, report, stack
        self.servers: dict[bool, Server] = {}
        self.deadline = time.monotonic() + 60 * options.minutes if options.minutes else float("inf")
        self.rows_left = len(options.chosen)

    def server(self, *, shaped: bool) -> Server:
        if shaped not in self.servers and self.options.origin == "nginx":
            chosen = [work for work, _ in self.options.chosen]
            self.servers[shaped] = self.stack.enter_context(
                serve_by_nginx(
                    sizes=sorted({work.size for work in chosen if work.operation != "list_keys"}),
                    listed=[work.size for work in chosen if work.operation == "list_keys"][:1],
                    cores=self.options.server_cores,
                    tls=self.options.tls,
                )
            )
        if shaped not in self.servers:
            chosen = [work for work, link in self.options.chosen if link != "local" and (link == "shaped") == shaped]
            sizes = {work.size for work in chosen if work.operation != "list_keys"}
            if not shaped:
                sizes |= {KIB, MIB, 256 * MIB}
            self.servers[shaped] = self.stack.enter_context(
                serve(
                    sizes=sorted(sizes),
                    cores=self.options.server_cores,
                    tls=self.options.tls and not shaped,
                    link=self.options.shape if shaped else None,
                    nginx=self.options.nginx and not shaped,
                )
            )
        return self.servers[shaped]

    def target(self, work: Workload, link: LinkKind) -> tuple[Target, Server | None]:
        if link == "local":
            root = Path(
                self.stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-", dir=self.options.directory))
            )
            local.prepare(root, work.size)
            return Target(root=str(root)), None
        server = self.server(shaped=link == "shaped")
        encrypted = link == "tls"
        return Target(
            endpoint=server.https if encrypted else server.http,
            bucket=BUCKET,
            ca_bundle=str(server.ca_bundle) if encrypted else "",
        ), server

    def measure_ceilings(self) -> None:
        links = [link for link in ("plain", "tls") if any(chosen == link for _, chosen in self.options.chosen)]
        if links and self.options.origin == "server.c":
            say("measuring the server itself")
            self.report.ceilings = ceilings(
                self.server(shaped=False),
                cores=self.options.client_cores,
                seconds=min(1.0, self.options.seconds),
                links=links,
            )

    def fail(self, work: Workload, link: LinkKind, client: str, reason: str) -> None:
        say(f"  {client}: {reason}")
        self.report.failures.append(Failure(workload=work.name, link=link, client=client, reason=reason))

    def measure(self, work: Workload, link: LinkKind) -> None:
        """All rounds of one row: in every round each client has its turn, and each round starts with another one."""
        say(f"{work.name} ({link})")
        target, server = self.target(work, link)
        begun = time.monotonic()
        share = max(0.0, self.deadline - begun) / self.rows_left
        self.rows_left -= 1
        clients = [
            name for name in self.options.clients if name in (LOCAL_CLIENTS if link == "local" else WIRE_CLIENTS)
        ]
        if self.options.minutes and work.once:
            # Others take minutes for these.
            clients = [name for name in clients if name in (*SUBJECTS, PEERS[0])]
        rounds = self.options.slow_rounds if work.once else self.options.rounds
        processes: list[Process] = []
        with ExitStack() as stack:
            for name in clients:
                lacks = find_client(name, local=link == "local").lacks
                if work.operation in lacks:
                    continue
                processes.append(stack.enter_context(Process(name, work, target, self.options)))
            # A process that still imports would slow down whoever is measured first on the same core.
            for process in list(processes):
                try:
                    process.wait_until_ready()
                except ClientError as error:
                    self.fail(work, link, process.client, str(error))
                    processes.remove(process)
            for number in range(rounds):
                if number and (time.monotonic() - begun) * (number + 1) / number > share:
                    break
                turn = number % len(processes) if processes else 0
                for process in processes[turn:] + processes[:turn]:
                    try:
                        self.take(process, work, link, number, server)
                    except ClientError as error:
                        self.fail(work, link, process.client, str(error))
                        processes.remove(process)
        for name in clients:
            rates = [m.rate for m in self.report.of(work.name, link, name)]
            if rates:
                say(f"  {name:15} {sorted(rates)[len(rates) // 2]:12,.1f} {work.unit}")

    def take(self, process: Process, work: Workload, link: LinkKind, number: int, server: Server | None) -> None:
        """Measures once, and again while others use the cores: chosen by the disturbance alone, never by the rate."""
        found = self.attempt(process, work, link, number, server)
        for _ in range(0 if link == "local" else min(1, self.options.retakes) if work.once else self.options.retakes):
            if found.disturbed <= DISTURBED:
                break
            self.report.retakes += 1
            found = min(found, self.attempt(process, work, link, number, server), key=lambda m: m.disturbed)
        self.report.measurements.append(found)

    def attempt(
        self, process: Process, work: Workload, link: LinkKind, number: int, server: Server | None
    ) -> Measurement:
        client_cores, server_cores = self.options.client_cores, self.options.server_cores
        before = server.stats() if server else None
        started, on_client, on_server = time.perf_counter(), busy_seconds(client_cores), busy_seconds(server_cores)
        result = process.measure(self.options.seconds)
        elapsed = time.perf_counter() - started
        on_client, on_server = busy_seconds(client_cores) - on_client, busy_seconds(server_cores) - on_server
        after = server.stats() if server else None
        foreign, busy, signed = on_client - result.total_cpu, 0.0, ""
        if before and after:
            if self.options.origin == "server.c":
                check_work(work, result, before, after)
            signed = payload(before, after)
            busy = (after.cpu - before.cpu) / elapsed
            foreign = max(foreign, on_server - (after.cpu - before.cpu))
        return Measurement(
            workload=work.name,
            link=link,
            client=process.client,
            round=number,
            rate=work.rate(result),
            unit=work.unit,
            result=result,
            server_busy=busy,
            payload=signed,
            disturbed=max(0.0, foreign / elapsed),
        )


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def cores(text: str) -> list[int]:
    return [int(core) for core in text.split(",") if core]


def choose(patterns: Sequence[str], *, tls: bool) -> list[tuple[Workload, LinkKind]]:
    """The rows whose name, or name/link, matches a pattern; all without patterns."""
    return [
        (work, link)
        for work in WORKLOADS
        for link in work.links
        if (tls or link != "tls")
        and (
            not patterns
            or any(fnmatch.fnmatch(text, p) for p in patterns for text in (work.name, f"{work.name}/{link}"))
        )
    ]


def available(wanted: Sequence[str]) -> list[str]:
    """The clients that are wanted and can be imported."""
    found = []
    for name in dict.fromkeys((*WIRE_CLIENTS, *LOCAL_CLIENTS)):
        if name not in wanted if wanted else name in AZURE_CLIENTS or name in OSS_CLIENTS:
            continue
        try:
            find_client(name, local=name not in WIRE_CLIENTS)
        except ImportError as error:
            say(f"{name} is left out: {error}")
            continue
        found.append(name)
    return found


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measures aiostore beside its peers.")
    names = ", ".join(work.name for work in WORKLOADS)
    last = (os.cpu_count() or 1) - 1
    parser.add_argument("--only", default="", help=f"rows, as patterns: NAME or NAME/LINK, comma-separated; of {names}")
    parser.add_argument(
        "--clients",
        default="",
        help=f"of {', '.join((*WIRE_CLIENTS, *LOCAL_CLIENTS))}; default all installed but Azure's and OSS's",
    )
    parser.add_argument("--rounds", type=int, help="default 5; slow rows take at most 3")
    parser.add_argument("--seconds", type=float, help="of one measurement; default 3")
    parser.add_argument(
        "--retakes", type=int, default=3, help="of a measurement that others disturbed, at most; default 3"
    )
    parser.add_argument("--quick", action="store_true", help="3 rounds of 1 second, 1 of slow rows")
    parser.add_argument(
        "--minutes",
        type=float,
        default=0.0,
        help="share so many among the rows: rounds of 0.7 s, no retakes, of slow rows only aiostore and obstore",
    )
    parser.add_argument(
        "--shape", type=Link.parse, default=Link.parse("30ms,60MiB/s"), help="the shaped link; default %(default)s"
    )
    parser.add_argument("--no-tls", dest="tls", action="store_false", help="leave out the rows over TLS")
    parser.add_argument(
        "--nginx", action="store_true", help="TLS by an nginx in front, on the server's core, not by the server"
    )
    parser.add_argument(
        "--origin",
        choices=("server.c", "nginx"),
        default="server.c",
        help="the server: nginx has no shaped link and no million keys; default %(default)s",
    )
    parser.add_argument(
        "--loop", choices=("uvloop", "asyncio"), default="uvloop" if importlib.util.find_spec("uvloop") else "asyncio"
    )
    parser.add_argument("--client-cores", type=cores, default=[0], help="comma-separated; default 0")
    parser.add_argument("--server-cores", type=cores, default=[last], help=f"comma-separated; default {last}")
    parser.add_argument(
        "--directory", type=Path, default=Path(tempfile.gettempdir()), help="where the local rows write"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("build/benchmarks"), help="directory of the results; default %(default)s"
    )
    parser.add_argument("--verbose", action="store_true", help="show what the clients print on standard error")
    options = parser.parse_args(arguments)
    options.rounds = options.rounds or (3 if options.quick else 5)
    options.seconds = options.seconds or (0.7 if options.minutes else 1.0 if options.quick else 3.0)
    options.retakes = 0 if options.minutes else options.retakes
    options.slow_rounds = 1 if options.quick else min(options.rounds, 3)
    options.chosen = choose([p for p in options.only.split(",") if p], tls=options.tls)
    if options.origin == "nginx":
        options.chosen = [(work, link) for work, link in options.chosen if link != "shaped" and work.name != "list-1m"]
    if not options.chosen:
        parser.error(f"no such row; there are {names}")
    options.clients = available([name for name in options.clients.split(",") if name])
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    sys.path.insert(0, str(ROOT / "src"))
    options = parse(arguments)
    report = Report(
        machine={
            **machine(options.client_cores, options.server_cores, options.loop, nginx=options.nginx),
            "server": options.origin,
        },
        versions=versions(options.clients),
        ceilings=[],
        measurements=[],
        failures=[],
        retakes=0,
    )
    pin(0, options.server_cores)
    with ExitStack() as stack:
        run = Run(options, report, stack)
        run.measure_ceilings()
        for work, link in options.chosen:
            run.measure(work, link)
    text = markdown(report, WORKLOADS)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "results.json").write_text(json.dumps(asdict(report), indent=1))
    (options.output / "results.md").write_text(text)
    if not plot(report, options.output / "results.svg"):
        say("no plot: matplotlib is not installed")
    print(text)


if __name__ == "__main__":
    main()
