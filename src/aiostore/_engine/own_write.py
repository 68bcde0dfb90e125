"""Telling our own write from somebody else's, when the answer to it was lost.

A conditional write whose answer is lost is sent again, and then refused because of what it wrote itself. So every
conditional write and every multipart upload carries a random write id in the metadata; whoever is refused after
an attempt without an answer looks whether the object there is its own. The id is hidden from ``ObjectMeta``.
"""

from __future__ import annotations

import secrets
from dataclasses import replace

from aiostore._engine.context import Context
from aiostore.errors import NotFoundError, StoreError, WriteOutcomeUnknownError
from aiostore.types import GetOptions, ObjectMeta, PutOptions, PutResult

WRITE_ID = "aiostore-write-id"
"""The name of the id in the object's metadata."""

LINEAGE = "aiostore-lineage"
"""The name of the ids of an object's latest updates in its metadata; see :mod:`aiostore._engine.update`."""

PART_SIZE = "aiostore-part-size"
"""The name of the bytes of its parts in the metadata of an object that was written in parts; see `verify.of_parts`."""

_OURS = frozenset({WRITE_ID, LINEAGE, PART_SIZE})

LATEST_VERSIONS = 10
"""Versions of the right size among which a write is looked for that was replaced since."""


def stamp(context: Context, options: PutOptions) -> tuple[PutOptions, str | None]:
    """``options`` with a new write id, and the id; None where the service stores no metadata."""
    if not context.driver.capabilities.metadata:
        return options, None
    write_id = secrets.token_hex(16)
    return replace(options, metadata={**options.metadata, WRITE_ID: write_id}), write_id


def hide(meta: ObjectMeta) -> ObjectMeta:
    """``meta`` without what was added to the caller's metadata."""
    metadata = meta.metadata
    if not metadata or _OURS.isdisjoint(metadata):
        return meta
    return replace(meta, metadata={name: value for name, value in metadata.items() if name not in _OURS})


async def judge(
    context: Context, key: str, write_id: str | None, options: PutOptions, size: int, error: StoreError
) -> PutResult:
    """What a write that ended in ``error`` came to: its result if the object there, or a version of it, is ours.

    Raises:
        StoreError: ``error`` itself, if every attempt was answered: then it is the truth.
        WriteOutcomeUnknownError: if an attempt was not answered and the write is not found: it may have been carried
            out and replaced, or may still be on its way.
    """
    if not error.unanswered:
        raise error
    if write_id is None:
        raise unknown(context, key, error) from error
    try:
        found = await _find(context, key, write_id, options, size)
    except StoreError as failure:
        raise unknown(context, key, error) from failure
    if found is None:
        raise unknown(context, key, error) from error
    return PutResult(etag=found.etag, version=found.version, size=size, checksums=found.checksums)


def unknown(context: Context, key: str, error: StoreError) -> WriteOutcomeUnknownError:
    """What is to be raised where ``error`` came after an attempt that was not answered."""
    return WriteOutcomeUnknownError(
        f"an answer was lost, and what is there now does not tell whether this was carried out, is still on its way,"
        f" or never arrived (the last answer: {error.message}); read the object before doing it again",
        key=key,
        operation=error.operation or "put",
        store=context.driver.location,
        unanswered=error.unanswered,
    )


async def _find(context: Context, key: str, write_id: str, options: PutOptions, size: int) -> ObjectMeta | None:
    """The object if it carries the id, else the latest version that does; None if there is none."""
    driver = context.driver
    try:
        meta = await driver.head(key, GetOptions(encryption=options.encryption))
    except NotFoundError:
        pass
    else:
        if meta.metadata.get(WRITE_ID) == write_id:
            return meta
        if meta.version is None:
            return None
    if "list_versions" not in driver.capabilities.operations:
        return None
    entries = [entry for entry in (await driver.list_versions(key)).versions if entry.meta.key == key]
    same_size = [entry for entry in entries if entry.meta.size == size and not entry.is_delete_marker]
    for entry in same_size[:LATEST_VERSIONS]:
        version = await driver.head(key, GetOptions(version=entry.meta.version, encryption=options.encryption))
        if version.metadata.get(WRITE_ID) == write_id:
            return version
    return None
