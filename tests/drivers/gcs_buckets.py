"""New buckets on the strict GCS server, and Google's own client on the same."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from google.cloud import storage
from google.oauth2 import service_account

from aiostore import GCSStore, Limits
from tests.servers.gcs import StrictGCSEndpoint

MIB = 1024**2


@asynccontextmanager
async def bucket_on(gcs: StrictGCSEndpoint, **options: Any) -> AsyncIterator[tuple[GCSStore, storage.Bucket]]:
    """A new bucket, in our client and in Google's. The server forgets it when it ends."""
    settings: dict[str, Any] = {"credentials": gcs.account, "limits": Limits(part_size=5 * MIB)} | options
    name = f"test-{secrets.token_hex(8)}"
    google(gcs).create_bucket(name)
    store = GCSStore(name, endpoint=gcs.url, project=gcs.project, **settings)
    async with store:
        yield store, google(gcs).bucket(name)


def google(gcs: StrictGCSEndpoint) -> storage.Client:
    """google-cloud-storage, with the same account."""
    make: Any = service_account.Credentials.from_service_account_info
    return storage.Client(project=gcs.project, credentials=make(gcs.account), client_options={"api_endpoint": gcs.url})
