"""The body of an answer, read from a file in worker threads."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from aiostore.drivers.local_file import read_at, read_whole
from aiostore.drivers.local_thread import run, run_briefly

BLOCK: Final = 1024**2
"""Bytes of one chunk: they fit into a processor's cache, which saves more than the hops to a thread cost."""


Hop: TypeAlias = Callable[[Callable[[], bytes]], Awaitable[bytes]]
"""How a thread is reached."""


class FileStream:
    """The bytes ``[position, stop)`` of an open file, which is the same file whatever replaces it meanwhile.

    It owns the descriptor until it is read to its end or closed.
    """

    __slots__ = ("_closed", "_descriptor", "_position", "_reading", "_stop")

    def __init__(self, descriptor: int, position: int, stop: int) -> None:
        self._descriptor = descriptor
        self._position = position
        self._stop = stop
        self._closed = False
        self._reading = False

    async def next_chunk(self) -> bytes:
        return await self._read(run_briefly, read_at, min(BLOCK, self._stop - self._position))

    async def read(self) -> bytes:
        return await self._read(run, read_whole, self._stop - self._position)

    async def _read(self, hop: Hop, read: Callable[[int, int, int], bytes], count: int) -> bytes:
        if self._closed:
            return b""
        self._reading = True
        try:
            data = await hop(lambda: read(self._descriptor, count, self._position))
        except BaseException:
            self._closed = True
            raise
        finally:
            self._reading = False
            if self._closed:
                os.close(self._descriptor)
        self._position += count
        if self._position == self._stop:
            self.close()
        return data

    async def aclose(self) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, or leave that to the read under way: its number would soon be another file's."""
        if not self._closed:
            self._closed = True
            if not self._reading:
                os.close(self._descriptor)

    def __del__(self) -> None:
        self.close()


class BytesStream:
    """The bytes of a small object, which were read with its head."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def next_chunk(self) -> bytes:
        data, self._data = self._data, b""
        return data

    async def read(self) -> bytes:
        return await self.next_chunk()

    async def aclose(self) -> None:
        self._data = b""
