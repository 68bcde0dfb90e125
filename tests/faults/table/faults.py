"""What goes wrong: every fault that a network backend must survive, acted out by the proxy or by a faulty driver.

A fault strikes each primitive that it can happen to the first time an operation uses it, so that one cell of the table
is every request of that operation going wrong once.
"""

from __future__ import annotations

import asyncio
import email.utils
import resource
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import ClassVar
from unittest import mock

from aiostore import ConnectionLostError, RateLimitedError, RequestTimeoutError, StoreError, UnavailableError
from aiostore.testing import Call, Cut, Flip
from aiostore.testing import Fault as DriverFault
from aiostore.types import ByteStream
from tests.faults import faults as wire
from tests.faults.http1 import Head, Sink
from tests.faults.proxy import Rule
from tests.faults.relay import Request
from tests.faults.table.backend import Backend, Bucket, Scene, Settings
from tests.faults.table.cells import PATIENCE, Cell, primitive_of_call
from tests.faults.table.impatience import DripInAnswer, Impatience, Late, StallInAnswer, StallInRequest

READS = frozenset({"get", "get_range"})
CHANGES = frozenset(
    {"put", "put_part", "complete_multipart", "delete", "delete_many", "copy", "rename", "set_metadata", "set_tags"}
)
"""Without create_multipart: an upload whose creation was not answered cannot be told from somebody else's."""
ASKS = READS | {"head", "list_page", "get_tags", "list_ranges"}
EVERY = CHANGES | ASKS | {"create_multipart"}


class TableFault:
    """Goes wrong once for each primitive that it strikes. A new one is made for every cell.

    ``elsewhere`` says of an operation that uses none of these primitives why it cannot be struck; it is empty if that
    is not a matter of primitives.
    """

    name: ClassVar[str]
    primitives: ClassVar[frozenset[str]] = frozenset()
    times: ClassVar[int | None] = 1
    elsewhere: ClassVar[str] = "it sends no request that this can happen to"

    def __init__(self) -> None:
        self.rules: dict[str, Rule] = {}
        self.first: First | None = None

    @classmethod
    def strikes(cls, backend: Backend | None) -> frozenset[str]:
        """The primitives that it can happen to."""
        return cls.primitives

    def settings(self, bucket: Bucket | None) -> Settings:
        """How the store must be made for the fault to show."""
        return Settings()

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault | None:
        """What the proxy does to a request of this primitive; None if that is not how this fault is made."""
        return None

    def in_the_driver(self, cell: Cell) -> First | None:
        """What a driver without a network does."""
        return None

    @asynccontextmanager
    async def during(self, cell: Cell, primitives: frozenset[str]) -> AsyncIterator[None]:
        """The operation happens inside, and uses ``primitives``."""
        if cell.backend is not None and cell.proxy is not None:
            for primitive in sorted(primitives & self.strikes(cell.backend)):
                fault = self.on_the_wire(cell, primitive)
                if fault is not None:
                    when = _is(cell.backend, primitive)
                    self.rules[primitive] = cell.proxy.inject(fault, when=when, times=self.times)
        elif cell.faulty is not None and (first := self.in_the_driver(cell)) is not None:
            self.first = first
            cell.faulty.plan = [first]
        yield

    def assert_struck(self, cell: Cell, primitives: frozenset[str], *, every: bool) -> None:
        """It has happened: to one of the primitives, or to ``every`` one that it can happen to."""
        struck = primitives & self.strikes(cell.backend)
        assert struck, f"{self.name!r} cannot happen to {sorted(primitives)}: write a rule that says so"
        if cell.proxy is not None:
            missed: frozenset[str] | set[str] = {
                primitive for primitive, rule in self.rules.items() if not rule.applied
            } | (struck - self.rules.keys())
        else:
            missed = struck - (self.first.struck if self.first is not None else set())
        assert not missed or (not every and missed < struck), f"{self.name!r} did not strike {sorted(missed)}"


def _is(backend: Backend, primitive: str) -> Callable[[Request], bool]:
    return lambda request: backend.primitive_of(request) == primitive


class First(DriverFault):
    """Happens to the first call of each of the primitives: an error before or after it, or another body."""

    def __init__(
        self,
        strikes: frozenset[str],
        error: Callable[[], StoreError] | None = None,
        *,
        lost: bool = False,
        body: Callable[[Call], DriverFault] | None = None,
        then: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self._strikes = strikes
        self._error = error
        self._lost = lost
        self._body = body
        self._then = then
        self.struck: set[str] = set()

    def _is_due(self, call: Call) -> bool:
        primitive = primitive_of_call(call)
        if primitive not in self._strikes or primitive in self.struck:
            return False
        self.struck.add(primitive)
        return True

    async def before(self, call: Call) -> None:
        if self._error is not None and not self._lost and self._is_due(call):
            raise self._error()

    async def after(self, call: Call) -> None:
        if self._error is not None and self._lost and self._is_due(call):
            raise self._error()
        if self._then is not None and self._is_due(call):
            await self._then()

    def body(self, call: Call, stream: ByteStream) -> ByteStream:
        if self._body is not None and self._is_due(call):
            return self._body(call).body(call, stream)
        return stream


class Clean(TableFault):
    """Nothing goes wrong: the operation uses the primitives that it says it does, with the bodies that there are."""

    name = "none"
    primitives = EVERY

    def assert_struck(self, cell: Cell, primitives: frozenset[str], *, every: bool) -> None:
        if cell.backend is not None and cell.proxy is not None:
            used = set()
            for exchange in cell.proxy.exchanges:
                primitive = cell.backend.primitive_of(exchange.request)
                used.add(primitive)
                assert (exchange.received > 0) == (primitive in cell.backend.request_bodies), primitive
                assert (exchange.sent > 0) == (primitive in cell.backend.answer_bodies), primitive
        else:
            assert cell.faulty is not None
            used = {primitive_of_call(call) for call in cell.faulty.calls}
        assert used == primitives


# --- connections ------------------------------------------------------------------------------------------------------


class OfConnections(TableFault):
    """Strikes whatever request comes first."""

    primitives = EVERY

    def assert_struck(self, cell: Cell, primitives: frozenset[str], *, every: bool) -> None:
        assert cell.retries >= 1, f"{self.name!r} went unnoticed"


class Refused(OfConnections):
    name = "connection refused"

    @asynccontextmanager
    async def during(self, cell: Cell, primitives: frozenset[str]) -> AsyncIterator[None]:
        assert cell.proxy is not None
        refusing = asyncio.Event()

        async def refuse_once() -> None:
            assert cell.proxy is not None
            async with cell.proxy.refused():
                refusing.set()
                while not cell.retries:
                    await asyncio.sleep(0.001)

        task = asyncio.create_task(refuse_once())
        await refusing.wait()
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})


class ResetOnAccept(OfConnections):
    name = "connection reset on accept"

    @asynccontextmanager
    async def during(self, cell: Cell, primitives: frozenset[str]) -> AsyncIterator[None]:
        assert cell.proxy is not None
        cell.proxy.reset_on_accept()
        yield


class NoName(OfConnections):
    name = "DNS failure"

    def settings(self, bucket: Bucket | None) -> Settings:
        return Settings(host="localhost")

    @asynccontextmanager
    async def during(self, cell: Cell, primitives: frozenset[str]) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        resolve = loop.getaddrinfo
        failures = [socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")]

        async def fail_once(*arguments: object, **options: object) -> object:
            if failures:
                raise failures.pop()
            return await resolve(*arguments, **options)  # type: ignore[arg-type]  # handed on as they came

        with mock.patch.object(loop, "getaddrinfo", fail_once):
            yield


async def _warm(cell: Cell) -> None:
    """Leave one connection idle."""
    assert cell.proxy is not None
    await cell.store.exists("warm")
    await cell.proxy.wait_until(lambda: cell.proxy is not None and cell.proxy.idle_connections == 1)


class IdleClosed(TableFault):
    name = "idle connection closed"
    primitives = EVERY

    @asynccontextmanager
    async def during(self, cell: Cell, primitives: frozenset[str]) -> AsyncIterator[None]:
        assert cell.proxy is not None
        await _warm(cell)
        assert await cell.proxy.close_idle() == 1
        yield

    def assert_struck(self, cell: Cell, primitives: frozenset[str], *, every: bool) -> None:
        assert cell.proxy is not None
        assert cell.proxy.total_connections >= 2


class IdleResetOnReuse(OfConnections):
    name = "idle connection reset as it is used again"

    @asynccontextmanager
    async def during(self, cell: Cell, primitives: frozenset[str]) -> AsyncIterator[None]:
        assert cell.proxy is not None
        await _warm(cell)
        cell.proxy.inject(wire.ResetRequest(), when=lambda request: request.reused)
        yield


# --- requests ---------------------------------------------------------------------------------------------------------


class ResetUnread(TableFault):
    name = "reset before the request is read"
    primitives = EVERY

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        return wire.ResetRequest()

    def in_the_driver(self, cell: Cell) -> First:
        return First(self.primitives, lambda: ConnectionLostError("reset", answered=False))


class OfRequestBodies(TableFault):
    elsewhere = "its requests have no body"

    @classmethod
    def strikes(cls, backend: Backend | None) -> frozenset[str]:
        return backend.request_bodies if backend is not None else frozenset()


class ResetInRequest(OfRequestBodies):
    name = "reset in the request's body"

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        return wire.ResetRequest(after=100_000 if primitive == "put_part" else 10)


class GivenUp(TableFault):
    """The client gives up what does not move."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Impatience()

    @asynccontextmanager
    async def during(self, cell: Cell, primitives: frozenset[str]) -> AsyncIterator[None]:
        with self.clock.active():
            async with super().during(cell, primitives):
                yield

    def assert_struck(self, cell: Cell, primitives: frozenset[str], *, every: bool) -> None:
        super().assert_struck(cell, primitives, every=every)
        if cell.proxy is not None:
            assert self.clock.given_up == len(primitives & self.strikes(cell.backend))


class RequestStalls(GivenUp, OfRequestBodies):
    name = "request's body stalls"

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        return StallInRequest(clock=self.clock, after=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlipUpload(wire.Fault):
    at: int

    async def upload(self, wire: wire.Wire, offset: int, piece: bytes, send: Sink) -> None:
        if offset <= self.at < offset + len(piece):
            changed = bytearray(piece)
            changed[self.at - offset] ^= 1
            piece = bytes(changed)
        await send(piece)


class FlippedInRequest(OfRequestBodies):
    name = "byte flipped in the request's body"

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        return FlipUpload(at=20)


# --- answers ----------------------------------------------------------------------------------------------------------


class OfAnswerBodies(TableFault):
    elsewhere = "its answers have no body"

    @classmethod
    def strikes(cls, backend: Backend | None) -> frozenset[str]:
        return READS if backend is None else backend.answer_bodies - {"create_multipart"}


class ResetInAnswer(OfAnswerBodies):
    name = "reset in the answer's body"

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        return wire.CutResponse(after=20)

    def in_the_driver(self, cell: Cell) -> First:
        return First(READS, body=lambda call: Cut(at=20, calls=(call.number,)))


class ClosedInAnswer(OfAnswerBodies):
    name = "answer shorter than its Content-Length"

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        return wire.CutResponse(after=20, reset=False)


class ResetAtEnd(TableFault):
    name = "reset at the answer's end"
    primitives = EVERY

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        return wire.CutResponse(after=None)


class AnswerTooLong(TableFault):
    name = "answer longer than its Content-Length"
    # A chunked answer is longer by a chunk, and then says something else.
    primitives = CHANGES | ASKS

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        return wire.Pad()


class AnswerStalls(GivenUp, OfAnswerBodies):
    name = "answer's body stalls"

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        return StallInAnswer(clock=self.clock, after=20)


class AnswerDrips(AnswerStalls):
    name = "answer's body drips"

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        return DripInAnswer(clock=self.clock)


class AnswerLate(GivenUp):
    name = "answer is late"
    primitives = CHANGES | ASKS

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        return Late(clock=self.clock)

    def in_the_driver(self, cell: Cell) -> First:
        return First(self.primitives, lambda: RequestTimeoutError("late", answered=False), lost=True)


class ResponseLost(TableFault):
    name = "response lost"
    primitives = CHANGES | ASKS

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        return wire.LoseResponse()

    def in_the_driver(self, cell: Cell) -> First:
        return First(self.primitives, lambda: ConnectionLostError("lost", answered=False), lost=True)


class FlippedInAnswer(TableFault):
    name = "byte flipped in the answer's body"
    primitives = READS
    elsewhere = "it reads no object"

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        return wire.Flip(at=20)

    def in_the_driver(self, cell: Cell) -> First:
        return First(READS, body=lambda call: Flip(at=20, calls=(call.number,)))


# --- lengths and ranges -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Truncate(wire.Fault):
    """A shorter body, and a Content-Length that fits it."""

    length: int

    def edit_response(self, head: Head) -> None:
        head.set("Content-Length", str(self.length))

    async def download(self, wire: wire.Wire, offset: int, piece: bytes, send: Sink) -> None:
        await send(piece[: max(0, self.length - offset)])


class LengthTooSmall(TableFault):
    name = "Content-Length too small"
    primitives = READS
    elsewhere = "it reads no object"

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        return _Truncate(length=40)


class LengthTooLarge(TableFault):
    name = "Content-Length too large"
    primitives = READS
    elsewhere = "it reads no object"

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        return wire.EditResponse(headers={"Content-Length": str(10**6)})


class RangeIgnored(TableFault):
    name = "Range ignored"
    primitives = frozenset({"get_range"})
    elsewhere = "it asks for no range"
    times = None

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        # Not by removing the header on the way, which is signed.
        return wire.Answer(status=200, headers=_headers(cell), body=body_of(cell))


class AnotherRange(TableFault):
    name = "another range answered"
    primitives = frozenset({"get_range"})
    elsewhere = "it asks for no range"

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        data = body_of(cell)
        headers = _headers(cell) | {"Content-Range": f"bytes 0-9/{len(data)}"}
        return wire.Answer(status=206, headers=headers, body=data[:10])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shift(wire.Fault):
    """A Content-Range of the right length that begins a byte later than its bytes."""

    def edit_response(self, head: Head) -> None:
        span, _, total = (head.get("Content-Range") or "").removeprefix("bytes ").partition("/")
        first, _, last = span.partition("-")
        head.set("Content-Range", f"bytes {int(first) + 1}-{int(last) + 1}/{total}")


class ContentRangeWrong(TableFault):
    name = "Content-Range wrong"
    primitives = frozenset({"get_range"})
    elsewhere = "it asks for no range"

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        return _Shift()


class ContentRangeMissing(TableFault):
    name = "Content-Range missing"
    primitives = frozenset({"get_range"})
    elsewhere = "it asks for no range"

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        return wire.EditResponse(headers={"Content-Range": None})


def body_of(cell: Cell) -> bytes:
    """The object that is read."""
    return cell.small if cell.metas["object"].size == len(cell.small) else cell.large


def _headers(cell: Cell) -> dict[str, str]:
    assert cell.backend is not None
    return cell.backend.headers(cell.metas["object"])


# --- what services say ------------------------------------------------------------------------------------------------


class Says(TableFault):
    """The service answers with an error and does nothing."""

    primitives = EVERY
    status: ClassVar[int]
    error: ClassVar[Callable[[], StoreError]]

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        assert cell.backend is not None
        return self.answer(cell.backend)

    def answer(self, backend: Backend) -> wire.Answer:
        return backend.error(self.status)

    def in_the_driver(self, cell: Cell) -> First:
        return First(self.primitives, type(self).error)


class Status500(Says):
    name = "500"
    status = 500
    error = staticmethod(lambda: UnavailableError("500", answered=False))


class OfGateways(Says):
    """What stands before the service answers for it, and does not speak its language."""

    def answer(self, backend: Backend) -> wire.Answer:
        return wire.Answer(status=self.status, body=b"<html>Bad Gateway</html>")


class Status502(OfGateways):
    name = "502"
    status = 502
    error = staticmethod(lambda: UnavailableError("502", answered=False))


class Status503(OfGateways):
    name = "503"
    status = 503
    error = staticmethod(lambda: UnavailableError("503"))


class Status504(OfGateways):
    name = "504"
    status = 504
    error = staticmethod(lambda: UnavailableError("504", answered=False))


class Status408(Says):
    name = "408"
    status = 408
    error = staticmethod(lambda: RequestTimeoutError("408"))


class SlowDown(Says):
    name = "503 SlowDown"
    error = staticmethod(lambda: RateLimitedError("503"))

    def answer(self, backend: Backend) -> wire.Answer:
        return backend.throttled()


class Conflict(Says):
    name = "409 conflict"
    primitives = frozenset({"put", "complete_multipart", "copy"})
    elsewhere = "services answer so only to writes"
    error = staticmethod(lambda: UnavailableError("409"))

    def answer(self, backend: Backend) -> wire.Answer:
        return backend.conflict()


WAIT = 7


class _Waits:
    """Stands in for asyncio where retries wait: it notes for how long, and does not wait."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(0)


class TooManyRequests(Says):
    """With the wish to be asked later."""

    name = "429 with Retry-After in seconds"

    def __init__(self) -> None:
        super().__init__()
        self.waits = _Waits()

    def answer(self, backend: Backend) -> wire.Answer:
        return backend.error(429, {"Retry-After": self.value()})

    def in_the_driver(self, cell: Cell) -> First:
        return First(self.primitives, lambda: RateLimitedError("429", retry_after=WAIT))

    def value(self) -> str:
        return str(WAIT)

    @asynccontextmanager
    async def during(self, cell: Cell, primitives: frozenset[str]) -> AsyncIterator[None]:
        with mock.patch("aiostore.wrappers.retry.asyncio", self.waits):
            async with super().during(cell, primitives):
                yield

    def assert_struck(self, cell: Cell, primitives: frozenset[str], *, every: bool) -> None:
        super().assert_struck(cell, primitives, every=every)
        assert len(self.waits.seconds) == len(primitives & self.primitives)
        assert all(WAIT - 3 <= seconds <= WAIT for seconds in self.waits.seconds), self.waits.seconds


class TooManyRequestsDate(TooManyRequests):
    name = "429 with Retry-After as a date"

    def value(self) -> str:
        return email.utils.formatdate(time.time() + WAIT, usegmt=True)


class ErrorIn200(TableFault):
    name = "200 with an error document, nothing done"
    elsewhere = "its answers say by their status what became of it"
    forward: ClassVar[bool] = False

    @classmethod
    def strikes(cls, backend: Backend | None) -> frozenset[str]:
        return frozenset(backend.errors_in_200) if backend is not None else frozenset()

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        assert cell.backend is not None
        return wire.Answer(status=200, body=cell.backend.errors_in_200[primitive], forward=self.forward)


class ErrorIn200Done(ErrorIn200):
    name = "200 with an error document, all done"
    forward = True


# --- who asks, when and where -----------------------------------------------------------------------------------------


class Staged(TableFault):
    """Each service acts it out in its own way."""

    primitives = EVERY

    def settings(self, bucket: Bucket | None) -> Settings:
        assert bucket is not None
        self.scene: Scene = bucket.backend.scenes[self.name]()
        return self.scene.settings(bucket)

    @asynccontextmanager
    async def during(self, cell: Cell, primitives: frozenset[str]) -> AsyncIterator[None]:
        with cell.patches:
            self.scene.begin(cell)
            yield

    def assert_struck(self, cell: Cell, primitives: frozenset[str], *, every: bool) -> None:
        self.scene.assert_struck(cell)


class CredentialsExpired(Staged):
    name = "credentials expired"


class ClockWrong(Staged):
    name = "clock wrong"


class Redirected(Staged):
    name = "301 to another region"


class RedirectedForNow(Staged):
    name = "307 to another region"


class RedirectLoop(Staged):
    name = "301 in a loop"


class RedirectLoopForNow(Staged):
    name = "307 in a loop"


# --- objects that change ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meanwhile(wire.Fault):
    """Something happens after the service has answered and before the client knows."""

    action: Callable[[], Awaitable[object]]

    async def before_response(self, wire: wire.Wire) -> None:
        await self.action()


class Replaced(TableFault):
    name = "object replaced while it is read"
    primitives = READS
    elsewhere = "it reads no object"

    def settings(self, bucket: Bucket | None) -> Settings:
        return Settings(reads=1)

    async def change(self, cell: Cell) -> None:
        """Put as many other bytes, until that shows: some ETags are a size and a clock that ticks slowly."""
        before, body = cell.metas["object"].etag, bytes(len(body_of(cell)))
        async with asyncio.timeout(PATIENCE):
            while True:
                written = await cell.direct.put("object", body)
                if (written.etag or (await cell.direct.head("object")).etag) != before:
                    return

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        return _Meanwhile(action=lambda: self.change(cell))

    def in_the_driver(self, cell: Cell) -> First:
        return First(READS, then=lambda: self.change(cell))


class Deleted(Replaced):
    name = "object deleted while it is read"

    async def change(self, cell: Cell) -> None:
        await cell.direct.delete("object")


# --- this machine -----------------------------------------------------------------------------------------------------


class DiskFull(TableFault):
    """No file can grow any more."""

    name = "disk full"
    elsewhere = ""

    @asynccontextmanager
    async def during(self, cell: Cell, primitives: frozenset[str]) -> AsyncIterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (SMALLEST, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    def assert_struck(self, cell: Cell, primitives: frozenset[str], *, every: bool) -> None:
        """The error is the proof."""


SMALLEST = 100
"""Bytes that a file may still have when the disk is full."""


class Forked(TableFault):
    """The store was used in the parent process and is now used in its child, and in the parent again."""

    name = "process forked"
    elsewhere = ""


class LoopClosed(TableFault):
    """The store was used in an event loop that was closed without closing the store."""

    name = "event loop closed"
    elsewhere = ""


class Killed(TableFault):
    name = "process killed"
    elsewhere = ""


FAULTS: tuple[type[TableFault], ...] = (
    Clean,
    Refused, ResetOnAccept, NoName, IdleClosed, IdleResetOnReuse,
    ResetUnread, ResetInRequest, RequestStalls, FlippedInRequest,
    ResetInAnswer, ClosedInAnswer, ResetAtEnd, AnswerTooLong, AnswerStalls, AnswerDrips, AnswerLate, ResponseLost,
    FlippedInAnswer, LengthTooSmall, LengthTooLarge,
    RangeIgnored, AnotherRange, ContentRangeWrong, ContentRangeMissing,
    Status500, Status502, Status503, Status504, Status408, SlowDown, Conflict, TooManyRequests, TooManyRequestsDate,
    ErrorIn200, ErrorIn200Done,
    CredentialsExpired, ClockWrong, Redirected, RedirectedForNow, RedirectLoop, RedirectLoopForNow,
    Replaced, Deleted,
    DiskFull, Forked, LoopClosed, Killed,
)  # fmt: skip
