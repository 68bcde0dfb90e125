"""Requests below one URL of a web server: credentials, redirects, and what a refusal means."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

from aiostore._http.client import Transport
from aiostore._http.response import Response
from aiostore._http.status import error_from_status
from aiostore.body import Body
from aiostore.errors import (
    ConfigurationError,
    InvalidKeyError,
    NotFoundError,
    StoreError,
    TransientError,
    UnavailableError,
)
from aiostore.policies import ClientOptions, Timeouts
from aiostore.types import NOTHING

MOST_REDIRECTS: Final = 10
"""One after the other, for one read."""

_LONGEST_REFUSAL: Final = 64 * 1024
"""Bytes of a page that explains a refusal, read so that the connection can be used again."""

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})

_READS: Final = frozenset({"GET", "HEAD"})

_NO_OBJECT: Final = frozenset({201, 202, 205, 207})
"""Of reads: whatever comes with it is not what was asked for, though nothing failed."""

_plain = re.compile(r"[A-Za-z0-9_~./-]*").fullmatch
"""Keys that are sent as they are."""


class Client:
    """Sends requests for what lies below ``base``, a URL without credentials and query that ends with a slash.

    ``headers`` (names in lower case) and ``query`` go with every request to the base's own origin, and to no other.
    """

    __slots__ = ("_foreign", "_options", "_query", "_timeouts", "base", "headers", "origin", "transport")

    def __init__(
        self, base: str, headers: Mapping[str, str], query: str, options: ClientOptions, timeouts: Timeouts
    ) -> None:
        self.base = base
        self.headers = dict(headers)
        parts = urlsplit(base)
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self.transport = Transport(options, timeouts)
        self._foreign: Transport | None = None
        self._options = options
        self._timeouts = timeouts
        self._query = query

    def __reduce__(self) -> tuple[object, ...]:
        return Client, (self.base, self.headers, self._query, self._options, self._timeouts)

    def use_timeouts(self, timeouts: Timeouts) -> None:
        """Keep to ``timeouts`` on every connection that is opened from now on."""
        self._timeouts = timeouts
        self.transport.use_timeouts(timeouts)

    async def aclose(self) -> None:
        """Close the running loop's connections."""
        await self.transport.aclose()
        if self._foreign is not None:
            await self._foreign.aclose()

    def url(self, key: str) -> str:
        """The URL of a key, without the query.

        Raises:
            InvalidKeyError: if it has a segment ``.`` or ``..``, which every server resolves: it would leave the base.
        """
        path = key if _plain(key) else quote(key, safe="/~")
        if "/." in key or key[:1] == ".":
            for segment in key.split("/"):
                if segment in {".", ".."}:
                    raise InvalidKeyError(
                        "a segment '.' or '..' is resolved by web servers and names another object; leave it out"
                    )
        return self.base + path

    def path(self, key: str) -> str:
        """The encoded path of a key, from the root of the server."""
        return self.url(key)[len(self.origin) :]

    async def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] = NOTHING,
        body: Body | None = None,
        *,
        slow: bool = False,
        accept: frozenset[int] = frozenset(),
    ) -> Response:
        """Send one request; an answer of success, or with a status of ``accept``, is returned, any other raised.

        Reads follow redirects, each a request of its own. What is sent to another origin is the bare request: no
        credential, no header and no query of this store.

        Raises:
            InvalidKeyError: if a write is redirected so.
            NotFoundError: also if the server redirects to the same URL with a slash behind it: that is a directory.
            ConfigurationError: if a write is redirected, or a read from https to http.
        """
        sent = {**self.headers, **headers} if headers else self.headers
        full = url + self._query
        response = await self.transport.request(method, full, sent, body, slow=slow)
        if (response.status < 300 and not (response.status in _NO_OBJECT and method in _READS)) or (
            response.status in accept
        ):
            return response
        if response.status in _REDIRECTS:
            if method in _READS:
                return await self._follow(method, url, headers, response)
            await discard(response)
            if _target(url, response.headers.get("Location", "")) == url + "/":
                raise InvalidKeyError("a directory of the server has this name; choose another key")
            raise error_from_status(response.status, headers=response.headers)
        raise await refusal(response)

    async def _follow(self, method: str, url: str, headers: Mapping[str, str], response: Response) -> Response:
        asked, origin = url, self.origin
        for _ in range(MOST_REDIRECTS):
            status, target = response.status, response.headers.get("Location")
            await discard(response)
            if target is None:
                raise error_from_status(status)
            url = _target(url, target)
            if url.partition("?")[0] == asked + "/":
                raise NotFoundError("this is a directory: its page has the key with a slash behind it")
            before, origin = origin, url[: url.find("/", 8)]
            if before.startswith("https:") and not origin.startswith("https:"):
                raise ConfigurationError(f"the server redirects from https to {origin}, which is not followed")
            if origin == self.origin:
                full = url if "?" in url else url + self._query
                response = await self.transport.request(method, full, {**self.headers, **headers})
            else:
                response = await self._elsewhere().request(method, url, {"accept-encoding": "identity", **headers})
            if response.status < 300 and response.status not in _NO_OBJECT:
                return response
            if response.status not in _REDIRECTS:
                raise await refusal(response)
        await discard(response)
        raise StoreError(f"the server redirects more than {MOST_REDIRECTS} times; use the URL where the object is")

    def _elsewhere(self) -> Transport:
        """What sends requests to other origins: with nothing of this store's in them."""
        if self._foreign is None:
            self._foreign = Transport(replace(self._options, headers=NOTHING), self._timeouts)
        return self._foreign


def _target(url: str, location: str) -> str:
    """Where a redirect of ``url`` points to.

    Raises:
        StoreError: if that is no http or https URL.
    """
    try:
        target = urljoin(url, location.strip()).partition("#")[0]
        parts = urlsplit(target)
        if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
            raise ValueError
        path = quote(parts.path or "/", safe="/~!$&'()*+,;=:@%")
        query = "?" + quote(parts.query, safe="/~!$&'()*+,;=:@%?") if parts.query else ""
    except ValueError:
        raise StoreError("the server redirects to something that is no http or https URL") from None
    return f"{parts.scheme}://{parts.netloc.lower()}{path}{query}"


async def refusal(response: Response) -> StoreError:
    """What an answer without success means; it is read to its end."""
    await discard(response)
    if response.status == 202:
        return UnavailableError("the server has not got the object ready yet (HTTP status 202)")
    if response.status == 507:
        return StoreError("the server has no space left")
    if response.status == 423:
        return StoreError("the object is locked by another client of the server")
    return error_from_status(response.status, headers=response.headers)


async def discard(response: Response) -> None:
    """Read what is left of an answer that is known by its head, so that its connection can be used again."""
    left = _LONGEST_REFUSAL
    try:
        if response.content_length != 0:
            with suppress(TransientError):
                while left > 0 and (chunk := await response.next_chunk()):
                    left -= len(chunk)
    finally:
        await response.aclose()


async def read_page(response: Response, most: int) -> bytes:
    """The answer's body, but no more than ``most`` bytes and one chunk."""
    chunks, size = [], 0
    try:
        while size <= most and (chunk := await response.next_chunk()):
            chunks.append(chunk)
            size += len(chunk)
    finally:
        await response.aclose()
    return b"".join(chunks)


def basic(username: str, password: str) -> str:
    """The Authorization header of a user: https://www.rfc-editor.org/rfc/rfc7617."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()
