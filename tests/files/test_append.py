"""Appending to objects: by the service, by copied parts, or by reading what is there; never losing a byte."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiostore import MemoryStore
from aiostore.capabilities import Capabilities, Conditions, PartLimits
from aiostore.drivers.memory import MemoryDriver
from aiostore.errors import (
    ConfigurationError,
    ConnectionLostError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionFailedError,
    StoreClosedError,
    WriteOutcomeUnknownError,
)
from aiostore.testing import EVERY, Fail, Hold
from aiostore.testing.conformance.suite import payload
from tests.files.stores import PART, faulty


class Service(MemoryDriver):
    """Memory that lacks some operations, or keeps no conditions."""

    def __init__(self, *lacking: str, equal: bool = False, largest: int = 100 * PART, conditions: bool = True) -> None:
        super().__init__(parts=PartLimits(min_size=PART, max_size=largest, equal=equal))
        self._lacking = lacking
        self._conditions = conditions

    @property
    def capabilities(self) -> Capabilities:
        full = super().capabilities
        if not self._conditions:
            full = replace(full, put=Conditions(), complete=Conditions())
        return replace(
            full,
            operations=full.operations - set(self._lacking),
            multipart=None if "create_multipart" in self._lacking else full.multipart,
        )


SERVICES: Mapping[str, Service] = {
    "appends": Service(),
    "copies parts": Service("append"),
    "copies small parts": Service("append", largest=2 * PART),
    "copies equal parts": Service("append", equal=True),
    "copies nothing": Service("append", "copy_part"),
    "has no multipart writes": Service("append", "create_multipart"),
    "keeps no conditions": Service("append", conditions=False),
}
every_service = pytest.mark.parametrize("name", SERVICES)


@every_service
@settings(max_examples=40)
@given(
    there=st.none() | st.integers(0, 6 * PART),
    pieces=st.lists(st.integers(0, 3 * PART), max_size=4),
    buffer_size=st.sampled_from([1, 100, 5000]),
)
async def test_what_is_appended_goes_behind_what_is_there(
    name: str, there: int | None, pieces: list[int], buffer_size: int
) -> None:
    async with faulty(inner=SERVICES[name]) as (store, _):
        await store.delete("key")
        expected = payload(there or 0)
        if there is not None:
            await store.put("key", expected, content_type="text/x-test", metadata={"a": "b"})
        async with store.open("key", "ab", buffer_size=buffer_size) as file:
            assert file.tell() == len(expected)
            for index, size in enumerate(pieces):
                await file.write(payload(size, index))
                expected += payload(size, index)
                assert file.tell() == len(expected)
        assert await store.get("key") == expected
        meta = await store.head("key")
        if there is not None:
            assert (meta.content_type, dict(meta.metadata)) == ("text/x-test", {"a": "b"})
        assert (file.result.size, file.result.etag) == (len(expected), meta.etag)


@every_service
async def test_without_a_write_the_object_stays_as_it_is(name: str) -> None:
    async with faulty(inner=SERVICES[name]) as (store, driver):
        result = await store.put("key", payload(100))
        driver.calls.clear()
        async with store.open("key", "ab"):
            pass
        assert [call.primitive for call in driver.calls] == ["head"]
        assert (await store.head("key")).etag == result.etag


async def test_old_bytes_do_not_pass_through_here_where_the_service_appends() -> None:
    async with faulty(inner=Service()) as (store, driver):
        await store.put("key", payload(50 * PART))
        driver.calls.clear()
        async with store.open("key", "ab") as file:
            await file.write(b"more")
        assert [call.primitive for call in driver.calls] == ["head", "append"]


async def test_old_bytes_do_not_pass_through_here_where_the_service_copies_parts() -> None:
    async with faulty(inner=Service("append")) as (store, driver):
        await store.put("key", payload(50 * PART))
        driver.calls.clear()
        async with store.open("key", "ab") as file:
            await file.write(b"more")
        assert sorted(call.primitive for call in driver.calls) == [
            "complete_multipart", "copy_part", "create_multipart", "head", "put_part",
        ]  # fmt: skip


async def test_only_the_rest_behind_equal_parts_is_read() -> None:
    async with faulty(inner=Service("append", equal=True)) as (store, driver):
        await store.put("key", payload(5 * PART + 7))
        driver.calls.clear()
        async with store.open("key", "ab") as file:
            await file.write(b"more")
        assert driver.count("copy_part") == 5
        [read] = [call.arguments[1] for call in driver.calls if call.primitive == "get"]
        assert read.start == 5 * PART  # type: ignore[attr-defined]  # options of a get


async def test_an_object_that_the_service_cannot_append_to_is_written_anew() -> None:
    refusal = NotSupportedError("not an appendable object")
    async with faulty(Fail("append", calls=EVERY, error=refusal), inner=Service()) as (store, driver):
        await store.put("key", payload(5 * PART))
        async with store.open("key", "ab", buffer_size=100) as file:
            await file.write(payload(3 * PART, 2))
        assert await store.get("key") == payload(5 * PART) + payload(3 * PART, 2)
        assert driver.count("copy_part") == 1


async def test_much_that_is_appended_waits_on_the_disk() -> None:
    async with faulty(inner=Service()) as (store, driver):
        async with store.open("key", "ab", buffer_size=100) as file:
            for number in range(20):
                await file.write(payload(PART, number))
        assert await store.get("key") == b"".join(payload(PART, number) for number in range(20))
        [body] = [call.arguments[1] for call in driver.calls if call.primitive == "append"]
        assert body.buffers is None  # type: ignore[attr-defined]  # a body


async def test_a_missing_object_is_made_with_the_type_of_its_suffix() -> None:
    async with faulty(inner=Service()) as (store, _):
        async with store.open("log.txt", "ab"):
            pass
        assert (await store.head("log.txt")).content_type == "text/plain"
        assert await store.get("log.txt") == b""


@pytest.mark.parametrize(
    ("name", "change"),
    [
        (name, change)
        for name in SERVICES
        for change in ("replaced", "deleted", "created")
        if (name, change) != ("keeps no conditions", "created")
    ],
)
@pytest.mark.parametrize("size", [100, 5 * PART])
async def test_an_object_that_changed_meanwhile_is_left_alone(name: str, size: int, change: str) -> None:
    async with faulty(inner=SERVICES[name]) as (store, _):
        await store.delete("key")
        if change != "created":
            await store.put("key", payload(size))
        with pytest.raises(PreconditionFailedError, match="open it again") as caught:
            async with store.open("key", "ab", buffer_size=10) as file:
                if change == "deleted":
                    await store.delete("key")
                else:
                    await store.put("key", payload(size, 2))
                await file.write(payload(50, 3))
        assert caught.value.key == "key"
        if change == "deleted":
            assert not await store.exists("key")
        else:
            assert await store.get("key") == payload(size, 2)


@pytest.mark.parametrize("name", ["copies parts", "copies nothing"])
async def test_an_object_that_changes_while_it_is_published_is_left_alone(name: str) -> None:
    hold = Hold(primitive="complete_multipart")
    async with faulty(hold, inner=SERVICES[name]) as (store, _):
        await store.put("key", payload(PART))
        file = store.open("key", "ab", buffer_size=10, part_size=PART)
        await file.write(payload(2 * PART, 2))
        closing = asyncio.create_task(file.aclose())
        await hold.reached.wait()
        await store.put("key", payload(PART, 3))
        hold.released.set()
        with pytest.raises(PreconditionFailedError):
            await closing
        assert await store.get("key") == payload(PART, 3)


@every_service
async def test_an_exception_appends_nothing(name: str) -> None:
    async with faulty(inner=SERVICES[name]) as (store, _):
        await store.put("key", payload(3 * PART))
        with pytest.raises(ZeroDivisionError):
            async with store.open("key", "ab", buffer_size=10) as file:
                await file.write(payload(20 * PART))
                raise ZeroDivisionError
        assert await store.get("key") == payload(3 * PART)


@every_service
async def test_a_failed_append_leaves_the_object_as_it_was(name: str) -> None:
    denied = PermissionDeniedError("no")
    plan = [Fail(primitive, calls=EVERY, error=denied) for primitive in ("append", "complete_multipart", "put")]
    async with faulty(inner=SERVICES[name]) as (store, driver):
        await store.put("key", payload(3 * PART))
        driver.plan = plan
        with pytest.raises(PermissionDeniedError):
            async with store.open("key", "ab", buffer_size=10) as file:
                await file.write(payload(5 * PART))
        driver.plan = ()
        assert await store.get("key") == payload(3 * PART)


async def test_an_append_whose_answer_was_lost_is_not_repeated_but_told() -> None:
    lost = ConnectionLostError("lost", answered=False)
    async with faulty(Fail("append", lost=True, error=lost), inner=Service()) as (store, driver):
        await store.put("key", b"old")
        with pytest.raises(WriteOutcomeUnknownError, match="may have been carried out"):
            async with store.open("key", "ab") as file:
                await file.write(b"new")
        assert driver.count("append") == 1
        assert await store.get("key") == b"oldnew"


async def test_an_append_by_parts_is_true_about_itself_when_the_answer_is_lost() -> None:
    async with faulty(Fail("complete_multipart", lost=True), inner=Service("append")) as (store, _):
        await store.put("key", payload(PART))
        async with store.open("key", "ab") as file:
            await file.write(b"new")
        assert await store.get("key") == payload(PART) + b"new"


async def test_given_options_replace_what_the_object_has() -> None:
    async with faulty(inner=Service("append")) as (store, _):
        await store.put("key", payload(PART), content_type="text/x-old", cache_control="no-store", metadata={"a": "b"})
        async with store.open("key", "ab", content_type="text/x-new", metadata={"c": "d"}) as file:
            await file.write(b"new")
        meta = await store.head("key")
        assert (meta.content_type, meta.cache_control) == ("text/x-new", "no-store")
        assert dict(meta.metadata) == {"c": "d"}


@pytest.mark.parametrize("option", ["if_match", "if_none_match", "if_absent", "best_effort", "version"])
async def test_appending_has_its_own_condition(option: str) -> None:
    async with faulty() as (store, _):
        with pytest.raises(ConfigurationError, match=option):
            store.open("key", "ab", **{option: "x"})  # type: ignore[call-overload]  # one of them


async def test_a_position_is_known_once_the_file_is_open() -> None:
    async with faulty() as (store, _):
        await store.put("key", b"12345")
        file = store.open("key", "ab")
        with pytest.raises(StoreClosedError, match="enter the file"):
            file.tell()
        await file.write(b"678")
        assert file.tell() == 8
        await file.aclose()


async def test_plain_bytes_are_never_put_behind_compressed_ones() -> None:
    async with MemoryStore() as store:
        await store.put("key", b"line\n", compress="gzip")
        with pytest.raises(NotSupportedError, match="compress"):
            async with store.open("key", "ab") as file:
                await file.write(b"plain")
        assert await store.get("key") == b"line\n"
        async with store.open("key", "ab", content_encoding="gzip") as file:
            await file.write(gzip.compress(b"more\n"))
        assert await store.get("key") == b"line\nmore\n"
