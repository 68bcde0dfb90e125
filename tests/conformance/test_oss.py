"""The conformance suite over Alibaba Cloud OSS as its documents describe it; every signature is checked."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import aiohttp
import pytest
from yarl import URL

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
        max_append=5 * 1024**3,
        max_copy=1024**3,
        delete_batch=1000,
        checksums=("md5",),
    )
    # 1,023 bytes at most, and no slash or backslash at the beginning.
    refused_keys = (
        *("/", "//", "/leading", "//leading"),
        *("a/" * 511 + "ab", "é/" * 341 + "a"),
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

    async def test_a_signed_url_writes_and_deletes_the_object(self, store: Store) -> None:
        """The type of what is sent is part of the signature."""
        headers = {"Content-Type": "text/plain"}
        url = URL(await store.sign("key", method="PUT", headers=headers), encoded=True)
        async with aiohttp.ClientSession() as session:
            async with session.put(url, data=b"value", headers={"Content-Type": "text/html"}) as refused:
                assert refused.status == 403
            async with session.put(url, data=b"value", headers=headers) as answer:
                assert answer.status == 200
            assert await store.get("key") == b"value"
            async with session.delete(URL(await store.sign("key", method="DELETE"), encoded=True)) as answer:
                assert answer.status == 204
        assert not await store.exists("key")
