"""One budget of bytes for the whole process: what readers hold ahead of, and writers behind, their caller.

Every open stream and every writer owns one part outside the budget, so it always makes progress; only the *extra*
parts it would like to move at the same time are counted here. Nobody ever waits for bytes: who gets none goes on with
what it has and asks again when one of its own parts is done, so nothing can deadlock, whatever is connected to what.
Peak memory is at most the budget plus one part per open stream or writer. All threads and event loops share the budget;
a forked child starts with a fresh one.
"""

from __future__ import annotations

import os
import threading

from aiostore.errors import ConfigurationError

DEFAULT_LIMIT = 256 * 1024**2


class ByteBudget:
    """A number of bytes that may be held at once, counted across threads."""

    __slots__ = ("_limit", "_lock", "_used")

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self._limit = _check_limit(limit)
        self.reset()

    def reset(self) -> None:
        """Forget what is held: after a fork, the parent's holders and its lock mean nothing in the child."""
        self._lock = threading.Lock()
        self._used = 0

    @property
    def limit(self) -> int:
        """Bytes that may be held at once."""
        return self._limit

    @property
    def used(self) -> int:
        """Bytes that are held now."""
        return self._used

    def set_limit(self, limit: int) -> None:
        """Change the limit; what is held stays held."""
        self._limit = _check_limit(limit)

    def try_acquire(self, count: int) -> bool:
        """Take ``count`` bytes if they are free. What is larger than the whole budget never is: use the own part."""
        with self._lock:
            if self._used + count > self._limit:
                return False
            self._used += count
            return True

    def release(self, count: int) -> None:
        """Give ``count`` bytes back."""
        with self._lock:
            self._used -= count


def _check_limit(limit: int) -> int:
    if limit <= 0:
        raise ConfigurationError(f"a memory limit is a number of bytes greater than 0, not {limit!r}")
    return limit


BUDGET = ByteBudget()
"""The process's budget."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=BUDGET.reset)


def set_memory_limit(limit: int) -> None:
    """Set how many bytes all streams and writers of this process may hold together, beyond one part each.

    The default is 256 MiB.

    Raises:
        ConfigurationError: if ``limit`` is not greater than 0.
    """
    BUDGET.set_limit(limit)
