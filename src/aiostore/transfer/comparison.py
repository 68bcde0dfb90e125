"""Proof that what was written is what was read: by checksums, or by reading what has none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from aiostore import checksums
from aiostore.errors import CorruptedError
from aiostore.store import Store
from aiostore.transfer.ends import Ends
from aiostore.types import ObjectMeta

ALGORITHM = "crc64nvme"
"""What is computed of the bytes on their way: 0.03 ms for a megabyte."""


class Hashed:
    """Chunks, and the checksum of those that were taken."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._hasher = checksums.new(ALGORITHM)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        chunk = await anext(self._chunks)
        self._hasher.update(chunk)
        return chunk

    @property
    def digests(self) -> Mapping[str, str]:
        """The checksum by its algorithm."""
        return {ALGORITHM: self._hasher.hexdigest()}


async def compare(ends: Ends, meta: ObjectMeta, key: str, digests: Mapping[str, str]) -> None:
    """Compare the target with its source: by a checksum that both hold, or else by reading what has none.

    ``digests`` are of the bytes that were read from the source on the way.

    Raises:
        CorruptedError: if they differ.
    """
    found = await ends.target.head(key)
    held = {**meta.checksums, **digests}
    for algorithm in held.keys() & found.checksums.keys():
        if held[algorithm] != found.checksums[algorithm]:
            raise _differs(ends.target, key, algorithm)
        return
    algorithm = checksums.best(held) or ALGORITHM
    expected = held.get(algorithm) or await digest(ends.source, meta.key, algorithm)
    if found.size != meta.size or await digest(ends.target, key, algorithm) != expected:
        raise _differs(ends.target, key, algorithm)


async def digest(store: Store, key: str, algorithm: str = ALGORITHM) -> str:
    """The checksum of an object's stored bytes, which are read for it."""
    hasher = checksums.new(algorithm)
    async with store.stream(key, raw=True) as stream:
        async for chunk in stream:
            hasher.update(chunk)
    return hasher.hexdigest()


def _differs(target: Store, key: str, what: str) -> CorruptedError:
    return CorruptedError(
        f"what was written differs from its source ({what}); transfer the object again",
        key=key,
        operation="transfer",
        store=target.location,
    )
