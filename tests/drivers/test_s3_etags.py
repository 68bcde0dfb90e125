"""ETags of services whose dialect was not given: they prove what is read as soon as they are known to be MD5s."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from aiostore import CorruptedError, S3Store
from aiostore.drivers.s3 import S3Driver
from aiostore.types import Encryption, PutOptions
from tests.drivers.s3_buckets import MD5, MIB, WHOLE, body, connect, put
from tests.faults.faults import EditResponse, Flip
from tests.faults.http1 import Head
from tests.faults.proxy import FaultProxy
from tests.servers.ceph import CephEndpoint
from tests.servers.server import S3Endpoint


@asynccontextmanager
async def unnamed(server: S3Endpoint, driver: S3Driver, url: str | None = None) -> AsyncIterator[S3Driver]:
    """The bucket of ``driver``, without its dialect."""
    other = connect(server, "", driver.location.removeprefix("s3://"), endpoint=url or server.url)
    try:
        yield other
    finally:
        await other.aclose()


@asynccontextmanager
async def behind_proxy(server: S3Endpoint, driver: S3Driver) -> AsyncIterator[tuple[S3Store, FaultProxy]]:
    """A store that was told nothing but where the service is."""
    async with FaultProxy(server.url) as proxy:
        store = S3Store(
            driver.location.removeprefix("s3://"),
            endpoint=proxy.url,
            access_key_id=server.access_key_id,
            secret_access_key=server.secret_access_key,
        )
        async with store:
            yield store, proxy


@dataclass(frozen=True, slots=True, kw_only=True)
class FlipUnnamed(Flip):
    """From a gateway that does not name itself."""

    def edit_response(self, head: Head) -> None:
        head.set("x-rgw-object-type", None)


async def test_a_wrong_byte_of_a_gateway_that_names_itself_is_healed(on_ceph: S3Driver, ceph: CephEndpoint) -> None:
    await put(on_ceph, "key")
    async with behind_proxy(ceph, on_ceph) as (store, proxy):
        rule = proxy.inject(Flip(at=2), method="GET")
        assert await store.get("key") == b"hello"
        assert (rule.applied, len(proxy.exchanges)) == (1, 2)


async def test_a_wrong_byte_is_healed_after_a_put_has_shown_what_etags_are(
    on_ceph: S3Driver, ceph: CephEndpoint
) -> None:
    await put(on_ceph, "key")
    async with behind_proxy(ceph, on_ceph) as (store, proxy):
        proxy.inject(FlipUnnamed(at=2), method="GET")
        assert await store.get("key") == b"he\x93lo"
        proxy.clear()
        await store.put("other", b"anything")
        proxy.inject(FlipUnnamed(at=2), method="GET")
        assert await store.get("key") == b"hello"
        proxy.inject(FlipUnnamed(at=2), method="GET", times=None)
        with pytest.raises(CorruptedError):
            await store.get("key")


@pytest.mark.parametrize("s3", ["localstack", "swift"], indirect=True)
async def test_every_service_shows_by_a_put_what_its_etags_are(s3: S3Driver, request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue("localstack" if s3._dialect.name == "localstack" else "swift_s3")
    async with unnamed(server, s3) as driver:
        await put(s3, "key")
        before = driver.capabilities
        assert (await driver.head("key", WHOLE)).checksums == {}
        await put(driver, "other", b"anything")
        assert (await driver.head("key", WHOLE)).checksums == {"md5": MD5}
        assert driver.capabilities == before


async def test_the_etag_of_an_object_of_parts_proves_nothing(on_ceph: S3Driver, ceph: CephEndpoint) -> None:
    async with unnamed(ceph, on_ceph) as driver:
        await put(driver, "key")
        upload = await driver.create_multipart("parts", PutOptions())
        parts = await asyncio.gather(
            driver.put_part(upload, 1, 0, body(bytes(5 * MIB))), driver.put_part(upload, 2, 5 * MIB, body(b"end"))
        )
        await driver.complete_multipart(upload, parts, PutOptions())
        assert (await driver.head("parts", WHOLE)).checksums == {}
        assert (await driver.head("key", WHOLE)).checksums == {"md5": MD5}


async def test_the_etag_of_an_encrypted_object_proves_nothing(on_ceph: S3Driver, ceph: CephEndpoint) -> None:
    async with unnamed(ceph, on_ceph) as driver:
        await put(driver, "key", encryption=Encryption(kms_key="testkey-1"))
        assert (await driver.head("key", WHOLE)).checksums == {}
        await put(driver, "key")
        assert (await driver.head("key", WHOLE)).checksums == {"md5": MD5}


async def test_a_bucket_is_learnt_by_itself(on_ceph: S3Driver, ceph: CephEndpoint) -> None:
    async with FaultProxy(ceph.url) as proxy, unnamed(ceph, on_ceph, proxy.url) as driver:
        proxy.inject(EditResponse(headers={"x-rgw-object-type": None}), times=None)
        await put(driver, "key")
        other = driver.sibling("elsewhere")
        again = driver.sibling(driver.location.removeprefix("s3://"))
        assert (await again.head("key", WHOLE)).checksums == {"md5": MD5}
        assert not other._told.md5_etags
