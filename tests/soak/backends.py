"""The stores that are soaked: one in memory over a driver that fails, one on a server behind a proxy that fails."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiostore import Limits, RetryPolicy, S3Store, Store, Timeouts
from aiostore.capabilities import PartLimits
from aiostore.drivers.memory import MemoryDriver
from aiostore.testing import FailRandomly, FaultyDriver
from tests.faults import faults
from tests.faults.proxy import FaultProxy
from tests.faults.relay import Request
from tests.servers.server import S3Endpoint
from tests.soak.soak import Backend

PART: Final = 64 * 1024
S3_PART: Final = 5 * 1024**2

RETRY: Final = RetryPolicy(attempts=12, first_delay=0.002, max_delay=0.05, budget=10**9)
TIMEOUTS: Final = Timeouts(connect=5, stall=2, stall_bytes=64, response=10, slow_response=20)

FAULTS: Final = (
    (faults.slow_down(), 0.03),
    (faults.Answer(status=500), 0.01),
    (faults.ResetRequest(), 0.02),
    (faults.ResetRequest(after=2000), 0.01),
    (faults.LoseResponse(), 0.02),
    (faults.LoseResponse(reset=False), 0.01),
    (faults.CutResponse(after=100), 0.02),
    (faults.CutResponse(after=70_000, reset=False), 0.02),
    (faults.CloseAfter(), 0.03),
    (faults.Delay(seconds=0.05), 0.03),
)
"""What happens to an exchange, and how probable it is.

Requests stay as they are, for they are signed, and so do bytes: not every service can tell of each range whether it is
right.
"""


@asynccontextmanager
async def memory(seed: int, rate: float = 0.1) -> AsyncIterator[Backend]:
    """Every tenth call fails, half of these after it was carried out."""
    inner = MemoryDriver(parts=PartLimits(min_size=PART, max_size=100 * PART))
    faulty = FaultyDriver(inner, [FailRandomly(rate, seed=seed)])
    struck = 0

    def settle() -> None:
        nonlocal struck
        struck += len(faulty.calls)
        faulty.calls.clear()

    async with Store(inner) as direct, Store(faulty, retry=RETRY, limits=Limits(part_size=PART, gap=1000)) as store:
        yield Backend(
            name="memory",
            store=store,
            direct=direct,
            part_size=PART,
            large=5 * PART,
            settle=settle,
            faults=lambda: round((struck + len(faulty.calls)) * rate),
            connections=lambda: faulty.open_bodies,
        )


@asynccontextmanager
async def s3(name: str, endpoint: S3Endpoint, seed: int) -> AsyncIterator[Backend]:
    """A new bucket on a server; about every fifth exchange goes wrong."""
    bucket = f"soak-{secrets.token_hex(6)}"

    def made(url: str, limits: Limits) -> S3Store:
        return S3Store(
            bucket,
            endpoint=url,
            region=endpoint.region,
            access_key_id=endpoint.access_key_id,
            secret_access_key=endpoint.secret_access_key,
            dialect=name,
            retry=RETRY,
            limits=limits,
            timeouts=TIMEOUTS,
        )

    async with FaultProxy(endpoint.url, seed=seed) as proxy, made(endpoint.url, Limits()) as direct:
        await direct.create_container()
        try:
            rules = [
                # Nobody can tell an upload whose creation was not answered from a rival's: it would stay.
                proxy.inject(fault, when=_is_no_creation, times=None, probability=probability)
                for fault, probability in FAULTS
            ]
            async with made(proxy.url, Limits(part_size=512 * 1024, gap=1000, reads=6)) as store:
                yield Backend(
                    name=name,
                    store=store,
                    direct=direct,
                    part_size=S3_PART,
                    large=S3_PART + S3_PART // 4,
                    settle=proxy.exchanges.clear,
                    faults=lambda: sum(rule.applied for rule in rules),
                    connections=lambda: proxy.open_connections - proxy.idle_connections,
                )
            assert proxy.open_connections == 0 or await _gone(proxy)
        finally:
            await direct.delete_container(force=True)


async def _gone(proxy: FaultProxy) -> bool:
    """The proxy learns a moment later that its clients have left."""
    await proxy.wait_until(lambda: proxy.open_connections == 0)
    return True


def _is_no_creation(request: Request) -> bool:
    return not (request.method == "POST" and "uploads" in request.query)
