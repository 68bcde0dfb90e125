"""The conformance suite over HTTP, with WebDAV on nginx."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aiostore import Capabilities, Conditions, Guarantee, HTTPStore, Limits, Store
from aiostore.testing import StoreConformance
from tests.conformance.test_local import REFUSED
from tests.servers.nginx import NginxEndpoint

CAPABILITIES = Capabilities(
    operations=frozenset({"head", "get", "put", "delete", "list_page", "copy", "rename"}),
    copy=Conditions(if_absent=Guarantee.BEST_EFFORT),
    max_put=2**62,
    max_copy=2**62,
    metadata=False,
)


class TestWebDAV(StoreConformance):
    capabilities = CAPABILITIES
    refused_keys = REFUSED
    nested_keys = False
    empty_folders = True
    content_headers = ()
    # nginx says nothing of it when it writes or lists, and makes it of the second and the size.
    etags = ()
    # It does not list what begins with a dot.
    mangled_keys = ("...", ".hidden", "..\\a")

    @pytest.fixture
    async def store(self, nginx: NginxEndpoint) -> AsyncIterator[Store]:
        # Of its own: a write that was cancelled may be carried out when the next test has begun.
        root = Path(nginx.dav_root, f"conformance-{secrets.token_hex(6)}")
        root.mkdir()
        try:
            limits = Limits(part_size=64 * 1024)
            async with HTTPStore(f"{nginx.dav_url}{root.name}/", webdav=True, limits=limits) as store:
                yield store
        finally:
            shutil.rmtree(root, ignore_errors=True)
