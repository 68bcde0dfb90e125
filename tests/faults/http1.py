"""As much of HTTP/1.1 as a proxy needs: message heads, and where a body ends (RFC 9112, sections 2 to 7)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Framing: TypeAlias = int | Literal["chunked", "close"]
"""How a body ends: after so many bytes, with an empty chunk, or with the connection."""

Sink: TypeAlias = Callable[[bytes], Awaitable[None]]

PIECE = 65536


@dataclass(slots=True)
class Head:
    """The start line and the header fields of a message, in their order and spelling."""

    start: str
    headers: list[tuple[str, str]] = field(default_factory=list)

    def get(self, name: str) -> str | None:
        """A field's first value; names are compared without case."""
        return next((value for field_name, value in self.headers if field_name.lower() == name.lower()), None)

    def set(self, name: str, value: str | None) -> None:
        """Replace a field by one value; None removes it."""
        self.headers = [(other, kept) for other, kept in self.headers if other.lower() != name.lower()]
        if value is not None:
            self.headers.append((name, value))

    @property
    def status(self) -> int:
        """A response's status."""
        return int(self.start.split(" ", 2)[1])

    def encode(self) -> bytes:
        """As it goes over the wire."""
        lines = [self.start, *(f"{name}: {value}" for name, value in self.headers)]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """The next message's head; None if the connection ended before it."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    start, *lines = raw[:-4].decode("latin-1").split("\r\n")
    fields = (line.partition(":") for line in lines)
    return Head(start, [(name, value.strip()) for name, _, value in fields])


def request_framing(head: Head) -> Framing:
    """How a request's body ends."""
    if "chunked" in (head.get("transfer-encoding") or "").lower():
        return "chunked"
    return int(head.get("content-length") or 0)


def response_framing(head: Head, method: str) -> Framing:
    """How the body of the answer to ``method`` ends."""
    if method == "HEAD" or head.status in (204, 304) or head.status < 200:
        return 0
    if "chunked" in (head.get("transfer-encoding") or "").lower():
        return "chunked"
    length = head.get("content-length")
    return "close" if length is None else int(length)


async def copy_body(reader: asyncio.StreamReader, framing: Framing, sink: Sink) -> None:
    """Hand a body to ``sink`` piece by piece, without its chunk marks.

    Raises:
        asyncio.IncompleteReadError: if the connection ends before the body does.
    """
    if framing == "close":
        while piece := await reader.read(PIECE):
            await sink(piece)
    elif framing == "chunked":
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            await _copy(reader, size, sink)
            await reader.readexactly(2)
        while await reader.readuntil(b"\r\n") != b"\r\n":
            pass
    else:
        await _copy(reader, framing, sink)


async def _copy(reader: asyncio.StreamReader, count: int, sink: Sink) -> None:
    while count:
        piece = await reader.read(min(count, PIECE))
        if not piece:
            raise asyncio.IncompleteReadError(b"", count)
        count -= len(piece)
        await sink(piece)


class BodyWriter:
    """Writes a body in the given framing."""

    def __init__(self, writer: asyncio.StreamWriter, framing: Framing) -> None:
        self._writer = writer
        self._chunked = framing == "chunked"

    async def send(self, piece: bytes) -> None:
        """Write some bytes and wait until the connection takes more."""
        if not piece:
            return
        self._writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if self._chunked else piece)
        await self._writer.drain()

    async def end(self) -> None:
        """Mark the body's end, where the framing has a mark."""
        if self._chunked:
            self._writer.write(b"0\r\n\r\n")
            await self._writer.drain()
