"""One byte is wrong on the way, and nothing else shows it: it is never taken for the truth where a checksum exists."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiostore import CorruptedError, NotSupportedError
from tests.faults.faults import Flip
from tests.faults.table.backend import Settings
from tests.faults.table.buckets import primitive_of_request
from tests.faults.table.cells import LARGE, SMALL, Cell, behind_proxy
from tests.faults.table.faults import FlipUpload
from tests.faults.table.s3 import S3_PART, S3Bucket

property_test = settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])

ALGORITHMS: Mapping[str, str] = {"ceph": "md5", "localstack": "crc64nvme"}
"""What proves the bytes of an object that was written in one request."""


@pytest.fixture(params=["ceph", "localstack"], scope="module")
def bucket(request: pytest.FixtureRequest) -> S3Bucket:
    found: S3Bucket = request.getfixturevalue(f"{request.param}_bucket")
    return found


def flip(cell: Cell, primitive: str, at: int, *, nth: int = 1, times: int | None = 1) -> None:
    assert cell.proxy is not None
    cell.proxy.inject(
        Flip(at=at, mask=1), when=lambda request: primitive_of_request(request) == primitive, nth=nth, times=times
    )


@property_test
@given(at=st.integers(0, SMALL - 1))
async def test_a_wrong_byte_is_healed_by_reading_again(at: int, bucket: S3Bucket, tmp_path: Path) -> None:
    async with behind_proxy(bucket, tmp_path) as cell:
        await cell.put("object", cell.small)
        flip(cell, "get", at)
        tasks = asyncio.all_tasks()
        assert await cell.store.get("object") == cell.small
        await cell.assert_nothing_is_left(tasks)


@property_test
@given(at=st.integers(0, 999), number=st.integers(1, 4), how=st.sampled_from(["get", "download"]))
async def test_a_wrong_byte_in_one_of_several_parallel_ranges_is_healed(
    at: int, number: int, how: Literal["get", "download"], bucket: S3Bucket, tmp_path: Path
) -> None:
    async with behind_proxy(bucket, tmp_path) as cell:
        await cell.put("object", cell.large)
        flip(cell, "get_range", at, nth=number)
        tasks = asyncio.all_tasks()
        if how == "get":
            assert await cell.store.get("object") == cell.large
        else:
            await cell.store.download("object", tmp_path / "file")
            assert (tmp_path / "file").read_bytes() == cell.large
        await cell.assert_nothing_is_left(tasks)


@property_test
@given(at=st.integers(0, 999), number=st.integers(0, 4))
async def test_a_stream_never_hands_out_the_last_of_wrong_bytes(
    at: int, number: int, bucket: S3Bucket, tmp_path: Path
) -> None:
    async with behind_proxy(bucket, tmp_path) as cell:
        await cell.put("object", cell.large)
        flip(cell, "get_range" if number else "get", at, nth=number or 1)
        tasks = asyncio.all_tasks()
        length = 0
        stream = cell.store.stream("object")
        with pytest.raises(CorruptedError):
            async for chunk in stream:
                length += len(chunk)
        assert length < LARGE
        assert stream.verified is None
        await cell.assert_nothing_is_left(tasks)


async def test_a_stream_of_right_bytes_says_what_proved_them(bucket: S3Bucket, tmp_path: Path) -> None:
    async with behind_proxy(bucket, tmp_path) as cell:
        await cell.put("object", cell.large)
        stream = cell.store.stream("object")
        assert b"".join([chunk async for chunk in stream]) == cell.large
        assert stream.verified == ALGORITHMS[bucket.backend.name]


async def test_bytes_that_stay_wrong_are_an_error(bucket: S3Bucket, tmp_path: Path) -> None:
    async with behind_proxy(bucket, tmp_path) as cell:
        await cell.put("object", cell.small)
        flip(cell, "get", 7, times=None)
        tasks = asyncio.all_tasks()
        with pytest.raises(CorruptedError):
            await cell.store.get("object")
        await cell.assert_nothing_is_left(tasks)


async def test_a_range_cannot_be_verified_and_is_refused_if_it_must_be(bucket: S3Bucket, tmp_path: Path) -> None:
    async with behind_proxy(bucket, tmp_path) as cell:
        await cell.put("object", cell.large)
        flip(cell, "get_range", 7, times=None)
        wrong = bytearray(cell.large)
        wrong[17] ^= 1
        assert await cell.store.get_ranges("object", [(10, 200)]) == [wrong[10:200]]
    async with behind_proxy(bucket, tmp_path, Settings(integrity="require")) as cell:
        await cell.put("object", cell.large)
        with pytest.raises(NotSupportedError):
            await cell.store.get_ranges("object", [(10, 200)])
        with pytest.raises(NotSupportedError):
            await cell.store.get_range("object", 10, 200)
        assert await cell.store.get("object") == cell.large


@property_test
@given(at=st.integers(0, SMALL - 1))
async def test_a_byte_that_is_damaged_on_the_way_up_is_refused_and_sent_again(
    at: int, bucket: S3Bucket, tmp_path: Path
) -> None:
    async with behind_proxy(bucket, tmp_path) as cell:
        assert cell.proxy is not None
        cell.proxy.inject(FlipUpload(at=at), method="PUT")
        tasks = asyncio.all_tasks()
        result = await cell.store.put("object", cell.small)
        assert [exchange.status for exchange in cell.proxy.exchanges] == [400, 200]
        assert await cell.visible("object") == cell.small
        assert result.checksums
        await cell.assert_nothing_is_left(tasks)


async def test_a_part_that_is_damaged_on_the_way_up_is_refused_and_sent_again(bucket: S3Bucket, tmp_path: Path) -> None:
    async with behind_proxy(bucket, tmp_path) as cell:
        assert cell.proxy is not None
        rule = cell.proxy.inject(FlipUpload(at=S3_PART // 2), method="PUT")
        tasks = asyncio.all_tasks()
        await cell.store.put("object", cell.parts, part_size=S3_PART)
        assert rule.applied == 1
        assert await cell.visible("object") == cell.parts
        await cell.assert_nothing_is_left(tasks)
