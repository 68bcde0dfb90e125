"""The promises of :class:`~aiostore.protocol.AsyncObjectStore` as tests, for every driver and every wrapper.

A driver is proven by a subclass that makes a store over an empty container and says, as a literal, what the service can
do. The literal chooses the tests of optional features, and the store's own capabilities must equal it, so that no
driver passes by promising less::

    class TestMyStore(StoreConformance):
        capabilities = Capabilities(operations=frozenset({"head", "get", "put", "delete", "list_page"}))

        @pytest.fixture
        async def store(self) -> AsyncIterator[Store]:
            async with Store(MyDriver("empty-container")) as store:
                yield store

It needs pytest, pytest-asyncio and Hypothesis. Tests that are not chosen are not collected: nothing is skipped.
"""
# ruff: noqa: E402  # the families are imported after pytest was told to rewrite their assertions

from __future__ import annotations

import pkgutil

import pytest

# Before they are imported: a failed assertion then shows the values that it compared.
pytest.register_assert_rewrite(*(f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__)))

from aiostore.testing.conformance.attributes import Attributes
from aiostore.testing.conformance.blocking import BlockingConformance
from aiostore.testing.conformance.cancellation import Cancellation
from aiostore.testing.conformance.compression import Compression
from aiostore.testing.conformance.concurrency import Concurrency
from aiostore.testing.conformance.conditions import Conditions
from aiostore.testing.conformance.containers import Containers
from aiostore.testing.conformance.copies import Copies
from aiostore.testing.conformance.deletes import Deletes
from aiostore.testing.conformance.files import FileConformance
from aiostore.testing.conformance.keys import Keys
from aiostore.testing.conformance.listing import Listing
from aiostore.testing.conformance.many import Many
from aiostore.testing.conformance.paths import Paths
from aiostore.testing.conformance.ranges import Ranges
from aiostore.testing.conformance.reads import Reads
from aiostore.testing.conformance.refusals import Refusals
from aiostore.testing.conformance.signing import Signing
from aiostore.testing.conformance.sources import Sources
from aiostore.testing.conformance.streams import Streams
from aiostore.testing.conformance.suite import lacks, requires, supports
from aiostore.testing.conformance.transfers import Transfers
from aiostore.testing.conformance.writes import Writes

__all__ = ["StoreConformance", "lacks", "requires", "supports"]


class StoreConformance(
    Writes,
    Sources,
    Reads,
    Ranges,
    Streams,
    Attributes,
    Keys,
    Listing,
    Deletes,
    Many,
    Copies,
    Conditions,
    Cancellation,
    Concurrency,
    FileConformance,
    BlockingConformance,
    Paths,
    Compression,
    Containers,
    Signing,
    Refusals,
    Transfers,
):
    """The whole suite; see :class:`~aiostore.testing.conformance.suite.Suite` for what a subclass says."""
