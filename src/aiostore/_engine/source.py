"""What callers write, as buffers of bytes in order."""

from __future__ import annotations

import asyncio
import io
import os
import stat
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from aiostore.body import READ_BLOCK
from aiostore.protocol import Source
from aiostore.types import Buffer


def check(source: Source, key: str) -> None:
    """Raise TypeError if ``source`` cannot be written."""
    if isinstance(source, str):
        raise TypeError(
            f"put {key!r}: data is a str, which could be text or a path: encode it to bytes, or wrap it in Path"
        )
    if isinstance(source, (bytes, bytearray, memoryview, Path)):
        return
    if isinstance(source, io.TextIOBase):
        raise TypeError(f"put {key!r}: the file is open in text mode; open it in binary mode")
    if not (hasattr(source, "read") or isinstance(source, (AsyncIterable, Iterable))):
        raise TypeError(
            f"put {key!r}: data is bytes-like, a Path, a binary file, or an iterable or async iterable of these,"
            f" not {type(source).__name__}"
        )


def flat(buffer: bytes | bytearray | memoryview) -> memoryview:
    """A view of the buffer's bytes; no copy is made.

    Raises:
        TypeError: if the buffer is not contiguous.
    """
    view = memoryview(buffer)
    if view.format == "B" and view.ndim == 1 and view.contiguous:
        return view
    return view.cast("B")


async def buffers(
    source: BinaryIO | Iterable[Buffer] | AsyncIterable[Buffer], key: str
) -> AsyncGenerator[Buffer, None]:
    """The bytes of a source of unknown length, block by block, each of them immutable or never touched again.

    Files and plain iterables may block, so they are advanced in a worker thread; what they raise is raised here.

    Raises:
        TypeError: if the source yields something else than buffers.
    """
    if isinstance(source, AsyncIterable):
        async for item in source:
            if kept := _kept(item, key):
                yield kept
        return
    if hasattr(source, "read"):
        while block := await asyncio.to_thread(_read, cast("BinaryIO", source), key):
            yield block
        return
    iterator = iter(source)
    while items := await asyncio.to_thread(_pull, iterator, key):
        for item in items:
            yield item


def _pull(iterator: Iterator[object], key: str) -> list[bytes]:
    """The next items, of READ_BLOCK bytes or a little more together: one visit to a thread brings them all."""
    block, count = [], 0
    for item in iterator:
        if kept := _kept(item, key):
            block.append(kept)
            count += len(kept)
            if count >= READ_BLOCK:
                break
    return block


def _read(file: BinaryIO, key: str) -> bytes:
    block: object = file.read(READ_BLOCK)
    if block is None:
        raise BlockingIOError(f"put {key!r}: the file is in non-blocking mode and has no bytes ready")
    return _kept(block, key)


def _kept(item: object, key: str) -> bytes:
    """``item`` as bytes that cannot change: a producer may fill the same bytearray again and again."""
    if isinstance(item, bytes):
        return item
    if isinstance(item, (bytearray, memoryview)):
        return bytes(item)
    raise TypeError(f"put {key!r}: the source yields {type(item).__name__}, not bytes")


async def file_size(path: Path) -> int:
    """The size of a local file in bytes.

    Raises:
        OSError: if it is missing or cannot be examined.
        IsADirectoryError: if it is a directory.
    """
    return await asyncio.get_running_loop().run_in_executor(None, _size, path)


async def size_or_bytes(path: Path, limit: int) -> int | bytes:
    """The bytes of a local file of at most ``limit`` of them, read in the visit to a thread that asks for its size.

    Of a larger file, or what is no regular one, the size.

    Raises:
        OSError: as `file_size` and `read_region`.
    """
    return await asyncio.get_running_loop().run_in_executor(None, _size_or_bytes, path, limit)


def _size(path: Path) -> int:
    return _status(path).st_size


def _size_or_bytes(path: Path, limit: int) -> int | bytes:
    status = _status(path)
    # To open a pipe would wait for whoever writes into it.
    if status.st_size > limit or not stat.S_ISREG(status.st_mode):
        return status.st_size
    return read_region(path, 0, status.st_size)


def _status(path: Path) -> os.stat_result:
    status = os.stat(path)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(f"{path} is a directory; put its files one by one")
    return status


def read_region(path: Path, offset: int, size: int) -> bytes:
    """``size`` bytes of a file from ``offset``.

    Raises:
        OSError: if it cannot be read, or has become shorter.
    """
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read(size)
    if len(data) != size:
        raise OSError(f"{path} became shorter while it was being sent")
    return data
