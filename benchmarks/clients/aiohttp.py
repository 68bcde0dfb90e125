"""Bare aiohttp requests without signatures, retries or errors: the floor under every client built on it."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from typing import Self

import aiohttp
from yarl import URL

from . import AsyncClient, Target
from .aiobotocore import in_parts

MIB = 1024 * 1024


class AiohttpClient(AsyncClient):
    packages = ("aiohttp", "yarl")
    note = "unsigned, no object store at all; 8 concurrent parts"
    lacks = frozenset({"list_keys"})

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self.session, self.base = session, base

    @classmethod
    async def connect(cls, target: Target) -> Self:
        context = ssl.create_default_context(cafile=target.ca_bundle) if target.ca_bundle else True
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=64, ssl=context),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),
            skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
        )
        return cls(session, f"{target.endpoint}/{target.bucket}")

    async def close(self) -> None:
        await self.session.close()

    def url(self, key: str) -> URL:
        return URL(f"{self.base}/{key}", encoded=True)

    async def get(self, key: str) -> int:
        async with self.session.get(self.url(key)) as answer:
            return len(await answer.read())

    async def head(self, key: str) -> int:
        async with self.session.head(self.url(key)) as answer:
            return int(answer.headers["Content-Length"])

    async def put(self, key: str, data: bytes) -> None:
        async with self.session.put(self.url(key), data=data) as answer:
            await answer.read()

    async def read_stream(self, key: str) -> int:
        total = 0
        async with self.session.get(self.url(key)) as answer:
            async for chunk in answer.content.iter_any():
                total += len(chunk)
        return total

    async def put_stream(self, key: str, source: AsyncIterator[bytes], part_size: int | None) -> None:
        async with self.session.post(self.url(f"{key}?uploads")) as answer:
            found = re.search(r"<UploadId>(.+)</UploadId>", await answer.text())
        assert found is not None
        upload, free = f"{key}?uploadId={found[1]}", asyncio.Semaphore(8)

        async def send(number: int, data: bytes) -> None:
            try:
                await self.put(f"{upload}&partNumber={number}", data)
            finally:
                free.release()

        async with asyncio.TaskGroup() as group:
            number = 0
            async for data in in_parts(source, part_size or 8 * MIB):
                await free.acquire()
                number += 1
                group.create_task(send(number, data))
        async with self.session.post(self.url(upload), data=b"<CompleteMultipartUpload/>") as answer:
            await answer.read()

    async def list_keys(self, prefix: str) -> int:
        raise NotImplementedError
