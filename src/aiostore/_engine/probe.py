"""Finding out what an endpoint really honours, by doing it on a scratch prefix.

Every promise is tried as an attack on it: a condition that does not hold must change nothing, and of several writers at
the same moment one must win. What was seen is evidence, not proof: a race that nobody won twice may yet be lost.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Protocol, TypeAlias

from aiostore._engine import write
from aiostore._engine.context import Context
from aiostore._engine.delete import empty
from aiostore._engine.gather import gather
from aiostore._engine.listing import pages
from aiostore._engine.multipart import Multipart
from aiostore._engine.read import read
from aiostore._engine.settle import settle
from aiostore.body import Buffers
from aiostore.capabilities import Capabilities, Conditions, Guarantee
from aiostore.errors import (
    AlreadyExistsError,
    NotFoundError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionFailedError,
    StoreError,
    WriteOutcomeUnknownError,
)
from aiostore.types import (
    ANY,
    CopyOptions,
    DeleteOptions,
    GetOptions,
    ListOptions,
    ListPage,
    Match,
    Part,
    PutOptions,
    PutResult,
    Upload,
)
from aiostore.wrappers.prefix import PrefixDriver

RACERS: Final = 16
"""Writers at the same moment."""

ROUNDS: Final = 3
"""Races of each kind."""

GUARANTEES: Final = (
    "put.if_absent", "put.if_match", "complete.if_absent", "complete.if_match", "copy.if_absent", "copy.if_match",
    "delete.if_match",
)  # fmt: skip
FEATURES: Final = ("metadata", "ranges", "suffix_range", "ordered_listing")

_KEYS: Final = ("Z", "a-", "a0", "z", "\u00e9", "\uff5e", "\U0001f600")
"""In UTF-8 order, which differs from that of UTF-16 in the last two, and from that of a dictionary in the first."""

_REFUSED: Final = (AlreadyExistsError, PreconditionFailedError, NotFoundError, WriteOutcomeUnknownError)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """What :meth:`aiostore.store.Store.probe` saw, beside what the driver claims.

    ``observed`` has :attr:`Guarantee.NONE` where a condition was ignored, ``BEST_EFFORT`` where it kept writers apart
    that came one after the other but let several of ``racers`` win, and ``ATOMIC`` where each race had one winner. What
    was not probed (limits, operations, the checksums of uploads) is as claimed. ``untested`` says why something could
    not be tried, or not to its end; it then counts as observed only as far as it was. ``checksums`` are those that
    reads tell of an object.
    """

    store: str
    claimed: Capabilities
    observed: Capabilities
    untested: dict[str, str]
    checksums: tuple[str, ...]
    racers: int

    @property
    def broken(self) -> tuple[str, ...]:
        """What is claimed, such as ``"put.if_match"``, and was seen not to hold."""
        return tuple(
            name
            for name in (*GUARANTEES, *FEATURES)
            if name not in self.untested and _value(self.observed, name) < _value(self.claimed, name)
        )

    @property
    def unclaimed(self) -> tuple[str, ...]:
        """What was seen to hold, and is not claimed."""
        return tuple(
            name for name in (*GUARANTEES, *FEATURES) if _value(self.observed, name) > _value(self.claimed, name)
        )


def _value(capabilities: Capabilities, name: str) -> int:
    primitive, _, condition = name.partition(".")
    value = getattr(capabilities, primitive)
    return int(getattr(value, condition) if condition else value)


async def probe(context: Context, prefix: str) -> ProbeResult:
    """Try everything below ``prefix``; see :meth:`aiostore.store.Store.probe`."""
    driver = context.driver
    if not {"put", "delete", "list_page"} <= driver.capabilities.operations:
        raise NotSupportedError(
            "to probe a store is to write, list and delete objects, which this one cannot do",
            operation="probe",
            store=driver.location,
        )
    scratch = replace(context, driver=PrefixDriver(driver, f"{prefix}{secrets.token_hex(8)}/"))
    probing = _Probe(scratch)
    try:
        await probing.run()
    finally:
        await settle(_clear(scratch))
    return probing.result(driver.location)


async def _clear(scratch: Context) -> None:
    """Delete every object, version and upload that was left."""
    try:
        await empty(scratch)
    except (NotSupportedError, PermissionDeniedError) as error:
        # Who may not list versions may still delete all that is visible.
        if error.operation != "list_versions":
            raise


class _Write(Protocol):
    """Writes ``data`` under conditions; answers the new state."""

    def __call__(
        self, key: str, data: bytes, *, if_match: Match | None = None, if_none_match: Match | None = None
    ) -> Awaitable[PutResult]: ...


_Attempt: TypeAlias = Callable[[int], Awaitable[object]]


class _Probe:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._driver = context.driver
        self._seen: dict[str, Guarantee | bool] = {}
        self._untested: dict[str, str] = {}
        self._checksums: tuple[str, ...] = ()
        self._sources: set[str] = set()

    def result(self, location: str) -> ProbeResult:
        claimed, seen = self._driver.capabilities, self._seen

        def conditions(primitive: str) -> Conditions:
            return Conditions(
                if_absent=Guarantee(seen.get(f"{primitive}.if_absent", Guarantee.NONE)),
                if_match=Guarantee(seen.get(f"{primitive}.if_match", Guarantee.NONE)),
            )

        observed = replace(
            claimed,
            put=conditions("put"),
            complete=conditions("complete"),
            copy=conditions("copy"),
            delete=conditions("delete"),
            metadata=bool(seen.get("metadata")),
            ranges=bool(seen.get("ranges")),
            suffix_range=bool(seen.get("suffix_range")),
            ordered_listing=bool(seen.get("ordered_listing")),
        )
        return ProbeResult(
            store=location,
            claimed=claimed,
            observed=observed,
            untested=self._untested,
            checksums=self._checksums,
            racers=RACERS,
        )

    async def run(self) -> None:
        # A store that cannot even do this is not probed: the error says why.
        await self._driver.put("first", Buffers((b"first",)), PutOptions())
        await self._try("metadata", self._metadata)
        await self._try("ranges", partial(self._range, 2, 5))
        await self._try("suffix_range", partial(self._range, -3, None))
        await self._try("ordered_listing", self._listing)
        await self._conditions("put", self._put)
        await self._conditions("complete", self._complete, "create_multipart")
        await self._conditions("copy", self._copy, "copy")
        await self._try("delete.if_match", self._delete)

    async def _try(self, name: str, step: Callable[[], Awaitable[Guarantee | bool]]) -> None:
        try:
            self._seen[name] = await step()
        except StoreError as error:
            self._untested[name] = error.message

    # --- reads and listings

    async def _metadata(self) -> bool:
        given = {"probe": "value", "empty": "", "long": "x" * 1000}
        await self._driver.put("metadata", Buffers((b"data",)), PutOptions(metadata=given))
        meta = await self._driver.head("metadata", GetOptions())
        self._checksums = tuple(sorted(meta.checksums))
        return {name.lower(): value for name, value in meta.metadata.items()} == given

    async def _range(self, start: int, stop: int | None) -> bool:
        data = b"0123456789"
        await self._driver.put("range", Buffers((data,)), PutOptions())
        answer = await self._driver.get("range", GetOptions(start=start, stop=stop))
        try:
            body = await answer.stream.read()
        finally:
            await answer.stream.aclose()
        return body == data[start:stop] and data[answer.start : answer.stop] == body

    async def _listing(self) -> bool:
        for key in reversed(_KEYS):
            await self._driver.put(f"list/{key}", Buffers((b"",)), PutOptions())

        def page(token: str | None) -> Awaitable[ListPage]:
            return self._driver.list_page(ListOptions(prefix="list/", page_token=token, limit=2))

        found = [meta.key async for part in pages(page, self._driver.location) for meta in part.objects]
        return found == [f"list/{key}" for key in _KEYS]

    # --- conditional writes

    async def _conditions(self, primitive: str, writes: _Write, operation: str | None = None) -> None:
        for condition, step in (("if_absent", self._if_absent), ("if_match", self._if_match)):
            name = f"{primitive}.{condition}"
            if operation is not None and operation not in self._driver.capabilities.operations:
                self._untested[name] = f"there is no {operation}"
            else:
                await self._try(name, partial(step, name, writes))

    async def _if_absent(self, name: str, writes: _Write) -> Guarantee:
        key = f"{name}/old"
        await self._put(key, b"old")
        if await self._wins(writes(key, b"new", if_none_match=ANY)) or await self._read(key) != b"old":
            return Guarantee.NONE
        await writes(f"{name}/new", b"new", if_none_match=ANY)

        async def race(number: int) -> int:
            contested = f"{name}/race {number}"
            return await self._race(contested, lambda racer: writes(contested, b"racer %d" % racer, if_none_match=ANY))

        return await self._verdict(race)

    async def _if_match(self, name: str, writes: _Write) -> Guarantee:
        key = f"{name}/old"
        stale = _state(await self._put(key, b"stale"))
        await self._put(key, b"old")
        if await self._wins(writes(key, b"new", if_match=stale)) or await self._read(key) != b"old":
            return Guarantee.NONE

        async def race(number: int) -> int:
            contested = f"{name}/race {number}"
            current = _state(await self._put(contested, b"old"))
            return await self._race(contested, lambda racer: writes(contested, b"racer %d" % racer, if_match=current))

        return await self._verdict(race)

    async def _delete(self) -> Guarantee:
        key = "delete/old"
        stale = _state(await self._put(key, b"stale"))
        await self._put(key, b"old")
        if await self._wins(self._driver.delete(key, DeleteOptions(if_match=stale))):
            return Guarantee.NONE
        if self._seen.get("put.if_match") != Guarantee.ATOMIC:
            self._untested["delete.if_match"] = "not in a race, because nothing that keeps if_match could be its rival"
            return Guarantee.BEST_EFFORT

        async def race(number: int) -> int:
            # One deletes what the others replace: if it is gone, nobody can have replaced it, and the reverse.
            contested = f"delete/race {number}"
            current = _state(await self._put(contested, b"old"))

            async def attempt(racer: int) -> None:
                if racer == 0:
                    await self._driver.delete(contested, DeleteOptions(if_match=current))
                else:
                    await self._put(contested, b"racer %d" % racer, if_match=current)

            return sum(await gather(lambda racer: self._wins(attempt(racer)), range(RACERS), RACERS))

        return await self._verdict(race)

    async def _race(self, key: str, attempt: _Attempt) -> int:
        """How many won; as many as all if the object is not the winner's."""
        won = await gather(lambda racer: self._wins(attempt(racer)), range(RACERS), RACERS)
        written = [b"racer %d" % racer for racer in range(RACERS) if won[racer]]
        return sum(won) if sum(won) != 1 or await self._read(key) in written else RACERS

    async def _wins(self, attempt: Awaitable[object]) -> bool:
        try:
            await attempt
        except _REFUSED:
            return False
        return True

    async def _verdict(self, race: Callable[[int], Awaitable[int]]) -> Guarantee:
        winners = [await race(number) for number in range(ROUNDS)]
        return Guarantee.ATOMIC if set(winners) == {1} else Guarantee.BEST_EFFORT

    async def _read(self, key: str) -> bytes:
        return await read(self._context, key, GetOptions())

    async def _put(
        self, key: str, data: bytes, *, if_match: Match | None = None, if_none_match: Match | None = None
    ) -> PutResult:
        options = PutOptions(if_match=if_match, if_none_match=if_none_match)
        return await write.put(self._context, key, data, options, best_effort=True)

    async def _complete(
        self, key: str, data: bytes, *, if_match: Match | None = None, if_none_match: Match | None = None
    ) -> PutResult:
        options = PutOptions(if_match=if_match, if_none_match=if_none_match)
        multipart = Multipart(self._context, key, options, concurrency=1, progress=None, total=len(data))

        async def part(upload: Upload, number: int, offset: int) -> Part:
            return await self._driver.put_part(upload, number, offset, Buffers((data,)))

        try:
            await multipart.begin()
            multipart.send(len(data), part, None)
            return await multipart.complete()
        except BaseException:
            await multipart.abort()
            raise

    async def _copy(
        self, key: str, data: bytes, *, if_match: Match | None = None, if_none_match: Match | None = None
    ) -> PutResult:
        source = f"source/{data.decode()}"
        if source not in self._sources:
            await self._put(source, data)
            self._sources.add(source)
        options = CopyOptions(if_match=if_match, if_none_match=if_none_match)
        step = await self._driver.copy(source, key, options)
        while not step.done:
            step = await self._driver.copy(source, key, options, step.token)
        return step.result or PutResult()


def _state(result: PutResult) -> Match:
    return Match(etag=result.etag, version=result.version)
