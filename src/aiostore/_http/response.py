"""The answer to a request: its status, its headers, and its body as it arrives."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import ClientPayloadError, StreamReader

from aiostore._http.exchange import Exchange
from aiostore.errors import StoreClosedError


class Response:
    """A :class:`~aiostore.types.ByteStream` with the head that came before it.

    Header names are matched in any case. The body is as it was sent, never decompressed. The connection goes back to
    the pool as soon as the last byte has *arrived*, read or not.
    """

    __slots__ = ("_closed", "_exchange", "_payload", "content_length", "headers", "status")

    def __init__(
        self, status: int, headers: Mapping[str, str], length: int | None, payload: StreamReader, exchange: Exchange
    ) -> None:
        self.status = status
        self.headers = headers
        self.content_length = length
        self._payload = payload
        self._exchange = exchange
        self._closed = False

    async def next_chunk(self) -> bytes:
        """The next bytes as they arrive, of any size; ``b""`` is the end, and every call after it.

        Raises:
            ConnectionLostError: if the body ends before the length that its head announced.
            RequestTimeoutError: if too few bytes come within the stall window.
            StoreClosedError: if it was closed before its end.
        """
        payload = self._payload
        if payload.is_eof() and not self._closed:
            chunk = payload.read_nowait(-1)
            if not chunk:
                self._check()
            return chunk
        return await self._receive()

    async def read(self) -> bytes:
        """All bytes that are left, in one buffer; closes the stream. Raises as `next_chunk`."""
        payload = self._payload
        if payload.is_eof() and not self._closed:
            self._check()
            return payload.read_nowait(-1)
        chunks = []
        while chunk := await self._receive():
            chunks.append(chunk)
        return b"".join(chunks)

    async def aclose(self) -> None:
        """Drop the connection if bytes are still to come. Safe to repeat, and never raises; waits for nothing."""
        if not self._payload.at_eof():
            self._closed = True
        self._exchange.close()

    def _check(self) -> None:
        # A body without a length ends with its connection, also with one that the stall watch has aborted.
        if self._exchange.error is not None:
            raise self._exchange.error

    async def _receive(self) -> bytes:
        exchange = self._exchange
        if self._closed:
            raise exchange.error or StoreClosedError("the answer's body was closed before its end")
        exchange.reading = True
        try:
            chunk = await self._payload.readany()
        except (ClientPayloadError, OSError) as error:
            exchange.close()
            raise exchange.lost(error, answered=True) from error
        finally:
            exchange.reading = False
        if not chunk:
            self._check()
        return chunk

    def __del__(self) -> None:
        self._exchange.forget()
