"""What does not move is given up; what moves slowly is not, however long it takes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aiostore import RequestTimeoutError, Timeouts
from tests.faults.faults import Delay, Drip, Stall
from tests.faults.table.backend import Settings
from tests.faults.table.buckets import primitive_of_request
from tests.faults.table.cells import behind_proxy
from tests.faults.table.s3 import S3_PART, S3Bucket

SHORT = Timeouts(connect=5, stall=0.2, stall_bytes=50, response=0.3, slow_response=0.6)
WINDOW = SHORT.stall


async def test_a_body_that_drips_is_asked_for_again_where_it_is(ceph_bucket: S3Bucket, tmp_path: Path) -> None:
    async with behind_proxy(ceph_bucket, tmp_path, Settings(timeouts=SHORT)) as cell:
        assert cell.proxy is not None
        await cell.put("object", cell.small)
        cell.proxy.inject(Drip(size=1, interval=0.02), method="GET")
        assert b"".join([chunk async for chunk in cell.store.stream("object")]) == cell.small
        first, second = cell.proxy.exchanges
        start = int(second.request.headers["range"].removeprefix("bytes=").partition("-")[0])
        assert 0 < start <= first.sent


async def test_a_slow_but_steady_body_is_read_to_its_end(ceph_bucket: S3Bucket, tmp_path: Path) -> None:
    """It takes many times as long as a stall may."""
    async with behind_proxy(ceph_bucket, tmp_path, Settings(timeouts=SHORT)) as cell:
        assert cell.proxy is not None
        await cell.put("object", cell.large[:3000])
        cell.proxy.inject(Drip(size=100, interval=WINDOW / 4), method="GET")
        begun = time.monotonic()
        assert await cell.store.get("object") == cell.large[:3000]
        assert time.monotonic() - begun > 5 * WINDOW
        assert len(cell.proxy.requests) == 1


async def test_a_reader_may_take_its_time(ceph_bucket: S3Bucket, tmp_path: Path) -> None:
    async with behind_proxy(ceph_bucket, tmp_path, Settings(timeouts=SHORT)) as cell:
        data = cell.parts[:2_000_000]
        await cell.put("object", data)
        length = 0
        async for chunk in cell.store.stream("object", chunk_size=500_000, concurrency=1):
            await asyncio.sleep(2 * WINDOW)
            length += len(chunk)
        assert length == len(data)
        assert cell.retries == 0


async def test_a_writer_may_take_its_time(ceph_bucket: S3Bucket, tmp_path: Path) -> None:
    async with behind_proxy(ceph_bucket, tmp_path, Settings(timeouts=SHORT)) as cell:

        async def pieces() -> AsyncIterator[bytes]:
            for start in range(0, len(cell.parts), S3_PART // 2):
                await asyncio.sleep(2 * WINDOW)
                yield cell.parts[start : start + S3_PART // 2]

        await cell.store.put("object", pieces(), part_size=S3_PART)
        assert await cell.visible("object") == cell.parts
        assert cell.retries == 0


async def test_an_upload_that_nobody_reads_is_given_up(ceph_bucket: S3Bucket, tmp_path: Path) -> None:
    async with behind_proxy(ceph_bucket, tmp_path, Settings(timeouts=SHORT)) as cell:
        assert cell.proxy is not None
        cell.proxy.inject(
            Stall(direction="upload"), when=lambda request: primitive_of_request(request) == "put_part", times=None
        )
        tasks = asyncio.all_tasks()
        with pytest.raises(RequestTimeoutError, match="taken fewer than 50 bytes"):
            await cell.store.put("object", cell.parts, part_size=S3_PART)
        assert await cell.visible("object") is None
        await cell.assert_nothing_is_left(tasks)


async def test_an_answer_that_never_comes_is_given_up(ceph_bucket: S3Bucket, tmp_path: Path) -> None:
    async with behind_proxy(ceph_bucket, tmp_path, Settings(timeouts=SHORT)) as cell:
        assert cell.proxy is not None
        await cell.put("object", cell.small)
        cell.proxy.inject(Delay(), times=None)
        tasks = asyncio.all_tasks()
        with pytest.raises(RequestTimeoutError, match="no answer within"):
            await cell.store.get("object")
        await cell.assert_nothing_is_left(tasks)
        # A timeout of the caller's ends the retries.
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(WINDOW):
                await cell.store.get("object")
        await cell.assert_nothing_is_left(tasks)


async def test_what_works_before_it_answers_gets_longer(ceph_bucket: S3Bucket, tmp_path: Path) -> None:
    async with behind_proxy(ceph_bucket, tmp_path, Settings(timeouts=SHORT)) as cell:
        assert cell.proxy is not None
        await cell.put("object", cell.small)
        cell.proxy.inject(
            Delay(seconds=SHORT.response * 1.4), when=lambda request: primitive_of_request(request) == "copy"
        )
        await cell.store.copy("object", "copy")
        assert cell.retries == 0
