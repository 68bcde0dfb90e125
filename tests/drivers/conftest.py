"""A new bucket for every test that asks for one, on each of the services or on a certain one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from aiostore.drivers.s3 import S3Driver
from tests.drivers.s3_buckets import bucket_on
from tests.servers.ceph import CephEndpoint
from tests.servers.server import S3Endpoint


@pytest.fixture(params=["ceph", "localstack", "swift"])
async def s3(request: pytest.FixtureRequest) -> AsyncIterator[S3Driver]:
    """A bucket on each of the services."""
    fixture = "swift_s3" if request.param == "swift" else request.param
    async with bucket_on(request.getfixturevalue(fixture), request.param) as driver:
        yield driver


@pytest.fixture
async def on_ceph(ceph: CephEndpoint) -> AsyncIterator[S3Driver]:
    async with bucket_on(ceph, "ceph") as driver:
        yield driver


@pytest.fixture
async def on_localstack(localstack: S3Endpoint) -> AsyncIterator[S3Driver]:
    async with bucket_on(localstack, "localstack") as driver:
        yield driver


@pytest.fixture
async def on_swift(swift_s3: S3Endpoint) -> AsyncIterator[S3Driver]:
    async with bucket_on(swift_s3, "swift") as driver:
        yield driver
