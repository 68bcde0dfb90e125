"""The two HTTP services, as processes of their own: bodies pass through them, and are never whole in their memory."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import re
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from aiostore import NotFoundError, Store
from tests.examples.conftest import EXAMPLES, Place

MIB = 1024**2
SIZE = 200 * MIB
PATIENCE = 20.0

MEMORY_LIMIT = 24 * MIB
PART = 8 * MIB
"""The default ``Limits.part_size``: what each writer or stream holds beside the budget."""
TRANSPORT = 12 * MIB
"""Socket buffers, and the chunks that are on their way between two of them."""
MOST = MEMORY_LIMIT + PART + TRANSPORT
"""What a service through which one body at a time passes may take more than an idle one."""

ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "131072"}
"""glibc otherwise keeps what was freed, in an arena for each thread, so that the peak is not what was held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A running service."""

    url: str
    pid: int
    store: Store
    client: aiohttp.ClientSession

    def objects(self, key: str) -> str:
        return f"{self.url}/objects/{key}"

    def memory(self, name: str) -> int:
        """Bytes of ``VmRSS`` (now) or ``VmHWM`` (the most so far)."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(rf"^{name}:\s+(\d+) kB$", status, re.MULTILINE)
        assert found is not None
        return int(found[1]) * 1024


@asynccontextmanager
async def running(example: str, place: Place, log: Path) -> AsyncIterator[Service]:
    settings = {"AIOSTORE_URL": place.url, "AIOSTORE_MEMORY_LIMIT": str(MEMORY_LIMIT), "PYTHONUNBUFFERED": "1"}
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(EXAMPLES / example),
            "0",
            stdout=output,
            stderr=output,
            env={**os.environ, **place.environment, **ALLOCATOR, **settings},
        )
    try:
        found: list[str] = []

        async def listening() -> bool:
            assert process.returncode is None, log.read_text()
            found[:] = re.findall(r"http://127\.0\.0\.1:[1-9]\d*", log.read_text())
            return bool(found)

        await until(listening)
        async with aiohttp.ClientSession() as client:
            yield Service(url=found[0], pid=process.pid, store=place.store, client=client)
        process.terminate()
        async with asyncio.timeout(PATIENCE):
            await process.wait()
        assert "Traceback" not in log.read_text(), log.read_text()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not await holds():
        assert time.monotonic() < deadline, "it does not come to pass"
        await asyncio.sleep(0.02)


@pytest.fixture(params=["fastapi_service.py", "aiohttp_service.py"])
def example(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(params=["directory", "bucket"])
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(request.param)
    return found


@pytest.fixture
async def service(example: str, place: Place, tmp_path: Path) -> AsyncIterator[Service]:
    async with running(example, place, tmp_path / "service.log") as service:
        yield service


@pytest.fixture
async def service_on_bucket(example: str, bucket: Place, tmp_path: Path) -> AsyncIterator[Service]:
    async with running(example, bucket, tmp_path / "service.log") as service:
        yield service


async def blocks(digest: hashlib._Hash, size: int = SIZE) -> AsyncIterator[bytes]:
    noise = random.Random(1).randbytes(MIB - 8)
    for number in range(size // MIB):
        block = number.to_bytes(8, "big") + noise
        digest.update(block)
        yield block


async def test_a_large_body_passes_through_in_bounded_memory(service: Service) -> None:
    client = service.client
    # What is imported and opened on first use is not what is measured.
    async with client.put(service.objects("first"), data=b"x" * 1000) as answer:
        assert answer.status == 201
    async with client.get(service.objects("first")) as answer:
        assert await answer.read() == b"x" * 1000
    idle = service.memory("VmRSS")

    sent, received = hashlib.sha256(), hashlib.sha256()
    async with client.put(service.objects("large.bin"), data=blocks(sent)) as answer:
        assert answer.status == 201
        assert (await answer.json())["size"] == SIZE
    async with client.get(service.objects("large.bin")) as answer:
        assert answer.status == 200
        assert answer.content_length == SIZE
        async for chunk in answer.content.iter_any():
            received.update(chunk)

    assert received.digest() == sent.digest()
    used = service.memory("VmHWM") - idle
    assert used < MOST, f"{used / MIB:.0f} MiB above the idle service, {MOST / MIB:.0f} MiB are allowed"


async def test_an_upload_that_is_abandoned_publishes_nothing(service_on_bucket: Service) -> None:
    service, store = service_on_bucket, service_on_bucket.store

    async def uploads() -> int:
        return len([upload async for upload in store.uploads()])

    async def part_of_it() -> AsyncIterator[bytes]:
        async for block in blocks(hashlib.sha256(), 40 * MIB):
            yield block

        async def begun() -> bool:
            return await uploads() == 1

        await until(begun)
        raise ConnectionAbortedError("the client goes away")

    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        await service.client.put(
            service.objects("abandoned.bin"), data=part_of_it(), headers={"Content-Length": str(SIZE)}
        )

    async def ended() -> bool:
        return await uploads() == 0

    await until(ended)
    assert not await store.exists("abandoned.bin")
    async with service.client.put(service.objects("next.bin"), data=b"the service goes on") as answer:
        assert answer.status == 201


async def test_it_serves_google_cloud_storage(google: Place, tmp_path: Path) -> None:
    async with running("fastapi_service.py", google, tmp_path / "log") as service:
        await headers_tell_what_is_stored(service)


async def test_headers_tell_what_is_stored(service: Service) -> None:
    await headers_tell_what_is_stored(service)


async def headers_tell_what_is_stored(service: Service) -> None:
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    async with service.client.put(service.objects("folder/a b.txt"), data=b"words", headers=headers) as answer:
        written = await answer.json()
    assert written["key"] == "folder/a b.txt"
    meta = await service.store.head("folder/a b.txt")
    assert (meta.size, meta.etag) == (5, written["etag"])
    for method in "GET", "HEAD":
        async with service.client.request(method, service.objects("folder/a b.txt")) as answer:
            assert answer.status == 200
            assert answer.headers["Content-Length"] == "5"
            assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
            assert answer.headers["ETag"] == f'"{meta.etag}"'
            assert await answer.read() == (b"words" if method == "GET" else b"")


async def test_a_missing_object_is_a_404(service: Service) -> None:
    async with service.client.get(service.objects("missing")) as answer:
        assert answer.status == 404
        assert (await answer.json())["error"] == "NotFoundError"
    async with service.client.head(service.objects("missing")) as answer:
        assert answer.status == 404


async def test_a_listing_goes_on_after_the_last_key(service: Service) -> None:
    for key in ("a/1", "a/2", "a/3", "b/1"):
        await service.store.put(key, key.encode())

    async def page(**query: str) -> list[str]:
        async with service.client.get(f"{service.url}/objects", params=query) as answer:
            assert answer.status == 200
            return [item["key"] for item in await answer.json()]

    assert await page() == ["a/1", "a/2", "a/3", "b/1"]
    assert await page(prefix="a/", limit="2") == ["a/1", "a/2"]
    assert await page(prefix="a/", limit="2", after="a/2") == ["a/3"]


async def test_deleting_can_be_repeated(service: Service) -> None:
    await service.store.put("a", b"")
    for _ in range(2):
        async with service.client.delete(service.objects("a")) as answer:
            assert answer.status == 204
    with pytest.raises(NotFoundError):
        await service.store.head("a")


async def test_a_signed_url_needs_no_service(service_on_bucket: Service) -> None:
    service = service_on_bucket
    await service.store.put("a b.txt", b"words")
    async with service.client.post(f"{service.url}/signed/a b.txt", params={"expires_in": "60"}) as answer:
        url = (await answer.json())["url"]
    assert not url.startswith(service.url)
    async with service.client.get(URL(url, encoded=True)) as answer:
        assert await answer.read() == b"words"
