"""How many requests a read of a whole object takes: one, unless further ones are worth their connections."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aiostore import Limits, MemoryStore
from aiostore.budget import BUDGET

PART = 64 * 1024


@pytest.fixture
def no_budget() -> Iterator[None]:
    """Others have taken all of it."""
    free = BUDGET.limit - BUDGET.used
    assert BUDGET.try_acquire(free)
    yield
    BUDGET.release(free)


async def requests(size: int) -> int:
    """The requests that reading ``size`` bytes takes."""
    seen: list[str] = []
    limits = Limits(part_size=PART, adaptive=False)
    async with MemoryStore(limits=limits, observers=[lambda event: seen.append(event.operation)]) as store:
        data = bytes(range(256)) * (size // 256) + bytes(size % 256)
        await store.put("key", data)
        seen.clear()
        assert await store.get("key") == data
    return seen.count("get")


@pytest.mark.parametrize(("size", "expected"), [(PART, 1), (2 * PART, 1), (2 * PART + 1, 3), (4 * PART, 4)])
async def test_up_to_two_parts_come_in_one_body(size: int, expected: int) -> None:
    used = BUDGET.used
    assert await requests(size) == expected
    assert BUDGET.used == used


@pytest.mark.usefixtures("no_budget")
async def test_without_memory_to_spare_each_part_is_a_request() -> None:
    assert await requests(PART) == 1
    assert await requests(2 * PART) == 2
