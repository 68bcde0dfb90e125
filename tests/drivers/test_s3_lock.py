"""Object Lock, whose headers are the caller's own."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from aiostore.drivers.s3 import S3Driver
from aiostore.errors import PermissionDeniedError
from aiostore.types import DeleteOptions
from tests.drivers.s3_buckets import WHOLE, connect, empty, put, raw

BYPASS = {"x-amz-bypass-governance-retention": "true"}


@pytest.fixture(params=["ceph", "localstack"])
async def lockable(request: pytest.FixtureRequest) -> AsyncIterator[S3Driver]:
    """A bucket that was created for locks."""
    server = request.getfixturevalue(request.param)
    driver = connect(server, request.param, f"test-{uuid.uuid4().hex[:16]}")
    await raw(driver, "PUT", None, {"x-amz-bucket-object-lock-enabled": "true"})
    try:
        yield driver
    finally:
        await empty(driver)
        await driver.delete_container()
        await driver.aclose()


async def test_a_version_that_is_locked_cannot_be_deleted(lockable: S3Driver) -> None:
    until = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    lock = {"X-Amz-Object-Lock-Mode": "GOVERNANCE", "X-Amz-Object-Lock-Retain-Until-Date": until}
    written = await put(lockable, "key", headers=lock)
    assert (await lockable.head("key", WHOLE)).extra["x-amz-object-lock-mode"] == "GOVERNANCE"
    with pytest.raises(PermissionDeniedError):
        await lockable.delete("key", DeleteOptions(version=written.version))
    assert (await lockable.head("key", WHOLE)).version == written.version
    await lockable.delete("key", DeleteOptions(version=written.version, headers=BYPASS))
