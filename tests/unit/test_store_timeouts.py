from __future__ import annotations

import pytest

from aiostore import MemoryStore, RequestTimeoutError, RetryPolicy, Store, Timeouts
from aiostore.drivers.memory import MemoryDriver
from aiostore.drivers.s3_settings import make_driver
from tests.unit.raw_http import Request, serve


async def silence(request: Request) -> None:
    await request.hang()


async def test_a_store_hands_its_timeouts_to_a_driver_with_connections() -> None:
    async with serve(silence) as server:
        driver = make_driver("bucket", endpoint=server.url, region="r", access_key_id="A", secret_access_key="S")
        async with Store(driver, timeouts=Timeouts(response=0.2), retry=RetryPolicy(attempts=1)) as store:
            with pytest.raises(RequestTimeoutError):
                await store.get("k")


async def test_a_driver_without_connections_does_without_timeouts() -> None:
    async with Store(MemoryDriver(), timeouts=Timeouts(response=0.2)) as store:
        await store.put("k", b"1")
    async with MemoryStore(timeouts=Timeouts()) as store:
        await store.put("k", b"1")
