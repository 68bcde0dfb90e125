"""Ranges that have checksums of their own are healed before a stream hands out a byte of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiostore import (
    CorruptedError,
    Limits,
    NotSupportedError,
    ObjectChangedError,
    ObjectMeta,
    Store,
    UnavailableError,
)
from aiostore.body import Buffers
from aiostore.capabilities import Capabilities, PartLimits
from aiostore.checksums import digest
from aiostore.drivers.memory import MemoryDriver
from aiostore.policies import Integrity, RetryPolicy
from aiostore.testing import Call, Cut, Fault, FaultyDriver, Flip
from aiostore.types import ByteStream, GetOptions, GetResult, PartPage, PutOptions

PART = 1000
SIZE = 4 * PART + 123
DATA = bytes(index * 7 % 251 for index in range(SIZE))
LIMITS = Limits(part_size=PART, reads=3)
RETRY = RetryPolicy(first_delay=0.0, max_delay=0.001)


class PlainDriver(MemoryDriver):
    """Has checksums of parts, and none of the whole."""

    def __init__(self) -> None:
        super().__init__(parts=PartLimits(min_size=PART, max_size=100 * PART), page_size=3)

    async def get(self, key: str, options: GetOptions) -> GetResult:
        result = await super().get(key, options)
        result.meta = replace(result.meta, checksums={})
        return result


class CheckingDriver(PlainDriver):
    """Has no checksum of anything that it stores, and computes one for every range that is asked for."""

    largest = 700

    @property
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, range_checksum=self.largest)

    async def get(self, key: str, options: GetOptions) -> GetResult:
        result = await super().get(key, options)
        result.range_checksums = False
        if options.start is not None and result.stop - result.start <= self.largest:
            data = await result.stream.read()
            result.checksums = {"crc32": await digest("crc32", (data,))}
            result.stream = (await super().get(key, options)).stream
        return result


@dataclass(kw_only=True)
class Nth(Fault):
    """What ``fault`` does, to every ``nth`` body and those that follow it, ``times`` of them."""

    fault: type[Flip] | type[Cut]
    at: int
    nth: int
    times: int = 1
    seen: list[int] = field(default_factory=list)

    def body(self, call: Call, stream: ByteStream) -> ByteStream:
        self.seen.append(call.number)
        if self.nth <= len(self.seen) < self.nth + self.times:
            return self.fault(at=self.at, calls=(call.number,)).body(call, stream)
        return stream


async def store_of(driver: MemoryDriver, *plan: Fault, integrity: Integrity = "auto") -> Store:
    """A store with one object of parts."""
    async with Store(driver) as store:
        await store.put("object", DATA, part_size=PART)
    return Store(FaultyDriver(driver, plan), limits=LIMITS, retry=RETRY, integrity=integrity)


drivers = pytest.mark.parametrize("driver", [PlainDriver, CheckingDriver])


@drivers
@given(at=st.integers(0, 122), nth=st.integers(1, 5), chunk_size=st.none() | st.integers(1, 2500))
async def test_a_stream_heals_a_wrong_byte_anywhere(
    driver: type[PlainDriver], at: int, nth: int, chunk_size: int | None
) -> None:
    flip = Nth(fault=Flip, at=at, nth=nth)
    async with await store_of(driver(), flip) as store, store.stream("object", chunk_size=chunk_size) as stream:
        handed_out = 0
        async for chunk in stream:
            assert chunk == DATA[handed_out : handed_out + len(chunk)]
            handed_out += len(chunk)
        assert handed_out == SIZE
        assert stream.verified in {"crc64nvme", "crc32"}
    assert len(flip.seen) > 5


@drivers
@given(at=st.integers(0, 699), nth=st.integers(1, 5))
async def test_a_cut_range_is_completed_and_proven(driver: type[PlainDriver], at: int, nth: int) -> None:
    async with await store_of(driver(), Nth(fault=Cut, at=at, nth=nth)) as store, store.stream("object") as stream:
        assert b"".join([chunk async for chunk in stream]) == DATA
        assert stream.verified is not None


@drivers
async def test_what_stays_wrong_is_an_error_and_is_not_handed_out(driver: type[PlainDriver]) -> None:
    flip = Nth(fault=Flip, at=50, nth=2, times=1000)
    async with await store_of(driver(), flip) as store:
        received = b""
        with pytest.raises(CorruptedError):
            async for chunk in store.stream("object"):
                received += chunk
        assert DATA.startswith(received)


@drivers
async def test_a_whole_read_and_a_file_are_proven_by_ranges(driver: type[PlainDriver]) -> None:
    async with await store_of(driver(), Nth(fault=Flip, at=50, nth=1), integrity="require") as store:
        assert await store.get("object") == DATA
    async with await store_of(driver(), Nth(fault=Flip, at=50, nth=2)) as store:
        assert await store.get("object") == DATA
    async with await store_of(driver()) as store, store.open("object", "rb", buffer_size=200) as file:
        assert await file.read() == DATA


async def test_a_range_is_proven_where_every_answer_is() -> None:
    flip = Nth(fault=Flip, at=5, nth=1)
    async with await store_of(CheckingDriver(), flip, integrity="require") as store:
        assert await store.get_range("object", 1100, 1300) == DATA[1100:1300]
        assert await store.get_range("object", 100, 3300) == DATA[100:3300]
        assert await store.get_range("object", -200) == DATA[-200:]
    async with await store_of(PlainDriver(), integrity="require") as store:
        with pytest.raises(NotSupportedError, match="no checksum of a range"):
            await store.get_range("object", 1100, 1300)


class Sparing(CheckingDriver):
    """Leaves the checksum of one range out."""

    async def get(self, key: str, options: GetOptions) -> GetResult:
        result = await super().get(key, options)
        if options.start and options.start > 2 * PART:
            result.checksums = {}
        return result


async def test_a_range_that_comes_without_its_checksum_is_refused_if_it_must_be_proven() -> None:
    async with await store_of(Sparing()) as store, store.stream("object") as stream:
        assert b"".join([chunk async for chunk in stream]) == DATA
        assert stream.verified is None
    async with await store_of(Sparing(), integrity="require") as store:
        with pytest.raises(NotSupportedError, match="without a checksum"):
            await store.get("object")
        with pytest.raises(NotSupportedError, match="without a checksum"):
            assert [chunk async for chunk in store.stream("object")]


class Nameless(MemoryDriver):
    """Tells when an object was written, and no ETag; it is replaced after the first read of a range."""

    async def get(self, key: str, options: GetOptions) -> GetResult:
        result = await super().get(key, replace(options, if_match=None))
        result.meta = replace(result.meta, etag=None, version=None, checksums={})
        await self.put(key, Buffers((bytes(SIZE),)), PutOptions())
        return result


async def test_ranges_of_two_states_without_etags_are_never_mixed() -> None:
    driver = Nameless()
    async with Store(driver, limits=Limits(gap=0)) as store:
        await driver.put("object", Buffers((DATA,)), PutOptions())
        with pytest.raises(ObjectChangedError):
            await store.get_ranges("object", [(0, 10), (1000, 1010)])


async def test_without_integrity_nothing_is_asked_for() -> None:
    driver = FaultyDriver(PlainDriver())
    async with Store(driver) as store:
        await store.put("object", DATA, part_size=PART)
    async with Store(driver, limits=LIMITS, integrity="off") as store, store.stream("object") as stream:
        assert b"".join([chunk async for chunk in stream]) == DATA
        assert stream.verified is None
    assert driver.count("list_ranges") == 0


class Forgetful(PlainDriver):
    async def list_ranges(
        self, key: str, meta: ObjectMeta, options: GetOptions, page_token: str | None = None
    ) -> PartPage:
        if page_token is None:
            return await super().list_ranges(key, meta, options)
        raise UnavailableError("not now")


async def test_ranges_that_cannot_be_listed_leave_the_object_readable() -> None:
    async with await store_of(Forgetful()) as store:
        async with store.stream("object") as stream:
            assert b"".join([chunk async for chunk in stream]) == DATA
            assert stream.verified is None
        assert await store.get("object") == DATA
    async with await store_of(Forgetful(), integrity="require") as store:
        with pytest.raises(NotSupportedError, match="no checksum of the whole object"):
            await store.get("object")


async def test_ranges_larger_than_memory_should_hold_are_not_held_back() -> None:
    driver = MemoryDriver(parts=PartLimits(min_size=PART, max_size=100 * PART))
    async with Store(driver) as store:
        await store.put("object", DATA, part_size=3 * PART)
    flip = Nth(fault=Flip, at=50, nth=2)
    async with Store(FaultyDriver(driver, [flip]), limits=LIMITS) as store:
        with pytest.raises(CorruptedError):
            assert [chunk async for chunk in store.stream("object")]
