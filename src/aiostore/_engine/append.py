"""Appending: what is written goes behind an object's bytes, and is published together with them or not at all.

The old bytes stay on the service where it can append by itself, or copies them into a part of a multipart upload. Where
it can do neither, or they are fewer than a part may have, they pass through here, in bounded memory.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar, TypeVarTuple

from aiostore._engine import codecs, read
from aiostore._engine import options as _options
from aiostore._engine.context import Context
from aiostore._engine.copy import COPY_PART, stored_with
from aiostore._engine.multipart import Multipart
from aiostore._engine.object_stream import Stream
from aiostore._engine.pin import state_of
from aiostore._engine.spool import Spool
from aiostore._engine.write import Writer
from aiostore.body import Body, Buffers
from aiostore.capabilities import Conditions, PartLimits
from aiostore.errors import (
    AlreadyExistsError,
    NotFoundError,
    NotSupportedError,
    ObjectChangedError,
    PreconditionFailedError,
    StoreError,
    TransientError,
    WriteOutcomeUnknownError,
)
from aiostore.types import (
    ANY,
    Buffer,
    CopyOptions,
    GetOptions,
    Match,
    ObjectMeta,
    Part,
    Progress,
    PutOptions,
    PutResult,
    Upload,
)

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Appender:
    """One append: ``open``, any number of ``write``, then ``commit`` or ``abort``.

    ``options`` replace what the object is stored with; what they leave out is kept, but for tags and access control,
    which services do not tell with the object.
    """

    def __init__(
        self,
        context: Context,
        key: str,
        options: PutOptions,
        *,
        part_size: int | None = None,
        concurrency: int | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._context = context
        self._key = key
        self._options = options
        self._progress = progress
        self._make = partial(
            _Continued, context, key, part_size=part_size, concurrency=concurrency, progress=progress, best_effort=True
        )
        self._make(options)  # which checks the part size
        self._meta: ObjectMeta | None = None
        self._held: _Held | None = None
        self._writer: _Continued | None = None

    async def open(self) -> int:
        """Look at what is there; returns its size, 0 if there is nothing yet.

        Raises:
            NotSupportedError: if it is compressed, and the options do not say that what is appended is so, too.
        """
        try:
            self._meta = await self._context.driver.head(self._key, GetOptions(encryption=self._options.encryption))
        except NotFoundError:
            self._options = replace(
                self._options, content_type=self._options.content_type or _options.content_type(self._key)
            )
            return 0
        if self._options.content_encoding is None and codecs.known(self._meta.content_encoding):
            raise NotSupportedError(
                "plain bytes behind a compressed object could not be read: read it, and write it anew with compress; or"
                " give the content_encoding, and append what has it already",
                key=self._key,
                operation="append",
                store=self._context.driver.location,
            )
        return self._meta.size

    async def write(self, data: Buffer) -> None:
        """Take bytes that nobody changes any more."""
        if self._writer is None and self._held is None:
            await self._begin()
        if self._held is not None:
            await self._held.write(data)
        elif self._writer is not None:
            await self._guarded(self._writer.write, data)

    async def _begin(self) -> None:
        if "append" in self._context.driver.capabilities.operations:
            most = self._context.driver.capabilities.max_append
            self._held = _Held(min(self._context.limits.part_size, most), most)
        else:
            await self._continue()

    async def _continue(self) -> _Continued:
        """Write the object anew, beginning with what is there."""
        meta = self._meta
        self._writer = self._make(self._options if meta is None else merged(self._options, meta))
        await self._guarded(self._writer.keep, meta)
        return self._writer

    async def commit(self) -> PutResult:
        """Publish. Without a write the object stays as it is; an empty one is made if there was none.

        Raises:
            PreconditionFailedError: if the object was changed since it was opened, as far as the service tells.
        """
        if self._writer is not None:
            return await self._guarded(self._writer.commit)
        if self._held is not None:
            try:
                return await self._append(await self._held.bodies())
            finally:
                await self._held.aclose()
        if self._meta is not None:
            meta = self._meta
            return PutResult(etag=meta.etag, version=meta.version, size=meta.size, checksums=meta.checksums)
        self._writer = self._make(self._options)
        return await self._guarded(self._writer.commit)

    async def _append(self, bodies: Sequence[Body]) -> PutResult:
        driver, meta = self._context.driver, self._meta
        options = conditional(self._options, meta, driver.capabilities.put)
        before = offset = 0 if meta is None else meta.size
        result = PutResult(size=offset)
        for body in bodies:
            try:
                result = await self._guarded(driver.append, self._key, body, offset, options)
            except NotSupportedError:
                if offset > before:
                    raise
                # This object is none of those that the service appends to.
                return await self._rewrite(bodies)
            except StoreError as error:
                if offset > before:
                    raise self._torn(offset - before) from error
                if isinstance(error, TransientError) and error.unanswered:
                    raise self._unknown(error) from error
                raise
            offset += body.size
            # What the object is stored with was said at once; what follows belongs to what was just appended to.
            options = PutOptions(encryption=self._options.encryption)
            if driver.capabilities.put.if_match:
                options = replace(options, if_match=Match(etag=result.etag, version=result.version))
            if self._progress is not None:
                self._progress(offset - before, sum(body.size for body in bodies))
        return result

    async def _rewrite(self, bodies: Sequence[Body]) -> PutResult:
        writer = await self._continue()
        for body in bodies:
            async for chunk in body.chunks():
                await self._guarded(writer.write, chunk)
        return await self._guarded(writer.commit)

    def _unknown(self, error: TransientError) -> WriteOutcomeUnknownError:
        return WriteOutcomeUnknownError(
            "the answer to the append was lost: it may have been carried out; read the object before repeating it",
            key=self._key,
            operation="append",
            store=self._context.driver.location,
            unanswered=error.unanswered,
        )

    def _torn(self, count: int) -> WriteOutcomeUnknownError:
        return WriteOutcomeUnknownError(
            f"the service appends less at a time than was written, and failed after the first {count:,} bytes: these "
            "are there, and more may be; read the object before repeating the rest",
            key=self._key,
            operation="append",
            store=self._context.driver.location,
        )

    async def _guarded(self, call: Callable[[*Ts], Awaitable[T]], *arguments: *Ts) -> T:
        try:
            return await call(*arguments)
        except (AlreadyExistsError, NotFoundError, ObjectChangedError, PreconditionFailedError) as error:
            if self._meta is None and isinstance(error, NotFoundError):
                raise
            raise PreconditionFailedError(
                "the object was changed since it was opened, so nothing was appended; open it again and repeat",
                key=self._key,
                operation="append",
                store=self._context.driver.location,
            ) from error

    async def abort(self) -> None:
        """Publish nothing, and leave nothing behind. Safe to repeat."""
        if self._held is not None:
            await self._held.aclose()
        if self._writer is not None:
            await self._writer.abort()


class _Continued(Writer):
    """A write that begins with the bytes of an existing object, and holds only if that is still what it was."""

    _meta: ObjectMeta | None = None

    async def keep(self, meta: ObjectMeta | None) -> None:
        """Begin with the object that ``meta`` describes; None if there is none."""
        self._meta = meta
        if meta is None:
            return
        capabilities = self._context.driver.capabilities
        copied = 0
        if capabilities.multipart is not None and "copy_part" in capabilities.operations:
            piece, copied = _pieces(capabilities.multipart, meta.size, self._limit)
            if copied:
                await self._copy(meta, piece, copied)
        if copied < meta.size:
            wanted = GetOptions(start=copied or None, if_match=state_of(meta), encryption=self._options.encryption)
            if meta.size - copied <= self._context.limits.part_size:
                # Corrupted bytes are read again then.
                await self.write(await read.read(self._context, self._key, wanted))
                return
            async with Stream(self._context, self._key, wanted, raw=True) as stream:
                async for chunk in stream:
                    await self.write(chunk)

    async def _copy(self, meta: ObjectMeta, piece: int, stop: int) -> None:
        driver = self._context.driver
        encryption = self._options.encryption
        pinned = CopyOptions(source_if_match=state_of(meta), source_encryption=encryption, encryption=encryption)

        async def copy_part(size: int, upload: Upload, number: int, offset: int) -> Part:
            return await driver.copy_part(upload, number, offset, self._key, offset, offset + size, pinned)

        multipart = await self._begin(None, None)
        while multipart.offset < stop:
            size = min(piece, stop - multipart.offset)
            await multipart.slot()
            multipart.send(size, partial(copy_part, size), None)

    async def _begin(self, total: int | None, part_size: int | None) -> Multipart:
        self._options = conditional(self._options, self._meta, self._context.driver.capabilities.complete)
        return await super()._begin(total, None)

    async def _put_once(self, body: Body) -> PutResult:
        self._options = conditional(self._options, self._meta, self._context.driver.capabilities.put)
        return await super()._put_once(body)


def _pieces(limits: PartLimits, size: int, part_size: int) -> tuple[int, int]:
    """The size of the parts that copy an object of ``size`` bytes, and how many of these bytes they copy.

    More parts follow, so none may be too small; half of the allowed number is left to them.
    """
    if limits.equal:
        return part_size, size - size % part_size
    if size < limits.min_size:
        return 0, 0
    largest = min(max(COPY_PART, -(-2 * size // limits.max_count)), limits.max_size)
    return -(-size // -(-size // largest)), size


def conditional(options: PutOptions, meta: ObjectMeta | None, kept: Conditions) -> PutOptions:
    """``options`` under the condition that the object is what ``meta`` says, as far as the service keeps that."""
    if meta is None:
        return replace(options, if_none_match=ANY) if kept.if_absent else options
    return replace(options, if_match=state_of(meta)) if kept.if_match else options


def merged(given: PutOptions, meta: ObjectMeta) -> PutOptions:
    """``given``, and what it leaves out as the object has it."""
    kept = stored_with(meta)
    return replace(
        given,
        content_type=given.content_type or kept.content_type,
        content_encoding=given.content_encoding or kept.content_encoding,
        content_disposition=given.content_disposition or kept.content_disposition,
        content_language=given.content_language or kept.content_language,
        cache_control=given.cache_control or kept.cache_control,
        metadata=given.metadata or kept.metadata,
        storage_class=given.storage_class or meta.storage_class,
    )


class _Held:
    """Bytes that wait for their number to be known: in memory up to ``limit``, then on the local disk.

    They are handed out in pieces of at most ``most``.
    """

    __slots__ = ("_buffers", "_count", "_limit", "_most", "_spool")

    def __init__(self, limit: int, most: int) -> None:
        self._limit = limit
        self._most = most
        self._buffers: list[Buffer] = []
        self._count = 0
        self._spool: Spool | None = None

    async def write(self, data: Buffer) -> None:
        self._buffers.append(data)
        self._count += len(data)
        if self._spool is None:
            if self._count <= self._limit:
                return
            self._spool = Spool()
        buffers, self._buffers = self._buffers, []
        for buffer in buffers:
            await self._spool.write(buffer)

    async def bodies(self) -> Sequence[Body]:
        return [Buffers(self._buffers, self._count)] if self._spool is None else await self._spool.bodies(self._most)

    async def aclose(self) -> None:
        self._buffers = []
        if self._spool is not None:
            await self._spool.aclose()
