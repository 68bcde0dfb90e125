"""A body may be cut anywhere: no byte comes twice, none is missing, only those after the cut are asked for again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiostore import Limits
from tests.faults.faults import CutResponse
from tests.faults.relay import Exchange
from tests.faults.table.backend import PART, Settings
from tests.faults.table.buckets import primitive_of_request
from tests.faults.table.cells import LARGE, SMALL, Cell, behind_proxy
from tests.faults.table.s3 import S3Bucket

property_test = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
cut = pytest.mark.parametrize("reset", [True, False], ids=["reset", "closed"])


def reads(cell: Cell) -> list[Exchange]:
    assert cell.proxy is not None
    return [exchange for exchange in cell.proxy.exchanges if exchange.request.method == "GET"]


def asked(exchange: Exchange) -> tuple[int, int] | None:
    """The half-open range of a request; None if it is for all."""
    value = exchange.request.headers.get("range")
    if value is None:
        return None
    first, _, last = value.removeprefix("bytes=").partition("-")
    return int(first), int(last) + 1


def interrupt(cell: Cell, at: int, *, reset: bool, primitive: str = "get", nth: int = 1) -> None:
    assert cell.proxy is not None
    cell.proxy.inject(
        CutResponse(after=at, reset=reset), when=lambda request: primitive_of_request(request) == primitive, nth=nth
    )


@cut
@property_test
@given(at=st.integers(0, SMALL), streamed=st.booleans())
async def test_a_small_object_cut_at_any_byte(
    reset: bool, at: int, streamed: bool, ceph_bucket: S3Bucket, tmp_path: Path
) -> None:
    async with behind_proxy(ceph_bucket, tmp_path) as cell:
        await cell.put("object", cell.small)
        interrupt(cell, at, reset=reset)
        tasks = asyncio.all_tasks()
        if streamed:
            data = b"".join([chunk async for chunk in cell.store.stream("object")])
        else:
            data = await cell.store.get("object")
        assert data == cell.small
        again = [asked(exchange) for exchange in reads(cell)[1:]]
        assert again == ([(at, SMALL)] if at < SMALL else [])
        await cell.assert_nothing_is_left(tasks)


@cut
@property_test
@given(at=st.integers(0, PART), number=st.integers(1, 4))
async def test_any_of_several_parallel_ranges_cut_at_any_byte(
    reset: bool, at: int, number: int, ceph_bucket: S3Bucket, tmp_path: Path
) -> None:
    async with behind_proxy(ceph_bucket, tmp_path) as cell:
        await cell.put("object", cell.large)
        interrupt(cell, at, reset=reset, primitive="get_range", nth=number)
        tasks = asyncio.all_tasks()
        assert b"".join([chunk async for chunk in cell.store.stream("object")]) == cell.large
        assert_only_the_rest_was_asked_again(cell)
        await cell.assert_nothing_is_left(tasks)


@cut
@property_test
@given(at=st.integers(0, LARGE - 1))
async def test_the_first_of_several_parallel_ranges_cut_at_any_byte(
    reset: bool, at: int, ceph_bucket: S3Bucket, tmp_path: Path
) -> None:
    async with behind_proxy(ceph_bucket, tmp_path) as cell:
        await cell.put("object", cell.large)
        interrupt(cell, at, reset=reset)
        tasks = asyncio.all_tasks()
        assert await cell.store.get("object") == cell.large
        # Its body is the whole object, of which only the first part is taken.
        if at < PART:
            assert (at, PART) in [asked(exchange) for exchange in reads(cell)]
        await cell.assert_nothing_is_left(tasks)


@cut
@property_test
@given(start=st.integers(0, SMALL - 1), length=st.integers(1, SMALL), at=st.integers(0, SMALL))
async def test_a_range_cut_at_any_byte(
    reset: bool, start: int, length: int, at: int, ceph_bucket: S3Bucket, tmp_path: Path
) -> None:
    stop = min(SMALL, start + length)
    async with behind_proxy(ceph_bucket, tmp_path) as cell:
        await cell.put("object", cell.small)
        interrupt(cell, at, reset=reset, primitive="get_range")
        tasks = asyncio.all_tasks()
        assert await cell.store.get_range("object", start, stop) == cell.small[start:stop]
        assert len(reads(cell)) == (2 if at < stop - start else 1)
        await cell.assert_nothing_is_left(tasks)


SPANS = [(10, 500), (PART, PART + 700), (3 * PART, 3 * PART + 300)]


@cut
@property_test
@given(at=st.integers(0, 700), number=st.integers(1, 3))
async def test_any_of_several_ranges_cut_at_any_byte(
    reset: bool, at: int, number: int, ceph_bucket: S3Bucket, tmp_path: Path
) -> None:
    async with behind_proxy(ceph_bucket, tmp_path) as cell:
        await cell.put("object", cell.large)
        interrupt(cell, at, reset=reset, primitive="get_range", nth=number)
        tasks = asyncio.all_tasks()
        assert await cell.store.get_ranges("object", SPANS) == [cell.large[start:stop] for start, stop in SPANS]
        await cell.assert_nothing_is_left(tasks)


def assert_only_the_rest_was_asked_again(cell: Cell) -> None:
    """The requests for parts are disjoint but for those that go on, which begin at the byte that was reached."""
    begun: dict[int, tuple[int, int]] = {}
    for exchange in reads(cell):
        span = asked(exchange)
        if span is None:
            continue
        start, stop = span
        if stop in begun:
            before, sent = begun[stop]
            assert start == before + sent, f"[{start}, {stop}) after {sent} bytes from {before}"
        begun[stop] = start, exchange.sent
    assert sorted(begun) == [2 * PART, 3 * PART, 4 * PART, LARGE]


@cut
async def test_a_body_that_is_cut_after_every_few_bytes_comes_whole(
    reset: bool, ceph_bucket: S3Bucket, tmp_path: Path
) -> None:
    async with behind_proxy(ceph_bucket, tmp_path) as cell:
        assert cell.proxy is not None
        await cell.put("object", cell.small)
        cell.proxy.inject(CutResponse(after=7, reset=reset), times=None)
        assert b"".join([chunk async for chunk in cell.store.stream("object")]) == cell.small
        spans = [asked(exchange) for exchange in reads(cell)]
        assert spans == [None, *((start, SMALL) for start in range(7, SMALL, 7))]


@cut
@pytest.mark.parametrize("after", [0, 70_000, 3_000_000])
async def test_a_long_body_that_is_received_as_a_whole_goes_on_where_it_was_cut(
    after: int, reset: bool, ceph_bucket: S3Bucket, tmp_path: Path
) -> None:
    async with behind_proxy(ceph_bucket, tmp_path) as cell:
        assert cell.proxy is not None
        await cell.put("object", cell.parts)
        interrupt(cell, after, reset=reset)
        backend, limits = ceph_bucket.backend, Limits(part_size=2 * len(cell.parts))
        async with backend.store(ceph_bucket, cell.prefix, Settings(), cell.proxy.url, limits) as store:
            assert await store.get("object") == cell.parts
        assert [asked(exchange) for exchange in reads(cell)] == [None, (after, len(cell.parts))]
