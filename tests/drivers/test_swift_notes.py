"""The notes of uploads that could not be removed: dropping such an upload deletes no byte that anything is made of."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from aiostore import RetryPolicy, Store
from tests.drivers.test_swift import LARGE, make_store, put_large, raw, segments
from tests.faults.faults import Answer
from tests.faults.proxy import FaultProxy
from tests.servers.swift import SwiftEndpoint

RETRY = RetryPolicy(attempts=2, first_delay=0.001, max_delay=0.001)


@pytest.fixture
async def swift(swift_s3: SwiftEndpoint) -> AsyncIterator[Store]:
    async with make_store(swift_s3, f"notes-{secrets.token_hex(8)}") as store:
        await store.create_container()
        yield store
        versions = [(entry.meta.key, entry.meta.version) async for entry in store.list_versions()]
        for key, version in versions:
            await store.delete(key, version=version)
        async for upload in store.uploads():
            await store.abort_upload(upload)
        await store.delete_container(force=True)


async def keep_versions(store: Store, *, still: bool = True) -> None:
    await raw(store, "POST", None, {"x-versions-enabled": str(still)})


@asynccontextmanager
async def where_notes_stay(endpoint: SwiftEndpoint, store: Store) -> AsyncIterator[Store]:
    """The same container, whose notes of uploads cannot be removed."""
    async with FaultProxy(endpoint.url) as proxy:
        proxy.inject(Answer(status=503), method="DELETE", when=lambda request: "/uploads/" in request.path, times=None)
        url = f"{proxy.url}/v1/AUTH_test"
        name = store.location.removeprefix("swift://")
        async with make_store(endpoint, name, storage_url=url, retry=RETRY) as noted:
            yield noted


async def drop_all(store: Store) -> int:
    uploads = [upload async for upload in store.uploads()]
    for upload in uploads:
        await store.abort_upload(upload)
    return len(uploads)


@pytest.mark.parametrize("kept", ["versions", "suspended versions"])
async def test_a_version_keeps_its_segments_when_the_note_of_its_upload_is_dropped(
    swift_s3: SwiftEndpoint, swift: Store, kept: str
) -> None:
    await keep_versions(swift)
    async with where_notes_stay(swift_s3, swift) as noted:
        await put_large(noted, "key")
    version = (await swift.head("key")).version
    await swift.put("key", b"small")
    if kept == "suspended versions":
        await keep_versions(swift, still=False)
    assert await drop_all(swift) == 1
    assert await swift.get("key", version=version) == LARGE
    assert await drop_all(swift) == 0, "it is not needless, so nobody needs to know of it"


async def test_a_deleted_object_that_has_a_version_keeps_its_segments(swift_s3: SwiftEndpoint, swift: Store) -> None:
    await keep_versions(swift)
    async with where_notes_stay(swift_s3, swift) as noted:
        await put_large(noted, "key")
    await swift.delete("key")
    assert await drop_all(swift) == 1
    await swift.restore("key")
    assert await swift.get("key") == LARGE


@pytest.mark.parametrize("header", ["x-versions-location", "x-history-location"])
async def test_an_archived_state_keeps_its_segments(swift_s3: SwiftEndpoint, swift: Store, header: str) -> None:
    archive = swift.sibling(f"archive-{secrets.token_hex(8)}")
    await archive.create_container()
    await raw(swift, "POST", None, {header: archive.location.removeprefix("swift://")})
    async with where_notes_stay(swift_s3, swift) as noted:
        await put_large(noted, "é/key")
    await swift.put("é/key", b"small")
    assert await drop_all(swift) == 1
    states = [meta.key async for meta in archive.list()]
    assert states
    assert {await archive.get(key) for key in states} == {LARGE}
    await raw(swift, "POST", None, {header.replace("x-", "x-remove-", 1): "x"})
    await archive.delete_container(force=True)


async def test_an_upload_that_no_version_is_made_of_is_dropped_from_a_container_with_versions(
    swift_s3: SwiftEndpoint, swift: Store
) -> None:
    await keep_versions(swift)
    await put_large(swift, "key")
    before = await segments(swift)
    async with FaultProxy(swift_s3.url) as proxy:
        # The process that writes it is killed, as far as the service can tell.
        proxy.inject(
            Answer(status=503), method="PUT", when=lambda request: "multipart-manifest" in request.query, times=None
        )
        proxy.inject(Answer(status=503), method="POST", when=lambda request: "bulk-delete" in request.query, times=None)
        name = swift.location.removeprefix("swift://")
        async with make_store(swift_s3, name, storage_url=f"{proxy.url}/v1/AUTH_test", retry=RETRY) as store:
            with pytest.raises(Exception, match="503"):
                await put_large(store, "key", LARGE[::-1])
    assert len(await segments(swift)) == 2 * len(before) + 1
    assert await drop_all(swift) == 1
    assert await segments(swift) == before
    assert await swift.get("key") == LARGE
