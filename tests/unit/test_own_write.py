"""What a conditional write came to when answers were lost: success if it was ours, else what is known of it."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

import pytest

from aiostore import (
    AlreadyExistsError,
    ConnectionLostError,
    Limits,
    NotFoundError,
    NotSupportedError,
    ObjectChangedError,
    PermissionDeniedError,
    PreconditionFailedError,
    RetryPolicy,
    Store,
    StoreError,
    TransientError,
    UnavailableError,
    WriteOutcomeUnknownError,
)
from aiostore.body import Buffers
from aiostore.capabilities import Capabilities, Conditions, Guarantee, PartLimits
from aiostore.drivers.memory import MemoryDriver
from aiostore.testing import EVERY, Call, Fail, Fault, FaultyDriver
from aiostore.types import DeleteOptions, Part, PutOptions, PutResult, Upload

PART: Final = 100
LARGE: Final = bytes(3 * PART)
CONFLICT: Final = UnavailableError("another request writes the same object at this moment")
LOST: Final = ConnectionLostError("lost", answered=False)


class Forgetful(MemoryDriver):
    """Stores no metadata."""

    @property
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, metadata=False)


class Terse(MemoryDriver):
    """Completes uploads without telling the ETag, as some gateways do."""

    async def complete_multipart(self, upload: Upload, parts: Sequence[Part], options: PutOptions) -> PutResult:
        await super().complete_multipart(upload, parts, options)
        return PutResult()


class TerseAndForgetful(Terse, Forgetful):
    pass


class Rival(Fault):
    """Somebody else writes or deletes ``key`` right after, or before, the numbered calls of a primitive."""

    def __init__(
        self, memory: MemoryDriver, primitive: str, key: str = "key", *, delete: bool = False, first: bool = False,
        calls: Sequence[int] = (1,), error: StoreError | None = LOST,
    ) -> None:  # fmt: skip
        self.memory = memory
        self.primitive = primitive
        self.key = key
        self.delete = delete
        self.first = first
        self.calls = calls
        self.error = error

    async def _strike(self, call: Call) -> None:
        if call.primitive != self.primitive or call.number not in self.calls:
            return
        if self.delete:
            await self.memory.delete(self.key, DeleteOptions())
        else:
            await self.memory.put(self.key, Buffers([b"rival %d" % call.number]), PutOptions())
        if self.error is not None:
            raise copy.copy(self.error)

    async def before(self, call: Call) -> None:
        if self.first:
            await self._strike(call)

    async def after(self, call: Call) -> None:
        if not self.first:
            await self._strike(call)


class Late(Fault):
    """The first put is lost on the way; the later ones meet it while it is still being applied."""

    def __init__(self, memory: MemoryDriver, *, conflicts: Sequence[int], lands_before: int | None) -> None:
        self.memory = memory
        self.conflicts = conflicts
        self.lands_before = lands_before
        self.first: Call | None = None

    async def before(self, call: Call) -> None:
        if call.primitive != "put":
            return
        if call.number == 1:
            self.first = call
            raise ConnectionLostError("lost", answered=False)
        if call.number == self.lands_before:
            assert self.first is not None
            await self.memory.put(*self.first.arguments)  # type: ignore[arg-type]  # the very arguments of put
        if call.number in self.conflicts:
            raise UnavailableError("409 ConditionalRequestConflict")


@asynccontextmanager
async def faulty(memory: MemoryDriver, *plan: Fault, attempts: int = 4) -> AsyncIterator[tuple[Store, FaultyDriver]]:
    driver = FaultyDriver(memory, plan)
    retry = RetryPolicy(first_delay=0, attempts=attempts, budget=10**6)
    async with Store(driver, retry=retry, limits=Limits(part_size=PART)) as store:
        yield store, driver
        driver.plan = ()
        assert [upload.id async for upload in store.uploads()] == []


def small_parts(kind: type[MemoryDriver] = MemoryDriver, *, versioning: bool = False) -> MemoryDriver:
    return kind(parts=PartLimits(min_size=PART), versioning=versioning)


# --- puts


async def test_a_write_that_meets_itself_being_applied_succeeds() -> None:
    memory = MemoryDriver()
    async with faulty(memory, Late(memory, conflicts=(2, 3), lands_before=3)) as (store, _):
        result = await store.put("key", b"value", if_absent=True)
        assert result.etag == (await store.head("key")).etag


async def test_a_write_that_is_applied_after_the_last_attempt_has_an_unknown_outcome() -> None:
    memory = MemoryDriver()
    async with faulty(memory, Late(memory, conflicts=EVERY, lands_before=None)) as (store, _):
        with pytest.raises(WriteOutcomeUnknownError) as caught:
            await store.put("key", b"value", if_absent=True)
        assert caught.value.key == "key"
        assert isinstance(caught.value.__cause__, TransientError)


@pytest.mark.parametrize("data", [b"value", LARGE], ids=["put", "multipart"])
async def test_a_write_whose_every_answer_was_lost_is_looked_up(data: bytes) -> None:
    lost = [Fail(primitive, calls=EVERY, lost=True) for primitive in ("put", "complete_multipart")]
    async with faulty(small_parts(), *lost) as (store, _):
        result = await store.put("key", data, if_absent=True, part_size=PART)
        assert (result.etag, result.size) == ((await store.head("key")).etag, len(data))


@pytest.mark.parametrize("data", [b"value", LARGE], ids=["put", "multipart"])
async def test_a_write_that_cannot_be_looked_up_has_an_unknown_outcome(data: bytes) -> None:
    lost = [Fail(primitive, lost=True) for primitive in ("put", "complete_multipart")]
    denied = Fail("head", calls=EVERY, error=PermissionDeniedError("no"))
    async with faulty(small_parts(), *lost, denied) as (store, _):
        with pytest.raises(WriteOutcomeUnknownError) as caught:
            await store.put("key", data, if_absent=True, part_size=PART)
        assert isinstance(caught.value.__cause__, PermissionDeniedError)


@pytest.mark.parametrize("data", [b"value", LARGE], ids=["put", "multipart"])
async def test_without_metadata_a_refusal_after_a_lost_answer_is_no_answer(data: bytes) -> None:
    lost = [Fail(primitive, lost=True) for primitive in ("put", "complete_multipart")]
    async with faulty(small_parts(Forgetful), *lost) as (store, _):
        with pytest.raises(WriteOutcomeUnknownError):
            await store.put("key", data, if_absent=True, part_size=PART)
        assert await store.get("key") == data


async def test_without_metadata_a_refusal_without_lost_answers_is_the_truth() -> None:
    async with faulty(Forgetful(), Fail("put", calls=(2,))) as (store, _):
        old = await store.put("key", b"old")
        with pytest.raises(AlreadyExistsError):
            await store.put("key", b"new", if_absent=True)
        await store.put("key", b"newer")
        with pytest.raises(PreconditionFailedError):
            await store.put("key", b"new", if_match=old)


@pytest.mark.parametrize("delete", [False, True], ids=["overwritten", "deleted"])
@pytest.mark.parametrize("data", [b"value", LARGE], ids=["put", "multipart"])
async def test_a_write_that_was_replaced_since_is_found_among_the_versions(data: bytes, delete: bool) -> None:
    memory = small_parts(versioning=True)
    primitive = "put" if len(data) < PART else "complete_multipart"
    async with faulty(memory) as (store, driver):
        await memory.put("key-before", Buffers([data]), PutOptions())
        old = await memory.put("key", Buffers([data]), PutOptions())
        driver.plan = [Rival(memory, primitive, delete=delete)]
        result = await store.put("key", data, if_match=old, part_size=PART)
        assert result.version not in {None, old.version}
        assert await store.get("key", version=result.version) == data


async def test_versions_that_hold_no_write_of_ours_leave_its_outcome_unknown() -> None:
    memory = MemoryDriver(versioning=True)
    async with faulty(memory, Rival(memory, "put", first=True)) as (store, _):
        with pytest.raises(WriteOutcomeUnknownError):
            await store.put("key", b"value", if_absent=True)


async def test_a_completion_succeeds_although_its_etag_cannot_be_looked_up() -> None:
    async with faulty(small_parts(Terse), Fail("head", calls=EVERY, error=PermissionDeniedError("no"))) as (store, _):
        result = await store.put("key", LARGE, if_absent=True, part_size=PART)
        assert (result.etag, result.size) == (None, len(LARGE))


async def test_the_etag_of_somebody_elses_object_is_never_handed_out() -> None:
    memory = small_parts(TerseAndForgetful)
    async with faulty(memory, Rival(memory, "complete_multipart", error=None)) as (store, _):
        result = await store.put("key", LARGE, part_size=PART)
        assert result.etag is None


# --- deletes


async def test_a_conditional_delete_that_may_have_hit_says_so() -> None:
    memory = MemoryDriver()
    async with faulty(memory, Rival(memory, "delete")) as (store, _):
        old = await store.put("key", b"old")
        with pytest.raises(WriteOutcomeUnknownError) as caught:
            await store.delete("key", if_match=old)
        assert (caught.value.operation, caught.value.key) == ("delete", "key")


async def test_a_conditional_delete_whose_every_answer_was_lost_is_looked_up() -> None:
    async with faulty(MemoryDriver(), Fail("delete", calls=EVERY, lost=True)) as (store, _):
        old = await store.put("key", b"old")
        await store.delete("key", if_match=old)
        assert not await store.exists("key")


async def test_a_conditional_delete_that_never_arrived_has_an_unknown_outcome() -> None:
    async with faulty(MemoryDriver(), Fail("delete", calls=EVERY, error=LOST)) as (store, _):
        old = await store.put("key", b"old")
        with pytest.raises(WriteOutcomeUnknownError):
            await store.delete("key", if_match=old)


async def test_a_conditional_delete_that_cannot_be_looked_up_has_an_unknown_outcome() -> None:
    memory = MemoryDriver()
    denied = Fail("head", calls=EVERY, error=PermissionDeniedError("no"))
    async with faulty(memory, denied, Rival(memory, "delete")) as (store, _):
        old = await store.put("key", b"old")
        with pytest.raises(WriteOutcomeUnknownError) as caught:
            await store.delete("key", if_match=old)
        assert isinstance(caught.value.__cause__, PermissionDeniedError)


async def test_a_conditional_delete_of_one_version_looks_at_that_version() -> None:
    memory = MemoryDriver(versioning=True)
    failure = Fail("delete", calls=EVERY, lost=True)
    async with faulty(memory, failure) as (store, _):
        old = await store.put("key", b"old")
        await store.put("key", b"current")
        await store.delete("key", version=old.version, if_match="*")
        with pytest.raises(NotFoundError):
            await store.head("key", version=old.version)


# --- copies and renames


async def test_without_metadata_a_refused_copy_after_a_lost_answer_is_no_answer() -> None:
    async with faulty(Forgetful(), Fail("copy", lost=True)) as (store, _):
        await store.put("source", b"value")
        with pytest.raises(WriteOutcomeUnknownError):
            await store.copy("source", "target", if_absent=True)


async def test_a_source_that_changes_before_it_is_copied_is_copied_as_it_is_then() -> None:
    memory = MemoryDriver()
    async with faulty(memory, Rival(memory, "copy", "source", first=True, error=None)) as (store, _):
        await store.put("source", b"value", metadata={"name": "value"})
        await store.copy("source", "target", if_absent=True)
        assert await store.get("target") == b"rival 1"
        assert dict((await store.head("target")).metadata) == {}


async def test_a_source_that_never_rests_is_not_an_existing_target() -> None:
    memory = MemoryDriver()
    async with faulty(memory, Rival(memory, "copy", "source", first=True, calls=EVERY, error=None)) as (store, _):
        await store.put("source", b"value")
        with pytest.raises(ObjectChangedError) as caught:
            await store.copy("source", "target", if_absent=True)
        assert caught.value.key == "source"


async def test_a_copy_in_parts_needs_completions_that_keep_the_condition() -> None:
    class Weak(MemoryDriver):
        @property
        def capabilities(self) -> Capabilities:
            return replace(super().capabilities, complete=Conditions(if_absent=Guarantee.BEST_EFFORT))

    memory = Weak(parts=PartLimits(min_size=PART), max_copy=PART)
    async with faulty(memory) as (store, _):
        await store.put("source", LARGE)
        with pytest.raises(NotSupportedError):
            await store.copy("source", "target", if_absent=True)
        await store.copy("source", "target", if_absent=True, best_effort=True)


@pytest.mark.parametrize("if_absent", [False, True])
async def test_a_rename_that_may_have_happened_says_so(if_absent: bool) -> None:
    memory = MemoryDriver()
    async with faulty(memory, Rival(memory, "rename", "target")) as (store, _):
        await store.put("source", b"value")
        with pytest.raises(WriteOutcomeUnknownError):
            await store.rename("source", "target", if_absent=if_absent)


async def test_a_rename_that_cannot_be_looked_up_has_an_unknown_outcome() -> None:
    denied = Fail("head", calls=range(2, 9), error=PermissionDeniedError("no"))
    async with faulty(MemoryDriver(), denied, Fail("rename", lost=True)) as (store, _):
        await store.put("source", b"value")
        with pytest.raises(WriteOutcomeUnknownError):
            await store.rename("source", "target", if_absent=True)


async def test_a_rename_that_never_arrived_may_be_made_again() -> None:
    async with faulty(MemoryDriver(), Fail("rename", calls=EVERY, error=LOST)) as (store, _):
        await store.put("source", b"value")
        with pytest.raises(ConnectionLostError):
            await store.rename("source", "target")


class Copying(MemoryDriver):
    """Renames by copies, and deletes with a condition or without."""

    conditions = Conditions(if_match=Guarantee.ATOMIC)

    @property
    def capabilities(self) -> Capabilities:
        capabilities = super().capabilities
        return replace(capabilities, operations=capabilities.operations - {"rename"}, delete=self.conditions)


class CopyingBlindly(Copying):
    conditions = Conditions()


copying = pytest.mark.parametrize("driver", [Copying, CopyingBlindly])


@copying
async def test_a_source_that_was_replaced_while_it_was_copied_is_kept(driver: type[Copying]) -> None:
    memory = driver()
    async with faulty(memory, Rival(memory, "copy", "source", error=None)) as (store, _):
        await store.put("source", b"value")
        with pytest.raises(ObjectChangedError) as caught:
            await store.rename("source", "target")
        assert (caught.value.key, caught.value.operation) == ("source", "rename")
        assert await store.get("source") == b"rival 1"
        assert await store.get("target") == b"value"


@copying
async def test_a_rename_by_a_copy_whose_deletion_was_not_answered_is_done(driver: type[Copying]) -> None:
    async with faulty(driver(), Fail("delete", lost=True)) as (store, _):
        await store.put("source", b"value")
        await store.rename("source", "target")
        assert not await store.exists("source")
        assert await store.get("target") == b"value"
