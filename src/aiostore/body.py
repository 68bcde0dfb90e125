"""Bodies: what is sent, replayable so that a request can be sent again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from aiostore.types import Buffer

READ_BLOCK: Final = 1024**2
"""Bytes that a file is read by."""


@runtime_checkable
class Body(Protocol):
    """What ``put`` and ``put_part`` send: can be iterated any number of times, each time with the same bytes."""

    @property
    def size(self) -> int:
        """Bytes in all."""
        ...

    @property
    def buffers(self) -> Sequence[Buffer] | None:
        """The whole body if it lies in memory, else None. The buffers are the caller's: not copied, not changed."""
        ...

    def chunks(self) -> AsyncIterator[Buffer]:
        """The bytes from the beginning, in pieces of any size.

        Raises:
            OSError: if the source cannot be read, or has become shorter.
        """
        ...


class Buffers:
    """A body that lies in memory, in one or more buffers."""

    __slots__ = ("_buffers", "_size")

    def __init__(self, buffers: Sequence[Buffer], size: int | None = None) -> None:
        self._buffers = buffers
        self._size = sum(memoryview(buffer).nbytes for buffer in buffers) if size is None else size

    @property
    def size(self) -> int:
        """Bytes in all."""
        return self._size

    @property
    def buffers(self) -> Sequence[Buffer]:
        """The caller's own buffers."""
        return self._buffers

    async def chunks(self) -> AsyncIterator[Buffer]:
        """The buffers, one by one."""
        for buffer in self._buffers:
            yield buffer


class FileRegion:
    """A body that is ``size`` bytes of a file from ``offset`` on, read in worker threads as it is sent."""

    __slots__ = ("_offset", "_path", "_size")

    def __init__(self, path: Path, offset: int, size: int) -> None:
        self._path = path
        self._offset = offset
        self._size = size

    @property
    def size(self) -> int:
        """Bytes in all."""
        return self._size

    @property
    def buffers(self) -> None:
        """None: it does not lie in memory."""
        return

    async def chunks(self) -> AsyncIterator[Buffer]:
        """The bytes, read block by block.

        Raises:
            OSError: if the file cannot be read or has become shorter.
        """
        position, end = self._offset, self._offset + self._size
        while position < end:
            # No descriptor is kept between the blocks: a cancelled call could not close it while a thread still reads.
            chunk = await asyncio.to_thread(_read_at, self._path, min(READ_BLOCK, end - position), position)
            if not chunk:
                raise OSError(f"{self._path} became shorter while it was being sent: {position} of {end} bytes")
            position += len(chunk)
            yield chunk


def _read_at(path: Path, count: int, position: int) -> bytes:
    with path.open("rb", buffering=0) as file:
        file.seek(position)
        return file.read(count)
