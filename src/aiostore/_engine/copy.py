"""Copies on the service's side, whatever their size; through this process only where the service has none."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

from aiostore._engine import own_write
from aiostore._engine.context import Context
from aiostore._engine.delete import delete
from aiostore._engine.multipart import Multipart, part_sizes
from aiostore._engine.object_stream import Stream
from aiostore._engine.read import exists
from aiostore._engine.write import put
from aiostore.capabilities import Conditions, Guarantee
from aiostore.errors import (
    AlreadyExistsError,
    InvalidKeyError,
    NotFoundError,
    NotSupportedError,
    ObjectChangedError,
    PermissionDeniedError,
    PreconditionFailedError,
    StoreClosedError,
    StoreError,
    TransientError,
    UnauthenticatedError,
)
from aiostore.protocol import Driver
from aiostore.types import (
    ANY,
    CopyOptions,
    DeleteOptions,
    GetOptions,
    Match,
    ObjectMeta,
    Part,
    PutOptions,
    PutResult,
    Upload,
)

SOURCES = 4
"""How many states of a source a conditional copy is made of, if it changes each time."""

UNSEEN = 1024**3
"""Bytes that a service copies in one request, at least, if the size of the source is not asked for first."""

_FINAL = (NotFoundError, PermissionDeniedError, UnauthenticatedError, StoreClosedError, TransientError)
"""What refuses a copy for another reason than its size."""

COPY_PART = 256 * 1024**2
"""Bytes of one part of a copy: no byte passes through here, so parts are large and few."""


async def copy(
    context: Context,
    source: str,
    target: str,
    *,
    source_container: str | None = None,
    if_absent: bool,
    best_effort: bool,
) -> PutResult:
    """Copy ``source`` to ``target`` with its metadata, atomically for whoever reads the target.

    Its size is asked for first where it often decides how, elsewhere only if the service refuses to copy it at once.
    """
    options = CopyOptions(if_none_match=ANY if if_absent else None, source_container=source_container)
    capabilities = context.driver.capabilities
    if not if_absent and "copy" in capabilities.operations and capabilities.max_copy >= UNSEEN:
        return await _copy_unseen(context, source, target, options)
    made, _ = await _made(context, source, target, options, best_effort=best_effort)
    return made


async def _copy_unseen(context: Context, source: str, target: str, options: CopyOptions) -> PutResult:
    try:
        return await _copy(context, source, target, options)
    except StoreError as error:
        if isinstance(error, NotFoundError):
            # Drivers may have named the target, which the request is for.
            error.key = None
            error.locate(key=source)
        if isinstance(error, _FINAL) or not _has_parts(context.driver):
            raise
        try:
            meta = await _head(_source(context, options), source, "copy")
        except InvalidKeyError:
            # It is the source's key that the service cannot hold.
            raise
        except StoreError:
            raise error from error.__cause__
        if meta.size <= context.driver.capabilities.max_copy:
            raise
    return await _in_parts(context, meta, source, target, options)


def _has_parts(driver: Driver) -> bool:
    return driver.capabilities.multipart is not None and "copy_part" in driver.capabilities.operations


async def _made(
    context: Context, source: str, target: str, options: CopyOptions, *, best_effort: bool
) -> tuple[PutResult, ObjectMeta | None]:
    """The copy, and the source as it was seen before; None if it was not looked at."""
    driver = context.driver
    if_absent = options.if_none_match is not None
    capabilities = driver.capabilities
    if "copy" not in capabilities.operations:
        return await _through(context, source, target, options, best_effort=best_effort), None
    required = if_absent and not best_effort
    if required:
        _require_atomic(context, target, capabilities.copy)
    meta = None
    if if_absent or _has_parts(driver):
        meta = await _head(_source(context, options), source, "copy")
        if meta.size > capabilities.max_copy:
            if required:
                _require_atomic(context, target, capabilities.complete)
            return await _in_parts(context, meta, source, target, options), meta
        if if_absent:
            return await _copy_conditionally(context, meta, source, target, options), meta
    return await _copy(context, source, target, options), meta


def _require_atomic(context: Context, target: str, conditions: Conditions) -> None:
    if conditions.if_absent is not Guarantee.ATOMIC:
        raise NotSupportedError(
            "this service does not keep if_absent against concurrent writers when it copies, or not for an object of"
            " this size; pass best_effort=True to take what it does",
            key=target,
            operation="copy",
            store=context.driver.location,
        )


async def _copy(context: Context, source: str, target: str, options: CopyOptions) -> PutResult:
    driver = context.driver
    step = await driver.copy(source, target, options)
    while not step.done:
        await asyncio.sleep(step.wait)
        step = await driver.copy(source, target, options, step.token)
    return step.result or PutResult()


async def _copy_conditionally(
    context: Context, meta: ObjectMeta, source: str, target: str, options: CopyOptions
) -> PutResult:
    """A copy that carries a write id: a refusal after a lost answer may have been caused by itself.

    So the metadata is given anew, and the copy is pinned to the state of the source that it was read from. What refuses
    may then be the source's state as well as the target, and services do not tell which. Without metadata there is no
    id, so that a refusal after a lost answer is an unknown outcome.
    """
    if not context.driver.capabilities.metadata:
        try:
            return await _copy(context, source, target, options)
        except StoreError as error:
            return await own_write.judge(context, target, None, PutOptions(), meta.size, error)
    for _ in range(SOURCES):
        stored, write_id = own_write.stamp(context, stored_with(meta))
        pinned = replace(options, replace=stored, source_if_match=_state(meta))
        try:
            return await _copy(context, source, target, pinned)
        except StoreError as error:
            try:
                return await own_write.judge(context, target, write_id, stored, meta.size, error)
            except (AlreadyExistsError, PreconditionFailedError):
                before, meta = meta, await _head(_source(context, options), source, "copy")
                if (meta.etag, meta.version) == (before.etag, before.version):
                    raise
    raise ObjectChangedError(
        f"the source was replaced {SOURCES} times while it was to be copied; nothing was copied, begin again",
        key=source,
        operation="copy",
        store=context.driver.location,
    )


def _source(context: Context, options: CopyOptions) -> Context:
    """Where the source of a copy is read."""
    if options.source_container is None:
        return context
    return replace(context, driver=context.driver.sibling(options.source_container))


def _state(meta: ObjectMeta) -> Match | None:
    return Match(etag=meta.etag, version=meta.version) if meta.etag or meta.version else None


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
    options = CopyOptions(if_none_match=ANY if if_absent else None)
    if "rename" in context.driver.capabilities.operations:
        if if_absent and not best_effort:
            _require_atomic(context, target, context.driver.capabilities.copy)
        return await _rename(context, source, target, options)
    result, meta = await _made(context, source, target, options, best_effort=best_effort)
    if meta is None or (state := _state(meta)) is None:
        await context.driver.delete(source, DeleteOptions())
    else:
        await _delete_copied(context, source, state)
    return result


async def _delete_copied(context: Context, source: str, state: Match) -> None:
    """Delete the source of a copy if it is still what was copied.

    Raises:
        ObjectChangedError: if it is not: what somebody wrote meanwhile stays, and so does the copy.
    """
    driver = context.driver
    try:
        if driver.capabilities.delete.if_match is Guarantee.ATOMIC:
            await delete(context, source, DeleteOptions(if_match=state), best_effort=True)
            return
        # Better than nothing: a copy may take minutes, and this looks at its end. A service whose own condition is no
        # more than that may compare another ETag than the one it shows, as Swift does for what was written in parts.
        await driver.head(source, GetOptions(if_match=state))
    except NotFoundError:
        return
    except PreconditionFailedError as error:
        raise ObjectChangedError(
            "the source was replaced while it was copied, so it was kept; the copy is there too: look at both",
            key=source,
            operation="rename",
            store=driver.location,
        ) from error
    await driver.delete(source, DeleteOptions())


async def _rename(context: Context, source: str, target: str, options: CopyOptions) -> PutResult:
    """One atomic step. If its answer is lost, the source's state at the target shows that it was carried out."""
    driver = context.driver
    meta = await _head(context, source, "rename")
    try:
        return await driver.rename(source, target, options)
    except StoreError as error:
        if not error.unanswered:
            raise
        unknown = own_write.unknown(context, target, error)
        try:
            moved = await driver.head(target, GetOptions()) if not await exists(context, source) else None
        except NotFoundError:
            raise unknown from error
        except StoreError as failure:
            raise unknown from failure
        if moved is not None and (moved.etag, moved.size) == (meta.etag, meta.size):
            return _result(moved)
        if moved is None and isinstance(error, TransientError) and options.if_none_match is None:
            # The source is still there, so that it can be moved again.
            raise
        raise unknown from error


def _result(meta: ObjectMeta) -> PutResult:
    return PutResult(etag=meta.etag, version=meta.version, size=meta.size, checksums=meta.checksums)


def stored_with(meta: ObjectMeta) -> PutOptions:
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
    pinned = replace(options, source_if_match=_state(meta))
    part_size = max(context.limits.part_size, COPY_PART)
    multipart = Multipart(
        context,
        target,
        replace(stored_with(meta), if_none_match=options.if_none_match),
        concurrency=None,
        progress=None,
        total=meta.size,
        part_size=next(part_sizes(limits, part_size, meta.size)),
    )

    async def copy_part(size: int, upload: Upload, number: int, offset: int) -> Part:
        return await driver.copy_part(upload, number, offset, source, offset, offset + size, pinned)

    try:
        await multipart.begin()
        # A service may tell its limits no sooner than the first upload begins.
        sizes = part_sizes(driver.capabilities.multipart or limits, part_size, meta.size)
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
        async with Stream(_source(context, options), source, GetOptions(), raw=True) as stream:
            stored = replace(stored_with(stream.meta), if_none_match=options.if_none_match)
            return await put(context, target, stream, stored, best_effort=best_effort)
    except StoreError as error:
        error.operation = "copy"
        raise
