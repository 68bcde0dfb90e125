"""End-to-end verification: the checksum of what was read against the one that the service holds."""

from __future__ import annotations

import asyncio

from aiostore import checksums
from aiostore.errors import CorruptedError, NotSupportedError
from aiostore.policies import Integrity
from aiostore.protocol import Driver
from aiostore.types import ObjectMeta

Hasher = checksums.Hasher

SMALL = 16 * 1024
"""Bytes that are hashed at once, whatever the algorithm."""

LOOP_LIMIT = 256 * 1024
"""Bytes that are hashed in the event loop by MD5 and SHA; more goes to a worker thread, where they free the GIL."""


def expected(meta: ObjectMeta, integrity: Integrity, operation: str, driver: Driver) -> tuple[str, str] | None:
    """The algorithm and checksum to verify a whole read of ``meta`` with; None if there is none, or none is wanted.

    Raises:
        NotSupportedError: if integrity is ``"require"`` and the service holds no checksum that can be computed here.
    """
    if integrity == "off":
        return None
    if meta.checksums:
        algorithm = checksums.best(meta.checksums)
        if algorithm is not None:
            return algorithm, meta.checksums[algorithm]
    if integrity == "require":
        raise unverifiable("the service holds no checksum of the whole object", meta.key, operation, driver)
    return None


def unverifiable(reason: str, key: str, operation: str, driver: Driver) -> NotSupportedError:
    """The refusal of ``integrity="require"``."""
    return NotSupportedError(
        f'{reason}, so the bytes cannot be verified; use integrity="auto" to read them all the same',
        key=key,
        operation=operation,
        store=driver.location,
    )


def matches(algorithm: str, checksum: str, data: bytes) -> bool:
    """Whether ``data``, of at most SMALL bytes, has this checksum."""
    hasher = checksums.new(algorithm)
    hasher.update(data)
    return hasher.hexdigest() == checksum


async def matches_soon(algorithm: str, checksum: str, data: bytes) -> bool:
    """The same for any number of bytes: computed in a worker thread where that takes a while."""
    return await checksums.digest(algorithm, (data,)) == checksum


def corrupted(algorithm: str, key: str, operation: str, driver: Driver) -> CorruptedError:
    """The error for bytes that do not match."""
    return CorruptedError(
        f"the bytes do not match the object's {algorithm} checksum; read again, and if that fails, restore the object",
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

    def __init__(self, algorithm: str, expected: str) -> None:
        self.algorithm = algorithm
        self.expected = expected
        self._combined: int | None = None
        self._sequential = None if checksums.combinable(algorithm) else checksums.new(algorithm)

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
