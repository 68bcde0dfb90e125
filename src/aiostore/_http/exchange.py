"""One request and its answer on one connection."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from aiohttp import ClientError, ClientPayloadError, ClientResponseError, ServerDisconnectedError, StreamReader
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import HttpProcessingError

from aiostore._http.receiver import Receiver
from aiostore.errors import ConnectionLostError

if TYPE_CHECKING:
    from aiostore._http.session import Lease, Session

_LOSSES = (ClientError, HttpProcessingError, OSError)

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER's value that makes close() discard what was not sent, and say so."""

Waits = Literal["send", "response", "body", ""]


class Exchange:
    """What the caller's coroutine, the stall watch and the parser's callbacks share of one request.

    It refers to no `Response`: a response that its owner forgets is collected, and takes this down with it.
    """

    __slots__ = (
        "_lease",
        "_session",
        "cut",
        "error",
        "mark",
        "payload",
        "protocol",
        "queued",
        "quiet",
        "reading",
        "sending",
        "slow",
    )

    def __init__(self, session: Session, lease: Lease, *, slow: bool) -> None:
        self._session = session
        self._lease: Lease | None = lease
        self.protocol: ResponseHandler = lease.protocol
        self.slow = slow
        self.error: BaseException | None = None
        self.cut = False
        self.payload: StreamReader | Receiver | None = None
        self.sending = False
        self.reading = False
        self.queued = 0
        self.mark = 0
        self.quiet = 0

    # --- what the stall watch asks ----------------------------------------------------------------------------------

    @property
    def waits(self) -> Waits:
        """What the other side owes: to take bytes, to answer, to send bytes; nothing while our own side is slow."""
        if self.payload is not None:
            return "body" if self.reading else ""
        if self._unsent():
            return "send"
        return "" if self.sending else "response"

    @property
    def moved(self) -> int:
        """Bytes so far, of the request while it is sent, then of the answer's body."""
        payload = self.payload
        return self.queued - self._unsent() if payload is None else payload.total_bytes

    def _unsent(self) -> int:
        transport = self.protocol.transport
        return 0 if transport is None else transport.get_write_buffer_size()

    # --- how it ends ------------------------------------------------------------------------------------------------

    def answered(self, payload: StreamReader) -> None:
        """The head of the answer is there: from now on its body is watched, and its end gives the connection back."""
        self.payload = payload
        self.mark = self.quiet = 0
        payload.on_eof(self.finish)

    def receive(self, payload: StreamReader, length: int) -> Receiver | None:
        """Receive what is left of ``length`` bytes without the parser; None if the connection is gone already."""
        lease, transport = self._lease, self.protocol.transport
        if lease is None or transport is None or transport.is_closing() or payload.exception() is not None:
            return None
        lease.interrupt()
        self.payload = receiver = Receiver(self, payload, length)
        return receiver

    def finish(self) -> None:
        """All is sent and received: give the connection back."""
        if (lease := self._lease) is not None:
            self._lease = None
            self._session.watch.discard(self)
            if self.cut:
                lease.close()
            else:
                lease.release()

    def sent(self, sender: asyncio.Task[None]) -> None:
        """The task that sent the body has ended: the answer is due, or will not come."""
        self.sending = False
        if not sender.cancelled() and (error := sender.exception()) is not None:
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """Wake whoever waits for this exchange, with ``error``."""
        if self._lease is not None:
            if self.error is None:
                self.error = error
            self._withdraw()
            transport = self.protocol.transport
            if transport is not None:
                transport.abort()

    def close(self) -> None:
        """Drop the connection unless the exchange is over. Safe to repeat, and never raises."""
        if (lease := self._lease) is not None:
            self._lease = None
            self._session.watch.discard(self)
            self._withdraw()
            lease.close()

    def _withdraw(self) -> None:
        """See to it that closing the connection resets it, if the request is not answered.

        The kernel would deliver what it still holds of the request, whenever the other side takes it: a write that was
        given up would happen after one that came later.
        """
        transport = self.protocol.transport
        if self.payload is None and transport is not None:
            sock = transport.get_extra_info("socket")
            if sock is not None:
                with suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)

    def forget(self) -> None:
        """`close` from wherever the garbage collector runs: another thread, another process, after the loop's end."""
        if self._lease is not None:
            self._session.forget(self)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop of its session."""
        return self._session.loop

    def lost(self, error: BaseException, *, answered: bool) -> BaseException:
        """What ``error``, which broke this exchange, means: what was recorded before it, or a lost connection."""
        if self.error is None and isinstance(error, _LOSSES):
            if isinstance(error, HttpProcessingError):
                reason = f"the answer is not valid HTTP: {error.message.strip().splitlines()[0]}"
            elif isinstance(error, ServerDisconnectedError):
                reason = "the connection was closed before an answer came"
            elif isinstance(error, ClientPayloadError):
                # What follows may be bytes of the answer.
                reason = str(error).partition(":")[0] or "the body is not complete"
            else:
                reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            self.error = ConnectionLostError(reason, answered=answered)
        return self.error or error


def harmless(error: BaseException) -> BaseException | None:
    """``error`` as the cause of another, unless it quotes an answer or a request: credentials may be repeated there."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, (HttpProcessingError, ClientResponseError)):
            return None
        link = link.__cause__ or link.__context__
    return error
