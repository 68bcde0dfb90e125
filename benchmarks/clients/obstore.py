"""obstore: Rust's object_store for Python."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from obstore.store import S3Store

from . import AsyncClient, Target

if TYPE_CHECKING:
    from obstore.store import ClientConfig


class ObstoreClient(AsyncClient):
    packages = ("obstore",)
    note = "signs payloads (its default); `get` returns its own buffer, not `bytes`"
    unsigned_payload: ClassVar[bool] = False

    def __init__(self, store: S3Store) -> None:
        self.store = store

    @classmethod
    async def connect(cls, target: Target) -> Self:
        options: ClientConfig = {"allow_http": True}
        if target.ca_bundle:
            options["root_certificate"] = Path(target.ca_bundle).read_bytes()
        return cls(
            S3Store(
                target.bucket,
                config={
                    "endpoint": target.endpoint,
                    "region": target.region,
                    "access_key_id": target.access_key_id,
                    "secret_access_key": target.secret_access_key,
                    "virtual_hosted_style_request": False,
                    "unsigned_payload": cls.unsigned_payload,
                },
                client_options=options,
            )
        )

    async def close(self) -> None:
        return None

    async def get(self, key: str) -> int:
        answer = await self.store.get_async(key)
        return len(await answer.bytes_async())

    async def head(self, key: str) -> int:
        return (await self.store.head_async(key))["size"]

    async def put(self, key: str, data: bytes) -> None:
        await self.store.put_async(key, data)

    async def read_stream(self, key: str) -> int:
        total = 0
        async for chunk in await self.store.get_async(key):
            total += len(chunk)
        return total

    async def put_stream(self, key: str, source: AsyncIterator[bytes], part_size: int | None) -> None:
        if part_size is None:
            await self.store.put_async(key, source)
        else:
            await self.store.put_async(key, source, chunk_size=part_size)

    async def list_keys(self, prefix: str) -> int:
        count = 0
        async for batch in self.store.list(prefix):
            for _meta in batch:
                count += 1
        return count


class ObstoreUnsignedClient(ObstoreClient):
    """Without SHA-256 of the payload, and without any other checksum."""

    note = "unsigned_payload=True"
    unsigned_payload = True
