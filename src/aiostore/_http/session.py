"""The connections of one event loop, and what becomes of them when the loop, the process or their owner ends."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import weakref
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from inspect import signature
from typing import TypedDict

import aiohttp
from aiohttp import ClientRequest, ClientTimeout, TCPConnector
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import HttpVersion11, RawResponseMessage

from aiostore._http.exchange import Exchange, harmless
from aiostore._http.redaction import redact
from aiostore._http.route import Route, environment_proxy, parse_origin, parse_proxy
from aiostore._http.stall import StallWatch
from aiostore._http.tls import tls_context
from aiostore.errors import ConfigurationError, ConnectionLostError, RequestTimeoutError, StoreClosedError, StoreError
from aiostore.policies import ClientOptions, Timeouts


class _ParserOptions(TypedDict, total=False):
    read_until_eof: bool
    auto_decompress: bool
    read_bufsize: int
    max_line_size: int
    max_field_size: int
    max_headers: int


_KEEPALIVE = 15.0
"""Seconds that an unused connection is kept: services close theirs after 20 s or more."""

_LONGEST_LINE = 64 * 1024
"""Bytes of one line of an answer's head."""

READ_BUFFER = 256 * 1024
"""Bytes of an answer that are read ahead of the caller, at least; at most twice as many."""

_PARSER: _ParserOptions = {
    "read_until_eof": True,
    "auto_decompress": False,
    "read_bufsize": READ_BUFFER,
    "max_line_size": _LONGEST_LINE,
    "max_field_size": _LONGEST_LINE,
}
if "max_headers" in signature(ResponseHandler.set_response_params).parameters:
    # A service's user metadata comes as a header each; aiohttp allows 128 headers, and before 3.13 any number.
    _PARSER["max_headers"] = 1024

_NO_LIMIT = ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)

_OPEN: weakref.WeakSet[Session] = weakref.WeakSet()
_INHERITED: list[Session] = []
"""Sessions of the parent process. Closing one would take its sockets out of the epoll set that both processes share."""


def _keep_inherited() -> None:
    _INHERITED.extend(_OPEN)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_keep_inherited)


class Lease:
    """A connection that belongs to one exchange, or waits in its route's list for the next one.

    aiohttp's pool counts it as in use until it is closed, so that taking it up again costs a list's pop instead of two
    coroutines. Its `Connection` object is set aside: it would warn, and close what is another process's, when the
    garbage collector finds it.
    """

    __slots__ = ("_key", "_reusable", "_route", "_session", "_since", "protocol")

    def __init__(self, session: Session, route: Route, connection: Connection) -> None:
        if connection._protocol is None:
            raise RuntimeError("a connection without a protocol was leased")
        self._session = session
        self._route = route
        self._key = connection._key
        self._reusable = False
        self._since = 0.0
        self.protocol: ResponseHandler = connection._protocol
        connection._protocol = None
        session.leased += 1

    def expect(self, *, body: bool) -> None:
        """Prepare for the next answer. A parser serves any number of them, but only one without its body."""
        if not (body and self._reusable):
            self.protocol.set_response_params(skip_payload=not body, **_PARSER)
        self._reusable = body

    def keep(self, message: RawResponseMessage) -> None:
        """Take an answer to HEAD for complete, of which the parser thinks that its body ends with the connection."""
        if message.version == HttpVersion11 and message.headers.get("Connection", "").lower() != "close":
            self.protocol._should_close = False

    def interrupt(self) -> None:
        """The parser does not see the end of this answer."""
        self._reusable = False

    def release(self) -> None:
        """Keep the connection for the next exchange on this route, unless it cannot be used again."""
        session = self._session
        if self.protocol.should_close:
            self.close()
        elif session.waiting:
            # Someone waits in aiohttp's queue for a free place: only aiohttp can tell them.
            session.leased -= 1
            session.pool._release(self._key, self.protocol)
        else:
            self._since = session.loop.time()
            self._route.idle.append(self)

    def usable(self, now: float) -> bool:
        """Whether an idle connection is still open, recently used, and nothing has come on it unasked."""
        protocol = self.protocol
        return now - self._since < _KEEPALIVE and not protocol.should_close and protocol.is_connected()

    def close(self) -> None:
        """Drop it with all that is still to be sent: a peer that reads nothing would keep it open for ever."""
        session = self._session
        session.leased -= 1
        transport = self.protocol.transport
        if session.process != os.getpid():
            return
        if session.loop.is_closed():
            _close_socket(transport)
            return
        if transport is not None:
            transport.abort()
        session.pool._release(self._key, self.protocol, should_close=True)


class Session:
    """A connection pool, the routes known so far and the stall watch of one event loop in one process."""

    def __init__(self, options: ClientOptions, timeouts: Timeouts, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.process = os.getpid()
        self.watch = StallWatch(timeouts, loop, self._expire)
        self.pool = _Pool(timeouts.connect, options.max_connections, loop)
        self.leased = 0
        self.waiting = 0
        self._options = options
        self._routes: dict[str, Route] = {}
        self._defaults = {"User-Agent": options.user_agent or _user_agent(), **options.headers}
        self._guard = _close_with_loop(self.pool, self.watch, self._routes)
        _OPEN.add(self)

    @classmethod
    async def open(cls, options: ClientOptions, timeouts: Timeouts) -> Session:
        """A session for the running loop; it closes when the loop shuts its generators down, as asyncio.run() does."""
        _keep_freed_memory()
        session = cls(options, timeouts, asyncio.get_running_loop())
        await anext(session._guard)
        return session

    async def aclose(self) -> None:
        """Close every connection, also those in use. Safe to repeat."""
        await self._guard.aclose()

    def abandon(self) -> None:
        """Close the sockets of a loop that was closed before its connections; nothing warns of them later."""
        _drop(self._routes)
        idle = [protocol for queue in self.pool._conns.values() for protocol, _ in queue]
        for protocol in (*idle, *self.pool._acquired):
            _close_socket(protocol.transport)
        self.pool._closed = True

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

    def reuse(self, route: Route) -> Lease | None:
        """The idle connection to ``route`` that was used last; None if there is none."""
        idle = route.idle
        while idle:
            lease: Lease = idle.pop()
            if lease.usable(self.loop.time()):
                return lease
            lease.close()
        return None

    async def connect(self, route: Route) -> Lease:
        """A new connection to ``route``, waiting for a free place in the pool.

        Raises:
            ConnectionLostError: if it cannot be made; nothing was sent.
            RequestTimeoutError: if that took too long.
            ConfigurationError: if the other side's certificate is not valid, or the proxy refuses.
        """
        if self.leased >= self._options.max_connections:
            self._evict()
        self.waiting += 1
        try:
            while True:
                lease = Lease(self, route, await self.pool.connect(route.spec, [], _NO_LIMIT))
                # Bytes that came unasked would be taken for the next answer.
                if not lease.protocol.should_close:
                    return lease
                lease.close()
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _connect_error(error, route, self.pool.timeout) from harmless(error)
        finally:
            self.waiting -= 1

    def _evict(self) -> None:
        """Close the idle connection that was used longest ago on any one route."""
        for route in self._routes.values():
            if route.idle:
                route.idle.pop(0).close()
                return

    def _expire(self) -> bool:
        """Close the connections that were idle for too long; whether others still are."""
        now = self.loop.time()
        left = False
        for route in self._routes.values():
            if route.idle:
                kept = [lease for lease in route.idle if lease.usable(now)]
                for lease in set(route.idle).difference(kept):
                    lease.close()
                route.idle[:] = kept
                left = left or bool(kept)
        return left

    def forget(self, exchange: Exchange) -> None:
        """Close an exchange that its owner has dropped, from any thread and at any time."""
        if self.process == os.getpid() and not self.loop.is_closed():
            with suppress(RuntimeError):  # the loop is closed meanwhile
                self.loop.call_soon_threadsafe(exchange.close)
        else:
            exchange.close()


async def _close_with_loop(pool: _Pool, watch: StallWatch, routes: Mapping[str, Route]) -> AsyncGenerator[None, None]:
    """Nothing but its end, which comes when the loop shuts its generators down, or with the last reference to it."""
    process = os.getpid()
    try:
        yield
    finally:
        # A child that was forked inside the loop may end its copy of it; what it inherited is the parent's.
        if process == os.getpid():
            await _close(pool, watch, routes)


async def _close(pool: _Pool, watch: StallWatch, routes: Mapping[str, Route]) -> None:
    watch.stop(StoreClosedError("the store or its event loop was closed while the request was under way"))
    _drop(routes)
    await pool.close()


def _drop(routes: Mapping[str, Route]) -> None:
    for route in routes.values():
        while route.idle:
            route.idle.pop().close()


@cache
def _keep_freed_memory() -> None:
    """Let bodies reuse the memory of those before them.

    glibc returns freed blocks to the kernel, and every MiB that is read would be faulted in anew, which costs a third
    of the read. It learns from what is freed: after one block of this size, which is never touched, it keeps up to
    twice as much. See M_MMAP_THRESHOLD in https://man7.org/linux/man-pages/man3/mallopt.3.html; elsewhere this does
    nothing.
    """
    bytes(16 * 1024**2)


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
        """Nothing: the session has closed it, or it is another process's."""


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
        message = f"the proxy refused a tunnel to {origin}: {error.status} {redact(error.message)}"
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
