"""s3fs: fsspec's S3, through its coroutines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Self

import s3fs

from . import AsyncClient, Target


class S3fsClient(AsyncClient):
    packages = ("s3fs", "fsspec", "aiobotocore")
    note = "64 pooled connections; takes no iterator, so uploads are gathered in memory first"

    def __init__(self, filesystem: Any, bucket: str) -> None:
        self.filesystem, self.bucket = filesystem, bucket

    @classmethod
    async def connect(cls, target: Target) -> Self:
        filesystem = s3fs.S3FileSystem(
            asynchronous=True,
            skip_instance_cache=True,
            key=target.access_key_id,
            secret=target.secret_access_key,
            endpoint_url=target.endpoint,
            client_kwargs={"region_name": target.region, "verify": target.ca_bundle or None},
            config_kwargs={"max_pool_connections": 64, "s3": {"addressing_style": "path"}},
        )
        await filesystem.set_session()
        return cls(filesystem, target.bucket)

    async def close(self) -> None:
        await self.filesystem._s3.close()

    async def get(self, key: str) -> int:
        return len(await self.filesystem._cat_file(f"{self.bucket}/{key}"))

    async def head(self, key: str) -> int:
        return int((await self.filesystem._info(f"{self.bucket}/{key}", refresh=True))["size"])

    async def put(self, key: str, data: bytes) -> None:
        await self.filesystem._pipe_file(f"{self.bucket}/{key}", data)

    async def read_stream(self, key: str) -> int:
        total = 0
        file = await self.filesystem.open_async(f"{self.bucket}/{key}", "rb")
        while chunk := await file.read(1024 * 1024):
            total += len(chunk)
        return total

    async def put_stream(self, key: str, source: AsyncIterator[bytes], part_size: int | None) -> None:
        data = b"".join([chunk async for chunk in source])
        options = {} if part_size is None else {"chunksize": part_size}
        await self.filesystem._pipe_file(f"{self.bucket}/{key}", data, **options)

    async def list_keys(self, prefix: str) -> int:
        self.filesystem.invalidate_cache()
        return len(await self.filesystem._find(f"{self.bucket}/{prefix}"))
