"""Objects to local files: whole or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import stat
import tempfile
from pathlib import Path
from typing import BinaryIO

from aiostore._engine import verify
from aiostore._engine.context import Context
from aiostore._engine.object_stream import Stream
from aiostore._engine.settle import settle
from aiostore.errors import CorruptedError
from aiostore.types import Buffer, GetOptions, ObjectMeta, Progress


async def to_path(
    context: Context, key: str, target: Path, options: GetOptions, progress: Progress | None, *, raw: bool
) -> ObjectMeta:
    """Write the object to ``target``, which is replaced atomically once all bytes are there and verified.

    Raises:
        OSError: if the directory is missing or the disk is full; ``target`` is then what it was.
    """
    # Not in a thread: a call cancelled there would leave a file whose name nobody knows.
    descriptor, name = tempfile.mkstemp(prefix=".aiostore-", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            meta = await to_file(context, key, file, options, progress, raw=raw)
            await settle(asyncio.to_thread(_publish, file, name, target))
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise
    return meta


def _publish(file: BinaryIO, name: str, target: Path) -> None:
    file.flush()
    os.fsync(file.fileno())
    if hasattr(os, "fchmod"):
        os.fchmod(file.fileno(), _mode(target))
    os.replace(name, target)


def _mode(target: Path) -> int:
    """The mode of the file that is replaced, which may be private; else that of a new one."""
    try:
        return stat.S_IMODE(target.stat().st_mode) & 0o777
    except OSError:
        umask = os.umask(0o077)  # can only be read by setting it
        os.umask(umask)
        return 0o666 & ~umask


def _write(file: BinaryIO, chunk: bytes) -> None:
    """Write all of it: a file without a buffer may take less, as it does when the disk is nearly full."""
    left: Buffer = chunk
    while left:
        written: int | None = file.write(left)
        if written is None and not isinstance(file, io.IOBase):
            return  # it does not count
        if not written:
            raise BlockingIOError("the file takes no more at the moment; open it in blocking mode")
        left = memoryview(left)[written:]


async def to_file(
    context: Context, key: str, file: BinaryIO, options: GetOptions, progress: Progress | None, *, raw: bool
) -> ObjectMeta:
    """Write the object to an open binary file, from its position on.

    Corrupted bytes are read again if the file can seek; what was written of them is overwritten.

    Raises:
        CorruptedError: if they stay corrupted, or the file cannot seek: then all but the last bytes were written.
    """
    seekable = file.seekable()
    begin = file.tell() if seekable else 0
    for attempt in range(1, verify.READS + 1):
        try:
            async with Stream(context, key, options, raw=raw) as stream:
                done = 0
                async for chunk in stream:
                    # A thread that writes into the caller's file must have ended before this call does.
                    await settle(asyncio.to_thread(_write, file, chunk))
                    done += len(chunk)
                    if progress is not None:
                        progress(done, None if stream.is_decoded or stream.meta.size < 0 else stream.meta.size)
                return stream.meta
        except CorruptedError:
            if not seekable or attempt == verify.READS:
                raise
            await asyncio.to_thread(file.seek, begin)
            await asyncio.to_thread(file.truncate)
    raise AssertionError("unreachable")
