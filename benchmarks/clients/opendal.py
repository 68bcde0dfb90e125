"""Apache OpenDAL's Python binding."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Self

import opendal

from . import AsyncClient, Target


class OpendalClient(AsyncClient):
    packages = ("opendal",)
    note = "never signs payloads; streams through `open(key, 'rb')` in reads of 1 MiB"

    def __init__(self, operator: opendal.AsyncOperator) -> None:
        self.operator = operator

    @classmethod
    async def connect(cls, target: Target) -> Self:
        return cls(
            opendal.AsyncOperator(
                "s3",
                bucket=target.bucket,
                endpoint=target.endpoint,
                region=target.region,
                access_key_id=target.access_key_id,
                secret_access_key=target.secret_access_key,
                disable_config_load="true",
                disable_ec2_metadata="true",
            )
        )

    async def close(self) -> None:
        return None

    async def get(self, key: str) -> int:
        return len(await self.operator.read(key))

    async def head(self, key: str) -> int:
        return (await self.operator.stat(key)).content_length

    async def put(self, key: str, data: bytes) -> None:
        await self.operator.write(key, data)

    async def read_stream(self, key: str) -> int:
        total = 0
        file = await self.operator.open(key, "rb")
        while chunk := await file.read(1024 * 1024):
            total += len(chunk)
        await file.close()
        return total

    async def put_stream(self, key: str, source: AsyncIterator[bytes], part_size: int | None) -> None:
        if part_size is None:
            file = await self.operator.open(key, "wb")
        else:
            file = await self.operator.open(key, "wb", chunk=part_size, concurrent=8)
        async for chunk in source:
            await file.write(chunk)
        await file.close()

    async def list_keys(self, prefix: str) -> int:
        count = 0
        async for _entry in await self.operator.list(prefix, recursive=True):
            count += 1
        return count
