"""How many requests a call costs, as `docs/s3.md` says: each is paid for and takes a round trip."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from aiostore import Limits, S3Store
from aiostore.drivers.s3 import S3Driver
from tests.drivers.s3_buckets import MIB
from tests.faults.proxy import FaultProxy
from tests.servers.ceph import CephEndpoint

PART = 5 * MIB


@pytest.fixture
async def proxy(ceph: CephEndpoint) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(ceph.url) as proxy:
        yield proxy


@pytest.fixture
async def store(ceph: CephEndpoint, on_ceph: S3Driver, proxy: FaultProxy) -> AsyncIterator[S3Store]:
    """Objects "small", and "large" of three parts; what wrote them is not counted."""
    store = S3Store(
        on_ceph.location.removeprefix("s3://"),
        endpoint=proxy.url,
        access_key_id=ceph.access_key_id,
        secret_access_key=ceph.secret_access_key,
        dialect="ceph",
        limits=Limits(part_size=PART, gap=1024),
    )
    async with store:
        await store.put("small", b"hello")
        await store.put("large", bytes(2 * PART + 1))
        proxy.exchanges.clear()
        yield store


async def _stream(store: S3Store) -> None:
    async for _ in store.stream("large"):
        pass


async def _list(store: S3Store) -> None:
    async for _ in store.list():
        pass


Call = Callable[[S3Store], Awaitable[object]]

COSTS: dict[str, tuple[Call, int]] = {
    "put": (lambda store: store.put("key", b"hello"), 1),
    "put if_absent": (lambda store: store.put("key", b"hello", if_absent=True), 1),
    "put in 3 parts": (lambda store: store.put("key", bytes(2 * PART + 1)), 5),
    "get small": (lambda store: store.get("small"), 1),
    "get in 3 ranges": (lambda store: store.get("large"), 3),
    "stream in 3 ranges": (_stream, 3),
    "get_range": (lambda store: store.get_range("small", 1, 3), 1),
    "get_ranges near": (lambda store: store.get_ranges("large", [(0, 10), (100, 110)]), 1),
    "get_ranges far": (lambda store: store.get_ranges("large", [(0, 10), (10_000, 10_010)]), 2),
    "head": (lambda store: store.head("small"), 1),
    "exists": (lambda store: store.exists("small"), 1),
    "delete": (lambda store: store.delete("small"), 1),
    "delete_many": (lambda store: store.delete_many(["small", "large", "missing"]), 1),
    "copy": (lambda store: store.copy("small", "key"), 1),
    # One of them stands in for the condition on the deletion of the source, which this service ignores.
    "rename": (lambda store: store.rename("small", "key"), 4),
    "list": (_list, 1),
    "list_with_delimiter": (lambda store: store.list_with_delimiter(), 1),
    # One of them stands in for the condition on a copy's source, which this service ignores.
    "set_metadata": (lambda store: store.set_metadata("small", metadata={"a": "b"}), 3),
    "get_tags": (lambda store: store.get_tags("small"), 1),
    "set_tags": (lambda store: store.set_tags("small", {"a": "b"}), 1),
    "sign": (lambda store: store.sign("small"), 0),
    "container_exists": (lambda store: store.container_exists(), 1),
}


@pytest.mark.parametrize("verb", COSTS)
async def test_a_call_costs_as_many_requests_as_is_said(verb: str, store: S3Store, proxy: FaultProxy) -> None:
    call, requests = COSTS[verb]
    await call(store)
    lines = [f"{request.method} {request.path} {dict(request.query)}" for request in proxy.requests]
    assert len(lines) == requests, lines
