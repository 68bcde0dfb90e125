"""Updates: nobody's change is lost, and none is made twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiostore import (
    ConfigurationError,
    ConnectionLostError,
    Limits,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionFailedError,
    RetryPolicy,
    Store,
    StoreError,
    UnavailableError,
    WriteOutcomeUnknownError,
)
from aiostore._engine.update import LATEST
from aiostore.body import Buffers
from aiostore.capabilities import Capabilities, Conditions, Guarantee, PartLimits
from aiostore.drivers.memory import MemoryDriver
from aiostore.testing import EVERY, Call, Fail, FailRandomly, Fault, FaultyDriver
from aiostore.types import DeleteOptions, GetOptions, PutOptions

PART: Final = 100


class Weak(MemoryDriver):
    """Does not promise anything about conditions."""

    @property
    def capabilities(self) -> Capabilities:
        weak = Conditions(if_absent=Guarantee.BEST_EFFORT, if_match=Guarantee.BEST_EFFORT)
        return replace(super().capabilities, put=weak, complete=weak)


class After(Fault):
    """Something else happens after the numbered put was carried out, whose answer is then lost."""

    def __init__(self, event: Callable[[], Awaitable[object]], *, number: int = 1, carried_out: bool = True) -> None:
        self.event = event
        self.number = number
        self.carried_out = carried_out

    async def before(self, call: Call) -> None:
        if not self.carried_out:
            await self._strike(call)

    async def after(self, call: Call) -> None:
        if self.carried_out:
            await self._strike(call)

    async def _strike(self, call: Call) -> None:
        if call.primitive == "put" and call.number == self.number:
            await self.event()
            raise ConnectionLostError("lost", answered=False)


@asynccontextmanager
async def faulty(
    *plan: Fault, memory: MemoryDriver | None = None, attempts: int = 3
) -> AsyncIterator[tuple[Store, Store, FaultyDriver]]:
    """A store that suffers, and one of a rival on the same objects that does not."""
    memory = memory or MemoryDriver(parts=PartLimits(min_size=PART))
    driver = FaultyDriver(memory, plan)
    retry, limits = RetryPolicy(first_delay=0, attempts=attempts, budget=10**6), Limits(part_size=PART)
    async with Store(driver, retry=retry, limits=limits) as store, Store(memory) as rival:
        yield store, rival, driver
        assert [upload.id async for upload in rival.uploads()] == []


def increment(data: bytes | None) -> bytes:
    return b"%d" % (int(data or b"0") + 1)


def append(text: bytes) -> Callable[[bytes | None], bytes]:
    return lambda data: (data or b"") + text


async def test_a_missing_object_is_created_and_one_that_exists_is_replaced() -> None:
    async with faulty() as (store, _, _):
        seen: list[bytes | None] = []

        def change(data: bytes | None) -> bytes:
            seen.append(data)
            return b"new"

        await store.update("key.json", change)
        result = await store.update("key.json", change)
        assert seen == [None, b"new"]
        meta = await store.head("key.json")
        assert (result.etag, result.size) == (meta.etag, 3)
        assert meta.content_type == "application/json"


async def test_the_default_stands_in_for_a_missing_object() -> None:
    async with faulty() as (store, _, _):
        await store.update("key", lambda data: data + b"!", default=b"hello")
        assert await store.get("key") == b"hello!"


async def test_the_function_may_be_a_coroutine_function() -> None:
    async with faulty() as (store, _, _):

        async def change(data: bytes | None) -> bytearray:
            await asyncio.sleep(0)
            return bytearray(increment(data))

        await store.update("key", change)
        await store.update("key", change)
        assert await store.get("key") == b"2"


async def test_headers_and_metadata_stay_and_what_was_added_is_hidden() -> None:
    async with faulty() as (store, rival, _):
        await rival.put(
            "key", b"1", content_type="text/plain", content_encoding="identity", cache_control="no-store",
            content_language="en", content_disposition="inline", metadata={"name": "value"}, storage_class="COLD",
        )  # fmt: skip
        before = await store.head("key")
        await store.update("key", increment)
        await store.update("key", increment)
        after = await store.head("key")
        same = replace(after, etag=before.etag, last_modified=before.last_modified, checksums=before.checksums)
        assert same == before
        assert await store.get("key") == b"3"


async def test_a_rivals_change_is_built_upon() -> None:
    async with faulty() as (store, rival, _):
        await store.put("key", b"a")
        calls = 0

        async def change(data: bytes | None) -> bytes:
            nonlocal calls
            calls += 1
            if calls == 1:
                await rival.put("key", b"rival")
            return (data or b"") + b"!"

        await store.update("key", change)
        assert (await store.get("key"), calls) == (b"rival!", 2)


@pytest.mark.parametrize("event", ["created", "deleted"])
async def test_an_object_that_comes_or_goes_meanwhile_is_seen(event: str) -> None:
    async with faulty() as (store, rival, _):
        if event == "deleted":
            await store.put("key", b"old")
        calls: list[bytes | None] = []

        async def change(data: bytes | None) -> bytes:
            calls.append(data)
            if len(calls) == 1:
                await (rival.put("key", b"rival") if event == "created" else rival.delete("key"))
            return b"new"

        await store.update("key", change)
        assert calls == ([None, b"rival"] if event == "created" else [b"old", None])


async def test_a_function_that_raises_leaves_the_object_as_it_was() -> None:
    async with faulty() as (store, _, driver):
        await store.put("key", b"old")

        def change(_: bytes | None) -> bytes:
            raise PreconditionFailedError("the caller's own")

        with pytest.raises(PreconditionFailedError, match="the caller's own"):
            await store.update("key", change)
        assert await store.get("key") == b"old"
        assert driver.count("put") == 1


@pytest.mark.parametrize("value", [None, "text", 1])
async def test_a_function_that_returns_no_bytes_is_a_type_error(value: object) -> None:
    async with faulty() as (store, _, _):
        await store.put("key", b"old")
        with pytest.raises(TypeError, match="returns bytes"):
            await store.update("key", lambda _: value)  # type: ignore[arg-type, return-value]  # the point of this test
        assert await store.get("key") == b"old"


async def test_a_contest_that_is_never_won_ends() -> None:
    async with faulty() as (store, rival, driver):
        await store.put("key", b"0")
        calls = 0

        async def change(_: bytes | None) -> bytes:
            nonlocal calls
            calls += 1
            await rival.put("key", b"rival %d" % calls)
            return b"mine"

        with pytest.raises(PreconditionFailedError, match="5 times") as caught:
            await store.update("key", change, attempts=5)
        assert (caught.value.key, caught.value.operation) == ("key", "update")
        assert calls == 5
        assert driver.count("put") == 1 + 5
        assert await store.get("key") == b"rival 5"


@pytest.mark.parametrize("attempts", [0, -1])
async def test_no_attempts_are_a_configuration_error(attempts: int) -> None:
    async with faulty() as (store, _, _):
        with pytest.raises(ConfigurationError):
            await store.update("key", increment, attempts=attempts)


async def test_weak_conditions_are_refused_unless_they_are_asked_for() -> None:
    async with faulty(memory=Weak()) as (store, _, driver):
        calls = 0

        def change(data: bytes | None) -> bytes:
            nonlocal calls
            calls += 1
            return increment(data)

        with pytest.raises(NotSupportedError) as caught:
            await store.update("key", change)
        assert caught.value.key == "key"
        assert (calls, driver.count("get")) == (0, 0)
        await store.update("key", change, best_effort=True)
        await store.update("key", change, best_effort=True)
        assert await store.get("key") == b"2"


async def test_an_object_of_many_parts_is_updated() -> None:
    async with faulty(Fail("complete_multipart", lost=True)) as (store, _, driver):
        await store.put("key", bytes(PART))
        await store.update("key", lambda data: data * 5, default=b"")
        assert await store.get("key") == bytes(5 * PART)
        assert driver.count("complete_multipart") == 2


async def test_a_missing_container_is_said_to_be_missing() -> None:
    async with Store(MemoryDriver()) as store:
        await store.delete_container()
        with pytest.raises(FileNotFoundError):
            await store.update("key", increment)


# --- lost answers


async def test_an_update_whose_answers_were_lost_is_made_once() -> None:
    async with faulty(Fail("put", calls=EVERY, lost=True)) as (store, _, _):
        for number in range(1, 5):
            result = await store.update("key", increment)
            assert await store.get("key") == b"%d" % number
            assert result.etag == (await store.head("key")).etag


async def test_an_update_that_rivals_built_upon_before_its_answer_was_lost_is_made_once() -> None:
    async with faulty() as (store, rival, driver):

        async def built_upon() -> None:
            for _ in range(LATEST - 2):
                await rival.update("key", append(b"r"))

        driver.plan = [After(built_upon)]
        result = await store.update("key", append(b"m"))
        assert await store.get("key") == b"m" + b"r" * (LATEST - 2)
        assert (result.etag, result.version, result.size) == (None, None, 1)


async def test_an_update_that_never_arrived_is_made_anew() -> None:
    async with faulty() as (store, rival, driver):
        await store.put("key", b"0")
        driver.plan = [After(lambda: rival.update("key", append(b"r")), number=2, carried_out=False)]
        await store.update("key", append(b"m"))
        assert await store.get("key") == b"0rm"


async def test_a_creation_that_never_arrived_is_made_anew() -> None:
    async with faulty() as (store, rival, driver):
        driver.plan = [After(lambda: rival.update("key", append(b"r")), carried_out=False)]
        await store.update("key", append(b"m"))
        assert await store.get("key") == b"rm"


@pytest.mark.parametrize("event", ["put", "delete", "many updates"])
async def test_an_update_that_was_overwritten_without_trace_has_an_unknown_outcome(event: str) -> None:
    async with faulty() as (store, rival, driver):
        await store.put("key", b"0")

        async def overwrite() -> None:
            if event == "put":
                await rival.put("key", b"rival")
            elif event == "delete":
                await rival.delete("key")
            else:
                for _ in range(LATEST):
                    await rival.update("key", append(b"r"))

        driver.plan = [After(overwrite, number=2)]
        calls = 0

        def change(data: bytes | None) -> bytes:
            nonlocal calls
            calls += 1
            return append(b"m")(data)

        with pytest.raises(WriteOutcomeUnknownError) as caught:
            await store.update("key", change)
        assert (caught.value.key, caught.value.operation, calls) == ("key", "update", 1)


async def test_an_update_that_is_still_under_way_and_lands_later_is_made_once() -> None:
    """The first write is applied only when the second, which was made because nothing was seen of it, is sent."""

    class Late(Fault):
        first: Call | None = None

        async def before(self, call: Call) -> None:
            if call.primitive != "put":
                return
            if self.first is None:
                self.first = call
            if call.number <= 3:
                raise ConnectionLostError("lost", answered=False)
            if call.number == 4:
                await memory.put(*self.first.arguments)  # type: ignore[arg-type]  # the very arguments of put

    memory = MemoryDriver()
    async with faulty(Late(), memory=memory) as (store, _, driver):
        await memory.put("key", Buffers([b"0"]), PutOptions())
        calls = 0

        def change(data: bytes | None) -> bytes:
            nonlocal calls
            calls += 1
            return increment(data)

        result = await store.update("key", change)
        assert (await store.get("key"), calls, driver.count("put")) == (b"1", 1, 4)
        assert result.etag == (await store.head("key")).etag


@pytest.mark.parametrize("error", [PermissionDeniedError("no"), UnavailableError("down")])
async def test_an_update_that_cannot_be_looked_up_has_an_unknown_outcome(error: StoreError) -> None:
    async with faulty() as (store, _, driver):
        await store.put("key", b"0")
        driver.plan = [
            Fail("put", calls=EVERY, lost=True),
            Fail("head", calls=EVERY, error=error),
            Fail("get", calls=range(2, 99), error=error),
        ]
        with pytest.raises(WriteOutcomeUnknownError) as caught:
            await store.update("key", increment)
        assert isinstance(caught.value.__cause__, type(error))


async def test_a_write_that_is_refused_while_an_earlier_one_is_pending_has_an_unknown_outcome() -> None:
    lost = ConnectionLostError("lost", answered=False)
    denied = PermissionDeniedError("no")
    plan = [Fail("put", calls=range(2, 5), error=lost), Fail("put", calls=(5,), error=denied)]
    async with faulty(*plan) as (store, _, _):
        await store.put("key", b"0")
        with pytest.raises(WriteOutcomeUnknownError) as caught:
            await store.update("key", increment)
        assert isinstance(caught.value.__cause__, PermissionDeniedError)


async def test_attempts_that_all_are_lost_have_an_unknown_outcome() -> None:
    lost = ConnectionLostError("lost", answered=False)
    async with faulty(Fail("put", calls=EVERY, error=lost)) as (store, _, driver):
        with pytest.raises(WriteOutcomeUnknownError):
            await store.update("key", increment, attempts=4)
        assert driver.count("put") == 4 * 3


async def test_an_error_that_was_answered_is_raised_as_it_is() -> None:
    async with faulty(Fail("put", calls=EVERY)) as (store, _, _):
        with pytest.raises(UnavailableError):
            await store.update("key", increment)


@settings(max_examples=100)
@given(seed=st.integers(0, 2**32))
async def test_a_counter_counts_what_succeeded(seed: int) -> None:
    """Rivals update through the same faulty service, in an order that chance makes."""
    async with faulty(FailRandomly(0.3, seed=seed), attempts=10) as (store, rival, _):

        async def work() -> int:
            succeeded = 0
            for _ in range(3):
                try:
                    await store.update("counter", increment)
                except WriteOutcomeUnknownError:
                    pytest.fail("every writer uses update()")
                succeeded += 1
                await asyncio.sleep(0)
            return succeeded

        counts = await asyncio.gather(*(work() for _ in range(5)))
        assert await rival.get("counter") == b"%d" % sum(counts)


async def test_a_cancelled_update_was_made_or_not() -> None:
    memory = MemoryDriver()
    async with faulty(memory=memory) as (store, _, _):
        await store.put("key", b"0")
        for turns in range(12):
            before = int(await store.get("key"))
            updating = asyncio.create_task(store.update("key", increment))
            for _ in range(turns):
                await asyncio.sleep(0)
            updating.cancel()
            await asyncio.wait({updating})
            assert int(await store.get("key")) - before in {0, 1}


async def test_the_lineage_stays_short() -> None:
    memory = MemoryDriver()
    async with faulty(memory=memory) as (store, _, _):
        for _ in range(LATEST + 10):
            await store.update("key", increment)
        stored = (await memory.head("key", GetOptions())).metadata
        assert sum(len(name) + len(value) for name, value in stored.items()) < 600
        await memory.delete("key", DeleteOptions())
