"""aiobotocore: botocore on asyncio and aiohttp."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, Self

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from . import AsyncClient, Target

MIB = 1024 * 1024


class AiobotocoreClient(AsyncClient):
    packages = ("aiobotocore", "botocore")
    note = "64 pooled connections; has no multipart writer, so 10 concurrent parts of 8 MiB are written here"

    def __init__(self, stack: AsyncExitStack, client: Any, bucket: str) -> None:
        self.stack, self.client, self.bucket = stack, client, bucket

    @classmethod
    async def connect(cls, target: Target) -> Self:
        stack = AsyncExitStack()
        client = await stack.enter_async_context(
            get_session().create_client(
                "s3",
                endpoint_url=target.endpoint,
                region_name=target.region,
                aws_access_key_id=target.access_key_id,
                aws_secret_access_key=target.secret_access_key,
                verify=target.ca_bundle or None,
                config=AioConfig(max_pool_connections=64, s3={"addressing_style": "path"}),
            )
        )
        return cls(stack, client, target.bucket)

    async def close(self) -> None:
        await self.stack.aclose()

    async def get(self, key: str) -> int:
        answer = await self.client.get_object(Bucket=self.bucket, Key=key)
        async with answer["Body"] as body:
            return len(await body.read())

    async def head(self, key: str) -> int:
        answer = await self.client.head_object(Bucket=self.bucket, Key=key)
        return int(answer["ContentLength"])

    async def put(self, key: str, data: bytes) -> None:
        await self.client.put_object(Bucket=self.bucket, Key=key, Body=data)

    async def read_stream(self, key: str) -> int:
        total = 0
        answer = await self.client.get_object(Bucket=self.bucket, Key=key)
        async with answer["Body"] as body:
            async for chunk in body.iter_chunks(MIB):
                total += len(chunk)
        return total

    async def put_stream(self, key: str, source: AsyncIterator[bytes], part_size: int | None) -> None:
        name = {"Bucket": self.bucket, "Key": key}
        upload = {**name, "UploadId": (await self.client.create_multipart_upload(**name))["UploadId"]}
        free = asyncio.Semaphore(10)

        async def send(number: int, data: bytes) -> dict[str, object]:
            try:
                answer = await self.client.upload_part(**upload, PartNumber=number, Body=data)
            finally:
                free.release()
            return {"PartNumber": number, "ETag": answer["ETag"]}

        async with asyncio.TaskGroup() as group:
            parts: list[asyncio.Task[dict[str, object]]] = []
            async for data in in_parts(source, part_size or 8 * MIB):
                await free.acquire()
                parts.append(group.create_task(send(len(parts) + 1, data)))
        done = {"Parts": [part.result() for part in parts]}
        await self.client.complete_multipart_upload(**upload, MultipartUpload=done)

    async def list_keys(self, prefix: str) -> int:
        count = 0
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        async for page in pages:
            for _meta in page.get("Contents", ()):
                count += 1
        return count


async def in_parts(source: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:
    """Joins what an iterator yields into parts of `size` bytes; the last may be shorter."""
    held: list[bytes] = []
    have = 0
    async for chunk in source:
        held.append(chunk)
        have += len(chunk)
        if have >= size:
            joined = b"".join(held)
            whole = have - have % size
            for start in range(0, whole, size):
                yield joined[start : start + size]
            held, have = [joined[whole:]], have - whole
    if have:
        yield b"".join(held)
