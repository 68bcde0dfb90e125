"""Binary files that are written: small writes collected, parts sent meanwhile, published by a clean end alone."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable, Iterable

from aiostore._engine import dropped, source
from aiostore._engine.append import Appender
from aiostore._engine.context import Context
from aiostore._engine.encoding import EncodedWriter
from aiostore._engine.write import Writer
from aiostore.errors import StoreClosedError, StoreError
from aiostore.files.file import BinaryFile
from aiostore.types import Buffer, PutResult


class BinaryWriter(BinaryFile):
    """An object that is being written as a file; see :class:`~aiostore.protocol.AsyncBinaryFile`.

    Writes of less than ``buffer_size`` bytes are collected before ``sink`` gets them; ``bytes`` of at least that are
    handed on without a copy.
    """

    __slots__ = ("_block", "_buffer_size", "_context", "_failure", "_loop", "_opened", "_position", "_result", "_sink",
                 "_store")  # fmt: skip

    def __init__(
        self,
        context: Callable[[], Context],
        key: str,
        mode: str,
        sink: Writer | EncodedWriter | Appender,
        *,
        buffer_size: int,
    ) -> None:
        self._opened = False
        super().__init__(key, mode)
        self._store = context
        self._context = context()
        self._sink = sink
        self._buffer_size = buffer_size
        self._loop: asyncio.AbstractEventLoop | None = None
        self._block = bytearray()
        self._position = 0
        self._failure: BaseException | None = None
        self._result: PutResult | None = None

    @property
    def result(self) -> PutResult:
        """What the service answered, once the object was published."""
        if self._result is None:
            raise self._not_open("nothing was published yet: close the file first", self._context.driver.location)
        return self._result

    def writable(self) -> bool:
        """It writes."""
        self._check_open()
        return True

    def tell(self) -> int:
        """The position in bytes; behind what is there, if the file appends.

        Raises:
            StoreClosedError: if it appends and was not opened yet.
        """
        self._check_open()
        if not self._opened and isinstance(self._sink, Appender):
            raise self._not_open(
                "where the object ends is not known yet: enter the file with `async with`, or write to it",
                self._context.driver.location,
            )
        return self._position

    async def write(self, data: Buffer) -> int:
        """Take all of ``data``, waiting while too many parts before it are under way; returns its length in bytes."""
        self._check()
        if not isinstance(data, bytes):
            data = source.flat(data)
        size = len(data)
        block = self._block
        if self._opened and len(block) + size < self._buffer_size:
            block += data
        else:
            await self._alone(self._take(data))
        self._position += size
        return size

    async def writelines(self, lines: Iterable[Buffer]) -> None:
        """Write each item; newlines are not added."""
        self._check()
        for line in lines:
            await self.write(line)

    async def flush(self) -> None:
        """Hand on what is buffered; nothing is published before the file is closed."""
        self._check()
        await self._alone(self._take(b""))

    async def _take(self, data: Buffer) -> None:
        await self._open()
        try:
            if len(self._block):
                if len(data) < self._buffer_size:
                    self._block += data
                    data = b""
                block, self._block = self._block, bytearray()
                await self._hand_on(block)
            if data:
                # The caller may change anything but bytes as soon as this returns.
                await self._hand_on(data if isinstance(data, bytes) else bytes(data))
        except BaseException as error:
            self._failure = error
            raise

    async def _hand_on(self, data: Buffer) -> None:
        self._check_store()
        await self._sink.write(data)
        self._check_open()  # which another task may have changed meanwhile

    def _check(self) -> None:
        super()._check()
        failure = self._failure
        if isinstance(failure, StoreError):
            raise failure
        if failure is not None:
            raise StoreError(
                "a write was cancelled or failed half-way, so nothing is published; write the object again",
                key=self._name,
                operation="write",
                store=self._context.driver.location,
            ) from failure

    def fail(self, error: BaseException) -> None:
        """Publish nothing, because whoever wrote cannot know how much was taken when ``error`` came."""
        if self._failure is None:
            self._failure = error

    def _check_store(self) -> None:
        if self._store() is not self._context:
            raise StoreClosedError(
                "the store was closed under the open file, so nothing is published; close files first",
                key=self._name,
                operation="write",
                store=self._context.driver.location,
            )

    async def _open(self) -> None:
        if not self._opened:
            if isinstance(self._sink, Appender):
                self._position = await self._sink.open()
            self._loop = asyncio.get_running_loop()
            self._opened = True

    async def aclose(self) -> None:
        """Publish the object. Safe to repeat."""
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
        await self._take(b"")
        self._check_store()
        self._result = await self._sink.commit()

    async def abort(self) -> None:
        """Close and publish nothing. Safe to repeat, and after ``aclose``, when it changes nothing."""
        if self._closed:
            return
        self._closed = True
        self._block = bytearray()
        # An operation of another task goes on in the sink: only when it has ended nothing more can begin there.
        await self._settled()
        await self._sink.abort()

    def __del__(self) -> None:
        if self._opened and not self._closed:
            warnings.warn(f"unclosed file {self!r}: nothing is published", ResourceWarning, source=self, stacklevel=2)
            if self._loop is not None:
                dropped.end(self._loop, self._sink.abort)
