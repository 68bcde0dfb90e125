"""The answer to a request: its status, its headers, and its body as it arrives."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import EMPTY_PAYLOAD, ClientPayloadError, StreamReader

from aiostore._http.exchange import Exchange, harmless
from aiostore._http.receiver import LEAST_AT_ONCE, MOST_AT_ONCE, WORTH, Receiver
from aiostore.errors import StoreClosedError, TransientError

_CLOSED = "the answer's body was closed before its end"


class Response:
    """A :class:`~aiostore.types.ByteStream` with the head that came before it.

    Header names are matched in any case. The body is as it was sent, never decompressed. The connection goes back to
    the pool as soon as the last byte has *arrived*, read or not.
    """

    __slots__ = ("_exchange", "_open_ended", "_payload", "_receiver", "_rest", "content_length", "headers", "status")

    def __init__(
        self, status: int, headers: Mapping[str, str], length: int | None, payload: StreamReader, exchange: Exchange
    ) -> None:
        self.status = status
        self.headers = headers
        self.content_length = length
        self._rest = b""
        self._payload: StreamReader | None = payload
        self._receiver: Receiver | None = None
        self._exchange = exchange
        self._open_ended = length is None and "Transfer-Encoding" not in headers and payload is not EMPTY_PAYLOAD
        if payload.is_eof():
            self._take(payload)
        elif length is not None and length - payload.total_bytes >= WORTH and "Transfer-Encoding" not in headers:
            self._receiver = exchange.receive(payload, length)
            if self._receiver is not None:
                self._payload = None

    async def next_chunk(self) -> bytes:
        """The next bytes as they arrive, of any size; ``b""`` is the end, and every call after it.

        Raises:
            ConnectionLostError: if the body ends before the length that its head announced.
            RequestTimeoutError: if too few bytes come within the stall window.
            StoreClosedError: if it was closed before its end.
        """
        if self._receiver is not None:
            return await self._next(self._receiver)
        if (payload := self._payload) is not None:
            if not payload.is_eof():
                return await self._receive(payload)
            self._take(payload)
        if chunk := self._rest:
            self._rest = b""
        elif self._exchange.error is not None:
            raise self._exchange.error
        return chunk

    async def read(self) -> bytes:
        """All bytes that are left, in one buffer; closes the stream.

        Raises as `next_chunk`, and the error's ``received`` is what came before it.
        """
        receiver = self._receiver
        if receiver is not None:
            if LEAST_AT_ONCE <= receiver.rest <= MOST_AT_ONCE and not receiver.complete:
                return await self._whole(receiver)
        elif self._payload is None and self._exchange.error is None:
            chunk, self._rest = self._rest, b""
            return chunk
        chunks = []
        try:
            while chunk := await self.next_chunk():
                chunks.append(chunk)
        except TransientError as error:
            error.received = b"".join(chunks)
            raise
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def aclose(self) -> None:
        """Drop the connection if bytes are still to come. Safe to repeat, and never raises; waits for nothing."""
        if (receiver := self._receiver) is not None:
            self._receiver = None
            if receiver.rest and self._exchange.error is None:
                self._exchange.error = StoreClosedError(_CLOSED)
            self._exchange.close()
        if (payload := self._payload) is not None:
            self._payload = None
            if not payload.at_eof() and self._exchange.error is None:
                self._exchange.error = StoreClosedError(_CLOSED)
            self._exchange.close()

    async def _next(self, receiver: Receiver) -> bytes:
        while True:
            if chunk := receiver.take():
                return chunk
            if receiver.complete:
                self._receiver = None
                return b""
            await self._wait(receiver)

    async def _whole(self, receiver: Receiver) -> bytes:
        receiver.receive_whole()
        try:
            while not receiver.complete:
                await self._wait(receiver)
        except TransientError as error:
            error.received = receiver.take()
            raise
        self._receiver = None
        return receiver.take()

    async def _wait(self, receiver: Receiver) -> None:
        exchange = self._exchange
        if (error := receiver.error) is None:
            exchange.reading = True
            try:
                await receiver.wait()
            finally:
                exchange.reading = False
        else:
            exchange.close()
            self._receiver = None
            raise exchange.lost(error, answered=True) from harmless(error)

    def _take(self, payload: StreamReader) -> None:
        """Take over what is left of a body that has arrived as a whole.

        The public way of reading it would also wake up the connection, which may be another request's by now.
        """
        self._payload = None
        if buffer := getattr(payload, "_buffer", None):
            self._rest = buffer[0] if len(buffer) == 1 else b"".join(buffer)
            buffer.clear()
        if self._open_ended:
            self._look_for_cut()

    def _look_for_cut(self) -> None:
        """See whether a body without a length was ended by the other side, or lost with its connection.

        The parser takes both for its end.
        """
        error = self._exchange.protocol.exception()
        if isinstance(error, OSError):
            self._exchange.lost(error, answered=True)

    async def _receive(self, payload: StreamReader) -> bytes:
        exchange = self._exchange
        exchange.reading = True
        try:
            chunk, boundary = await payload.readchunk()
            while boundary and not chunk:
                # Only the end of a chunk of the transfer coding, not of the body.
                chunk, boundary = await payload.readchunk()
        except (ClientPayloadError, OSError) as error:
            exchange.close()
            self._payload = None
            raise exchange.lost(error, answered=True) from harmless(error)
        finally:
            exchange.reading = False
        if not chunk and self._open_ended:
            self._look_for_cut()
        if not chunk and exchange.error is not None:
            # A body without a length ends with its connection, also with one that the stall watch aborts.
            raise exchange.error
        return chunk

    def __del__(self) -> None:
        if self._payload is not None or self._receiver is not None:
            self._exchange.forget()
