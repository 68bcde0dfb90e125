"""Probing: what an endpoint claims is told from what it does, and nothing is left behind."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import pytest

import aiostore
from aiostore import NotSupportedError, PermissionDeniedError, RetryPolicy, Store, UnavailableError
from aiostore._engine.probe import FEATURES, GUARANTEES, RACERS
from aiostore.body import Body
from aiostore.capabilities import Capabilities, Conditions, Guarantee
from aiostore.drivers.base_conditions import check_write
from aiostore.drivers.memory import MemoryDriver
from aiostore.errors import NotFoundError
from aiostore.testing import EVERY, Fail, FailRandomly, FaultyDriver, Hold
from aiostore.types import (
    CopyOptions,
    CopyStep,
    DeleteOptions,
    GetOptions,
    GetResult,
    ListOptions,
    ListPage,
    Match,
    ObjectMeta,
    Part,
    PutOptions,
    PutResult,
    Upload,
)

ATOMIC: Final = Conditions(if_absent=Guarantee.ATOMIC, if_match=Guarantee.ATOMIC)


class Careless(MemoryDriver):
    """Ignores every condition of the primitives in ``ignored``, and looks before it leaps in those of ``racy``."""

    ignored: Sequence[str] = ()
    racy: Sequence[str] = ()

    async def _look(self, primitive: str, key: str, if_match: Match | None, if_none_match: Match | None) -> bool:
        """Whether the driver decides on the conditions properly."""
        if primitive in self.ignored:
            return False
        if primitive not in self.racy:
            return True
        try:
            meta: ObjectMeta | None = await self.head(key, GetOptions())
        except NotFoundError:
            meta = None
        check_write(if_match, if_none_match, meta)
        await asyncio.sleep(0)
        return False

    async def put(self, key: str, body: Body, options: PutOptions) -> PutResult:
        if not await self._look("put", key, options.if_match, options.if_none_match):
            options = replace(options, if_match=None, if_none_match=None)
        return await super().put(key, body, options)

    async def complete_multipart(self, upload: Upload, parts: Sequence[Part], options: PutOptions) -> PutResult:
        if not await self._look("complete", upload.key, options.if_match, options.if_none_match):
            options = replace(options, if_match=None, if_none_match=None)
        return await super().complete_multipart(upload, parts, options)

    async def copy(self, source: str, target: str, options: CopyOptions, token: str | None = None) -> CopyStep:
        if not await self._look("copy", target, options.if_match, options.if_none_match):
            options = replace(options, if_match=None, if_none_match=None)
        return await super().copy(source, target, options, token)

    async def delete(self, key: str, options: DeleteOptions) -> None:
        if not await self._look("delete", key, options.if_match, None):
            options = replace(options, if_match=None)
        await super().delete(key, options)


class Whimsical(MemoryDriver):
    """Answers with the whole object whatever the range, forgets metadata, and lists as UTF-16 sorts."""

    async def get(self, key: str, options: GetOptions) -> GetResult:
        return await super().get(key, replace(options, start=None, stop=None))

    async def head(self, key: str, options: GetOptions) -> ObjectMeta:
        return replace(await super().head(key, options), metadata={})

    async def list_page(self, options: ListOptions) -> ListPage:
        page = await super().list_page(replace(options, limit=None, page_token=None))
        return replace(page, objects=sorted(page.objects, key=lambda meta: meta.key.encode("utf-16-be")))


def names(primitive: str) -> set[str]:
    return {name for name in GUARANTEES if name.startswith(primitive + ".")}


async def left(driver: MemoryDriver) -> list[Any]:
    """All that is left: objects, versions and uploads."""
    store = Store(driver)
    found: list[Any] = [meta.key async for meta in store.list()]
    found += [version.meta.key async for version in store.list_versions()]
    return found + [upload.id async for upload in store.uploads()]


@pytest.mark.parametrize("versioning", [False, True])
async def test_an_honest_service_is_what_it_claims_to_be(versioning: bool) -> None:
    driver = MemoryDriver(versioning=versioning)
    async with Store(driver) as store:
        result = await store.probe()
    assert result.observed == result.claimed == driver.capabilities
    assert (result.broken, result.unclaimed, result.untested) == ((), (), {})
    assert set(result.checksums) == {"md5", "crc64nvme"}
    assert (result.store, result.racers) == ("memory://memory", RACERS)
    assert await left(driver) == []


@pytest.mark.parametrize("primitive", ["put", "complete", "copy", "delete"])
async def test_a_condition_that_is_ignored_is_found_out(primitive: str) -> None:
    driver = Careless()
    driver.ignored = [primitive]
    async with Store(driver) as store:
        result = await store.probe()
    assert set(result.broken) == names(primitive)
    assert getattr(result.observed, primitive) == Conditions()
    assert await left(driver) == []


@pytest.mark.parametrize("primitive", ["put", "complete", "copy", "delete"])
async def test_a_condition_that_is_looked_at_before_the_write_loses_the_race(primitive: str) -> None:
    driver = Careless()
    driver.racy = [primitive]
    async with Store(driver) as store:
        result = await store.probe()
    assert set(result.broken) >= names(primitive)
    for name in names(primitive):
        assert getattr(getattr(result.observed, primitive), name.partition(".")[2]) is Guarantee.BEST_EFFORT
    assert await left(driver) == []


async def test_features_that_do_not_work_are_found_out() -> None:
    driver = Whimsical()
    async with Store(driver) as store:
        result = await store.probe()
    assert set(result.broken) >= set(FEATURES)
    for name in FEATURES:
        assert getattr(result.observed, name) is False
    assert await left(driver) == []


async def test_what_is_not_claimed_and_works_is_told() -> None:
    class Modest(MemoryDriver):
        @property
        def capabilities(self) -> Capabilities:
            return replace(super().capabilities, put=Conditions(), suffix_range=False)

    async with Store(Modest()) as store:
        result = await store.probe()
    assert set(result.unclaimed) == {"put.if_absent", "put.if_match", "suffix_range"}
    assert result.observed.put == ATOMIC


async def test_what_cannot_be_tried_is_untested_and_not_broken() -> None:
    driver = FaultyDriver(MemoryDriver(), [Fail("copy", calls=EVERY, error=PermissionDeniedError("not for you"))])
    async with Store(driver) as store:
        result = await store.probe()
    assert result.untested == dict.fromkeys(names("copy"), "not for you")
    assert result.broken == ()
    assert result.observed.copy == Conditions()


async def test_a_primitive_that_is_missing_is_untested() -> None:
    class Small(MemoryDriver):
        @property
        def capabilities(self) -> Capabilities:
            whole = super().capabilities
            missing = {"copy", "create_multipart"}
            return replace(
                whole, operations=whole.operations - missing, copy=Conditions(), complete=Conditions(), multipart=None
            )

    async with Store(Small()) as store:
        result = await store.probe()
    assert set(result.untested) == names("copy") | names("complete")
    assert result.broken == ()


async def test_a_store_that_is_only_read_cannot_be_probed() -> None:
    class ReadOnly(MemoryDriver):
        @property
        def capabilities(self) -> Capabilities:
            return replace(super().capabilities, operations=frozenset({"head", "get", "list_page"}))

    async with Store(ReadOnly()) as store:
        with pytest.raises(NotSupportedError):
            await store.probe()


async def test_a_store_that_refuses_the_first_write_says_why() -> None:
    driver = FaultyDriver(MemoryDriver(), [Fail("put", calls=EVERY, error=PermissionDeniedError("not for you"))])
    async with Store(driver) as store:
        with pytest.raises(PermissionDeniedError, match="not for you"):
            await store.probe()


async def test_other_objects_are_left_alone() -> None:
    driver = MemoryDriver()
    async with Store(driver, prefix="mine/") as store:
        await store.put("aiostore-probe/mine", b"value")
        await store.probe()
        await store.probe("elsewhere/")
        await store.probe("")
    assert await left(driver) == ["mine/aiostore-probe/mine"] * 2


async def test_everything_happens_below_the_prefix() -> None:
    driver = FaultyDriver(MemoryDriver())
    async with Store(driver, prefix="mine/") as store:
        await store.probe("scratch/")
    assert {call.key is None or call.key.startswith("mine/scratch/") for call in driver.calls} == {True}


async def test_answers_that_are_lost_are_no_evidence_against_a_service() -> None:
    driver = FaultyDriver(MemoryDriver(), [FailRandomly(0.1, seed=3)])
    async with Store(driver, retry=RetryPolicy(first_delay=0, budget=10**6)) as store:
        result = await store.probe()
    assert result.broken == ()


async def test_versions_that_may_not_be_listed_are_no_error() -> None:
    memory = MemoryDriver()
    driver = FaultyDriver(memory, [Fail("list_versions", calls=EVERY, error=PermissionDeniedError("no"))])
    async with Store(driver) as store:
        await store.probe()
    assert await left(memory) == []


async def test_objects_that_cannot_be_deleted_are_an_error() -> None:
    driver = FaultyDriver(MemoryDriver(), [Fail("delete_many", calls=EVERY, error=UnavailableError("down"))])
    async with Store(driver, retry=RetryPolicy(first_delay=0, attempts=2)) as store:
        with pytest.raises(UnavailableError, match="down"):
            await store.probe()


@pytest.mark.parametrize(("primitive", "number"), [("put", 40), ("complete_multipart", 5), ("copy", 9), ("delete", 2)])
async def test_a_probe_that_is_cancelled_leaves_nothing(primitive: str, number: int) -> None:
    memory = MemoryDriver(versioning=True)
    hold = Hold(primitive=primitive, calls=(number,))
    async with Store(FaultyDriver(memory, [hold])) as store:
        probing = asyncio.create_task(store.probe())
        async with asyncio.timeout(10):
            await hold.reached.wait()
        probing.cancel()
        await asyncio.sleep(0)
        probing.cancel()
        hold.released.set()
        with pytest.raises(asyncio.CancelledError):
            await probing
    assert await left(memory) == []


async def test_a_result_is_a_value() -> None:
    async with Store(MemoryDriver()) as store:
        result = await store.probe()
    assert isinstance(result, aiostore.ProbeResult)
    assert pickle.loads(pickle.dumps(result)) == result
    with pytest.raises(AttributeError):
        result.racers = 1  # type: ignore[misc]  # the point of this test
