"""Ranges that prove themselves: what a read may heal piece by piece, before anybody sees a wrong byte.

A service keeps checksums of the ranges that an object is stored in (the parts of a composite checksum, the segments of
a large object), or computes one for the range of an answer. A range that has one is held back until it is complete and
its bytes match, and read again if they do not.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from aiostore import checksums
from aiostore._engine import verify
from aiostore._engine.context import Context
from aiostore._engine.drain import Drain
from aiostore._engine.listing import pages
from aiostore._engine.pin import Pin
from aiostore.errors import NotSupportedError, StoreError
from aiostore.types import GetOptions, GetResult, ObjectMeta, Part

Proof: TypeAlias = tuple[int, int, str, str]
"""Where a range begins and ends, and the algorithm and the checksum of its bytes."""

LARGEST = 2
"""Parts in memory that a range may take which is held back; an object of larger ones is not healed."""


async def begin(
    context: Context, pin: Pin, options: GetOptions, result: GetResult
) -> tuple[Sequence[Proof], list[bytes]]:
    """A proof of each range that the object is stored in, and its first bytes; neither if nothing is to be asked.

    The bytes come first and free their connection: a request that waits for another could wait for ever.
    """
    ranges = result.ranges and context.driver.capabilities.ranges and context.integrity != "off"
    checked = result.range_checksums and ranges
    if not checked and not (ranges and verify.lacks_sizes(result.meta, context.integrity, context.driver)):
        return (), []
    chunks: list[bytes] = []
    await Drain(context, pin, 0, min(context.limits.part_size, result.meta.size), chunks.append).run(result)
    return await _stored(context, result.meta, options) if checked else (), chunks


async def _stored(context: Context, meta: ObjectMeta, options: GetOptions) -> Sequence[Proof]:
    """The proofs in order and without gaps; none if a range has none.

    Whether there are any is not worth an error: without them the object is verified as a whole, or not at all.
    """
    try:
        parts = await _parts(context, meta, options)
    except StoreError:
        return ()
    return _proofs(parts, meta.size, LARGEST * context.limits.part_size)


async def sizes(context: Context, meta: ObjectMeta, options: GetOptions) -> Sequence[int]:
    """Those of the parts that the object was written in, where it cannot be verified without and the service tells."""
    if not verify.lacks_sizes(meta, context.integrity, context.driver):
        return ()
    try:
        return [part.size for part in await _parts(context, meta, options)]
    except NotSupportedError:
        return ()


async def _parts(context: Context, meta: ObjectMeta, options: GetOptions) -> list[Part]:
    asked = GetOptions(version=options.version, encryption=options.encryption, headers=options.headers)
    parts: list[Part] = []
    async for page in pages(
        lambda token: context.driver.list_ranges(meta.key, meta, asked, token), context.driver.location
    ):
        parts += page.parts
    return parts


def _proofs(parts: Sequence[Part], size: int, largest: int) -> Sequence[Proof]:
    proofs: list[Proof] = []
    start = 0
    for part in parts:
        algorithm = checksums.best(part.checksums)
        if algorithm is None or not 0 < part.size <= largest:
            return ()
        proofs.append((start, start + part.size, algorithm, part.checksums[algorithm]))
        start += part.size
    return proofs if start == size else ()


def from_byte(proofs: Sequence[Proof], start: int, size: int) -> Sequence[Proof]:
    """The proofs of the ranges from the byte ``start``, where one begins, up to ``size`` bytes or of one range."""
    first = last = bisect_left(proofs, start, key=lambda proof: proof[0])
    while last < len(proofs) and (last == first or proofs[last][1] - start <= size):
        last += 1
    return proofs[first:last]


async def contradicting(found: Mapping[str, str], data: bytes) -> str:
    """The algorithm by which the checksum of an answer is not that of its bytes; empty if it is, or cannot be told."""
    algorithm = checksums.best(found)
    if algorithm is None or await checksums.digest(algorithm, (data,)) == found[algorithm]:
        return ""
    return algorithm


async def failing(proofs: Sequence[Proof], data: bytes) -> str:
    """The algorithm by which one of the proofs does not hold for these bytes; empty if all of them hold."""
    view = memoryview(data)
    begin = proofs[0][0]
    for start, stop, algorithm, checksum in proofs:
        if await checksums.digest(algorithm, (view[start - begin : stop - begin],)) != checksum:
            return algorithm
    return ""
