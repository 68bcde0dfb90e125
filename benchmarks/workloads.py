"""What is measured, and how one measurement runs inside a client's process."""

from __future__ import annotations

import asyncio
import gc
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .clients import AsyncClient, ThreadClient
from .server import object_key

KIB, MIB, GIB = 1024, 1024**2, 1024**3
Operation = Literal["get", "head", "put", "read_stream", "put_stream", "list_keys"]
LinkKind = Literal["plain", "tls", "shaped", "local"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Workload:
    """One row of the table."""

    name: str
    operation: Operation
    links: tuple[LinkKind, ...]
    size: int
    """Bytes of an object, or keys of a listing."""
    concurrency: int = 1
    part_size: int | None = None
    once: bool = False
    """One pass a round instead of as many as fit into its time."""
    targets: Mapping[LinkKind, Mapping[str, float]] = field(default_factory=dict)
    """Link -> peer -> how many times the peer's rate aiostore reaches at least."""

    @property
    def unit(self) -> str:
        if self.operation == "list_keys":
            return "keys/s"
        return "op/s" if self.size < MIB else "MiB/s"

    @property
    def is_upload(self) -> bool:
        return self.operation in {"put", "put_stream"}

    def rate(self, result: Result) -> float:
        """A result in this workload's unit."""
        if self.unit == "op/s":
            return result.operations / result.seconds
        amount = result.operations * self.size
        return (amount if self.unit == "keys/s" else amount / MIB) / result.seconds


SMALL: tuple[LinkKind, ...] = ("plain", "tls")
AZURE = {"obstore-azure": 1.0, "azure-sdk": 3.0}
OSS = {"oss2": 1.0, "oss-v2": 1.0}
WORKLOADS = (
    Workload(
        name="get-1k",
        operation="get",
        links=SMALL,
        size=KIB,
        concurrency=32,
        targets={
            "plain": {"obstore": 1.0, "aiobotocore": 8, **AZURE, **OSS},
            "tls": {"obstore": 1.1, "aiobotocore": 8, **AZURE, **OSS},
        },
    ),
    Workload(
        name="put-1k",
        operation="put",
        links=SMALL,
        size=KIB,
        concurrency=32,
        targets={
            "plain": {"obstore": 0.9, "aiobotocore": 8, **AZURE, **OSS},
            "tls": {"obstore": 0.9, "aiobotocore": 8, **AZURE, **OSS},
        },
    ),
    Workload(
        name="head",
        operation="head",
        links=SMALL,
        size=KIB,
        concurrency=32,
        targets={
            "plain": {"obstore": 0.9, "aiobotocore": 8, **AZURE, **OSS},
            "tls": {"obstore": 0.9, "aiobotocore": 8, **AZURE, **OSS},
        },
    ),
    Workload(
        name="get-1m",
        operation="get",
        links=SMALL,
        size=MIB,
        concurrency=32,
        targets={"plain": {"obstore": 0.9}, "tls": {"obstore": 0.9}},
    ),
    Workload(
        name="put-1m",
        operation="put",
        links=SMALL,
        size=MIB,
        concurrency=32,
        targets={"plain": {"obstore": 0.9}, "tls": {"obstore": 0.9}},
    ),
    Workload(
        name="stream-256m",
        operation="read_stream",
        links=SMALL,
        size=256 * MIB,
        targets={"plain": {"obstore": 0.8, **OSS}, "tls": {"obstore": 1.3, **OSS}},
    ),
    Workload(
        name="put-256m",
        operation="put_stream",
        links=SMALL,
        size=256 * MIB,
        part_size=8 * MIB,
        targets={
            "plain": {"obstore": 1.2, "obstore-azure": 1.2, "azure-sdk": 1.2, **OSS},
            "tls": {"obstore": 2.0, "obstore-azure": 1.2, "azure-sdk": 1.2, **OSS},
        },
    ),
    Workload(
        name="list-20k",
        operation="list_keys",
        links=SMALL,
        size=20_000,
        targets={
            "plain": {"obstore": 0.7, "aiobotocore": 12, **OSS},
            "tls": {"obstore": 0.7, "aiobotocore": 12, **OSS},
        },
    ),
    Workload(
        name="stream-1g",
        operation="read_stream",
        links=("shaped",),
        size=GIB,
        once=True,
        targets={"shaped": {"obstore": 10}},
    ),
    Workload(
        name="put-1g",
        operation="put_stream",
        links=("shaped",),
        size=GIB,
        once=True,
        targets={"shaped": {"obstore": 2}},
    ),
    Workload(name="list-1m", operation="list_keys", links=("plain",), size=1_000_000, once=True),
    Workload(name="streams-64", operation="read_stream", links=("plain",), size=64 * MIB, concurrency=64, once=True),
    Workload(
        name="get-64m",
        operation="get",
        links=("local",),
        size=64 * MIB,
        targets={"local": {"open-in-thread": 0.9}},
    ),
    Workload(
        name="put-64m",
        operation="put",
        links=("local",),
        size=64 * MIB,
        targets={"local": {"open-in-thread": 0.9}},
    ),
    Workload(
        name="stream-64m",
        operation="read_stream",
        links=("local",),
        size=64 * MIB,
        targets={"local": {"open-in-thread": 0.9}},
    ),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One measurement of one client."""

    seconds: float
    operations: int
    cpu: float
    """Seconds of processor time of the client's process, all its threads, user and system."""
    total_cpu: float
    """The same with the warm-up: all of it that this measurement took from the clients' cores."""
    peak_rss: int
    """Bytes; the most this process has held since it was started for this workload."""


def peak_rss() -> int:
    """`VmHWM` and not `ru_maxrss`: that one remembers the process before exec."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * KIB
    raise RuntimeError("the kernel does not tell VmHWM")


def processor_time() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class WrongAnswerError(RuntimeError):
    """A client returned something other than what was stored."""


def expect(found: int, wanted: int) -> None:
    if found != wanted:
        raise WrongAnswerError(f"expected {wanted}, got {found}")


def chunks(size: int) -> Iterator[bytes]:
    """`size` bytes in chunks of 1 MiB."""
    chunk = bytes(range(256)) * (MIB // 256)
    for _ in range(size // MIB):
        yield chunk
    if size % MIB:
        yield chunk[: size % MIB]


async def async_chunks(size: int) -> AsyncIterator[bytes]:
    for chunk in chunks(size):
        yield chunk


def body(size: int) -> bytes:
    return b"".join(chunks(size))


def async_call(client: AsyncClient, work: Workload, prefix: str) -> Callable[[int], Awaitable[None]]:
    """One operation of a workload; its argument varies the key."""
    size = work.size
    data = body(size) if work.operation == "put" else b""

    async def get(n: int) -> None:
        expect(await client.get(object_key(size, n)), size)

    async def head(n: int) -> None:
        expect(await client.head(object_key(size, n)), size)

    async def put(n: int) -> None:
        await client.put(f"put/{n % 4}", data)

    async def read_stream(n: int) -> None:
        expect(await client.read_stream(object_key(size, n)), size)

    async def put_stream(n: int) -> None:
        await client.put_stream(f"put/{n}", async_chunks(size), work.part_size)

    async def list_keys(_n: int) -> None:
        expect(await client.list_keys(prefix), size)

    calls: dict[Operation, Callable[[int], Awaitable[None]]] = {
        "get": get,
        "head": head,
        "put": put,
        "read_stream": read_stream,
        "put_stream": put_stream,
        "list_keys": list_keys,
    }
    return calls[work.operation]


def thread_call(client: ThreadClient, work: Workload, prefix: str) -> Callable[[int], None]:
    """The blocking twin of `async_call`."""
    size = work.size
    data = body(size) if work.operation == "put" else b""
    calls: dict[Operation, Callable[[int], None]] = {
        "get": lambda n: expect(client.get(object_key(size, n)), size),
        "head": lambda n: expect(client.head(object_key(size, n)), size),
        "put": lambda n: client.put(f"put/{n % 4}", data),
        "read_stream": lambda n: expect(client.read_stream(object_key(size, n)), size),
        "put_stream": lambda n: client.put_stream(f"put/{n}", chunks(size), work.part_size),
        "list_keys": lambda _n: expect(client.list_keys(prefix), size),
    }
    return calls[work.operation]


async def run_async(work: Workload, call: Callable[[int], Awaitable[None]], seconds: float) -> int:
    """Keeps `work.concurrency` tasks busy for a time; the number of operations."""
    done = 0
    deadline = 0.0 if work.once else time.perf_counter() + seconds

    async def worker(first: int) -> None:
        nonlocal done
        n = first
        while True:
            await call(n & 1023)
            done += 1
            n += work.concurrency
            if time.perf_counter() >= deadline:
                return

    if work.concurrency == 1:
        await worker(0)
    else:
        async with asyncio.TaskGroup() as group:
            for first in range(work.concurrency):
                group.create_task(worker(first))
    return done


def run_threads(work: Workload, call: Callable[[int], None], seconds: float, pool: ThreadPoolExecutor) -> int:
    """Keeps `work.concurrency` threads busy for a time; the number of operations."""
    deadline = 0.0 if work.once else time.perf_counter() + seconds

    def worker(first: int) -> int:
        n = first
        done = 0
        while True:
            call(n & 1023)
            done += 1
            n += work.concurrency
            if time.perf_counter() >= deadline:
                return done

    if work.concurrency == 1:
        return worker(0)
    return sum(pool.map(worker, range(work.concurrency)))


@dataclass(slots=True)
class Stopwatch:
    """Wall and processor time since `start()`, and processor time since it was made."""

    made: float = field(default_factory=processor_time)
    wall: float = 0.0
    cpu: float = 0.0

    def start(self) -> None:
        gc.collect()
        self.cpu, self.wall = processor_time(), time.perf_counter()

    def result(self, operations: int) -> Result:
        seconds, now = time.perf_counter() - self.wall, processor_time()
        return Result(
            seconds=seconds,
            operations=operations,
            cpu=now - self.cpu,
            total_cpu=now - self.made,
            peak_rss=peak_rss(),
        )


WARM_UP = 0.3
"""Seconds of small operations before the clock starts: connections are open and code is warm."""


async def measure_async(client: AsyncClient, work: Workload, prefix: str, seconds: float) -> Result:
    watch, call = Stopwatch(), async_call(client, work, prefix)
    if work.concurrency > 1 and not work.once:
        await run_async(work, call, WARM_UP)
    watch.start()
    return watch.result(await run_async(work, call, seconds))


def measure_threads(client: ThreadClient, work: Workload, prefix: str, seconds: float) -> Result:
    watch, call = Stopwatch(), thread_call(client, work, prefix)
    with ThreadPoolExecutor(work.concurrency) as pool:
        if work.concurrency > 1 and not work.once:
            run_threads(work, call, WARM_UP, pool)
        watch.start()
        return watch.result(run_threads(work, call, seconds, pool))
