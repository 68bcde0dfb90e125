"""What retries, resumed reads, verification and own-write detection make of a driver that fails in every way."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiostore.body import Buffers
from aiostore.budget import BUDGET
from aiostore.capabilities import PartLimits
from aiostore.drivers.memory import MemoryDriver
from aiostore.errors import (
    AlreadyExistsError,
    ConnectionLostError,
    CorruptedError,
    ObjectChangedError,
    PermissionDeniedError,
    PreconditionFailedError,
    RateLimitedError,
    StoreError,
    TransientError,
    UnavailableError,
    WriteOutcomeUnknownError,
)
from aiostore.policies import Limits, RetryPolicy
from aiostore.store import Store
from aiostore.testing import EVERY, Call, Cut, Fail, FailRandomly, Fault, FaultyDriver, Flip, Hold
from aiostore.testing.conformance.suite import payload
from aiostore.types import DeleteOptions, DeleteResult, GetOptions, PutOptions

PART = 1000
SIZE = 300
LARGE = 10 * PART + 1

property_test = settings(deadline=None, max_examples=150)


@asynccontextmanager
async def faulty(
    *plan: Fault, attempts: int = 10, part_size: int = PART, reads: int = 4
) -> AsyncIterator[tuple[Store, FaultyDriver]]:
    """A store over a faulty memory; at its end, nothing is left: no body, upload, or byte of the budget."""
    memory = MemoryDriver(parts=PartLimits(min_size=PART, max_size=100 * PART), page_size=3, delete_batch=3)
    driver = FaultyDriver(memory, plan)
    retry = RetryPolicy(first_delay=0, attempts=attempts, budget=10**6)
    async with Store(driver, retry=retry, limits=Limits(part_size=part_size, gap=100, reads=reads)) as store:
        yield store, driver
        driver.plan = ()
        assert [upload.id async for upload in store.uploads()] == []
    assert driver.open_bodies == 0
    assert BUDGET.used == 0


def gets(driver: FaultyDriver) -> list[GetOptions]:
    options = [call.arguments[1] for call in driver.calls if call.primitive == "get"]
    return [option for option in options if isinstance(option, GetOptions)]


async def read(store: Store, key: str = "key", **options: int) -> bytes:
    return b"".join([chunk async for chunk in store.stream(key, **options)])  # type: ignore[arg-type]  # ints all


# --- bodies that are cut


@property_test
@given(at=st.integers(0, SIZE))
async def test_a_stream_goes_on_at_the_very_byte_where_it_was_cut(at: int) -> None:
    async with faulty(Cut(at=at)) as (store, driver):
        result = await store.put("key", payload(SIZE))
        assert await read(store) == payload(SIZE)
        if at < SIZE:
            _, resumed = gets(driver)
            assert resumed.start == at
            assert resumed.if_match is not None
            assert resumed.if_match.etag == result.etag


@property_test
@given(at=st.integers(0, SIZE))
async def test_a_whole_read_survives_a_cut_at_any_byte(at: int) -> None:
    async with faulty(Cut(at=at)) as (store, _):
        await store.put("key", payload(SIZE))
        assert await store.get("key") == payload(SIZE)


@property_test
@given(at=st.integers(0, PART), number=st.integers(1, 12), chunk_size=st.none() | st.integers(1, 3 * PART))
async def test_a_parallel_stream_survives_a_cut_of_any_range(at: int, number: int, chunk_size: int | None) -> None:
    async with faulty(Cut(at=at, calls=(number,))) as (store, _):
        await store.put("key", payload(LARGE))
        chunks = [chunk async for chunk in store.stream("key", chunk_size=chunk_size)]
        assert b"".join(chunks) == payload(LARGE)
        if chunk_size is not None:
            assert {len(chunk) for chunk in chunks[:-1]} <= {chunk_size}


@property_test
@given(span=st.tuples(st.integers(0, LARGE - 1), st.integers(1, LARGE)), at=st.integers(0, PART))
async def test_a_range_survives_a_cut_at_any_byte(span: tuple[int, int], at: int) -> None:
    start, stop = span[0], max(span[0] + 1, span[1])
    async with faulty(Cut(at=at, calls=(1, 3))) as (store, _):
        await store.put("key", payload(LARGE))
        assert await store.get_range("key", start, stop) == payload(LARGE)[start:stop]
        assert await store.get_ranges("key", [(start, stop), (0, 10)]) == [payload(LARGE)[start:stop], payload(10)]


async def test_a_stream_that_moves_between_cuts_never_runs_out_of_attempts() -> None:
    async with faulty(Cut(at=10, calls=EVERY), attempts=2, reads=1) as (store, driver):
        await store.put("key", payload(SIZE))
        assert await read(store) == payload(SIZE)
        assert driver.count("get") >= SIZE // 10


async def test_a_stream_that_does_not_move_runs_out_of_attempts() -> None:
    async with faulty(Cut(at=0, calls=EVERY), attempts=3) as (store, driver):
        await store.put("key", payload(SIZE))
        with pytest.raises(ConnectionLostError) as caught:
            await read(store)
        assert (caught.value.key, caught.value.store) == ("key", "memory://memory")
        assert driver.count("get") == 3


async def test_a_download_survives_cuts(tmp_path: Path) -> None:
    async with faulty(Cut(at=700, calls=EVERY)) as (store, _):
        await store.put("key", payload(LARGE))
        await store.download("key", tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == payload(LARGE)
        file = io.BytesIO()
        await store.download("key", file)
        assert file.getvalue() == payload(LARGE)


class Replace(Fault):
    """After the numbered ``get`` was answered, somebody replaces or deletes the object."""

    def __init__(self, memory: MemoryDriver, number: int, data: bytes | None) -> None:
        self.memory = memory
        self.number = number
        self.data = data

    async def after(self, call: Call) -> None:
        if call.primitive == "get" and call.number == self.number:
            if self.data is None:
                await self.memory.delete("key", DeleteOptions())
            else:
                await self.memory.put("key", Buffers([self.data]), PutOptions())


@pytest.mark.parametrize("data", [payload(SIZE, 1), payload(2 * SIZE), None], ids=["replaced", "grown", "deleted"])
async def test_an_object_that_changed_before_the_resumption_is_never_a_mixture(data: bytes | None) -> None:
    async with faulty() as (store, driver):
        await store.put("key", payload(SIZE))
        driver.plan = [Replace(_memory(driver), 1, data), Cut(at=100)]
        with pytest.raises(ObjectChangedError) as caught:
            await read(store)
        assert caught.value.key == "key"


async def test_ranges_of_an_object_that_changes_between_them_are_never_a_mixture() -> None:
    async with faulty() as (store, driver):
        await store.put("key", payload(LARGE))
        driver.plan = [Replace(_memory(driver), 2, payload(LARGE, 1))]
        with pytest.raises(ObjectChangedError):
            await store.get_ranges("key", [(number * PART, number * PART + 10) for number in range(10)])


# --- bytes that are wrong


@property_test
@given(at=st.integers(0, SIZE - 1))
async def test_a_flipped_bit_is_healed_by_reading_again(at: int) -> None:
    async with faulty(Flip(at=at)) as (store, driver):
        await store.put("key", payload(SIZE))
        assert await store.get("key") == payload(SIZE)
        assert driver.count("get") == 2


@property_test
@given(at=st.integers(0, PART - 1), number=st.integers(1, 8))
async def test_a_flipped_bit_in_one_of_many_ranges_is_healed(at: int, number: int) -> None:
    size = 200 * 1024
    async with faulty(Flip(at=at, calls=(number,)), part_size=20 * 1024) as (store, _):
        await store.put("key", payload(size))
        assert await store.get("key") == payload(size)


@property_test
@given(at=st.integers(0, PART - 1), number=st.integers(1, 8))
async def test_a_stream_never_hands_out_the_last_of_corrupted_bytes(at: int, number: int) -> None:
    async with faulty(Flip(at=at, calls=(number,))) as (store, _):
        await store.put("key", payload(LARGE), part_size=100 * PART)  # parts have checksums, which heal
        read_bytes = 0

        async def consume() -> None:
            nonlocal read_bytes
            async for chunk in store.stream("key"):
                read_bytes += len(chunk)

        with pytest.raises(CorruptedError) as caught:
            await consume()
        assert caught.value.key == "key"
        assert read_bytes < LARGE


async def test_bytes_that_stay_wrong_are_an_error() -> None:
    async with faulty(Flip(at=5, calls=EVERY)) as (store, _):
        await store.put("key", payload(SIZE))
        with pytest.raises(CorruptedError):
            await store.get("key")


async def test_a_download_of_wrong_bytes_is_healed_or_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    async with faulty(Flip(at=5)) as (store, driver):
        await store.put("key", payload(LARGE))
        await store.download("key", tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == payload(LARGE)
        driver.plan = [Flip(at=5, calls=EVERY)]
        (tmp_path / "file").write_bytes(b"old")
        with pytest.raises(CorruptedError):
            await store.download("key", tmp_path / "file")
        assert [path.name for path in tmp_path.iterdir()] == ["file"]
        assert (tmp_path / "file").read_bytes() == b"old"


async def test_a_read_that_gets_no_budget_is_verified_range_by_range() -> None:
    async with faulty() as (store, driver):
        await store.put("key", payload(LARGE), part_size=100 * PART)  # parts have checksums, which heal
        assert BUDGET.try_acquire(BUDGET.limit)
        try:
            stream = store.stream("key")
            assert b"".join([chunk async for chunk in stream]) == payload(LARGE)
            assert stream.verified == "crc64nvme"
            driver.plan = [Flip(at=5, calls=(driver.count("get") + 3,))]
            with pytest.raises(CorruptedError):
                await read(store)
        finally:
            BUDGET.release(BUDGET.limit)


async def test_a_stream_says_what_proved_its_bytes() -> None:
    async with faulty(Cut(at=100)) as (store, _):
        await store.put("key", payload(SIZE))
        stream = store.stream("key")
        assert stream.verified is None
        assert b"".join([chunk async for chunk in stream]) == payload(SIZE)
        assert stream.verified == "crc64nvme"


# --- requests that fail


@pytest.mark.parametrize("seed", range(12))
async def test_everything_succeeds_although_every_fifth_call_fails(seed: int, tmp_path: Path) -> None:
    large, small = payload(LARGE, seed), payload(SIZE, seed)
    async with faulty(FailRandomly(0.2, seed=seed), attempts=25) as (store, driver):
        for turn in range(5):
            await store.put("small", small, metadata={"turn": str(turn)})
            await store.put("large", large, part_size=PART)
            await store.put("pieces", iter([large[:4321], large[4321:]]), part_size=PART)
            await store.put(f"created/{turn}", small, if_absent=True)
            with pytest.raises(AlreadyExistsError):
                await store.put(f"created/{turn}", large, if_absent=True)
            await store.put(f"created-large/{turn}", large, if_absent=True, part_size=PART)
            old = await store.put("swapped", small)
            await store.put("swapped", large, if_match=old, part_size=PART)
            assert await store.get("small") == small
            assert await store.get("large") == await read(store, "large") == large
            assert await store.get_ranges("pieces", [(5000, 5010), (0, 10)]) == [large[5000:5010], large[:10]]
            assert dict((await store.head("small")).metadata) == {"turn": str(turn)}
            await store.copy("large", f"copied/{turn}")
            await store.rename("swapped", f"renamed/{turn}")
            assert await store.get(f"renamed/{turn}") == large
            assert not await store.exists("swapped")
            await store.download("large", tmp_path / "file")
            assert (tmp_path / "file").read_bytes() == large
            await store.delete("small")
            await store.delete("small")
        keys = [meta.key async for meta in store.list()]
        expected = [f"{name}/{turn}" for name in ("copied", "created", "created-large", "renamed") for turn in range(5)]
        assert sorted(keys) == sorted([*expected, "large", "pieces"])
        level = await store.list_with_delimiter()
        assert list(level.common_prefixes) == ["copied/", "created-large/", "created/", "renamed/"]
        assert [result.error for result in await store.delete_many(keys)] == [None] * len(keys)
        assert [meta.key async for meta in store.list()] == []
        await asyncio.gather(*(store.put("same", small) for _ in range(20)))
        assert await asyncio.gather(*(store.get("same") for _ in range(20))) == [small] * 20
        assert len(driver.calls) > 200


async def test_a_transient_error_ends_after_the_policys_attempts() -> None:
    async with faulty(Fail("put", calls=EVERY), attempts=4) as (store, driver):
        with pytest.raises(UnavailableError) as caught:
            await store.put("key", b"value")
        assert (caught.value.key, caught.value.operation) == ("key", "put")
        assert driver.count("put") == 4
        assert not await store.exists("key")


async def test_an_error_that_is_not_transient_is_raised_at_once() -> None:
    refused = PermissionDeniedError("no", key="key", operation="get")
    async with faulty(Fail("get", calls=EVERY, error=refused)) as (store, driver):
        await store.put("key", b"value")
        with pytest.raises(PermissionDeniedError):
            await store.get("key")
        assert driver.count("get") == 1


async def test_a_wish_to_wait_too_long_is_an_error_at_once() -> None:
    busy = RateLimitedError("slow down", retry_after=3600)
    async with faulty(Fail("put", calls=EVERY, error=busy)) as (store, driver):
        with pytest.raises(RateLimitedError) as caught:
            await store.put("key", b"value")
        assert caught.value.retry_after == 3600
        assert driver.count("put") == 1


async def test_an_empty_retry_budget_fails_at_once() -> None:
    driver = FaultyDriver(MemoryDriver(), [Fail("head", calls=EVERY)])
    async with Store(driver, retry=RetryPolicy(first_delay=0, budget=5, refill=0)) as store:
        for _ in range(3):
            with pytest.raises(TransientError):
                await store.exists("key")
    assert driver.count("head") == 3 + 5


@pytest.mark.parametrize("number", [1, 3, 10])
async def test_a_part_that_cannot_be_written_publishes_nothing(number: int) -> None:
    refused = PermissionDeniedError("no")
    async with faulty(Fail("put_part", calls=(number,), error=refused)) as (store, driver):
        with pytest.raises(PermissionDeniedError):
            await store.put("key", payload(LARGE), part_size=PART)
        assert not await store.exists("key")
        assert driver.count("abort_multipart") == 1
        assert driver.count("complete_multipart") == 0


async def test_parts_under_way_have_ended_before_the_upload_is_dropped() -> None:
    held = Hold(primitive="put_part", calls=(2,))
    async with faulty(held, Fail("put_part", calls=(3,), error=PermissionDeniedError("no"))) as (store, driver):
        before = asyncio.all_tasks()
        with pytest.raises(PermissionDeniedError):
            await store.put("key", payload(LARGE), part_size=PART)
        assert asyncio.all_tasks() == before
        assert held.reached.is_set()
        assert driver.calls[-1].primitive == "abort_multipart"


async def test_a_completion_that_is_refused_publishes_nothing() -> None:
    async with faulty(Fail("complete_multipart", error=PermissionDeniedError("no"))) as (store, _):
        with pytest.raises(PermissionDeniedError):
            await store.put("key", payload(LARGE), part_size=PART)
        assert not await store.exists("key")


async def test_the_error_of_a_write_is_not_hidden_by_a_clean_up_that_fails() -> None:
    plan = [
        Fail("put_part", error=PermissionDeniedError("the part")),
        Fail("abort_multipart", calls=EVERY, error=PermissionDeniedError("the clean-up")),
    ]
    async with faulty(*plan) as (store, driver):
        with pytest.raises(PermissionDeniedError, match="the part"):
            await store.put("key", payload(LARGE), part_size=PART)
        driver.plan = ()
        async for upload in store.uploads():
            await store.abort_upload(upload)


# --- answers that are lost


@pytest.mark.parametrize("primitive", ["put", "create_multipart", "put_part", "complete_multipart"])
@pytest.mark.parametrize("condition", ["none", "if_absent", "if_match"])
async def test_a_write_succeeds_although_an_answer_was_lost(primitive: str, condition: str) -> None:
    size = SIZE if primitive == "put" else LARGE
    async with faulty() as (store, driver):
        old = await store.put("key", b"old") if condition == "if_match" else None
        driver.plan = [Fail(primitive, calls=(driver.count(primitive) + 1,), lost=True)]
        result = await store.put(
            "key", payload(size), if_absent=condition == "if_absent", if_match=old, part_size=PART, metadata={"a": "b"}
        )
        assert await store.get("key") == payload(size)
        meta = await store.head("key")
        assert (meta.size, dict(meta.metadata)) == (size, {"a": "b"})
        assert (result.etag, result.size) == (meta.etag, size)
        for upload in [upload async for upload in store.uploads()]:
            assert primitive == "create_multipart", "only an upload whose answer was lost may be left"
            await store.abort_upload(upload)


@pytest.mark.parametrize("primitive", ["copy", "delete", "head"])
async def test_a_copy_or_rename_succeeds_although_an_answer_was_lost(primitive: str) -> None:
    async with faulty() as (store, driver):
        await store.put("key", payload(SIZE))
        await store.put("other", payload(SIZE, 1))
        driver.plan = [Fail(primitive, lost=True)]
        result = await store.copy("key", "copied")
        assert result.etag == (await store.head("copied")).etag
        await store.rename("other", "renamed")
        assert await store.get("renamed") == payload(SIZE, 1)
        assert [meta.key async for meta in store.list()] == ["copied", "key", "renamed"]


@pytest.mark.parametrize("verb", ["copy", "rename"])
async def test_a_copy_that_may_only_create_recognises_its_own_work(verb: str) -> None:
    async with faulty() as (store, driver):
        await store.put("key", payload(SIZE), metadata={"a": "b"})
        driver.plan = [Fail("copy", lost=True)]
        await getattr(store, verb)("key", "target", if_absent=True)
        assert await store.get("target") == payload(SIZE)
        assert dict((await store.head("target")).metadata) == {"a": "b"}
        assert await store.exists("key") is (verb == "copy")


@pytest.mark.parametrize("matching", [False, True])
async def test_a_delete_succeeds_although_its_answer_was_lost(matching: bool) -> None:
    async with faulty(Fail("delete", lost=True)) as (store, driver):
        result = await store.put("key", b"value")
        await store.delete("key", if_match=result if matching else None)
        assert not await store.exists("key")
        assert driver.count("delete") == 2


async def test_a_bulk_delete_succeeds_although_its_answer_was_lost() -> None:
    async with faulty(Fail("delete_many", lost=True)) as (store, _):
        await store.put("a", b"")
        assert [result.error for result in await store.delete_many(["a", "b"])] == [None, None]
        assert not await store.exists("a")


async def test_a_listing_is_complete_although_answers_were_lost() -> None:
    async with faulty(Fail("list_page", calls=range(1, 100, 2), lost=True)) as (store, _):
        for number in range(10):
            await store.put(str(number), b"")
        assert [meta.key async for meta in store.list()] == [str(number) for number in range(10)]


class Rival(Fault):
    """After the first call of a primitive was carried out, somebody else writes the object, and the answer is lost."""

    def __init__(self, memory: MemoryDriver, primitive: str, *, delete: bool = False) -> None:
        self.memory = memory
        self.primitive = primitive
        self.delete = delete

    async def after(self, call: Call) -> None:
        if call.primitive == self.primitive and call.number == 1:
            if self.delete:
                await self.memory.delete("key", DeleteOptions())
            else:
                await self.memory.put("key", Buffers([b"rival"]), PutOptions())
            raise ConnectionLostError("lost", answered=False)


@pytest.mark.parametrize("primitive", ["put", "complete_multipart"])
async def test_a_create_whose_outcome_nobody_can_tell_says_so(primitive: str) -> None:
    async with faulty() as (store, driver):
        driver.plan = [Rival(_memory(driver), primitive)]
        size = SIZE if primitive == "put" else LARGE
        with pytest.raises(WriteOutcomeUnknownError) as caught:
            await store.put("key", payload(size), if_absent=True, part_size=PART)
        assert caught.value.key == "key"
        assert not isinstance(caught.value, TransientError)
        assert await store.get("key") == b"rival"


async def test_a_swap_whose_outcome_nobody_can_tell_says_so() -> None:
    async with faulty() as (store, driver):
        memory = _memory(driver)
        old = await memory.put("key", Buffers([b"old"]), PutOptions())
        driver.plan = [Rival(memory, "put")]
        with pytest.raises(WriteOutcomeUnknownError):
            await store.put("key", b"new", if_match=old)


async def test_a_refusal_after_answered_failures_is_the_truth() -> None:
    async with faulty(Fail("put", calls=(2, 3))) as (store, _):
        await store.put("key", b"old")
        with pytest.raises(AlreadyExistsError):
            await store.put("key", b"new", if_absent=True)
        with pytest.raises(PreconditionFailedError):
            await store.put("key", b"new", if_match="0" * 32)
        assert await store.get("key") == b"old"


# --- calls that hang


@pytest.mark.parametrize("carried_out", [False, True], ids=["before it is carried out", "with its answer"])
@pytest.mark.parametrize("primitive", ["create_multipart", "put_part", "complete_multipart", "put"])
async def test_a_write_cancelled_while_a_request_is_under_way_is_all_or_nothing(
    primitive: str, carried_out: bool
) -> None:
    hold = Hold(primitive=primitive, carried_out=carried_out)
    size = SIZE if primitive == "put" else LARGE
    async with faulty(hold) as (store, _):
        writing = asyncio.create_task(store.put("key", payload(size), part_size=PART))
        await hold.reached.wait()
        for _ in range(5):
            writing.cancel()
            await asyncio.sleep(0)
        hold.released.set()
        with pytest.raises(asyncio.CancelledError):
            await writing
        if await store.exists("key"):
            assert await store.get("key") == payload(size)
            assert primitive in {"put", "complete_multipart"}


@pytest.mark.parametrize("primitive", ["get", "head"])
async def test_a_read_cancelled_while_a_request_is_under_way_leaves_nothing(primitive: str) -> None:
    hold = Hold(primitive=primitive, carried_out=True)
    async with faulty() as (store, driver):
        await store.put("key", payload(LARGE))
        driver.plan = [hold]
        reading = asyncio.create_task(store.get("key") if primitive == "get" else store.exists("key"))
        await hold.reached.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert driver.open_bodies == 0
        hold.released.set()
        assert await store.get("key") == payload(LARGE)


@pytest.mark.parametrize("number", [1, 2, 5])
async def test_a_stream_left_while_ranges_are_under_way_closes_every_body(number: int) -> None:
    hold = Hold(primitive="get", calls=(number,), carried_out=True)
    async with faulty() as (store, driver):
        await store.put("key", payload(LARGE))
        driver.plan = [hold]
        async with asyncio.timeout(10):
            try:
                async with asyncio.timeout(0.01), store.stream("key") as stream:
                    async for _ in stream:
                        await hold.reached.wait()
            except TimeoutError:
                pass
        assert driver.open_bodies == 0


class Undying(MemoryDriver):
    """Answers that it deleted, as a gateway does whose listing shows another key than the object's."""

    async def delete_many(self, keys: Sequence[str], options: DeleteOptions) -> Sequence[DeleteResult]:
        return [DeleteResult(key=key) for key in keys]


async def test_emptying_a_container_whose_objects_stay_comes_to_an_end() -> None:
    async with Store(Undying()) as store:
        await store.put("key", b"value")
        async with asyncio.timeout(10):
            with pytest.raises(StoreError, match="'key'"):
                await store.delete_container(force=True)


# --- the driver itself


async def test_the_driver_records_what_was_called() -> None:
    async with faulty(Fail("put")) as (store, driver):
        await store.put("key", b"value")
        await store.get("key", start=1)
        assert [(call.primitive, call.key, call.number) for call in driver.calls] == [
            ("put", "key", 1),
            ("put", "key", 2),
            ("get", "key", 1),
        ]
        assert gets(driver)[0].start == 1


async def test_siblings_share_plan_and_record() -> None:
    async with faulty(Fail("create_container", calls=(2,), error=PermissionDeniedError("no"))) as (store, driver):
        await store.sibling("first").create_container()
        with pytest.raises(PermissionDeniedError):
            await store.sibling("second").create_container()
        assert driver.count("create_container") == 2


async def test_an_injected_error_is_a_new_one_each_time() -> None:
    driver = FaultyDriver(MemoryDriver(), [Fail("head", calls=EVERY, error=StoreError("injected"))])
    errors = []
    for key in ("a", "b"):
        with pytest.raises(StoreError) as caught:
            await driver.head(key, GetOptions())
        errors.append(caught.value.locate(key=key))
    assert [error.key for error in errors] == ["a", "b"]


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_same_seed_makes_the_same_failures(seed: int) -> None:
    async def failures(chosen: int) -> Sequence[bool]:
        driver = FaultyDriver(MemoryDriver(), [FailRandomly(0.5, seed=chosen)])
        outcomes = []
        for _ in range(50):
            try:
                await driver.put("key", Buffers([b"value"]), PutOptions())
            except TransientError:
                outcomes.append(False)
            else:
                outcomes.append(True)
        return outcomes

    assert await failures(seed) == await failures(seed)
    assert await failures(seed) != await failures(seed + 1)
    assert {True, False} == set(await failures(seed))


def _memory(driver: FaultyDriver) -> MemoryDriver:
    assert isinstance(driver.inner, MemoryDriver)
    return driver.inner
