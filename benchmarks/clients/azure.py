"""Azure Blob Storage: aiostore, obstore, and Azure's own SDK, at the same server below its account's path."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Self

from azure.storage.blob.aio import ContainerClient
from obstore.store import AzureStore

from aiostore import Store
from aiostore._http.client import Transport
from aiostore.drivers.azure import AzureDriver
from aiostore.drivers.azure_address import Address
from aiostore.drivers.azure_auth import SharedKey
from aiostore.drivers.azure_client import Client, Service
from aiostore.drivers.azure_credentials import KeyAuthorizer
from aiostore.drivers.azure_delegation import Signing
from aiostore.drivers.azure_guard import Guarding
from aiostore.policies import ClientOptions, Timeouts

from . import AsyncClient, Target
from .aiostore import AiostoreClient
from .obstore import ObstoreClient

ACCOUNT = "devstoreaccount1"
KEY = base64.b64encode(bytes(64)).decode()


class AiostoreAzureClient(AiostoreClient):
    """Made of its parts, as against Azure itself: an endpoint that is an address is taken for Azurite."""

    packages = ("aiostore", "aiohttp", "awscrt")
    note = "uploads carry a CRC64, which neither of the others computes"

    @classmethod
    async def connect(cls, target: Target) -> Self:
        options = ClientOptions(ca_bundle=target.ca_bundle) if target.ca_bundle else ClientOptions()
        address = Address(ACCOUNT, target.endpoint, f"/{ACCOUNT}/", emulator=False)
        authorizer = KeyAuthorizer(SharedKey(ACCOUNT, KEY))
        service = Service(address, authorizer, Transport(options, Timeouts()), crc64=True)
        guarding = Guarding(crc64=True, wanted=True)
        return cls(Store(AzureDriver(Client(service, target.bucket), guarding, Signing(Client(service, None)))))


class ObstoreAzureClient(ObstoreClient):
    packages = ("obstore",)
    note = "`get` returns its own buffer, not `bytes`"

    @classmethod
    async def connect(cls, target: Target) -> Self:
        options: dict[str, object] = {"allow_http": True}
        if target.ca_bundle:
            options["root_certificate"] = Path(target.ca_bundle).read_bytes()
        store = AzureStore(
            target.bucket,
            account_name=ACCOUNT,
            account_key=KEY,
            endpoint=f"{target.endpoint}/{ACCOUNT}",
            client_options=options,  # type: ignore[arg-type]  # two of its keys
        )
        return cls(store)  # type: ignore[arg-type]  # the same methods


class SdkClient(AsyncClient):
    packages = ("azure-storage-blob", "aiohttp")

    def __init__(self, container: ContainerClient) -> None:
        self.container = container

    @classmethod
    async def connect(cls, target: Target) -> Self:
        credential = {"account_name": ACCOUNT, "account_key": KEY}
        url = f"{target.endpoint}/{ACCOUNT}"
        # It finds the certificate's authority in the environment.
        return cls(ContainerClient(url, target.bucket, credential=credential))

    async def close(self) -> None:
        await self.container.close()

    async def get(self, key: str) -> int:
        return len(await (await self.container.download_blob(key)).readall())

    async def head(self, key: str) -> int:
        return int((await self.container.get_blob_client(key).get_blob_properties()).size)

    async def put(self, key: str, data: bytes) -> None:
        await self.container.upload_blob(key, data, overwrite=True)

    async def read_stream(self, key: str) -> int:
        total = 0
        async for chunk in (await self.container.download_blob(key)).chunks():
            total += len(chunk)
        return total

    async def put_stream(self, key: str, source: AsyncIterator[bytes], part_size: int | None) -> None:
        await self.container.upload_blob(key, source, overwrite=True)

    async def list_keys(self, prefix: str) -> int:
        count = 0
        async for _blob in self.container.list_blobs(name_starts_with=prefix):
            count += 1
        return count
