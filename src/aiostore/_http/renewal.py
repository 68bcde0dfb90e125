"""What ends and is fetched anew: keys and tokens, shared by all who wait, asked for ahead of the end.

A provider is asked once per request, so what is still valid is answered without waiting. A refresh is shared by all who
wait for it in one event loop, starts ahead of the expiry, and may fail as long as the old value is valid.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Final, Generic, TypeVar
from weakref import WeakKeyDictionary

from aiostore.errors import StoreError, UnauthenticatedError, UnavailableError

T = TypeVar("T")

REFRESH_AHEAD: Final = 300.0
"""Seconds before the expiry at which a new value is fetched, at most a quarter of its lifetime."""

RETRY_AFTER: Final = 15.0
"""Seconds until a refresh that failed is tried again while the old value is valid."""


async def asked(callback: Callable[[], object]) -> object:
    """What a function of the caller's answers, sync (called in a worker thread) or async.

    Raises:
        UnavailableError: if it fails with anything but an error of ours.
    """
    try:
        if inspect.iscoroutinefunction(callback):
            value: object = callback()
        else:
            value = await asyncio.get_running_loop().run_in_executor(None, callback)
        return await value if inspect.isawaitable(value) else value
    except (StoreError, asyncio.CancelledError):
        raise
    except Exception as error:
        raise UnavailableError(f"the credentials callback failed: {type(error).__name__}") from error


class _Lease(Generic[T]):
    """A value, and when it was fetched and ends. ``refresh_at`` moves when a refresh fails."""

    __slots__ = ("expires_at", "refresh_at", "value")

    def __init__(self, value: T, expires_at: float | None, now: float) -> None:
        self.value = value
        self.expires_at = float("inf") if expires_at is None else expires_at
        self.refresh_at = self.expires_at - min(REFRESH_AHEAD, max(self.expires_at - now, 0.0) / 4)


class _Flight(Generic[T]):
    """A refresh under way in one event loop, and how many wait for it."""

    __slots__ = ("task", "waiting")

    def __init__(self, task: asyncio.Task[_Lease[T]]) -> None:
        self.task = task
        self.waiting = 0


class Renewable(Generic[T]):
    """A value that ends and is fetched anew, by ``_load``.

    The callers of one event loop share one fetch; it is cancelled with the last of them.
    """

    __slots__ = ("_flights", "_lease")

    def __init__(self) -> None:
        self._lease: _Lease[T] | None = None
        self._flights: WeakKeyDictionary[asyncio.AbstractEventLoop, _Flight[T]] = WeakKeyDictionary()

    async def _load(self) -> tuple[T, float | None]:
        """Fetch it and the time of its expiry in seconds since the epoch, None if it does not end."""
        raise NotImplementedError

    def ready(self, now: float) -> T | None:
        """What is valid at ``now`` without waiting, or None if :meth:`fetch` must be awaited."""
        lease = self._lease
        return lease.value if lease is not None and now < lease.refresh_at else None

    async def fetch(self, stale: T | None = None) -> T:
        """A valid one, fetched if necessary; another than ``stale``, which the service refused."""
        lease = self._lease
        refused = lease is not None and lease.value is stale
        if lease is not None and not refused and time.time() < lease.refresh_at:
            return lease.value
        try:
            return (await self._join()).value
        except StoreError:
            if lease is None or refused or time.time() >= lease.expires_at:
                raise
            lease.refresh_at = min(time.time() + RETRY_AFTER, lease.expires_at)
            return lease.value

    async def _join(self) -> _Lease[T]:
        loop = asyncio.get_running_loop()
        flight = self._flights.get(loop)
        if flight is None or flight.task.done():
            flight = self._flights[loop] = _Flight(loop.create_task(self._renew()))
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting:
                if self._flights.get(loop) is flight:
                    del self._flights[loop]
                flight.task.cancel()

    async def _renew(self) -> _Lease[T]:
        value, expires_at = await self._load()
        now = time.time()
        if expires_at is not None and expires_at <= now:
            raise UnauthenticatedError("the source of the credentials answers with keys that have expired; renew them")
        self._lease = lease = _Lease(value, expires_at, now)
        return lease
