"""Writing to a web server that speaks WebDAV, and listing by PROPFIND.

https://www.rfc-editor.org/rfc/rfc4918

- Keys are paths of files: no empty segments, no slash at the end, names of at most 255 bytes.
- A collection (directory) is no object. WebDAV deletes, moves and replaces collections as readily as files, with all
  that is in them: so the kind of what a request would strike is asked first. Missing ones are made by writes.
- PUT ignores conditions on most servers, and COPY and MOVE look for a target before they write: create-only is at most
  a best effort.
- Writes are as atomic as the server's: nginx and Apache put whole files in place; nginx copies in view of readers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final, NamedTuple
from urllib.parse import unquote, urlsplit
from xml.etree.ElementTree import Element

from aiostore._http import xml
from aiostore._http.response import Response
from aiostore._http.status import http_date, unquote_etag
from aiostore.body import Body, Buffers
from aiostore.capabilities import Capabilities, Conditions, Guarantee
from aiostore.drivers.base_conditions import refuse_options
from aiostore.drivers.http import HTTPDriver
from aiostore.drivers.http_client import Client, discard, read_page, refusal
from aiostore.drivers.http_index import Entry, child
from aiostore.errors import AlreadyExistsError, InvalidKeyError, NotFoundError, NotSupportedError, StoreError
from aiostore.types import (
    ANY,
    CopyOptions,
    CopyStep,
    DeleteOptions,
    GetOptions,
    PutOptions,
    PutResult,
)

_PROPERTIES: Final = Buffers(
    (
        b'<?xml version="1.0" encoding="utf-8"?><propfind xmlns="DAV:"><prop><resourcetype/><getcontentlength/>'
        b"<getlastmodified/><getetag/><getcontenttype/></prop></propfind>",
    )
)
_CONFLICTS: Final = frozenset({400, 404, 405, 409, 500})
"""Of a write. Where a collection is missing, or is an object, nginx says 500, and Apache 400."""
_REFUSED: Final = _CONFLICTS | {412}
_MULTISTATUS: Final = 207
_ANSWERED: Final = frozenset({404})
_MISSED: Final = frozenset({301, 400, 404})
"""Of PROPFIND: Apache redirects to a collection's own URL, and refuses to look into an object as into a collection."""


class _Resource(NamedTuple):
    """One resource of a PROPFIND's answer."""

    href: str
    collection: bool
    entry: Entry


class DAVDriver(HTTPDriver):
    """What lies below one URL of a WebDAV server."""

    advice: ClassVar[Mapping[str, str]] = {}

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._capabilities = Capabilities(
            operations=self.operations,
            copy=Conditions(if_absent=Guarantee.BEST_EFFORT),
            metadata=False,
            max_put=2**62,
            max_copy=2**62,
        )

    def _url(self, key: str) -> str:
        for segment in key.split("/"):
            if not segment or (len(segment) > 63 and len(segment.encode()) > 255) or "\0" in segment:
                raise InvalidKeyError(
                    "a key of a WebDAV server is the path of a file: no empty segments, no '/' at its end, no NUL, no "
                    "names longer than 255 bytes"
                )
        return super()._url(key)

    async def put(self, key: str, body: Body, options: PutOptions) -> PutResult:
        """PUT; if the server misses a collection, MKCOL for each above the key, and PUT once more."""
        with self.naming("put", key):
            refuse_options(
                options,
                *("content_encoding", "content_disposition", "content_language", "cache_control"),
                *("storage_class", "encryption", "acl", "if_match", "if_none_match"),
            )
            if options.metadata or options.tags:
                raise NotSupportedError("a web server keeps neither metadata nor tags; leave them out")
            headers = {name.lower(): value for name, value in options.headers.items()}
            if options.content_type is not None:
                headers["content-type"] = options.content_type
            response = await self._write("PUT", key, self._url(key), headers, body)
            return PutResult(etag=unquote_etag(response.get("ETag")), size=body.size)

    async def delete(self, key: str, options: DeleteOptions) -> None:
        """PROPFIND, because DELETE takes a whole collection too, then DELETE."""
        with self.naming("delete", key):
            refuse_options(options, "if_match", "version")
            url = self._url(key)
            found = await self._find(url)
            if found is None or found.collection:
                return
            headers = {name.lower(): value for name, value in options.headers.items()}
            await _done(await self._client.send("DELETE", url, headers, accept=_ANSWERED))

    async def copy(self, source: str, target: str, options: CopyOptions, token: str | None = None) -> CopyStep:
        with self.naming("copy", source):
            return CopyStep(done=True, result=await self._place("COPY", source, target, options))

    async def rename(self, source: str, target: str, options: CopyOptions) -> PutResult:
        with self.naming("rename", source):
            return await self._place("MOVE", source, target, options)

    async def _place(self, method: str, source: str, target: str, options: CopyOptions) -> PutResult:
        """PROPFIND for source and target, COPY or MOVE (with MKCOLs as PUT), and HEAD for what is then there."""
        refuse_options(
            options,
            *("source_container", "source_version", "source_if_match", "source_encryption", "if_match", "replace"),
            *("storage_class", "encryption", "acl"),
        )
        url, destination = self._url(source), self._url(target)
        found = await self._find(url)
        if found is None or found.collection:
            raise NotFoundError("there is no such object")
        if source != target:
            there = await self._find(destination)
            if there is not None and there.collection:
                raise _in_the_way(target)
            headers = {"destination": destination, "overwrite": "F" if options.if_none_match == ANY else "T"}
            try:
                await self._write(method, target, url, {**headers, "depth": "0"} if method == "COPY" else headers)
            except AlreadyExistsError as error:
                error.key = target
                raise
        elif options.if_none_match is not None:
            raise AlreadyExistsError("the object exists already; choose another key")
        meta = await self.head(target, GetOptions())
        return PutResult(etag=meta.etag, size=meta.size)

    async def _write(
        self, method: str, target: str, url: str, headers: Mapping[str, str], body: Body | None = None
    ) -> Mapping[str, str]:
        """Send what makes an object at ``target``, with the collections that it lies in; the answer's headers."""
        slow = method == "COPY"
        response = await self._client.send(method, url, headers, body, slow=slow, accept=_REFUSED)
        if response.status in _CONFLICTS:
            await discard(response)
            await self._make_parents(target)
            response = await self._client.send(method, url, headers, body, slow=slow, accept=_REFUSED)
            if response.status in _CONFLICTS and await self._is_blocked(target):
                await discard(response)
                raise _in_the_way(target)
        if response.status == 412 and headers.get("overwrite") == "F":
            await discard(response)
            raise AlreadyExistsError("the object exists already; choose another key")
        if response.status >= 300:
            raise await refusal(response)
        await _done(response)
        return response.headers

    async def _is_blocked(self, key: str) -> bool:
        """Whether an object is where a collection is to be, or a collection where an object is to be."""
        at = key.find("/")
        while at >= 0:
            found = await self._find(self._client.url(key[:at]))
            if found is None or not found.collection:
                return found is not None
            at = key.find("/", at + 1)
        found = await self._find(self._client.url(key))
        return found is not None and found.collection

    async def _make_parents(self, key: str) -> None:
        """MKCOL for the base and each collection above a key, of which many may exist."""
        at = -1
        while True:
            # Apache answers 403 if another request makes the same one: what it means shows when the write is repeated.
            await discard(await self._client.send("MKCOL", self._client.url(key[: at + 1]), accept=_REFUSED | {403}))
            at = key.find("/", at + 1)
            if at < 0:
                return

    # --- listings ---------------------------------------------------------------------------------------------------

    async def _directory(self, path: str) -> list[Entry] | None:
        found = await self._ask(self._client.url(path), "1")
        if found is None:
            if path:
                return None
            raise NotFoundError("there is no such collection")
        encoded = self._client.path(path)
        here = unquote(encoded)
        entries = []
        own = False
        for resource in found:
            name = child(resource.href, encoded, absolute=True)
            if name is None:
                own = own or _path(resource.href) in {here, here.removesuffix("/")}
                continue
            name = name.removesuffix("/")
            entries.append(resource.entry._replace(name=name + "/" if resource.collection else name))
        if found and not own and not entries:
            raise StoreError("the server lists other paths than it was asked for; use the URL that it knows itself by")
        return entries

    async def _find(self, url: str) -> _Resource | None:
        """What there is at a URL; None if nothing is."""
        found = await self._ask(url, "0")
        return found[0] if found else None

    async def _ask(self, url: str, depth: str) -> list[_Resource] | None:
        headers = {"depth": depth, "content-type": "application/xml; charset=utf-8"}
        response = await self._client.send("PROPFIND", url, headers, _PROPERTIES, accept=_MISSED)
        if response.status in _MISSED:
            await discard(response)
            if response.status == 301 and response.headers.get("Location", "").endswith(url.rpartition("/")[2] + "/"):
                return [_Resource(url, True, Entry(""))]
            if response.status == 404 or (response.status == 400 and url.endswith("/")):
                return None
            raise await refusal(response)
        if response.status != _MULTISTATUS:
            await discard(response)
            raise StoreError("the server does not answer PROPFIND as WebDAV servers do; leave webdav=True out")
        root = xml.parse(await read_page(response, xml.MAX_SIZE))
        return [_resource(element) for element in xml.children(root, "response")]


async def _done(response: Response) -> None:
    """Read a write's answer; raises StoreError if it lists what the server could not do, though its status is 207."""
    await discard(response)
    if response.status == _MULTISTATUS:
        raise StoreError("the server could not do it, or not all of it: something there is locked or not permitted")


def _path(href: str) -> str:
    """The decoded path of an href; empty if it is none."""
    try:
        return unquote(urlsplit(href).path)
    except ValueError:
        return ""


def _resource(element: Element) -> _Resource:
    properties: dict[str, str] = {}
    collection = False
    for group in xml.children(element, "propstat"):
        status = xml.text(group, "status")
        if status and " 200" not in status:
            continue
        for prop in xml.children(group, "prop"):
            properties |= xml.fields(prop)
            collection = collection or any(True for _ in xml.children(prop, "resourcetype", "collection"))
    length = properties.get("getcontentlength", "").strip()
    entry = Entry(
        "",
        int(length) if length.isascii() and length.isdecimal() else -1,
        http_date(properties.get("getlastmodified", "").strip()),
        unquote_etag(properties.get("getetag") or None),
        properties.get("getcontenttype") or None,
    )
    return _Resource(xml.text(element, "href").strip(), collection, entry)


def _in_the_way(key: str) -> InvalidKeyError:
    return InvalidKeyError(
        "a directory has this name, or an object the name of one of its directories; choose another key", key=key
    )
