"""The conformance suite over memory: with S3's limits, and with small ones that make pages, batches and parts many."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from aiostore.capabilities import Capabilities, Conditions, Guarantee, PartLimits
from aiostore.drivers.memory import MemoryDriver
from aiostore.policies import Limits
from aiostore.store import Store
from aiostore.testing import StoreConformance

ATOMIC = Conditions(if_absent=Guarantee.ATOMIC, if_match=Guarantee.ATOMIC)

CAPABILITIES = Capabilities(
    operations=frozenset(
        {
            *("head", "get", "put", "delete", "delete_many", "list_page", "copy", "rename", "append", "set_metadata"),
            *("create_multipart", "put_part", "copy_part", "list_parts", "complete_multipart", "abort_multipart"),
            "list_ranges",
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

KIB = 1024
SMALL = replace(
    CAPABILITIES,
    multipart=PartLimits(min_size=64 * KIB, max_size=128 * KIB),
    max_put=128 * KIB,
    max_copy=96 * KIB,
    delete_batch=7,
)


class TestMemory(StoreConformance):
    capabilities = CAPABILITIES

    @pytest.fixture
    async def store(self) -> AsyncIterator[Store]:
        async with Store(MemoryDriver()) as store:
            yield store


class TestSmallMemory(StoreConformance):
    capabilities = SMALL

    @pytest.fixture
    async def store(self) -> AsyncIterator[Store]:
        driver = MemoryDriver(parts=SMALL.multipart, max_put=128 * KIB, max_copy=96 * KIB, page_size=7, delete_batch=7)
        async with Store(driver, limits=Limits(part_size=64 * KIB, gap=100, reads=4, writes=4)) as store:
            yield store
