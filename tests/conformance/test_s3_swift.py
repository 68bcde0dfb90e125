"""The conformance suite over S3 on OpenStack Swift, a second, independent implementation."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from aiostore import Capabilities, Conditions, Guarantee, Store
from aiostore.testing import StoreConformance
from aiostore.testing.conformance.keys import ODD_KEYS
from tests.conformance.buckets import OPERATIONS, PARTS, empty_bucket
from tests.servers.swift import SwiftEndpoint


class TestSwift(StoreConformance):
    capabilities = Capabilities(
        operations=OPERATIONS - {"get_tags", "set_tags"} | {"list_ranges"},
        put=Conditions(if_absent=Guarantee.BEST_EFFORT),
        complete=Conditions(if_absent=Guarantee.BEST_EFFORT),
        copy=Conditions(if_absent=Guarantee.BEST_EFFORT),
        delete=Conditions(if_match=Guarantee.BEST_EFFORT),
        multipart=PARTS,
        delete_batch=1000,
        checksums=("sha256", "md5"),
    )
    # Parts are objects whose names hold the key and more: long keys have no room, and these are taken apart wrongly.
    mangled_keys_in_parts = ("/", "//", "line\nfeed", "\uffff", *(key for key in ODD_KEYS if len(key.encode()) > 900))

    @pytest.fixture
    async def store(self, swift_s3: SwiftEndpoint) -> AsyncIterator[Store]:
        async with empty_bucket(swift_s3, "swift") as store:
            yield store
