"""How many ranges or parts are worth moving at once: more, as long as more bytes arrive."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

BEGIN = 16
"""Transfers at once before anything was measured."""

FIRST_READS, FIRST_WRITES = 2, 8
"""The same where the window opens by itself as long as the processor has time for more."""

LOOK = 0.005
"""Seconds between two looks at how much time it has."""

BUSY = 0.75
"""The share of its time that a thread works, or waits for a processor, which leaves none for more transfers."""

GAIN = 1.1
"""What counts as more: a tenth above the best rate so far. Less than that is noise."""

LOSS = 0.97
"""What counts as less, so that fewer transfers are kept if they bring as much: they hold less memory."""

ROUNDS = 8
"""Rounds after which another width is tried, as links change; twice as many after each trial that gained nothing."""

LONGEST = 64
"""Rounds between two trials at most."""


_SCHEDULED = Path("/proc/thread-self/schedstat")


def occupied() -> float:
    """Seconds that this thread has worked, or has waited for a processor that others used (on Linux)."""
    try:
        worked, waited, _ = _SCHEDULED.read_text().split()
    except (OSError, ValueError):
        return time.thread_time()
    return (int(worked) + int(waited)) / 1e9


class Window:
    """The number of transfers that all reads, or all writes, of a store have under way.

    It doubles after each round (as many transfers as it is wide) that moved more bytes a second than any before. The
    first that did not goes back to the width before it: what is gained no more would only add latency. From time to
    time a quarter of the width is tried and, in turn, twice the width, as links change. Rounds in which the caller, not
    the link, set the pace are not judged.

    One that begins with ``first`` doubles every few milliseconds, up to ``opened``, while there is processor time left;
    ``occupied`` tells how much was used. Where none is left, as with TLS on a fast network, a quarter is tried before
    the double: a few transfers stay in the processor's caches, and are faster than many.
    """

    __slots__ = ("_begun", "_best", "_bytes", "_clock", "_down", "_full", "_limit", "_looked", "_moved", "_occupied",
                 "_opened", "_opening", "_rounds", "_settled", "_surplus", "_wait", "_watching", "nearest", "size",
                 "under_way")  # fmt: skip

    def __init__(
        self,
        limit: int,
        *,
        adaptive: bool = True,
        first: int = BEGIN,
        opened: int = BEGIN,
        clock: Callable[[], float] = time.monotonic,
        occupied: Callable[[], float] = occupied,
    ) -> None:
        self._limit = limit if adaptive else 0
        self._clock = clock
        self._occupied = occupied
        self._best = 0.0
        self._down = False
        self._wait = ROUNDS
        self._settled = self.size = min(first, limit) if adaptive else limit
        self._opened = min(opened, self._limit)
        self._watching = self._opening = self.size < self._opened
        self._looked = (0.0, 0.0)
        self._rounds = 0
        self._surplus = 0
        self.under_way = 0
        self.nearest = float("inf")
        """Seconds that the quickest answer took: how far away the service is."""
        self._restart()

    def _restart(self) -> None:
        self._begun = self._clock()
        self._bytes = self._moved = 0
        self._full = False

    def has_room(self) -> bool:
        """Whether one more transfer beside others is worth it."""
        if self.under_way < self.size or (self._opening and self._open()):
            return True
        if not self._full:
            self._full = True
            if self._watching:
                self._looked = self._clock(), self._occupied()
        return False

    @property
    def patience(self) -> float | None:
        """Seconds after which there may be room without the end of a transfer; None if there will be none."""
        return LOOK if self._opening else None

    def _open(self) -> bool:
        """Whether there is time for more transfers than there are."""
        if not self._full or self._clock() - self._looked[0] < LOOK:
            return False
        if self._is_busy():
            self._looked = self._clock(), self._occupied()
            return False
        self._settled = self.size = min(2 * self.size, self._opened)
        self._opening = self.size < self._opened
        self._restart()
        return True

    def _is_busy(self) -> bool:
        """Whether the processor, and not the link, set the pace since the last look."""
        then, before = self._looked
        return self._watching and self._occupied() - before > BUSY * (self._clock() - then)

    def begin(self) -> None:
        """A transfer begins. The only one of its call needs no room."""
        if self.under_way == 0:
            self._restart()
        self.under_way += 1

    def end(self, size: int) -> None:
        """A transfer has ended, ``size`` bytes of it moved."""
        self.under_way -= 1
        if self._surplus:
            # From when the window was wider: their company still slows down the others.
            self._surplus -= 1
            self._restart()
            return
        self._bytes += size
        self._moved += 1
        if self._moved >= self.size and self._limit:
            if self._full:
                self._judge(self._bytes / max(self._clock() - self._begun, 1e-6))
            self._restart()

    def _judge(self, rate: float) -> None:
        self._rounds += 1
        self._opening = False
        less = self.size < self._settled
        if rate > self._best * (LOSS if less else GAIN) and (self.size != self._settled or not self._best):
            self._best = max(rate, self._best)
            self._settled = self.size
            self._rounds, self._wait = 0, ROUNDS
            self._down = self._is_busy()
            self._try()
        elif self.size != self._settled:
            self._change(self._settled)
            self._wait = min(2 * self._wait, LONGEST)
            # If fewer were worse, more may be better right now: the processor may have been busy with something else.
            self._rounds = self._wait if self._down else 0
            self._down = not self._down
        elif self._rounds >= self._wait:
            self._best, self._rounds = rate, 0
            self._try()

    def _try(self) -> None:
        """Another width for the next round; the next time in the other direction, if there is none in this one."""
        size = max(1, self.size // 4) if self._down else min(self._limit, 2 * self.size)
        if size == self.size:
            self._down = not self._down
        self._change(size)

    def _change(self, size: int) -> None:
        self._surplus = max(0, self.size - size)
        self.size = size
