"""Reading and writing at positions of open files, without copies and whatever the operating system cuts short."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Final

from aiostore import checksums
from aiostore.body import READ_BLOCK
from aiostore.drivers.local_thread import Stop
from aiostore.errors import UnavailableError
from aiostore.room import LEAST_HUGE, Room
from aiostore.types import Buffer

CHECKSUM: Final = "crc64nvme"
"""What every object and part is stored with."""

_PIECE: Final = 256 * 1024
"""Bytes that are summed and then written: they come from the processor's cache the second time. Measured: without this
a checksum costs twice as much."""
_MOST_BUFFERS: Final = 512
"""Buffers of one write; every system allows 1,024, and Linux not more."""


class ShortFileError(UnavailableError):
    """A file became shorter while it was read: another program writes it in place."""


def read_at(descriptor: int, count: int, position: int) -> bytes:
    """Exactly ``count`` bytes from ``position`` on.

    Raises:
        ShortFileError: if the file ends before.
    """
    data = _read(descriptor, count, position)
    if len(data) == count:
        return data
    pieces, done = [data], len(data)
    while done < count:
        # One read is cut at 2 GiB.
        data = _read(descriptor, count - done, position + done)
        if not data:
            raise _short()
        pieces.append(data)
        done += len(data)
    return b"".join(pieces)


def read_whole(descriptor: int, count: int, position: int) -> bytes:
    """The same for many bytes, which get the kind of memory that is cheapest for them.

    Raises:
        ShortFileError: if the file ends before.
    """
    if count < LEAST_HUGE:
        return read_at(descriptor, count, position)
    room = Room(count)
    done = 0
    while done < count:
        with room.view[done : done + READ_BLOCK] as block:
            read = _read_into(descriptor, block, position + done)
        if not read:
            raise _short()
        done += read
    return room.take()


def _short() -> ShortFileError:
    return ShortFileError("the file became shorter while it was read; another program writes it in place")


class Writer:
    """Writes buffers one behind the other from ``position`` on, and counts and sums what it wrote."""

    __slots__ = ("_hashers", "_stop", "descriptor", "position", "size")

    def __init__(self, descriptor: int, position: int, stop: Stop, algorithms: Iterable[str] = (CHECKSUM,)) -> None:
        self.descriptor = descriptor
        self.position = position
        self.size = 0
        self._stop = stop
        self._hashers = {algorithm: checksums.new(algorithm) for algorithm in algorithms}

    def write(self, buffers: Iterable[Buffer]) -> None:
        """Write all of ``buffers``, which are not copied.

        Raises:
            StoppedError: if the caller has gone.
        """
        group: list[memoryview] = []
        size = 0
        for piece in _pieces(buffers):
            for hasher in self._hashers.values():
                hasher.update(piece)
            group.append(piece)
            size += len(piece)
            if size >= READ_BLOCK or len(group) == _MOST_BUFFERS:
                self._write(group, size)
                group, size = [], 0
        if group:
            self._write(group, size)

    def copy(self, source: int, start: int, stop: int) -> None:
        """Write the bytes ``[start, stop)`` of another open file."""
        while start < stop:
            count = min(READ_BLOCK, stop - start)
            self.write([read_at(source, count, start)])
            start += count

    def digests(self) -> dict[str, str]:
        """The checksums of what was written."""
        return {algorithm: hasher.hexdigest() for algorithm, hasher in self._hashers.items()}

    def _write(self, group: list[memoryview], size: int) -> None:
        self._stop.check()
        done = _write(self.descriptor, group, self.position)
        while done < size:
            skip = done
            rest = []
            for piece in group:
                if skip < len(piece):
                    rest.append(piece[skip:])
                skip = max(0, skip - len(piece))
            group, size = rest, size - done
            self.position += done
            self.size += done
            done = _write(self.descriptor, group, self.position)
        self.position += done
        self.size += done


def _pieces(buffers: Iterable[Buffer]) -> Iterator[memoryview]:
    """The buffers, as bytes, none of them long."""
    for buffer in buffers:
        view = memoryview(buffer).cast("B")
        for start in range(0, len(view), _PIECE):
            yield view[start : start + _PIECE]


if hasattr(os, "preadv"):

    def _read(descriptor: int, count: int, position: int) -> bytes:
        return os.pread(descriptor, count, position)

    def _read_into(descriptor: int, block: memoryview, position: int) -> int:
        return os.preadv(descriptor, [block], position)

    def _write(descriptor: int, group: list[memoryview], position: int) -> int:
        return os.pwritev(descriptor, group, position) if len(group) > 1 else os.pwrite(descriptor, group[0], position)

else:

    def _read(descriptor: int, count: int, position: int) -> bytes:
        os.lseek(descriptor, position, os.SEEK_SET)
        return os.read(descriptor, count)

    def _read_into(descriptor: int, block: memoryview, position: int) -> int:
        data = _read(descriptor, len(block), position)
        block[: len(data)] = data
        return len(data)

    def _write(descriptor: int, group: list[memoryview], position: int) -> int:
        os.lseek(descriptor, position, os.SEEK_SET)
        return os.write(descriptor, group[0])
