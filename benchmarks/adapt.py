"""How concurrency adapts: `python -m benchmarks.adapt`.

Reads and writes on a shaped link, second by second, with the number of ranges or parts under way; then small reads of a
server that answers 503 above so many requests at once, beside the same reads with fixed limits.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aiostore import Limits, S3Store
from aiostore.errors import StoreError

from .report import table
from .server import BUCKET, Link, Server, Stats, object_key, pin, serve
from .workloads import GIB, KIB, MIB, async_chunks

TICK = 0.25
"""Seconds between two looks."""


def open_store(server: Server, limits: Limits | None = None) -> S3Store:
    return S3Store(
        BUCKET,
        endpoint=server.http,
        region="us-east-1",
        access_key_id="benchmark",
        secret_access_key="benchmark-secret",
        limits=limits,
    )


async def looks(server: Server) -> AsyncIterator[tuple[float, Stats, Stats]]:
    """The seconds since the first look, and the server's counts at the last look and now, for ever."""
    begun, before = time.perf_counter(), await asyncio.to_thread(server.stats)
    while True:
        await asyncio.sleep(TICK)
        now = await asyncio.to_thread(server.stats)
        yield time.perf_counter() - begun, before, now
        before = now


async def watch_link(server: Server, link: Link, *, upload: bool, size: int) -> list[tuple[str, ...]]:
    """What moved in each tick of one large transfer, and how many connections' worth of the link that is."""
    rows: list[tuple[str, ...]] = []

    async def transfer(store: S3Store) -> None:
        if upload:
            await store.put("put/adapt", async_chunks(size))
        else:
            async for _ in store.stream(object_key(size)):
                continue

    async with open_store(server) as store:
        task = asyncio.create_task(transfer(store))
        last = time.perf_counter()
        async for seconds, before, now in looks(server):
            moved = now.bytes_in - before.bytes_in if upload else now.bytes_out - before.bytes_out
            instant = time.perf_counter()
            rate = moved / (instant - last)
            last = instant
            rows.append((f"{seconds:.2f}", f"{rate / MIB:,.0f}", f"{rate / link.rate:.1f}"))
            if task.done():
                break
        await task
    return rows


@dataclass(slots=True)
class Counts:
    """What became of the calls."""

    done: int = 0
    failed: int = 0
    fewest: int = 0
    """Calls of the task that finished the fewest: nobody starved if that is near the mean."""


async def hammer(store: S3Store, tasks: int, seconds: float) -> Counts:
    """Small reads by so many tasks, each as fast as it can."""
    counts, deadline = Counts(), time.perf_counter() + seconds

    async def worker(number: int) -> int:
        done = 0
        while time.perf_counter() < deadline:
            try:
                await store.get(object_key(KIB, number))
                done += 1
            except StoreError:
                counts.failed += 1
        return done

    found = await asyncio.gather(*(worker(number) for number in range(tasks)))
    counts.done, counts.fewest = sum(found), min(found)
    return counts


async def watch_busy(server: Server, link: Link, limits: Limits | None, tasks: int, seconds: float) -> tuple[str, ...]:
    """How many requests of the second half were carried out, under way and refused, and what became of the calls."""
    async with open_store(server, limits) as store:
        task = asyncio.create_task(hammer(store, tasks, seconds))
        first = await asyncio.to_thread(server.stats)
        await asyncio.sleep(seconds / 2)
        half, begun = await asyncio.to_thread(server.stats), time.perf_counter()
        counts = await task
        elapsed, last = time.perf_counter() - begun, await asyncio.to_thread(server.stats)
    requests, refused = last.requests - half.requests - 1, last.refused - half.refused
    early = (half.refused - first.refused) / max(1, half.requests - first.requests)
    return (
        f"{(requests - refused) / elapsed:,.0f}",
        f"{requests * link.delay / elapsed:.1f}",
        f"{early:.1%}",
        f"{refused / max(1, requests):.1%}",
        f"{counts.failed}",
        f"{counts.fewest}/{counts.done / tasks:.0f}",
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.adapt", description="Shows how concurrency adapts.")
    parser.add_argument("--shape", type=Link.parse, default=Link.parse("30ms,60MiB/s"), help="default %(default)s")
    parser.add_argument("--busy-above", type=int, default=16, help="requests at once that the server bears; default 16")
    parser.add_argument("--tasks", type=int, default=128, help="that read at once from it; default 128")
    parser.add_argument("--seconds", type=float, default=8.0)
    options = parser.parse_args()
    link: Link = options.shape
    pin(0, [0])
    with serve(sizes=[GIB], tls=False, cores=[1], link=link) as server:
        for upload in (False, True):
            rows = asyncio.run(watch_link(server, link, upload=upload, size=GIB))
            print(f"\n1 GiB {'put' if upload else 'stream'}, {link}\n")
            print(table(("after s", "MiB/s", "connections' worth"), rows))
    with serve(sizes=[KIB], tls=False, cores=[1], link=link, busy_above=options.busy_above) as server:
        print(f"\n{options.tasks} tasks, a server that refuses above {options.busy_above} requests at once\n")
        rows = [
            (name, *asyncio.run(watch_busy(server, link, limits, options.tasks, options.seconds)))
            for name, limits in (("adaptive", None), ("fixed", Limits(adaptive=False)))
        ]
        heads = (
            "limits",
            "op/s",
            "under way",
            "refused, 1st half",
            "2nd half",
            "failed calls",
            "fewest/mean of a task",
        )
        print(table(heads, rows))


if __name__ == "__main__":
    main()
