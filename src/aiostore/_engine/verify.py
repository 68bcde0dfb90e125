"""End-to-end verification: the checksum of what was read against the one that the service holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from aiostore import checksums
from aiostore._engine import own_write
from aiostore._engine.multipart import part_sizes
from aiostore.capabilities import PartLimits
from aiostore.errors import CorruptedError, NotSupportedError
from aiostore.policies import Integrity
from aiostore.protocol import Driver
from aiostore.types import ObjectMeta

Hasher = checksums.Hasher

READS = 3
"""How often corrupted bytes are read in all before that is an error."""

SMALL = 16 * 1024
"""Bytes that are hashed at once, whatever the algorithm."""

LOOP_LIMIT = 256 * 1024
"""Bytes that are hashed in the event loop by MD5 and SHA; more goes to a worker thread, where they free the GIL."""


class Expected(NamedTuple):
    """What the bytes of a read are compared with; ``sizes`` are those of the parts that the checksum is made of."""

    algorithm: str
    checksum: str
    sizes: Callable[[], Iterator[int]] | None = None

    def hasher(self) -> Hasher:
        """What the bytes go through in order."""
        if self.sizes is None:
            return checksums.new(self.algorithm)
        return checksums.PartsHasher(self.sizes())


def expected(
    meta: ObjectMeta, integrity: Integrity, operation: str, driver: Driver, sizes: Sequence[int] = ()
) -> Expected | None:
    """What to verify a whole read of ``meta`` with; None if there is no such checksum, or none is wanted.

    ``sizes`` are those of the parts of an object whose ETag is made of theirs, where it does not tell itself and the
    service was asked.

    Raises:
        NotSupportedError: if integrity is ``"require"`` and the service holds no checksum that can be computed here.
    """
    if integrity == "off":
        return None
    if meta.checksums:
        algorithm = checksums.best(meta.checksums)
        if algorithm is not None:
            return Expected(algorithm, meta.checksums[algorithm])
        found = of_parts(meta, driver.capabilities.multipart) or _of_sizes(meta, sizes)
        if found is not None:
            return found
    if integrity == "require":
        raise unverifiable("the service holds no checksum of the whole object", meta.key, operation, driver)
    return None


def of_parts(meta: ObjectMeta, limits: PartLimits | None) -> Expected | None:
    """The ETag of an object that was written in parts here, which tells their size in its metadata; else None."""
    etag = meta.checksums.get(checksums.MD5_OF_PARTS)
    size, grows, rest = meta.metadata.get(own_write.PART_SIZE, "").partition("+")
    if etag is None or limits is None or rest or not size.isdecimal() or not limits.min_size <= int(size):
        return None
    layout = limits, int(size), None if grows else meta.size
    count, left = 0, meta.size
    for part in part_sizes(*layout):
        count += 1
        left -= part
        if left <= 0 or count > limits.max_count:
            break
    # Whoever copied it in other parts took the metadata along.
    return Expected(checksums.MD5_OF_PARTS, etag, partial(part_sizes, *layout)) if etag.endswith(f"-{count}") else None


def _of_sizes(meta: ObjectMeta, sizes: Sequence[int]) -> Expected | None:
    """The ETag of an object that others wrote in parts of these sizes; None if they are not its."""
    etag = meta.checksums.get(checksums.MD5_OF_PARTS, "")
    if not sizes or sum(sizes) != meta.size or not etag.endswith(f"-{len(sizes)}"):
        return None
    return Expected(checksums.MD5_OF_PARTS, etag, partial(iter, sizes))


def lacks_sizes(meta: ObjectMeta, integrity: Integrity, driver: Driver) -> bool:
    """Whether the bytes must be verified, and the service may tell the one thing that is missing: the parts' sizes."""
    return (
        integrity == "require"
        and checksums.MD5_OF_PARTS in meta.checksums
        and checksums.best(meta.checksums) is None
        and "list_ranges" in driver.capabilities.operations
        and of_parts(meta, driver.capabilities.multipart) is None
    )


def unverifiable(reason: str, key: str, operation: str, driver: Driver) -> NotSupportedError:
    """The refusal of ``integrity="require"``."""
    return NotSupportedError(
        f'{reason}, so the bytes cannot be verified; use integrity="auto" to read them all the same',
        key=key,
        operation=operation,
        store=driver.location,
    )


def matches(wanted: Expected, data: bytes) -> bool:
    """Whether ``data``, of at most SMALL bytes, has this checksum."""
    if wanted.sizes is None:
        return checksums.of(wanted.algorithm, data) == wanted.checksum
    hasher = wanted.hasher()
    hasher.update(data)
    return hasher.hexdigest() == wanted.checksum


async def matches_soon(wanted: Expected, data: bytes) -> bool:
    """The same for any number of bytes: computed in a worker thread where that takes a while."""
    return await checksums.digest(wanted.algorithm, (data,)) == wanted.checksum


def corrupted(algorithm: str, key: str, operation: str, driver: Driver) -> CorruptedError:
    """The error for bytes that do not match."""
    doubt = ""
    if algorithm == checksums.MD5_OF_PARTS:
        # Whoever copies an object in parts of his own may take our note of their size along.
        doubt = ', or read it with integrity="off" if another program copied it in other parts'
    return CorruptedError(
        f"the bytes do not match the object's {algorithm} checksum; read again, and if that fails, restore the object"
        f"{doubt}",
        key=key,
        operation=operation,
        store=driver.location,
    )


class Verifier:
    """Compares what a whole read yields with the object's checksum.

    A CRC is computed range by range, as the bytes arrive, and combined in order. MD5 and SHA cannot be combined: they
    are computed over the chunks as they are handed out.
    """

    __slots__ = ("_combined", "_sequential", "algorithm", "expected")

    def __init__(self, wanted: Expected) -> None:
        self.algorithm = wanted.algorithm
        self.expected = wanted.checksum
        self._combined: int | None = None
        self._sequential = None if checksums.combinable(wanted.algorithm) else wanted.hasher()

    def hasher(self) -> checksums.Hasher | None:
        """What the bytes of one range go through as they arrive; None if this algorithm takes them in order."""
        return checksums.new(self.algorithm) if self._sequential is None else None

    def add_range(self, hasher: checksums.Hasher, length: int) -> None:
        """The next range, of ``length`` bytes, is complete."""
        crc = int(hasher.hexdigest(), 16)
        first = self._combined is None
        self._combined = crc if first else checksums.combine(self.algorithm, self._combined or 0, crc, length)

    async def add_chunk(self, chunk: bytes) -> None:
        """The next chunk in order; does nothing for a CRC."""
        if self._sequential is None:
            return
        if len(chunk) > LOOP_LIMIT:
            await asyncio.to_thread(self._sequential.update, chunk)
        else:
            self._sequential.update(chunk)

    def holds(self) -> bool:
        """Whether all that was added is what the service holds."""
        if self._sequential is not None:
            return self._sequential.hexdigest() == self.expected
        combined = int(checksums.new(self.algorithm).hexdigest(), 16) if self._combined is None else self._combined
        return combined == int(self.expected, 16)
