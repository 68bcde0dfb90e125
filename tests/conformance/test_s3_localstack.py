"""The conformance suite over S3 on LocalStack, which has AWS's checksums and conditions."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from aiostore import Capabilities, Conditions, Guarantee, Store
from aiostore.testing import StoreConformance
from tests.conformance.buckets import OPERATIONS, PARTS, empty_bucket
from tests.servers.server import S3Endpoint


class TestLocalStack(StoreConformance):
    capabilities = Capabilities(
        operations=OPERATIONS | {"list_ranges"},
        put=Conditions(if_absent=Guarantee.ATOMIC, if_match=Guarantee.ATOMIC),
        complete=Conditions(if_absent=Guarantee.BEST_EFFORT, if_match=Guarantee.BEST_EFFORT),
        multipart=PARTS,
        delete_batch=1000,
        checksums=("crc64nvme", "crc32c", "crc32", "sha256", "sha1", "md5"),
    )

    # It takes a key of nothing but slashes for the bucket, and its listings, which it cannot encode without losing
    # keys, show these two characters as XML does.
    mangled_keys = ("/", "//", "carriage\rreturn", "\uffff")

    @pytest.fixture
    async def store(self, localstack: S3Endpoint) -> AsyncIterator[Store]:
        async with empty_bucket(localstack, "localstack") as store:
            yield store
