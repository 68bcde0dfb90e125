"""The conformance suite over Google Cloud Storage on fake-gcs-server, which others wrote."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from aiostore import GCSStore, Limits, Store
from aiostore.capabilities import PartLimits
from aiostore.testing import StoreConformance
from tests.conformance.gcs_capabilities import CAPABILITIES
from tests.servers.fake_gcs import GAPS, GCSEndpoint, NamedAccount

MIB = 1024**2


class TestFakeGCS(StoreConformance):
    # Parts that are composed may be of any size.
    tags_are_told = False
    capabilities = replace(CAPABILITIES, multipart=PartLimits(min_size=1))

    @pytest.fixture
    async def store(self, fake_gcs: GCSEndpoint) -> AsyncIterator[Store]:
        store = GCSStore(
            f"conformance-{secrets.token_hex(8)}",
            endpoint=fake_gcs.url,
            project=fake_gcs.project,
            credentials=NamedAccount(),
            multipart="composite",
            limits=Limits(part_size=MIB),
        )
        async with store:
            await store.create_container()
            try:
                yield store
            finally:
                await store.delete_container(force=True)


for gap in GAPS:
    # The other server shows that it is not ours.
    assert callable(getattr(StoreConformance, gap)), f"there is no test {gap}"
    setattr(TestFakeGCS, gap, None)
