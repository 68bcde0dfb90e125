"""An empty bucket on a real server for each test, deleted with all that is in it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiostore import Limits, S3Store, Store
from aiostore.capabilities import PartLimits
from tests.servers.server import S3Endpoint

MIB = 1024**2

PARTS = PartLimits(min_size=5 * MIB, max_size=5 * 1024 * MIB, max_count=10_000)

OPERATIONS = frozenset(
    {
        *("head", "get", "put", "delete", "delete_many", "list_page", "copy", "sign", "sign_post"),
        *("create_multipart", "put_part", "copy_part", "list_parts", "complete_multipart", "abort_multipart"),
        *("list_multipart", "set_metadata", "get_tags", "set_tags", "list_versions", "restore"),
        *("sibling", "create_container", "delete_container", "list_containers"),
    }
)
"""What S3 has."""


def store_of(endpoint: S3Endpoint, dialect: str, bucket: str) -> Store:
    return S3Store(
        bucket,
        endpoint=endpoint.url,
        region=endpoint.region,
        access_key_id=endpoint.access_key_id,
        secret_access_key=endpoint.secret_access_key,
        dialect=dialect,
        limits=Limits(part_size=5 * MIB),
    )


@asynccontextmanager
async def empty_bucket(endpoint: S3Endpoint, dialect: str) -> AsyncIterator[Store]:
    async with store_of(endpoint, dialect, f"conformance-{secrets.token_hex(8)}") as store:
        await store.create_container()
        try:
            yield store
        finally:
            await store.delete_container(force=True)
