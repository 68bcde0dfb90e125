"""Transfers that are spread over several processes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import pytest

from aiostore import ConfigurationError, MemoryStore, StoreError, transfer
from aiostore.errors import NotFoundError
from aiostore.transfer import worker


def tree(root: Path, count: int) -> None:
    for number in range(count):
        path = root / f"{number % 7}" / f"{number:04}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"%d" % number)


async def test_every_object_is_copied_once_and_counted(tmp_path: Path) -> None:
    tree(tmp_path / "source", 300)
    (tmp_path / "target" / "1").mkdir(parents=True)
    (tmp_path / "target" / "1" / "0001").write_bytes(b"an older value")
    (tmp_path / "target" / "extra").write_bytes(b"")
    (tmp_path / "target" / "2").mkdir()
    (tmp_path / "target" / "2" / "0002").mkdir()  # no file can have this name
    (tmp_path / "target" / "2" / "0002" / "file").write_bytes(b"")
    seen: list[int] = []
    summary = await transfer.sync(
        tmp_path / "source", tmp_path / "target", delete=True, processes=2, progress=lambda done, _: seen.append(done)
    )
    assert (summary.copied, summary.replaced, summary.failed, summary.deleted, summary.kept) == (298, 1, 1, 0, 2)
    assert [failure.key for failure in summary.failures] == ["2/0002"]
    assert seen[-1] == summary.bytes
    again = await transfer.copy(tmp_path / "source", tmp_path / "target", processes=2)
    assert (again.copied, again.skipped, again.failed) == (0, 299, 1)


async def count(items: AsyncIterator[int], exponent: int) -> AsyncGenerator[tuple[int, int], None]:
    """Work that can be pickled."""
    async for item in items:
        if item == -1:
            raise NotFoundError("no such number", key="-1")
        if item == -2:
            os._exit(7)
        yield os.getpid(), item**exponent


async def numbers(*found: int) -> AsyncIterator[int]:
    for number in found:
        yield number


async def test_each_item_has_one_result_from_some_process() -> None:
    results: list[tuple[int, int]] = []
    await worker.spread(count, (2,), worker.Shared(numbers(*range(500))), 2, results.append, window=10)
    assert sorted(square for _, square in results) == [number**2 for number in range(500)]
    assert os.getpid() not in {process for process, _ in results}


async def test_what_is_raised_in_a_process_is_raised_here() -> None:
    with pytest.raises(NotFoundError, match="no such number"):
        await worker.spread(count, (2,), worker.Shared(numbers(1, -1, 2)), 1, lambda _: None, window=10)


async def test_a_process_that_ends_by_itself_is_told() -> None:
    with pytest.raises(StoreError, match="ended with code 7"):
        await worker.spread(count, (2,), worker.Shared(numbers(1, -2, 2)), 1, lambda _: None, window=10)


async def test_a_cancelled_call_ends_its_processes() -> None:
    first: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def endless() -> AsyncIterator[int]:
        while True:
            yield 3

    def take(result: tuple[int, int]) -> None:
        if not first.done():
            first.set_result(result[0])

    running = asyncio.create_task(worker.spread(count, (2,), worker.Shared(endless()), 1, take, window=10))
    process = await first
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


async def test_stores_that_cannot_be_elsewhere_are_refused(tmp_path: Path) -> None:
    async with MemoryStore() as store:
        await store.put("a", b"")
        with pytest.raises((ConfigurationError, StoreError, TypeError)):
            await transfer.copy(store, tmp_path, processes=2)
