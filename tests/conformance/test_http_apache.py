"""The conformance suite over HTTP, with WebDAV on Apache."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aiostore import HTTPStore, Limits, Store
from aiostore.testing import StoreConformance
from tests.conformance.test_http_webdav import CAPABILITIES
from tests.conformance.test_local import REFUSED
from tests.servers.apache import ApacheEndpoint


class TestApache(StoreConformance):
    capabilities = CAPABILITIES
    refused_keys = REFUSED
    nested_keys = False
    empty_folders = True
    content_headers = ()
    # Made of the size and of the time as the kernel ticks.
    etags = ("listed",)

    @pytest.fixture
    async def store(self, apache: ApacheEndpoint) -> AsyncIterator[Store]:
        limits = Limits(part_size=64 * 1024)
        root = Path(apache.dav_root)
        async with HTTPStore(apache.dav_url, webdav=True, limits=limits) as store:
            yield store
        for path in root.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
