"""Objects that python-swiftclient writes are read here, and the other way round, large ones included."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from swiftclient.client import Connection
from swiftclient.service import SwiftService, SwiftUploadObject

from tests.drivers.test_swift import LARGE, PART, make_store, put_large, segments
from tests.servers.swift import SwiftEndpoint


@pytest.fixture
def connection(swift_s3: SwiftEndpoint) -> Iterator[Connection]:
    connection = Connection(authurl=swift_s3.auth_url, user=swift_s3.user, key=swift_s3.key, auth_version="1")
    yield connection
    connection.close()


def in_segments(endpoint: SwiftEndpoint, *, use_slo: bool) -> dict[str, object]:
    """Options of python-swiftclient that make it write in segments, static or dynamic."""
    return {
        "auth": endpoint.auth_url,
        "user": endpoint.user,
        "key": endpoint.key,
        "auth_version": "1",
        "segment_size": str(PART),
        "use_slo": use_slo,
    }


async def test_swiftclient_reads_what_we_write(swift_s3: SwiftEndpoint, connection: Connection) -> None:
    async with make_store(swift_s3, f"interop-{secrets.token_hex(8)}") as store:
        await store.create_container()
        name = store.location.removeprefix("swift://")
        await store.put("a b/é", b"value", content_type="text/x-test", metadata={"name": "é"})
        await put_large(store, "large", metadata={"name": "value"})
        headers, data = await asyncio.to_thread(connection.get_object, name, "a b/é")
        assert data == b"value"
        assert (headers["content-type"], headers["x-object-meta-name"]) == ("text/x-test", "é")
        headers, data = await asyncio.to_thread(connection.get_object, name, "large")
        assert data == LARGE
        assert headers["x-object-meta-name"] == "value"
        _, listed = await asyncio.to_thread(connection.get_container, name)
        assert [entry["name"] for entry in listed] == ["a b/é", "large"]
        # The delete of a large object as `swift delete` does it.
        await asyncio.to_thread(connection.delete_object, name, "large", query_string="multipart-manifest=delete")
        assert await segments(store) == []
        await store.delete_container(force=True)


async def test_we_read_replace_and_delete_what_swiftclient_writes(
    swift_s3: SwiftEndpoint, connection: Connection, tmp_path: Path
) -> None:
    async with make_store(swift_s3, f"interop-{secrets.token_hex(8)}") as store:
        await store.create_container()
        name = store.location.removeprefix("swift://")
        await asyncio.to_thread(
            connection.put_object,
            name,
            "a b/é",
            b"value",
            headers={"X-Object-Meta-Name": "é", "Content-Type": "text/x"},
        )
        meta = await store.head("a b/é")
        assert (meta.content_type, dict(meta.metadata)) == ("text/x", {"name": "é"})
        assert await store.get("a b/é") == b"value"
        (tmp_path / "file").write_bytes(LARGE)
        options = in_segments(swift_s3, use_slo=True)

        def upload(*keys: str) -> None:
            with SwiftService(options=options) as service:
                objects = [SwiftUploadObject(str(tmp_path / "file"), object_name=key) for key in keys]
                assert all(result["success"] for result in service.upload(name, objects))

        await asyncio.to_thread(upload, "large", "replaced", "bulk")
        assert await store.get("large") == LARGE
        assert (await store.head("large")).extra["x-static-large-object"] == "True"
        async with store.stream("large") as stream:
            assert b"".join([chunk async for chunk in stream]) == LARGE
            assert stream.verified == "md5", "by the segments in the manifest"
        assert len(await segments(store)) == 12
        await store.delete("large")
        await store.put("replaced", b"small")
        await store.delete_many(["bulk"])
        assert await segments(store) == [], "of what swiftclient wrote, too"
        await store.delete_container(force=True)


async def test_we_read_a_dynamic_large_object_of_swiftclient_and_it_reads_what_we_replace_it_with(
    swift_s3: SwiftEndpoint, connection: Connection, tmp_path: Path
) -> None:
    async with make_store(swift_s3, f"interop-{secrets.token_hex(8)}") as store:
        await store.create_container()
        name = store.location.removeprefix("swift://")
        (tmp_path / "file").write_bytes(LARGE)
        options = in_segments(swift_s3, use_slo=False)

        def upload() -> None:
            with SwiftService(options=options) as service:
                sent = [SwiftUploadObject(str(tmp_path / "file"), object_name="dynamic")]
                assert all(result["success"] for result in service.upload(name, sent))

        await asyncio.to_thread(upload)
        meta = await store.head("dynamic")
        assert meta.size == len(LARGE)
        assert meta.extra["x-object-manifest"].startswith(f"{name}_segments/dynamic/")
        assert await store.get("dynamic") == LARGE
        assert await store.get_range("dynamic", PART - 10, PART + 10) == LARGE[PART - 10 : PART + 10]
        assert b"".join([chunk async for chunk in store.stream("dynamic")]) == LARGE
        await store.copy("dynamic", "copy")
        await put_large(store, "dynamic", LARGE[::-1])
        headers, data = await asyncio.to_thread(connection.get_object, name, "dynamic")
        assert data == LARGE[::-1]
        assert "x-object-manifest" not in headers
        # Its segments are somebody's objects as any others are, and may be wanted.
        kept = [key for key in await segments(store) if key.startswith("dynamic/")]
        assert len(kept) == 4
        await store.sibling(f"{name}_segments").delete_many(kept)
        assert await store.get("copy") == LARGE
        await store.delete_container(force=True)
