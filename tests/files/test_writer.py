"""Binary files that are written: any size, published by a clean end alone."""

from __future__ import annotations

import array
import asyncio
import gc
import io
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiostore.budget import BUDGET
from aiostore.capabilities import PartLimits
from aiostore.drivers.memory import MemoryDriver
from aiostore.errors import (
    AlreadyExistsError,
    ConfigurationError,
    ConnectionLostError,
    PermissionDeniedError,
    PreconditionFailedError,
    StoreClosedError,
    StoreError,
)
from aiostore.handles import AsyncBinaryFile
from aiostore.store import Store
from aiostore.testing import EVERY, Fail, FaultyDriver, Hold
from aiostore.testing.conformance.suite import payload
from aiostore.types import Buffer
from tests.files.stores import PART, faulty

SIZE = 10 * PART + 1

buffers = st.tuples(st.integers(0, 3 * PART), st.sampled_from([bytes, bytearray, memoryview]))


@given(pieces=st.lists(buffers, max_size=12), buffer_size=st.integers(1, 2000), flush=st.sets(st.integers(0, 12)))
async def test_what_is_written_is_the_object(
    pieces: list[tuple[int, type[bytes] | type[bytearray] | type[memoryview]]], buffer_size: int, flush: set[int]
) -> None:
    model = io.BytesIO()
    async with faulty() as (store, _):
        async with store.open("key", "wb", buffer_size=buffer_size) as file:
            for index, (size, kind) in enumerate(pieces):
                data: Buffer = kind(payload(size, index))
                assert await file.write(data) == model.write(data)
                assert file.tell() == model.tell()
                if index in flush:
                    await file.flush()
        assert await store.get("key") == model.getvalue()
        assert file.result.size == len(model.getvalue())
        assert file.result.etag == (await store.head("key")).etag


async def test_the_callers_buffer_may_be_used_again_at_once() -> None:
    async with faulty() as (store, _):
        async with store.open("key", "wb", buffer_size=100) as file:
            buffer = bytearray(500)
            for number in range(10):
                buffer[:] = bytes([number]) * 500
                await file.write(buffer)
                await file.write(memoryview(buffer)[:10])
        assert await store.get("key") == b"".join(bytes([number]) * 510 for number in range(10))


async def test_other_buffers_are_written_as_their_bytes() -> None:
    numbers = array.array("i", [1, 2, 3])
    async with faulty() as (store, _):
        async with store.open("key", "wb") as file:
            assert await file.write(memoryview(numbers)) == 12
            await file.writelines([b"a", bytearray(b"b")])
        assert await store.get("key") == numbers.tobytes() + b"ab"


async def test_large_bytes_are_not_copied() -> None:
    data = payload(SIZE)
    seen: list[Buffer] = []
    async with faulty() as (store, driver):
        async with store.open("key", "wb", buffer_size=PART) as file:
            await file.write(data)
        for call in driver.calls:
            if call.primitive == "put_part":
                seen.extend(call.arguments[3].buffers)  # type: ignore[attr-defined]  # a body in memory
        assert all(isinstance(view, memoryview) and view.obj is data for view in seen)
        assert sum(len(view) for view in seen) == SIZE


async def test_small_writes_are_collected() -> None:
    async with faulty() as (store, driver):
        async with store.open("key", "wb", buffer_size=100) as file:
            for number in range(30):
                await file.write(payload(30, number))
        [body] = [call.arguments[1] for call in driver.calls if call.primitive == "put"]
        assert all(len(block) >= 100 for block in body.buffers[:-1])  # type: ignore[attr-defined]  # a body in memory


async def test_parts_are_sent_while_the_caller_writes() -> None:
    async with faulty() as (store, driver):
        async with store.open("key", "wb", part_size=PART, buffer_size=100) as file:
            await file.write(payload(5 * PART + 1))
            for _ in range(10):
                await asyncio.sleep(0)
            assert driver.count("put_part") >= 4
            assert not await store.exists("key")
        assert await store.get("key") == payload(5 * PART + 1)


async def test_a_writer_waits_while_its_parts_do_not_move() -> None:
    hold = Hold(primitive="put_part", calls=EVERY)
    async with faulty(hold) as (store, _):
        async with store.open("key", "wb", part_size=PART, buffer_size=100, concurrency=2) as file:
            writing = asyncio.create_task(file.write(payload(9 * PART)))
            await hold.reached.wait()
            for _ in range(20):
                await asyncio.sleep(0)
            assert not writing.done()
            hold.released.set()
            await writing
        assert await store.get("key") == payload(9 * PART)


async def test_a_small_file_is_one_request_and_flush_publishes_nothing() -> None:
    async with faulty() as (store, driver):
        async with store.open("key", "wb") as file:
            await file.write(b"val")
            await file.flush()
            await file.write(b"ue")
            assert driver.calls == []
        assert [call.primitive for call in driver.calls] == ["put"]


async def test_a_file_that_was_not_written_to_is_an_empty_object() -> None:
    async with faulty() as (store, _):
        async with store.open("key", "wb"):
            pass
        assert await store.get("key") == b""


async def test_what_put_takes_open_takes_too() -> None:
    progress: list[int] = []
    async with faulty() as (store, _):
        async with store.open(
            "key.txt",
            "wb",
            content_language="de",
            cache_control="no-store",
            metadata={"a": "b"},
            tags={"t": "u"},
            part_size=PART,
            concurrency=2,
            progress=lambda done, _: progress.append(done),
        ) as file:
            await file.write(payload(SIZE))
        meta = await store.head("key.txt")
        assert (meta.content_type, meta.content_language, meta.cache_control) == ("text/plain", "de", "no-store")
        assert dict(meta.metadata) == {"a": "b"}
        assert await store.get_tags("key.txt") == {"t": "u"}
        assert progress[-1] == SIZE


# --- ends that publish nothing


@asynccontextmanager
async def unchanged(*plan: Fail | Hold) -> AsyncIterator[tuple[Store, FaultyDriver]]:
    """A store whose object ``key`` is the same afterwards."""
    async with faulty() as (store, driver):
        await store.put("key", b"old")
        driver.plan = plan
        yield store, driver
        driver.plan = ()
        assert await store.get("key") == b"old"


SIZES = pytest.mark.parametrize("size", [0, 10, 3 * PART])


@SIZES
async def test_an_exception_publishes_nothing(size: int) -> None:
    async with unchanged() as (store, _):
        with pytest.raises(ZeroDivisionError):
            await leave(store, size, ZeroDivisionError())


async def leave(store: Store, size: int, error: Exception) -> None:
    async with store.open("key", "wb", part_size=PART, buffer_size=100) as file:
        await file.write(payload(size))
        raise error


@SIZES
async def test_an_abort_publishes_nothing(size: int) -> None:
    async with unchanged() as (store, _):
        async with store.open("key", "wb", part_size=PART, buffer_size=100) as file:
            await file.write(payload(size))
            await file.abort()
            assert file.closed
        with pytest.raises(StoreClosedError, match="nothing was published"):
            _ = file.result


@pytest.mark.parametrize("primitive", ["create_multipart", "put_part"])
async def test_a_cancelled_write_publishes_nothing(primitive: str) -> None:
    hold = Hold(primitive=primitive, calls=EVERY, carried_out=primitive == "create_multipart")
    async with unchanged(hold) as (store, _):
        writing = asyncio.create_task(write(store, 5 * PART))
        await hold.reached.wait()
        writing.cancel()
        await asyncio.sleep(0)
        hold.released.set()
        with pytest.raises(asyncio.CancelledError):
            await writing


async def write(store: Store, size: int) -> None:
    async with store.open("key", "wb", part_size=PART, buffer_size=100, concurrency=1) as file:
        await file.write(payload(size))


async def test_a_write_that_timed_out_makes_the_file_unpublishable() -> None:
    hold = Hold(primitive="put_part", calls=EVERY)
    async with unchanged(hold) as (store, _):
        with pytest.raises(StoreError, match="nothing is published") as caught:
            async with store.open("key", "wb", part_size=PART, buffer_size=100, concurrency=1) as file:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.01):
                        await file.write(payload(9 * PART))
                with pytest.raises(StoreError, match="nothing is published"):
                    await file.write(b"x")
        assert caught.value.key == "key"
        assert file.closed


async def test_a_part_that_failed_publishes_nothing() -> None:
    denied = PermissionDeniedError("no")
    async with unchanged(Fail("put_part", calls=[3], error=denied)) as (store, _):
        with pytest.raises(PermissionDeniedError):
            await write(store, 9 * PART)


async def test_a_failure_that_the_caller_ignores_publishes_nothing() -> None:
    denied = PermissionDeniedError("no")
    async with unchanged(Fail("put_part", calls=[1], error=denied)) as (store, _):
        file = store.open("key", "wb", part_size=PART, buffer_size=100, concurrency=1)
        with pytest.raises(PermissionDeniedError):
            for number in range(20):
                await file.write(payload(PART, number))
        with pytest.raises(PermissionDeniedError):
            await file.aclose()
        assert file.closed
        await file.aclose()


async def test_a_failed_publication_leaves_nothing() -> None:
    denied = PermissionDeniedError("no")
    async with unchanged(Fail("complete_multipart", error=denied)) as (store, _):
        with pytest.raises(PermissionDeniedError):
            await write(store, 5 * PART)


async def test_a_failing_clean_up_is_noted_beside_the_callers_error() -> None:
    async with faulty() as (store, driver):
        driver.plan = [Fail("abort_multipart", calls=[1], error=PermissionDeniedError("no"))]
        with pytest.raises(ZeroDivisionError) as caught:
            await leave(store, 3 * PART, ZeroDivisionError())
        assert "could not be removed" in caught.value.__notes__[0]
        async for upload in store.uploads():
            await store.abort_upload(upload)


@SIZES
async def test_a_dropped_writer_publishes_nothing_and_says_so(size: int) -> None:
    async with unchanged() as (store, driver):
        file = store.open("key", "wb", part_size=PART, buffer_size=100)
        await file.write(payload(size + 1))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ResourceWarning)
            del file
            gc.collect()
        assert [str(item.message) for item in caught if "unclosed file" in str(item.message)]
        for _ in range(100):
            await asyncio.sleep(0)
        assert driver.count("create_multipart") == driver.count("abort_multipart")


async def test_a_writer_that_was_never_used_may_be_dropped_in_silence() -> None:
    async with unchanged() as (store, driver):
        before = len(driver.calls)
        store.open("key", "wb")
        gc.collect()
        assert len(driver.calls) == before


# --- conditions


@SIZES
async def test_mode_x_creates_and_never_replaces(size: int) -> None:
    async with faulty() as (store, _):
        async with store.open("key", "xb", part_size=PART, buffer_size=100) as file:
            await file.write(payload(size))
        with pytest.raises(AlreadyExistsError):
            async with store.open("key", "xb", part_size=PART, buffer_size=100) as file:
                await file.write(payload(size, 2))
        assert file.closed
        assert await store.get("key") == payload(size)


async def test_mode_x_is_decided_when_the_file_is_published() -> None:
    async with faulty() as (store, _):
        with pytest.raises(FileExistsError):
            async with store.open("key", "xb") as file:
                await file.write(b"mine")
                await store.put("key", b"theirs")
        assert await store.get("key") == b"theirs"


async def test_mode_x_is_true_about_its_own_write_when_the_answer_is_lost() -> None:
    async with faulty(Fail("put", lost=True)) as (store, _):
        async with store.open("key", "xb") as file:
            await file.write(b"mine")
        assert await store.get("key") == b"mine"


async def test_a_known_state_can_be_replaced() -> None:
    async with faulty() as (store, _):
        old = await store.put("key", b"old")
        async with store.open("key", "wb", if_match=old) as file:
            await file.write(b"new")
        with pytest.raises(PreconditionFailedError):
            async with store.open("key", "wb", if_match=old) as file:
                await file.write(b"newer")
        assert await store.get("key") == b"new"


async def test_conditions_that_exclude_each_other_are_refused() -> None:
    async with faulty() as (store, _):
        with pytest.raises(ConfigurationError):
            store.open("key", "xb", if_none_match="etag")


# --- misuse


async def test_two_tasks_cannot_write_one_file_at_once() -> None:
    hold = Hold(primitive="put_part", calls=EVERY)
    async with faulty(hold) as (store, _):
        async with store.open("key", "wb", part_size=PART, buffer_size=100, concurrency=1) as file:
            writing = asyncio.create_task(file.write(payload(5 * PART)))
            await hold.reached.wait()
            for misuse in (lambda: file.write(b"x"), file.flush):
                with pytest.raises(RuntimeError, match="another task"):
                    await misuse()
            hold.released.set()
            await writing
        assert await store.get("key") == payload(5 * PART)


@pytest.mark.parametrize("method", ["aclose", "abort"])
@pytest.mark.parametrize("primitive", ["create_multipart", "put_part"])
async def test_closing_under_a_write_publishes_nothing(method: str, primitive: str) -> None:
    hold = Hold(primitive=primitive, calls=EVERY)
    async with unchanged(hold) as (store, _):
        file = store.open("key", "wb", part_size=PART, buffer_size=100, concurrency=1)
        writing = asyncio.create_task(file.write(payload(5 * PART)))
        await hold.reached.wait()
        closing = asyncio.create_task(getattr(file, method)())
        await asyncio.sleep(0)
        hold.released.set()
        if method == "abort":
            await closing
        else:
            with pytest.raises(RuntimeError, match="another task"):
                await closing
        with pytest.raises(ValueError, match="closed file"):
            await writing
        assert file.closed


async def test_a_closed_writer_refuses_as_io_does() -> None:
    async with faulty() as (store, _):
        async with store.open("key", "wb") as file:
            pass
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: file.write(b""), lambda: file.writelines([b""]), file.flush, file.read, file.readline,
            lambda: file.seek(0), file.__aenter__,
        ]  # fmt: skip
        for call in calls:
            with pytest.raises(ValueError, match="I/O operation on closed file"):
                await call()
        with pytest.raises(ValueError, match="I/O operation on closed file"):
            file.tell()
        await file.aclose()
        await file.abort()


async def test_a_writer_cannot_read_or_seek() -> None:
    async with faulty() as (store, _), store.open("key", "wb") as file:
        assert (file.readable(), file.writable(), file.seekable()) == (False, True, False)
        reads: list[Callable[[], Awaitable[object]]] = [
            file.read, file.readall, file.read1, file.readline, file.readlines, file.peek,
            lambda: file.readinto(bytearray(1)), lambda: anext(file),
        ]  # fmt: skip
        for call in reads:
            with pytest.raises(io.UnsupportedOperation, match="not readable"):
                await call()
        with pytest.raises(io.UnsupportedOperation, match="not seekable"):
            await file.seek(0)
        with pytest.raises(io.UnsupportedOperation):
            _ = file.meta


@pytest.mark.parametrize("wrong", ["text", 5, None, [b"x"]])
async def test_only_bytes_can_be_written(wrong: object) -> None:
    async with faulty() as (store, _):
        async with store.open("key", "wb") as file:
            with pytest.raises(TypeError, match="bytes-like"):
                await file.write(wrong)  # type: ignore[arg-type]  # wrong on purpose
            await file.write(b"right")
        assert await store.get("key") == b"right"


@SIZES
async def test_a_store_that_was_closed_under_an_open_writer_publishes_nothing(size: int) -> None:
    async with faulty() as (store, driver):
        file = store.open("key", "wb", part_size=PART, buffer_size=100)
        await file.write(payload(size))
        other = Store(driver)
        await store.aclose()
        with pytest.raises(StoreClosedError, match="nothing is published"):
            await file.aclose()
        assert file.closed
        assert not await other.exists("key")


async def test_a_lost_connection_is_the_writers_error() -> None:
    async with unchanged(Fail("put_part", calls=EVERY, error=ConnectionLostError("gone"))) as (store, _):
        with pytest.raises(ConnectionLostError):
            await write(store, 5 * PART)


def test_a_file_whose_event_loop_has_ended_publishes_nothing() -> None:
    driver = FaultyDriver(MemoryDriver(parts=PartLimits(min_size=PART, max_size=100 * PART)), [
        Hold(primitive="put_part", calls=[2])
    ])  # fmt: skip
    store = Store(driver)

    async def begin() -> AsyncBinaryFile:
        file = store.open("key", "wb", part_size=PART, buffer_size=1)
        await file.write(payload(4 * PART))
        return file

    async def go_on(file: AsyncBinaryFile) -> None:
        with pytest.raises(StoreError, match="event loop"):
            await file.aclose()
        assert file.closed
        assert not await store.exists("key")
        assert (await driver.list_multipart("")).uploads == []

    asyncio.run(go_on(asyncio.run(begin())))
    assert "complete_multipart" not in {call.primitive for call in driver.calls}
    assert BUDGET.used == 0
