"""At most so many requests at once: a permit is held while a request or its body is under way, never between."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar, TypeVarTuple
from weakref import WeakKeyDictionary

from aiostore.errors import RateLimitedError, UnavailableError
from aiostore.protocol import Driver
from aiostore.types import ByteStream, GetOptions, GetResult
from aiostore.wrappers.wrapper import Wrapper

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


WRITES = frozenset(
    {
        "put",
        "delete",
        "delete_many",
        "copy",
        "rename",
        "create_multipart",
        "put_part",
        "copy_part",
        "complete_multipart",
        "abort_multipart",
        "append",
        "set_metadata",
        "set_tags",
        "restore",
        "create_container",
        "delete_container",
    }
)
"""The primitives that a service throttles as writes, apart from the others."""

PATIENCE = 16
"""Rounds for which a service is not asked again whether fewer requests would help, after they did not."""


FEWEST = 16
"""Answers that a round has at least: fewer are chance."""


class Permits:
    """A first-come-first-served semaphore of one event loop, cheap while it is free, that learns what a service bears.

    It begins with ``limit`` permits. When a round of answers (as many as were under way at its begin) holds refusals,
    as many permits are left as there were successes. If those that follow are refused as often, the number of requests
    was not the reason, and they are given back. A round without a refusal while permits were short adds one. So a
    service that refuses more than N requests at once is kept at N, one that fails at random is not starved, and one
    that refuses nothing costs nothing here.
    """

    __slots__ = ("_answers", "_before", "_limit", "_patience", "_refusals", "_round", "_stale", "_waiters", "count",
                 "free")  # fmt: skip

    def __init__(self, limit: int, *, adaptive: bool = True) -> None:
        self.free = self.count = limit
        self._limit = limit if adaptive else 0
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._answers = self._refusals = 0
        self._round = 0
        self._before: tuple[int, float] | None = None
        self._patience = 0
        self._stale = 0

    async def acquire(self) -> None:
        """Wait for a permit. A cancelled call holds none."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled():
                self.release()
            else:
                # Handing out passes over a waiter that is cancelled and does not know it yet.
                with suppress(ValueError):
                    self._waiters.remove(waiter)
            raise

    def release(self) -> None:
        """Hand the permit to the first who waits, or back."""
        self.free += 1
        self._hand_out()

    def _hand_out(self) -> None:
        while self.free > 0 and self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                self.free -= 1
                waiter.set_result(None)

    def answered(self, *, refused: bool) -> None:
        """A request was carried out, or the service asked for fewer of them."""
        if not self._limit or (not refused and not self._round and self.count >= self._limit):
            return
        if self._stale:
            self._stale -= 1
            return
        if not self._round:
            self._round = max(1, self.count - self.free)
        self._answers += 1
        self._refusals += refused
        if self._answers >= max(self._round, FEWEST):
            self._judge(self._refusals / self._answers)
            self._answers = self._refusals = self._round = 0

    def _judge(self, refused: float) -> None:
        if self._before is not None:
            count, refused_before = self._before
            if refused > refused_before / 2:
                self._before = None
                self._patience = PATIENCE + 1
                self._resize(count)
            elif refused <= refused_before / 8:
                self._before = None
        elif not refused:
            if self.free <= 0:
                self._resize(min(self.count + 1, self._limit))
        elif not self._patience:
            self._before = self.count, refused
            # What was sent before says nothing of what comes after.
            self._stale = max(0, self.count - self.free - 1)
            self._resize(max(1, round(self._round * (1 - refused))))
        self._patience = max(0, self._patience - 1)

    def _resize(self, count: int) -> None:
        self.free += count - self.count
        self.count = count
        self._hand_out()


class PermitStream:
    """A body that gives its permit back when it ends or is closed, or its reader is slower than the service."""

    __slots__ = ("_permits", "_stream")

    def __init__(self, stream: ByteStream, permits: Permits) -> None:
        self._stream = stream
        self._permits: Permits | None = permits

    def release(self) -> None:
        """Give the permit back now: who waits for it may be who reads this. Safe to repeat."""
        if self._permits is not None:
            self._permits.release()
            self._permits = None

    async def next_chunk(self) -> bytes:
        try:
            chunk = await self._stream.next_chunk()
        except BaseException:
            self.release()
            raise
        if not chunk:
            self.release()
        return chunk

    async def read(self) -> bytes:
        try:
            return await self._stream.read()
        finally:
            self.release()

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            self.release()


class LimitDriver(Wrapper):
    """Lets at most ``limit`` reads, and as many writes, of one event loop be under way; siblings share the permits.

    It stands inside the retries, so nobody holds a permit while backing off. The permit of a ``get`` is held until its
    body was read or closed: whoever gets a body drains it without waiting for somebody else, or gives the permit back.
    """

    __slots__ = ("_adaptive", "_last", "_limit", "_loops")

    def __init__(
        self,
        inner: Driver,
        limit: int,
        *,
        adaptive: bool = True,
        loops: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[Permits, Permits]] | None = None,
    ) -> None:
        super().__init__(inner)
        self._limit = limit
        self._adaptive = adaptive
        self._loops = WeakKeyDictionary() if loops is None else loops
        self._last: tuple[asyncio.AbstractEventLoop | None, tuple[Permits, Permits]] = (None, self._new())

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(LimitDriver, adaptive=self._adaptive), (self.inner, self._limit)

    def rewrap(self, inner: Driver) -> Driver:
        return LimitDriver(inner, self._limit, adaptive=self._adaptive, loops=self._loops)

    def _new(self) -> tuple[Permits, Permits]:
        return Permits(self._limit, adaptive=self._adaptive), Permits(self._limit, adaptive=self._adaptive)

    def permits(self, operation: str = "get") -> Permits:
        """The permits that ``operation`` needs in the running event loop."""
        loop = asyncio.get_running_loop()
        last_loop, pair = self._last  # one tuple, so that threads with loops of their own see a pair that fits
        if last_loop is not loop:
            pair = self._loops.get(loop) or self._loops.setdefault(loop, self._new())
            self._last = loop, pair
        return pair[operation in WRITES]

    async def around(self, operation: str, key: str | None, call: Callable[[*Ts], Awaitable[T]], *arguments: *Ts) -> T:
        permits = self.permits(operation)
        if permits.free > 0:
            permits.free -= 1
        else:
            await permits.acquire()
        try:
            result = await call(*arguments)
        except (RateLimitedError, UnavailableError):
            permits.answered(refused=True)
            raise
        else:
            permits.answered(refused=False)
            return result
        finally:
            permits.release()

    def get(self, key: str, options: GetOptions) -> Coroutine[Any, Any, GetResult]:
        return self._get(key, options)

    async def _get(self, key: str, options: GetOptions) -> GetResult:
        permits = self.permits()
        if permits.free > 0:
            permits.free -= 1
        else:
            await permits.acquire()
        try:
            result = await self.inner.get(key, options)
        except BaseException as error:
            if isinstance(error, (RateLimitedError, UnavailableError)):
                permits.answered(refused=True)
            permits.release()
            raise
        permits.answered(refused=False)
        result.stream = PermitStream(result.stream, permits)
        return result
