"""Leases: at most one holder at a time, by compare-and-swap on one object, without trusting anybody's wall clock.

The object says who holds the lease, with which token, and for how long it may stay unrenewed. Every write of it differs
from all before, so that its ETag stands for one state for ever. Times are never compared between machines:

- The holder counts its time from before it *sent* its last successful write, and gives up when ``ttl`` is over.
- A contender counts from when it *received* a state, and takes over if it finds the very same state ``ttl`` and a
  margin later. The write that takes over demands that state, so a renewal that arrives first wins.

The first count begins no later than the second and ends before it, as long as the two clocks run equally fast within
:data:`MARGIN`. A write that arrives late can only prolong the lease, or be refused.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import secrets
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Protocol, Self

from aiostore._engine import write
from aiostore._engine.context import Context
from aiostore._engine.read import read_with_meta
from aiostore._engine.settle import GRACE, join, settle
from aiostore._engine.update import require_atomic
from aiostore.errors import (
    AlreadyExistsError,
    ConfigurationError,
    LeaseLostError,
    NotFoundError,
    ObjectChangedError,
    PreconditionFailedError,
    StoreClosedError,
    StoreError,
    WriteOutcomeUnknownError,
)
from aiostore.types import ANY, GetOptions, Match, PutOptions

MARGIN: Final = 1.1
"""A contender waits so many times the holder's ttl: clocks that run up to a tenth apart do no harm."""

LOOKS: Final = 10
"""How often a contender looks within one ttl, and at least once in :data:`LONGEST_LOOK` seconds."""

LONGEST_LOOK: Final = 1.0

_SUCCESSION: Final = 3
"""How often a lease that seems free is tried for after the time to wait is over."""

_REFUSED: Final = (AlreadyExistsError, PreconditionFailedError, NotFoundError, WriteOutcomeUnknownError)
"""A write was not made, or perhaps it was: the object tells."""


class Clock(Protocol):
    """Measures and waits. What it tells means nothing to anybody else."""

    def now(self) -> float:
        """Seconds since some moment, never set back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class _SystemClock:
    """Goes on while the machine is suspended, where the system has such a clock."""

    def now(self) -> float:
        boottime = getattr(time, "CLOCK_BOOTTIME", None)
        return time.monotonic() if boottime is None else time.clock_gettime(boottime)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    """What the object says. Without ``holder`` the lease is free; ``number`` makes each attempt to write another."""

    holder: str | None
    token: int
    ttl: float
    number: int

    def encoded(self) -> bytes:
        fields = {"holder": self.holder, "token": self.token, "ttl": self.ttl, "number": self.number}
        return json.dumps(fields).encode()

    @classmethod
    def decoded(cls, data: bytes) -> _Record:
        """Read an object.

        Raises:
            ValueError: if it is not a lease.
        """
        match json.loads(data):
            case {"holder": None | str() as holder, "token": int(token), "ttl": float(ttl), "number": int(number)}:
                return cls(holder=holder, token=token, ttl=ttl, number=number)
        raise ValueError("it has other fields")


@dataclass(frozen=True, slots=True)
class _Seen:
    record: _Record
    match: Match


class Lease:
    """The right to do something that only one may do at a time; see :meth:`aiostore.store.Store.lease`.

    ``lost`` is set as soon as this process knows that it no longer holds the lease.
    """

    def __init__(
        self, context: Context, key: str, *, ttl: float, wait: float | None, clock: Clock | None = None
    ) -> None:
        if not 0 < ttl < math.inf:
            raise ConfigurationError(f"ttl={ttl!r}: a number of seconds greater than 0", key=key, operation="lease")
        if wait is not None and not wait >= 0:
            raise ConfigurationError(f"wait={wait!r}: a number of seconds, or None", key=key, operation="lease")
        require_atomic(context, key, "lease")
        self._context = context
        self._key = key
        self._ttl = float(ttl)
        self._wait = wait
        self._clock = clock or _SystemClock()
        self._holder = secrets.token_hex(16)
        self._entered = False
        self._token: int | None = None
        self._attempts = 0
        self._tried: _Record | None = None
        self._sent = -math.inf
        self._deadline = -math.inf
        self._match: Match | None = None
        self._reason = ""
        self._failure: Exception | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.lost = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Lease {self._key!r} on {self._context.driver.location}>"

    @property
    def token(self) -> int:
        """The fencing token: greater than that of every holder before.

        Raises:
            StoreClosedError: before the lease was acquired.
        """
        if self._token is None:
            raise self._unusable("the lease was not acquired yet: enter it with `async with`")
        return self._token

    def check(self) -> None:
        """Return if the lease is held at this moment, by this machine's clock.

        Raises:
            LeaseLostError: if it ran out, was taken over, or was released.
        """
        if self._token is None:
            raise self._unusable("the lease was not acquired yet: enter it with `async with`")
        self._look_at_clock()
        if self._reason:
            raise self._error() from self._failure

    async def __aenter__(self) -> Self:
        if self._entered:
            raise self._unusable("a lease is entered once: ask the store for another")
        self._entered = True
        try:
            self._token = await self._acquire()
        except BaseException:
            if self._tried is not None and self._match is not None:
                # It was acquired although the caller does not know it.
                self._prolong()
                await self._end(self._tried.token)
            raise
        create = asyncio.get_running_loop().create_task
        self._tasks = {create(self._keep()), create(self._expire())}
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await join(self._tasks)
        finally:
            await self._end(self.token)
        if self.lost.is_set():
            if error is None:
                raise self._error() from self._failure
            error.add_note(str(self._error()))

    # --- acquiring

    async def _acquire(self) -> int:
        """Wait until the lease is ours; returns the token.

        Raises:
            PreconditionFailedError: if the time to wait is over.
        """
        clock, tries = self._clock, 0
        until = math.inf if self._wait is None else clock.now() + self._wait
        observed: Match | None = None
        since = 0.0
        while True:
            seen = await self._read()
            now = clock.now()
            left, ttl = 0.0, self._ttl
            if seen is not None and seen.record == self._tried:
                # An attempt whose answer was lost.
                self._match = seen.match
                if self._prolong():
                    return seen.record.token
            elif seen is not None and seen.record.holder not in {None, self._holder}:
                if seen.match != observed:
                    observed, since = seen.match, now
                ttl = seen.record.ttl
                left = since + ttl * MARGIN - now
            if left <= 0:
                token = 1 if seen is None else seen.record.token + 1
                if await self._take(token, seen):
                    return token
                tries += 1
            if clock.now() >= until and (left > 0 or tries >= _SUCCESSION):
                raise PreconditionFailedError(
                    f"the lease is held by another and was not free within {self._wait:g} s; wait longer, or try later",
                    key=self._key,
                    operation="lease",
                    store=self._context.driver.location,
                )
            look = random.uniform(0.5, 1) * min(LONGEST_LOOK, ttl / LOOKS)  # noqa: S311  # spreads load, guards nothing
            await clock.sleep(max(0.0, min(look, until - clock.now(), left if left > 0 else look)))

    async def _take(self, token: int, seen: _Seen | None) -> bool:
        """Whether the lease, which is free or has run out, is ours now."""
        try:
            # A cancelled call waits for the answer: what was acquired can then be released.
            await settle(self._write(self._holder, token, None if seen is None else seen.match), min(GRACE, self._ttl))
        except WriteOutcomeUnknownError:
            return False
        except StoreError as error:
            if not isinstance(error, _REFUSED) or (seen is None and isinstance(error, NotFoundError)):
                raise
            return False
        return self._prolong()

    async def _write(self, holder: str | None, token: int, match: Match | None) -> None:
        """Write a state that was never tried before, on condition that ``match`` is still there."""
        self._attempts += 1
        self._tried = _Record(holder=holder, token=token, ttl=self._ttl, number=self._attempts)
        self._sent = self._clock.now()
        self._match = None
        options = PutOptions(
            content_type="application/json", if_match=match, if_none_match=ANY if match is None else None
        )
        result = await write.put(self._context, self._key, self._tried.encoded(), options)
        self._match = Match(etag=result.etag, version=result.version)

    def _prolong(self) -> bool:
        """The last attempt was carried out, after it was sent; whether the lease is held therefore."""
        self._deadline = self._sent + self._ttl
        return self._clock.now() < self._deadline

    async def _read(self) -> _Seen | None:
        while True:
            try:
                meta, data = await read_with_meta(self._context, self._key, GetOptions())
            except NotFoundError:
                return None
            except ObjectChangedError:
                continue
            try:
                record = _Record.decoded(data)
            except ValueError as error:
                raise ConfigurationError(
                    f"the object is no lease ({error}); give the lease a key of its own",
                    key=self._key,
                    operation="lease",
                    store=self._context.driver.location,
                ) from error
            return _Seen(record, Match(etag=meta.etag, version=meta.version))

    # --- holding

    async def _keep(self) -> None:
        """Renew until the lease is lost. No attempt may take longer than a third of what it is worth."""
        third = self._ttl / 3
        while True:
            await self._clock.sleep(max(0.0, self._deadline - 2 * third - self._clock.now()))
            was_sure = self._match is not None
            try:
                await self._within(third, self._renew())
            except Exception as error:
                # Whatever it is: while there is time left, trying again is right.
                self._failure = error
            if self._reason:
                return
            if self._match is not None:
                self._failure = None
            elif not was_sure:
                # After the first failure at once: the object tells whether it is still ours.
                await self._clock.sleep(third / 10)

    async def _renew(self) -> None:
        match = self._match or await self._find(self.token)
        if match is not None:
            await self._write(self._holder, self.token, match)
            self._prolong()

    async def _find(self, token: int, *, left: bool = False) -> Match | None:
        """The state of our lease after a write that was refused or not answered; None if it is not ours any more.

        That is a loss, unless we may have ``left``: then a release whose answer was lost has let another in.
        """
        seen = await self._read()
        if seen is not None and seen.record.token == token and seen.record.holder in {self._holder, None}:
            if seen.record == self._tried:
                self._prolong()
            return seen.match
        if seen is None:
            self._lose("its object was deleted")
        elif not left:
            self._lose(f"another holder took it over, with token {seen.record.token}")
        return None

    async def _expire(self) -> None:
        while not self._reason:
            await self._clock.sleep(max(0.0, self._deadline - self._clock.now()))
            self._look_at_clock()

    def _look_at_clock(self) -> None:
        if not self._reason and self._clock.now() >= self._deadline:
            self._lose(f"it could not be renewed within {self._ttl:g} s")

    def _lose(self, reason: str) -> None:
        if not self._reason:
            self._close(reason)
            self.lost.set()

    def _close(self, reason: str) -> None:
        self._reason = self._reason or reason

    async def _within(self, seconds: float, step: Coroutine[Any, Any, None]) -> bool:
        """Whether ``step`` ended within ``seconds``; then it is cancelled."""
        task = asyncio.ensure_future(step)
        alarm = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait({task, alarm}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                return False
            task.result()
            return True
        finally:
            await join({task, alarm})

    # --- releasing

    async def _end(self, token: int) -> None:
        self._look_at_clock()
        if not self._reason:
            try:
                await settle(self._release(token))
            finally:
                self._close("it was released")

    async def _release(self, token: int) -> None:
        """Make the lease free, and keep its token. What cannot be released runs out by itself."""
        try:
            await self._within(max(0.0, self._deadline - self._clock.now()), self._let_go(token))
        except Exception as error:
            self._failure = error

    async def _let_go(self, token: int) -> None:
        left = False
        for _ in range(_SUCCESSION):
            match = self._match or await self._find(token, left=left)
            if match is None:
                return
            try:
                await self._write(None, token, match)
            except _REFUSED as error:
                left = left or isinstance(error, WriteOutcomeUnknownError)
            else:
                return

    def _error(self) -> LeaseLostError:
        return LeaseLostError(
            f"the lease is no longer held: {self._reason}; what it protects may be in other hands",
            key=self._key,
            operation="lease",
            store=self._context.driver.location,
        )

    def _unusable(self, message: str) -> StoreClosedError:
        return StoreClosedError(message, key=self._key, operation="lease", store=self._context.driver.location)
