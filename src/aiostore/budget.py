"""One budget of bytes for the whole process: what readers hold ahead of, and writers behind, their caller.

Every open stream and every writer owns one chunk or part outside the budget, so it always makes progress; only
the *extra* parts it would like to move at the same time are counted here, and wait. A part that is larger than the whole
budget is admitted while nothing else is. Therefore nothing can deadlock, and peak memory is at most the budget plus one
part per open stream or writer. The budget is shared by all threads and event loops, and starts afresh in a forked child.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Sequence

from aiostore.errors import ConfigurationError

DEFAULT_LIMIT = 256 * 1024**2


class ByteBudget:
    """A counting semaphore over bytes, first come first served."""

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self._limit = _check_limit(limit)
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._used = 0
        self._waiters: deque[_Waiter] = deque()

    @property
    def limit(self) -> int:
        """Bytes that may be held at once."""
        return self._limit

    @property
    def used(self) -> int:
        """Bytes that are held now."""
        return self._used

    def set_limit(self, limit: int) -> None:
        """Change the limit; what is held stays held, and waiters that now fit are admitted."""
        with self._lock:
            self._limit = _check_limit(limit)
            admitted = self._admit()
        self._wake(admitted)

    def try_acquire(self, count: int) -> bool:
        """Take ``count`` bytes if they are free and nobody waits for them."""
        with self._lock:
            if self._waiters or not self._fits(count):
                return False
            self._used += count
            return True

    async def acquire(self, count: int) -> None:
        """Take ``count`` bytes, waiting for them in turn. A cancelled call has taken nothing."""
        with self._lock:
            if not self._waiters and self._fits(count):
                self._used += count
                return
            waiter = _Waiter(count)
            self._waiters.append(waiter)
        try:
            await waiter.future
        except BaseException:
            with self._lock:
                if waiter.admitted:
                    self._used -= count
                else:
                    self._waiters.remove(waiter)
                admitted = self._admit()
            self._wake(admitted)
            raise

    def release(self, count: int) -> None:
        """Give ``count`` bytes back. Callable from any thread."""
        with self._lock:
            self._used -= count
            admitted = self._admit() if self._waiters else []
        self._wake(admitted)

    def _fits(self, count: int) -> bool:
        return self._used + count <= self._limit or self._used == 0

    def _admit(self) -> list[_Waiter]:
        admitted = []
        while self._waiters and self._fits(self._waiters[0].count):
            waiter = self._waiters.popleft()
            waiter.admitted = True
            self._used += waiter.count
            admitted.append(waiter)
        return admitted

    def _wake(self, admitted: Sequence[_Waiter]) -> None:
        for waiter in admitted:
            try:
                waiter.loop.call_soon_threadsafe(_resolve, waiter.future)
            except RuntimeError:
                # The waiter's loop was closed under it: its bytes would be held for ever.
                self.release(waiter.count)


class _Waiter:
    __slots__ = ("admitted", "count", "future", "loop")

    def __init__(self, count: int) -> None:
        self.count = count
        self.admitted = False
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = self.loop.create_future()


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _check_limit(limit: int) -> int:
    if limit <= 0:
        raise ConfigurationError(f"a memory limit is a number of bytes greater than 0, not {limit!r}")
    return limit


BUDGET = ByteBudget()
"""The process's budget."""

if hasattr(os, "register_at_fork"):
    # What the parent's tasks hold, and its locks, mean nothing in the child.
    os.register_at_fork(after_in_child=BUDGET._reset)


def set_memory_limit(limit: int) -> None:
    """Set how many bytes all streams and writers of this process may hold together, beyond one part each.

    The default is 256 MiB. Peak memory is at most this plus one part per open stream or writer.

    Raises:
        ConfigurationError: if ``limit`` is not greater than 0.
    """
    BUDGET.set_limit(limit)
