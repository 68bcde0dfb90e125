"""Files that are read and written in place: a private copy on the local disk, published by a clean end alone.

The copy is an ordinary :class:`io.BufferedRandom`, or an :class:`io.TextIOWrapper` over it, used in worker threads.
"""

from __future__ import annotations

import asyncio
import io
import warnings
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar, TypeVarTuple, cast

from aiostore._engine import source
from aiostore._engine.revision import Revision
from aiostore._engine.settle import settle
from aiostore.errors import StoreError
from aiostore.files.file import BinaryFile, File
from aiostore.handles import WritableBuffer
from aiostore.types import Buffer, ObjectMeta, PutResult

T = TypeVar("T", bytes, str)
C = TypeVar("C", io.BufferedRandom, io.TextIOWrapper)
R = TypeVar("R")
Ts = TypeVarTuple("Ts")


class _Updater(File[T], Generic[T, C]):
    """What binary and text have in common: the private copy, steps on it in threads, and its end."""

    __slots__ = ("_changed", "_copy", "_failed", "_location", "_revision")

    def __init__(self, name: str, mode: str, revision: Revision, location: str) -> None:
        self._copy: C | None = None
        super().__init__(name, mode)
        self._revision = revision
        self._location = location
        self._changed = self._failed = False

    @property
    def revision(self) -> Revision:
        """The private copy."""
        return self._revision

    @property
    def meta(self) -> ObjectMeta:
        """What the service said of the object that was copied."""
        if self._revision.meta is None:
            raise self._not_open("there was no object, or the file was not opened yet", self._location)
        return self._revision.meta

    @property
    def result(self) -> PutResult:
        """What the service answered, once the object was published."""
        if self._revision.result is None:
            raise self._not_open("nothing was published yet: close the file first", self._location)
        return self._revision.result

    def readable(self) -> bool:
        """It reads."""
        self._check_open()
        return True

    def writable(self) -> bool:
        """It writes."""
        self._check_open()
        return True

    # --- steps on the copy

    async def _do(self, step: Callable[[C, *Ts], R], *arguments: *Ts) -> R:
        self._check()
        return await self._alone(self._step(step, *arguments))

    async def _change(self, step: Callable[[C, *Ts], R], *arguments: *Ts) -> R:
        self._check()
        self._changed = True
        try:
            return await self._alone(self._step(step, *arguments))
        except UnicodeError:
            raise  # of the text nothing was taken
        except BaseException:
            self._failed = True  # whoever wrote cannot know how much was taken
            raise

    async def _step(self, step: Callable[[C, *Ts], R], *arguments: *Ts) -> R:
        copy = await self._opened()
        # The thread must have ended before anything else is done with the file.
        return await settle(asyncio.to_thread(step, copy, *arguments))

    async def _opened(self) -> C:
        if self._copy is None:
            path = await self._revision.open()
            self._copy = self._over(io.BufferedRandom(io.FileIO(path, "a+" if "a" in self._mode else "r+")))
        return self._copy

    def _over(self, binary: io.BufferedRandom) -> C:
        """What is used of the copy."""
        raise NotImplementedError

    async def _open(self) -> None:
        await self._opened()

    def tell(self) -> int:
        """The position; behind what is there, if the file appends.

        Raises:
            StoreClosedError: if it appends and was not opened yet.
        """
        self._check()
        if self._copy is not None:
            return self._copy.tell()
        if "a" in self._mode:
            raise self._not_open("where the object ends is not known yet: enter the file first", self._location)
        return 0

    # --- the end

    async def aclose(self) -> None:
        """Publish the object, unless nothing was changed. Safe to repeat."""
        if self._closed:
            return
        try:
            self._check()
            await self._alone(self._commit())
        except BaseException as error:
            await self._give_up(error)
            raise
        self._closed = True

    async def _commit(self) -> None:
        await self._step(_close)
        if self._failed:
            raise StoreError(
                "a write was cancelled or failed half-way, so nothing is published; write the object again",
                key=self._name,
                operation="write",
                store=self._location,
            )
        await self._revision.commit(changed=self._changed)

    async def abort(self) -> None:
        """Close and publish nothing. Safe to repeat, and after ``aclose``, when it changes nothing."""
        if not self._closed:
            self._closed = True
            await self._settled()
            self._let_go()

    def _let_go(self) -> None:
        self._revision.remove()
        if self._copy is not None:
            _raw(self._copy).close()  # what the buffer holds is not wanted any more

    def __del__(self) -> None:
        if self._copy is not None and not self._closed:
            warnings.warn(f"unclosed file {self!r}: nothing is published", ResourceWarning, source=self, stacklevel=2)
            self._let_go()


class BinaryUpdater(_Updater[bytes, io.BufferedRandom], BinaryFile):
    """An object that is read and written in place; see :class:`~aiostore.protocol.AsyncBinaryFile`."""

    __slots__ = ()

    def _over(self, binary: io.BufferedRandom) -> io.BufferedRandom:
        return binary

    async def read(self, size: int | None = -1) -> bytes:
        """The next ``size`` bytes, fewer only at the end; all that are left without ``size``."""
        return await self._do(io.BufferedRandom.read, size)

    async def read1(self, size: int = -1) -> bytes:
        """At most ``size`` bytes: what is buffered, or what comes next."""
        return await self._do(io.BufferedRandom.read1, size)

    async def readinto(self, buffer: WritableBuffer) -> int:
        """Fill ``buffer``; returns the number of bytes, fewer than it holds only at the end."""
        return await self._do(io.BufferedRandom.readinto, buffer)

    async def readline(self, size: int | None = -1) -> bytes:
        """One line with its newline, at most ``size`` bytes of it."""
        return await self._do(io.BufferedRandom.readline, size)

    async def peek(self, size: int = 0) -> bytes:
        """At least ``size`` bytes and at least one, unless the end is nearer, without moving on."""
        return await self._do(_peek, size)

    async def seek(self, offset: int, whence: int = 0) -> int:
        """Move, as in a local file."""
        return await self._do(io.BufferedRandom.seek, offset, whence)

    async def write(self, data: Buffer) -> int:
        """Take all of ``data``; returns its length in bytes."""
        return await self._change(io.BufferedRandom.write, data if isinstance(data, bytes) else source.flat(data))

    async def writelines(self, lines: Iterable[Buffer]) -> None:
        """Write each item; newlines are not added."""
        self._check()
        for line in lines:
            await self.write(line)

    async def truncate(self, size: int | None = None) -> int:
        """Make it ``size`` bytes long, or end it at the position; returns the size."""
        return await self._change(io.BufferedRandom.truncate, size)

    async def flush(self) -> None:
        """Write what is buffered to the copy; nothing is published before the file is closed."""
        await self._do(io.BufferedRandom.flush)


class TextUpdater(_Updater[str, io.TextIOWrapper]):
    """An object that is read and written in place as text; see :class:`~aiostore.protocol.AsyncTextFile`."""

    __slots__ = ("_encoding", "_errors", "_newline")

    def __init__(
        self, name: str, mode: str, revision: Revision, location: str, encoding: str, errors: str, newline: str | None
    ) -> None:
        super().__init__(name, mode, revision, location)
        self._encoding = encoding
        self._errors = errors
        self._newline = newline

    def _over(self, binary: io.BufferedRandom) -> io.TextIOWrapper:
        return io.TextIOWrapper(binary, self._encoding, self._errors, self._newline)

    @property
    def encoding(self) -> str:
        """The encoding."""
        return self._encoding

    @property
    def errors(self) -> str:
        """What becomes of bytes or characters that cannot be decoded or encoded."""
        return self._errors

    @property
    def newlines(self) -> str | tuple[str, ...] | None:
        """The kinds of newline read so far, where they are recognised."""
        return None if self._copy is None else self._copy.newlines

    @property
    def buffer(self) -> BinaryUpdater:
        """Refused: two of them would lose what the other has buffered."""
        raise io.UnsupportedOperation(f"buffer: open {self._name!r} in binary mode to change its bytes")

    async def read(self, size: int | None = -1) -> str:
        """The next ``size`` characters, fewer only at the end; all that are left without ``size``."""
        return await self._do(io.TextIOWrapper.read, size)

    async def readline(self, size: int | None = -1) -> str:
        """One line with its newline, at most ``size`` characters of it."""
        return await self._do(io.TextIOWrapper.readline, -1 if size is None else size)

    async def seek(self, offset: int, whence: int = 0) -> int:
        """Move to the beginning (0), to what ``tell`` answered, or to the end (``seek(0, 2)``)."""
        return await self._do(io.TextIOWrapper.seek, offset, whence)

    async def write(self, text: str) -> int:
        """Take all of ``text``; returns its length in characters.

        Raises:
            UnicodeEncodeError: if the encoding lacks a character; nothing of ``text`` was taken then.
        """
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        return await self._change(io.TextIOWrapper.write, text)

    async def writelines(self, lines: Iterable[str]) -> None:
        """Write each item; newlines are not added."""
        self._check()
        for line in lines:
            await self.write(line)

    async def truncate(self, size: int | None = None) -> int:
        """Make it ``size`` bytes long, or end it at the position; returns the size."""
        return await self._change(io.TextIOWrapper.truncate, size)

    async def flush(self) -> None:
        """Write what is buffered to the copy; nothing is published before the file is closed."""
        await self._do(io.TextIOWrapper.flush)


def _close(copy: io.BufferedRandom | io.TextIOWrapper) -> None:
    copy.close()


def _raw(copy: io.BufferedRandom | io.TextIOWrapper) -> io.RawIOBase:
    return cast("io.BufferedRandom", copy.buffer).raw if isinstance(copy, io.TextIOWrapper) else copy.raw


def _peek(copy: io.BufferedRandom, size: int) -> bytes:
    # io's own shows what is buffered, however little that is.
    position = copy.tell()
    data = copy.read(max(size, 1))
    copy.seek(position)
    return data
