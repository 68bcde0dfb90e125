"""A driver that misbehaves on purpose, to prove what the layers above it make of that.

::

    driver = FaultyDriver(MemoryDriver(), [Fail("put", lost=True), Cut(at=1000)])
    async with Store(driver, retry=RetryPolicy(first_delay=0)) as store:
        await store.put("key", b"value")
    assert driver.count("put") == 2

Faults see each call of a primitive with its number, which counts the calls of this primitive from 1, so that a plan is
a value and says exactly what goes wrong when.
"""

from __future__ import annotations

import asyncio
import copy
import random
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Container, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar, TypeVarTuple

from aiostore.errors import ConnectionLostError, StoreError, UnavailableError
from aiostore.protocol import Driver
from aiostore.types import ByteStream, GetResult
from aiostore.wrappers.wrapper import Wrapper

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

EVERY: Final = range(1, sys.maxsize)
"""Every call, as in ``Fail("get", calls=EVERY)``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call of a primitive: ``number`` counts the calls of this primitive from 1."""

    primitive: str
    number: int
    key: str | None
    arguments: tuple[object, ...]


class Fault:
    """What goes wrong with some calls; by itself nothing. Subclass it for faults of your own."""

    async def before(self, call: Call) -> None:
        """Wait, or raise instead of carrying the call out."""

    async def after(self, call: Call) -> None:
        """Wait, or raise although the call was carried out."""

    def body(self, call: Call, stream: ByteStream) -> ByteStream:
        """The body that the caller of ``get`` receives instead of ``stream``."""
        return stream


@dataclass(frozen=True, slots=True)
class Fail(Fault):
    """The numbered calls of a primitive raise ``error``, or a transient error.

    ``lost``: the call is carried out first and its response is lost.
    """

    primitive: str
    calls: Container[int] = field(default=(1,), kw_only=True)
    error: StoreError | None = field(default=None, kw_only=True)
    lost: bool = field(default=False, kw_only=True)

    async def before(self, call: Call) -> None:
        """Raise, unless the call is to be carried out first."""
        if not self.lost and call.primitive == self.primitive and call.number in self.calls:
            raise _fresh(self.error or UnavailableError("injected fault: the service failed"))

    async def after(self, call: Call) -> None:
        """Raise if the response is to be lost."""
        if self.lost and call.primitive == self.primitive and call.number in self.calls:
            raise _fresh(self.error or _lost())


class FailRandomly(Fault):
    """Every call fails with probability ``rate``, a ``lost`` share of these after it was carried out.

    Bodies are cut with the same probability, within their first 64 KiB. The same ``seed`` makes the same choices, in
    the order of the calls. The answers of primitives in ``answered`` are never lost: an upload whose creation was not
    answered stays behind, empty, because nobody can tell it from a rival's.
    """

    def __init__(
        self, rate: float, *, seed: int, lost: float = 0.5, answered: Collection[str] = ("create_multipart",)
    ) -> None:
        self._rate = rate
        self._lost = lost
        self._answered = answered
        self._chance = random.Random(seed)  # noqa: S311  # faults are repeatable, not secret

    def _strikes(self, share: float) -> bool:
        return self._chance.random() < self._rate * share

    def _share(self, call: Call) -> float:
        return 0 if call.primitive in self._answered else self._lost

    async def before(self, call: Call) -> None:
        """Raise with the share of the failures that nothing was carried out for."""
        if self._strikes(1 - self._share(call)):
            raise UnavailableError("injected fault: the service failed")

    async def after(self, call: Call) -> None:
        """Raise with the share of the failures that lose the answer."""
        if self._strikes(self._share(call)):
            raise _lost()

    def body(self, call: Call, stream: ByteStream) -> ByteStream:
        """Cut some."""
        return _CutBody(stream, self._chance.randrange(65536)) if self._strikes(1) else stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut(Fault):
    """The connection of the numbered ``get`` calls is lost after ``at`` bytes of the body."""

    at: int
    calls: Container[int] = (1,)

    def body(self, call: Call, stream: ByteStream) -> ByteStream:
        """The first bytes, then an error."""
        return _CutBody(stream, self.at) if call.number in self.calls else stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip(Fault):
    """One bit of byte ``at`` of the body of the numbered ``get`` calls is flipped; ``at`` counts in that body."""

    at: int
    calls: Container[int] = (1,)

    def body(self, call: Call, stream: ByteStream) -> ByteStream:
        """The same number of bytes, one of them wrong."""
        return _FlippedBody(stream, self.at) if call.number in self.calls else stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold(Fault):
    """The numbered calls of a primitive wait until ``released``, before or after they are carried out.

    ``reached`` is set as soon as one of them waits.
    """

    primitive: str
    calls: Container[int] = (1,)
    carried_out: bool = False
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def _wait(self, call: Call) -> None:
        if call.primitive == self.primitive and call.number in self.calls:
            self.reached.set()
            await self.released.wait()

    async def before(self, call: Call) -> None:
        """Wait, unless the call is to be carried out first."""
        if not self.carried_out:
            await self._wait(call)

    async def after(self, call: Call) -> None:
        """Wait with the answer."""
        if self.carried_out:
            await self._wait(call)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay(Fault):
    """Every call takes ``seconds`` longer; ``sleep`` is the clock."""

    seconds: float
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep

    async def before(self, call: Call) -> None:
        """Sleep."""
        await self.sleep(self.seconds)


class FaultyDriver(Wrapper):
    """A driver in front of another, to which the faults of ``plan`` happen, each in turn.

    ``calls`` records the calls in their order, also those that fail. ``plan`` may be replaced at any time. Siblings
    suffer the same plan and add to the same record.
    """

    def __init__(self, inner: Driver, plan: Sequence[Fault] = ()) -> None:
        super().__init__(inner)
        self._counts: Counter[str] = Counter()
        self._open: set[_TrackedBody] = set()
        self.plan = plan
        self.calls: list[Call] = []

    def count(self, primitive: str) -> int:
        """How often a primitive was called."""
        return self._counts[primitive]

    @property
    def open_bodies(self) -> int:
        """Bodies that were handed out and neither read to their end nor closed: each would hold a connection."""
        return len(self._open)

    def rewrap(self, inner: Driver) -> Driver:
        """The same plan and record around another driver."""
        other = copy.copy(self)
        other.inner = inner
        return other

    async def around(self, operation: str, key: str | None, call: Callable[[*Ts], Awaitable[T]], *arguments: *Ts) -> T:
        """Carry the primitive out as the faults allow; a body is handed out as they leave it."""
        recorded = self._record(operation, key, arguments)
        try:
            for fault in self.plan:
                await fault.before(recorded)
            result = await call(*arguments)
            try:
                for fault in self.plan:
                    await fault.after(recorded)
            except BaseException:
                if isinstance(result, GetResult):
                    await result.stream.aclose()
                raise
        except StoreError as error:
            error.locate(key=key, operation=operation, store=self.location)
            raise
        if isinstance(result, GetResult):
            for fault in self.plan:
                result.stream = fault.body(recorded, result.stream)
            result.stream = _TrackedBody(result.stream, self._open)
        return result

    def _record(self, primitive: str, key: str | None, arguments: tuple[object, ...]) -> Call:
        self._counts[primitive] += 1
        call = Call(primitive=primitive, number=self._counts[primitive], key=key, arguments=arguments)
        self.calls.append(call)
        return call


class _TrackedBody:
    """A body that is in ``opened`` until it ends."""

    def __init__(self, stream: ByteStream, opened: set[_TrackedBody]) -> None:
        self._stream = stream
        self._opened = opened
        opened.add(self)

    async def next_chunk(self) -> bytes:
        try:
            chunk = await self._stream.next_chunk()
        except StoreError:
            self._opened.discard(self)
            raise
        if not chunk:
            self._opened.discard(self)
        return chunk

    async def read(self) -> bytes:
        data = await self._stream.read()
        self._opened.discard(self)
        return data

    async def aclose(self) -> None:
        self._opened.discard(self)
        await self._stream.aclose()


class _CutBody:
    """The first ``left`` bytes of a body, then an error, also if these were all."""

    def __init__(self, stream: ByteStream, left: int) -> None:
        self._stream = stream
        self._left = left

    async def next_chunk(self) -> bytes:
        if not self._left:
            await self._stream.aclose()
            raise _cut()
        chunk = (await self._stream.next_chunk())[: self._left]
        self._left -= len(chunk)
        return chunk

    async def read(self) -> bytes:
        data = await self._stream.read()
        if len(data) >= self._left:
            error = _cut()
            error.received = data[: self._left]
            raise error
        return data

    async def aclose(self) -> None:
        await self._stream.aclose()


class _FlippedBody:
    """A body with one bit of byte ``at`` flipped."""

    def __init__(self, stream: ByteStream, at: int) -> None:
        self._stream = stream
        self._at = at

    def _flip(self, data: bytes) -> bytes:
        at, self._at = self._at, self._at - len(data)
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] if 0 <= at < len(data) else data

    async def next_chunk(self) -> bytes:
        return self._flip(await self._stream.next_chunk())

    async def read(self) -> bytes:
        return self._flip(await self._stream.read())

    async def aclose(self) -> None:
        await self._stream.aclose()


def _fresh(error: StoreError) -> StoreError:
    """A copy, because whoever catches an error may write to it."""
    return copy.copy(error)


def _lost() -> ConnectionLostError:
    return ConnectionLostError("injected fault: the response was lost", answered=False)


def _cut() -> ConnectionLostError:
    return ConnectionLostError("injected fault: the connection was lost within the body")
