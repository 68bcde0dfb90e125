"""What a cancelled call leaves behind: nothing."""
# ruff: noqa: D102, S101  # a test's name says what it shows

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final

import pytest

from aiostore.store import Store
from aiostore.testing.conformance.suite import PATIENCE, Suite, keys_of, payload

MOMENTS: Final = 10
"""At how many moments of its life a call is cancelled."""


class Cancellation(Suite):
    """Tests of cancelled reads and writes. That no task, upload or budget is left is checked after every test."""

    @pytest.mark.parametrize("parts", [0, 1, 4], ids=["at its first byte", "after one part", "after four parts"])
    async def test_a_cancelled_write_publishes_nothing(self, store: Store, parts: int) -> None:
        stalled = asyncio.Event()
        writing = asyncio.create_task(store.put("key", self._stalling(parts, stalled), part_size=self.part_size))
        await stalled.wait()
        await _cancel(writing)
        assert not await store.exists("key")
        assert await keys_of(store) == []

    async def test_a_cancelled_write_leaves_the_object_that_was_there(self, store: Store) -> None:
        await store.put("key", b"old")
        stalled = asyncio.Event()
        writing = asyncio.create_task(store.put("key", self._stalling(3, stalled), part_size=self.part_size))
        await stalled.wait()
        await _cancel(writing)
        assert await store.get("key") == b"old"

    async def test_a_write_cancelled_again_and_again_still_cleans_up(self, store: Store) -> None:
        stalled = asyncio.Event()
        writing = asyncio.create_task(store.put("key", self._stalling(3, stalled), part_size=self.part_size))
        await stalled.wait()
        while not writing.done():
            writing.cancel()
            await asyncio.sleep(0)
        assert writing.cancelled()
        await self._wait_until_clean(store)
        assert not await store.exists("key")

    async def test_a_write_cancelled_at_any_moment_is_all_or_nothing(self, store: Store) -> None:
        old, new = payload(1000, 1), payload(3 * self.part_size + 1, 2)

        async def write() -> None:
            await store.put("key", new, part_size=self.part_size)

        async def check() -> None:
            await self._wait_until_clean(store)
            assert await store.get("key") in {old, new}

        await store.put("key", old)
        await _cancel_at_moments(write, check)

    async def test_a_read_cancelled_at_any_moment_leaves_a_working_store(self, store: Store) -> None:
        data = payload(4 * self.part_size)
        await store.put("key", data)

        async def read() -> None:
            assert await store.get("key") == data

        async def stream() -> None:
            assert b"".join([chunk async for chunk in store.stream("key")]) == data

        for call in (read, stream):
            await _cancel_at_moments(call, read)

    async def test_ranges_cancelled_at_any_moment_leave_a_working_store(self, store: Store) -> None:
        data = payload(4 * self.part_size)
        await store.put("key", data)
        ranges = [(number * self.part_size // 2, number * self.part_size // 2 + 100) for number in range(8)]

        async def read() -> None:
            assert await store.get_ranges("key", ranges) == [data[start:stop] for start, stop in ranges]

        await _cancel_at_moments(read, read)

    async def test_a_download_cancelled_at_any_moment_leaves_no_file(self, store: Store, tmp_path: Path) -> None:
        data = payload(4 * self.part_size)
        await store.put("key", data)

        async def download() -> None:
            await store.download("key", tmp_path / "file")

        async def check() -> None:
            assert os.listdir(tmp_path) in ([], ["file"])
            if os.listdir(tmp_path):
                assert (tmp_path / "file").read_bytes() == data
                (tmp_path / "file").unlink()

        await _cancel_at_moments(download, check)

    async def test_small_calls_cancelled_at_any_moment_leave_a_working_store(self, store: Store) -> None:
        numbers = itertools.count()

        async def use() -> None:
            # A cancelled request may be carried out later: each turn has a key of its own.
            key = f"key/{next(numbers)}"
            await store.put(key, b"value")
            assert (await store.head(key)).size == 5
            assert await keys_of(store, key) == [key]
            await store.delete_many([key, "missing"])
            assert not await store.exists(key)

        await _cancel_at_moments(use, use)

    async def test_a_timeout_ends_a_write_that_does_not_move(self, store: Store) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await store.put("key", self._stalling(0, asyncio.Event()))
        assert not await store.exists("key")

    async def test_a_failing_sibling_task_cancels_a_write(self, store: Store) -> None:
        stalled = asyncio.Event()

        async def fail() -> None:
            await stalled.wait()
            raise ZeroDivisionError

        async def both() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(fail())
                group.create_task(store.put("key", self._stalling(2, stalled), part_size=self.part_size))

        with pytest.raises(ExceptionGroup) as caught:
            await both()
        assert [type(error) for error in caught.value.exceptions] == [ZeroDivisionError]
        assert not await store.exists("key")

    async def _stalling(self, parts: int, stalled: asyncio.Event) -> AsyncIterator[bytes]:
        for number in range(parts):
            yield payload(self.part_size, number)
        stalled.set()
        await asyncio.Event().wait()

    async def _wait_until_clean(self, store: Store) -> None:
        """What was sent when the call was cancelled may end a little later."""
        deadline = time.monotonic() + PATIENCE
        while left := await self.leftovers(store):
            assert time.monotonic() < deadline, left
            await asyncio.sleep(0.02)


async def _cancel(task: asyncio.Task[object]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _cancel_at_moments(call: Callable[[], Awaitable[None]], check: Callable[[], Awaitable[None]]) -> None:
    """Cancel ``call`` after growing shares of the time that it takes, and ``check`` after each."""
    begun = time.perf_counter()
    await call()
    duration = time.perf_counter() - begun
    await check()
    for moment in range(MOMENTS):
        try:
            async with asyncio.timeout(duration * moment / MOMENTS):
                await call()
        except TimeoutError:
            pass
        await check()
