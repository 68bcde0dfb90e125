"""The bytes of one object as a plain iterator."""

from __future__ import annotations

from typing import Self

from aiostore.blocking.portal import Iteration
from aiostore.handles import ObjectStream
from aiostore.types import ObjectMeta

CHUNK = 256 * 1024
"""Bytes that a chunk has at most unless its size was asked for."""

AHEAD = 1024**2
"""Bytes that one way through the loop brings, at most, once the stream is read in earnest."""


class BlockingStream(Iteration[bytes]):
    """The chunks of an :class:`~aiostore.ObjectStream`; safe to leave at any moment.

    As a context manager, entering sends the first request, so that a missing object raises there and ``meta`` is known;
    leaving ends every request of this stream before it returns.
    """

    __slots__ = ("below",)

    def __init__(self, stream: ObjectStream, chunk_size: int | None = None) -> None:
        super().__init__(stream, max(0, AHEAD // (chunk_size or CHUNK) - 1))
        self.below = stream
        """The asynchronous stream."""

    @property
    def meta(self) -> ObjectMeta:
        """What the service says of the object. Known once the stream was entered or the first chunk was read."""
        return self.below.meta

    @property
    def verified(self) -> str | None:
        """The checksum algorithm that proved all bytes, once the last chunk was read; None if none could."""
        return self.below.verified

    def __enter__(self) -> Self:
        self._portal.run(self.below.__aenter__())
        return self
