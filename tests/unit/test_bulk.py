"""Calls on many objects: how many are under way, what memory they hold, and what happens when one of them fails."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import TypeVar, TypeVarTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiostore import ConfigurationError, Limits, MemoryStore, NotFoundError, Store, StoreClosedError
from aiostore.budget import BUDGET
from aiostore.drivers.memory import MemoryDriver
from aiostore.types import GetOptions, GetResult
from aiostore.wrappers.wrapper import Wrapper

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
KIB = 1024


class Gate(Wrapper):
    """Counts the reads under way, and holds those back whose turn has not come."""

    def __init__(self, inner: MemoryDriver) -> None:
        super().__init__(inner)
        self.under_way = self.most = self.begun = 0
        self.open = asyncio.Event()
        self.open.set()

    async def around(self, operation: str, key: str | None, call: Callable[[*Ts], Awaitable[T]], *arguments: *Ts) -> T:
        return await call(*arguments)

    async def get(self, key: str, options: GetOptions) -> GetResult:
        self.begun += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(0)
            await self.open.wait()
            return await self.inner.get(key, options)
        finally:
            self.under_way -= 1


@asynccontextmanager
async def gated(count: int, size: int = 1) -> AsyncIterator[tuple[Store, Gate]]:
    gate = Gate(MemoryDriver())
    async with Store(gate) as store:
        for number in range(count):
            await store.put(str(number), bytes(size))
        yield store, gate


async def test_no_more_are_under_way_than_asked_for() -> None:
    async with gated(40) as (store, gate):
        results = await store.get_many(map(str, range(40)), concurrency=3)
        assert len(results) == 40
        assert gate.most == 3


async def test_without_a_number_no_more_are_under_way_than_the_limits_allow() -> None:
    gate = Gate(MemoryDriver())
    async with Store(gate, limits=Limits(requests=5)) as store:
        await store.put("key", b"value")
        results = [result async for result in store.get_many(["key"] * 100)]
        assert len(results) == 100
        assert gate.most <= 5


async def test_an_endless_source_is_taken_from_as_results_are_taken() -> None:
    async with gated(1) as (store, gate):
        taken = itertools.count()

        def endless() -> Iterator[str]:
            for _ in taken:
                yield "0"

        async with store.get_many(endless(), concurrency=4) as results:
            for _ in range(10):
                assert (await anext(results)).unwrap() == b"\0"
        assert gate.begun <= 10 + 2 * 4


async def test_results_come_as_they_are_done() -> None:
    async with gated(2) as (store, gate):
        gate.open.clear()
        results = store.get_many(["missing", "0"], concurrency=2)
        waiting = asyncio.ensure_future(anext(results))
        while gate.begun < 2:
            await asyncio.sleep(0)
        gate.open.set()
        assert (await waiting).key in {"0", "missing"}
        await results.aclose()


@given(order=st.permutations(range(6)), concurrency=st.integers(1, 7))
def test_ordered_results_come_in_the_order_of_the_items(order: list[int], concurrency: int) -> None:
    """Whichever is done first."""

    async def check() -> None:
        class Shuffled(Gate):
            async def get(self, key: str, options: GetOptions) -> GetResult:
                for _ in range(order[int(key)]):
                    await asyncio.sleep(0)
                return await self.inner.get(key, options)

        async with Store(Shuffled(MemoryDriver())) as store:
            for key in "012345":
                await store.put(key, key.encode())
            results = [result async for result in store.get_many(iter("012345"), ordered=True, concurrency=concurrency)]
        assert [(result.index, result.value) for result in results] == [(int(key), key.encode()) for key in "012345"]

    asyncio.run(check())


async def test_memory_is_bounded_by_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """With more results waiting than the budget holds, one object at a time goes on."""
    monkeypatch.setattr(BUDGET, "_limit", 100 * KIB)
    async with gated(40, size=30 * KIB) as (store, _):
        results = store.get_many([meta async for meta in store.list()], concurrency=20)
        first = await anext(results)
        for _ in range(100):
            await asyncio.sleep(0)
        assert BUDGET.used <= 100 * KIB
        rest = [result async for result in results]
    assert len([first, *rest]) == 40
    assert BUDGET.used == 0


async def test_one_failure_stops_no_other_unless_asked() -> None:
    async with gated(3) as (store, _):
        results = await store.get_many(["0", "missing", "2"])
        assert [type(result.error) for result in results] == [type(None), NotFoundError, type(None)]
        with pytest.raises(NotFoundError):
            results[1].unwrap()
        with pytest.raises(NotFoundError):
            await store.get_many(["0", "missing", "2"], stop_on_error=True)


async def test_what_is_no_key_is_an_error_of_its_own() -> None:
    async with gated(1) as (store, _):
        results = await store.get_many([3, "0", ""])  # type: ignore[list-item]
        assert [result.error is None for result in results] == [False, True, False]
        deleted = await store.delete_many(["", "0"])
        assert [result.error is None for result in deleted] == [False, True]
        assert not await store.exists("0")


async def test_a_source_that_fails_is_told_after_what_came_before() -> None:
    async def broken() -> AsyncIterator[str]:
        yield "0"
        raise ZeroDivisionError

    async with gated(1) as (store, _):
        results = store.get_many(broken())
        assert (await anext(results)).unwrap() == b"\0"
        with pytest.raises(ZeroDivisionError):
            await anext(results)


async def test_leaving_early_ends_what_is_under_way_and_closes_the_source() -> None:
    closed = False

    async def keys() -> AsyncIterator[str]:
        nonlocal closed
        try:
            for number in itertools.count():
                yield str(number % 5)
        finally:
            closed = True

    async with gated(5) as (store, gate):
        async with store.get_many(keys(), concurrency=2) as results:
            async for _ in results:
                break
        assert closed
        assert gate.under_way == 0


async def test_a_batch_that_is_dropped_ends() -> None:
    async with gated(5) as (store, gate):
        async for _ in store.get_many((str(number % 5) for number in itertools.count()), concurrency=2):
            break
        for _ in range(20):
            await asyncio.sleep(0)
        assert gate.under_way == 0


async def test_cancelling_a_batch_ends_what_is_under_way() -> None:
    async with gated(5) as (store, gate):
        gate.open.clear()

        async def read() -> None:
            await store.get_many(["0", "1", "2"])

        task = asyncio.create_task(read())
        while gate.under_way < 3:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert gate.under_way == 0


async def test_progress_counts_items() -> None:
    seen: list[tuple[int, int | None]] = []
    async with MemoryStore() as store:
        await store.put_many([("a", b""), ("b", b"")], progress=lambda done, total: seen.append((done, total)))
        await store.exists_many(iter("ab"), progress=lambda done, total: seen.append((done, total)))
        await store.exists_many(iter("ab"), total=2, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2), (1, None), (2, None), (1, 2), (2, 2)]


async def test_a_source_that_cannot_be_written_is_an_error_of_its_own() -> None:
    def broken() -> Iterator[bytes]:
        yield b"x"
        raise ZeroDivisionError

    async with MemoryStore() as store:
        results = await store.put_many([("a", b"1"), ("b", broken()), ("c", b"3")])
        assert [type(result.error) for result in results] == [type(None), ZeroDivisionError, type(None)]
        assert [meta.key async for meta in store.list()] == ["a", "c"]


async def test_bad_calls_say_what_is_wrong() -> None:
    async with MemoryStore() as store:
        with pytest.raises(TypeError, match="get_many takes an iterable"):
            await store.get_many("key")
        with pytest.raises(ConfigurationError, match="concurrency=0"):
            await store.get_many(["key"], concurrency=0)
    with pytest.raises(StoreClosedError):
        await store.get_many(["key"])


MILLION = """
import asyncio, resource
from aiostore import Store
from aiostore.drivers.memory import MemoryDriver

async def main():
    async with Store(MemoryDriver()) as store:
        done = wrong = 0
        async for result in store.delete_many(f"{number:07}" for number in range(1_000_000)):
            wrong += result.error is not None
            done += 1
            if done == 10_000:
                before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(done, wrong, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)

asyncio.run(main())
"""


def test_a_million_items_take_constant_memory() -> None:
    result = subprocess.run([sys.executable, "-c", MILLION], capture_output=True, text=True, check=True, timeout=300)
    done, wrong, grown = map(int, result.stdout.split())
    assert (done, wrong) == (1_000_000, 0)
    assert grown < 16 * 1024, f"{grown} KiB"
