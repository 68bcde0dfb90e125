"""Bytes of unknown length on the local disk, until their length is known."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from aiostore._engine.settle import settle
from aiostore.body import FileRegion
from aiostore.types import Buffer


class Spool:
    """A private temporary file (mode 0600) that is written once, then sent, then removed by ``aclose``."""

    __slots__ = ("_descriptor", "_path", "_size")

    def __init__(self) -> None:
        self._descriptor: int | None = None
        self._path: Path | None = None
        self._size = 0

    async def write(self, data: Buffer) -> None:
        """Append; waits for the disk.

        Raises:
            OSError: if the disk is full.
        """
        # The thread must have ended before anybody closes the file.
        await settle(asyncio.to_thread(self._write, data))

    def _write(self, data: Buffer) -> None:
        if self._descriptor is None:
            self._descriptor, name = tempfile.mkstemp(prefix="aiostore-")
            self._path = Path(name)
        view = memoryview(data)
        self._size += view.nbytes
        while view.nbytes:
            view = view[os.write(self._descriptor, view) :]

    async def body(self) -> FileRegion:
        """All that was written."""
        (body,) = await self.bodies(self._size or 1)
        return body

    async def bodies(self, most: int) -> Sequence[FileRegion]:
        """All that was written, in pieces of at most ``most`` bytes; one of none if nothing was."""
        await self.write(b"")
        assert self._path is not None  # noqa: S101  # a write makes it
        size = self._size
        return [FileRegion(self._path, start, min(most, size - start)) for start in range(0, size or 1, most)]

    async def aclose(self) -> None:
        """Remove the file. Safe to repeat."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
        if self._path is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)
