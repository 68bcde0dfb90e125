"""The conformance suite over memory: with S3's limits, and with small ones that make pages, batches and parts many."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from aiostore.drivers.memory import MemoryDriver
from aiostore.store import Store
from aiostore.testing import StoreConformance
from aiostore.types import Capabilities, Conditions, Guarantee, PartLimits

ATOMIC = Conditions(if_absent=Guarantee.ATOMIC, if_match=Guarantee.ATOMIC)

CAPABILITIES = Capabilities(
    operations=frozenset(
        {
            *("head", "get", "put", "delete", "delete_many", "list_page", "copy", "rename", "append", "set_metadata"),
            *("create_multipart", "put_part", "copy_part", "list_parts", "complete_multipart", "abort_multipart"),
            *("list_multipart", "get_tags", "set_tags", "list_versions"),
            *("sibling", "create_container", "delete_container", "list_containers"),
        }
    ),
    put=ATOMIC,
    complete=ATOMIC,
    copy=ATOMIC,
    delete=Conditions(if_match=Guarantee.ATOMIC),
    multipart=PartLimits(),
    delete_batch=1000,
    checksums=("crc64nvme", "crc32c", "crc32", "sha256", "sha1", "md5"),
)


class TestMemory(StoreConformance):
    capabilities = CAPABILITIES

    @pytest.fixture
    async def store(self) -> AsyncIterator[Store]:
        async with Store(MemoryDriver()) as store:
            yield store
