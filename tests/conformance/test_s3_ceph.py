"""The conformance suite over S3 on a Ceph gateway, which checks every signature."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from aiostore import Capabilities, Conditions, Guarantee, Store
from aiostore.testing import StoreConformance
from tests.conformance.buckets import OPERATIONS, PARTS, empty_bucket
from tests.servers.ceph import SECRET_ACCESS_KEY, CephEndpoint


class TestCeph(StoreConformance):
    # Conditions of CompleteMultipartUpload, CopyObject and DeleteObject are ignored.
    capabilities = Capabilities(
        operations=OPERATIONS | {"list_ranges"},
        put=Conditions(if_absent=Guarantee.ATOMIC, if_match=Guarantee.ATOMIC),
        multipart=PARTS,
        delete_batch=1000,
        checksums=("sha256", "md5"),
    )
    secrets = (SECRET_ACCESS_KEY,)

    @pytest.fixture
    async def store(self, ceph: CephEndpoint) -> AsyncIterator[Store]:
        async with empty_bucket(ceph, "ceph") as store:
            yield store
