"""The conformance suite over HTTP, with WebDAV on Apache."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aiostore import HTTPStore, Limits, Store
from aiostore.testing import StoreConformance
from tests.conformance.test_http_webdav import CAPABILITIES
from tests.conformance.test_local import REFUSED
from tests.servers.apache import OWNER, ApacheEndpoint


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
        # Of its own: a write that was cancelled may be carried out when the next test has begun.
        root = Path(apache.dav_root, f"conformance-{secrets.token_hex(6)}")
        root.mkdir()
        if os.geteuid() == 0:
            shutil.chown(root, OWNER)
        try:
            limits = Limits(part_size=64 * 1024)
            async with HTTPStore(f"{apache.dav_url}{root.name}/", webdav=True, limits=limits) as store:
                yield store
        finally:
            shutil.rmtree(root, ignore_errors=True)
