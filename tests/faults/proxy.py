"""A proxy between a client and a real server that lets chosen exchanges go wrong in chosen ways.

::

    async with FaultProxy("http://127.0.0.1:9000") as proxy:
        rule = proxy.inject(CutResponse(after=1000), method="GET", path="/bucket/key")
        ...  # talk to proxy.url
        assert rule.applied == 1
"""

from __future__ import annotations

import asyncio
import random
import urllib.parse
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests.faults.faults import Cut, Fault
from tests.faults.relay import BUFFER, Connection, Exchange, Request


@dataclass(slots=True, kw_only=True)
class Rule:
    """Which requests a fault strikes: of those that match, ``times`` from the ``nth`` on, each by ``probability``."""

    fault: Fault
    matches: Callable[[Request], bool]
    nth: int = 1
    times: int | None = 1
    probability: float = 1.0
    matched: int = field(default=0, init=False)
    applied: int = field(default=0, init=False)

    def is_due(self, request: Request, chance: random.Random) -> bool:
        """Count the request if it matches, and say whether it is one to strike."""
        if not self.matches(request):
            return False
        self.matched += 1
        due = self.matched >= self.nth and (self.times is None or self.matched < self.nth + self.times)
        return due and chance.random() < self.probability


class FaultProxy:
    """Listens on loopback while it is entered; leaving it ends every connection."""

    def __init__(self, upstream: str, *, seed: int = 0) -> None:
        target = urllib.parse.urlsplit(upstream)
        if target.scheme != "http" or target.hostname is None:
            raise ValueError(f"the upstream is an http:// URL, not {upstream!r}")
        self._upstream = (target.hostname, target.port or 80)
        self._chance = random.Random(seed)
        self._rules: list[Rule] = []
        self._resets_on_accept: list[int] = []
        self._connections: dict[asyncio.Task[None], Connection] = {}
        self._server: asyncio.Server | None = None
        self._changed = asyncio.Event()
        self.port = 0
        self.exchanges: list[Exchange] = []
        self.total_connections = 0

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop_listening()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def open_connections(self) -> int:
        """Clients that are connected now."""
        return len(self._connections)

    @property
    def idle_connections(self) -> int:
        """Clients that are connected and wait for nothing."""
        return sum(connection.idle for connection in self._connections.values())

    @property
    def requests(self) -> list[Request]:
        """Every request so far, in the order in which their heads came."""
        return [exchange.request for exchange in self.exchanges]

    def inject(
        self,
        fault: Fault,
        *,
        method: str | None = None,
        path: str | None = None,
        when: Callable[[Request], bool] | None = None,
        nth: int = 1,
        times: int | None = 1,
        probability: float = 1.0,
    ) -> Rule:
        """Let ``fault`` strike requests with this method and path for which ``when(request)`` holds.

        It strikes ``times`` of them (None: all), beginning with the ``nth``. Of several rules the first that strikes
        does; every rule counts every request that it matches.
        """

        def matches(request: Request) -> bool:
            return (
                (method is None or request.method == method)
                and (path is None or request.path == path)
                and (when is None or when(request))
            )

        rule = Rule(fault=fault, matches=matches, nth=nth, times=times, probability=probability)
        self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """Forget every rule: from now on everything passes."""
        self._rules.clear()
        self._resets_on_accept.clear()

    def reset_on_accept(self, *, nth: int = 1, times: int = 1) -> None:
        """Reset connections as soon as they are made, ``times`` of them, beginning with the ``nth`` from now."""
        first = self.total_connections + nth
        self._resets_on_accept += range(first, first + times)

    @asynccontextmanager
    async def refused(self) -> AsyncIterator[None]:
        """Nobody listens meanwhile: new connections are refused, those that are open go on."""
        self._stop_listening()
        try:
            yield
        finally:
            await self._listen()

    async def close_idle(self, *, reset: bool = False) -> int:
        """Close the connections that are kept alive between two requests; returns how many."""
        idle = [connection for connection in self._connections.values() if connection.idle]
        for connection in idle:
            connection.end(reset=reset)
        await self.wait_until(lambda: not any(connection in self._connections.values() for connection in idle))
        return len(idle)

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until something that this proxy counts is so. It has no deadline: use ``asyncio.timeout``."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    async def _listen(self) -> None:
        # The port stays the same when listening is taken up again.
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, limit=BUFFER, reuse_address=True, backlog=512
        )
        self.port = self._server.sockets[0].getsockname()[1]

    def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.total_connections += 1
        connection = Connection(reader, writer, self.total_connections, self._upstream, self._begin, self._changed.set)
        self._connections[task] = connection
        self._changed.set()
        try:
            if connection.number in self._resets_on_accept:
                raise Cut(reset=True)
            await connection.serve()
        except Cut as cut:
            await connection.flushed()
            connection.end(reset=cut.reset)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            # Only leaving the proxy cancels; a task that ends as cancelled makes asyncio's streams complain.
            connection.end(reset=True)
        finally:
            await connection.close()
            del self._connections[task]
            self._changed.set()

    def _begin(self, request: Request) -> Exchange:
        due = [rule for rule in self._rules if rule.is_due(request, self._chance)]
        for rule in due[:1]:
            rule.applied += 1
        exchange = Exchange(request=request, fault=due[0].fault if due else None)
        self.exchanges.append(exchange)
        self._changed.set()
        return exchange
