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
from aiostore.drivers.sigv4 import Credentials
from aiostore.testing import Call, Cut, Flip
from aiostore.testing import Fault as DriverFault
from aiostore.types import ByteStream
from tests.faults import faults as wire
from tests.faults.http1 import Head, Sink
from tests.faults.proxy import Rule
from tests.faults.relay import Request
from tests.faults.table.cells import NERVOUS, Cell, Settings, primitive_of_call, primitive_of_request
from tests.servers.server import S3Endpoint

READS = frozenset({"get", "get_range"})
WITH_REQUEST_BODY = frozenset({"put", "put_part", "complete_multipart", "delete_many", "set_tags"})
WITH_ANSWER_BODY = READS | {"list_page", "get_tags", "copy", "complete_multipart", "delete_many"}
CHANGES = frozenset(
    {"put", "put_part", "complete_multipart", "delete", "delete_many", "copy", "rename", "set_metadata", "set_tags"}
)
"""Without create_multipart: an upload whose creation was not answered cannot be told from somebody else's."""
ASKS = READS | {"head", "list_page", "get_tags"}
EVERY = CHANGES | ASKS | {"create_multipart"}


class TableFault:
    """Goes wrong once for each primitive in ``strikes``. A new one is made for every cell."""

    name: ClassVar[str]
    strikes: ClassVar[frozenset[str]] = frozenset()
    times: ClassVar[int | None] = 1

    def __init__(self) -> None:
        self.rules: dict[str, Rule] = {}
        self.first: First | None = None

    def settings(self, endpoint: S3Endpoint | None) -> Settings:
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
        struck = primitives & self.strikes
        if cell.proxy is not None:
            for primitive in sorted(struck):
                fault = self.on_the_wire(cell, primitive)
                if fault is not None:
                    self.rules[primitive] = cell.proxy.inject(fault, when=_is(primitive), times=self.times)
        elif cell.faulty is not None and (first := self.in_the_driver(cell)) is not None:
            self.first = first
            cell.faulty.plan = [first]
        yield

    def assert_struck(self, cell: Cell, primitives: frozenset[str], *, every: bool) -> None:
        """It has happened: to one of the primitives, or to ``every`` one that it can happen to."""
        struck = primitives & self.strikes
        assert struck, f"{self.name!r} cannot happen to {sorted(primitives)}: write a rule that says so"
        if cell.proxy is not None:
            missed: frozenset[str] | set[str] = {
                primitive for primitive, rule in self.rules.items() if not rule.applied
            } | (struck - self.rules.keys())
        else:
            missed = struck - (self.first.struck if self.first is not None else set())
        assert not missed or (not every and missed < struck), f"{self.name!r} did not strike {sorted(missed)}"


def _is(primitive: str) -> Callable[[Request], bool]:
    return lambda request: primitive_of_request(request) == primitive


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
    """Nothing goes wrong: the operation uses the primitives that it says it does."""

    name = "none"
    strikes = EVERY

    def assert_struck(self, cell: Cell, primitives: frozenset[str], *, every: bool) -> None:
        if cell.proxy is not None:
            used = {primitive_of_request(request) for request in cell.proxy.requests}
        else:
            assert cell.faulty is not None
            used = {primitive_of_call(call) for call in cell.faulty.calls}
        assert used == primitives


# --- connections ------------------------------------------------------------------------------------------------------


class OfConnections(TableFault):
    """Strikes whatever request comes first."""

    strikes = EVERY

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

    def settings(self, endpoint: S3Endpoint | None) -> Settings:
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
    strikes = EVERY

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
    strikes = EVERY

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        return wire.ResetRequest()

    def in_the_driver(self, cell: Cell) -> First:
        return First(self.strikes, lambda: ConnectionLostError("reset", answered=False))


class ResetInRequest(TableFault):
    name = "reset in the request's body"
    strikes = WITH_REQUEST_BODY

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        return wire.ResetRequest(after=100_000 if primitive == "put_part" else 10)


class RequestStalls(TableFault):
    name = "request's body stalls"
    strikes = WITH_REQUEST_BODY

    def settings(self, endpoint: S3Endpoint | None) -> Settings:
        return Settings(timeouts=NERVOUS)

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        return wire.Stall(direction="upload", after=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlipUpload(wire.Fault):
    at: int

    async def upload(self, wire: wire.Wire, offset: int, piece: bytes, send: Sink) -> None:
        if offset <= self.at < offset + len(piece):
            changed = bytearray(piece)
            changed[self.at - offset] ^= 1
            piece = bytes(changed)
        await send(piece)


class FlippedInRequest(TableFault):
    name = "byte flipped in the request's body"
    strikes = frozenset({"put", "put_part"})

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        return FlipUpload(at=20)


# --- answers ----------------------------------------------------------------------------------------------------------


class ResetInAnswer(TableFault):
    name = "reset in the answer's body"
    strikes = WITH_ANSWER_BODY

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        return wire.CutResponse(after=20)

    def in_the_driver(self, cell: Cell) -> First:
        return First(READS, body=lambda call: Cut(at=20, calls=(call.number,)))


class ClosedInAnswer(TableFault):
    name = "answer shorter than its Content-Length"
    strikes = WITH_ANSWER_BODY

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        return wire.CutResponse(after=20, reset=False)


class ResetAtEnd(TableFault):
    name = "reset at the answer's end"
    strikes = EVERY

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        return wire.CutResponse(after=None)


class AnswerTooLong(TableFault):
    name = "answer longer than its Content-Length"
    # A chunked answer is longer by a chunk, and then says something else.
    strikes = CHANGES | ASKS

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        return wire.Pad()


class AnswerStalls(TableFault):
    name = "answer's body stalls"
    strikes = WITH_ANSWER_BODY

    def settings(self, endpoint: S3Endpoint | None) -> Settings:
        return Settings(timeouts=NERVOUS)

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        return wire.Stall(after=20)


class AnswerDrips(AnswerStalls):
    name = "answer's body drips"

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        return wire.Drip(interval=0.02)


class AnswerLate(TableFault):
    name = "answer is late"
    strikes = CHANGES | ASKS

    def settings(self, endpoint: S3Endpoint | None) -> Settings:
        return Settings(timeouts=NERVOUS)

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        return wire.Delay()

    def in_the_driver(self, cell: Cell) -> First:
        return First(self.strikes, lambda: RequestTimeoutError("late", answered=False), lost=True)


class ResponseLost(TableFault):
    name = "response lost"
    strikes = CHANGES | ASKS

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        return wire.LoseResponse()

    def in_the_driver(self, cell: Cell) -> First:
        return First(self.strikes, lambda: ConnectionLostError("lost", answered=False), lost=True)


class FlippedInAnswer(TableFault):
    name = "byte flipped in the answer's body"
    strikes = READS

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
    strikes = READS

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        return _Truncate(length=40)


class LengthTooLarge(TableFault):
    name = "Content-Length too large"
    strikes = READS

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        return wire.EditResponse(headers={"Content-Length": str(10**6)})


class RangeIgnored(TableFault):
    name = "Range ignored"
    strikes = frozenset({"get_range"})
    times = None

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        # Not by removing the header on the way, which is signed.
        return wire.Answer(status=200, headers=_etag(cell), body=body_of(cell))


class AnotherRange(TableFault):
    name = "another range answered"
    strikes = frozenset({"get_range"})

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        data = body_of(cell)
        headers = _etag(cell) | {"Content-Range": f"bytes 0-9/{len(data)}"}
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
    strikes = frozenset({"get_range"})

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        return _Shift()


class ContentRangeMissing(TableFault):
    name = "Content-Range missing"
    strikes = frozenset({"get_range"})

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        return wire.EditResponse(headers={"Content-Range": None})


def body_of(cell: Cell) -> bytes:
    """The object that is read."""
    return cell.small if cell.metas["object"].size == len(cell.small) else cell.large


def _etag(cell: Cell) -> dict[str, str]:
    return {"ETag": f'"{cell.metas["object"].etag}"'}


# --- what services say ------------------------------------------------------------------------------------------------


def error_document(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>Injected.</Message></Error>".encode()


class Says(TableFault):
    """The service answers with an error and does nothing."""

    strikes = EVERY
    answer: ClassVar[wire.Answer]
    error: ClassVar[Callable[[], StoreError]]

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        return self.answer

    def in_the_driver(self, cell: Cell) -> First:
        return First(self.strikes, type(self).error)


class Status500(Says):
    name = "500"
    answer = wire.Answer(status=500, body=error_document("InternalError"))
    error = staticmethod(lambda: UnavailableError("500", answered=False))


class Status502(Says):
    name = "502"
    answer = wire.Answer(status=502, body=b"<html>Bad Gateway</html>")
    error = staticmethod(lambda: UnavailableError("502", answered=False))


class Status503(Says):
    name = "503"
    answer = wire.Answer(status=503)
    error = staticmethod(lambda: UnavailableError("503"))


class Status504(Says):
    name = "504"
    answer = wire.Answer(status=504, body=b"<html>Gateway Time-out</html>")
    error = staticmethod(lambda: UnavailableError("504", answered=False))


class Status408(Says):
    name = "408"
    answer = wire.Answer(status=408, body=error_document("RequestTimeout"))
    error = staticmethod(lambda: RequestTimeoutError("408"))


class SlowDown(Says):
    name = "503 SlowDown"
    answer = wire.slow_down()
    error = staticmethod(lambda: RateLimitedError("503"))


class Conflict(Says):
    name = "409 conflict"
    strikes = frozenset({"put", "complete_multipart", "copy"})
    answer = wire.Answer(status=409, body=error_document("ConditionalRequestConflict"))
    error = staticmethod(lambda: UnavailableError("409"))


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

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        return wire.Answer(status=429, headers={"Retry-After": self.value()})

    def in_the_driver(self, cell: Cell) -> First:
        return First(self.strikes, lambda: RateLimitedError("429", retry_after=WAIT))

    def value(self) -> str:
        return str(WAIT)

    @asynccontextmanager
    async def during(self, cell: Cell, primitives: frozenset[str]) -> AsyncIterator[None]:
        with mock.patch("aiostore.wrappers.retry.asyncio", self.waits):
            async with super().during(cell, primitives):
                yield

    def assert_struck(self, cell: Cell, primitives: frozenset[str], *, every: bool) -> None:
        super().assert_struck(cell, primitives, every=every)
        assert len(self.waits.seconds) == len(primitives & self.strikes)
        assert all(WAIT - 3 <= seconds <= WAIT for seconds in self.waits.seconds), self.waits.seconds


class TooManyRequestsDate(TooManyRequests):
    name = "429 with Retry-After as a date"

    def value(self) -> str:
        return email.utils.formatdate(time.time() + WAIT, usegmt=True)


class ErrorIn200(TableFault):
    name = "200 with an error document, nothing done"
    strikes = frozenset({"copy", "complete_multipart", "delete_many"})

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        return wire.Answer(status=200, body=error_document("InternalError"))


class ErrorIn200Done(ErrorIn200):
    name = "200 with an error document, all done"

    def on_the_wire(self, cell: Cell, primitive: str) -> wire.Fault:
        return wire.Answer(status=200, body=error_document("InternalError"), forward=True)


# --- who asks, when and where -----------------------------------------------------------------------------------------

EXPIRED = Credentials("EXPIRED", "expired")


class CredentialsExpired(TableFault):
    """Requests that are signed with the first keys are refused: one refresh must do, however many they are."""

    name = "credentials expired"
    strikes = EVERY

    def __init__(self) -> None:
        super().__init__()
        self.fetched = 0

    def settings(self, endpoint: S3Endpoint | None) -> Settings:
        assert endpoint is not None
        fresh = Credentials(endpoint.access_key_id, endpoint.secret_access_key)

        async def fetch() -> Credentials:
            self.fetched += 1
            await asyncio.sleep(0)
            return EXPIRED if self.fetched == 1 else fresh

        return Settings(credentials=fetch)

    @asynccontextmanager
    async def during(self, cell: Cell, primitives: frozenset[str]) -> AsyncIterator[None]:
        assert cell.proxy is not None
        cell.proxy.inject(
            wire.Answer(status=400, body=error_document("ExpiredToken")),
            when=lambda request: "Credential=EXPIRED/" in request.headers["authorization"],
            times=None,
        )
        yield

    def assert_struck(self, cell: Cell, primitives: frozenset[str], *, every: bool) -> None:
        assert self.fetched == 2


class _LateClock:
    """Stands in for the module time where requests are dated."""

    @staticmethod
    def time() -> float:
        return time.time() - 3600


class ClockWrong(TableFault):
    """This machine's clock is an hour late, and the service does not accept that."""

    name = "clock wrong"
    strikes = EVERY

    @asynccontextmanager
    async def during(self, cell: Cell, primitives: frozenset[str]) -> AsyncIterator[None]:
        assert cell.proxy is not None
        self.rule = cell.proxy.inject(
            wire.Answer(
                status=403,
                headers={"Date": email.utils.formatdate(usegmt=True)},
                body=error_document("RequestTimeTooSkewed"),
            ),
            when=_is_late,
            times=None,
        )
        with mock.patch("aiostore.drivers.s3_client.time", _LateClock):
            yield

    def assert_struck(self, cell: Cell, primitives: frozenset[str], *, every: bool) -> None:
        assert self.rule.applied >= 1


def _is_late(request: Request) -> bool:
    dated = time.strptime(request.headers["x-amz-date"], "%Y%m%dT%H%M%SZ")
    return abs(time.time() - (time.mktime(dated) - time.timezone)) > 900


HOME, ABROAD = "us-east-1", "eu-central-1"


def _redirect(status: int, code: str, region: str) -> wire.Answer:
    return wire.Answer(status=status, headers={"x-amz-bucket-region": region}, body=error_document(code))


def _signed_for(region: str) -> Callable[[Request], bool]:
    return lambda request: f"/{region}/s3/" in request.headers["authorization"]


class Redirected(TableFault):
    """The bucket is in another region than the store believes."""

    name = "301 to another region"
    strikes = EVERY
    status, code = 301, "PermanentRedirect"

    def settings(self, endpoint: S3Endpoint | None) -> Settings:
        return Settings(region=ABROAD)

    @asynccontextmanager
    async def during(self, cell: Cell, primitives: frozenset[str]) -> AsyncIterator[None]:
        assert cell.proxy is not None
        answer = _redirect(self.status, self.code, HOME)
        self.rule = cell.proxy.inject(answer, when=_signed_for(ABROAD), times=None)
        yield

    def assert_struck(self, cell: Cell, primitives: frozenset[str], *, every: bool) -> None:
        assert self.rule.applied >= 1


class RedirectedForNow(Redirected):
    name = "307 to another region"
    status, code = 307, "TemporaryRedirect"


class RedirectLoop(Redirected):
    """Each of two regions sends to the other."""

    name = "301 in a loop"
    requests = 6

    @asynccontextmanager
    async def during(self, cell: Cell, primitives: frozenset[str]) -> AsyncIterator[None]:
        assert cell.proxy is not None
        cell.proxy.inject(_redirect(self.status, self.code, ABROAD), when=_signed_for(HOME), times=None)
        async with super().during(cell, primitives):
            yield

    def assert_struck(self, cell: Cell, primitives: frozenset[str], *, every: bool) -> None:
        assert cell.proxy is not None
        assert 2 <= len(cell.proxy.requests) <= self.requests


class RedirectLoopForNow(RedirectLoop):
    name = "307 in a loop"
    status, code = 307, "TemporaryRedirect"
    requests = 80


# --- objects that change ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meanwhile(wire.Fault):
    """Something happens after the service has answered and before the client knows."""

    action: Callable[[], Awaitable[object]]

    async def before_response(self, wire: wire.Wire) -> None:
        await self.action()


class Replaced(TableFault):
    name = "object replaced while it is read"
    strikes = READS

    def settings(self, endpoint: S3Endpoint | None) -> Settings:
        return Settings(reads=1)

    async def change(self, cell: Cell) -> None:
        await cell.direct.put("object", bytes(len(body_of(cell))))

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
    strikes = EVERY | {"rename", "set_metadata"}

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


class LoopClosed(TableFault):
    """The store was used in an event loop that was closed without closing the store."""

    name = "event loop closed"


class Killed(TableFault):
    name = "process killed"


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
