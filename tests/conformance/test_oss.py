"""The conformance suite over Alibaba Cloud OSS as its documents describe it; every signature is checked."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import pytest

from aiostore import Capabilities, Conditions, Guarantee, Limits, OSSStore, Store
from aiostore.capabilities import PartLimits
from aiostore.testing import StoreConformance
from tests.servers.oss import OSSEndpoint
from tests.servers.oss_server.signatures import ACCOUNTS

CREATE_ONLY = Conditions(if_absent=Guarantee.ATOMIC)


class TestOSS(StoreConformance):
    capabilities = Capabilities(
        operations=frozenset(
            {
                *("head", "get", "put", "delete", "delete_many", "list_page", "copy", "append", "sign", "sign_post"),
                *("create_multipart", "put_part", "copy_part", "list_parts", "complete_multipart", "abort_multipart"),
                *("list_multipart", "set_metadata", "get_tags", "set_tags", "list_versions", "restore"),
                *("sibling", "create_container", "delete_container", "list_containers"),
            }
        ),
        put=CREATE_ONLY,
        complete=CREATE_ONLY,
        copy=CREATE_ONLY,
        multipart=PartLimits(min_size=100 * 1024, max_size=5 * 1024**3, max_count=10_000),
        max_put=5 * 1024**3,
        max_copy=1024**3,
        delete_batch=1000,
        checksums=("md5",),
    )
    secrets = tuple(account.secret for account in ACCOUNTS.values())

    @pytest.fixture
    async def store(self, oss: OSSEndpoint) -> AsyncIterator[Store]:
        store = OSSStore(
            f"conformance-{secrets.token_hex(8)}",
            endpoint=oss.url,
            region=oss.region,
            access_key_id=oss.access_key_id,
            access_key_secret=oss.access_key_secret,
            limits=Limits(part_size=128 * 1024),
        )
        async with store:
            await store.create_container()
            try:
                yield store
            finally:
                await store.delete_container(force=True)
