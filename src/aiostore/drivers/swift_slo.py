"""Multipart uploads, as static large objects: segments first, then a manifest that names them.

https://docs.openstack.org/swift/latest/overview_large_objects.html#static-large-objects
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from aiostore import checksums
from aiostore._http.document import discard
from aiostore._http.response import Response
from aiostore._http.status import unquote_etag
from aiostore.body import Body, Buffers
from aiostore.drivers.base import BaseDriver
from aiostore.drivers.swift_client import Client
from aiostore.drivers.swift_dialect import Dialect
from aiostore.drivers.swift_headers import check_name, lower_case, mark_segments, refuse_conditions, write_headers
from aiostore.drivers.swift_listing import moment
from aiostore.drivers.swift_segments import UPLOADS, SegmentContainer, key_of
from aiostore.errors import ConfigurationError, NotFoundError, StoreError, UnavailableError
from aiostore.types import (
    ANY,
    NOTHING,
    CopyOptions,
    GetOptions,
    ObjectMeta,
    Part,
    PartPage,
    PutOptions,
    PutResult,
    Upload,
    UploadPage,
)

_MANIFEST: Final = "multipart-manifest=put"


class SwiftLargeObjects(BaseDriver):
    """The multipart half of the Swift driver."""

    _client: Client
    _dialect: Dialect
    _segments: SegmentContainer
    _verified: bool

    async def create_multipart(self, key: str, options: PutOptions) -> Upload:
        """Note the upload in the container of segments, which is made if it is missing."""
        with self.naming("create_multipart", key):
            check_name(key)
            # Refused now rather than after all parts were sent.
            self._check_conditions(options)
            write_headers(options)
            expiry = _expiry(lower_case(options.headers))
            await self._client.learn()
            upload = Upload(key=key, id=secrets.token_hex(16), options=options, extra=expiry)
            await self._segments.mark("create_multipart", upload.id, key)
        return upload

    async def put_part(self, upload: Upload, number: int, offset: int, body: Body) -> Part:
        with self.naming("put_part", upload.key):
            self._check_number(number)
            sums = await checksums.digests(("md5", "crc32c"), body) if self._verified else NOTHING
            headers = {**upload.extra}
            if sums:
                headers["etag"] = sums["md5"]
            response = await self._segments.client.send(
                "put_part", "PUT", self._segments.key(upload.id, number), headers, body=body
            )
            await discard(response)
        return Part(number=number, size=body.size, etag=unquote_etag(response.headers.get("etag")), checksums=sums)

    async def copy_part(
        self, upload: Upload, number: int, offset: int, source: str, start: int, stop: int, options: CopyOptions
    ) -> Part:
        if "copy_part" in self._dialect.missing:
            raise self.refusal("copy_part", upload.key)
        with self.naming("copy_part", upload.key):
            self._check_number(number)
            headers = self._copy_headers(options) | {
                **upload.extra,
                "range": f"bytes={start}-{stop - 1}",
                "x-fresh-metadata": "true",
                "destination": self._segments.client.path(self._segments.key(upload.id, number)),
            }
            response = await self._send_copy("copy_part", source, headers, options)
        return Part(number=number, size=stop - start, etag=unquote_etag(response.headers.get("etag")))

    async def list_parts(self, upload: Upload, page_token: str | None = None) -> PartPage:
        with self.naming("list_parts", upload.key):
            entries = await self._segments.of_upload("list_parts", upload.id, page_token)
            if not entries and page_token is None and not await self._segments.is_marked("list_parts", upload.id):
                raise NotFoundError("there is no such upload: it was completed or dropped")
            parts = [_part(entry) for entry in entries]
            last = str(entries[-1].get("name")) if entries else None
        return PartPage(parts=parts, next_token=last)

    async def list_ranges(
        self, key: str, meta: ObjectMeta, options: GetOptions, page_token: str | None = None
    ) -> PartPage:
        """The segments of a static large object, all in one page; none if they are not what its ETag is made of."""
        if not self._dialect.manifests:
            raise self.refusal("list_ranges", key)
        if options.version is not None:
            return PartPage()
        entries = await self._client.ask("list_ranges", "GET", key, query="multipart-manifest=get")
        try:
            parts = [
                Part(number=number, size=int(entry["bytes"]), checksums={"md5": str(entry["hash"])})
                for number, entry in enumerate(cast("Sequence[Mapping[str, Any]]", entries), 1)
            ]
        except (ValueError, KeyError, TypeError) as error:
            raise self._client.unreadable("list_ranges", key) from error
        # Parts of segments, and large objects within large ones, count otherwise; so does what replaced this object.
        digests = "".join(part.checksums["md5"] for part in parts)
        etag = hashlib.md5(digests.encode(), usedforsecurity=False).hexdigest()
        return PartPage(parts=parts if etag == meta.etag else ())

    async def complete_multipart(self, upload: Upload, parts: Sequence[Part], options: PutOptions) -> PutResult:
        """Publish the manifest, then delete the segments of a large object that was there before.

        That one's segments are noted as an upload until they are gone; see :mod:`aiostore.drivers.swift_segments`.
        """
        with self.naming("complete_multipart", upload.key):
            self._check_conditions(options)
            stored = upload.options
            etag = hashlib.md5("".join(part.etag or "" for part in parts).encode(), usedforsecurity=False).hexdigest()
            headers = write_headers(stored)
            crc = _combine(parts)
            headers |= mark_segments(upload.id, etag, crc or "")
            headers |= lower_case(stored.headers)
            headers.pop("x-delete-after", None)
            headers |= upload.extra
            replaced = None
            if options.if_none_match == ANY:
                headers["if-none-match"] = "*"
            else:
                replaced = await self._segments.needless_after("complete_multipart", upload.key, but=upload.id)
            data = json.dumps([self._entry(upload, part) for part in parts]).encode()
            try:
                response = await self._client.send(
                    "complete_multipart",
                    "PUT",
                    upload.key,
                    headers,
                    _MANIFEST,
                    Buffers((data,), len(data)),
                    slow=True,
                    demand="absent" if options.if_none_match is not None else "",
                )
            except StoreError as error:
                if type(error) in {StoreError, NotFoundError} and await self._holds(upload, parts):
                    raise UnavailableError("the manifest was damaged on the way: all its segments are there") from error
                raise
            await discard(response)
            await self._segments.unmark("complete_multipart", upload.id)
            await self._segments.drop("complete_multipart", replaced)
        return PutResult(
            etag=unquote_etag(response.headers.get("etag")) or etag,
            version=response.headers.get("x-object-version-id"),
            size=sum(part.size for part in parts),
            checksums={"crc32c": crc} if crc is not None else NOTHING,
        )

    async def _holds(self, upload: Upload, parts: Sequence[Part]) -> bool:
        """Whether the service holds these parts, and the container that the object goes to."""
        await discard(await self._client.send("complete_multipart", "HEAD", None))
        held: dict[int, str | None] = {}
        token: str | None = None
        while entries := await self._segments.of_upload("complete_multipart", upload.id, token):
            held |= {part.number: part.etag for part in map(_part, entries)}
            token = str(entries[-1].get("name"))
        return all(held.get(part.number) == part.etag for part in parts)

    async def abort_multipart(self, upload: Upload) -> None:
        """Delete the segments, unless the object is made of them, and the note of the upload."""
        with self.naming("abort_multipart", upload.key):
            if await self._segments.are_used("abort_multipart", upload.key, upload.id):
                await self._segments.unmark("abort_multipart", upload.id)
            else:
                await self._segments.drop_upload("abort_multipart", upload.id)

    async def list_multipart(self, prefix: str, page_token: str | None = None) -> UploadPage:
        """Uploads under way, and large objects that were replaced and whose segments could not be deleted."""
        with self.naming("list_multipart", prefix):
            entries = await self._segments.page("list_multipart", UPLOADS, page_token)
        uploads = [
            Upload(key=key, id=str(entry.get("name"))[len(UPLOADS) :], started=moment(entry.get("last_modified")))
            for entry in entries
            if (key := key_of(entry)) and key.startswith(prefix)
        ]
        return UploadPage(uploads=uploads, next_token=str(entries[-1].get("name")) if entries else None)

    def _entry(self, upload: Upload, part: Part) -> Mapping[str, object]:
        segment = self._segments.key(upload.id, part.number)
        return {"path": f"/{self._segments.client.container}/{segment}", "etag": part.etag, "size_bytes": part.size}

    def _check_number(self, number: int) -> None:
        info = self._client.service.info
        if info is not None and number > info.max_segments:
            raise ConfigurationError(
                f"this cluster makes objects of at most {info.max_segments} segments; give a larger part_size"
            )

    def _check_conditions(self, options: PutOptions) -> None:
        refuse_conditions(options.if_match, options.if_none_match, creates=bool(self._dialect.complete.if_absent))

    def _copy_headers(self, options: CopyOptions) -> dict[str, str]:
        """The headers of a copy that speak of its source."""
        raise NotImplementedError

    async def _send_copy(self, operation: str, source: str, headers: dict[str, str], options: CopyOptions) -> Response:
        """Send a copy, also of what Swift's conditions do not hold for."""
        raise NotImplementedError


def _part(entry: Mapping[str, object]) -> Part:
    size, etag = entry.get("bytes"), entry.get("hash")
    number = str(entry.get("name")).rpartition("/")[2]
    return Part(number=int(number), size=size if isinstance(size, int) else 0, etag=str(etag) if etag else None)


def _expiry(headers: Mapping[str, str]) -> Mapping[str, str]:
    """When segments and object are to expire: all at one time, so the seconds count from the beginning."""
    after = headers.get("x-delete-after", "")
    if after.isdecimal():
        return {"x-delete-at": str(int(time.time()) + int(after))}
    return {"x-delete-at": headers["x-delete-at"]} if "x-delete-at" in headers else NOTHING


def _combine(parts: Sequence[Part]) -> str | None:
    """The CRC32C of all parts together; None if it is not known of all."""
    if not parts or not all("crc32c" in part.checksums for part in parts):
        return None
    whole = 0
    for part in parts:
        whole = checksums.combine("crc32c", whole, int(part.checksums["crc32c"], 16), part.size)
    return f"{whole:08x}"
