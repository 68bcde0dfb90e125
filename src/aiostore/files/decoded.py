"""Compressed objects as files: decoded from their beginning on, as far as somebody reads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from aiostore._engine.codecs import Codec
from aiostore._engine.context import Context
from aiostore._engine.decoding import Decoding, of_object


class Decoded:
    """The bytes that a compressed object stands for. To go back is to begin again; to go on is to decode and drop.

    ``begin`` starts to read the stored bytes from the first on, and answers with what brings the next of them.
    """

    __slots__ = ("_begin", "_context", "_decoding", "_key", "_undone", "position")

    def __init__(
        self,
        context: Context,
        key: str,
        undone: Sequence[Codec],
        begin: Callable[[], Awaitable[Callable[[], Awaitable[bytes]]]],
    ) -> None:
        self._context = context
        self._key = key
        self._undone = undone
        self._begin = begin
        self._decoding: Decoding | None = None
        self.position = 0
        """Where the next chunk begins."""

    def forget(self) -> None:
        """The stored bytes are not being read any more."""
        self._decoding = None

    async def chunk_at(self, position: int) -> tuple[int, bytes]:
        """The chunk that holds ``position``, and where it begins; at the end, the size and no bytes."""
        if self._decoding is None or position < self.position:
            self._decoding = of_object(self._context, self._key, "read", await self._begin(), self._undone)
            self.position = 0
        while True:
            begin, chunk = self.position, await self._decoding.next_chunk()
            self.position += len(chunk)
            if not chunk or self.position > position:
                return begin, chunk
