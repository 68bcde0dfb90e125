"""The conformance suite over Swift's API as Ceph's gateway speaks it: fewer features, and no conditions on writes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from aiostore import Capabilities, Store, SwiftStore
from aiostore.testing import StoreConformance
from tests.conformance.containers import EmptyContainers, containers_of
from tests.conformance.swift_capabilities import LIMITS, OPERATIONS, PARTS
from tests.servers.ceph import CephEndpoint
from tests.servers.swift_account import TEMP_URL_KEY


@pytest.fixture(scope="module")
def containers(ceph: CephEndpoint) -> Iterator[EmptyContainers]:
    account = SwiftStore(
        "unused",
        auth_url=ceph.swift_auth_url,
        username=ceph.swift_user,
        password=ceph.swift_key,
        dialect="ceph",
        temp_url_key=TEMP_URL_KEY,
        limits=LIMITS,
    )
    yield from containers_of(account)


class TestSwiftOnCeph(StoreConformance):
    capabilities = Capabilities(
        operations=OPERATIONS - {"copy", "copy_part", "list_ranges", "list_versions", "restore", "sign_post"},
        multipart=PARTS,
        delete_batch=1000,
        checksums=("md5",),
    )
    secrets = (TEMP_URL_KEY,)

    @pytest.fixture
    async def store(self, containers: EmptyContainers, request: pytest.FixtureRequest) -> AsyncIterator[Store]:
        async with containers.empty(request) as store:
            yield store
