"""aiostore through its public `Store` API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import ClassVar, Self

from aiostore import S3Store, Store

from . import AsyncClient, Target


class AiostoreClient(AsyncClient):
    packages = ("aiostore", "aiohttp", "awscrt")
    note = "defaults: an endpoint it does not know gets the conservative dialect"
    dialect: ClassVar[str | None] = None

    def __init__(self, store: Store) -> None:
        self.store = store

    @classmethod
    async def connect(cls, target: Target) -> Self:
        return cls(
            S3Store(
                target.bucket,
                endpoint=target.endpoint,
                region=target.region,
                access_key_id=target.access_key_id,
                secret_access_key=target.secret_access_key,
                dialect=cls.dialect,
                client_options={"ca_bundle": target.ca_bundle} if target.ca_bundle else None,
            )
        )

    async def close(self) -> None:
        await self.store.aclose()

    async def get(self, key: str) -> int:
        return len(await self.store.get(key))

    async def head(self, key: str) -> int:
        return (await self.store.head(key)).size

    async def put(self, key: str, data: bytes) -> None:
        await self.store.put(key, data)

    async def read_stream(self, key: str) -> int:
        total = 0
        async for chunk in self.store.stream(key):
            total += len(chunk)
        return total

    async def put_stream(self, key: str, source: AsyncIterator[bytes], part_size: int | None) -> None:
        await self.store.put(key, source, part_size=part_size)

    async def list_keys(self, prefix: str) -> int:
        count = 0
        async for _meta in self.store.list(prefix):
            count += 1
        return count


class AiostoreAwsClient(AiostoreClient):
    """Told that the endpoint is AWS: uploads carry a CRC (over TLS instead of SHA-256), reads verify it."""

    note = 'dialect="aws": CRC64 end to end'
    dialect = "aws"
