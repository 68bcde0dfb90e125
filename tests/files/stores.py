"""Stores over memory for tests of files: small parts, faults, and nothing left at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiostore.budget import BUDGET
from aiostore.capabilities import PartLimits
from aiostore.drivers.memory import MemoryDriver
from aiostore.policies import Integrity, Limits, RetryPolicy
from aiostore.protocol import Driver
from aiostore.store import Store
from aiostore.testing import Fault, FaultyDriver
from aiostore.types import GetOptions
from tests.files.choppy import ChoppyDriver

PART = 1000


@asynccontextmanager
async def faulty(
    *plan: Fault,
    part_size: int = PART,
    gap: int = 0,
    chunks: Sequence[int] = (),
    integrity: Integrity = "auto",
    inner: Driver | None = None,
) -> AsyncIterator[tuple[Store, FaultyDriver]]:
    """A store over memory behind a plan of faults; at its end no body, upload or byte of the budget is left."""
    memory = inner or MemoryDriver(parts=PartLimits(min_size=PART, max_size=100 * PART))
    driver = FaultyDriver(ChoppyDriver(memory, chunks) if chunks else memory, plan)
    limits = Limits(part_size=part_size, gap=gap, reads=3)
    retry = RetryPolicy(first_delay=0, budget=10**6)
    async with Store(driver, retry=retry, limits=limits, integrity=integrity) as store:
        yield store, driver
    assert (await memory.list_multipart("")).uploads == []
    assert driver.open_bodies == 0
    assert BUDGET.used == 0


def ranges(driver: FaultyDriver) -> list[tuple[int | None, int | None]]:
    """The ranges that were asked for, in order."""
    options = [call.arguments[1] for call in driver.calls if call.primitive == "get"]
    return [(option.start, option.stop) for option in options if isinstance(option, GetOptions)]
