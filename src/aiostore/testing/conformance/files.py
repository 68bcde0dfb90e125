"""Objects as files: read as io reads, published by a clean end alone, appended to without losing a byte."""
# ruff: noqa: D102, PT012, S101  # a test's name says what it shows; files fail where they are used, in the midst of it

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import warnings
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiostore.capabilities import Capabilities, Guarantee
from aiostore.errors import (
    AlreadyExistsError,
    NotFoundError,
    NotSupportedError,
    ObjectChangedError,
    PreconditionFailedError,
    StoreClosedError,
)
from aiostore.store import Store
from aiostore.testing.conformance.suite import PROPERTY, Requirement, Suite, payload, requires

SMALL: Final = 100
"""Bytes that a file collects before it hands them on, so that small writes reach the service too."""

ENDS: Final = pytest.mark.parametrize("parts", [0, 3], ids=["before the first part", "after three parts"])


def _creates(primitive: str, *, atomic: bool) -> Requirement:
    def holds(capabilities: Capabilities) -> bool:
        conditions = getattr(capabilities, primitive)
        return (conditions.if_absent is Guarantee.ATOMIC) == atomic and (
            primitive == "put" or capabilities.multipart is not None
        )

    return holds


def _notices_changes(capabilities: Capabilities) -> bool:
    return "append" in capabilities.operations or capabilities.put.if_match is Guarantee.ATOMIC


class FileConformance(Suite):
    """Tests of ``open``."""

    # --- reading

    @pytest.mark.parametrize("size", [0, 1, 200_001])
    async def test_a_file_is_the_object(self, store: Store, size: int) -> None:
        state = await self.written(store, "key", payload(size))
        async with store.open("key", "rb") as file:
            assert (file.meta.size, file.meta.etag) == (size, state.etag)
            assert await file.read() == payload(size)
            assert await file.read() == b""
            assert file.tell() == size

    async def test_a_large_file_is_read_in_order(self, store: Store) -> None:
        data = payload(3 * self.part_size + 1)
        await store.put("key", data)
        read = bytearray()
        async with store.open("key", "rb") as file:
            while chunk := await file.read(50_000):
                read += chunk
        assert read == data

    @PROPERTY
    @given(spans=st.lists(st.tuples(st.integers(0, 3100), st.integers(-1, 700)), max_size=5))
    async def test_a_file_can_be_read_anywhere(self, store: Store, spans: list[tuple[int, int]]) -> None:
        data = payload(3000)
        if not await store.exists("key"):
            await store.put("key", data)
        model = io.BytesIO(data)
        async with store.open("key", "rb", buffer_size=100) as file:
            for position, size in spans:
                assert await file.seek(position) == model.seek(position)
                assert await file.read(size) == model.read(size)
                assert file.tell() == model.tell()

    async def test_a_file_can_be_read_from_its_end(self, store: Store) -> None:
        data = payload(self.part_size + 5)
        await store.put("key", data)
        async with store.open("key", "rb", buffer_size=10) as file:
            assert await file.seek(-20, 2) == len(data) - 20
            assert await file.read() == data[-20:]
            assert await file.seek(-5, 1) == len(data) - 5
            assert await file.read(3) == data[-5:-2]
            await file.seek(0)
            buffer = bytearray(30)
            assert await file.readinto(buffer) == 30
            assert buffer == data[:30]

    async def test_lines_of_a_file(self, store: Store) -> None:
        lines = [b"x" * (number * 37 % 200) + b"\n" for number in range(100)]
        await store.put("key", b"".join(lines) + b"the end")
        async with store.open("key", "rb", buffer_size=64) as file:
            assert [line async for line in file] == [*lines, b"the end"]

    async def test_text_is_what_was_written(self, store: Store) -> None:
        text = "first\nzweite Zeile: é\r\n\U0001f600\n" * 100
        async with store.open("key", "w", newline="\r\n") as file:
            assert await file.write(text) == len(text)
        async with store.open("key", newline="", buffer_size=64) as file:
            assert await file.read() == text.replace("\n", "\r\n")
        async with store.open("key", buffer_size=64) as file:
            lines = [line async for line in file]
        assert lines == [line.replace("\r", "\n") for line in text.replace("\r\n", "\n\n").splitlines(keepends=True)]

    async def test_a_place_in_text_can_be_found_again(self, store: Store) -> None:
        await store.put("key", "aé\r\nあ\U0001f600\nend".encode())
        async with store.open("key", buffer_size=3) as file:
            places = [(file.tell(), await file.read(1)) for _ in range(9)]
            for place, character in reversed(places):
                await file.seek(place)
                assert await file.read(1) == character

    async def test_entering_a_file_of_a_missing_object_says_so(self, store: Store) -> None:
        with pytest.raises(NotFoundError) as caught:
            async with store.open("missing", "rb"):
                pytest.fail("the file was entered")
        assert isinstance(caught.value, FileNotFoundError)
        assert caught.value.key == "missing"

    @pytest.mark.parametrize("position", [0, 200])
    async def test_an_object_replaced_under_an_open_file_is_never_a_mixture(self, store: Store, position: int) -> None:
        old, new = payload(4 * self.part_size, 1), payload(4 * self.part_size + ("distinct" not in self.etags), 2)
        await store.put("key", old)
        async with store.open("key", "rb", buffer_size=SMALL) as file:
            await store.put("key", new)
            await file.seek(position)
            read = b""
            # Without ranges, one answer may go on bringing the old object.
            changed = pytest.raises(ObjectChangedError)
            with changed if self.capabilities.ranges else contextlib.suppress(ObjectChangedError):
                while chunk := await file.read(SMALL):
                    read += chunk
            assert old.startswith(read, position)

    async def test_a_reader_may_be_left_at_any_moment(self, store: Store) -> None:
        data = payload(4 * self.part_size)
        await store.put("key", data)
        for count in (0, 1, SMALL + 1, self.part_size):
            async with store.open("key", "rb", buffer_size=SMALL) as file:
                assert await file.read(count) == data[:count]
        file = store.open("key", "rb", buffer_size=SMALL)
        await file.read(self.part_size)
        del file
        gc.collect()

    # --- writing

    @pytest.mark.parametrize("parts", [0, 2.5])
    async def test_what_is_written_to_a_file_is_the_object(self, store: Store, parts: float) -> None:
        data = payload(int(parts * self.part_size))
        async with store.open("key", "wb", part_size=self.part_size, content_type="text/x-test") as file:
            for start in range(0, len(data), 77_777):
                assert await file.write(data[start : start + 77_777]) == len(data[start : start + 77_777])
            assert file.tell() == len(data)
        assert await store.get("key") == data
        meta = await store.head("key")
        assert file.result.size == len(data)
        assert file.result.etag == (meta.etag if "written" in self.etags else None)
        if "content_type" in self.content_headers:
            assert meta.content_type == "text/x-test"

    async def test_nothing_is_published_before_a_file_is_closed(self, store: Store) -> None:
        async with store.open("key", "wb", part_size=self.part_size, buffer_size=SMALL) as file:
            await file.write(payload(2 * self.part_size))
            await file.flush()
            assert not await store.exists("key")
        assert await store.size("key") == 2 * self.part_size

    @ENDS
    async def test_an_exception_in_a_file_publishes_nothing(self, store: Store, parts: int) -> None:
        await store.put("key", b"old")
        with pytest.raises(ZeroDivisionError):
            await self._write(store, "wb", parts, ZeroDivisionError())
        assert await store.get("key") == b"old"

    async def _write(self, store: Store, mode: str, parts: int, error: Exception | None = None) -> None:
        file = store.open("key", mode, part_size=self.part_size, buffer_size=SMALL)  # type: ignore[call-overload]  # wb xb ab
        async with file:
            await file.write(payload(parts * self.part_size + SMALL))
            if error is not None:
                raise error

    @ENDS
    async def test_an_aborted_file_publishes_nothing(self, store: Store, parts: int) -> None:
        file = store.open("key", "wb", part_size=self.part_size, buffer_size=SMALL)
        await file.write(payload(parts * self.part_size + SMALL))
        await file.abort()
        assert file.closed
        assert not await store.exists("key")

    @ENDS
    async def test_a_cancelled_file_publishes_nothing(self, store: Store, parts: int) -> None:
        await store.put("key", b"old")
        written = asyncio.Event()

        async def write() -> None:
            async with store.open("key", "wb", part_size=self.part_size, buffer_size=SMALL) as file:
                await file.write(payload(parts * self.part_size + SMALL))
                written.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(write())
        await written.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await store.get("key") == b"old"

    @ENDS
    async def test_a_dropped_file_publishes_nothing(self, store: Store, parts: int) -> None:
        file = store.open("key", "wb", part_size=self.part_size, buffer_size=SMALL)
        await file.write(payload(parts * self.part_size + SMALL))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            del file
            gc.collect()
        assert not await store.exists("key")

    # --- creating

    @requires(_creates("put", atomic=True))
    async def test_mode_x_creates_and_never_replaces(self, store: Store) -> None:
        await self._write(store, "xb", 0)
        with pytest.raises(AlreadyExistsError) as caught:
            await self._write(store, "xb", 0)
        assert isinstance(caught.value, FileExistsError)
        assert await store.get("key") == payload(SMALL)

    @requires(_creates("complete", atomic=True))
    async def test_mode_x_never_replaces_by_a_large_object(self, store: Store) -> None:
        await store.put("key", b"old")
        with pytest.raises(AlreadyExistsError):
            await self._write(store, "xb", 3)
        assert await store.get("key") == b"old"

    @requires(_creates("complete", atomic=False))
    async def test_mode_x_of_a_large_object_is_refused_where_it_could_replace_one(self, store: Store) -> None:
        with pytest.raises(NotSupportedError, match="best_effort"):
            await self._write(store, "xb", 3)
        assert not await store.exists("key")

    # --- appending

    @pytest.mark.parametrize("there", [None, 0, 1000])
    @pytest.mark.parametrize("parts", [0, 2])
    async def test_what_is_appended_goes_behind_what_is_there(
        self, store: Store, there: int | None, parts: int
    ) -> None:
        old = payload(there or 0, 1)
        if there is not None:
            await store.put("key", old, **self.kept(metadata={"name": "value"}))
        await self._write(store, "ab", parts)
        assert await store.get("key") == old + payload(parts * self.part_size + SMALL)
        if there is not None and self.capabilities.metadata:
            assert dict((await store.head("key")).metadata) == {"name": "value"}

    async def test_little_can_be_appended_to_a_large_object_again_and_again(self, store: Store) -> None:
        data = payload(2 * self.part_size + 7)
        await store.put("key", data)
        for number in range(3):
            async with store.open("key", "ab") as file:
                assert file.tell() == len(data)
                data += payload(10, number)
                await file.write(payload(10, number))
            assert file.result.size == len(data)
        assert await store.get("key") == data

    async def test_a_file_to_append_to_that_nobody_writes_to_stays_or_is_made(self, store: Store) -> None:
        before = await self.written(store, "key", b"old")
        for key in ("key", "new"):
            async with store.open(key, "ab"):
                pass
        assert (await store.head("key")).etag == before.etag
        assert await store.get("new") == b""

    @ENDS
    async def test_an_exception_appends_nothing(self, store: Store, parts: int) -> None:
        old = payload(self.part_size)
        await store.put("key", old)
        with pytest.raises(ZeroDivisionError):
            await self._write(store, "ab", parts, ZeroDivisionError())
        assert await store.get("key") == old

    @requires(_notices_changes)
    async def test_an_object_that_changed_meanwhile_is_not_appended_to(self, store: Store) -> None:
        await store.put("key", b"old")
        with pytest.raises(PreconditionFailedError):
            async with store.open("key", "ab") as file:
                await store.put("key", b"newer")
                await file.write(b"more")
        assert await store.get("key") == b"newer"

    # --- misuse

    async def test_a_store_closed_under_an_open_file_says_so(self, store: Store) -> None:
        await store.put("key", payload(1000))
        other = store.with_prefix("k")
        reader, writer = other.open("ey", "rb", buffer_size=10), other.open("new", "wb")
        await reader.read(1)
        await writer.write(b"lost")
        await other.aclose()
        with pytest.raises(StoreClosedError):
            await writer.aclose()
        # Without ranges, all of it has come with the first byte.
        with pytest.raises(StoreClosedError) if self.capabilities.ranges else contextlib.nullcontext():
            await reader.read()
        await reader.aclose()
        assert not await store.exists("knew")

    async def test_wrong_use_is_told_as_io_tells_it(self, store: Store) -> None:
        async with store.open("key", "wb") as file:
            with pytest.raises(io.UnsupportedOperation):
                await file.read()
            with pytest.raises(io.UnsupportedOperation):
                await file.seek(0)
            with pytest.raises(TypeError):
                await file.write("text")  # type: ignore[arg-type]  # wrong on purpose
        with pytest.raises(ValueError, match="closed file"):
            await file.write(b"")
        with pytest.raises(ValueError, match="closed file"):
            await file.writelines([])
        async with store.open("key", "rb") as file:
            with pytest.raises(io.UnsupportedOperation):
                await file.write(b"")
        with pytest.raises(ValueError, match="closed file"):
            await file.read()
        with pytest.raises(LookupError):
            store.open("key", encoding="no-such-encoding")
        with pytest.raises(ValueError, match="modes are"):
            store.open("key", "rw")  # type: ignore[call-overload]  # wrong on purpose
