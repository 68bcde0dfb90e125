"""Binary files that are read: buffered, read ahead while the reading is in order, in small requests where it jumps."""

from __future__ import annotations

import asyncio
import operator
import sys
import time
from collections.abc import Awaitable, Callable

from aiostore._engine import codecs, dropped, own_write, proof, read
from aiostore._engine.context import Context
from aiostore._engine.pin import Pin
from aiostore._engine.stream import ReadAhead
from aiostore.errors import CorruptedError
from aiostore.files.beginning import compared, drained, head
from aiostore.files.decoded import Decoded
from aiostore.files.file import CLOSED, BinaryFile
from aiostore.handles import WritableBuffer
from aiostore.types import Buffer, GetOptions, GetResult, ObjectMeta

SEQUENTIAL = 2
"""So many requests in a row that each began where the one before ended, and the next one reads ahead."""


class BinaryReader(BinaryFile):
    """An object as a file; see :class:`~aiostore.protocol.AsyncBinaryFile`.

    It opens with the first ``buffer_size`` bytes, which are all there is of a small object. Who goes on behind them
    gets the whole object read ahead and verified. Elsewhere a read asks for what it wants and at least for
    ``buffer_size``, until reads turn out to be in order there too. ``context`` answers with the store's current
    context, so that a closed store is noticed.
    """

    __slots__ = ("_ahead", "_at", "_begin", "_buffer", "_buffer_size", "_concurrency", "_context", "_corrupted",
                 "_decoded", "_early", "_loop", "_options", "_pin", "_raw", "_run", "_size", "_stop",
                 "_store")  # fmt: skip

    def __init__(
        self,
        context: Callable[[], Context],
        key: str,
        mode: str,
        options: GetOptions,
        *,
        buffer_size: int,
        concurrency: int | None,
        raw: bool,
    ) -> None:
        self._ahead: ReadAhead | None = None
        super().__init__(key, mode)
        self._store = context
        self._context = context()
        self._options = options
        self._buffer_size = buffer_size
        self._concurrency = concurrency
        self._raw = raw
        self._pin: Pin | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        # The buffer holds the bytes from `_begin` on; the position is `_begin + _at`, which may lie outside of it.
        self._buffer = b""
        self._begin = 0
        self._at = 0
        self._stop = 0
        self._early = b""
        self._run = 0
        self._corrupted: CorruptedError | None = None
        self._decoded: Decoded | None = None
        # Of a compressed object it is not known before all of it was decoded.
        self._size = 0

    @property
    def meta(self) -> ObjectMeta:
        """What the service said of the object when the file was opened."""
        if self._pin is None:
            raise self._not_open(
                "the file was not opened yet: enter it with `async with`, or read from it",
                self._context.driver.location,
            )
        return own_write.hide(self._pin.meta)

    def readable(self) -> bool:
        """It reads."""
        self._check_open()
        return True

    def tell(self) -> int:
        """The position in bytes."""
        self._check_open()
        return self._begin + self._at

    async def seek(self, offset: int, whence: int = 0) -> int:
        """Move to ``offset`` from the beginning, the position (1) or the end (2). Sends nothing once it is open."""
        self._check()
        position = operator.index(offset)
        if whence == 1:
            position += self._begin + self._at
        elif whence == 2:
            position += await self._alone(self._end())
        elif whence != 0:
            raise ValueError(f"invalid whence ({whence}, should be 0, 1 or 2)")
        if position < 0:
            raise ValueError(f"negative seek position {position}")
        self.move(position)
        return position

    @property
    def size(self) -> int | None:
        """The number of bytes to read, once the file is open; None while that of decoded ones is not known yet."""
        return None if self._size == sys.maxsize else self._size

    def move(self, position: int) -> None:
        """Move to a position that is not negative."""
        self._at = position - self._begin

    async def read(self, size: int | None = -1) -> bytes:
        """The next ``size`` bytes, fewer only at the end; all that are left without ``size``."""
        self._check()
        begin = self._at
        if size is None or size < 0:
            size = -1
        elif 0 <= begin <= (end := begin + size) <= len(self._buffer):
            self._at = end
            return self._buffer[begin:end]
        return await self._alone(self._read(size))

    async def read1(self, size: int = -1) -> bytes:
        """At most ``size`` bytes, with at most one wait for more."""
        self._check()
        if size < 0:
            size = self._buffer_size
        return bytes(self._cut(size)) or await self._alone(self._read1(size))

    async def readinto(self, buffer: WritableBuffer) -> int:
        """Fill ``buffer``; returns the number of bytes, fewer than it holds only at the end."""
        view = memoryview(buffer).cast("B")
        if view.readonly:
            raise TypeError("readinto() argument must be a read-write bytes-like object")
        data = await self.read(len(view))
        view[: len(data)] = data
        return len(data)

    async def peek(self, size: int = 0) -> bytes:
        """At least ``size`` bytes and at least one, unless the end is nearer, without moving on."""
        self._check()
        size = max(size, 1)
        if not 0 <= self._at <= len(self._buffer) - size:
            await self._alone(self._look(size))
        return self._buffer[self._at : self._at + max(size, self._buffer_size)]

    async def readline(self, size: int | None = -1) -> bytes:
        """One line with its newline, at most ``size`` bytes of it."""
        self._check()
        limit = -1 if size is None or size < 0 else size
        line = self._line(limit)
        return await self._alone(self._readline(limit)) if line is None else line

    async def __anext__(self) -> bytes:
        self._check()
        line = self._line(-1)
        if line is None:
            line = await self._alone(self._readline(-1))
        if line:
            return line
        raise StopAsyncIteration

    async def fetch(self, position: int, want: int, worth: int, most: int) -> list[Buffer]:
        """``want`` bytes from ``position`` on unless the end is nearer; with what is at hand, about ``most`` bytes.

        ``worth`` bytes are waited for where that takes no longer than it takes the processor. For buffers that are kept
        elsewhere: the pieces come as they are, without being joined.
        """
        self._check()
        return await self._alone(self._fetch(position, want, worth, most))

    # --- out of the buffer

    def _cut(self, size: int) -> Buffer:
        """Up to ``size`` bytes of the buffer, not copied, moving on; none if the position is outside of it."""
        begin = self._at
        if begin < 0 or begin >= len(self._buffer):
            return b""
        piece = memoryview(self._buffer)[begin : begin + size]
        self._at = begin + len(piece)
        return self._buffer if len(piece) == len(self._buffer) else piece

    def _line(self, limit: int) -> bytes | None:
        """A line that lies in the buffer as a whole; None if none does."""
        begin = self._at
        if begin < 0:
            return None
        end = self._buffer.find(b"\n", begin) + 1
        if limit >= 0 and (not end or end > begin + limit):
            end = begin + limit
            if end > len(self._buffer):
                return None
        elif not end:
            return None
        self._at = end
        return self._buffer[begin:end]

    def _put_back(self, position: int, pieces: list[Buffer]) -> None:
        """Move back to ``position``, from where on ``pieces`` were taken, without losing any."""
        if pieces:
            rest = self._buffer[self._at :]
            self._buffer = b"".join([*pieces, rest])
            self._begin, self._at = position, 0

    # --- what waits

    async def _read(self, size: int) -> bytes:
        await self._opened()
        left = self._size - self.tell()
        size = left if size < 0 else min(size, left)
        return await self._take(size) if size > 0 else b""

    async def _read1(self, size: int) -> bytes:
        await self._opened()
        if size and self.tell() < self._size:
            if not 0 <= self._at < len(self._buffer):
                await self._load(size)
            return bytes(self._cut(size))
        return b""

    async def _fetch(self, position: int, want: int, worth: int, most: int) -> list[Buffer]:
        await self._opened()
        self.move(position)
        pieces: list[Buffer] = []
        count = 0
        while count < most and position + count < self._size:
            piece = self._cut(len(self._buffer))
            if not piece:
                ahead = self._ahead
                if count >= want and not (ahead and (ahead.at_hand or (ahead.is_near and count < worth))):
                    break
                await self._load(max(want - count, 1))
                continue
            pieces.append(piece)
            count += len(piece)
        return pieces

    async def _look(self, size: int) -> None:
        position = self.tell()
        data = await self._read(size)
        if data:
            self._put_back(position, [data])

    async def _readline(self, limit: int) -> bytes:
        await self._opened()
        position = self.tell()
        pieces: list[Buffer] = []
        count = 0
        try:
            while position + count < self._size:
                rest = -1 if limit < 0 else limit - count
                line = self._line(rest)
                if line is not None:
                    pieces.append(line)
                    break
                if piece := self._cut(len(self._buffer)):
                    pieces.append(piece)
                    count += len(piece)
                    continue
                await self._load(self._buffer_size)
        except BaseException:
            self._put_back(position, pieces)
            raise
        return b"".join(pieces)

    async def _take(self, size: int) -> bytes:
        """The next ``size`` bytes, if there are so many. If this fails or is cancelled, none of them is lost."""
        position = self.tell()
        pieces: list[Buffer] = []
        count = 0
        try:
            while True:
                if piece := self._cut(size - count):
                    pieces.append(piece)
                    count += len(piece)
                if count == size or position + count >= self._size:
                    return bytes(pieces[0]) if len(pieces) == 1 else b"".join(pieces)
                await self._load(size - count)
        except BaseException:
            self._put_back(position, pieces)
            raise

    # --- into the buffer

    async def _open(self) -> None:
        await self._opened()

    async def _opened(self) -> Pin:
        if self._pin is not None:
            return self._pin
        self._context = context = self._store()
        if context.integrity == "require" or not context.driver.capabilities.ranges:
            # Only the whole can be verified, or only the whole can be had.
            result = await read.first_answer(context, self._name, self._options)
            pin = Pin(self._name, self._options, result.meta)
            await self._read_ahead(pin, result, 0, result.meta.size)
        else:
            begun = time.monotonic()
            pin, self._buffer = await head(context, self._name, self._options, self._buffer_size)
            context.reads.nearest = min(context.reads.nearest, time.monotonic() - begun)
            self._early = self._buffer
        self._size = pin.meta.size
        if pin.meta.content_encoding is not None and not self._raw:
            undone = codecs.known(pin.meta.content_encoding)
            if undone:
                await self._drop()
                self._decoded = Decoded(context, self._name, undone, self._begin_again)
                self._buffer, self._size = b"", sys.maxsize
        self._pin = pin
        return pin

    async def _end(self) -> int:
        """The size of what is read, which of a compressed object is known when all of it was decoded."""
        await self._opened()
        position = self.tell()
        while self._decoded is not None and self._size == sys.maxsize:
            self.move(self._decoded.position)
            await self._load(self._buffer_size)
        self.move(position)
        return self._size

    async def _load(self, want: int) -> None:
        """Make the buffer begin at the position, with at least one byte in it; the object has bytes there."""
        if self._corrupted is not None:
            raise self._corrupted
        pin = await self._opened()
        context = self._store()
        position = self.tell()
        if self._decoded is not None:
            await self._decode(self._decoded, context, position)
            return
        size = pin.meta.size
        ahead = self._ahead
        if ahead is not None and (
            context is not self._context or not 0 <= position - ahead.position <= context.limits.gap
        ):
            await self._drop()
            ahead = None
        self._context = context
        if ahead is None:
            in_order = position == self._begin + len(self._buffer)
            self._run = self._run + 1 if in_order else 0
            if position + want >= size if position == 0 else in_order and position <= self._buffer_size:
                # All before was read: what follows is read together with it once more, to be verified as a whole.
                ahead = await self._read_ahead(pin, await pin.get(context.driver, None, None), 0, size)
            else:
                stop = size if self._run >= SEQUENTIAL else min(size, position + max(want, self._buffer_size))
                await read.verifier(context, GetOptions(start=position, stop=stop), pin.meta, "read")
                result = await pin.get(context.driver, position, stop)
                if stop - position <= context.limits.part_size and self._run < SEQUENTIAL:
                    self._buffer = await drained(context, pin, result, position, stop)
                    self._begin, self._at = position, 0
                    return
                ahead = await self._read_ahead(pin, result, position, stop)
        self._buffer = await self._arrival(ahead, position)
        self._begin, self._at = position, 0

    async def _decode(self, decoded: Decoded, context: Context, position: int) -> None:
        """Make the buffer hold ``position``, and learn the size if that is behind the end."""
        if context is not self._context:
            await self._drop()
            self._context = context
        try:
            begin, chunk = await decoded.chunk_at(position)
            if self._closed:
                raise ValueError(CLOSED)
        except BaseException:
            await self._drop()
            raise
        if not chunk:
            self._size = begin
            await self._drop()
        self._buffer, self._begin, self._at = chunk, begin, position - begin

    async def _begin_again(self) -> Callable[[], Awaitable[bytes]]:
        """Read the whole object ahead, from its first byte on."""
        await self._drop()
        pin = await self._opened()
        result = await pin.get(self._context.driver, None, None)
        return (await self._read_ahead(pin, result, 0, pin.meta.size)).next_chunk

    async def _read_ahead(self, pin: Pin, result: GetResult, start: int, stop: int) -> ReadAhead:
        try:
            whole = start == 0 and stop == pin.meta.size
            proofs, seed = await proof.begin(self._context, pin, self._options, result) if whole else ((), [])
            check = None
            if whole and not proofs:
                check = await read.verifier(self._context, self._options, result.meta, "read")
        except BaseException:
            await result.stream.aclose()
            raise
        self._loop = asyncio.get_running_loop()
        self._ahead = ReadAhead(
            self._context, pin, result, start, stop, self._concurrency, check, "read", proofs, seed, blocks=True
        )
        self._stop = stop
        return self._ahead

    async def _arrival(self, ahead: ReadAhead, position: int) -> bytes:
        """The next bytes read ahead, from ``position`` on; what lies before is skipped."""
        try:
            while True:
                chunk = await ahead.next_chunk()
                if self._closed or not chunk:
                    raise ValueError(CLOSED)
                if self._early:
                    self._early = compared(self._context, self._name, self._early, chunk, ahead.position - len(chunk))
                if ahead.position > position:
                    break
        except CorruptedError as error:
            self._corrupted = error
            await self._drop()
            raise
        except BaseException:
            await self._drop()
            raise
        if ahead.position == self._stop:
            await self._drop()
        skipped = len(chunk) - (ahead.position - position)
        return chunk[skipped:] if skipped else chunk

    # --- the end

    async def _drop(self) -> None:
        if self._decoded is not None:
            self._decoded.forget()
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            await ahead.aclose()

    async def aclose(self) -> None:
        """Close; ends every request of this file. Safe to repeat."""
        self._closed = True
        await self._drop()
        await self._settled()
        await self._drop()
        self._buffer = b""

    async def abort(self) -> None:
        """Close."""
        await self.aclose()

    def __del__(self) -> None:
        if self._ahead is not None and self._loop is not None:
            dropped.end(self._loop, self._ahead.aclose)
