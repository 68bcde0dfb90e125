"""One timer for all exchanges of a session, so that a request costs no timer of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import ceil
from typing import TYPE_CHECKING

from aiostore.errors import RequestTimeoutError, StoreError
from aiostore.policies import Timeouts

if TYPE_CHECKING:
    from aiostore._http.exchange import Exchange

_TICKS = 8
"""Looks at each exchange within the shortest limit."""

_SENT = -1
"""The mark of an exchange whose request is sent: what the service took to take it does not count any more."""


class StallWatch:
    """Fails the exchanges that no longer move, at most one eighth of the shortest limit too late.

    Time is counted in ticks of the timer, not read from a clock: while the process is suspended or its loop is blocked,
    nothing of the exchange's own time passes.
    """

    def __init__(self, timeouts: Timeouts, loop: asyncio.AbstractEventLoop, on_tick: Callable[[], bool]) -> None:
        """``on_tick`` is called with every tick, and says whether it wants another one."""
        self._timeouts = timeouts
        self._loop = loop
        self._on_tick = on_tick
        self._interval = min(timeouts.stall, timeouts.response, timeouts.slow_response) / _TICKS
        self._stall = self._ticks(timeouts.stall)
        self._response = self._ticks(timeouts.response)
        self._slow = self._ticks(timeouts.slow_response)
        self._stall_bytes = timeouts.stall_bytes
        self._exchanges: set[Exchange] = set()
        self._timer: asyncio.TimerHandle | None = None

    def _ticks(self, seconds: float) -> int:
        # The first tick may come at once, so one more than fit.
        return ceil(seconds / self._interval) + 1

    def add(self, exchange: Exchange) -> None:
        """Watch ``exchange`` until it is discarded."""
        self._exchanges.add(exchange)
        if self._timer is None:
            self._timer = self._loop.call_later(self._interval, self._tick)

    def discard(self, exchange: Exchange) -> None:
        """Look away. The timer runs on to its next tick: stopping it would cost every request a timer."""
        self._exchanges.discard(exchange)

    def stop(self, error: StoreError) -> None:
        """Fail what is under way with ``error``, and watch nothing any more."""
        for exchange in tuple(self._exchanges):
            exchange.fail(error)
        self._exchanges.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self._timer = None
        for exchange in tuple(self._exchanges):
            self._look(exchange)
        if self._on_tick() or self._exchanges:
            self._timer = self._loop.call_later(self._interval, self._tick)

    def _look(self, exchange: Exchange) -> None:
        waits = exchange.waits
        if waits == "response":
            if exchange.mark != _SENT:
                exchange.mark, exchange.quiet = _SENT, 0
            exchange.quiet += 1
            if exchange.quiet >= (self._slow if exchange.slow else self._response):
                limit = self._timeouts.slow_response if exchange.slow else self._timeouts.response
                self._give_up(exchange, f"no answer within {limit:g} s after the request was sent", answered=False)
            return
        moved = exchange.moved
        if moved - exchange.mark >= self._stall_bytes:
            exchange.mark = moved
            exchange.quiet = 0
        elif waits:
            exchange.quiet += 1
            if exchange.quiet >= self._stall:
                verb, answered = ("taken", False) if waits == "send" else ("sent", True)
                self._give_up(
                    exchange,
                    f"the service has {verb} fewer than {self._stall_bytes} bytes within {self._timeouts.stall:g} s",
                    answered=answered,
                )

    def _give_up(self, exchange: Exchange, message: str, *, answered: bool) -> None:
        self._exchanges.discard(exchange)
        exchange.fail(RequestTimeoutError(message, answered=answered))
