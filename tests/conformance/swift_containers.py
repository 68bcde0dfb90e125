"""An empty container on a real Swift for each test, deleted with all that is in it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiostore import Limits, Store
from aiostore.capabilities import PartLimits

LIMITS = Limits(part_size=1024**2)

PARTS = PartLimits(min_size=1, max_size=5 * 1024**3, max_count=1000)

OPERATIONS = frozenset(
    {
        *("head", "get", "put", "delete", "delete_many", "list_page", "copy", "sign", "sign_post", "set_metadata"),
        *("create_multipart", "put_part", "copy_part", "list_parts", "complete_multipart", "abort_multipart"),
        *("list_multipart", "list_ranges", "list_versions", "restore"),
        *("sibling", "create_container", "delete_container", "list_containers"),
    }
)
"""What Swift has."""


@asynccontextmanager
async def empty_container(account: Store) -> AsyncIterator[Store]:
    """A new container beside the one of ``account``, whose token all tests share."""
    store = account.sibling(f"conformance-{secrets.token_hex(8)}")
    await store.create_container()
    try:
        yield store
    finally:
        await store.delete_container(force=True)
