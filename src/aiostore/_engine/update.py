"""Read, change and write back one object: a compare-and-swap loop in which no change is made twice.

A write whose answer was lost may have been carried out and overwritten at once by a rival who built on it. Then neither
a refusal nor the object tells whether the change is in it already. So every update also records, in hidden metadata,
its *lineage*: its own id and the ids of the updates that it was built on. Whoever lost an answer reads again:

- its id is in the lineage: the change was made, once;
- the state that it had read is in the lineage, and its id is not: the change was not made, and never will be, because
  its condition no longer holds; it is made anew of what is there now;
- neither, because somebody wrote without update(), or after more than :data:`LATEST` updates: nobody can tell.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import inspect
import random
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from aiostore._engine import options as _options
from aiostore._engine import own_write, write
from aiostore._engine.context import Context
from aiostore._engine.copy import stored_with
from aiostore._engine.read import read_with_meta
from aiostore.capabilities import Guarantee
from aiostore.errors import (
    AlreadyExistsError,
    ConfigurationError,
    NotFoundError,
    NotSupportedError,
    ObjectChangedError,
    PreconditionFailedError,
    StoreError,
    WriteOutcomeUnknownError,
)
from aiostore.types import ANY, Buffer, Encryption, GetOptions, Match, ObjectMeta, PutOptions, PutResult

Change: TypeAlias = Callable[[bytes | None], Buffer | Awaitable[Buffer]]
"""Makes the new bytes of the old; None is a missing object."""

ATTEMPTS: Final = 50
"""How often a change is tried by default; rivals win at most one time each while nobody is slower than they."""

LATEST: Final = 64
"""Ids in a lineage: so many updates may follow one whose answer was lost. They take 512 bytes of metadata."""

_ID: Final = 8
"""Characters of an id, six bits each."""

_MISSING: Final = "-" * _ID
_LONGEST_WAIT: Final = 1.0


async def update(
    context: Context,
    key: str,
    change: Change,
    *,
    attempts: int = ATTEMPTS,
    default: bytes | None = None,
    encryption: Encryption | None = None,
    best_effort: bool = False,
) -> PutResult:
    """Replace the object by what ``change`` makes of it; see :meth:`aiostore.store.Store.update`."""
    if attempts < 1:
        raise ConfigurationError(f"attempts={attempts!r}: must be greater than 0", key=key, operation="update")
    if not best_effort:
        require_atomic(context, key, "update")
    return await _Update(context, key, change, default, encryption, best_effort).run(attempts)


def require_atomic(context: Context, key: str, operation: str) -> None:
    """Raise NotSupportedError unless puts keep both conditions against concurrent writers."""
    conditions = context.driver.capabilities.put
    if conditions.if_absent is not Guarantee.ATOMIC or conditions.if_match is not Guarantee.ATOMIC:
        hint = "; best_effort=True takes what it does, and may lose updates" if operation == "update" else ""
        raise NotSupportedError(
            f"this needs if_absent and if_match that hold against concurrent writers, which this service (or this"
            f" endpoint's dialect) does not promise{hint}",
            key=key,
            operation=operation,
            store=context.driver.location,
        )


@dataclass(frozen=True, slots=True)
class _State:
    """What a read found; without ``meta`` there was no object."""

    meta: ObjectMeta | None
    data: bytes | None

    @property
    def lineage(self) -> str:
        """The ids of what this state is built on, latest first; the last may be a digest of a state that had no id."""
        if self.meta is None:
            return _MISSING
        recorded = self.meta.metadata.get(own_write.LINEAGE)
        if recorded:
            return recorded
        state = f"{self.meta.etag}|{self.meta.version}".encode()
        return base64.urlsafe_b64encode(hashlib.sha256(state).digest()).decode()[:_ID]

    @property
    def match(self) -> Match | None:
        return None if self.meta is None else Match(etag=self.meta.etag, version=self.meta.version)


class _Update:
    """One call. ``pending`` are the sizes, by id, of writes that may have been made, or may yet be, on ``base``."""

    def __init__(
        self,
        context: Context,
        key: str,
        change: Change,
        default: bytes | None,
        encryption: Encryption | None,
        best_effort: bool,
    ) -> None:
        self._context = context
        self._key = key
        self._change = change
        self._default = default
        self._encryption = encryption
        self._best_effort = best_effort
        self._base: _State | None = None
        self._value: Buffer = b""
        self._pending: dict[str, int] = {}

    async def run(self, attempts: int) -> PutResult:
        for attempt in range(attempts):
            if attempt:
                await self._wait(attempt)
            before = self._base
            try:
                found = await self._refresh()
            except ObjectChangedError:
                continue
            if found is not None:
                return found
            assert self._base is not None  # noqa: S101  # _refresh() has read it
            if before is None or before.match != self._base.match:
                self._value = await self._changed(self._base.data)
            if (written := await self._write(self._base)) is not None:
                return written
        if self._pending and (found := await self._refresh()) is not None:
            return found
        if self._pending:
            raise self._unknown()
        raise PreconditionFailedError(
            f"others changed the object each of the {attempts} times that it was to be updated, and it is as they left"
            " it; try again later, or allow more attempts",
            key=self._key,
            operation="update",
            store=self._context.driver.location,
        )

    async def _wait(self, attempt: int) -> None:
        """Let rivals finish: their number is not known, so the waits grow."""
        policy = self._context.retry
        ceiling = min(_LONGEST_WAIT, policy.max_delay, policy.first_delay * 2.0 ** min(attempt, 64))
        await asyncio.sleep(random.uniform(0, ceiling))  # noqa: S311  # spreads load, guards nothing

    async def _refresh(self) -> PutResult | None:
        """Read what is there now; the result if it shows that a pending write was made.

        Raises:
            WriteOutcomeUnknownError: if it does not show whether one was made.
        """
        try:
            state = await self._read()
        except ObjectChangedError:
            raise
        except StoreError as error:
            if self._pending:
                raise self._unknown() from error
            raise
        base, self._base = self._base, state
        if base is None or not self._pending:
            return None
        lineage = [state.lineage[at : at + _ID] for at in range(0, len(state.lineage), _ID)]
        for write_id, size in self._pending.items():
            if write_id in lineage:
                if write_id != lineage[0] or state.meta is None:
                    return PutResult(size=size)
                return PutResult(
                    etag=state.meta.etag, version=state.meta.version, size=size, checksums=state.meta.checksums
                )
        built_on = base.lineage[:_ID]
        if built_on not in lineage:
            raise self._unknown()
        if built_on != lineage[0]:
            self._pending.clear()
        return None

    async def _read(self) -> _State:
        try:
            meta, data = await read_with_meta(self._context, self._key, GetOptions(encryption=self._encryption))
        except NotFoundError:
            return _State(None, None)
        if meta.etag is None and meta.version is None:
            raise NotSupportedError(
                "this service tells neither an ETag nor a version, so that an update could not name what it replaces",
                key=self._key,
                operation="update",
                store=self._context.driver.location,
            )
        return _State(meta, data)

    async def _changed(self, data: bytes | None) -> Buffer:
        """What the caller makes of ``data``; whatever it raises is the caller's."""
        value = self._change(self._default if data is None else data)
        if inspect.isawaitable(value):
            value = await value
        if not isinstance(value, (bytes, bytearray, memoryview)):
            raise TypeError(f"update {self._key!r}: the function returns bytes, not {type(value).__name__}")
        return value

    async def _write(self, base: _State) -> PutResult | None:
        """Write on condition that ``base`` is still there; None if it is not, or if the write is pending now."""
        write_id = secrets.token_urlsafe(_ID * 6 // 8)
        try:
            return await write.put(
                self._context, self._key, self._value, self._put_options(base, write_id), best_effort=self._best_effort
            )
        except (AlreadyExistsError, PreconditionFailedError):
            return None
        except WriteOutcomeUnknownError:
            self._pending[write_id] = memoryview(self._value).nbytes
            return None
        except StoreError as error:
            if isinstance(error, NotFoundError) and base.meta is not None:
                # So some services say that the object is not the one that the condition demands.
                return None
            if self._pending:
                raise self._unknown() from error
            raise

    def _put_options(self, base: _State, write_id: str) -> PutOptions:
        """Everything that ``base`` was stored with, as far as reads tell, and the lineage."""
        if base.meta is None:
            stored = PutOptions(content_type=_options.content_type(self._key), if_none_match=ANY)
        else:
            stored = replace(stored_with(base.meta), storage_class=base.meta.storage_class, if_match=base.match)
        metadata = stored.metadata
        if self._context.driver.capabilities.metadata:
            lineage = (write_id + base.lineage)[: LATEST * _ID]
            metadata = {**metadata, own_write.LINEAGE: lineage}
        return replace(stored, metadata=metadata, encryption=self._encryption)

    def _unknown(self) -> WriteOutcomeUnknownError:
        return WriteOutcomeUnknownError(
            "the answer to a write was lost, and the object does not tell whether the update was made or not; read it"
            " before updating it again",
            key=self._key,
            operation="update",
            store=self._context.driver.location,
        )
