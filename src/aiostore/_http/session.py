"""The connections of one event loop, and what becomes of them when the loop, the process or their owner ends."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import weakref
from collections.abc import AsyncGenerator
from importlib.metadata import PackageNotFoundError, version

import aiohttp
from aiohttp import ClientRequest, ClientTimeout, TCPConnector
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection

from aiostore._http.exchange import Exchange
from aiostore._http.route import Route, environment_proxy, parse_origin, parse_proxy
from aiostore._http.stall import StallWatch
from aiostore._http.tls import tls_context
from aiostore.errors import ConfigurationError, ConnectionLostError, RequestTimeoutError, StoreClosedError, StoreError
from aiostore.policies import ClientOptions, Timeouts

_KEEPALIVE = 15.0
"""Seconds that an unused connection is kept: services close theirs after 20 s or more."""

_NO_LIMIT = ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)

_OPEN: weakref.WeakSet[Session] = weakref.WeakSet()
_INHERITED: list[Session] = []
"""Sessions of the parent process. Closing one would take its sockets out of the epoll set that both processes share."""


def _keep_inherited() -> None:
    _INHERITED.extend(_OPEN)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_keep_inherited)


class Lease:
    """A connection that belongs to one exchange."""

    __slots__ = ("_connection", "protocol")

    def __init__(self, connection: Connection, protocol: ResponseHandler) -> None:
        self._connection = connection
        self.protocol = protocol

    def release(self) -> None:
        """Give it back; the pool drops it if anything is left on it."""
        self._connection.release()

    def close(self) -> None:
        """Drop it with all that is still to be sent: a peer that reads nothing would keep it open for ever."""
        transport = self.protocol.transport
        if transport is not None:
            transport.abort()
        self._connection.close()

    def disown(self) -> None:
        """Leave it to the session, whose loop or process is gone."""
        self._connection._protocol = None


class Session:
    """A connection pool, the routes known so far and the stall watch of one event loop in one process."""

    def __init__(self, options: ClientOptions, timeouts: Timeouts, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.watch = StallWatch(timeouts, loop)
        self._options = options
        self._process = os.getpid()
        self._routes: dict[str, Route] = {}
        self._defaults = {"User-Agent": options.user_agent or _user_agent(), **options.headers}
        self._pool = _Pool(timeouts.connect, options.max_connections, loop)
        self._guard = _close_with_loop(self._pool, self.watch)
        _OPEN.add(self)

    @classmethod
    async def open(cls, options: ClientOptions, timeouts: Timeouts) -> Session:
        """A session for the running loop; it closes when the loop shuts its generators down, as asyncio.run() does."""
        session = cls(options, timeouts, asyncio.get_running_loop())
        await anext(session._guard)
        return session

    async def aclose(self) -> None:
        """Close every connection. Safe to repeat."""
        self.watch.stop(StoreClosedError("the store was closed while the request was under way"))
        await self._pool.close()
        await self._guard.aclose()

    def route(self, origin: str) -> Route:
        """The route to ``scheme://host[:port]``.

        Raises:
            ConfigurationError: if that, the proxy for it or the bundle of certificate authorities is not valid.
        """
        if (route := self._routes.get(origin)) is None:
            if self._options.proxy is None:
                proxy = environment_proxy(origin)
            else:
                proxy = parse_proxy(self._options.proxy, "client_options: proxy")
            secure = parse_origin(origin).scheme == "https" or (proxy is not None and proxy.url.scheme == "https")
            context = tls_context(self._options) if secure else True
            route = self._routes[origin] = Route(origin, self._defaults, context, proxy, self.loop)
        return route

    async def lease(self, route: Route) -> Lease:
        """A connection to ``route``, from the pool if there is one.

        Raises:
            ConnectionLostError: if it cannot be made; nothing was sent.
            RequestTimeoutError: if that took too long.
            ConfigurationError: if the other side's certificate is not valid, or the proxy refuses.
        """
        while True:
            try:
                connection = await self._pool.connect(route.spec, [], _NO_LIMIT)
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
                raise _connect_error(error, route, self._pool.timeout) from error
            protocol = connection.protocol
            # Bytes that came after the last answer would be taken for the next one.
            if protocol is not None and not protocol.should_close:
                return Lease(connection, protocol)
            connection.close()

    def forget(self, exchange: Exchange) -> None:
        """Close an exchange that its owner has forgotten, from any thread and at any time."""
        if os.getpid() == self._process and not self.loop.is_closed():
            try:
                self.loop.call_soon_threadsafe(exchange.close)
            except RuntimeError:  # the loop was closed meanwhile
                exchange.disown()
        else:
            exchange.disown()


async def _close_with_loop(pool: _Pool, watch: StallWatch) -> AsyncGenerator[None, None]:
    """Nothing but its end, which comes when the loop shuts down, or with the last reference to it."""
    try:
        yield
    finally:
        watch.stop(StoreClosedError("the event loop ended while the request was under way"))
        await pool.close()


class _Pool(TCPConnector):
    """aiohttp's connection pool, with a limit on the time to connect that waiting for a free place does not use up."""

    def __init__(self, timeout: float, limit: int, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=limit, keepalive_timeout=_KEEPALIVE, loop=loop)
        self.timeout = timeout

    async def _create_connection(
        self, req: ClientRequest, traces: list[aiohttp.tracing.Trace], timeout: ClientTimeout
    ) -> ResponseHandler:
        async with asyncio.timeout(self.timeout):
            return await super()._create_connection(req, traces, timeout)

    def __del__(self, _warnings: object = None) -> None:
        # Only after the end of a loop that shut down no generators: nothing can be closed through it any more.
        if not self._closed and self._loop.is_closed():
            idle = [protocol for queue in self._conns.values() for protocol, _ in queue]
            for protocol in (*idle, *self._acquired):
                _close_socket(protocol.transport)


def _close_socket(transport: asyncio.BaseTransport | None) -> None:
    """Close the socket under asyncio's own transports, which could only warn that nobody did."""
    if (secure := getattr(transport, "_ssl_protocol", None)) is not None:
        transport._closed = True  # type: ignore[union-attr]
        transport = getattr(secure, "_transport", None)
    if isinstance(sock := getattr(transport, "_sock", None), socket.socket):
        transport._sock = None  # type: ignore[union-attr]
        sock.close()


def _user_agent() -> str:
    try:
        return f"aiostore/{version('aiostore')}"
    except PackageNotFoundError:
        return "aiostore"


# --- why a connection was not made ------------------------------------------------------------------------------------

_WRONG_SETTINGS = frozenset((
    "HTTP_REQUEST",
    "NO_PROTOCOLS_AVAILABLE",
    "SSLV3_ALERT_HANDSHAKE_FAILURE",
    "TLSV1_ALERT_PROTOCOL_VERSION",
    "UNSUPPORTED_PROTOCOL",
    "WRONG_VERSION_NUMBER",
))  # fmt: skip
"""OpenSSL's reasons that the same settings will meet again."""


def _connect_error(error: Exception, route: Route, timeout: float) -> StoreError:
    origin = route.origin
    if isinstance(error, TimeoutError):
        return RequestTimeoutError(f"no connection to {origin} within {timeout:g} s")
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _untrusted(error.certificate_error, origin)
    if isinstance(error, aiohttp.ClientHttpProxyError):
        message = f"the proxy refused a tunnel to {origin}: {error.status} {error.message}"
        return ConnectionLostError(message) if error.status >= 500 else ConfigurationError(message)
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _untrusted(cause, origin)
    reason = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    if isinstance(cause, ssl.SSLError) and cause.reason in _WRONG_SETTINGS:
        return ConfigurationError(f"{origin} does not speak TLS as this endpoint's URL asks for it: {reason}")
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return ConnectionLostError(f"the proxy for {origin} cannot be reached: {reason}")
    if isinstance(error, (aiohttp.InvalidURL, ValueError)):
        return ConfigurationError(f"{origin} is not an address: {reason}")
    return ConnectionLostError(f"no connection to {origin}: {reason}")


def _untrusted(error: Exception, origin: str) -> ConfigurationError:
    reason = getattr(error, "verify_message", None) or str(error)
    return ConfigurationError(
        f"the certificate of {origin} is not trusted: {reason}; for a private authority set client_options' ca_bundle"
    )
