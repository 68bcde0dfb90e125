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


def stamp(options: PutOptions) -> tuple[PutOptions, str]:
    """``options`` with a new write id, and the id."""
    write_id = secrets.token_hex(16)
    return replace(options, metadata={**options.metadata, WRITE_ID: write_id}), write_id


def hide(meta: ObjectMeta) -> ObjectMeta:
    """``meta`` without the write id."""
    if WRITE_ID not in meta.metadata:
        return meta
    return replace(meta, metadata={name: value for name, value in meta.metadata.items() if name != WRITE_ID})


async def judge(
    context: Context, key: str, write_id: str, options: PutOptions, size: int, error: StoreError
) -> PutResult:
    """What a write that ended in ``error`` came to: its result if the object there is ours.

    Raises:
        StoreError: ``error`` itself, if every attempt was answered: then it is the truth.
        WriteOutcomeUnknownError: if an attempt was not answered and the object there is not ours: ours may have been
            written and replaced, or may still be on its way.
    """
    if not error.unanswered:
        raise error
    unknown = WriteOutcomeUnknownError(
        "the answer to the write was lost, and the object there now is not what was written; it may have been written"
        " and replaced since: read the object before writing again",
        key=key,
        operation="put",
        store=context.driver.location,
        unanswered=error.unanswered,
    )
    try:
        meta = await context.driver.head(key, GetOptions(encryption=options.encryption))
    except NotFoundError:
        raise unknown from error
    except StoreError as failure:
        raise unknown from failure
    if meta.metadata.get(WRITE_ID) != write_id:
        raise unknown from error
    return PutResult(etag=meta.etag, version=meta.version, size=size, checksums=meta.checksums)
