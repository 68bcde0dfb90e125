"""What the policies cost on each small request: `python -m benchmarks.stack`.

The same primitives are called on the bare in-memory driver, through observe(retry(limit(driver))), and through the
public `Store`, interleaved round by round; the differences are the price of the policies and of the verbs above them.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from statistics import median

from aiostore import Driver, Limits, RetryPolicy, Store
from aiostore.core import stack
from aiostore.drivers.memory import MemoryDriver
from aiostore.types import GetOptions
from aiostore.wrappers.observe import Event
from aiostore.wrappers.retry import RetryBudget

from .report import table
from .server import pin

Call = Callable[[], Awaitable[None]]
LIMIT = 6.0
"""Microseconds the policies may cost."""


async def read(driver: Driver, key: str, options: GetOptions) -> None:
    result = await driver.get(key, options)
    try:
        while await result.stream.next_chunk():
            continue
    finally:
        await result.stream.aclose()


async def seconds_per_call(call: Call, count: int) -> float:
    begun = time.perf_counter()
    for _ in range(count):
        await call()
    return (time.perf_counter() - begun) / count


def ignore(_event: Event) -> None:
    """An observer that costs nothing of its own."""


def calls_of(driver: Driver) -> dict[str, Call]:
    options = GetOptions()

    async def head() -> None:
        await driver.head("key", options)

    async def get() -> None:
        await read(driver, "key", options)

    return {"head": head, "get": get}


def calls_of_store(store: Store) -> dict[str, Call]:
    async def head() -> None:
        await store.head("key")

    async def get() -> None:
        await store.get("key")

    return {"head": head, "get": get}


async def measure(rounds: int, count: int) -> str:
    """A table of microseconds for each call."""
    bare, retry, limits = MemoryDriver(), RetryPolicy(), Limits()
    async with Store(bare) as store:
        await store.put("key", bytes(1024))
        layers = {
            "driver": calls_of(bare),
            "policies": calls_of(stack(bare, retry, RetryBudget(retry), limits, ())),
            "policies, observed": calls_of(stack(bare, retry, RetryBudget(retry), limits, (ignore,))),
            "Store": calls_of_store(store),
        }
        found: dict[tuple[str, str], list[float]] = {}
        for _ in range(rounds):
            for layer, calls in layers.items():
                for operation, call in calls.items():
                    found.setdefault((layer, operation), []).append(await seconds_per_call(call, count) * 1e6)
    rows = []
    for layer in layers:
        for operation in ("head", "get"):
            price = median(
                here - there for here, there in zip(found[layer, operation], found["driver", operation], strict=True)
            )
            verdict = ("yes" if price < LIMIT else "NO") if layer.startswith("policies") else ""
            rows.append([layer, operation, f"{median(found[layer, operation]):.2f}", f"{price:.2f}", verdict])
    return table(["layer", "operation", "us", "above the driver", f"below {LIMIT:g} us"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stack", description="The policies' cost per request.")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--count", type=int, default=5000, help="calls of each kind in a round")
    parser.add_argument("--core", type=int, default=0)
    options = parser.parse_args()
    pin(0, [options.core])
    print(asyncio.run(measure(options.rounds, options.count)))


if __name__ == "__main__":
    main()
