"""What a blocking call costs beside `asyncio.run_coroutine_threadsafe`: `python -m benchmarks.bridge`.

Prints microseconds for a coroutine that does nothing and for a small get from memory, interleaved, medians of the
rounds, by the clock and of processor time, and the ratios. Each way has an event loop of its own in a thread.
"""

from __future__ import annotations

import asyncio
import statistics
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import aiostore
from aiostore.blocking import portal

CALLS = 2000
ROUNDS = 15


async def nothing() -> None:
    return


def cost(call: Callable[[], object]) -> tuple[float, float]:
    """Microseconds of a call, by the clock and of the processor."""
    begun, used = time.perf_counter(), time.process_time()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - begun) / CALLS * 1e6, (time.process_time() - used) / CALLS * 1e6


def main() -> None:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    store = aiostore.blocking.connect("memory://bridge")
    store["key"] = bytes(1024)

    def compared(make: Callable[[], Coroutine[Any, Any, object]]) -> dict[str, Callable[[], object]]:
        return {
            "run_coroutine_threadsafe": lambda: asyncio.run_coroutine_threadsafe(make(), loop).result(),
            "portal.run": lambda: portal.run(make()),
        }

    calls = {
        "nothing": compared(nothing),
        "get 1 KiB from memory": {
            **compared(lambda: store.store.get("key")),
            "store.get": lambda: store.get("key"),
        },
    }
    for work, ways in calls.items():
        found: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for way, call in ways.items():
                found[way].append(cost(call))
        medians = {
            way: [statistics.median(column) for column in zip(*costs, strict=True)] for way, costs in found.items()
        }
        base = medians["run_coroutine_threadsafe"]
        for way, (clock, processor) in medians.items():
            ratios = f"{clock / base[0]:6.2f}x {processor:8.1f} us of the processor {processor / base[1]:6.2f}x"
            print(f"{work:22} {way:26} {clock:8.1f} us {ratios}")


if __name__ == "__main__":
    main()
