"""Streamed reads: chunks, read-ahead, leaving early, and objects that change while they are read."""
# ruff: noqa: D102, S101  # a test's name says what it shows

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiostore.errors import NotFoundError, ObjectChangedError
from aiostore.store import Store
from aiostore.testing.conformance.suite import PROPERTY, Suite, payload


class Streams(Suite):
    """Tests of ``stream``."""

    @pytest.mark.parametrize("parts", [0, 1, 3])
    async def test_a_stream_is_the_object(self, store: Store, parts: int) -> None:
        data = payload(parts * self.part_size + parts)
        await store.put("key", data)
        chunks = [chunk async for chunk in store.stream("key")]
        assert b"".join(chunks) == data
        assert all(chunks), "a chunk is empty"
        assert all(type(chunk) is bytes for chunk in chunks)

    @PROPERTY
    @given(chunk_size=st.integers(50, 2000))
    async def test_chunks_are_exactly_as_long_as_asked(self, store: Store, chunk_size: int) -> None:
        data = payload(1000)
        if not await store.exists("key"):
            await store.put("key", data)
        expected = [data[start : start + chunk_size] for start in range(0, 1000, chunk_size)]
        assert [chunk async for chunk in store.stream("key", chunk_size=chunk_size)] == expected

    @pytest.mark.parametrize("concurrency", [1, 2, 7])
    async def test_chunks_of_a_large_object_are_exact_and_in_order(self, store: Store, concurrency: int) -> None:
        size, chunk_size = 4 * self.part_size + 99, self.part_size // 3 + 1
        data = payload(size)
        await store.put("key", data)
        expected = [data[start : start + chunk_size] for start in range(0, size, chunk_size)]
        stream = store.stream("key", chunk_size=chunk_size, concurrency=concurrency)
        assert [chunk async for chunk in stream] == expected

    async def test_chunk_size_of_a_range(self, store: Store) -> None:
        data = payload(1000)
        await store.put("key", data)
        stream = store.stream("key", start=100, stop=350, chunk_size=100)
        assert [chunk async for chunk in stream] == [data[100:200], data[200:300], data[300:350]]

    async def test_entering_a_stream_of_a_missing_object_says_so(self, store: Store) -> None:
        with pytest.raises(NotFoundError) as caught:
            async with store.stream("missing"):
                pytest.fail("the stream was entered")
        assert caught.value.key == "missing"

    async def test_meta_is_known_after_entering_or_the_first_chunk(self, store: Store) -> None:
        state = await self.written(store, "key", payload(100))
        async with store.stream("key") as entered:
            assert (entered.meta.size, entered.meta.etag) == (100, state.etag)
        stream = store.stream("key")
        async for _ in stream:
            assert (stream.meta.size, stream.meta.etag) == (100, state.etag)

    async def test_a_stream_may_be_left_without_closing_it(self, store: Store) -> None:
        data = payload(4 * self.part_size)
        await store.put("key", data)
        async for chunk in store.stream("key", chunk_size=1000):
            assert chunk == data[:1000]
            break
        assert await store.get("key") == data

    async def test_a_stream_may_be_left_by_an_exception(self, store: Store) -> None:
        await store.put("key", payload(4 * self.part_size))

        async def fail() -> None:
            async for chunk in store.stream("key"):
                raise ZeroDivisionError(len(chunk))

        with pytest.raises(ZeroDivisionError):
            await fail()
        assert await store.size("key") == 4 * self.part_size

    async def test_a_stream_may_never_be_started(self, store: Store) -> None:
        await store.put("key", b"value")
        stream = store.stream("key")
        await stream.aclose()

    async def test_a_closed_stream_has_ended(self, store: Store) -> None:
        await store.put("key", payload(2 * self.part_size))
        stream = store.stream("key", chunk_size=1000)
        assert len(await anext(stream)) == 1000
        await stream.aclose()
        await stream.aclose()
        assert [chunk async for chunk in stream] == []

    async def test_a_stream_that_was_read_has_ended(self, store: Store) -> None:
        await store.put("key", b"value")
        async with store.stream("key") as stream:
            assert b"".join([chunk async for chunk in stream]) == b"value"
            assert [chunk async for chunk in stream] == []

    async def test_many_streams_of_one_object_are_independent(self, store: Store) -> None:
        data = payload(2 * self.part_size)
        await store.put("key", data)
        streams = [store.stream("key", chunk_size=self.part_size // 2) for _ in range(5)]
        read = [b"" for _ in streams]
        for _ in range(4):
            for number, stream in enumerate(streams):
                read[number] += await anext(stream)
        assert read == [data] * 5
        for stream in streams:
            await stream.aclose()

    async def test_an_object_replaced_while_it_is_read_is_never_a_mixture(self, store: Store) -> None:
        old, new = payload(6 * self.part_size, 1), payload(6 * self.part_size + ("distinct" not in self.etags), 2)
        await store.put("key", old)
        read = b""
        try:
            async for chunk in store.stream("key", chunk_size=self.part_size, concurrency=1):
                if not read:
                    await store.put("key", new)
                read += chunk
        except ObjectChangedError:
            assert old.startswith(read)
        else:
            assert read == old

    async def test_an_object_deleted_while_it_is_read_is_never_cut_short(self, store: Store) -> None:
        old = payload(6 * self.part_size)
        await store.put("key", old)
        read = b""
        try:
            async for chunk in store.stream("key", chunk_size=self.part_size, concurrency=1):
                if not read:
                    await store.delete("key")
                read += chunk
        except (ObjectChangedError, NotFoundError):
            assert old.startswith(read)
        else:
            assert read == old

    async def test_a_stream_can_feed_a_put(self, store: Store) -> None:
        data = payload(3 * self.part_size + 1)
        await store.put("key", data)
        async with store.stream("key") as stream:
            await store.put("target", stream, part_size=self.part_size)
        assert await store.get("target") == data
