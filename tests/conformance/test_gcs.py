"""The conformance suite over Google Cloud Storage as its documents describe it, with tokens, hashes and conditions."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Literal

import pytest

from aiostore import GCSStore, Limits, Store
from aiostore.capabilities import PartLimits
from aiostore.testing import StoreConformance
from aiostore.testing.conformance.refusals import Refusals
from aiostore.testing.conformance.sources import Sources
from aiostore.testing.conformance.transfers import Transfers
from aiostore.testing.conformance.writes import Writes
from tests.conformance.gcs_capabilities import CAPABILITIES, MIB
from tests.servers.gcs import StrictGCSEndpoint

SECRETS = ("PRIVATE KEY", "ya29.")


@asynccontextmanager
async def empty_bucket(
    gcs: StrictGCSEndpoint, part_size: int, multipart: Literal["xml", "composite"]
) -> AsyncIterator[Store]:
    store = GCSStore(
        f"conformance-{secrets.token_hex(8)}",
        endpoint=gcs.url,
        project=gcs.project,
        credentials=gcs.account,
        multipart=multipart,
        limits=Limits(part_size=part_size),
    )
    async with store:
        await store.create_container()
        try:
            yield store
        finally:
            await store.delete_container(force=True)


class TestGCS(StoreConformance):
    """All of it, with parts that are composed: they may be small, which is quick."""

    capabilities = replace(CAPABILITIES, multipart=PartLimits(min_size=1))
    # Google Cloud Storage has no such objects.
    refused_keys = (".", "..", "line\nfeed", "carriage\rreturn", ".well-known/acme-challenge/token")
    tags_are_told = False
    secrets = SECRETS

    @pytest.fixture
    async def store(self, gcs: StrictGCSEndpoint) -> AsyncIterator[Store]:
        async with empty_bucket(gcs, MIB, "composite") as store:
            yield store


class TestMultipartUploads(Writes, Sources, Refusals, Transfers):
    """What is written in parts, by multipart uploads of the XML API."""

    capabilities = CAPABILITIES
    tags_are_told = False
    secrets = SECRETS

    @pytest.fixture
    async def store(self, gcs: StrictGCSEndpoint) -> AsyncIterator[Store]:
        async with empty_bucket(gcs, 5 * MIB, "xml") as store:
            yield store
