"""Keys that end in the middle of a transfer are fetched anew, once for all who wait for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from aiostore import UnauthenticatedError
from aiostore.drivers.sigv4 import Credentials
from tests.faults.faults import Answer
from tests.faults.relay import Request
from tests.faults.table.backend import Settings
from tests.faults.table.buckets import error_document
from tests.faults.table.cells import Cell, behind_proxy
from tests.faults.table.s3 import S3_PART, S3Bucket


class Issuer:
    """Answers with new keys each time; the proxy lets the service refuse those of the first time when told."""

    def __init__(self, bucket: S3Bucket) -> None:
        self._endpoint = bucket.endpoint
        self.issued = 0

    async def __call__(self) -> Credentials:
        await asyncio.sleep(0.01)
        self.issued += 1
        endpoint = self._endpoint
        return Credentials(endpoint.access_key_id, endpoint.secret_access_key, f"token-{self.issued}")

    def expire(self, cell: Cell, after: int) -> None:
        """The first keys are good for so many requests more."""
        assert cell.proxy is not None
        cell.proxy.inject(
            Answer(status=400, body=error_document("ExpiredToken")), when=_first, nth=after + 1, times=None
        )


def _first(request: Request) -> bool:
    return request.headers.get("x-amz-security-token") == "token-1"


def issued_by(issuer: Issuer) -> Settings:
    return Settings(options={"credentials": issuer, "access_key_id": None, "secret_access_key": None})


async def get_large(cell: Cell) -> None:
    assert await cell.store.get("object") == cell.large


async def stream(cell: Cell) -> None:
    assert b"".join([chunk async for chunk in cell.store.stream("object")]) == cell.large


async def put_large(cell: Cell) -> None:
    await cell.store.put("written", cell.parts, part_size=S3_PART)
    assert await cell.visible("written") == cell.parts


async def put_pieces(cell: Cell) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(cell.parts), 500_000):
            yield cell.parts[start : start + 500_000]

    await cell.store.put("written", pieces(), part_size=S3_PART)
    assert await cell.visible("written") == cell.parts


async def read_much_at_once(cell: Cell) -> None:
    assert await asyncio.gather(*(cell.store.get("small") for _ in range(16))) == [cell.small] * 16


@pytest.mark.parametrize("after", [0, 1, 2, 3])
@pytest.mark.parametrize("transfer", [get_large, stream, put_large, put_pieces, read_much_at_once])
async def test_keys_that_end_in_the_middle_of_a_transfer_are_fetched_once(
    transfer: Callable[[Cell], Awaitable[None]], after: int, localstack_bucket: S3Bucket, tmp_path: Path
) -> None:
    issuer = Issuer(localstack_bucket)
    async with behind_proxy(
        localstack_bucket,
        tmp_path,
        issued_by(issuer),
    ) as cell:
        await cell.put("object", cell.large)
        await cell.put("small", cell.small)
        issuer.expire(cell, after)
        tasks = asyncio.all_tasks()
        await transfer(cell)
        assert issuer.issued == 2
        await cell.assert_nothing_is_left(tasks)


async def test_keys_that_are_refused_again_are_an_error(localstack_bucket: S3Bucket, tmp_path: Path) -> None:
    issuer = Issuer(localstack_bucket)
    async with behind_proxy(
        localstack_bucket,
        tmp_path,
        issued_by(issuer),
    ) as cell:
        assert cell.proxy is not None
        cell.proxy.inject(Answer(status=400, body=error_document("ExpiredToken")), times=None)
        tasks = asyncio.all_tasks()
        with pytest.raises(UnauthenticatedError):
            await cell.store.put("object", cell.small)
        assert issuer.issued == 2
        assert len(cell.proxy.requests) == 2
        await cell.assert_nothing_is_left(tasks)
