"""Files that are changed in place, and the files of blocking code: io's own, over the same object."""
# ruff: noqa: D102, PT012, S101  # a test's name says what it shows; files fail where they are used, in the midst of it

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import Callable
from typing import Final, TypeVar

import pytest

from aiostore.blocking import BlockingStore, portal, wrap
from aiostore.capabilities import Capabilities, Guarantee
from aiostore.errors import (
    NotFoundError,
    NotSupportedError,
    ObjectChangedError,
    PreconditionFailedError,
    StoreClosedError,
)
from aiostore.store import Store
from aiostore.testing.conformance.suite import Suite, payload, requires

T = TypeVar("T")

OLD: Final = b"0123456789"


def _swaps(capabilities: Capabilities) -> bool:
    return capabilities.put.if_match is Guarantee.ATOMIC


def _cannot_swap(capabilities: Capabilities) -> bool:
    return not _swaps(capabilities)


async def blocking(store: Store, use: Callable[[BlockingStore], T]) -> T:
    """What ``use`` returns, called in a thread with the blocking verbs before ``store``."""
    try:
        return await asyncio.to_thread(use, wrap(store))
    finally:
        # The store goes on here; what it holds in the bridge's loop ends.
        await asyncio.to_thread(portal.call, store._base.driver.aclose)


class BlockingConformance(Suite):
    """Tests of modes with a ``+``, and of ``aiostore.blocking``."""

    # --- in place

    @requires(_swaps)
    async def test_an_object_is_changed_in_place_and_keeps_what_is_stored_with_it(self, store: Store) -> None:
        await store.put("key", OLD, content_type="text/x-odd")
        async with store.open("key", "r+b") as file:
            assert await file.read(3) == b"012"
            assert await file.write(b"XX") == 2
            assert await file.seek(0, 2) == len(OLD)
            await file.write(b"end")
            assert await file.seek(0) == 0
            assert await file.readline() == b"012XX56789end"
        assert file.result.size == 13
        assert await store.get("key") == b"012XX56789end"
        if "content_type" in self.content_headers:
            assert (await store.head("key")).content_type == "text/x-odd"

    @requires(_swaps)
    async def test_text_is_changed_in_place(self, store: Store) -> None:
        await store.put("key", "été\r\nend".encode())
        async with store.open("key", "r+") as file:
            assert await file.readline() == "été\n"
            place = file.tell()
            assert await file.read() == "end"
            await file.seek(place)
            await file.write("END")
        assert await store.get("key") == "été\r\nEND".encode()

    @requires(_swaps)
    async def test_an_object_that_others_changed_meanwhile_stays_theirs(self, store: Store) -> None:
        await store.put("key", OLD)
        with pytest.raises(PreconditionFailedError):
            async with store.open("key", "r+b") as file:
                await file.write(b"mine")
                await store.put("key", b"theirs")
        assert await store.get("key") == b"theirs"

    @requires(_swaps)
    async def test_a_change_that_fails_or_is_none_leaves_the_object_as_it_was(self, store: Store) -> None:
        before = await store.put("key", OLD)
        with pytest.raises(ZeroDivisionError):
            async with store.open("key", "r+b") as file:
                await file.truncate(0)
                raise ZeroDivisionError
        async with store.open("key", "a+b") as file:
            assert await file.seek(0) == 0
            assert await file.read() == OLD
        assert (await store.head("key")).etag == before.etag
        with pytest.raises(NotFoundError):
            async with store.open("missing", "r+b"):
                raise AssertionError

    @requires(_cannot_swap)
    async def test_changing_in_place_is_refused_where_it_could_lose_changes(self, store: Store) -> None:
        await store.put("key", OLD)
        with pytest.raises(NotSupportedError, match="best_effort"):
            async with store.open("key", "r+b"):
                raise AssertionError
        async with store.open("key", "r+b", best_effort=True) as file:
            await file.write(b"new")
        assert await store.get("key") == b"new3456789"

    # --- without awaiting

    async def test_blocking_files_are_those_of_io_over_the_same_object(self, store: Store) -> None:
        large = payload(2 * self.part_size + 7)

        def use(store: BlockingStore) -> None:
            with store.open("text", "w", encoding="utf-16") as text:
                assert isinstance(text, io.TextIOWrapper)
                text.writelines(f"été {number}\n" for number in range(1000))
            with store.open("text", encoding="utf-16") as text:
                assert [line.split()[1] for line in text] == [str(number) for number in range(1000)]
            with store.open("large", "wb", part_size=self.part_size) as writer:
                assert isinstance(writer, io.BufferedWriter)
                for start in range(0, len(large), 50_000):
                    writer.write(large[start : start + 50_000])
            with store.open("large", "rb") as reader:
                assert isinstance(reader, io.BufferedReader)
                assert reader.seek(-100, io.SEEK_END) == len(large) - 100
                assert reader.read() == large[-100:]
                assert reader.seek(5) == 5
                assert reader.peek(1)[:1] == large[5:6]
                assert reader.read() == large[5:]
            with store.open("large", "ab") as writer:
                writer.write(b"end")
            assert store["large", -5:] == large[-2:] + b"end"

        await blocking(store, use)
        assert await store.get("large") == large + b"end"

    @pytest.mark.parametrize("parts", [0, 2])
    @pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
    async def test_a_blocking_with_that_fails_or_is_interrupted_publishes_nothing(
        self, store: Store, parts: int, error: type[BaseException]
    ) -> None:
        def use(store: BlockingStore) -> None:
            with pytest.raises(error), store.open("key", "wb", part_size=self.part_size) as file:
                file.write(payload(parts * self.part_size + 10))
                raise error

        await blocking(store, use)
        assert not await store.exists("key")

    async def test_blocking_misuse_is_told_as_io_tells_it(self, store: Store) -> None:
        await store.put("key", OLD)

        def use(store: BlockingStore) -> None:
            with store.open("key", "rb") as reader, pytest.raises(io.UnsupportedOperation):
                reader.write(b"1")
            with pytest.raises(ValueError, match="closed file"):
                reader.read()
            with store.open("new", "wb") as writer:
                with pytest.raises(io.UnsupportedOperation):
                    writer.seek(0)
                with pytest.raises(io.UnsupportedOperation):
                    writer.read()
                writer.abort()
            with pytest.raises(LookupError):
                store.open("key", encoding="no-such-encoding")
            with pytest.raises(ValueError, match="modes are"):
                store.open("key", "rw")  # type: ignore[call-overload]  # wrong on purpose
            with pytest.raises(FileNotFoundError):
                store.open("missing")

        await blocking(store, use)
        assert not await store.exists("new")

    async def test_a_blocking_file_over_an_object_or_store_that_is_gone_says_so(self, store: Store) -> None:
        data = payload(3 * self.part_size)
        await store.put("key", data)

        def refused(error: type[Exception]) -> contextlib.AbstractContextManager[object]:
            # Without ranges, all of it may have come with the first byte.
            return pytest.raises(error) if self.capabilities.ranges else contextlib.suppress(error)

        def use(store: BlockingStore) -> None:
            with store.open("key", "rb") as reader:
                reader.read(1)
                store.put("key", data[1:])  # of another size: some ETags are a time and a size
                with refused(ObjectChangedError):
                    reader.seek(2 * self.part_size)
                    reader.read()
            view = store.with_prefix("k")
            with view.open("ey", "rb") as reader:
                writer = view.open("new", "wb")
                writer.write(b"lost")
                view.close()
                with pytest.raises(StoreClosedError):
                    writer.close()
                with refused(StoreClosedError):
                    reader.read()

        await blocking(store, use)
        assert not await store.exists("knew")
