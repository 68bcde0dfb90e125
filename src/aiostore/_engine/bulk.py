"""Many objects in one call: a bounded number under way, a result for each as it comes, constant memory.

The tasks know only the inner state here, never the handle that the caller holds, so that a batch which is dropped can
end them all.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from aiostore._engine import dropped
from aiostore._engine.settle import join
from aiostore._engine.window import Window
from aiostore.budget import BUDGET
from aiostore.errors import ConfigurationError, StoreClosedError
from aiostore.policies import Limits
from aiostore.types import ItemResult, Progress

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(Generic[T]):
    """What is done to each item: ``call`` takes up to ``batch`` items, and answers a result for each, in their order.

    ``cost`` is the bytes that the result of an item will hold, None if that is not known before, and ``weigh`` those
    that it does hold; both are None where results are small.
    """

    call: Callable[[Sequence[tuple[int, Any]]], Awaitable[Sequence[ItemResult[T]]]]
    batch: int = 1
    cost: Callable[[Any], int | None] | None = None
    weigh: Callable[[T], int] | None = None


def each(operation: Callable[[Any], Awaitable[T]], key_of: Callable[[Any], str]) -> Job[T]:
    """A job of one item at a time, whose errors become results."""

    async def call(items: Sequence[tuple[int, Any]]) -> Sequence[ItemResult[T]]:
        ((index, item),) = items
        try:
            return (ItemResult(index=index, key=key_of(item), value=await operation(item)),)
        except StoreClosedError:
            raise
        except Exception as error:  # whatever an item meets is its result, and stops no other
            return (ItemResult(index=index, key=_key_of(key_of, item), error=error),)

    return Job(call=call)


def _key_of(key_of: Callable[[Any], str], item: object) -> str:
    try:
        return key_of(item)
    except Exception:  # what is no item has no key
        return repr(item)


class _Slot:
    """One task's share: the bytes of the budget that it holds, and the items that it has done."""

    __slots__ = ("done", "held")

    def __init__(self) -> None:
        self.held = self.done = 0


class Run(Generic[T]):
    """The state of one batch: what is under way, what is done and not yet taken.

    No more results wait than items may be under way; what they hold is counted in the process's budget, and beyond it
    only one item goes on.
    """

    def __init__(
        self, items: Iterable[object] | AsyncIterable[object], job: Job[T], *, limit: int, adaptive: bool, ordered: bool
    ) -> None:
        self._source = items
        self._asynchronous = aiter(items) if isinstance(items, AsyncIterable) else None
        self._plain = None if isinstance(items, AsyncIterable) else iter(items)
        self._taking = asyncio.Lock()
        self._job = job
        self._limit = limit
        # Items instead of bytes: more of them at once as long as more are done in a second.
        self._window = Window(limit, adaptive=adaptive)
        self._ordered = ordered
        self._tasks: set[asyncio.Task[None]] = set()
        self._taken = 0
        self._exhausted = False
        self._done: deque[tuple[ItemResult[T], int]] = deque()
        self._early: dict[int, tuple[ItemResult[T], int]] = {}
        self._next = 0
        self._waiter: asyncio.Future[None] | None = None
        self._largest = 0
        self._failure: Exception | None = None

    def top_up(self) -> None:
        """Put as many tasks to work as concurrency, waiting results and the budget allow."""
        while not self._exhausted and len(self._tasks) < self._limit:
            if self._tasks and not self._window.has_room():
                return
            waiting = len(self._done) + len(self._early)
            if waiting >= max(self._limit, self._job.batch):
                return
            slot = _Slot()
            if self._job.weigh is not None and (self._tasks or waiting):
                if not BUDGET.try_acquire(self._largest):
                    return
                slot.held = self._largest
            self._window.begin()
            task = asyncio.get_running_loop().create_task(self._work(slot))
            self._tasks.add(task)
            task.add_done_callback(partial(self._ended, slot))

    def _ended(self, slot: _Slot, task: asyncio.Task[None]) -> None:
        # Not in the task: one that is cancelled before its first step does nothing at all.
        BUDGET.release(slot.held)
        self._window.end(slot.done)
        self._tasks.discard(task)
        if not task.cancelled():
            self.top_up()
        self._wake()

    async def _work(self, slot: _Slot) -> None:
        """Take the next items, and keep their results for the caller."""
        try:
            items = await self._take()
            if not items:
                return
            job = self._job
            cost = None if job.cost is None else job.cost(items[0][1])
            if cost is not None:
                slot.held = _change(slot.held, cost)
            results = await job.call(items)
            slot.done = len(results)
            for result in results:
                weight = 0
                if job.weigh is not None and result.value is not None:
                    weight = job.weigh(result.value)
                    self._largest = max(self._largest, weight)
                entry = (result, _change(slot.held, weight))
                slot.held = 0
                if self._ordered:
                    self._early[result.index] = entry
                else:
                    self._done.append(entry)
            while self._next in self._early:
                self._done.append(self._early.pop(self._next))
                self._next += 1
        except Exception as error:  # a broken source or a closed store, which the caller is told
            self._failure = self._failure or error
            self._exhausted = True

    async def _take(self) -> list[tuple[int, object]]:
        """The next items with their numbers; none at the end."""
        items: list[tuple[int, object]] = []
        async with self._taking:
            while not self._exhausted and len(items) < self._job.batch:
                try:
                    item = await anext(self._asynchronous) if self._asynchronous else next(self._plain)  # type: ignore[arg-type]  # one of the two is there
                except (StopIteration, StopAsyncIteration):
                    self._exhausted = True
                    break
                items.append((self._taken, item))
                self._taken += 1
        return items

    async def next(self) -> ItemResult[T] | None:
        """The next result; None at the end.

        Raises:
            Exception: what the source of the items raised, once the results of those before are taken.
        """
        self.top_up()
        while not self._done:
            if not self._tasks and self._exhausted:
                if self._failure is not None:
                    raise self._failure
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        result, held = self._done.popleft()
        BUDGET.release(held)
        self.top_up()
        return result

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def aclose(self) -> None:
        """End every task, give the budget back, and close a source that can be closed. Safe to repeat."""
        self._exhausted = True
        await join(set(self._tasks))
        for _, held in (*self._done, *self._early.values()):
            BUDGET.release(held)
        self._done.clear()
        self._early.clear()
        close = getattr(self._source, "aclose", None)
        if close is not None:
            await close()


def _change(held: int, wanted: int) -> int:
    """Hold ``wanted`` bytes of the budget instead of ``held``, if they are free; what is held afterwards."""
    if wanted <= held:
        BUDGET.release(held - wanted)
        return wanted
    return wanted if BUDGET.try_acquire(wanted - held) else held


class Bulk(Generic[T]):
    """The results of a call on many objects: ``async for`` takes them as they come, ``await`` all of them in order.

    Items are taken from their source as there is room, never all at once. Leaving early, by ``break`` or ``aclose()``,
    ends what is under way: each object is then done or not done, never half done.
    """

    __slots__ = ("__weakref__", "_closed", "_done", "_loop", "_make", "_progress", "_run", "_stop_on_error", "_total")

    def __init__(
        self,
        items: Iterable[object] | AsyncIterable[object],
        job: Job[T],
        *,
        operation: str,
        limits: Limits,
        concurrency: int | None = None,
        ordered: bool = False,
        stop_on_error: bool = False,
        total: int | None = None,
        progress: Progress | None = None,
    ) -> None:
        if isinstance(items, (str, bytes)) or not isinstance(items, (Iterable, AsyncIterable)):
            raise TypeError(f"{operation} takes an iterable or async iterable of items, not one {type(items).__name__}")
        if concurrency is not None and concurrency <= 0:
            raise ConfigurationError(f"concurrency={concurrency!r}: must be greater than 0", operation=operation)
        if total is None and isinstance(items, Sequence):
            total = len(items)

        def make(in_order: bool) -> Run[T]:
            return Run(
                items,
                job,
                limit=concurrency or limits.requests,
                adaptive=limits.adaptive and concurrency is None,
                ordered=ordered or in_order,
            )

        self._make = make
        self._run: Run[T] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop_on_error = stop_on_error
        self._total = total
        self._progress = progress
        self._done = 0
        self._closed = False

    def __aiter__(self) -> AsyncIterator[ItemResult[T]]:
        return self

    async def __anext__(self) -> ItemResult[T]:
        result = await self._take(in_order=False)
        if result is None:
            raise StopAsyncIteration
        return result

    async def _take(self, *, in_order: bool) -> ItemResult[T] | None:
        if self._closed:
            return None
        if self._run is None:
            self._loop = asyncio.get_running_loop()
            self._run = self._make(in_order)
        try:
            result = await self._run.next()
            if result is not None and result.error is not None and self._stop_on_error:
                raise result.error
        except BaseException:
            await self.aclose()
            raise
        if result is None:
            await self.aclose()
            return None
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total)
        return result

    def __await__(self) -> Generator[Any, None, list[ItemResult[T]]]:
        return self._all().__await__()

    async def _all(self) -> list[ItemResult[T]]:
        results: list[ItemResult[T]] = []
        while (result := await self._take(in_order=True)) is not None:
            results.append(result)
        return results

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End what is under way. Safe to repeat."""
        self._closed = True
        run, self._run = self._run, None
        if run is not None:
            await run.aclose()

    def __del__(self) -> None:
        # Left without aclose(), by `break` for one: its tasks would go on. This may run in any thread.
        if getattr(self, "_run", None) is not None and self._loop is not None:
            dropped.end(self._loop, self._run.aclose)  # type: ignore[union-attr]  # asked just above
