"""The conformance suite over a directory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from aiostore import Capabilities, Conditions, Guarantee, Limits, LocalStore, Store
from aiostore.capabilities import PartLimits
from aiostore.drivers.local_spelling import SUFFIXED
from aiostore.testing import StoreConformance
from aiostore.testing.conformance.attributes import Attributes
from aiostore.testing.conformance.compression import Compression
from aiostore.testing.conformance.conditions import Conditions as ConditionTests
from aiostore.testing.conformance.copies import Copies
from aiostore.testing.conformance.deletes import Deletes
from aiostore.testing.conformance.keys import ODD_KEYS
from aiostore.testing.conformance.listing import Listing

ATOMIC = Conditions(if_absent=Guarantee.ATOMIC, if_match=Guarantee.ATOMIC)

REFUSED = frozenset(
    {
        *("a//b", "a///b", "//", "/", "/leading", "//leading", "trailing/", "trailing//"),
        *("a/../b", "../a", "../../../../etc/passwd", "a/..", "..", ".", "./a", "a/./b", "a/."),
        "a" * 256,
    }
)
"""Empty segments, ``.`` and ``..``, and names longer than 255 bytes."""


class TestLocal(StoreConformance):
    capabilities = Capabilities(
        operations=frozenset(
            {
                *("head", "get", "put", "delete", "delete_many", "list_page", "copy", "rename", "append"),
                *("create_multipart", "put_part", "copy_part", "list_parts", "complete_multipart", "abort_multipart"),
                *("list_multipart", "set_metadata", "get_tags", "set_tags"),
                *("sibling", "create_container", "delete_container", "list_containers"),
            }
        ),
        put=ATOMIC,
        complete=ATOMIC,
        copy=ATOMIC,
        delete=Conditions(if_match=Guarantee.ATOMIC),
        parallel_ranges=False,
        multipart=PartLimits(min_size=1, max_size=2**40, max_count=10_000),
        max_put=2**62,
        max_copy=2**62,
        delete_batch=1000,
        checksums=("crc64nvme",),
    )
    refused_keys = REFUSED
    nested_keys = False

    @pytest.fixture
    async def store(self, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Store]:
        around = tmp_path_factory.mktemp("around")
        self.root = around / "containers" / "root"
        self.root.mkdir(parents=True)
        async with LocalStore(self.root, limits=Limits(part_size=64 * 1024)) as store:
            yield store
        outside = {str(path.relative_to(around)) for path in around.rglob("*") if self.root not in path.parents}
        assert outside == {"containers", "containers/root"}

    async def leftovers(self, store: Store) -> list[str]:
        """Uploads, and files that are no objects."""
        objects = {meta.key async for meta in store.list()}
        files = [str(path.relative_to(self.root)) for path in self.root.rglob("*") if not path.is_dir()]
        return await super().leftovers(store) + sorted(set(files) - objects)


def test_every_refused_key_is_one_of_the_suite() -> None:
    assert set(ODD_KEYS) >= REFUSED


class TestLocalWithSuffixes(Attributes, Compression, ConditionTests, Copies, Deletes, Listing):
    """Content encodings as suffixes of files: what of the suite has to do with names."""

    capabilities = TestLocal.capabilities
    refused_keys = REFUSED
    nested_keys = False

    @pytest.fixture
    async def store(self, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Store]:
        self.root = tmp_path_factory.mktemp("around") / "containers" / "root"
        self.root.mkdir(parents=True)
        async with LocalStore(self.root, limits=Limits(part_size=64 * 1024), encoding_suffixes=True) as store:
            yield store

    async def leftovers(self, store: Store) -> list[str]:
        objects = {meta.key async for meta in store.list()}
        files = [str(path.relative_to(self.root)) for path in self.root.rglob("*") if not path.is_dir()]
        return await super().leftovers(store) + sorted({SUFFIXED.parse(file)[0] for file in files} - objects)
