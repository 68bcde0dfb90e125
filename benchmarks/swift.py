"""aiostore, python-swiftclient and opendal over one look-alike of Swift, interleaved: `python -m benchmarks.swift`.

Each client works in a process of its own, for a fixed number of operations; what is compared is that process's CPU time
for one operation, which a busy machine disturbs less than the time that passes. Swift's own servers take some 20 ms for
a request, in which every client would disappear. aiostore compares MD5s in both directions, which the others do not;
without that it does what they do.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from aiostore.policies import Integrity
from benchmarks.server import list_prefix, object_key, serve

KIB, MIB = 1024, 1024**2
CLIENTS = ("aiostore", "aiostore unverified", "opendal", "swiftclient")
CONTAINER, TOKEN = "bench", "token-of-the-benchmark"
SMALL, LARGE = object_key(KIB), object_key(16 * MIB)

# What is done, how often, and how many at once.
WORKLOADS: dict[str, tuple[int, int]] = {
    "GET 1 KiB": (6000, 32),
    "GET 1 KiB, one after the other": (2000, 1),
    "HEAD": (6000, 32),
    "range of 4 KiB": (6000, 32),
    "GET 16 MiB": (24, 2),
    "PUT 1 KiB": (4000, 32),
    "PUT 1 MiB": (200, 4),
    "list 10,000": (10, 1),
}
Call = Callable[[int], Awaitable[object]]
Calls = tuple[dict[str, Call], Callable[[], Awaitable[None]]]


async def aiostore_calls(url: str, integrity: Integrity = "auto") -> Calls:
    from aiostore import SwiftStore

    store = SwiftStore(CONTAINER, token=TOKEN, storage_url=url, integrity=integrity)

    async def listing(_: int) -> int:
        return len([meta async for meta in store.list(list_prefix(10_000))])

    calls: dict[str, Call] = {
        "GET": lambda _: store.get(SMALL),
        "HEAD": lambda _: store.head(SMALL),
        "range": lambda number: store.get_range(LARGE, number * 4096 % MIB, number * 4096 % MIB + 4096),
        "GET 16 MiB": lambda _: store.get(LARGE),
        "PUT 1 KiB": lambda number: store.put(f"put-{number}", bytes(KIB)),
        "PUT 1 MiB": lambda number: store.put(f"put-{number}", bytes(MIB)),
        "list": listing,
    }
    return calls, store.aclose


async def opendal_calls(url: str) -> Calls:
    import opendal

    store = opendal.AsyncOperator("swift", endpoint=url, container=CONTAINER, token=TOKEN)

    async def head(_: int) -> object:
        return await store.stat(SMALL)

    async def get_range(number: int) -> object:
        return await store.read(LARGE, offset=number * 4096 % MIB, size=4096)

    async def listing(_: int) -> int:
        return len([entry async for entry in await store.list(list_prefix(10_000))])

    calls: dict[str, Call] = {
        "GET": lambda _: store.read(SMALL),
        "HEAD": head,
        "range": get_range,
        "GET 16 MiB": lambda _: store.read(LARGE),
        "PUT 1 KiB": lambda number: store.write(f"put-{number}", bytes(KIB)),
        "PUT 1 MiB": lambda number: store.write(f"put-{number}", bytes(MIB)),
        "list": listing,
    }

    async def close() -> None:
        """Nothing is to be closed."""

    return calls, close


async def swiftclient_calls(url: str) -> Calls:
    """A connection for each of as many threads as calls are made at once."""
    import threading

    from swiftclient.client import Connection

    pool, local = ThreadPoolExecutor(32), threading.local()

    def connection() -> Any:
        if not hasattr(local, "connection"):
            local.connection = Connection(preauthurl=url, preauthtoken=TOKEN, retries=0)
        return local.connection

    def call(work: Callable[[Any, int], object]) -> Call:
        loop = asyncio.get_running_loop()

        async def called(number: int) -> object:
            return await loop.run_in_executor(pool, lambda: work(connection(), number))

        return called

    def get_range(one: Any, number: int) -> object:
        start = number * 4096 % MIB
        return one.get_object(CONTAINER, LARGE, headers={"Range": f"bytes={start}-{start + 4095}"})

    calls = {
        "GET": call(lambda one, _: one.get_object(CONTAINER, SMALL)),
        "HEAD": call(lambda one, _: one.head_object(CONTAINER, SMALL)),
        "range": call(get_range),
        "GET 16 MiB": call(lambda one, _: one.get_object(CONTAINER, LARGE)),
        "PUT 1 KiB": call(lambda one, number: one.put_object(CONTAINER, f"put-{number}", bytes(KIB))),
        "PUT 1 MiB": call(lambda one, number: one.put_object(CONTAINER, f"put-{number}", bytes(MIB))),
        "list": call(lambda one, _: one.get_container(CONTAINER, prefix=list_prefix(10_000), full_listing=True)),
    }

    async def close() -> None:
        pool.shutdown()

    return calls, close


async def work(client: str, workload: str, url: str) -> dict[str, float]:
    """Do one workload; the seconds and the CPU seconds of one operation."""
    made: Any = {
        "aiostore": aiostore_calls,
        "aiostore unverified": partial(aiostore_calls, integrity="off"),
        "opendal": opendal_calls,
        "swiftclient": swiftclient_calls,
    }[client]
    calls, close = await made(url)
    kinds = ("GET 16 MiB", "GET", "HEAD", "range", "PUT 1 KiB", "PUT 1 MiB", "list")
    call = calls[next(name for name in kinds if workload.startswith(name))]
    count, concurrency = WORKLOADS[workload]
    numbers = iter(range(count))

    async def one_after_the_other() -> None:
        for number in numbers:
            await call(number)

    await asyncio.gather(*(call(number) for number in range(concurrency)))
    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(one_after_the_other() for _ in range(concurrency)))
    result = {"cpu": (time.process_time() - cpu) / count, "wall": (time.perf_counter() - began) / count}
    await close()
    return result


def measure(client: str, workload: str, url: str) -> dict[str, float] | None:
    command = (sys.executable, "-m", "benchmarks.swift", "--work", client, workload, url)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    if done.returncode:
        print(f"{client}: {workload}: status {done.returncode}: {done.stderr.strip()[-300:]}", file=sys.stderr)
        return None
    found: dict[str, float] = json.loads(done.stdout)
    return found


def report(found: dict[tuple[str, str], list[dict[str, float]]]) -> None:
    print("CPU microseconds (and microseconds in all) of one operation, the median of the rounds\n")
    print(f"| | {' | '.join(CLIENTS)} |\n|---|{'---:|' * len(CLIENTS)}")
    for workload in WORKLOADS:
        cells = []
        for client in CLIENTS:
            rounds = found.get((client, workload))
            if not rounds:
                cells.append("")
                continue
            cpu, wall = (statistics.median(result[name] for result in rounds) * 1e6 for name in ("cpu", "wall"))
            cells.append(f"{cpu:,.0f} ({wall:,.0f})")
        print(f"| {workload} | {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="workloads whose names contain this")
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        print(json.dumps(asyncio.run(work(*options.work))))
        return
    with serve(sizes=(KIB, 16 * MIB), tls=False) as server:
        found: dict[tuple[str, str], list[dict[str, float]]] = {}
        for _ in range(options.rounds):
            for workload in WORKLOADS:
                for client in CLIENTS:
                    if options.only in workload:
                        result = measure(client, workload, f"{server.http}/v1/AUTH_benchmark")
                        if result is not None:
                            found.setdefault((client, workload), []).append(result)
    report(found)


if __name__ == "__main__":
    main()
