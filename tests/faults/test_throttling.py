"""A service that asks for less gets less, for as long as it asks, and no caller notices more than the time it takes."""

from __future__ import annotations

import asyncio
import email.utils
import statistics
import time
from pathlib import Path

import pytest

from aiostore import Limits, RateLimitedError, RetryPolicy, S3Store, Store, UnavailableError
from tests.faults.faults import Answer, slow_down
from tests.faults.proxy import FaultProxy
from tests.faults.table.cells import behind_proxy
from tests.faults.table.s3 import S3Bucket


def store_at(url: str, bucket: S3Bucket, retry: RetryPolicy | None = None) -> Store:
    return S3Store(
        bucket.name,
        prefix="throttled/",
        endpoint=url,
        region=bucket.endpoint.region,
        access_key_id=bucket.endpoint.access_key_id,
        secret_access_key=bucket.endpoint.secret_access_key,
        dialect=bucket.backend.name,
        retry=retry,
        limits=Limits(requests=64),
    )


@pytest.mark.parametrize("date", [False, True], ids=["seconds", "date"])
async def test_nothing_is_sent_again_before_the_service_wants_it(
    date: bool, ceph_bucket: S3Bucket, tmp_path: Path
) -> None:
    async with behind_proxy(ceph_bucket, tmp_path) as cell:
        assert cell.proxy is not None
        await cell.put("object", cell.small)
        # A date has whole seconds, so that up to one of the two may be gone already.
        value = email.utils.formatdate(time.time() + 2, usegmt=True) if date else "1"
        cell.proxy.inject(slow_down(retry_after=value))
        begun = time.monotonic()
        assert await cell.store.get("object") == cell.small
        assert time.monotonic() - begun >= (0.9 if date else 1.0)
        assert len(cell.proxy.requests) == 2


async def test_a_wish_for_too_long_a_wait_is_an_error_at_once(ceph_bucket: S3Bucket, tmp_path: Path) -> None:
    async with behind_proxy(ceph_bucket, tmp_path) as cell:
        assert cell.proxy is not None
        cell.proxy.inject(slow_down(retry_after="3600"))
        with pytest.raises(RateLimitedError) as caught:
            await cell.store.get("object")
        assert caught.value.retry_after == 3600
        assert len(cell.proxy.requests) == 1


async def test_an_outage_is_not_multiplied_by_its_callers(ceph_bucket: S3Bucket) -> None:
    retry = RetryPolicy(budget=20, first_delay=0.001, max_delay=0.01)
    async with FaultProxy(ceph_bucket.endpoint.url) as proxy, store_at(proxy.url, ceph_bucket, retry) as store:
        proxy.inject(Answer(status=503), times=None)
        results = await asyncio.gather(*(store.get("object") for _ in range(50)), return_exceptions=True)
        assert {type(result) for result in results} == {UnavailableError}
        assert len(proxy.requests) == 50 + 20


OPERATIONS = 2000
ROUND = 500
WORKERS = 64
SHARE = 0.2
DATA = bytes(400)


async def work(store: Store, number: int) -> None:
    """One of 2,000 operations: writes, reads, looks and deletes in turn."""
    match number % 4:
        case 0:
            await store.put(f"object-{number}", DATA)
        case 1:
            assert await store.get("object") == DATA
        case 2:
            assert (await store.head("object")).size == len(DATA)
        case _:
            await store.delete(f"object-{number - 3}")


async def do_round(store: Store, first: int) -> float:
    """Do ROUND operations; returns how many a second were done until the last of them began."""
    numbers = iter(range(first, first + ROUND))
    done = 0
    rate = 0.0
    begun = time.perf_counter()

    async def worker() -> None:
        nonlocal done, rate
        for number in numbers:
            await work(store, number)
            done += 1
        # Only the first that finds nothing left: the service is no longer busy then.
        rate = rate or done / (time.perf_counter() - begun)

    async with asyncio.TaskGroup() as group:
        for _ in range(WORKERS):
            group.create_task(worker())
    return rate


async def measure(bucket: S3Bucket) -> float:
    """The share of the clean run's rate that is left.

    Clean and faulty rounds alternate and go the same way, so that what else the machine does strikes both.
    """
    clean, faulty = [], []
    async with (
        FaultProxy(bucket.endpoint.url) as straight,
        FaultProxy(bucket.endpoint.url, seed=7) as throttled,
        store_at(straight.url, bucket) as beside,
        store_at(throttled.url, bucket) as store,
    ):
        await beside.put("object", DATA)
        rule = throttled.inject(slow_down(), times=None, probability=SHARE)
        for first in range(0, OPERATIONS, ROUND):
            clean.append(await do_round(beside, first))
            faulty.append(await do_round(store, first))
        assert len(straight.requests) == 1 + OPERATIONS
        # Every one succeeded, or do_round() would have raised; none was sent more often than it was refused.
        assert len(throttled.requests) == OPERATIONS + rule.applied
        assert SHARE * 0.8 < rule.applied / len(throttled.requests) < SHARE * 1.2
    return statistics.median(faulty) / statistics.median(clean)


async def test_a_service_that_refuses_every_fifth_request_is_worked_with_at_a_good_rate(ceph_bucket: S3Bucket) -> None:
    rates: list[float] = []
    while len(rates) < 3 and max(rates, default=0) <= 0.6:
        # A busy machine gets a second chance; a client that waits too long fails them all.
        rates.append(await measure(ceph_bucket))
    assert max(rates) > 0.6, f"{rates} of the clean run's operations a second"
