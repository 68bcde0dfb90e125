"""Copies on the service's side, whatever their size; through this process only where the service has none."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from aiostore._engine import own_write
from aiostore._engine.context import Context
from aiostore._engine.multipart import Multipart, part_sizes
from aiostore._engine.object_stream import Stream
from aiostore._engine.read import exists
from aiostore._engine.write import put
from aiostore.errors import NotSupportedError, StoreError
from aiostore.types import (
    ANY,
    CopyOptions,
    DeleteOptions,
    GetOptions,
    Guarantee,
    Match,
    ObjectMeta,
    Part,
    PutOptions,
    PutResult,
    Upload,
)

COPY_PART = 256 * 1024**2
"""Bytes of one part of a copy: no byte passes through here, so parts are large and few."""


async def copy(context: Context, source: str, target: str, *, if_absent: bool, best_effort: bool) -> PutResult:
    """Copy ``source`` to ``target`` with its metadata, atomically for whoever reads the target."""
    driver = context.driver
    options = CopyOptions(if_none_match=ANY if if_absent else None)
    capabilities = driver.capabilities
    if "copy" not in capabilities.operations:
        return await _through(context, source, target, options, best_effort=best_effort)
    if if_absent and capabilities.copy.if_absent is not Guarantee.ATOMIC and not best_effort:
        raise NotSupportedError(
            "this service does not keep if_absent against concurrent writers when it copies;"
            " pass best_effort=True to take what it does",
            key=target,
            operation="copy",
            store=driver.location,
        )
    recognisable = if_absent and capabilities.metadata
    if recognisable or (capabilities.multipart is not None and "copy_part" in capabilities.operations):
        meta = await _head(context, source, "copy")
        if meta.size > capabilities.max_copy:
            return await _in_parts(context, meta, source, target, options)
        if recognisable:
            return await _copy_recognisably(context, meta, source, target, options)
    return await _copy(context, source, target, options)


async def _copy(context: Context, source: str, target: str, options: CopyOptions) -> PutResult:
    driver = context.driver
    step = await driver.copy(source, target, options)
    while not step.done:
        step = await driver.copy(source, target, options, step.token)
    return step.result or PutResult()


async def _copy_recognisably(
    context: Context, meta: ObjectMeta, source: str, target: str, options: CopyOptions
) -> PutResult:
    """A conditional copy, which carries a write id: a refusal after a lost answer may have been caused by itself."""
    stored, write_id = own_write.stamp(_stored_with(meta))
    pinned = Match(etag=meta.etag, version=meta.version) if meta.etag or meta.version else None
    try:
        return await _copy(context, source, target, replace(options, replace=stored, source_if_match=pinned))
    except StoreError as error:
        return await own_write.judge(context, target, write_id, stored, meta.size, error)


async def _head(context: Context, key: str, operation: str) -> ObjectMeta:
    """What is known of the source; an error names the operation that asked."""
    try:
        return await context.driver.head(key, GetOptions())
    except StoreError as error:
        error.operation = operation
        raise


async def rename(context: Context, source: str, target: str, *, if_absent: bool, best_effort: bool) -> PutResult:
    """Move in one step where the service can; else copy, then delete the source."""
    if source == target and not if_absent:
        return _result(await _head(context, source, "rename"))
    if "rename" in context.driver.capabilities.operations:
        return await _rename(context, source, target, CopyOptions(if_none_match=ANY if if_absent else None))
    result = await copy(context, source, target, if_absent=if_absent, best_effort=best_effort)
    await context.driver.delete(source, DeleteOptions())
    return result


async def _rename(context: Context, source: str, target: str, options: CopyOptions) -> PutResult:
    """One atomic step. If its answer is lost, the source's state at the target shows that it was carried out."""
    driver = context.driver
    meta = await _head(context, source, "rename")
    try:
        return await driver.rename(source, target, options)
    except StoreError as error:
        if not error.unanswered:
            raise
        try:
            moved = await driver.head(target, GetOptions())
        except StoreError:
            raise error from None
        if (moved.etag, moved.size) == (meta.etag, meta.size) and not await exists(context, source):
            return _result(moved)
        raise


def _result(meta: ObjectMeta) -> PutResult:
    return PutResult(etag=meta.etag, version=meta.version, size=meta.size, checksums=meta.checksums)


def _stored_with(meta: ObjectMeta) -> PutOptions:
    """What an object like ``meta`` is written with."""
    return PutOptions(
        content_type=meta.content_type,
        content_encoding=meta.content_encoding,
        content_disposition=meta.content_disposition,
        content_language=meta.content_language,
        cache_control=meta.cache_control,
        metadata=own_write.hide(meta).metadata,
    )


async def _in_parts(context: Context, meta: ObjectMeta, source: str, target: str, options: CopyOptions) -> PutResult:
    """A copy that is too large for one request: parts are copied concurrently, pinned to one state of the source."""
    driver = context.driver
    limits = driver.capabilities.multipart
    assert limits is not None  # noqa: S101  # the caller asked
    pinned = replace(options, source_if_match=Match(etag=meta.etag, version=meta.version))
    multipart = Multipart(
        context,
        target,
        replace(_stored_with(meta), if_none_match=options.if_none_match),
        concurrency=None,
        progress=None,
        total=meta.size,
    )

    async def copy_part(size: int, upload: Upload, number: int, offset: int) -> Part:
        return await driver.copy_part(upload, number, offset, source, offset, offset + size, pinned)

    try:
        await multipart.begin()
        sizes = part_sizes(limits, max(context.limits.part_size, COPY_PART), meta.size)
        while multipart.offset < meta.size:
            size = min(next(sizes), meta.size - multipart.offset)
            await multipart.slot()
            multipart.send(size, partial(copy_part, size), None)
        return await multipart.complete()
    except BaseException:
        await multipart.abort()
        raise


async def _through(context: Context, source: str, target: str, options: CopyOptions, *, best_effort: bool) -> PutResult:
    """A copy by reading and writing, in bounded memory, for a service without server-side copies."""
    try:
        async with Stream(context, source, GetOptions(), chunk_size=None, concurrency=None) as stream:
            stored = replace(_stored_with(stream.meta), if_none_match=options.if_none_match)
            return await put(context, target, stream, stored, best_effort=best_effort)
    except StoreError as error:
        error.operation = "copy"
        raise
