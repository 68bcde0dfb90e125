"""The files of a web server: reading by GET and HEAD, listing by the server's own directory indexes.

https://www.rfc-editor.org/rfc/rfc9110

- A key is a path below the base URL, percent-encoded as it is sent. ``.`` and ``..`` are refused.
- Conditions are asked of the server, and decided once more on its answer: many ignore them. Reads compare the ETag of
  the answer instead of sending If-Match, which a server must refuse for a weak ETag.
- The size of an answer without Content-Length is unknown (-1): it is read to its end, in one request.
- Ranges are asked for in parallel only where the server says that it takes them, and its ETag is not a weak one.
"""

from __future__ import annotations

import asyncio
import binascii
from base64 import b64decode
from collections.abc import Mapping
from email.utils import format_datetime
from typing import ClassVar, Final

from aiostore._http.status import check_range, content_range, http_date, range_header, unquote_etag
from aiostore.capabilities import Capabilities
from aiostore.drivers.base import BaseDriver
from aiostore.drivers.base_conditions import check_read, refuse_options
from aiostore.drivers.http_client import Client, discard, read_page
from aiostore.drivers.http_index import ACCEPTED, LARGEST, Entry, parse
from aiostore.drivers.http_walk import Listings
from aiostore.errors import InvalidRangeError, NotFoundError, NotSupportedError
from aiostore.policies import Timeouts
from aiostore.types import NOTHING, GetOptions, GetResult, ListOptions, ListPage, ObjectMeta, object_meta

PAGE: Final = 1000
"""Keys and common prefixes of one page."""

_AT_ONCE: Final = 256 * 1024
"""Bytes of an index that are read in the event loop; what is longer goes to a thread."""

_FOUND: Final = frozenset({416})

_DIGESTS: Final = {"sha-256": "sha256", "md5": "md5", "sha": "sha1", "crc32c": "crc32c"}
"""https://www.iana.org/assignments/http-digest-hash-alg"""


class HTTPDriver(BaseDriver):
    """What lies below one URL. ``http_settings.make_driver`` makes it of what users say."""

    advice: ClassVar[Mapping[str, str]] = {
        "put": "an HTTP store can only be read, unless the server speaks WebDAV: pass webdav=True",
        "delete": "an HTTP store can only be read, unless the server speaks WebDAV: pass webdav=True",
    }

    def __init__(self, client: Client) -> None:
        self._client = client
        self._location = client.base.removesuffix("/")
        self._capabilities = Capabilities(operations=self.operations, metadata=False, max_put=2**62, max_copy=2**62)
        self._listings = Listings(self._directory, PAGE)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self._client,)

    @property
    def location(self) -> str:
        return self._location

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    def use_timeouts(self, timeouts: Timeouts) -> None:
        """Keep to ``timeouts`` on every connection that is opened from now on."""
        self._client.use_timeouts(timeouts)

    async def aclose(self) -> None:
        self._listings.forget()
        await self._client.aclose()

    # --- one object -------------------------------------------------------------------------------------------------

    async def head(self, key: str, options: GetOptions) -> ObjectMeta:
        """HEAD; where that is refused or does not say the size, a GET of the first byte."""
        with self.naming("head", key):
            url = self._url(key)
            headers = _conditions(options)
            response = await self._client.send("HEAD", url, headers, accept=frozenset({405, 501}))
            await response.aclose()
            size = response.content_length
            if response.status >= 300 or size is None:
                response = await self._client.send("GET", url, {**headers, "range": "bytes=0-0"}, accept=_FOUND)
                await response.aclose()
                size = _whole_size(response.status, response.headers)
            if response.status == 416:
                # There is no first byte, and what the head speaks of is the refusal.
                response = await self._client.send("GET", url, headers)
                await response.aclose()
                size = response.content_length or 0
            meta = _meta(key, response.headers, size, whole=response.status != 206)
            check_read(options, meta)
            return meta

    async def get(self, key: str, options: GetOptions) -> GetResult:
        with self.naming("get", key):
            headers = _conditions(options)
            wanted = range_header(options.start, options.stop)
            if wanted is not None:
                headers["range"] = wanted
            response = await self._client.send("GET", self._url(key), headers)
            try:
                found = response.headers
                if response.status != 206 and response.content_length is None:
                    start, stop, size = 0, -1, -1
                else:
                    start, stop, size = check_range(response.status, found, options.start, options.stop)
                    if size == 0 and options.start:
                        raise InvalidRangeError("the object is empty")
                meta = _meta(key, found, size, whole=stop - start == size)
                if options.if_match is not None or options.if_none_match is not None or options.if_modified_since:
                    check_read(options, meta)
                ranges = response.status == 206 or (
                    found.get("Accept-Ranges") == "bytes" and found.get("ETag", '"')[:1] == '"' and size >= 0
                )
            except BaseException:
                await response.aclose()
                raise
            return GetResult(meta=meta, start=start, stop=stop, stream=response, ranges=ranges)

    def _url(self, key: str) -> str:
        return self._client.url(key)

    # --- listings ---------------------------------------------------------------------------------------------------

    async def list_page(self, options: ListOptions) -> ListPage:
        """One page: at most one directory is asked for, the next one in the order of keys."""
        with self.naming("list_page", options.prefix):
            return await self._listings.page(options)

    async def _directory(self, path: str) -> list[Entry] | None:
        """What the index of a directory shows; None if there is no such directory."""
        response = await self._client.send("GET", self._client.url(path), ACCEPTED, accept=frozenset({404}))
        if response.status == 404:
            await discard(response)
            if path:
                return None
            raise NotFoundError("there is no such directory")
        kind, path_of = response.headers.get("Content-Type", ""), self._client.path(path)
        page = await read_page(response, LARGEST)
        if len(page) < _AT_ONCE:
            entries = parse(page, kind, path_of)
        else:
            entries = await asyncio.to_thread(parse, page, kind, path_of)
        if entries is None:
            raise NotSupportedError(
                f"what the server shows of the directory {path!r} is no index of nginx, Apache or the like; read the "
                "keys that you know, or pass webdav=True if the server speaks WebDAV"
            )
        return entries


def _conditions(options: GetOptions) -> dict[str, str]:
    """The headers of a read, and the refusal of what HTTP knows nothing of."""
    headers: dict[str, str] = {}
    if options.version is not None or options.encryption is not None:
        refuse_options(options, "version", "encryption")
    if options.if_none_match is not None:
        etag = options.if_none_match.etag
        headers["if-none-match"] = "*" if etag == "*" else f'"{etag}"'
    elif options.if_modified_since is not None:
        headers["if-modified-since"] = format_datetime(options.if_modified_since, usegmt=True)
    if options.headers:
        headers.update({name.lower(): value for name, value in options.headers.items()})
    return headers


def _whole_size(status: int, headers: Mapping[str, str]) -> int:
    """The size that an answer to a GET of the first byte tells; -1 if it does not."""
    value = headers.get("Content-Range")
    if status in {206, 416} and value is not None:
        try:
            total = content_range(value)[2]
        except ValueError:
            return -1
        return -1 if total is None else total
    length = headers.get("Content-Length")
    return int(length) if status == 200 and length and length.isdecimal() else -1


def _meta(key: str, headers: Mapping[str, str], size: int, *, whole: bool = True) -> ObjectMeta:
    get = headers.get
    modified = get("Last-Modified")
    return object_meta(
        key,
        size,
        http_date(modified) if modified else None,
        unquote_etag(get("ETag")),
        None,
        get("Content-Type"),
        get("Content-Encoding"),
        get("Content-Disposition"),
        get("Content-Language"),
        get("Cache-Control"),
        None,
        NOTHING,
        _checksums(headers, whole=whole) if size >= 0 else NOTHING,
    )


def _checksums(headers: Mapping[str, str], *, whole: bool) -> Mapping[str, str]:
    """What the server says of the bytes of the whole: https://www.rfc-editor.org/rfc/rfc9530, and older headers."""
    found: dict[str, str] = {}
    if (digest := headers.get("Repr-Digest") or headers.get("Digest")) is not None:
        for item in digest.split(","):
            name, _, value = item.strip().partition("=")
            algorithm = _DIGESTS.get(name.lower())
            if algorithm is not None and (digits := _hexadecimal(value.strip(":"))):
                found[algorithm] = digits
    elif whole and (md5 := headers.get("Content-MD5")) is not None and (digits := _hexadecimal(md5)):
        found["md5"] = digits
    return found or NOTHING


def _hexadecimal(value: str) -> str:
    try:
        return b64decode(value, validate=True).hex()
    except (binascii.Error, ValueError):
        return ""
