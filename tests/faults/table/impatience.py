"""A client that has waited long enough, without anybody waiting: its watch looks again and again at once.

The transport counts the ticks of its own timer and not seconds (:class:`aiostore._http.stall.StallWatch`), so a test
may tick for it: at the one exchange that a fault holds up, and at no other that is merely slow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from unittest import mock

from aiostore import RequestTimeoutError
from aiostore._http.exchange import Exchange
from aiostore._http.stall import StallWatch
from tests.faults import faults as wire
from tests.faults.http1 import Sink

TICK = 0.001
"""Seconds between two looks, so that what was sent can arrive."""


class Impatience:
    """The exchanges that clients begin while it is ``active``."""

    def __init__(self) -> None:
        self._watches: dict[int, tuple[StallWatch, Exchange]] = {}
        self.given_up = 0
        """Exchanges that the client has given up because they did not move."""

    @contextmanager
    def active(self) -> Iterator[None]:
        """Note every exchange that is watched."""
        add = StallWatch.add

        def note(watch: StallWatch, exchange: Exchange) -> None:
            transport = exchange.protocol.transport
            assert transport is not None
            self._watches[transport.get_extra_info("sockname")[1]] = watch, exchange
            add(watch, exchange)

        with mock.patch.object(StallWatch, "add", note):
            yield
        self._watches.clear()

    async def tick(self, port: int) -> bool:
        """Let some time pass for the exchange on the client's port; returns whether it is still waited for."""
        await asyncio.sleep(TICK)
        watch, exchange = self._watches[port]
        if exchange in watch._exchanges:
            watch._look(exchange)
            return True
        self.given_up += isinstance(exchange.error, RequestTimeoutError)
        return False

    async def hold(self, wire: wire.Wire) -> None:
        """Move nothing until the client has given up.

        Raises:
            Cut: then.
        """
        while await self.tick(wire.client_port):
            pass
        raise _over()


def _over() -> wire.Cut:
    return wire.Cut(reset=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Late(wire.Fault):
    """The answer does not come."""

    clock: Impatience

    async def before_response(self, wire: wire.Wire) -> None:
        await self.clock.hold(wire)


@dataclass(frozen=True, slots=True, kw_only=True)
class StallInRequest(wire.Fault):
    """Some bytes of the request are taken, and no more."""

    clock: Impatience
    after: int

    async def upload(self, wire: wire.Wire, offset: int, piece: bytes, send: Sink) -> None:
        await send(piece[: self.after])
        await self.clock.hold(wire)


@dataclass(frozen=True, slots=True, kw_only=True)
class StallInAnswer(wire.Fault):
    """Some bytes of the answer are sent, and no more."""

    clock: Impatience
    after: int

    async def download(self, wire: wire.Wire, offset: int, piece: bytes, send: Sink) -> None:
        await send(piece[: self.after])
        await self.clock.hold(wire)


@dataclass(frozen=True, slots=True, kw_only=True)
class DripInAnswer(wire.Fault):
    """A byte comes with every look."""

    clock: Impatience

    async def download(self, wire: wire.Wire, offset: int, piece: bytes, send: Sink) -> None:
        for start in range(len(piece)):
            await send(piece[start : start + 1])
            if not await self.clock.tick(wire.client_port):
                raise _over()
