"""Text files over binary ones: decoding, encoding and newlines as :class:`io.TextIOWrapper` does them."""

from __future__ import annotations

import codecs
import io
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar, TypeVarTuple

from aiostore.files.cookie import Cookie, Decoder, locate
from aiostore.files.file import File
from aiostore.files.reader import BinaryReader
from aiostore.files.writer import BinaryWriter
from aiostore.types import ObjectMeta, PutResult

CHUNK = 64 * 1024
"""Bytes that are decoded at once."""

R = TypeVar("R")
Ts = TypeVarTuple("Ts")


class _TextFile(File[str]):
    """What text readers and writers share: the binary file below, and how its bytes are text."""

    __slots__ = ("_binary", "_encoding", "_errors")

    def __init__(self, binary: BinaryReader | BinaryWriter, mode: str, encoding: str, errors: str) -> None:
        super().__init__(binary.name, mode)
        self._binary = binary
        self._encoding = encoding
        self._errors = errors

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
        return None

    @property
    def buffer(self) -> BinaryReader | BinaryWriter:
        """The binary file below."""
        return self._binary

    @property
    def closed(self) -> bool:
        """Whether the file was closed or aborted."""
        return self._binary.closed

    @property
    def meta(self) -> ObjectMeta:
        """What the service said of the object that is read."""
        return self._binary.meta

    @property
    def result(self) -> PutResult:
        """What the service answered to the write."""
        return self._binary.result

    def readable(self) -> bool:
        """Whether it reads."""
        return self._binary.readable()

    def writable(self) -> bool:
        """Whether it writes."""
        return self._binary.writable()

    def tell(self) -> int:
        """The position in bytes."""
        return self._binary.tell()

    async def write(self, text: str) -> int:
        """Refused: it is a reader."""
        raise self._unsupported("writable")

    async def writelines(self, lines: Iterable[str]) -> None:
        """Refused: it is a reader."""
        raise self._unsupported("writable")

    async def flush(self) -> None:
        """Hand on what is buffered."""
        await self._binary.flush()

    async def _open(self) -> None:
        await self._binary._open()

    async def aclose(self) -> None:
        """Close."""
        await self._binary.aclose()

    async def abort(self) -> None:
        """Close and publish nothing."""
        await self._binary.abort()


class TextReader(_TextFile):
    """An object that is read as text; see :class:`~aiostore.protocol.AsyncTextFile`."""

    __slots__ = ("_decoder", "_newline", "_snapshot", "_text", "_used")

    _binary: BinaryReader

    def __init__(self, binary: BinaryReader, mode: str, encoding: str, errors: str, newline: str | None) -> None:
        super().__init__(binary, mode, encoding, errors)
        decoder = codecs.getincrementaldecoder(encoding)(errors)
        self._decoder: Decoder = (
            decoder if newline else io.IncrementalNewlineDecoder(decoder, translate=newline is None)
        )
        self._newline = "\n" if newline is None else newline
        # `_text` is what the bytes of the snapshot decode to, from its state on; its first `_used` characters are read.
        self._snapshot = (0, b"")
        self._text = ""
        self._used = 0

    @property
    def newlines(self) -> str | tuple[str, ...] | None:
        """The kinds of newline read so far, where they are recognised."""
        return self._decoder.newlines if isinstance(self._decoder, io.IncrementalNewlineDecoder) else None

    async def read(self, size: int | None = -1) -> str:
        """The next ``size`` characters, fewer only at the end; all that are left without ``size``."""
        self._check()
        if size is None or size < 0:
            return await self._alone(self._undone(self._read_all))
        if size <= len(self._text) - self._used:
            return self._cut(self._used + size)
        return await self._alone(self._undone(self._read, size))

    async def readline(self, size: int | None = -1) -> str:
        """One line with its newline, at most ``size`` characters of it."""
        self._check()
        limit = -1 if size is None or size < 0 else size
        line = self._line(limit)
        return await self._alone(self._undone(self._readline, limit)) if line is None else line

    async def __anext__(self) -> str:
        self._check()
        line = self._line(-1)
        if line is None:
            line = await self._alone(self._undone(self._readline, -1))
        if line:
            return line
        raise StopAsyncIteration

    def tell(self) -> int:
        """The place, as a number that ``seek`` takes."""
        self._check()
        flags, data = self._snapshot
        return locate(self._decoder, self._binary.tell() - len(data), flags, data, self._used).pack()

    async def seek(self, offset: int, whence: int = 0) -> int:
        """Move to the beginning (0), to what ``tell`` answered, or to the end (``seek(0, 2)``).

        Raises:
            io.UnsupportedOperation: if it is another place relative to the position or the end.
        """
        self._check()
        if whence == 1:
            if offset:
                raise io.UnsupportedOperation("can't do nonzero cur-relative seeks")
            return self.tell()
        if whence == 2:
            if offset:
                raise io.UnsupportedOperation("can't do nonzero end-relative seeks")
            position = await self._alone(self._binary.seek(0, 2))
            self._decoder.reset()
            self._snapshot, self._text, self._used = (0, b""), "", 0
            return position
        if whence != 0:
            raise ValueError(f"invalid whence ({whence}, should be 0, 1 or 2)")
        if offset < 0:
            raise ValueError(f"negative seek position {offset}")
        await self._alone(self._undone(self._go_to, offset))
        return offset

    # --- out of the decoded text

    def _cut(self, end: int) -> str:
        piece = self._text[self._used : end]
        self._used = end
        return piece

    def _line(self, limit: int) -> str | None:
        """A line that was decoded as a whole; None if none was."""
        end = self._line_end()
        if limit >= 0 and (end < 0 or end > self._used + limit):
            end = self._used + limit
            if end > len(self._text):
                return None
        return None if end < 0 else self._cut(end)

    def _line_end(self) -> int:
        text, begin = self._text, self._used
        if self._newline:
            end = text.find(self._newline, begin)
            return end if end < 0 else end + len(self._newline)
        feed = text.find("\n", begin)
        carriage = text.find("\r", begin) if feed < 0 else text.find("\r", begin, feed)
        if carriage < 0:
            return feed if feed < 0 else feed + 1
        return carriage + 2 if feed == carriage + 1 else carriage + 1

    # --- what waits

    async def _undone(self, step: Callable[[*Ts], Awaitable[R]], *arguments: *Ts) -> R:
        """Carry out ``step``; if it fails or is cancelled, the file is where it was."""
        binary, decoder = self._binary, self._decoder
        position, state = binary.tell(), decoder.getstate()
        text = self._snapshot, self._text, self._used
        try:
            return await step(*arguments)
        except BaseException:
            if not binary.closed:
                binary.move(position)
                decoder.setstate(state)
                self._snapshot, self._text, self._used = text
            raise

    async def _read_all(self) -> str:
        rest = self._cut(len(self._text))
        data = await self._binary.read()
        text = rest + self._decoder.decode(data, final=True)
        self._snapshot, self._text, self._used = (0, b""), "", 0
        return text

    async def _read(self, size: int) -> str:
        pieces = []
        more = True
        while True:
            piece = self._cut(min(len(self._text), self._used + size))
            pieces.append(piece)
            size -= len(piece)
            if not size or not more:
                return "".join(pieces)
            more = await self._decode()

    async def _readline(self, limit: int) -> str:
        pieces = []
        more = True
        while (line := self._line(limit)) is None:
            end = len(self._text)
            if more and self._newline == "\r\n" and self._text.endswith("\r", self._used):
                end -= 1  # its other half may come with the next bytes
            piece = self._cut(end)
            pieces.append(piece)
            if not more:
                return "".join(pieces)
            if limit >= 0:
                limit -= len(piece)
            more = await self._decode()
        return "".join([*pieces, line])

    async def _decode(self) -> bool:
        """Decode the next bytes behind the text; False if there are none."""
        held, flags = self._decoder.getstate()
        data = await self._binary.read1(CHUNK)
        text = self._decoder.decode(data, final=not data)
        if self._used < len(self._text):
            self._text += text
            self._snapshot = self._snapshot[0], self._snapshot[1] + data
        else:
            self._text, self._used = text, 0
            self._snapshot = flags, held + data
        return bool(data)

    async def _go_to(self, number: int) -> None:
        place = Cookie.unpack(number)
        await self._binary.seek(place.start)
        if number:
            self._decoder.setstate((b"", place.flags))
        else:
            self._decoder.reset()
        data = await self._binary.read(place.feed)
        text = self._decoder.decode(data, final=place.final) if place.skip else ""
        if len(text) < place.skip:
            raise OSError("can't restore logical file position")
        self._snapshot, self._text, self._used = (place.flags, data), text, place.skip


class TextWriter(_TextFile):
    """An object that is being written as text; see :class:`~aiostore.protocol.AsyncTextFile`.

    A newline is written as ``newline`` says, and as it is if that is None or empty.
    """

    __slots__ = ("_begun", "_encoder", "_newline")

    _binary: BinaryWriter

    def __init__(self, binary: BinaryWriter, mode: str, encoding: str, errors: str, newline: str | None) -> None:
        super().__init__(binary, mode, encoding, errors)
        self._encoder = codecs.getincrementalencoder(encoding)(errors)
        self._newline = newline or "\n"
        self._begun = False

    async def write(self, text: str) -> int:
        """Take all of ``text``; returns its length in characters.

        Raises:
            UnicodeEncodeError: if the encoding lacks a character; nothing of ``text`` was taken then.
        """
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._check()
        if not self._begun:
            await self._alone(self._begin())
        written = text if self._newline == "\n" else text.replace("\n", self._newline)
        await self._binary.write(self._encoder.encode(written))
        return len(text)

    async def _begin(self) -> None:
        await self._binary.flush()
        if self._binary.tell():
            self._encoder.setstate(0)  # no byte order mark in the middle of a file
        self._begun = True

    async def writelines(self, lines: Iterable[str]) -> None:
        """Write each item; newlines are not added."""
        self._check()
        for line in lines:
            await self.write(line)
