"""A bucket on each server for all of these tests; what is in it is below a prefix of each test's own."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from typing import TypeVar

import pytest

from tests.faults.table.azure import AZURITE, AzureBucket
from tests.faults.table.backend import PART, Bucket, Settings
from tests.faults.table.gcs import STRICT_GCS, GCSBucket
from tests.faults.table.http import APACHE, WebBucket
from tests.faults.table.oss import OSS_SERVER, OSSBucket
from tests.faults.table.s3 import CEPH, LOCALSTACK, S3Bucket
from tests.faults.table.swift import SWIFT, SwiftBucket
from tests.servers.apache import ApacheEndpoint
from tests.servers.azurite import AzuriteEndpoint
from tests.servers.ceph import CephEndpoint
from tests.servers.gcs import StrictGCSEndpoint
from tests.servers.oss import OSSEndpoint
from tests.servers.server import S3Endpoint

B = TypeVar("B", bound=Bucket)


@pytest.fixture(scope="session")
def ceph_bucket(ceph: CephEndpoint) -> Iterator[S3Bucket]:
    """On Ceph."""
    yield from existing(S3Bucket(backend=CEPH, endpoint=ceph, name=f"faults-{secrets.token_hex(6)}"))


@pytest.fixture(scope="session")
def localstack_bucket(localstack: S3Endpoint) -> Iterator[S3Bucket]:
    """On LocalStack."""
    yield from existing(S3Bucket(backend=LOCALSTACK, endpoint=localstack, name=f"faults-{secrets.token_hex(6)}"))


@pytest.fixture(scope="session")
def azurite_bucket(azurite: AzuriteEndpoint) -> Iterator[AzureBucket]:
    """On Azurite."""
    yield from existing(AzureBucket(backend=AZURITE, endpoint=azurite, name=f"faults-{secrets.token_hex(6)}"))


@pytest.fixture(scope="session")
def gcs_bucket(gcs: StrictGCSEndpoint) -> Iterator[GCSBucket]:
    """On the strict GCS server, with a token that lasts longer than the tests."""
    name = f"faults-{secrets.token_hex(6)}"
    yield from existing(GCSBucket(backend=STRICT_GCS, endpoint=gcs, name=name, token=gcs.token()))


@pytest.fixture(scope="session")
def apache_bucket(apache: ApacheEndpoint) -> WebBucket:
    """On Apache, where the first write makes it."""
    return WebBucket(backend=APACHE, endpoint=apache, name=f"faults-{secrets.token_hex(6)}")


@pytest.fixture(scope="session")
def swift_bucket(ceph: CephEndpoint) -> Iterator[SwiftBucket]:
    """Swift's API on Ceph."""
    bucket = SwiftBucket(backend=SWIFT, endpoint=ceph, name=f"faults-{secrets.token_hex(6)}")
    for made in existing(bucket):
        asyncio.run(_put_large(made))
        yield made


@pytest.fixture(scope="session")
def oss_bucket(oss: OSSEndpoint) -> Iterator[OSSBucket]:
    """On the server that speaks OSS."""
    yield from existing(OSSBucket(backend=OSS_SERVER, endpoint=oss, name=f"faults-{secrets.token_hex(6)}"))


def existing(bucket: B) -> Iterator[B]:
    """The bucket, made before and deleted afterwards."""
    asyncio.run(_create(bucket))
    yield bucket
    asyncio.run(_delete(bucket))


async def _create(bucket: Bucket) -> None:
    async with bucket.backend.store(bucket, "", Settings()) as store:
        await store.create_container()


async def _put_large(bucket: Bucket) -> None:
    async with bucket.backend.store(bucket, "", Settings()) as store:
        await store.put("large", bytes(2 * PART), part_size=PART)


async def _delete(bucket: Bucket) -> None:
    async with bucket.backend.store(bucket, "", Settings()) as store:
        await store.delete_container(force=True)
