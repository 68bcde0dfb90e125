"""The unbuffered ends of files: :class:`io.RawIOBase` over asynchronous files, for the layers of ``io`` above.

A file that is dropped is closed by the garbage collector, which must neither wait nor publish: ``io`` announces it by
``_dealloc_warn``, as it does to its own :class:`io.FileIO`.
"""

from __future__ import annotations

import errno
import io
import operator
import os
import threading
import warnings
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn

from aiostore.blocking import portal
from aiostore.errors import StoreError
from aiostore.files.file import CLOSED
from aiostore.files.reader import BinaryReader
from aiostore.files.updater import BinaryUpdater
from aiostore.files.writer import BinaryWriter
from aiostore.types import Buffer, ObjectMeta, PutResult

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

AT_HAND = 2 * 1024**2
"""Bytes that one way through the loop brings at most, unless more was asked for: they fit into a processor's cache."""


class Ending:
    """How the raw ends of files are closed, dropped and aborted; to be mixed into a class of ``io``."""

    closed: bool
    name: str
    mode: str
    _portal: portal.Portal
    _dropped = False

    def __repr__(self) -> str:
        state = " closed" if self.closed else ""
        return f"<{type(self).__module__}.{type(self).__name__} name={self.name!r} mode={self.mode!r}{state}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")

    def abort(self) -> None:
        """Close and publish nothing. Safe to repeat, and after ``close``, when it changes nothing."""
        if not self.closed:
            self._dropped = True
            try:
                self._portal.run(self._abort())
            finally:
                self._close_base()

    def close(self) -> None:
        """Close; a writer publishes its object. Safe to repeat.

        Raises:
            StoreError: if the object could not be published, or a write before failed: then nothing is published.
        """
        if self.closed:
            return
        if self._dropped or getattr(self, "_finalizing", False):
            self._let_go()
            self._close_base()
            return
        try:
            self._portal.run(self._close())
        finally:
            self._close_base()

    def _close_base(self) -> None:
        raise NotImplementedError

    async def _close(self) -> None:
        raise NotImplementedError

    async def _abort(self) -> None:
        raise NotImplementedError

    def _let_go(self) -> None:
        """Do as ``_abort``, without waiting for anything."""
        self._portal.soon(self._abort)

    def _dealloc_warn(self, source: object) -> None:
        if not (self.closed or self._dropped):
            self._dropped = True
            warnings.warn(f"unclosed file {source!r}", ResourceWarning, source=source, stacklevel=2)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self.abort()


class RawFile(Ending, io.RawIOBase):
    """A reader or writer that can do nothing yet."""

    name: str
    mode: str

    def __init__(self, name: str, mode: str) -> None:
        self._portal = portal.current()
        self.name = name
        self.mode = mode

    def close(self) -> None:
        """Close; a writer publishes its object. Safe to repeat."""
        if getattr(self, "_finalizing", False) and not self.closed:
            self._dealloc_warn(self)  # of a buffer's raw file, the buffer has warned
        super().close()

    def _close_base(self) -> None:
        io.RawIOBase.close(self)

    def _check(self) -> None:
        if self.closed:
            raise ValueError(CLOSED)

    def _unsupported(self, what: str) -> io.UnsupportedOperation:
        self._check()
        return io.UnsupportedOperation(f"not {what}: {self.name!r} is open in mode {self.mode!r}")

    def readable(self) -> bool:
        """Whether it reads."""
        self._check()
        return False

    def writable(self) -> bool:
        """Whether it writes."""
        self._check()
        return False

    def seekable(self) -> bool:
        """Whether it can be moved in: readers can."""
        return self.readable()

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Refused: it is a writer."""
        raise self._unsupported("readable")

    def readall(self) -> bytes:
        """Refused: it is a writer."""
        raise self._unsupported("readable")

    def write(self, data: ReadableBuffer, /) -> int:
        """Refused: it is a reader."""
        raise self._unsupported("writable")

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Refused: it is a writer."""
        raise self._unsupported("seekable")

    def truncate(self, size: int | None = None, /) -> int:
        """Refused: an object that is read stays as it is, and what was written may have been sent."""
        raise self._unsupported("resizable")


class RawReader(RawFile):
    """An object that is read. What a way through the loop brings beyond what was asked for is kept."""

    def __init__(self, file: BinaryReader, name: str, mode: str) -> None:
        super().__init__(name, mode)
        self._file = file
        # What begins at the position: behind the first `_used` bytes of the last of these, and on to the first of them.
        self._held: list[Buffer] = []
        self._used = 0
        self._portal.run(file.__aenter__())
        self._position = 0
        self._expected = 0
        self._worth = 0

    @property
    def meta(self) -> ObjectMeta:
        """What the service said of the object when the file was opened."""
        return self._file.meta

    def readable(self) -> bool:
        """It reads."""
        self._check()
        return True

    def tell(self) -> int:
        """The position in bytes."""
        self._check()
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move; sends nothing."""
        self._check()
        position = operator.index(offset)
        if whence == os.SEEK_CUR:
            position += self._position
        elif whence == os.SEEK_END:
            size = self._file.size
            position += self._portal.run(self._file.seek(0, os.SEEK_END)) if size is None else size
        elif whence != os.SEEK_SET:
            raise ValueError(f"invalid whence ({whence}, should be 0, 1 or 2)")
        if position < 0:
            # As a file's: zipfile tells by it that an archive is shorter than it can be.
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), self.name)
        if position != self._position:
            self._let_held_go()
            self._position = position
            self._worth = 0
        return position

    def expect(self, size: int) -> None:
        """The next ``size`` bytes will all be asked for: one request may bring them."""
        self._expected = size

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read up to as many bytes as ``buffer`` has: those that are there, and 0 only at the end."""
        self._check()
        view = memoryview(buffer)
        if view.readonly:
            raise TypeError("readinto() argument must be a read-write bytes-like object")
        view = view.cast("B")
        room = len(view)
        if not self._held and not self._fetch(room):
            return 0
        held, used, done = self._held, self._used, 0
        while held and done < room:
            piece = held[-1]
            count = min(len(piece) - used, room - done)
            view[done : done + count] = memoryview(piece)[used : used + count]
            done += count
            used += count
            if used == len(piece):
                held.pop()
                used = 0
        self._used = used
        self._position += done
        return done

    def readall(self) -> bytes:
        """All bytes that are left."""
        self._check()
        pieces: list[Buffer] = [*reversed(self._held)]
        if pieces:
            pieces[0] = memoryview(pieces[0])[self._used :]
        count = sum(map(len, pieces))
        if not self._ended(self._position + count):
            pieces.append(self._portal.run(self._rest(self._position + count)))
        data = bytes(pieces[0]) if len(pieces) == 1 else b"".join(pieces)
        self._let_held_go()
        self._position += len(data)
        return data

    def _ended(self, position: int) -> bool:
        size = self._file.size
        return size is not None and position >= size

    def _let_held_go(self) -> None:
        self._held.clear()
        self._used = 0

    async def _rest(self, position: int) -> bytes:
        self._file.move(position)
        return await self._file.read()

    def _fetch(self, room: int) -> bool:
        """Fill what is held, which is nothing; False at the end."""
        want, self._expected = max(room, self._expected), 0
        if not room or self._ended(self._position):
            return False
        # Who reads in order is brought more each time, as a way through the loop costs as much as copying 256 KiB.
        self._worth = min(2 * max(want, self._worth), AT_HAND)
        self._held = self._portal.run(self._file.fetch(self._position, want, self._worth, max(want, AT_HAND)))
        self._held.reverse()
        return bool(self._held)

    async def _close(self) -> None:
        await self._file.aclose()

    _abort = _close


class RawWriter(RawFile):
    """An object that is being written; published by ``close``, unless it was dropped or a write failed."""

    def __init__(self, file: BinaryWriter, name: str, mode: str) -> None:
        super().__init__(name, mode)
        self._file = file
        self.tells = False
        """Set while a text layer is put on: it takes only what can be moved in for a file that knows its position, and
        writes a byte order mark at its beginning."""
        # A write past io's buffer does not hold its lock. Reentrant, as a signal handler may write too.
        self._lock = threading.RLock()
        self._portal.run(file.__aenter__())

    @property
    def result(self) -> PutResult:
        """What the service answered, once the object was published."""
        return self._file.result

    def writable(self) -> bool:
        """It writes."""
        self._check()
        return True

    def seekable(self) -> bool:
        """It cannot be moved in."""
        self._check()
        return self.tells

    def tell(self) -> int:
        """The position in bytes."""
        self._check()
        return self._file.tell()

    def write(self, data: ReadableBuffer, /) -> int:
        """Take all of ``data``, waiting while too many parts before it are under way."""
        self._check()
        # The caller may change anything but bytes when this returns.
        kept = data if isinstance(data, bytes) else bytes(data)
        if not self._dropped:
            with self._lock:
                try:
                    self._portal.run(self._file.write(kept))
                except BaseException as error:
                    self._file.fail(error)
                    raise
        return len(kept)

    async def _close(self) -> None:
        await self._file.aclose()

    async def _abort(self) -> None:
        await self._file.abort()


class RawUpdater(Ending, io.FileIO):
    """An object that is read and written in place: its private copy, published by ``close`` if anything was changed."""

    def __init__(self, file: BinaryUpdater, name: str, mode: str) -> None:
        self._portal = portal.current()
        self._revision = file.revision
        self._changed = self._failed = False
        path = self._portal.run(self._revision.open())
        try:
            super().__init__(path, "a+" if "a" in mode else "r+")
        except BaseException:
            self._revision.remove()
            raise
        self.name = name

    @property
    def meta(self) -> ObjectMeta | None:
        """What the service said of the object that was copied; None if there was none."""
        return self._revision.meta

    @property
    def result(self) -> PutResult | None:
        """What the service answered, once the object was published."""
        return self._revision.result

    def fileno(self) -> int:
        """Refused: who writes past this object would be missed."""
        raise io.UnsupportedOperation("fileno")

    def write(self, data: ReadableBuffer, /) -> int:
        """Write to the copy."""
        self._changed = True
        try:
            return super().write(data)
        except BaseException:
            self._failed = True
            raise

    def truncate(self, size: int | None = None, /) -> int:
        """Make the copy ``size`` bytes long, or end it at the position; returns the size."""
        self._changed = True
        return super().truncate(size)

    def _close_base(self) -> None:
        io.FileIO.close(self)

    async def _close(self) -> None:
        if self._failed:
            self._revision.remove()
            raise StoreError(
                "a write failed half-way, so nothing is published; write the object again",
                key=self.name,
                operation="write",
            )
        await self._revision.commit(changed=self._changed)

    async def _abort(self) -> None:
        self._revision.remove()

    def _let_go(self) -> None:
        self._revision.remove()
