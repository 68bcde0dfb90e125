"""What moves bytes, over Swift with Keystone, whose tokens last for seconds: they are renewed all the time.

Keys, metadata, files and what is computed on this side meet the same servers in ``test_swift.py``; credentials that end
or are revoked are in ``tests/drivers/test_swift_access.py``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from aiostore import Capabilities, Conditions, Guarantee, Store, SwiftStore
from aiostore.testing.conformance.cancellation import Cancellation
from aiostore.testing.conformance.concurrency import Concurrency
from aiostore.testing.conformance.conditions import Conditions as CreateOnly
from aiostore.testing.conformance.containers import Containers
from aiostore.testing.conformance.copies import Copies
from aiostore.testing.conformance.deletes import Deletes
from aiostore.testing.conformance.listing import Listing
from aiostore.testing.conformance.reads import Reads
from aiostore.testing.conformance.signing import Signing
from aiostore.testing.conformance.streams import Streams
from aiostore.testing.conformance.writes import Writes
from tests.conformance.containers import EmptyContainers, containers_of
from tests.conformance.swift_capabilities import LIMITS, OPERATIONS, PARTS
from tests.servers.keystone import KeystoneEndpoint
from tests.servers.swift_account import TEMP_URL_KEY


@pytest.fixture(scope="module")
def containers(keystone: KeystoneEndpoint) -> Iterator[EmptyContainers]:
    account = SwiftStore(
        "unused",
        auth_url=keystone.auth_url,
        username=keystone.user,
        password=keystone.password,
        project_name=keystone.project,
        region=keystone.region,
        temp_url_key=TEMP_URL_KEY,
        limits=LIMITS,
    )
    yield from containers_of(account)


class TestSwiftWithKeystone(
    Writes,
    Reads,
    Streams,
    Listing,
    Deletes,
    Copies,
    CreateOnly,
    Cancellation,
    Concurrency,
    Containers,
    Signing,
):
    capabilities = Capabilities(
        operations=OPERATIONS,
        put=Conditions(if_absent=Guarantee.BEST_EFFORT),
        complete=Conditions(if_absent=Guarantee.BEST_EFFORT),
        multipart=PARTS,
        delete_batch=1000,
        checksums=("md5",),
    )
    secrets = (TEMP_URL_KEY, "demopass")

    @pytest.fixture
    async def store(self, containers: EmptyContainers, request: pytest.FixtureRequest) -> AsyncIterator[Store]:
        async with containers.empty(request) as store:
            yield store


# A thousand objects take longer than a token lasts here, and are listed and deleted as with TempAuth.
for name in (
    "test_many_objects_are_listed_page_by_page",
    "test_many_common_prefixes_are_listed_page_by_page",
    "test_a_bulk_delete_of_more_than_one_batch",
):
    assert hasattr(TestSwiftWithKeystone, name)
    setattr(TestSwiftWithKeystone, name, None)
