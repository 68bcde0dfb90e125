"""The conformance suite over Swift's own API, with the tokens of TempAuth."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from aiostore import Capabilities, Conditions, Guarantee, Store
from aiostore.testing import StoreConformance
from tests.conformance.swift_containers import OPERATIONS, PARTS, empty_container
from tests.servers.swift import SwiftEndpoint
from tests.servers.swift_account import TEMP_URL_KEY


class TestSwift(StoreConformance):
    capabilities = Capabilities(
        operations=OPERATIONS,
        put=Conditions(if_absent=Guarantee.BEST_EFFORT),
        complete=Conditions(if_absent=Guarantee.BEST_EFFORT),
        multipart=PARTS,
        delete_batch=1000,
        checksums=("md5",),
    )
    secrets = (TEMP_URL_KEY,)

    @pytest.fixture
    async def store(self, swift_s3: SwiftEndpoint) -> AsyncIterator[Store]:
        async with empty_container(auth_url=swift_s3.auth_url, username=swift_s3.user, password=swift_s3.key) as store:
            yield store
