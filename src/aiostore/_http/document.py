"""Answers that are read as a whole: documents, errors, and what only has to be out of the way."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from aiostore._http import xml
from aiostore._http.response import Response
from aiostore.errors import TransientError

LONGEST_ERROR: Final = 64 * 1024
"""Bytes of an error document that are read; real ones have a few hundred."""


async def read_document(response: Response) -> bytes:
    """Return the answer's body, but no more than `xml.parse` takes and one chunk: it refuses what is longer."""
    if response.content_length is not None and response.content_length <= xml.MAX_SIZE:
        return await response.read()
    return await read_some(response, xml.MAX_SIZE + 1)


async def discard(response: Response) -> None:
    """Read what is left of an answer that is known by its head, so that its connection can be used again."""
    with suppress(TransientError):
        await read_some(response, LONGEST_ERROR)


async def read_some(response: Response, most: int) -> bytes:
    """Return the beginning of the answer's body, at least ``most`` bytes if it has them, and close it."""
    chunks, size = [], 0
    try:
        while size < most and (chunk := await response.next_chunk()):
            chunks.append(chunk)
            size += len(chunk)
    finally:
        await response.aclose()
    return b"".join(chunks)
