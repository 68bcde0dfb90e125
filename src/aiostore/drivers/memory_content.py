"""How the memory driver makes a stored state of bytes, parts and options: pure functions."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from aiostore import checksums
from aiostore.body import READ_BLOCK, Body
from aiostore.capabilities import PartLimits
from aiostore.drivers.base_conditions import check_checksums, refuse_options
from aiostore.drivers.memory_container import Pending, Stored
from aiostore.errors import StoreError
from aiostore.types import ObjectMeta, Part, PutOptions, PutResult

CHECKSUM: Final = "crc64nvme"
"""What every object and part has."""

HEADERS: Final = (
    "content_type",
    "content_encoding",
    "content_disposition",
    "content_language",
    "cache_control",
    "storage_class",
)
"""The options that are stored as they are."""


async def collect(body: Body) -> bytes:
    """All bytes of ``body``; a single ``bytes`` object is kept, anything else is copied once."""
    if body.buffers is not None:
        return b"".join(body.buffers)
    return b"".join([bytes(chunk) async for chunk in body.chunks()])


async def new_object(key: str, data: bytes, options: PutOptions) -> Stored:
    """The state of an object that one put writes.

    Raises:
        CorruptedError: if ``data`` does not have the checksums that ``options`` states.
    """
    refuse_options(options, "encryption", "acl")
    sums = await digests(data, {CHECKSUM, "md5", *options.checksums})
    check_checksums(options.checksums, sums)
    meta = ObjectMeta(
        key=key, size=len(data), last_modified=datetime.now(UTC), etag=sums["md5"], checksums=sums, metadata={}
    )
    return Stored(data, with_headers(meta, options), dict(options.tags))


async def digests(data: bytes, algorithms: Iterable[str]) -> dict[str, str]:
    """The checksums of ``data``, computed in a thread where it would hold up the event loop."""
    if len(data) <= READ_BLOCK:
        return _digests(data, algorithms)
    return await asyncio.to_thread(_digests, data, algorithms)


def _digests(data: bytes, algorithms: Iterable[str]) -> dict[str, str]:
    found = {}
    for algorithm in algorithms:
        hasher = checksums.new(algorithm)
        hasher.update(data)
        found[algorithm] = hasher.hexdigest()
    return found


def with_headers(meta: ObjectMeta, options: PutOptions) -> ObjectMeta:
    """``meta`` with the content headers and metadata of ``options``; what these leave out is kept."""
    changes = {name: value for name in HEADERS if (value := getattr(options, name)) is not None}
    if options.metadata:
        changes["metadata"] = dict(options.metadata)
    return replace(meta, **changes) if changes else meta


def without_headers(meta: ObjectMeta) -> ObjectMeta:
    """``meta`` with neither content headers nor metadata."""
    return ObjectMeta(
        key=meta.key, size=meta.size, last_modified=meta.last_modified, etag=meta.etag, checksums=meta.checksums
    )


def inherit(stored: Stored, old: Stored, options: PutOptions) -> Stored:
    """``stored`` with the headers, metadata and tags of ``old`` that ``options`` does not replace."""
    kept = {name: getattr(old.meta, name) for name in (*HEADERS, "metadata")}
    return replace(stored, meta=with_headers(replace(stored.meta, **kept), options), tags=options.tags or old.tags)


def put_result(meta: ObjectMeta) -> PutResult:
    """What a write of ``meta`` answers."""
    return PutResult(etag=meta.etag, version=meta.version, size=meta.size, checksums=meta.checksums)


def too_large(size: int, limit: int, what: str) -> StoreError:
    """The error for more bytes than one request may have."""
    return StoreError(f"{size} bytes are more than the {limit} of {what}; write the object in parts")


async def assemble(pending: Pending, parts: Sequence[Part], limits: PartLimits, options: PutOptions) -> Stored:
    """The object that the parts make, with the ETag that S3 gives it.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html

    Raises:
        StoreError: if a part is missing, another one, out of order, too small, or does not begin where the one before
            it ends.
        CorruptedError: if the object does not have the checksums that ``options`` states.
    """
    if not parts:
        raise StoreError("an upload without parts cannot be completed; put an empty object instead")
    pieces: list[bytes] = []
    ranges: list[Part] = []
    position = 0
    for index, part in enumerate(parts):
        held = pending.parts.get(part.number)
        if held is None or part.etag not in {None, held[0].etag}:
            raise StoreError(f"part {part.number} is not the one that was stored; list the parts and send it again")
        if index and part.number <= parts[index - 1].number:
            raise StoreError(f"part {part.number} is out of order; parts ascend by number")
        size, last = held[0].size, index == len(parts) - 1
        if not last and (size < limits.min_size or (limits.equal and size != pending.parts[parts[0].number][0].size)):
            raise StoreError(
                f"part {part.number} has {size} bytes, which only the last part may have; send larger ones"
            )
        if held[1] != position:
            raise StoreError(f"part {part.number} begins at {held[1]}, not at {position} where the one before it ends")
        position += size
        pieces.append(held[2])
        ranges.append(held[0])
    data = b"".join(pieces)
    sums = await digests(data, {CHECKSUM, *options.checksums})
    check_checksums(options.checksums, sums)
    hashes = b"".join(bytes.fromhex(pending.parts[part.number][0].checksums["md5"]) for part in parts)
    etag = f"{hashlib.md5(hashes, usedforsecurity=False).hexdigest()}-{len(parts)}"
    meta = ObjectMeta(
        key=pending.upload.key, size=len(data), last_modified=datetime.now(UTC), etag=etag, checksums=sums, metadata={}
    )
    return Stored(data, with_headers(meta, pending.upload.options), dict(pending.upload.options.tags), ranges)


class BytesStream:
    """The body of an answer. A whole object is handed out as it is; a range in blocks, each copied once."""

    __slots__ = ("_data", "_position", "_stop")

    def __init__(self, data: bytes, start: int, stop: int) -> None:
        self._data = data
        self._position = start
        self._stop = stop

    async def next_chunk(self) -> bytes:
        start = self._position
        whole = start == 0 and self._stop == len(self._data)
        self._position = self._stop if whole else min(start + READ_BLOCK, self._stop)
        return self._data[start : self._position]

    async def read(self) -> bytes:
        data = self._data[self._position : self._stop]
        await self.aclose()
        return data

    async def aclose(self) -> None:
        self._data, self._position, self._stop = b"", 0, 0
