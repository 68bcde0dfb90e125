"""One client's connection: its requests go upstream and the answers come back, with what a fault makes of them."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
import urllib.parse
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from tests.faults.faults import Answer, CloseAfter, Cut, Fault, LoseResponse, ResetRequest
from tests.faults.http1 import BodyWriter, Head, copy_body, read_head, request_framing, response_framing

BUFFER = 262144
LINGER = 1.0
"""Seconds for which a connection that is being closed still listens, as servers do."""
FLUSH = 5.0
POLL = 0.01
ESTABLISHED, CLOSED = 1, 7
NO_FAULT = Fault()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as it came. Names of fields are in lower case, the path is as it was sent."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    connection: int
    """The number of the connection it came over, from 1."""
    reused: bool
    """Whether it is not the first one there."""


@dataclass(slots=True, kw_only=True)
class Exchange:
    """A request and what became of it."""

    request: Request
    fault: Fault | None = None
    status: int | None = None
    """What the client was told; None if it was told nothing."""
    received: int = 0
    """Bytes of the request's body that went upstream."""
    sent: int = 0
    """Bytes of the answer's body that went to the client."""


class Connection:
    """A client's connection; each request gets an upstream connection of its own."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        number: int,
        upstream: tuple[str, int],
        begin: Callable[[Request], Exchange],
        changed: Callable[[], None],
    ) -> None:
        self.number = number
        self.idle = True
        """Whether it waits for a first or next request."""
        self._reader = reader
        self._writer = writer
        self._upstream = upstream
        self._begin = begin
        self._changed = changed
        self._requests = 0

    async def serve(self) -> None:
        """Handle requests until either side closes.

        Raises:
            Cut: if a fault ends the connection.
        """
        while (head := await read_head(self._reader)) is not None:
            self.idle = False
            exchange = self._begin(self._request(head))
            self._requests += 1
            if not await self._exchange(head, exchange):
                await self._linger()
                return
            self.idle = True
            self._changed()

    async def flushed(self) -> None:
        """Wait until the client's machine has everything that was written: a reset would discard what it has not."""
        deadline = time.monotonic() + FLUSH
        while self._unsent() and time.monotonic() < deadline:
            await asyncio.sleep(POLL / 10)

    def end(self, *, reset: bool) -> None:
        """End the connection, whatever is under way."""
        if reset:
            with suppress(OSError):
                option = struct.pack("ii", 1, 0)
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
            self._writer.transport.abort()
        else:
            self._writer.close()

    async def close(self) -> None:
        """Release the socket."""
        self._writer.close()
        with suppress(OSError, asyncio.CancelledError):
            await self._writer.wait_closed()

    async def hold(self, seconds: float | None = None, until: asyncio.Event | None = None) -> None:
        """Let time pass; see :class:`tests.faults.faults.Wire`."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while not (until is not None and until.is_set()):
            left = POLL if deadline is None else min(POLL, deadline - time.monotonic())
            if left <= 0:
                return
            if self._client_left():
                raise Cut(reset=True)
            await asyncio.sleep(left)

    @property
    def client_port(self) -> int:
        """The client's own."""
        return int(self._writer.get_extra_info("peername")[1])

    @property
    def _socket(self) -> socket.socket:
        found: socket.socket = self._writer.get_extra_info("socket")
        return found

    def _unsent(self) -> int:
        import fcntl  # Unix only
        import termios

        if self._writer.transport.is_closing() or self._state() == CLOSED:
            return 0
        queued = fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
        return self._writer.transport.get_write_buffer_size() + int(struct.unpack("i", queued)[0])

    def _client_left(self) -> bool:
        # Not by reading: what is held back must stay where it is, so that the client's buffers fill up.
        if self._writer.transport.is_closing():
            return True
        return self._state() != ESTABLISHED

    def _state(self) -> int:
        return self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]

    def _request(self, head: Head) -> Request:
        method, target, _ = head.start.split(" ", 2)
        path, _, query = target.partition("?")
        return Request(
            method=method,
            path=path,
            query=dict(urllib.parse.parse_qsl(query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in head.headers},
            connection=self.number,
            reused=self._requests > 0,
        )

    async def _exchange(self, head: Head, exchange: Exchange) -> bool:
        """Act out one request; returns whether the connection can take another."""
        fault = exchange.fault or NO_FAULT
        if isinstance(fault, ResetRequest) and not fault.after:
            raise Cut(reset=True)
        if isinstance(fault, Answer) and not fault.forward:
            if head.get("expect") is None:
                await copy_body(self._reader, request_framing(head), _discard)
            await self._answer(fault, exchange)
            return head.get("expect") is None
        reader, writer = await asyncio.open_connection(*self._upstream, limit=BUFFER)
        upload = asyncio.create_task(self._upload(head, exchange, fault, writer))
        download = asyncio.create_task(self._download(head, exchange, fault, reader))
        try:
            await asyncio.wait({upload, download}, return_when=asyncio.FIRST_COMPLETED)
            if not download.done():
                upload.result()
            keep = await download
            return keep and upload.done() and upload.exception() is None
        finally:
            # Before anything is waited for: a proxy that is left cancels whatever wait this is in.
            writer.transport.abort()
            upload.cancel()
            download.cancel()
            await asyncio.gather(upload, download, return_exceptions=True)
            with suppress(OSError):
                await writer.wait_closed()

    async def _upload(self, head: Head, exchange: Exchange, fault: Fault, writer: asyncio.StreamWriter) -> None:
        fault.edit_request(head)
        framing = request_framing(head)
        body = BodyWriter(writer, framing)
        offset = 0

        async def send(piece: bytes) -> None:
            exchange.received += len(piece)
            # An upstream that has answered already may have stopped listening; its answer tells the rest.
            with suppress(OSError):
                await body.send(piece)

        async def take(piece: bytes) -> None:
            nonlocal offset
            await fault.upload(self, offset, piece, send)
            offset += len(piece)

        writer.write(head.encode())
        await copy_body(self._reader, framing, take)
        with suppress(OSError):
            await body.end()

    async def _download(self, head: Head, exchange: Exchange, fault: Fault, reader: asyncio.StreamReader) -> bool:
        method = exchange.request.method
        answer = await read_head(reader)
        while answer is not None and answer.status == 100:
            self._writer.write(answer.encode())
            answer = await read_head(reader)
        if answer is None:
            raise Cut(reset=True)
        framing = response_framing(answer, method)
        length = answer.get("content-length")
        if isinstance(fault, LoseResponse | Answer):
            await copy_body(reader, framing, _discard)
            if isinstance(fault, LoseResponse):
                raise Cut(reset=fault.reset)
            await self._answer(fault, exchange)
            return True
        fault.edit_response(answer)
        await fault.before_response(self)
        exchange.status = answer.status
        body = BodyWriter(self._writer, framing)
        offset = 0

        async def send(piece: bytes) -> None:
            await body.send(piece)
            exchange.sent += len(piece)

        async def give(piece: bytes) -> None:
            nonlocal offset
            await fault.download(self, offset, piece, send)
            offset += len(piece)

        self._writer.write(answer.encode())
        await self._writer.drain()
        await copy_body(reader, framing, give)
        await fault.after_body(self, send)
        await body.end()
        if isinstance(fault, CloseAfter):
            raise Cut(reset=fault.reset)
        wants_close = "close" in (head.get("connection") or "").lower() + (answer.get("connection") or "").lower()
        return framing != "close" and length == answer.get("content-length") and not wants_close

    async def _answer(self, fault: Answer, exchange: Exchange) -> None:
        head = Head(f"HTTP/1.1 {fault.status} Fault", [("Content-Length", str(len(fault.body)))])
        for name, value in fault.headers.items():
            head.set(name, value)
        exchange.status = fault.status
        self._writer.write(head.encode())
        if exchange.request.method != "HEAD":
            self._writer.write(fault.body)
            exchange.sent = len(fault.body)
        await self._writer.drain()

    async def _linger(self) -> None:
        """Close so that the client can still read its answer although it may not be done sending."""
        with suppress(OSError, TimeoutError):
            self._writer.write_eof()
            async with asyncio.timeout(LINGER):
                while await self._reader.read(BUFFER):
                    pass


async def _discard(_piece: bytes) -> None:
    pass
