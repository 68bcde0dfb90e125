"""Alibaba Cloud OSS: aiostore beside both of Alibaba's SDKs. Signatures are of version 4."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, Self

import alibabacloud_oss_v2 as oss
import alibabacloud_oss_v2.aio as oss_aio
import oss2

from aiostore import OSSStore

from . import AsyncClient, Target, ThreadClient
from .aiostore import AiostoreClient

REGION = "cn-hangzhou"


class AiostoreOSSClient(AiostoreClient):
    packages = ("aiostore", "aiohttp", "fastcrc")
    note = "uploads carry an MD5 besides their CRC-64, which the others compute alone"

    @classmethod
    async def connect(cls, target: Target) -> Self:
        return cls(
            OSSStore(
                target.bucket,
                endpoint=target.endpoint,
                region=REGION,
                access_key_id=target.access_key_id,
                access_key_secret=target.secret_access_key,
                client_options={"ca_bundle": target.ca_bundle} if target.ca_bundle else None,
            )
        )


class Oss2Client(ThreadClient):
    packages = ("oss2",)
    note = "threads for tasks; 64 pooled connections; one request for a stream and for an upload"

    def __init__(self, bucket: oss2.Bucket) -> None:
        self.bucket = bucket

    @classmethod
    def connect(cls, target: Target) -> Self:
        oss2.defaults.connection_pool_size = 64
        auth = oss2.AuthV4(target.access_key_id, target.secret_access_key)
        # It finds the certificate's authority in the environment.
        return cls(oss2.Bucket(auth, target.endpoint, target.bucket, region=REGION))

    def close(self) -> None:
        self.bucket.session.session.close()

    def get(self, key: str) -> int:
        return len(self.bucket.get_object(key).read())

    def head(self, key: str) -> int:
        return int(self.bucket.head_object(key).content_length)

    def put(self, key: str, data: bytes) -> None:
        self.bucket.put_object(key, data)

    def read_stream(self, key: str) -> int:
        return sum(map(len, self.bucket.get_object(key)))

    def put_stream(self, key: str, source: Iterator[bytes], part_size: int | None) -> None:
        self.bucket.put_object(key, source)

    def list_keys(self, prefix: str) -> int:
        return sum(1 for _ in oss2.ObjectIteratorV2(self.bucket, prefix=prefix, max_keys=1000))


class OssV2Client(AsyncClient):
    packages = ("alibabacloud-oss-v2", "aiohttp")
    note = "one request for a stream and for an upload"

    def __init__(self, client: Any, bucket: str) -> None:
        self.client, self.bucket = client, bucket

    @classmethod
    async def connect(cls, target: Target) -> Self:
        config = oss.config.load_default()
        config.credentials_provider = oss.credentials.StaticCredentialsProvider(
            target.access_key_id, target.secret_access_key
        )
        config.region, config.endpoint, config.use_path_style = REGION, target.endpoint, True
        return cls(oss_aio.AsyncClient(config), target.bucket)

    async def close(self) -> None:
        await self.client.close()

    async def get(self, key: str) -> int:
        result = await self.client.get_object(oss.GetObjectRequest(bucket=self.bucket, key=key))
        async with result.body as body:
            return len(await body.read())

    async def head(self, key: str) -> int:
        result = await self.client.head_object(oss.HeadObjectRequest(bucket=self.bucket, key=key))
        return int(result.content_length)

    async def put(self, key: str, data: bytes) -> None:
        await self.client.put_object(oss.PutObjectRequest(bucket=self.bucket, key=key, body=data))

    async def read_stream(self, key: str) -> int:
        result = await self.client.get_object_as_stream(oss.GetObjectRequest(bucket=self.bucket, key=key))
        total = 0
        async with result.body as body:
            async for chunk in await body.iter_bytes():
                total += len(chunk)
        return total

    async def put_stream(self, key: str, source: AsyncIterator[bytes], part_size: int | None) -> None:
        await self.client.put_object(oss.PutObjectRequest(bucket=self.bucket, key=key, body=source))

    async def list_keys(self, prefix: str) -> int:
        paginator, count = self.client.list_objects_v2_paginator(limit=1000), 0
        async for page in paginator.iter_page(oss.ListObjectsV2Request(bucket=self.bucket, prefix=prefix)):
            count += len(page.contents or ())
        return count
