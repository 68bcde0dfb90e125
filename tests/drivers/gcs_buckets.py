"""New buckets on the strict GCS server, and Google's own client on the same."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
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
    return _client(gcs.url, gcs.project, json.dumps(gcs.account))


@cache
def _client(url: str, project: str, account: str) -> storage.Client:
    # One for all: each asks Google's IAM for the regions of its account, in a thread, with retries.
    make: Any = service_account.Credentials.from_service_account_info
    return storage.Client(project=project, credentials=make(json.loads(account)), client_options={"api_endpoint": url})
