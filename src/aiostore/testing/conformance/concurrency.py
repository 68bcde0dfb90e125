"""Many calls at once on one store."""
# ruff: noqa: D102, S101  # a test's name says what it shows

from __future__ import annotations

import asyncio
from typing import Final

from aiostore.store import Store
from aiostore.testing.conformance.suite import Suite, keys_of, payload

CALLS: Final = 100


class Concurrency(Suite):
    """Tests of concurrent calls."""

    async def test_a_hundred_writes_and_reads_at_once(self, store: Store) -> None:
        async def use(number: int) -> None:
            key, data = f"key/{number:03}", payload(1000 + number, number)
            await store.put(key, data)
            assert await store.get(key) == data
            assert (await store.head(key)).size == len(data)
            assert await store.get_range(key, 10, 20) == data[10:20]
            if number % 2:
                await store.delete(key)

        async with asyncio.TaskGroup() as group:
            for number in range(CALLS):
                group.create_task(use(number))
        assert await keys_of(store, "key/") == [f"key/{number:03}" for number in range(0, CALLS, 2)]

    async def test_a_hundred_reads_of_one_object(self, store: Store) -> None:
        data = payload(100_000)
        await store.put("key", data)
        assert await asyncio.gather(*(store.get("key") for _ in range(CALLS))) == [data] * CALLS

    async def test_large_writes_and_streams_at_once(self, store: Store) -> None:
        async def use(number: int) -> None:
            data = payload(3 * self.part_size + number, number)
            await store.put(f"{number}", data, part_size=self.part_size)
            assert b"".join([chunk async for chunk in store.stream(f"{number}")]) == data

        async with asyncio.TaskGroup() as group:
            for number in range(6):
                group.create_task(use(number))

    async def test_the_last_of_many_writes_to_one_key_is_whole(self, store: Store) -> None:
        versions = [payload(10_000, number) for number in range(20)]
        await asyncio.gather(*(store.put("key", version) for version in versions))
        assert await store.get("key") in versions
