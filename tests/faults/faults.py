"""What can go wrong with one exchange of a request and its answer; each is a value that :class:`FaultProxy` acts out.

Offsets count bytes of the body, without chunk marks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from tests.faults.http1 import Head, Sink


class Cut(Exception):  # noqa: N818 - a signal, not an error
    """End the client's connection now, by a reset or, cleanly, by a FIN."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__("reset" if reset else "closed")
        self.reset = reset


class Wire(Protocol):
    """The client's connection, as a fault sees it."""

    @property
    def client_port(self) -> int:
        """The client's own."""
        ...

    async def hold(self, seconds: float | None = None, until: asyncio.Event | None = None) -> None:
        """Move nothing for a time, or until an event, or for ever; ends when the client leaves."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """No fault at all: everything passes unchanged. Each of the others overrides the moment at which it strikes."""

    def edit_request(self, head: Head) -> None:
        """Change the request's head before the upstream sees it."""

    async def upload(self, wire: Wire, offset: int, piece: bytes, send: Sink) -> None:
        """Pass on a piece of the request's body."""
        await send(piece)

    async def before_response(self, wire: Wire) -> None:
        """Something to do when the upstream has answered and the client does not know yet."""

    def edit_response(self, head: Head) -> None:
        """Change the answer's head."""

    async def download(self, wire: Wire, offset: int, piece: bytes, send: Sink) -> None:
        """Pass on a piece of the answer's body."""
        await send(piece)

    async def after_body(self, wire: Wire, send: Sink) -> None:
        """Something to do when the client has the whole body but not yet its end mark."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Fault):
    """The proxy answers; the upstream never hears of the request, or with ``forward`` does what it asks for first."""

    status: int = 503
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    forward: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetRequest(Fault):
    """Reset as soon as the request's head has come, or when ``after`` bytes of its body have; see also Reset."""

    after: int = 0

    async def upload(self, wire: Wire, offset: int, piece: bytes, send: Sink) -> None:
        if offset + len(piece) >= self.after:
            raise Cut(reset=True)
        await send(piece)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoseResponse(Fault):
    """The upstream does what is asked and answers, but the client sees its connection end instead."""

    reset: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CutResponse(Fault):
    """End the connection when exactly ``after`` bytes of the body have been delivered; None: after the last of them.

    With a length or chunks as framing the client knows that something is missing, except after the last byte.
    """

    after: int | None
    reset: bool = True

    async def download(self, wire: Wire, offset: int, piece: bytes, send: Sink) -> None:
        if self.after is not None and offset + len(piece) >= self.after:
            await send(piece[: self.after - offset])
            raise Cut(reset=self.reset)
        await send(piece)

    async def after_body(self, wire: Wire, send: Sink) -> None:
        raise Cut(reset=self.reset)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall(Fault):
    """Stop moving bytes in one direction when ``after`` bytes have passed, for ``seconds`` or for ever."""

    direction: Literal["upload", "download"] = "download"
    after: int = 0
    seconds: float | None = None

    async def upload(self, wire: Wire, offset: int, piece: bytes, send: Sink) -> None:
        await self._pass(wire, offset, piece, send, stalls=self.direction == "upload")

    async def download(self, wire: Wire, offset: int, piece: bytes, send: Sink) -> None:
        await self._pass(wire, offset, piece, send, stalls=self.direction == "download")

    async def _pass(self, wire: Wire, offset: int, piece: bytes, send: Sink, *, stalls: bool) -> None:
        if not stalls or not offset <= self.after < offset + len(piece):
            await send(piece)
            return
        await send(piece[: self.after - offset])
        await wire.hold(self.seconds)
        await send(piece[self.after - offset :])


@dataclass(frozen=True, slots=True, kw_only=True)
class Drip(Fault):
    """Deliver the body in drops of ``size`` bytes, one per ``interval`` seconds."""

    size: int = 1
    interval: float = 1.0

    async def download(self, wire: Wire, offset: int, piece: bytes, send: Sink) -> None:
        for start in range(0, len(piece), self.size):
            await send(piece[start : start + self.size])
            await wire.hold(self.interval)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay(Fault):
    """Hold the finished answer back, head and all, for ``seconds`` or until an event is set."""

    seconds: float | None = None
    until: asyncio.Event | None = None

    async def before_response(self, wire: Wire) -> None:
        await wire.hold(self.seconds, self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip(Fault):
    """Change the body's byte at ``at``, and nothing that would show it."""

    at: int
    mask: int = 0xFF

    async def download(self, wire: Wire, offset: int, piece: bytes, send: Sink) -> None:
        if offset <= self.at < offset + len(piece):
            changed = bytearray(piece)
            changed[self.at - offset] ^= self.mask
            piece = bytes(changed)
        await send(piece)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pad(Fault):
    """Send more bytes than Content-Length announced, then close."""

    extra: bytes = b"more"

    async def after_body(self, wire: Wire, send: Sink) -> None:
        await send(self.extra)
        raise Cut(reset=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class EditRequest(Fault):
    """Set (or, with None, remove) fields of the request before the upstream sees it."""

    headers: Mapping[str, str | None]

    def edit_request(self, head: Head) -> None:
        for name, value in self.headers.items():
            head.set(name, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class EditResponse(Fault):
    """Set (or, with None, remove) fields of the answer; after a wrong Content-Length the connection is closed."""

    headers: Mapping[str, str | None] = field(default_factory=dict)
    status: int | None = None

    def edit_response(self, head: Head) -> None:
        for name, value in self.headers.items():
            head.set(name, value)
        if self.status is not None:
            head.start = f"HTTP/1.1 {self.status} Edited"


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseAfter(Fault):
    """Answer as usual, say nothing of closing, and then close the connection under the client."""

    reset: bool = False


def ignore_range() -> EditRequest:
    """The upstream answers 200 with everything to whoever asks for a part."""
    return EditRequest(headers={"range": None})


def slow_down(retry_after: str | None = None) -> Answer:
    """S3's way of saying that there are too many requests."""
    headers = {"Content-Type": "application/xml"} | ({"Retry-After": retry_after} if retry_after else {})
    body = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
    return Answer(status=503, headers=headers, body=body)
