"""One object, read from one store and written to another as it is stored, with all that belongs to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from aiostore import checksums
from aiostore._engine import options, resumable
from aiostore._engine.object_stream import Stream
from aiostore._engine.transcode import transcode
from aiostore.errors import ObjectChangedError, PreconditionFailedError
from aiostore.store import Store
from aiostore.transfer.comparison import ALGORITHM, Hashed, compare
from aiostore.transfer.ends import Ends
from aiostore.transfer.journal import Journal, identity
from aiostore.transfer.manner import Headers, Manner
from aiostore.types import NOTHING, ObjectMeta, PutOptions, PutResult

_TAG_COUNTS: Final = ("x-amz-tagging-count", "x-ms-tag-count", "x-oss-tagging-count", "tag-count")
"""Where services say that an object has tags, without which they are not asked for any."""


async def stream_object(ends: Ends, key: str, target_key: str, manner: Manner) -> PutResult:
    """Copy by reading and writing, in bounded memory; see :func:`aiostore.transfer.copy_object`."""
    async with AsyncExitStack() as stack:
        pinned = _Pinned(ends.source, await stack.enter_async_context(ends.source.stream(key, raw=True)))
        stack.push_async_callback(pinned.aclose)
        meta, new = pinned.meta, manner.replace or Headers()
        content_type = meta.content_type if new.content_type is None else new.content_type
        stored = PutOptions(
            content_type=content_type or options.content_type(target_key),
            content_encoding=manner.encoding(meta.content_encoding),
            content_disposition=meta.content_disposition,
            content_language=meta.content_language,
            cache_control=meta.cache_control if new.cache_control is None else new.cache_control,
            metadata=meta.metadata if new.metadata is None else new.metadata,
            tags=await _tags(ends, pinned),
        )
        unchanged = stored.content_encoding == meta.content_encoding
        if unchanged and (journals := manner.journals) is not None:
            written = await _in_parts(ends, pinned, target_key, stored, journals)
            if written is not None:
                result, digests = written
                if manner.verify is True:
                    await compare(ends, meta, target_key, digests)
                return result
        stream = await stack.enter_async_context(pinned.open(0, meta.size))
        hashed = Hashed(stream) if manner.verify is True else None
        data = hashed or stream
        if not unchanged:
            data = transcode(data, meta.content_encoding, stored.content_encoding, level=manner.level)
        result = await _put(ends.target, target_key, data, stored, manner)
    if hashed is not None and unchanged:
        await compare(ends, meta, target_key, hashed.digests)
    return result


async def _put(
    target: Store, key: str, data: AsyncIterator[bytes], stored: PutOptions, manner: Manner
) -> PutResult:  # fmt: skip
    return await target.put(
        key,
        data,
        content_type=stored.content_type,
        content_encoding=stored.content_encoding,
        content_disposition=stored.content_disposition,
        content_language=stored.content_language,
        cache_control=stored.cache_control,
        metadata=stored.metadata,
        tags=stored.tags or None,
        if_absent=manner.if_absent,
        best_effort=manner.best_effort,
    )


async def _tags(ends: Ends, source: _Pinned) -> Mapping[str, str]:
    """The tags of the source, where both ends have tags and the service has told that there are some."""
    if not any(name in source.meta.extra for name in _TAG_COUNTS):
        return NOTHING
    if "get_tags" not in ends.source.capabilities.operations or "set_tags" not in ends.target.capabilities.operations:
        return NOTHING
    await source.aclose()
    return await ends.source.get_tags(source.meta.key)


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
