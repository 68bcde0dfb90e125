"""One object, read from one store and written to another as it is stored, with all that belongs to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from aiostore import checksums
from aiostore._engine import options, own_write, read, resumable, write
from aiostore._engine.object_stream import Stream
from aiostore._engine.transcode import transcode
from aiostore.errors import ObjectChangedError, PreconditionFailedError
from aiostore.store import Store
from aiostore.transfer.comparison import ALGORITHM, Hashed, compare
from aiostore.transfer.ends import Ends
from aiostore.transfer.journal import Journal, identity
from aiostore.transfer.manner import Headers, Manner
from aiostore.types import ANY, NOTHING, ObjectMeta, PutOptions, PutResult

SMALL: Final = 64 * 1024
"""Bytes of an object that is read at once."""

_NOTHING_NEW: Final = Headers()

_TAG_COUNTS: Final = ("x-amz-tagging-count", "x-ms-tag-count", "x-oss-tagging-count", "tag-count")
"""Where services say that an object has tags, without which they are not asked for any."""


async def stream_object(
    ends: Ends, key: str, target_key: str, manner: Manner, *, size: int | None = None
) -> PutResult:  # fmt: skip
    """Copy by reading and writing, in bounded memory; see :func:`aiostore.transfer.copy_object`.

    ``size`` is what a listing has told: a small object is read at once, which costs half of what a stream does.
    """
    if size is not None and 0 <= size <= min(SMALL, ends.target._context.limits.part_size):
        meta, content = await read.read_with_meta(ends.source._context, key, options.WHOLE)
        meta = own_write.hide(meta)
        stored = _stored(
            meta, target_key, manner, await ends.source.get_tags(key) if _has_tags(ends, meta) else NOTHING
        )
        return await _write(ends, meta, target_key, stored, manner, content)
    async with AsyncExitStack() as stack:
        pinned = _Pinned(ends.source, await stack.enter_async_context(ends.source.stream(key, raw=True)))
        stack.push_async_callback(pinned.aclose)
        meta, tags = pinned.meta, NOTHING
        if _has_tags(ends, meta):
            await pinned.aclose()
            tags = await ends.source.get_tags(key)
        stored = _stored(meta, target_key, manner, tags)
        if stored.content_encoding == meta.content_encoding and (journals := manner.journals) is not None:
            written = await _in_parts(ends, pinned, target_key, stored, journals)
            if written is not None:
                result, digests = written
                if manner.verify is True:
                    await compare(ends, meta, target_key, digests)
                return result
        stream = await stack.enter_async_context(pinned.open(0, meta.size))
        return await _write(ends, meta, target_key, stored, manner, stream)


def _stored(meta: ObjectMeta, key: str, manner: Manner, tags: Mapping[str, str]) -> PutOptions:
    """What a copy is stored with."""
    new = manner.replace or _NOTHING_NEW
    content_type = meta.content_type if new.content_type is None else new.content_type
    return PutOptions(
        content_type=content_type or options.content_type(key),
        content_encoding=manner.encoding(meta.content_encoding),
        content_disposition=meta.content_disposition,
        content_language=meta.content_language,
        cache_control=meta.cache_control if new.cache_control is None else new.cache_control,
        metadata=meta.metadata if new.metadata is None else new.metadata,
        tags=tags,
        if_none_match=ANY if manner.if_absent else None,
    )


async def _write(
    ends: Ends, meta: ObjectMeta, key: str, stored: PutOptions, manner: Manner, content: bytes | AsyncIterator[bytes]
) -> PutResult:
    """Write what was read, in another encoding if it is to have one."""
    unchanged = stored.content_encoding == meta.content_encoding
    hashed = Hashed(_chunks(content)) if manner.verify is True and unchanged else None
    data: bytes | AsyncIterator[bytes] = content if hashed is None else hashed
    if not unchanged:
        data = transcode(
            _chunks(content),
            meta.content_encoding,
            stored.content_encoding,
            level=manner.level,
            max_decompressed_size=ends.source._context.limits.max_decompressed_size,
        )
    result = await write.put(ends.target._context, key, data, stored, best_effort=manner.best_effort)
    if hashed is not None:
        await compare(ends, meta, key, hashed.digests)
    return result


def _chunks(content: bytes | AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    return _whole(content) if isinstance(content, bytes) else content


async def _whole(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _has_tags(ends: Ends, meta: ObjectMeta) -> bool:
    """Whether there are tags to be copied: both ends have tags, and the service has told that the source has some."""
    return (
        bool(meta.extra)
        and any(name in meta.extra for name in _TAG_COUNTS)
        and "get_tags" in ends.source.capabilities.operations
        and "set_tags" in ends.target.capabilities.operations
    )


async def _in_parts(
    ends: Ends, source: _Pinned, key: str, stored: PutOptions, journals: Path
) -> tuple[PutResult, Mapping[str, str]] | None:
    """Write a large object by a journal; None if it is none, or cannot be told from other states of it."""
    target, meta = ends.target, source.meta
    size = resumable.part_size(target._context, meta.size)
    if size is None or (meta.etag is None and meta.version is None):
        return None
    algorithm = checksums.best(meta.checksums)
    if algorithm is None or not checksums.combinable(algorithm):
        algorithm = ALGORITHM
    layout = resumable.Layout(
        size=meta.size,
        part_size=size,
        algorithm=algorithm,
        checksum=meta.checksums.get(algorithm),
        again=_is_read_again(ends.source, meta),
    )
    about = identity(
        ends.source.location, meta, target.location, key, stored, part_size=size, algorithm=algorithm
    )  # fmt: skip
    journal = Journal.hold(journals, about)
    if journal is None:
        return None
    try:
        if journal.kept is not None:
            # The target is asked first.
            await source.aclose()
        return await resumable.write(target._context, key, stored, source, layout, journal)
    finally:
        journal.close()


def _is_read_again(source: Store, meta: ObjectMeta) -> bool:
    """Whether all of the source must be read to be sure of its bytes.

    The ETag of a local file is a matter of its time and size, that of a web server may be one of the meaning only. And
    a checksum that is not made of those of ranges is only computed over all bytes.
    """
    integrity = source._context.integrity
    if source.location.startswith(("file:", "http:", "https:")) or integrity == "require":
        return True
    best = checksums.best(meta.checksums)
    return best is not None and not checksums.combinable(best) and integrity != "off"


class _Pinned:
    """One state of an object. The stream that has found it is read, or closed before anything else is asked for.

    An answer that nobody reads has one of the requests that the store may have under way.
    """

    def __init__(self, source: Store, stream: Stream) -> None:
        self.meta = stream.meta
        self._source = source
        self._stream: Stream | None = stream

    async def aclose(self) -> None:
        """Close the first stream, unless it is read."""
        if self._stream is not None:
            await self._stream.aclose()
            self._stream = None

    @asynccontextmanager
    async def open(self, start: int, stop: int) -> AsyncIterator[AsyncIterator[bytes]]:
        """The bytes ``[start, stop)``.

        Raises:
            ObjectChangedError: if the object is in another state.
        """
        meta = self.meta
        whole = start == 0 and stop in {meta.size, -1}
        if whole and self._stream is not None:
            stream, self._stream = self._stream, None
            async with stream:
                yield stream
            return
        await self.aclose()
        first, last = (None, None) if whole else (start, stop)
        pin = meta if meta.etag or meta.version else None
        async with AsyncExitStack() as stack:
            ranged = self._source.stream(meta.key, start=first, stop=last, if_match=pin, raw=True)
            try:
                found = (await stack.enter_async_context(ranged)).meta
            except PreconditionFailedError as error:
                raise self._changed() from error
            if (found.etag, found.version, found.size) != (meta.etag, meta.version, meta.size):
                raise self._changed()
            yield ranged

    def _changed(self) -> ObjectChangedError:
        return ObjectChangedError(
            "the source was replaced while it was read; nothing was written, transfer it again",
            key=self.meta.key,
            operation="transfer",
            store=self._source.location,
        )
