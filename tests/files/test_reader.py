"""Binary files that are read: as io reads them, with no more requests than needed, of one version."""

from __future__ import annotations

import asyncio
import gc
import io
import pickle
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiostore import MemoryStore
from aiostore._engine import stream
from aiostore.budget import BUDGET
from aiostore.capabilities import Capabilities
from aiostore.drivers.memory import MemoryDriver
from aiostore.errors import (
    ConnectionLostError,
    CorruptedError,
    NotFoundError,
    NotSupportedError,
    ObjectChangedError,
    PreconditionFailedError,
    StoreClosedError,
    StoreError,
    TransientError,
)
from aiostore.handles import AsyncBinaryFile
from aiostore.policies import Limits
from aiostore.store import Store
from aiostore.testing import EVERY, Call, Cut, Delay, Fail, Fault, FaultyDriver, Flip, Hold
from aiostore.testing.conformance.suite import payload
from aiostore.types import GetOptions, GetResult
from tests.files.stores import PART, faulty, ranges

SIZE = 10 * PART + 1

number = st.integers(0, 400)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(-1, 120)),
        st.tuples(st.just("read1"), st.integers(-1, 120)),
        st.tuples(st.just("peek"), st.integers(0, 60)),
        st.tuples(st.just("readinto"), st.integers(0, 120)),
        st.tuples(st.just("readline"), st.integers(-1, 40)),
        st.tuples(st.just("readlines"), st.integers(-1, 60)),
        st.tuples(st.just("next"), st.just(0)),
        st.tuples(st.just("set"), number),
        st.tuples(st.just("move"), st.integers(-100, 100)),
        st.tuples(st.just("end"), st.integers(-100, 20)),
    ),
    max_size=25,
)


async def carry_out(step: tuple[str, int], file: AsyncBinaryFile, model: io.BytesIO) -> None:
    """Do the same with a file and its model, and compare."""
    name, argument = step
    position = model.tell()
    if name == "read":
        assert await file.read(argument) == model.read(argument)
    elif name == "read1":
        data = await file.read1(argument)
        assert data == model.read(len(data))
        assert data or argument == 0 or position >= len(model.getvalue())
    elif name == "peek":
        data = await file.peek(argument)
        rest = model.getvalue()[position:]
        assert rest.startswith(data)
        assert len(data) >= min(max(argument, 1), len(rest))
    elif name == "readinto":
        buffer, expected = bytearray(argument), bytearray(argument)
        assert await file.readinto(buffer) == model.readinto(expected)
        assert buffer == expected
    elif name == "readline":
        assert await file.readline(argument) == model.readline(argument)
    elif name == "readlines":
        # BytesIO's own stops one line earlier than the other classes of io.
        assert await file.readlines(argument) == io.IOBase.readlines(model, argument)
    elif name == "next":
        assert await anext(file, b"") == next(model, b"")
    else:
        target = {"set": 0, "move": position, "end": len(model.getvalue())}[name] + argument
        whence = {"set": 0, "move": 1, "end": 2}[name]
        if target < 0:
            with pytest.raises(ValueError):
                await file.seek(argument, whence)
        else:
            assert await file.seek(argument, whence) == target
            model.seek(target)
    assert file.tell() == model.tell()


@settings(max_examples=300)
@given(
    data=st.lists(st.sampled_from([b"a", b"\n", b"bcd", b"efghijklmnop" * 3]), max_size=60).map(b"".join),
    steps=steps,
    buffer_size=st.integers(1, 64),
    part_size=st.integers(1, 100),
    gap=st.integers(0, 30),
    chunks=st.lists(st.integers(1, 70), max_size=3),
)
async def test_a_reader_answers_as_io_does(
    data: bytes, steps: list[tuple[str, int]], buffer_size: int, part_size: int, gap: int, chunks: list[int]
) -> None:
    async with faulty(part_size=part_size, gap=gap, chunks=chunks) as (store, _):
        await store.put("key", data)
        model = io.BytesIO(data)
        async with store.open("key", "rb", buffer_size=buffer_size) as file:
            for step in steps:
                await carry_out(step, file, model)


@settings(max_examples=100)
@given(steps=steps, cuts=st.sets(st.integers(1, 8), max_size=4), at=st.integers(0, 50))
async def test_a_reader_loses_nothing_where_connections_are_cut(
    steps: list[tuple[str, int]], cuts: set[int], at: int
) -> None:
    data = payload(300)
    async with faulty(Cut(at=at, calls=cuts), part_size=50, chunks=[20]) as (store, _):
        await store.put("key", data)
        model = io.BytesIO(data)
        async with store.open("key", "rb", buffer_size=10) as file:
            for step in steps:
                await carry_out(step, file, model)


# --- what is asked of the service


async def test_a_small_object_is_one_request_wherever_it_is_read() -> None:
    async with faulty() as (store, driver):
        await store.put("key", payload(100))
        async with store.open("key", "rb", buffer_size=100) as file:
            assert await file.read() == payload(100)
            await file.seek(50)
            assert await file.read(10) == payload(100)[50:60]
        assert ranges(driver) == [(0, 100)]
        assert driver.count("head") == 0


async def test_small_random_reads_ask_for_no_more_than_the_buffer() -> None:
    data = payload(SIZE)
    async with faulty() as (store, driver):
        await store.put("key", data)
        async with store.open("key", "rb", buffer_size=16) as file:
            for position in (5000, 3000, 9000, 10):
                await file.seek(position)
                assert await file.read(4) == data[position : position + 4]
                assert await file.read(12) == data[position + 4 : position + 16]
            await file.seek(-6, 2)
            assert await file.read() == data[-6:]
        assert ranges(driver) == [(0, 16), (5000, 5016), (3000, 3016), (9000, 9016), (10, 26), (SIZE - 6, SIZE)]


async def test_a_random_read_larger_than_the_buffer_asks_for_exactly_that() -> None:
    data = payload(SIZE)
    async with faulty() as (store, driver):
        await store.put("key", data)
        async with store.open("key", "rb", buffer_size=16) as file:
            await file.seek(2000)
            assert await file.read(500) == data[2000:2500]
            await file.seek(4000)
            assert await file.read(3 * PART) == data[4000:7000]
        asked = sum((stop or SIZE) - (start or 0) for start, stop in ranges(driver))
        assert asked <= 16 + 500 + 3 * PART + 2 * PART  # the first of parallel ranges is left where the second begins


async def test_reading_on_from_the_beginning_is_ahead_and_verified() -> None:
    data = payload(SIZE)
    async with faulty() as (store, driver):
        await store.put("key", data)
        async with store.open("key", "rb", buffer_size=16) as file:
            while chunk := await file.read(100):
                assert data.startswith(chunk, file.tell() - len(chunk))
        assert ranges(driver)[:3] == [(0, 16), (None, None), (PART, 2 * PART)]
        assert len(ranges(driver)) == 2 + SIZE // PART


async def test_reads_that_turn_out_to_be_in_order_are_read_ahead_again() -> None:
    data = payload(SIZE)
    async with faulty() as (store, driver):
        await store.put("key", data)
        async with store.open("key", "rb", buffer_size=16) as file:
            await file.seek(2000)
            read = b"".join([await file.read(16) for _ in range(400)])
            assert read == data[2000 : 2000 + 6400]
        assert ranges(driver)[:4] == [(0, 16), (2000, 2016), (2016, 2032), (2032, SIZE)]
        assert len(ranges(driver)) < 15


async def test_a_service_that_is_near_is_asked_for_one_range_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "BRIEF", 1000)  # whatever else the machine does
    hold = Hold(primitive="get", calls=[4])
    async with faulty(hold) as (store, driver):
        await store.put("key", payload(SIZE))
        async with store.open("key", "rb", buffer_size=16) as file:
            reading = asyncio.create_task(file.read())
            await hold.reached.wait()
            assert ranges(driver) == [(0, 16), (None, None), (PART, 2 * PART), (2 * PART, 3 * PART)]
            # The range takes long, and not for want of the processor: others are asked for beside it.
            async with asyncio.timeout(10):
                while len(ranges(driver)) < 6:
                    await asyncio.sleep(0.001)
            hold.released.set()
            assert await reading == payload(SIZE)


class Slow(Fault):
    """A request that takes a moment in which the processor has nothing to do."""

    async def before(self, call: Call) -> None:
        if call.primitive == "get" and call.number == 3:
            await asyncio.sleep(2 * stream.BRIEF)


async def test_a_near_service_of_slow_answers_is_asked_for_ranges_at_once() -> None:
    async with faulty(Slow()) as (store, driver):
        await store.put("key", payload(SIZE))
        async with store.open("key", "rb", buffer_size=16) as file:
            assert await file.read(2 * PART + 1) == payload(SIZE)[: 2 * PART + 1]
            assert len(ranges(driver)) >= 5
            assert await file.read() == payload(SIZE)[2 * PART + 1 :]


async def test_a_service_that_is_far_is_asked_for_ranges_at_once() -> None:
    hold = Hold(primitive="get", calls=[3])
    async with faulty(Delay(seconds=2 * stream.NEAR), hold) as (store, driver):
        await store.put("key", payload(SIZE))
        async with store.open("key", "rb", buffer_size=16) as file:
            reading = asyncio.create_task(file.read())
            await hold.reached.wait()
            assert len(ranges(driver)) >= 4
            hold.released.set()
            assert await reading == payload(SIZE)


async def test_a_short_way_forward_is_read_over() -> None:
    data = payload(SIZE)
    async with faulty(gap=200) as (store, driver):
        await store.put("key", data)
        async with store.open("key", "rb", buffer_size=16) as file:
            for position in range(0, SIZE - 150, 150):
                await file.seek(position)
                assert await file.read(50) == data[position : position + 50]
            assert await file.read() == data[position + 50 :]
        assert len(ranges(driver)) == 2 + SIZE // PART


async def test_nothing_is_asked_before_the_file_is_used() -> None:
    async with faulty() as (store, driver):
        file = store.open("missing", "rb")
        assert file.tell() == 0
        await file.seek(5)
        with pytest.raises(StoreClosedError, match="enter it"):
            _ = file.meta
        assert driver.calls == []
        with pytest.raises(NotFoundError):
            await file.read(1)
        await file.aclose()


async def test_entering_opens_and_tells_what_the_object_is() -> None:
    async with faulty() as (store, driver):
        result = await store.put("key", payload(SIZE), content_type="text/x-test", if_absent=True)
        async with store.open("key", "rb", buffer_size=10) as file:
            assert ranges(driver) == [(0, 10)]
            assert (file.meta.size, file.meta.etag, file.meta.content_type) == (SIZE, result.etag, "text/x-test")
            assert dict(file.meta.metadata) == {}


async def test_a_service_without_ranges_is_read_all_the_same() -> None:
    class Rangeless(MemoryDriver):
        @property
        def capabilities(self) -> Capabilities:
            return replace(super().capabilities, ranges=False)

        async def get(self, key: str, options: GetOptions) -> GetResult:
            return await super().get(key, replace(options, start=None, stop=None))

    data = payload(5 * PART)
    async with faulty(inner=Rangeless(), chunks=[100]) as (store, driver):
        await store.put("key", data)
        async with store.open("key", "rb") as file:
            assert await file.read() == data
            await file.seek(100)
            assert await file.read(10) == data[100:110]
        assert driver.count("get") == 2


# --- verified, and of one version


async def test_corrupted_bytes_of_a_large_object_surface_before_the_last_are_handed_out() -> None:
    data = payload(SIZE)
    async with faulty(Flip(at=5, calls=range(4, 1000))) as (store, _):
        await store.put("key", data)
        async with store.open("key", "rb", buffer_size=16) as file:
            read = b""
            with pytest.raises(CorruptedError):
                while chunk := await file.read(100):
                    read += chunk
            assert len(read) < SIZE
            with pytest.raises(CorruptedError):
                await file.read()


async def test_a_wrong_byte_among_the_first_that_are_handed_out_before_the_rest_was_read_is_found() -> None:
    data = payload(SIZE)
    async with faulty(Flip(at=5, calls=[1])) as (store, _):
        await store.put("key", data)
        async with store.open("key", "rb", buffer_size=16) as file:
            with pytest.raises(CorruptedError, match="came differently"):
                await file.read()


async def test_corrupted_bytes_of_a_small_object_are_read_again() -> None:
    async with faulty(Flip(at=5)) as (store, driver):
        await store.put("key", payload(100))
        async with store.open("key", "rb") as file:
            assert await file.read() == payload(100)
        assert driver.count("get") == 2


async def test_a_small_object_that_stays_corrupted_cannot_be_opened() -> None:
    async with faulty(Flip(at=5, calls=EVERY)) as (store, _):
        await store.put("key", payload(100))
        with pytest.raises(CorruptedError):
            await store.open("key", "rb").read()


async def test_integrity_require_reads_the_whole_in_order_and_refuses_ranges() -> None:
    data = payload(SIZE)
    async with faulty(integrity="require") as (store, _):
        await store.put("key", data)
        async with store.open("key", "rb") as file:
            assert await file.read() == data
        async with store.open("key", "rb") as file:
            await file.seek(5000)
            with pytest.raises(NotSupportedError, match="cannot be verified"):
                await file.read(1)


@pytest.mark.parametrize("change", ["replaced", "deleted"])
@pytest.mark.parametrize("position", [16, 5000])
async def test_an_object_that_changes_under_an_open_file_is_never_mixed(change: str, position: int) -> None:
    async with faulty() as (store, _):
        await store.put("key", payload(SIZE, 1))
        async with store.open("key", "rb", buffer_size=16) as file:
            if change == "replaced":
                await store.put("key", payload(SIZE, 2))
            else:
                await store.delete("key")
            assert await file.read(16) == payload(SIZE, 1)[:16]
            await file.seek(position)
            for _ in range(2):
                with pytest.raises(ObjectChangedError):
                    await file.read(1)
            assert file.tell() == position


async def test_a_file_can_be_opened_in_a_known_state_only() -> None:
    async with faulty() as (store, _):
        old = await store.put("key", b"old")
        async with store.open("key", "rb", if_match=old) as file:
            assert await file.read() == b"old"
        await store.put("key", b"new")
        with pytest.raises(PreconditionFailedError):
            await store.open("key", "rb", if_match=old).read()


async def test_an_old_version_can_be_read_as_a_file() -> None:
    async with MemoryStore(versioning=True) as store:
        old = await store.put("key", payload(1000, 1))
        await store.put("key", payload(1000, 2))
        async with store.open("key", "rb", version=old.version, buffer_size=10) as file:
            assert await file.read() == payload(1000, 1)


# --- failing, leaving, misusing


async def test_a_read_that_failed_can_be_repeated() -> None:
    data = payload(SIZE)
    lost = ConnectionLostError("gone")
    async with faulty() as (store, driver):
        await store.put("key", data)
        async with store.open("key", "rb", buffer_size=16) as file:
            await file.seek(2000)
            assert await file.read(8) == data[2000:2008]
            driver.plan = [Fail("get", calls=EVERY, error=lost)]
            with pytest.raises(ConnectionLostError):
                await file.read(100)
            assert file.tell() == 2008
            driver.plan = []
            assert await file.read(100) == data[2008:2108]


async def test_reading_ahead_that_failed_can_be_repeated() -> None:
    data = payload(SIZE)
    async with faulty(chunks=[100]) as (store, driver):
        await store.put("key", data)
        async with store.open("key", "rb", buffer_size=16) as file:
            assert await file.read(50) == data[:50]
            driver.plan = [Fail("get", calls=EVERY)]
            with pytest.raises(TransientError):
                await file.read()
            assert file.tell() == 50
            driver.plan = []
            assert await file.read() == data[50:]


@pytest.mark.parametrize("call", [3, 4, 5])
async def test_a_cancelled_read_loses_nothing(call: int) -> None:
    data = payload(SIZE)
    hold = Hold(primitive="get", calls=[call])
    async with faulty(hold) as (store, _):
        await store.put("key", data)
        async with store.open("key", "rb", buffer_size=16) as file:
            assert await file.read(5) == data[:5]
            reading = asyncio.create_task(file.read())
            await hold.reached.wait()
            for _ in range(5):
                await asyncio.sleep(0)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            assert file.tell() == 5
            hold.released.set()
            assert await file.read() == data[5:]


async def test_a_file_may_be_left_at_any_moment() -> None:
    async with faulty() as (store, _):
        await store.put("key", payload(SIZE))
        for count in (0, 1, 100, PART, 5 * PART):
            async with store.open("key", "rb", buffer_size=16) as file:
                await file.read(count)


async def test_a_reader_may_be_dropped_without_closing_it() -> None:
    async with faulty() as (store, driver):
        await store.put("key", payload(SIZE))
        file = store.open("key", "rb", buffer_size=16)
        await file.read(1000)
        del file
        gc.collect()
        for _ in range(50):
            await asyncio.sleep(0)
        assert driver.open_bodies == 0
        assert len(asyncio.all_tasks()) == 1


def test_a_reader_may_be_dropped_after_its_loop() -> None:
    async def use() -> AsyncBinaryFile:
        async with faulty() as (store, _):
            await store.put("key", payload(100))
            file = store.open("key", "rb", buffer_size=1)
            await file.read(50)
            return file

    asyncio.run(use())
    gc.collect()


async def test_two_tasks_cannot_read_one_file_at_once() -> None:
    hold = Hold(primitive="get", calls=[2])
    data = payload(SIZE)
    async with faulty(hold) as (store, _):
        await store.put("key", data)
        async with store.open("key", "rb", buffer_size=16) as file:
            reading = asyncio.create_task(file.read(100))
            await hold.reached.wait()
            for misuse in (lambda: file.read(1), lambda: file.readline(), lambda: file.seek(0), lambda: anext(file)):
                with pytest.raises(RuntimeError, match="another task"):
                    await misuse()
            hold.released.set()
            assert await reading == data[:100]
            assert await file.read(10) == data[100:110]


@pytest.mark.parametrize("call", [1, 2, 3])
async def test_closing_under_a_read_ends_it(call: int) -> None:
    hold = Hold(primitive="get", calls=[call])
    async with faulty(hold, chunks=[100]) as (store, driver):
        await store.put("key", payload(SIZE))
        file = store.open("key", "rb", buffer_size=16)
        reading = asyncio.create_task(file.read())
        await hold.reached.wait()
        closing = asyncio.create_task(file.aclose())
        for _ in range(5):
            await asyncio.sleep(0)
        if call == 3:
            await closing  # what is read ahead is ended
        assert closing.done() == (call == 3)  # all else is waited for
        hold.released.set()
        await closing
        assert driver.open_bodies == 0
        assert driver.count("get") < 8, "the closed file was read on"
        with pytest.raises(ValueError, match="closed file"):
            await reading


async def test_a_closed_reader_refuses_as_io_does() -> None:
    async with faulty() as (store, _):
        await store.put("key", b"value\n")
        async with store.open("key", "rb") as file:
            pass
        await file.aclose()
        assert file.closed
        calls: list[Callable[[], object]] = [
            file.read, file.readall, file.read1, file.peek, file.readline, file.readlines, file.flush,
            lambda: file.seek(0), lambda: file.readinto(bytearray(1)), lambda: file.write(b""), lambda: anext(file),
            file.__aenter__,
        ]  # fmt: skip
        for call in calls:
            with pytest.raises(ValueError, match="I/O operation on closed file"):
                await call()  # type: ignore[misc]  # awaitables all
        for sync in (file.tell, file.readable, file.writable, file.seekable, file.__aiter__):
            with pytest.raises(ValueError, match="I/O operation on closed file"):
                sync()


async def test_a_reader_cannot_write() -> None:
    async with faulty() as (store, _):
        await store.put("key", b"value")
        async with store.open("key", "rb") as file:
            assert (file.readable(), file.writable(), file.seekable()) == (True, False, True)
            assert (file.name, file.mode, file.closed) == ("key", "rb", False)
            with pytest.raises(io.UnsupportedOperation, match="not writable"):
                await file.write(b"x")
            with pytest.raises(io.UnsupportedOperation, match="not writable"):
                await file.writelines([b"x"])
            with pytest.raises(io.UnsupportedOperation):
                _ = file.result
            await file.flush()
            with pytest.raises(ValueError, match="whence"):
                await file.seek(0, 3)
            with pytest.raises(TypeError):
                await file.seek(0.5)  # type: ignore[arg-type]  # wrong on purpose
            with pytest.raises(TypeError, match="read-write"):
                await file.readinto(memoryview(b"abc"))
            with pytest.raises(TypeError, match="cannot pickle"):
                pickle.dumps(file)


async def test_a_store_that_was_closed_under_an_open_file_says_so() -> None:
    async with faulty() as (store, _):
        await store.put("key", payload(SIZE))
        file = store.with_prefix("k").open("ey", "rb", buffer_size=16)
        await file.read(3000)
        await store.aclose()
        with pytest.raises(StoreClosedError):
            await file.read()
        await file.aclose()


def test_a_file_whose_event_loop_has_ended_says_so_and_leaves_no_byte_out() -> None:
    data = payload(SIZE)
    driver = FaultyDriver(MemoryDriver(), [Hold(primitive="get", calls=[4])])
    store = Store(driver, limits=Limits(part_size=PART))

    async def begin() -> AsyncBinaryFile:
        await store.put("key", data)
        file = store.open("key", "rb", buffer_size=16, concurrency=3)
        assert await file.read(PART + 10) == data[: PART + 10]
        assert ranges(driver)[3] == (2 * PART, 3 * PART)
        return file

    async def go_on(file: AsyncBinaryFile) -> None:
        assert await file.read(2 * PART - file.tell()) == data[PART + 10 : 2 * PART]
        with pytest.raises(StoreError, match="event loop"):
            await file.read(1)
        # What was asked for here is this loop's.
        assert await file.read(10) == data[2 * PART : 2 * PART + 10]
        await file.aclose()

    file = asyncio.run(begin())
    asyncio.run(go_on(file))
    assert BUDGET.used == 0
