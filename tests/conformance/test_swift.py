"""The conformance suite over Swift's own API, with the tokens of TempAuth."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from aiostore import Capabilities, Conditions, Guarantee, Store, SwiftStore
from aiostore.drivers.swift_dialect import Info
from aiostore.testing import StoreConformance
from tests.conformance.containers import EmptyContainers, containers_of
from tests.conformance.swift_capabilities import LIMITS, OPERATIONS, PARTS
from tests.drivers.test_swift import driver_of
from tests.servers.swift import SwiftEndpoint
from tests.servers.swift_account import TEMP_URL_KEY

PAGE = 100
"""Entries of a page of a listing, and keys of a bulk delete."""


@pytest.fixture(scope="module")
def containers(swift_s3: SwiftEndpoint) -> Iterator[EmptyContainers]:
    account = SwiftStore(
        "unused",
        auth_url=swift_s3.auth_url,
        username=swift_s3.user,
        password=swift_s3.key,
        temp_url_key=TEMP_URL_KEY,
        limits=LIMITS,
    )
    # As if the cluster had said so: a second page of 10,000 and a second batch of 1,000 would take minutes.
    driver_of(account)._client.service.info = Info(page_size=PAGE, delete_batch=PAGE)
    yield from containers_of(account)


class TestSwift(StoreConformance):
    capabilities = Capabilities(
        operations=OPERATIONS,
        put=Conditions(if_absent=Guarantee.BEST_EFFORT),
        complete=Conditions(if_absent=Guarantee.BEST_EFFORT),
        multipart=PARTS,
        delete_batch=PAGE,
        checksums=("md5",),
    )
    secrets = (TEMP_URL_KEY,)
    many = 2 * PAGE + 10

    @pytest.fixture
    async def store(self, containers: EmptyContainers, request: pytest.FixtureRequest) -> AsyncIterator[Store]:
        async with containers.empty(request) as store:
            yield store
