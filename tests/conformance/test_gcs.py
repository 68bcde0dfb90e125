"""The conformance suite over Google Cloud Storage as its documents describe it, with tokens, hashes and conditions."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import pytest

from aiostore import GCSStore, Limits, Store
from aiostore.testing import StoreConformance
from tests.conformance.gcs_capabilities import CAPABILITIES, MIB
from tests.servers.gcs import StrictGCSEndpoint


class TestGCS(StoreConformance):
    capabilities = CAPABILITIES
    # Google Cloud Storage has no such objects.
    refused_keys = (".", "..", "line\nfeed", "carriage\rreturn")
    # XML cannot hold it.
    mangled_keys_in_parts = ("\uffff",)
    secrets = ("PRIVATE KEY", "ya29.")

    @pytest.fixture
    async def store(self, gcs: StrictGCSEndpoint) -> AsyncIterator[Store]:
        store = GCSStore(
            f"conformance-{secrets.token_hex(8)}",
            endpoint=gcs.url,
            project=gcs.project,
            credentials=gcs.account,
            limits=Limits(part_size=5 * MIB),
        )
        async with store:
            await store.create_container()
            try:
                yield store
            finally:
                await store.delete_container(force=True)
