"""What every file has: a name, a mode, an end, and one operation at a time."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Iterable
from types import TracebackType
from typing import Generic, NoReturn, Self, TypeVar

from aiostore.errors import StoreClosedError, StoreError
from aiostore.handles import WritableBuffer
from aiostore.types import Buffer, ObjectMeta, PutResult

T = TypeVar("T", bytes, str)
R = TypeVar("R")

CLOSED = "I/O operation on closed file."
"""What :mod:`io` says."""


class File(Generic[T]):
    """A file that can do nothing yet: readers and writers override their half of the methods."""

    __slots__ = ("__weakref__", "_busy", "_closed", "_idle", "_mode", "_name")

    def __init__(self, name: str, mode: str) -> None:
        self._name = name
        self._mode = mode
        self._closed = False
        self._busy = False
        self._idle: asyncio.Future[None] | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self._name!r} mode={self._mode!r}{' closed' if self.closed else ''}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")

    @property
    def name(self) -> str:
        """The key of the object."""
        return self._name

    @property
    def mode(self) -> str:
        """The mode as it was given."""
        return self._mode

    @property
    def closed(self) -> bool:
        """Whether the file was closed or aborted."""
        return self._closed

    @property
    def meta(self) -> ObjectMeta:
        """What the service said of the object that is read."""
        raise io.UnsupportedOperation("a writer knows nothing of the object that was there")

    @property
    def result(self) -> PutResult:
        """What the service answered to the write."""
        raise io.UnsupportedOperation("a reader has written nothing")

    # --- one operation at a time

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError(CLOSED)

    def _check(self) -> None:
        """Raise ValueError if the file is closed, RuntimeError while another operation waits."""
        self._check_open()
        if self._busy:
            raise RuntimeError(
                f"{self._name!r}: another task is in the middle of an operation on this file, which would get mixed"
                " bytes; let one task at a time use it, or open it twice"
            )

    async def _alone(self, step: Awaitable[R]) -> R:
        """Carry out a step that waits; ``_check`` came first."""
        self._busy = True
        try:
            return await step
        finally:
            self._busy = False
            if self._idle is not None and not self._idle.done():
                self._idle.set_result(None)

    async def _settled(self) -> None:
        """Wait until no operation is under way."""
        while self._busy:
            if self._idle is None or self._idle.done():
                self._idle = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._idle)

    def _not_open(self, message: str, store: str) -> StoreClosedError:
        return StoreClosedError(message, key=self._name, operation="open", store=store)

    def _unsupported(self, what: str) -> io.UnsupportedOperation:
        self._check_open()
        return io.UnsupportedOperation(f"not {what}: {self._name!r} is open in mode {self._mode!r}")

    # --- what only one half of the files can

    def readable(self) -> bool:
        """Whether it reads."""
        self._check_open()
        return False

    def writable(self) -> bool:
        """Whether it writes."""
        self._check_open()
        return False

    def seekable(self) -> bool:
        """Whether it can be moved in."""
        return self.readable()

    async def read(self, size: int | None = -1) -> T:
        """Refused: it is a writer."""
        raise self._unsupported("readable")

    async def readline(self, size: int | None = -1) -> T:
        """Refused: it is a writer."""
        raise self._unsupported("readable")

    async def readlines(self, hint: int | None = -1) -> list[T]:
        """The lines that are left; no further one once they are longer than ``hint`` in all."""
        lines: list[T] = []
        count = 0
        while line := await self.readline():
            lines.append(line)
            count += len(line)
            if hint is not None and 0 < hint < count:
                break
        return lines

    async def seek(self, offset: int, whence: int = 0) -> int:
        """Refused: it is a writer."""
        raise self._unsupported("seekable")

    def tell(self) -> int:
        """The position."""
        raise NotImplementedError

    async def truncate(self, size: int | None = None) -> int:
        """Refused: an object that is read stays as it is, and what was written may have been sent."""
        raise self._unsupported("resizable")

    async def flush(self) -> None:
        """Nothing is buffered by a reader."""
        self._check_open()

    # --- opening and closing

    async def _open(self) -> None:
        """Do what has to be done before anything else; nothing the second time."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Close."""
        raise NotImplementedError

    async def abort(self) -> None:
        """Close and publish nothing."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        self._check()
        await self._alone(self._open())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            await self.aclose()
        else:
            await self._give_up(error)

    async def _give_up(self, error: BaseException) -> None:
        """Publish nothing because of ``error``, which is raised; a failure to clean up is noted there."""
        try:
            await self.abort()
        except StoreError as failure:
            error.add_note(f"what was written to {self._name!r} could not be removed: {failure}")

    def __aiter__(self) -> AsyncIterator[T]:
        self._check_open()
        return self

    async def __anext__(self) -> T:
        line = await self.readline()
        if line:
            return line
        raise StopAsyncIteration


class BinaryFile(File[bytes]):
    """A binary file that can do nothing yet."""

    __slots__ = ()

    async def readall(self) -> bytes:
        """All bytes that are left."""
        return await self.read()

    async def read1(self, size: int = -1) -> bytes:
        """Refused: it is a writer."""
        raise self._unsupported("readable")

    async def readinto(self, buffer: WritableBuffer) -> int:
        """Refused: it is a writer."""
        raise self._unsupported("readable")

    async def peek(self, size: int = 0) -> bytes:
        """Refused: it is a writer."""
        raise self._unsupported("readable")

    async def write(self, data: Buffer) -> int:
        """Refused: it is a reader."""
        raise self._unsupported("writable")

    async def writelines(self, lines: Iterable[Buffer]) -> None:
        """Refused: it is a reader."""
        raise self._unsupported("writable")
