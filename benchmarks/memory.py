"""Peak memory against the formula: `python -m benchmarks.memory`.

Each case runs in a process of its own, whose peak is taken less what it held once it had connected. The bound is what
`docs/performance.md` states: the memory limit, and one part for each stream or writer.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
from collections.abc import AsyncIterator, Awaitable, Callable

import aiostore
from aiostore import S3Store, transfer

from .report import table
from .server import BUCKET, Link, list_prefix, object_key, serve, tree_prefix
from .workloads import GIB, KIB, MIB, peak_rss

PART = 8 * MIB
Case = Callable[[S3Store], Awaitable[None]]


async def fresh_chunks(size: int) -> AsyncIterator[bytes]:
    """`size` bytes in chunks of 1 MiB, none of which is another's memory."""
    for number in range(size // MIB):
        yield number.to_bytes(8, "big") * (MIB // 8)


async def put(store: S3Store) -> None:
    await store.put("put/memory", fresh_chunks(GIB))


async def stream(store: S3Store) -> None:
    async for _ in store.stream(object_key(GIB)):
        continue


async def streams(store: S3Store) -> None:
    async def one(number: int) -> None:
        async for _ in store.stream(object_key(64 * MIB, number)):
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for number in range(64):
            group.create_task(one(number))


async def listing(store: S3Store) -> None:
    async for _ in store.list(list_prefix(1_000_000)):
        continue


async def sync(store: S3Store) -> None:
    source = store.with_prefix(tree_prefix(100_000, KIB))
    async with S3Store(
        BUCKET, prefix="list/100000/", region="us-east-1", access_key_id="another", secret_access_key="secret"
    ) as target:
        # Other credentials, so that the bytes pass through here; every object is there, and is replaced.
        summary = await transfer.sync(source, target, compare="never", delete=True)
        assert (summary.replaced, summary.failed) == (100_000, 0), summary


CASES: dict[str, tuple[Case, int]] = {
    "1 GiB put of an async iterator": (put, 1),
    "1 GiB stream": (stream, 1),
    "64 streams of 64 MiB at once": (streams, 64),
    "1,000,000 keys listed": (listing, 0),
    "100,000 objects synced": (sync, 0),
}
"""What is done, and how many streams or writers are open at once."""


def run(name: str, endpoint: str, limit: int) -> tuple[int, int]:
    """Bytes that were held when the store had connected, and at most."""

    async def work() -> tuple[int, int]:
        os.environ["AWS_ENDPOINT_URL"] = endpoint
        async with S3Store(BUCKET, region="us-east-1", access_key_id="benchmark", secret_access_key="secret") as store:
            await store.get(object_key(KIB))
            idle = peak_rss()
            await CASES[name][0](store)
            return idle, peak_rss()

    aiostore.set_memory_limit(limit)
    return asyncio.run(work())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description="Measures peak memory.")
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--shape", type=Link.parse, default=Link.parse("30ms,60MiB/s"), help="default %(default)s")
    options = parser.parse_args()
    # glibc then gives freed blocks back at once, so that the peak is what was held and not what was kept.
    os.environ["MALLOC_MMAP_THRESHOLD_"] = "131072"
    context = multiprocessing.get_context("spawn")
    rows = []
    with serve(sizes=[KIB, 64 * MIB, GIB], tls=False, cores=[1], link=options.shape) as server:
        for name in options.cases:
            owners = CASES[name][1]
            for limit in (256 * MIB, 64 * MIB):
                with context.Pool(1) as pool:
                    idle, peak = pool.apply(run, (name, server.http, limit))
                bound = (limit + owners * PART) if owners else 0
                rows.append((
                    name,
                    f"{limit // MIB}",
                    f"{bound // MIB}" if owners else "-",
                    f"{(peak - idle) / MIB:.0f}",
                    f"{peak / MIB:.0f}",
                ))  # fmt: skip
    print(table(("case", "memory limit, MiB", "bound, MiB", "peak over idle, MiB", "peak RSS, MiB"), rows))


if __name__ == "__main__":
    main()
