"""At most so many requests at once: a permit is held while a request or its body is under way, never between."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar, TypeVarTuple
from weakref import WeakKeyDictionary

from aiostore.protocol import Driver
from aiostore.types import ByteStream, GetOptions, GetResult
from aiostore.wrappers.wrapper import Wrapper

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Permits:
    """A first-come-first-served semaphore of one event loop, cheap while it is free."""

    __slots__ = ("_waiters", "free")

    def __init__(self, count: int) -> None:
        self.free = count
        self._waiters: deque[asyncio.Future[None]] = deque()

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
                self._waiters.remove(waiter)
            raise

    def release(self) -> None:
        """Hand the permit to the first who waits, or back."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self.free += 1


class PermitStream:
    """A body that gives its permit back when it ends or is closed."""

    __slots__ = ("_permits", "_stream")

    def __init__(self, stream: ByteStream, permits: Permits) -> None:
        self._stream = stream
        self._permits: Permits | None = permits

    def _release(self) -> None:
        if self._permits is not None:
            self._permits.release()
            self._permits = None

    async def next_chunk(self) -> bytes:
        try:
            chunk = await self._stream.next_chunk()
        except BaseException:
            self._release()
            raise
        if not chunk:
            self._release()
        return chunk

    async def read(self) -> bytes:
        try:
            return await self._stream.read()
        finally:
            self._release()

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            self._release()


class LimitDriver(Wrapper):
    """Lets at most ``count`` requests of one event loop be under way; siblings share the permits.

    It stands inside the retries, so nobody holds a permit while backing off. The permit of a ``get`` is held until its
    body was read or closed: whoever gets a body drains it without waiting for somebody else.
    """

    __slots__ = ("_count", "_last", "_permits")

    def __init__(
        self, inner: Driver, count: int, permits: WeakKeyDictionary[asyncio.AbstractEventLoop, Permits] | None = None
    ) -> None:
        super().__init__(inner)
        self._count = count
        self._permits = WeakKeyDictionary() if permits is None else permits
        self._last: tuple[asyncio.AbstractEventLoop | None, Permits] = (None, Permits(0))

    def __reduce__(self) -> tuple[Any, ...]:
        return LimitDriver, (self.inner, self._count)

    def rewrap(self, inner: Driver) -> Driver:
        return LimitDriver(inner, self._count, self._permits)

    def permits(self) -> Permits:
        """The permits of the running event loop."""
        loop = asyncio.get_running_loop()
        last_loop, permits = self._last  # one tuple, so that threads with loops of their own see a pair that fits
        if last_loop is not loop:
            found = self._permits.get(loop)
            permits = self._permits[loop] = Permits(self._count) if found is None else found
            self._last = loop, permits
        return permits

    async def around(self, operation: str, key: str | None, call: Callable[[*Ts], Awaitable[T]], *arguments: *Ts) -> T:
        permits = self.permits()
        if permits.free:
            permits.free -= 1
        else:
            await permits.acquire()
        try:
            return await call(*arguments)
        finally:
            permits.release()

    def get(self, key: str, options: GetOptions) -> Coroutine[Any, Any, GetResult]:
        return self._get(key, options)

    async def _get(self, key: str, options: GetOptions) -> GetResult:
        permits = self.permits()
        if permits.free:
            permits.free -= 1
        else:
            await permits.acquire()
        try:
            result = await self.inner.get(key, options)
        except BaseException:
            permits.release()
            raise
        result.stream = PermitStream(result.stream, permits)
        return result
