"""Ranges are slices: property-tested against the slices of a bytes object."""
# ruff: noqa: D102, S101  # a test's name says what it shows

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiostore.errors import InvalidRangeError
from aiostore.store import Store
from aiostore.testing.conformance.suite import PROPERTY, Suite, payload

SIZE: Final = 1000
OFFSETS: Final = st.integers(0, SIZE - 1)
STOPS: Final = st.integers(1, 2 * SIZE)
SPANS: Final = st.tuples(OFFSETS, STOPS).filter(lambda span: span[0] <= span[1])


class Ranges(Suite):
    """Tests of ``get_range``, ``get_ranges`` and the ranges of ``get`` and ``stream``."""

    @PROPERTY
    @given(span=SPANS)
    async def test_a_range_is_a_slice(self, store: Store, span: tuple[int, int]) -> None:
        data = await self._object(store)
        start, stop = span
        assert await store.get_range("key", start, stop) == data[start:stop]

    @PROPERTY
    @given(start=st.integers(-2 * SIZE, SIZE - 1))
    async def test_an_open_range_is_a_slice(self, store: Store, start: int) -> None:
        data = await self._object(store)
        assert await store.get_range("key", start) == data[start:]
        assert await store.get("key", start=start) == data[start:]

    @PROPERTY
    @given(span=SPANS)
    async def test_get_and_stream_take_the_same_ranges(self, store: Store, span: tuple[int, int]) -> None:
        data = await self._object(store)
        start, stop = span
        assert await store.get("key", start=start, stop=stop) == data[start:stop]
        streamed = [chunk async for chunk in store.stream("key", start=start, stop=stop)]
        assert b"".join(streamed) == data[start:stop]

    @PROPERTY
    @given(ranges=st.lists(SPANS, max_size=12))
    async def test_ranges_are_slices_in_the_order_asked(self, store: Store, ranges: list[tuple[int, int]]) -> None:
        data = await self._object(store)
        assert await store.get_ranges("key", ranges) == [data[start:stop] for start, stop in ranges]

    async def test_a_stop_alone_reads_from_the_beginning(self, store: Store) -> None:
        data = await self._object(store)
        assert await store.get("key", stop=10) == data[:10]

    async def test_distant_ranges_of_a_large_object(self, store: Store) -> None:
        size = 3 * 1024**2 + 7
        data = payload(size)
        await store.put("key", data)
        ranges = [(size - 5, size), (0, 10), (2 * 1024**2, 2 * 1024**2 + 100), (0, 10), (5, 15), (size - 1, size + 10)]
        assert await store.get_ranges("key", ranges) == [data[start:stop] for start, stop in ranges]

    async def test_a_range_longer_than_a_part(self, store: Store) -> None:
        data = payload(4 * self.part_size + 1)
        await store.put("key", data)
        assert await store.get_range("key", 1, 4 * self.part_size) == data[1:-1]
        assert await store.get_range("key", -3 * self.part_size) == data[-3 * self.part_size :]

    async def test_no_ranges_are_no_bytes(self, store: Store) -> None:
        await self._object(store)
        assert await store.get_ranges("key", []) == []

    @pytest.mark.parametrize("past", [0, 1, 100])
    async def test_a_range_that_starts_past_the_end_is_refused(self, store: Store, past: int) -> None:
        await self._object(store)
        with pytest.raises(InvalidRangeError) as caught:
            await store.get_range("key", SIZE + past, SIZE + past + 10)
        assert isinstance(caught.value, ValueError)
        assert caught.value.key == "key"
        with pytest.raises(InvalidRangeError):
            await store.get_range("key", SIZE + past)
        with pytest.raises(InvalidRangeError):
            await store.get("key", start=SIZE + past)
        with pytest.raises(InvalidRangeError):
            await store.get_ranges("key", [(0, 10), (SIZE + past, SIZE + past + 10)])
        with pytest.raises(InvalidRangeError):
            async with store.stream("key", start=SIZE + past):
                pass

    async def test_a_range_that_ends_before_it_starts_is_refused(self, store: Store) -> None:
        await self._object(store)
        with pytest.raises(InvalidRangeError):
            await store.get_range("key", 10, 5)
        with pytest.raises(InvalidRangeError):
            await store.get_ranges("key", [(10, 5)])

    async def test_any_range_of_an_empty_object_from_its_beginning_is_empty(self, store: Store) -> None:
        await store.put("empty", b"")
        assert await store.get_range("empty", 0) == b""
        assert await store.get_range("empty", 0, 10) == b""
        assert await store.get_range("empty", -10) == b""
        assert await store.get_ranges("empty", [(0, 0), (0, 10)]) == [b"", b""]
        assert [chunk async for chunk in store.stream("empty", start=0, stop=10)] == []

    async def test_ranges_are_refused_for_a_missing_object_too(self, store: Store) -> None:
        with pytest.raises(InvalidRangeError):
            await store.get_range("missing", 10, 5)

    async def _object(self, store: Store) -> bytes:
        data = payload(SIZE)
        if not await store.exists("key"):
            await store.put("key", data)
        return data
