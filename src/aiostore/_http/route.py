"""Where requests of one origin go, and how their heads look on the wire."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote
from urllib.request import getproxies, proxy_bypass

from aiohttp import ClientRequest, InvalidURL
from multidict import CIMultiDict
from yarl import URL

from aiostore.errors import ConfigurationError

if TYPE_CHECKING:
    from aiostore._http.session import Lease

_MAX_LAYOUTS = 1024
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_FRAMING = frozenset(("connection", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"))
_DROPPED = "%.0s"
"""Takes a value of the format's arguments and prints nothing."""
_WITH_BODY = frozenset(("PATCH", "POST", "PUT"))


class Proxy(NamedTuple):
    """A proxy's URL without its credentials, and the header that carries them."""

    url: URL
    authorization: str | None


class _Layout(NamedTuple):
    template: str
    lines: int
    always_sized: bool


class Route:
    """One scheme, host and port: what the connection pool needs to know of it, and the lines that all heads share."""

    __slots__ = ("_absolute", "_defaults", "_host", "_layouts", "idle", "origin", "spec")

    def __init__(
        self,
        origin: str,
        defaults: Mapping[str, str],
        context: ssl.SSLContext | bool,
        proxy: Proxy | None,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        url = parse_origin(origin)
        self.origin = origin
        self.idle: list[Lease] = []
        self._host = url.host_port_subcomponent or ""
        self._absolute = ""
        self._defaults = dict(defaults)
        self._layouts: dict[tuple[str, ...], _Layout] = {}
        authorization = None if proxy is None else proxy.authorization
        if proxy is not None and url.scheme == "http":
            # RFC 9112 section 3.2.2: a proxy is asked for the whole URL.
            self._absolute = str(url.origin())
            if authorization:
                self._defaults["Proxy-Authorization"] = authorization
        tunnel = None
        if proxy is not None and url.scheme == "https":
            # The Host is what the connector would add: the pool's key holds a hash of these headers.
            tunnel = CIMultiDict({"Host": self._host})
            if authorization:
                tunnel["Proxy-Authorization"] = authorization
        try:
            # aiohttp's own request object, never sent: it tells the connector where to connect.
            self.spec = ClientRequest(
                "GET",
                url,
                loop=loop,
                ssl=context,
                proxy=None if proxy is None else proxy.url,
                proxy_headers=tunnel,
            )
        except InvalidURL:
            raise ConfigurationError(f"{origin!r} is not the beginning of an http or https URL") from None

    def head(self, method: str, target: str, headers: Mapping[str, str], size: int | None) -> bytes:
        """The bytes of a request up to its body; ``size`` is the body's, None if there is none.

        Raises:
            ConfigurationError: if the target or a header would break out of its line.
        """
        key = (method, *headers)
        if (layout := self._layouts.get(key)) is None:
            layout = self._lay_out(method, headers)
        template, lines, always_sized = layout
        if size is not None:
            length = f"Content-Length: {size}\r\n"
            lines += 1
        elif always_sized:
            length = "Content-Length: 0\r\n"
            lines += 1
        else:
            length = ""
        text = template % (target, *headers.values(), length)
        if text.count("\n") != lines or text.count("\r") != lines or "\0" in text:
            self._refuse(target, headers)
        if " " in target or not target.isascii() or "#" in target:
            self._refuse(target, {})
        return text.encode()

    def _lay_out(self, method: str, headers: Mapping[str, str]) -> _Layout:
        if not method or not _TOKEN.issuperset(method):
            raise ConfigurationError(f"{method!r} is not an HTTP method")
        names: set[str] = set()
        lines = []
        for name in headers:
            lower = name.lower()
            if not name or not _TOKEN.issuperset(name):
                raise ConfigurationError(f"{name!r} cannot be the name of a header")
            if lower in _FRAMING:
                raise ConfigurationError(f"the header {name!r} is the transport's own business: leave it out")
            if lower in names:
                raise ConfigurationError(f"the header {name!r} is given twice")
            names.add(lower)
            lines.append(_DROPPED if lower == "content-length" else f"{_literal(name)}: %s\r\n")
        first = [] if "host" in names else [f"Host: {_literal(self._host)}\r\n"]
        first += [
            f"{_literal(name)}: {_literal(value)}\r\n"
            for name, value in self._defaults.items()
            if name.lower() not in names
        ]
        template = f"{_literal(method)} {_literal(self._absolute)}%s HTTP/1.1\r\n{''.join(first)}{''.join(lines)}%s\r\n"
        layout = _Layout(template, template.count("\n"), method in _WITH_BODY)
        if len(self._layouts) >= _MAX_LAYOUTS:
            self._layouts.clear()
        self._layouts[method, *headers] = layout
        return layout

    def _refuse(self, target: str, headers: Mapping[str, str]) -> None:
        for name, value in (*self._defaults.items(), *headers.items()):
            if not {"\r", "\n", "\0"}.isdisjoint(value):
                raise ConfigurationError(f"the value of the header {name!r} holds a line break or a NUL")
        path = target.partition("?")[0]
        raise ConfigurationError(f"the URL's path {path!r} or its query is not percent-encoded")


def _literal(text: str) -> str:
    return text.replace("%", "%%")


def parse_origin(origin: str) -> URL:
    """The URL of ``scheme://host[:port]``.

    Raises:
        ConfigurationError: if it is anything else; credentials belong into a header.
    """
    if "@" in origin:
        raise ConfigurationError("a URL cannot carry a user name or password here: send an Authorization header")
    if origin.isascii() and origin.isprintable() and {"?", "#", "\\", " "}.isdisjoint(origin):
        url = _parse(origin)
        if url is not None and url.path in ("", "/"):
            return url
    raise ConfigurationError(f"{origin!r} is not the beginning of an http or https URL")


def parse_proxy(text: str, source: str) -> Proxy:
    """The proxy that the URL ``text`` names; ``source`` says where it was given.

    Raises:
        ConfigurationError: if it is not an http or https URL.
    """
    url = _parse(text if "://" in text else f"http://{text}")
    if url is None:
        # Never the text itself: it may hold a password.
        raise ConfigurationError(f"{source} is not the URL of an http or https proxy")
    authorization = None
    if url.raw_user is not None:
        pair = f"{unquote(url.raw_user)}:{unquote(url.raw_password or '')}"
        authorization = "Basic " + base64.b64encode(pair.encode()).decode()
    return Proxy(url.with_user(None).with_path("/"), authorization)


def _parse(text: str) -> URL | None:
    try:
        url = URL(text)
    except ValueError:
        return None
    return url if url.scheme in ("http", "https") and url.host else None


def environment_proxy(origin: str) -> Proxy | None:
    """The proxy that HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY (or the system's settings) name for ``origin``."""
    proxies = getproxies()
    if not proxies:
        return None
    scheme, _, authority = origin.partition("://")
    for name in (scheme.lower(), "all"):
        if text := proxies.get(name):
            return None if proxy_bypass(authority) else parse_proxy(text, f"the environment's {name} proxy")
    return None
