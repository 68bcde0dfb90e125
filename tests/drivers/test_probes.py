"""What an endpoint is seen to do is what its driver claims, at least."""

from __future__ import annotations

from pathlib import Path

from aiostore import Guarantee, LocalStore, Store
from tests.conformance.buckets import empty_bucket
from tests.servers.ceph import CephEndpoint
from tests.servers.server import S3Endpoint


async def check(store: Store) -> None:
    result = await store.probe()
    assert result.broken == ()
    assert result.observed.put.if_absent is result.observed.put.if_match is Guarantee.ATOMIC
    assert [meta.key async for meta in store.list()] == []
    if "list_multipart" in store.capabilities.operations:
        assert [upload.key async for upload in store.uploads()] == []


async def test_a_directory_is_what_it_is_said_to_be(tmp_path: Path) -> None:
    async with LocalStore(tmp_path) as store:
        await check(store)


async def test_ceph_is_what_it_is_said_to_be(ceph: CephEndpoint) -> None:
    async with empty_bucket(ceph, "ceph") as store:
        await check(store)


async def test_localstack_is_what_it_is_said_to_be(localstack: S3Endpoint) -> None:
    async with empty_bucket(localstack, "localstack") as store:
        await check(store)
