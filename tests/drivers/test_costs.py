"""How many requests a call costs on Azure, GCS and OSS, as their pages say: each is paid for and is a round trip."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Literal

import pytest

from aiostore import AzureStore, GCSStore, Limits, OSSStore, Store
from tests.faults.proxy import FaultProxy
from tests.faults.table.gcs import Signer
from tests.servers.azurite import AzuriteEndpoint
from tests.servers.gcs import StrictGCSEndpoint
from tests.servers.oss import OSSEndpoint

PART = 128 * 1024


@asynccontextmanager
async def counted(store: Store, proxy: FaultProxy) -> AsyncIterator[tuple[Store, FaultProxy]]:
    """Objects "empty", and "large" of three parts."""
    async with store:
        await store.create_container()
        await store.put("large", bytes(2 * PART + 1))
        await store.put("empty", b"")
        yield store, proxy
        await store.delete_container(force=True)


@pytest.fixture
async def on_azure(azurite: AzuriteEndpoint) -> AsyncIterator[tuple[Store, FaultProxy]]:
    base, _, account = azurite.url.rpartition("/")
    async with FaultProxy(base) as proxy:
        store = AzureStore(
            f"costs-{secrets.token_hex(6)}",
            endpoint=f"{proxy.url}/{account}",
            account_key=azurite.key,
            limits=Limits(part_size=PART, gap=1024),
        )
        async with counted(store, proxy) as found:
            yield found


@pytest.fixture
async def on_oss(oss: OSSEndpoint) -> AsyncIterator[tuple[Store, FaultProxy]]:
    async with FaultProxy(oss.url) as proxy:
        store = OSSStore(
            f"costs-{secrets.token_hex(6)}",
            endpoint=proxy.url,
            region=oss.region,
            access_key_id=oss.access_key_id,
            access_key_secret=oss.access_key_secret,
            limits=Limits(part_size=PART, gap=1024),
        )
        async with counted(store, proxy) as found:
            yield found


@asynccontextmanager
async def on_gcs(
    gcs: StrictGCSEndpoint, multipart: Literal["xml", "composite"], part_size: int
) -> AsyncIterator[tuple[Store, FaultProxy]]:
    async with FaultProxy(gcs.url) as proxy:
        store = GCSStore(
            f"costs-{secrets.token_hex(6)}",
            endpoint=proxy.url,
            project=gcs.project,
            credentials=Signer(gcs.token()),
            multipart=multipart,
            limits=Limits(part_size=part_size, gap=1024),
        )
        async with counted(store, proxy) as found:
            yield found


async def _stream(store: Store) -> None:
    async for _ in store.stream("large"):
        pass


async def _list(store: Store) -> None:
    async for _ in store.list():
        pass


async def _append(store: Store, key: str) -> None:
    async with store.open(key, "ab") as file:
        await file.write(b"more")


async def _append_again(store: Store) -> None:
    await _append(store, "log")
    await _append(store, "log")


Call = Callable[[Store], Awaitable[object]]

CALLS: dict[str, Call] = {
    "put": lambda store: store.put("key", b"hello"),
    "put if_absent": lambda store: store.put("new", b"hello", if_absent=True),
    "put in 3 parts": lambda store: store.put("key", bytes(2 * PART + 1)),
    "append twice to a new object": _append_again,
    "get small": lambda store: store.get("small"),
    "get empty": lambda store: store.get("empty"),
    "get in 3 ranges": lambda store: store.get("large"),
    "stream in 3 ranges": _stream,
    "get_range": lambda store: store.get_range("large", 10, 20),
    "get_range from the end": lambda store: store.get_range("large", -10),
    "get_ranges, near": lambda store: store.get_ranges("large", [(0, 10), (1000, 1010)]),
    "get_ranges, far": lambda store: store.get_ranges("large", [(0, 10), (100_000, 100_010)]),
    "head": lambda store: store.head("small"),
    "exists": lambda store: store.exists("small"),
    "list": _list,
    "delete": lambda store: store.delete("small"),
    "copy": lambda store: store.copy("small", "copy"),
    "copy if_absent": lambda store: store.copy("small", "another", if_absent=True),
    "put in 3 parts of 5 MiB": lambda store: store.put("key", bytes(10 * 1024**2 + 1)),
    "put if_absent in 3 parts of 5 MiB": lambda store: store.put("large/new", bytes(10 * 1024**2 + 1), if_absent=True),
    "rename": lambda store: store.rename("small", "renamed"),
    "set_metadata": lambda store: store.set_metadata("small", metadata={"name": "value"}),
    "set content headers": lambda store: store.set_metadata("small", cache_control="no-store"),
    "set_tags": lambda store: store.set_tags("small", {"name": "value"}),
    "get_tags": lambda store: store.get_tags("small"),
    "restore": lambda store: store.restore("small", days=1),
    "sign": lambda store: store.sign("small"),
    "container_exists": lambda store: store.container_exists(),
}

AZURITE = {
    "put": 1, "put if_absent": 1, "put in 3 parts": 4, "append twice to a new object": 5, "get small": 1,
    "get empty": 2, "get in 3 ranges": 3, "stream in 3 ranges": 3, "get_range": 1, "get_range from the end": 2,
    "get_ranges, near": 1, "get_ranges, far": 2, "head": 1, "exists": 1, "list": 1, "delete": 1, "copy": 1,
    "rename": 2, "set_metadata": 2, "set content headers": 2, "set_tags": 1, "get_tags": 1, "restore": 1, "sign": 0,
    "container_exists": 1,
}  # fmt: skip

OSS = {
    "put": 1, "put if_absent": 1, "put in 3 parts": 5, "append twice to a new object": 4, "get small": 1,
    "get empty": 1, "get in 3 ranges": 3, "stream in 3 ranges": 3, "get_range": 1, "get_range from the end": 1,
    "get_ranges, near": 1, "get_ranges, far": 2, "head": 1, "exists": 1, "list": 1, "delete": 1, "copy": 1,
    "rename": 4, "set_metadata": 2, "set content headers": 2, "set_tags": 1, "get_tags": 1, "sign": 0,
    "container_exists": 1,
}  # fmt: skip

GCS = {
    "put": 1, "put if_absent": 1, "put in 3 parts": 7, "append twice to a new object": 7, "get small": 1,
    "get empty": 1, "get in 3 ranges": 3, "stream in 3 ranges": 3, "get_range": 1, "get_range from the end": 1,
    "get_ranges, near": 1, "get_ranges, far": 2, "head": 1, "exists": 1, "list": 1, "delete": 1, "copy": 1,
    "copy if_absent": 3, "rename": 2, "set_metadata": 2, "set content headers": 1, "set_tags": 2, "get_tags": 1,
    "sign": 0, "container_exists": 1,
}  # fmt: skip

GCS_IN_PARTS = {"put in 3 parts of 5 MiB": 6, "put if_absent in 3 parts of 5 MiB": 7}


async def costs(wanted: Iterable[str], store: Store, proxy: FaultProxy) -> dict[str, int]:
    found = {}
    for name in wanted:
        await store.put("small", b"hello")
        proxy.exchanges.clear()
        await CALLS[name](store)
        found[name] = len(proxy.exchanges)
    return found


async def test_calls_on_azure_cost_what_its_page_says(on_azure: tuple[Store, FaultProxy]) -> None:
    assert await costs(AZURITE, *on_azure) == AZURITE


async def test_calls_on_oss_cost_what_its_page_says(on_oss: tuple[Store, FaultProxy]) -> None:
    assert await costs(OSS, *on_oss) == OSS


async def test_calls_on_google_cloud_storage_cost_what_its_page_says(gcs: StrictGCSEndpoint) -> None:
    async with on_gcs(gcs, "composite", PART) as composed:
        assert await costs(GCS, *composed) == GCS
    async with on_gcs(gcs, "xml", 5 * 1024**2) as in_parts:
        assert await costs(GCS_IN_PARTS, *in_parts) == GCS_IN_PARTS
