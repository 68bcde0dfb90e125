"""Where the examples put their objects: a directory, a bucket on the real gateway, Azurite, the strict GCS, or OSS."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import pytest

from aiostore import AzureStore, GCSStore, LocalStore, OSSStore, S3Store, Store, SwiftStore
from tests.servers.azurite import AzuriteEndpoint
from tests.servers.ceph import CephEndpoint
from tests.servers.gcs import StrictGCSEndpoint
from tests.servers.oss import OSSEndpoint
from tests.servers.swift import SwiftEndpoint

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A store as an example gets it, by URL and environment, and as the test looks into it."""

    url: str
    store: Store
    environment: Mapping[str, str] = field(default_factory=dict)

    async def keys(self) -> list[str]:
        return [meta.key async for meta in self.store.list()]


@pytest.fixture
async def directory(tmp_path: Path) -> AsyncIterator[Place]:
    root = tmp_path / "objects"
    root.mkdir()
    async with LocalStore(root) as store:
        yield Place(url=str(root), store=store)


@pytest.fixture
async def bucket(ceph: CephEndpoint) -> AsyncIterator[Place]:
    name = f"examples-{secrets.token_hex(4)}"
    query = urlencode({"endpoint": ceph.url, "region": ceph.region})
    keys = {"AWS_ACCESS_KEY_ID": ceph.access_key_id, "AWS_SECRET_ACCESS_KEY": ceph.secret_access_key}
    async with S3Store(
        name,
        endpoint=ceph.url,
        region=ceph.region,
        access_key_id=ceph.access_key_id,
        secret_access_key=ceph.secret_access_key,
    ) as store:
        await store.create_container()
        yield Place(url=f"s3://{name}?{query}", store=store, environment=keys)
        await store.delete_container(force=True)


@pytest.fixture
async def swift_container(swift_s3: SwiftEndpoint) -> AsyncIterator[Place]:
    name = f"examples-{secrets.token_hex(4)}"
    keys = {"ST_AUTH": swift_s3.auth_url, "ST_USER": swift_s3.user, "ST_KEY": swift_s3.key}
    async with SwiftStore(name, auth_url=swift_s3.auth_url, username=swift_s3.user, password=swift_s3.key) as store:
        await store.create_container()
        yield Place(url=f"swift://{name}", store=store, environment=keys)
        await store.delete_container(force=True)


@pytest.fixture
async def google(gcs: StrictGCSEndpoint, tmp_path: Path) -> AsyncIterator[Place]:
    name = f"examples-{secrets.token_hex(4)}"
    key = tmp_path / "key.json"
    key.write_text(json.dumps(gcs.account))
    async with GCSStore(name, endpoint=gcs.url, project=gcs.project, credentials=key) as store:
        await store.create_container()
        url = f"gs://{name}?{urlencode({'endpoint': gcs.url})}"
        yield Place(url=url, store=store, environment={"GOOGLE_APPLICATION_CREDENTIALS": str(key)})
        await store.delete_container(force=True)


@pytest.fixture
async def container(azurite: AzuriteEndpoint) -> AsyncIterator[Place]:
    name = f"examples-{secrets.token_hex(4)}"
    async with AzureStore(name, endpoint=azurite.url, account_key=azurite.key) as store:
        await store.create_container()
        query = urlencode({"endpoint": azurite.url})
        yield Place(url=f"az://{name}?{query}", store=store, environment={"AZURE_STORAGE_KEY": azurite.key})
        await store.delete_container(force=True)


@pytest.fixture
async def alibaba(oss: OSSEndpoint) -> AsyncIterator[Place]:
    name = f"examples-{secrets.token_hex(4)}"
    keys = {"OSS_ACCESS_KEY_ID": oss.access_key_id, "OSS_ACCESS_KEY_SECRET": oss.access_key_secret}
    async with OSSStore(
        name,
        endpoint=oss.url,
        region=oss.region,
        access_key_id=oss.access_key_id,
        access_key_secret=oss.access_key_secret,
    ) as store:
        await store.create_container()
        query = urlencode({"endpoint": oss.url, "region": oss.region})
        yield Place(url=f"oss://{name}?{query}", store=store, environment=keys)
        await store.delete_container(force=True)
