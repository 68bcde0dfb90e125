"""The conformance suite over S3 on OpenStack Swift, a second, independent implementation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from aiostore import Capabilities, Conditions, Guarantee, Store
from aiostore.testing import StoreConformance
from aiostore.testing.conformance.keys import ODD_KEYS
from tests.conformance.buckets import OPERATIONS, PARTS, store_of
from tests.conformance.containers import EmptyContainers, containers_of
from tests.servers.swift import SwiftEndpoint


@pytest.fixture(scope="module")
def containers(swift_s3: SwiftEndpoint) -> Iterator[EmptyContainers]:
    yield from containers_of(store_of(swift_s3, "swift", "unused"))


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
    # The server's pages are short: it writes 50 objects a second.
    many = 210
    # Parts are objects whose names hold the key and more: long keys have no room, and these are taken apart wrongly.
    mangled_keys_in_parts = ("/", "//", "line\nfeed", "\uffff", *(key for key in ODD_KEYS if len(key.encode()) > 900))

    @pytest.fixture
    async def store(self, containers: EmptyContainers, request: pytest.FixtureRequest) -> AsyncIterator[Store]:
        async with containers.empty(request) as store:
            yield store
