"""A write whose answer is lost is a success if it was one, and an unknown outcome if nobody can tell any more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from aiostore import ConnectionLostError, WriteOutcomeUnknownError
from tests.faults import faults
from tests.faults.faults import LoseResponse
from tests.faults.http1 import Sink
from tests.faults.table.buckets import primitive_of_request
from tests.faults.table.cells import Cell, behind_proxy
from tests.faults.table.s3 import S3_PART, S3Bucket


@dataclass(frozen=True, slots=True, kw_only=True)
class Then(faults.Fault):
    """The service has done it; before the client knows, something happens, and then the connection is lost."""

    action: Callable[[], Awaitable[object]]

    async def before_response(self, wire: faults.Wire) -> None:
        await self.action()
        raise faults.Cut(reset=True)


class ThenInBody(Then):
    """The same where the service begins to answer before it is done: the body is lost."""

    async def before_response(self, wire: faults.Wire) -> None:
        """Nothing yet."""

    async def download(self, wire: faults.Wire, offset: int, piece: bytes, send: Sink) -> None:
        """Nothing of it arrives."""

    async def after_body(self, wire: faults.Wire, send: Sink) -> None:
        await self.action()
        raise faults.Cut(reset=True)


def on(cell: Cell, primitive: str, fault: faults.Fault, *, times: int | None = 1) -> None:
    assert cell.proxy is not None
    cell.proxy.inject(fault, when=lambda request: primitive_of_request(request) == primitive, times=times)


async def test_a_create_that_somebody_replaced_has_an_unknown_outcome(ceph_bucket: S3Bucket, tmp_path: Path) -> None:
    async with behind_proxy(ceph_bucket, tmp_path) as cell:
        on(cell, "put", Then(action=lambda: cell.direct.put("object", cell.old)))
        tasks = asyncio.all_tasks()
        with pytest.raises(WriteOutcomeUnknownError) as caught:
            await cell.store.put("object", cell.small, if_absent=True)
        assert caught.value.key == "object"
        assert await cell.visible("object") == cell.old
        await cell.assert_nothing_is_left(tasks)


async def test_a_swap_that_somebody_replaced_has_an_unknown_outcome(ceph_bucket: S3Bucket, tmp_path: Path) -> None:
    async with behind_proxy(ceph_bucket, tmp_path) as cell:
        before = await cell.put("object", cell.old)
        on(cell, "put", Then(action=lambda: cell.direct.put("object", cell.large)))
        tasks = asyncio.all_tasks()
        with pytest.raises(WriteOutcomeUnknownError):
            await cell.store.put("object", cell.small, if_match=before)
        assert await cell.visible("object") == cell.large
        await cell.assert_nothing_is_left(tasks)


async def test_a_completion_that_somebody_replaced_has_an_unknown_outcome(
    localstack_bucket: S3Bucket, tmp_path: Path
) -> None:
    async with behind_proxy(localstack_bucket, tmp_path) as cell:
        on(cell, "complete_multipart", ThenInBody(action=lambda: cell.direct.put("object", cell.old)))
        tasks = asyncio.all_tasks()
        with pytest.raises(WriteOutcomeUnknownError):
            await cell.store.put("object", cell.parts, part_size=S3_PART)
        assert await cell.visible("object") == cell.old
        await cell.assert_nothing_is_left(tasks)


async def test_a_create_whose_every_answer_is_lost_is_looked_up(ceph_bucket: S3Bucket, tmp_path: Path) -> None:
    async with behind_proxy(ceph_bucket, tmp_path) as cell:
        on(cell, "put", LoseResponse(), times=None)
        tasks = asyncio.all_tasks()
        result = await cell.store.put("object", cell.small, if_absent=True)
        assert result.etag == (await cell.direct.head("object")).etag
        assert await cell.visible("object") == cell.small
        await cell.assert_nothing_is_left(tasks)


async def test_a_plain_write_whose_every_answer_is_lost_says_so(ceph_bucket: S3Bucket, tmp_path: Path) -> None:
    async with behind_proxy(ceph_bucket, tmp_path) as cell:
        on(cell, "put", LoseResponse(), times=None)
        tasks = asyncio.all_tasks()
        with pytest.raises(ConnectionLostError) as caught:
            await cell.store.put("object", cell.small)
        assert caught.value.unanswered > 0
        await cell.assert_nothing_is_left(tasks)


async def test_an_upload_whose_creation_was_not_answered_stays_empty_and_is_listed(
    ceph_bucket: S3Bucket, tmp_path: Path
) -> None:
    """Nobody can tell it from somebody else's, so nobody may drop it unasked."""
    async with behind_proxy(ceph_bucket, tmp_path) as cell:
        on(cell, "create_multipart", LoseResponse())
        await cell.store.put("object", cell.parts, part_size=S3_PART)
        assert await cell.visible("object") == cell.parts
        left = [upload async for upload in cell.direct.uploads()]
        assert len(left) == 1
        for upload in left:
            await cell.direct.abort_upload(upload)
        await cell.assert_nothing_is_left(asyncio.all_tasks())
