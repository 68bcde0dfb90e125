"""The rest of a long body, received straight into the memory that is handed out.

aiohttp's parser copies every body twice, and its TLS reads are copied once more. Where the length is known there is
nothing to parse: once the head is there, the connection is given another protocol, until the last byte has come.
"""

from __future__ import annotations

import asyncio
from collections import deque
from io import BytesIO
from typing import TYPE_CHECKING

from aiohttp import ClientPayloadError
from aiohttp.client_proto import ResponseHandler

from aiostore.room import unfilled

if TYPE_CHECKING:
    from aiohttp import StreamReader

    from aiostore._http.exchange import Exchange

WORTH = 64 * 1024
"""Bytes that must still be due: changing the protocol costs about as much as copying these."""

SMALLEST = 16 * 1024
LARGEST = 256 * 1024
"""Bytes of the pieces a body is received in; they fit into a processor's cache."""

MOST_READY = 2
"""Full pieces that wait for the reader before the connection is paused."""

LEAST_AT_ONCE = 2 * 1024**2
"""Bytes that are worth one buffer: fewer are received and joined in pieces while they are in the processor's cache."""

MOST_AT_ONCE = 64 * 1024**2
"""Bytes that are allocated because a head announced them; longer bodies are received piece by piece."""


class Receiver(asyncio.BufferedProtocol):
    """Receives the last bytes of a body whose first ones the parser has; then gives the connection back.

    The pieces are buffers of `BytesIO`, which gives its bytes away without copying them. Each has room for one byte
    more than is due, so that a body which is too long shows.
    """

    __slots__ = ("_exchange", "_filled", "_handler", "_left", "_loop", "_paused", "_piece", "_ready", "_size", "_view",
                 "_waiter", "_whole", "error", "rest", "total_bytes")  # fmt: skip

    def __init__(self, exchange: Exchange, payload: StreamReader, length: int) -> None:
        """Take ``exchange``'s connection over; ``payload`` has what the parser has read of ``length`` bytes."""
        handler = exchange.protocol
        self._exchange: Exchange | None = exchange
        self._loop = exchange.loop
        self._handler: ResponseHandler = handler
        self._ready: deque[bytes | BytesIO] = deque(payload._buffer)
        payload._buffer.clear()
        self.rest = length
        self.total_bytes = payload.total_bytes
        self._left = length - payload.total_bytes
        self._size = LARGEST // 2
        self._piece = BytesIO()
        self._view: memoryview | None = None
        self._filled = 0
        self._paused = False
        self._whole = False
        self._waiter: asyncio.Future[None] | None = None
        self.error: BaseException | None = None
        # The parser is in the middle of a body that it will not see the end of: the next exchange makes a new one.
        handler._payload = None
        handler._parser = None
        handler._reading_paused = False
        self._connect(self)

    def _connect(self, protocol: asyncio.BaseProtocol) -> None:
        transport = self._handler.transport
        if transport is not None and not transport.is_closing():
            # uvloop's sockets look at the kind of protocol only when they begin to read.
            transport.pause_reading()
            transport.set_protocol(protocol)
            transport.resume_reading()

    # --- what the loop calls ------------------------------------------------------------------------------------------

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go."""
        view = self._view
        if view is None:
            self._piece = BytesIO(unfilled(min(self._size, self._left + 1)))
            view = self._view = self._piece.getbuffer()
        return view[self._filled :] if self._filled else view

    def buffer_updated(self, nbytes: int) -> None:
        """``nbytes`` have come."""
        exchange, view = self._exchange, self._view
        if exchange is None or view is None:
            return
        self._left -= nbytes
        if self._left < 0:
            # Nobody knows what this is: the connection is not used again.
            exchange.cut = True
            nbytes -= 1
        self.total_bytes += nbytes
        self._filled += nbytes
        if self._left <= 0:
            self._exchange = None
            self._connect(self._handler)
            exchange.finish()
        elif self._whole:
            return
        elif self._filled == len(view):
            self._size = min(2 * self._size, LARGEST)
            self._ready.append(self._piece)
            self._view, self._filled = None, 0
            if len(self._ready) >= MOST_READY and (transport := self._handler.transport) is not None:
                self._paused = True
                transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """The transport closes itself."""

    def connection_lost(self, exc: BaseException | None) -> None:
        """No more bytes will come."""
        lost = isinstance(exc, OSError)
        self.error = exc if lost else ClientPayloadError("the connection was closed before the end of the body")
        self._exchange = None
        self._handler.connection_lost(exc)
        self._wake()

    def pause_writing(self) -> None:
        """A request that is still being sent waits as it did before."""
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        """See `pause_writing`."""
        self._handler.resume_writing()

    # --- what the response calls --------------------------------------------------------------------------------------

    @property
    def complete(self) -> bool:
        """Whether all bytes have come."""
        return self._left <= 0

    def take(self) -> bytes:
        """The next bytes, of those that have come; ``b""`` if there are none."""
        if self._ready:
            piece = self._ready.popleft()
            if self._paused:
                self._paused = False
                if (transport := self._handler.transport) is not None and not transport.is_closing():
                    transport.resume_reading()
        elif self._filled:
            if 4 * self._filled < self._size:
                self._size = max(self._size // 2, SMALLEST)
            piece = self._end_piece()
        else:
            return b""
        # Within `buffer_updated`, where the loop still holds the buffer, this would copy it.
        chunk = piece if isinstance(piece, bytes) else piece.getvalue()
        self.rest -= len(chunk)
        return chunk

    def receive_whole(self) -> None:
        """Receive all that is left into one buffer, which `take` returns once it is `complete`."""
        size, chunks = self.rest, []
        while chunk := self.take():
            chunks.append(chunk)
        self._piece = BytesIO(unfilled(size + 1))
        view = self._view = self._piece.getbuffer()
        filled = 0
        for chunk in chunks:
            view[filled : filled + len(chunk)] = chunk
            filled += len(chunk)
        self._filled, self.rest, self._whole = filled, size, True

    async def wait(self) -> None:
        """Until more bytes, the end or an error have come."""
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _end_piece(self) -> BytesIO:
        """The piece that is being received, as far as it is filled."""
        piece, view, filled = self._piece, self._view, self._filled
        self._view, self._filled, self._whole = None, 0, False
        if view is not None:
            size = len(view)
            view.release()
            if filled < size:
                try:
                    piece.truncate(filled)
                except BufferError:
                    # A connection that was reset: the traceback of the loop's error still holds the buffer.
                    return BytesIO(piece.getvalue()[:filled])
        return piece

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
