"""Buckets on the real services that speak S3, and shorthands for what tests do with them."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiostore._http.document import discard
from aiostore.body import Buffers
from aiostore.drivers.s3 import S3Driver
from aiostore.drivers.s3_payload import document
from aiostore.drivers.s3_settings import make_driver
from aiostore.types import DeleteOptions, GetOptions, PutOptions, PutResult
from tests.servers.server import S3Endpoint

WHOLE = GetOptions()
MIB = 1024**2
MD5 = "5d41402abc4b2a76b9719d911017c592"
ODD_KEYS = ["a b+c", "a%41", "a//b", "/lead", "trail/", "a/../b", "é", "😀", "?list-type=2&x=#", "a\tb\nc", "q'\"<>&"]
"""Keys that every one of these services holds."""


def connect(server: S3Endpoint, dialect: str, bucket: str, **arguments: Any) -> S3Driver:
    settings: dict[str, Any] = {
        "endpoint": server.url,
        "access_key_id": server.access_key_id,
        "secret_access_key": server.secret_access_key,
        "region": server.region,
        "dialect": dialect,
    }
    return make_driver(bucket, **(settings | arguments))


@asynccontextmanager
async def bucket_on(endpoint: S3Endpoint, dialect: str) -> AsyncIterator[S3Driver]:
    """A new bucket, which is gone in the end with all that is in it."""
    driver = connect(endpoint, dialect, f"test-{uuid.uuid4().hex[:16]}")
    await driver.create_container()
    try:
        yield driver
    finally:
        await empty(driver)
        await driver.delete_container()
        await driver.aclose()


async def empty(driver: S3Driver) -> None:
    token = None
    while True:
        page = await driver.list_versions("", token)
        for entry in page.versions:
            await driver.delete(entry.meta.key, DeleteOptions(version=entry.meta.version))
        token = page.next_token
        if token is None:
            break
    for upload in (await driver.list_multipart("")).uploads:
        await driver.abort_multipart(upload)


def body(data: bytes) -> Buffers:
    return Buffers((data,))


async def put(driver: S3Driver, key: str, data: bytes = b"hello", **options: Any) -> PutResult:
    return await driver.put(key, body(data), PutOptions(**options))


async def get(driver: S3Driver, key: str, options: GetOptions = WHOLE) -> bytes:
    return await (await driver.get(key, options)).stream.read()


async def raw(
    driver: S3Driver, method: str, key: str | None, headers: Mapping[str, str], query: str = "", data: bytes = b""
) -> Mapping[str, str]:
    """Send what the driver would not send; returns the headers of the answer."""
    content, payload, _ = document(data)
    response = await driver._client.send("raw", method, key, headers, query, content, payload)
    await discard(response)
    return response.headers


async def keep_versions(driver: S3Driver) -> None:
    await raw(
        driver,
        "PUT",
        None,
        {},
        "versioning=",
        b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
    )


async def fetch(
    method: str, url: str, data: bytes | None = None, headers: Mapping[str, str] = {}
) -> tuple[int, bytes]:  # only read
    def request() -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, data, dict(headers), method=method)) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    return await asyncio.to_thread(request)
