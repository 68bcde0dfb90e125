"""The HTTP transport that all drivers share: one request, one answer, nothing behind the caller's back.

It stands on aiohttp's connection pool, resolver, TLS and proxy set-up, and parser, and leaves out its client session:
no redirect is followed, nothing is decompressed, no cookie kept, no header added but Host, User-Agent and
Content-Length, and no request is ever sent twice.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping

from aiostore._http.body import COALESCE, send, write
from aiostore._http.exchange import Exchange, harmless
from aiostore._http.response import Response
from aiostore._http.session import Session
from aiostore.body import Body
from aiostore.errors import ConfigurationError
from aiostore.policies import ClientOptions, Timeouts


class Transport:
    """Sends requests over the connections of whichever event loop it is used from.

    There is one session per process and event loop, opened by the first request. Nobody has to close it: a session
    ends with its loop or with its last reference, and a forked child leaves those of its parent alone. A pickled
    transport is its options.
    """

    def __init__(self, options: ClientOptions, timeouts: Timeouts) -> None:
        self._options = options
        self._timeouts = timeouts
        self._sessions: dict[tuple[int, asyncio.AbstractEventLoop], Session] = {}

    @property
    def secrets(self) -> tuple[str, ...]:
        """What goes with every request and may be secret; no message repeats it."""
        return tuple(self._options.headers.values())

    def __reduce__(self) -> tuple[type[Transport], tuple[ClientOptions, Timeouts]]:
        return Transport, (self._options, self._timeouts)

    def use_timeouts(self, timeouts: Timeouts) -> None:
        """Keep to ``timeouts`` in every session that is opened from now on."""
        self._timeouts = timeouts

    async def request(
        self, method: str, url: str, headers: Mapping[str, str], body: Body | None = None, *, slow: bool = False
    ) -> Response:
        """Send one request and wait for the head of its answer, whatever its status.

        ``url`` is complete and percent-encoded: it goes out byte for byte. Names in ``headers`` replace the session's
        own in any case; Content-Length is the transport's, whatever they say. With ``slow`` the answer may take
        ``Timeouts.slow_response``. A cancelled call closes its connection; the request may have been carried out.

        Raises:
            ConnectionLostError: if no connection was made (``answered`` is true: surely nothing was sent), or it was
                lost before an answer came (``answered`` is false).
            RequestTimeoutError: if connecting, taking the request or answering it took too long.
            ConfigurationError: if the URL, a header, a certificate or the proxy is wrong.
            OSError: if the body cannot be read, or has another length than it said.
        """
        session = self._sessions.get((os.getpid(), asyncio.get_running_loop()))
        if session is None:
            session = await self._open()
        slash = url.find("/", 8)
        if slash < 0:
            raise ConfigurationError("a request's URL is complete, with scheme, host and path")
        route = session.route(url[:slash])
        head = route.head(method, url[slash:], headers, None if body is None else body.size)
        data: bytes | None = head
        if body is not None:
            data = None
            if body.size <= COALESCE and (buffers := body.buffers) is not None:
                data = b"".join((head, *buffers))
                if len(data) != len(head) + body.size:
                    raise OSError(f"the body has {len(data) - len(head)} bytes and not {body.size}")
        lease = session.reuse(route) if route.idle else None
        if lease is None:
            lease = await session.connect(route)
        exchange = Exchange(session, lease, slow=slow)
        session.watch.add(exchange)
        sender: asyncio.Task[None] | None = None
        try:
            protocol = exchange.protocol
            lease.expect(body=method != "HEAD")
            if data is not None:
                write(exchange, data)
            elif body is not None:
                exchange.sending = True
                sender = session.loop.create_task(send(exchange, head, body))
                sender.add_done_callback(exchange.sent)
            while True:
                message, payload = await protocol.read()
                if not 100 <= message.code < 200:
                    break
            if sender is not None and not sender.done():
                if message.code < 300:
                    await sender
                else:
                    # Refused before all was sent: what is left of the body is never sent, nor the connection used.
                    exchange.cut = True
                    sender.cancel()
            if method == "HEAD" and "Content-Length" not in message.headers:
                lease.keep(message)
            exchange.answered(payload)
        except BaseException as error:
            exchange.close()
            if sender is not None and not sender.done():
                sender.cancel()
                await asyncio.wait((sender,))
            if isinstance(error, Exception) and (meaning := exchange.lost(error, answered=False)) is not error:
                raise meaning from harmless(error)
            raise
        length = message.headers.get("Content-Length")
        return Response(message.code, message.headers, None if length is None else int(length), payload, exchange)

    async def aclose(self) -> None:
        """Close the running loop's connections. Safe to repeat; the next request opens new ones."""
        session = self._sessions.pop((os.getpid(), asyncio.get_running_loop()), None)
        if session is not None:
            await session.aclose()

    async def _open(self) -> Session:
        process = os.getpid()
        for key in tuple(self._sessions):
            if key[0] == process and key[1].is_closed() and (session := self._sessions.pop(key, None)) is not None:
                session.abandon()
        session = await Session.open(self._options, self._timeouts)
        self._sessions[process, session.loop] = session
        return session

    def __del__(self) -> None:
        # Sessions of open loops end with their guards; a forked child keeps its parent's.
        process = os.getpid()
        for (owner, loop), session in self._sessions.items():
            if owner == process and loop.is_closed():
                session.abandon()
