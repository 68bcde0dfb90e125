"""A bucket on each server for all of these tests; what is in it is below a prefix of each test's own."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator

import pytest

from tests.faults.table.cells import Bucket, Settings, s3_store
from tests.servers.ceph import CephEndpoint
from tests.servers.server import S3Endpoint


@pytest.fixture(scope="session")
def ceph_bucket(ceph: CephEndpoint) -> Iterator[Bucket]:
    """On Ceph."""
    yield from _bucket("ceph", ceph)


@pytest.fixture(scope="session")
def localstack_bucket(localstack: S3Endpoint) -> Iterator[Bucket]:
    """On LocalStack."""
    yield from _bucket("localstack", localstack)


def _bucket(driver: str, endpoint: S3Endpoint) -> Iterator[Bucket]:
    bucket = Bucket(driver=driver, endpoint=endpoint, name=f"faults-{secrets.token_hex(6)}")
    asyncio.run(_create(bucket))
    yield bucket
    asyncio.run(_delete(bucket))


async def _create(bucket: Bucket) -> None:
    async with s3_store(bucket, "", Settings(), bucket.endpoint.url) as store:
        await store.create_container()


async def _delete(bucket: Bucket) -> None:
    async with s3_store(bucket, "", Settings(), bucket.endpoint.url) as store:
        await store.delete_container(force=True)
