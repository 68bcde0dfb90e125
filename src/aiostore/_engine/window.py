"""How many ranges or parts are worth moving at once: more, as long as more bytes arrive."""

from __future__ import annotations

import time
from collections.abc import Callable

BEGIN = 16
"""Transfers at once before anything was measured."""

GAIN = 1.1
"""What counts as more: a tenth above the best rate so far. Less than that is noise."""

ROUNDS = 8
"""Rounds after which another width is tried, as links change; twice as many after each trial that gained nothing."""

LONGEST = 64
"""Rounds between two trials at most."""


class Window:
    """The number of transfers that all reads, or all writes, of a store have under way.

    It doubles after each round (as many transfers as it is wide) that moved more bytes a second than any before. The
    first that did not goes back to the width before it: what is gained no more would only add latency. From time to
    time a quarter of the width is tried and, in turn, twice the width: links change, and where the processor is the
    limit, a few transfers stay in its caches and are faster than many. Rounds in which the caller, not the link, set
    the pace are not judged.
    """

    __slots__ = ("_begun", "_best", "_bytes", "_clock", "_down", "_full", "_limit", "_moved", "_rounds", "_settled",
                 "_surplus", "_wait", "nearest", "size", "under_way")  # fmt: skip

    def __init__(self, limit: int, *, adaptive: bool = True, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit if adaptive else 0
        self._clock = clock
        self._best = 0.0
        self._down = False
        self._wait = ROUNDS
        self._settled = self.size = min(BEGIN, limit) if adaptive else limit
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
        if self.under_way < self.size:
            return True
        self._full = True
        return False

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
        if rate > self._best * GAIN and (self.size != self._settled or not self._best):
            self._best = rate
            self._settled = self.size
            self._rounds, self._wait = 0, ROUNDS
            self._try()
        elif self.size != self._settled:
            self._change(self._settled)
            self._down = not self._down
            self._rounds, self._wait = 0, min(2 * self._wait, LONGEST)
        elif self._rounds >= self._wait:
            self._best, self._rounds = rate, 0
            self._try()

    def _try(self) -> None:
        """Another width for the next round."""
        self._change(max(1, self.size // 4) if self._down else min(self._limit, 2 * self.size))

    def _change(self, size: int) -> None:
        self._surplus = max(0, self.size - size)
        self.size = size
