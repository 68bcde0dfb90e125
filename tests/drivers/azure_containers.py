"""Containers on Azurite, reached in every way that there is, and the service's own SDK as judge."""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from azure.storage.blob import BlobServiceClient, ContainerClient

from aiostore import AzureStore, Limits, Store
from tests.servers.azurite import AzuriteEndpoint

PART = 64 * 1024


@dataclass(frozen=True, slots=True)
class Token:
    """A token of Entra, as azure-identity's credentials answer with it."""

    token: str
    expires_on: int


class Entra:
    """A credential that makes tokens as Entra does, but for their signature, which Azurite does not check."""

    def __init__(self, lifetime: float = 3600) -> None:
        self.lifetime = lifetime
        self.asked = 0

    async def get_token(self, *scopes: str, **_options: object) -> Token:
        assert scopes == ("https://storage.azure.com/.default",)
        self.asked += 1
        now = int(time.time())
        claims = {
            "aud": "https://storage.azure.com",
            "iss": "https://sts.windows.net/ab1f708d-50f6-404c-a006-d71b2ac7a606/",
            "iat": now - 10,
            "nbf": now - 10,
            "exp": int(now + self.lifetime),
            "oid": "11059fcc-5514-4800-b5f8-49808b9cfab6",
            "tid": "ab1f708d-50f6-404c-a006-d71b2ac7a606",
        }
        parts = [{"alg": "RS256", "typ": "JWT"}, claims]
        encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
        # With a number of its own, for real tokens differ.
        signature = base64.urlsafe_b64encode(f"signature-{self.asked}".encode()).decode().rstrip("=")
        return Token(".".join([*encoded, signature]), int(now + self.lifetime))


def new_name() -> str:
    return f"driver-{secrets.token_hex(8)}"


def with_key(azurite: AzuriteEndpoint, container: str) -> AzureStore:
    return AzureStore(
        container,
        account=azurite.account,
        endpoint=azurite.url,
        account_key=azurite.key,
        limits=Limits(part_size=PART),
    )


def with_token(azurite: AzuriteEndpoint, container: str, credential: Entra | None = None) -> Store:
    return AzureStore(
        container,
        endpoint=azurite.https_url,
        credential=credential or Entra(),
        client_options={"ca_bundle": azurite.ca_bundle},
        limits=Limits(part_size=PART),
    )


def sdk(azurite: AzuriteEndpoint) -> BlobServiceClient:
    """Azure's own client; its calls block, which on loopback is all the same to a test."""
    return BlobServiceClient(azurite.url, credential=azurite.key, api_version="2024-11-04", retry_total=0)


@asynccontextmanager
async def container(azurite: AzuriteEndpoint) -> AsyncIterator[tuple[AzureStore, ContainerClient]]:
    """A store over an empty container, and the SDK's client of the same."""
    name = new_name()
    async with with_key(azurite, name) as store:
        await store.create_container()
        try:
            with sdk(azurite) as service:
                yield store, service.get_container_client(name)
        finally:
            await store.delete_container(force=True)
