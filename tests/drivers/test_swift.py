"""The Swift driver against OpenStack Swift and Ceph's gateway: large objects and their segments, versions, metadata."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from aiostore import (
    AlreadyExistsError,
    ConfigurationError,
    CorruptedError,
    InvalidKeyError,
    Limits,
    NotFoundError,
    NotSupportedError,
    RetryPolicy,
    Store,
    SwiftStore,
    TransientError,
    UnavailableError,
)
from aiostore._http.document import discard
from aiostore.body import Buffers
from aiostore.drivers.swift import SwiftDriver
from aiostore.drivers.swift_dialect import read_info
from aiostore.testing.conformance.suite import payload
from aiostore.types import CopyOptions, GetOptions, PutOptions
from tests.faults.faults import Answer
from tests.faults.proxy import FaultProxy
from tests.servers.ceph import CephEndpoint
from tests.servers.swift import SwiftEndpoint

PART = 64 * 1024
LARGE = payload(3 * PART + 1)


def make_store(endpoint: SwiftEndpoint | CephEndpoint, container: str, **options: Any) -> SwiftStore:
    if isinstance(endpoint, CephEndpoint):
        who: dict[str, Any] = {
            "auth_url": endpoint.swift_auth_url,
            "username": endpoint.swift_user,
            "password": endpoint.swift_key,
            "dialect": "ceph",
        }
    else:
        who = {"auth_url": endpoint.auth_url, "username": endpoint.user, "password": endpoint.key}
    return SwiftStore(container, **(who | {"limits": Limits(part_size=PART)} | options))


async def _store(endpoint: SwiftEndpoint | CephEndpoint) -> AsyncIterator[Store]:
    async with make_store(endpoint, f"test-{secrets.token_hex(8)}") as store:
        await store.create_container()
        yield store
        await store.delete_container(force=True)


@pytest.fixture
async def swift(swift_s3: SwiftEndpoint) -> AsyncIterator[Store]:
    async for store in _store(swift_s3):
        yield store


@pytest.fixture
async def on_ceph_swift(ceph: CephEndpoint) -> AsyncIterator[Store]:
    async for store in _store(ceph):
        yield store


@pytest.fixture(params=["swift", "on_ceph_swift"])
def either(request: pytest.FixtureRequest) -> Store:
    """A container on each of the services."""
    store: Store = request.getfixturevalue(request.param)
    return store


def driver_of(store: Store) -> SwiftDriver:
    driver = store._raw
    assert isinstance(driver, SwiftDriver)
    return driver


async def raw(
    store: Store, method: str, key: str | None, headers: Mapping[str, str], query: str = "", data: bytes | None = None
) -> Mapping[str, str]:
    """Send what the driver would not send; returns the headers of the answer."""
    body = None if data is None else Buffers((data,))
    response = await driver_of(store)._client.send("raw", method, key, headers, query, body)
    await discard(response)
    return response.headers


async def put_large(store: Store, key: str, data: bytes = LARGE, **options: Any) -> None:
    await store.put(key, data, part_size=PART, **options)


async def segments(store: Store) -> list[str]:
    """Every key in the container of segments."""
    container = driver_of(store)._segments.client.container
    assert container is not None
    try:
        return [meta.key async for meta in store.sibling(container).list()]
    except NotFoundError:
        return []


# --- segments -------------------------------------------------------------------------------------------------------


async def test_a_large_object_has_its_segments_in_a_container_beside_its_own(either: Store) -> None:
    await put_large(either, "key")
    assert (await either.head("key")).extra["x-static-large-object"] == "True"
    kept = await segments(either)
    assert len(kept) == 4
    assert all(key.startswith(".aiostore/segments/") for key in kept)
    assert [meta.key async for meta in either.list()] == ["key"]


async def test_a_deleted_large_object_takes_its_segments_along(either: Store) -> None:
    await put_large(either, "key")
    await either.delete("key")
    assert await segments(either) == []


@pytest.mark.parametrize("small", [True, False], ids=["by a small one", "by a large one"])
async def test_an_overwritten_large_object_takes_its_segments_along(either: Store, small: bool) -> None:
    await put_large(either, "key")
    before = await segments(either)
    if small:
        await either.put("key", b"small")
    else:
        await put_large(either, "key", LARGE[::-1])
    after = await segments(either)
    assert not set(before) & set(after)
    assert len(after) == (0 if small else 4)
    assert await either.get("key") == (b"small" if small else LARGE[::-1])


async def test_a_copy_of_a_large_object_outlives_it(either: Store) -> None:
    await put_large(either, "key")
    await either.copy("key", "copy")
    await either.delete("key")
    assert await either.get("copy") == LARGE
    meta = await either.head("copy")
    assert await either.get("copy", if_match=meta) == LARGE
    await either.copy("copy", "again")
    assert await either.get("again") == LARGE


async def test_a_copy_of_more_than_one_request_takes_is_made_of_ranges(swift: Store) -> None:
    await put_large(swift, "key", metadata={"name": "value"})
    await swift.copy("key", "copy")
    driver_of(swift)._client.service.info = read_info(b'{"swift": {"max_file_size": 100000}}')
    for source in ("key", "copy"):
        await swift.copy(source, "target")
        meta = await swift.head("target")
        assert meta.extra["x-static-large-object"] == "True"
        assert dict(meta.metadata) == {"name": "value"}
        assert await swift.get("target") == LARGE
        await swift.delete("target")
    assert len(await segments(swift)) == 4


async def test_a_copy_over_a_large_object_takes_its_segments_along(swift: Store) -> None:
    await put_large(swift, "key")
    await swift.put("small", b"small")
    await swift.copy("small", "key")
    assert await segments(swift) == []
    assert await swift.get("key") == b"small"


async def test_a_bulk_delete_of_large_and_small_objects_leaves_no_segments(either: Store) -> None:
    await put_large(either, "large")
    await either.put("small", b"small")
    results = await either.delete_many(["small", "large", "missing"])
    assert [(result.key, result.error) for result in results] == [("small", None), ("large", None), ("missing", None)]
    assert [meta.key async for meta in either.list()] == []
    assert await segments(either) == []


async def test_deleting_a_small_object_named_in_a_large_ones_way_deletes_it(either: Store) -> None:
    # The service answers 200 to multipart-manifest=delete, and keeps what is no large object.
    await either.put("key", b"small")
    await either.delete("key")
    assert not await either.exists("key")


async def test_a_large_object_that_was_replaced_before_it_is_deleted_is_deleted_all_the_same(swift: Store) -> None:
    await swift.put("key", b"small")
    assert not await driver_of(swift)._delete_all("key", {})
    assert await swift.get("key") == b"small"


async def test_uploads_that_nobody_finished_are_listed_and_dropped(either: Store) -> None:
    driver = driver_of(either)
    upload = await driver.create_multipart("a b/é", PutOptions())
    part = await driver.put_part(upload, 1, 0, Buffers((b"part",)))
    assert [(found.key, found.id) async for found in either.uploads("a b")] == [("a b/é", upload.id)]
    assert [found.key async for found in either.uploads("other")] == []
    assert [found.key async for found in either.uploads(older_than=timedelta(hours=1))] == []
    (listed,) = (await driver.list_parts(upload)).parts
    assert (listed.number, listed.size, listed.etag) == (part.number, part.size, part.etag)
    await either.abort_upload(upload)
    await either.abort_upload(upload)
    assert [found.key async for found in either.uploads()] == []
    assert await segments(either) == []
    with pytest.raises(NotFoundError):
        await driver.list_parts(upload)


async def test_an_upload_that_was_published_is_not_dropped(either: Store) -> None:
    driver = driver_of(either)
    upload = await driver.create_multipart("key", PutOptions())
    part = await driver.put_part(upload, 1, 0, Buffers((b"part",)))
    await driver.complete_multipart(upload, [part], upload.options)
    await either.abort_upload(upload)
    assert await either.get("key") == b"part"


async def test_a_repeated_completion_keeps_its_own_segments(either: Store) -> None:
    driver = driver_of(either)
    upload = await driver.create_multipart("key", PutOptions())
    part = await driver.put_part(upload, 1, 0, Buffers((b"part",)))
    for _ in range(2):
        await driver.complete_multipart(upload, [part], upload.options)
    assert await either.get("key") == b"part"
    assert [found.id async for found in either.uploads()] == []


async def test_segments_of_an_overwrite_that_was_interrupted_are_listed_and_dropped(either: Store) -> None:
    await put_large(either, "key")
    driver = driver_of(either)
    # As `put` does it, up to where it was interrupted.
    assert await driver._segments.needless_after("put", "key") is not None
    (before,) = [upload async for upload in either.uploads()]
    await either.abort_upload(before)
    assert await either.get("key") == LARGE, "still needed, so nothing was deleted"
    assert await driver._segments.needless_after("put", "key") is not None
    await raw(either, "PUT", "key", {}, data=b"small")
    (after,) = [upload async for upload in either.uploads()]
    await either.abort_upload(after)
    assert await segments(either) == []
    assert await either.get("key") == b"small"


async def test_segments_that_another_tool_made_are_deleted_with_their_object(swift: Store) -> None:
    beside = driver_of(swift)._segments.client.container
    assert beside is not None
    container = swift.sibling(beside)
    await container.create_container()
    manifest = []
    for number in range(2):
        part = await container.put(f"key/slo/{number}", b"part")
        manifest.append({"path": f"/{beside}/key/slo/{number}", "etag": part.etag, "size_bytes": 4})
    for replace in (False, True):
        for number in range(2):
            await container.put(f"key/slo/{number}", b"part")
        await raw(swift, "PUT", "key", {}, "multipart-manifest=put", json.dumps(manifest).encode())
        assert await swift.get("key") == b"partpart"
        await (swift.put("key", b"small") if replace else swift.delete("key"))
        assert await segments(swift) == []


async def test_a_dynamic_large_object_is_read(either: Store) -> None:
    for number in range(3):
        await either.put(f"parts/{number}", f"part {number};".encode())
    container = driver_of(either)._client.container
    await raw(either, "PUT", "key", {"x-object-manifest": f"{container}/parts/"}, data=b"")
    assert await either.get("key") == b"part 0;part 1;part 2;"
    assert await either.get_range("key", 5, 12) == b"0;part "
    await either.set_metadata("key", metadata={"name": "value"})
    assert await either.get("key") == b"part 0;part 1;part 2;"


async def test_a_large_object_is_verified_by_a_checksum_of_the_whole(either: Store) -> None:
    await put_large(either, "key")
    meta = await either.head("key")
    assert list(meta.checksums) == ["crc32c"]
    assert dict(meta.metadata) == {}
    async with either.stream("key") as stream:
        assert b"".join([chunk async for chunk in stream]) == LARGE
        assert stream.verified == "crc32c"
    # Whoever replaces the object's metadata takes the checksum away, and nothing else.
    await raw(either, "POST", "key", {"x-object-meta-name": "value"})
    assert dict((await either.head("key")).checksums) == {}
    assert await either.get("key") == LARGE


async def test_a_large_object_of_other_tools_is_proved_by_its_segments(swift: Store) -> None:
    await put_large(swift, "key")
    # Which do not write the checksum of the whole.
    await raw(swift, "POST", "key", {"x-object-meta-name": "value"})
    assert dict((await swift.head("key")).checksums) == {}
    async with swift.stream("key") as stream:
        assert b"".join([chunk async for chunk in stream]) == LARGE
        assert stream.verified == "md5"
    meta = await swift.head("key")
    parts = (await driver_of(swift).list_ranges("key", meta, GetOptions())).parts
    assert [part.checksums["md5"] for part in parts] == [
        hashlib.md5(LARGE[start : start + PART]).hexdigest() for start in range(0, len(LARGE), PART)
    ]
    assert (
        await driver_of(swift).list_ranges("key", dataclasses.replace(meta, etag="0" * 32), GetOptions())
    ).parts == ()


async def test_the_etag_of_a_large_object_is_the_md5_of_its_segments_md5s(either: Store) -> None:
    result = await either.put("key", LARGE, part_size=PART)
    parts = [LARGE[start : start + PART] for start in range(0, len(LARGE), PART)]
    md5s = "".join(hashlib.md5(part).hexdigest() for part in parts)
    assert result.etag == hashlib.md5(md5s.encode()).hexdigest() == (await either.head("key")).etag


async def test_a_large_object_that_has_lost_a_segment_is_reported_as_corrupted(swift: Store) -> None:
    await put_large(swift, "key")
    beside = driver_of(swift)._segments.client.container
    assert beside is not None
    await swift.sibling(beside).delete((await segments(swift))[0])
    for read in (swift.get("key"), swift.get_range("key", 0, 10)):
        with pytest.raises(CorruptedError, match="a segment of this large object is gone"):
            await read


# --- integrity ------------------------------------------------------------------------------------------------------


async def test_a_body_that_is_not_what_its_checksum_says_is_refused(either: Store) -> None:
    with pytest.raises((CorruptedError, TransientError)):
        await driver_of(either).put("key", Buffers((b"other",)), PutOptions(checksums={"md5": "0" * 32}))
    assert not await either.exists("key")


# --- metadata, expiry, options --------------------------------------------------------------------------------------


async def test_editing_metadata_keeps_what_is_not_named(either: Store) -> None:
    expiry = str(int(time.time()) + 10_000)
    await either.put(
        "key",
        b"value",
        content_type="text/x-test",
        content_disposition="attachment",
        content_language="de",
        cache_control="max-age=1",
        metadata={"old": "é", "other": "value"},
        headers={"X-Delete-At": expiry},
    )
    await either.set_metadata("key", cache_control="no-store")
    meta = await either.head("key")
    assert (meta.content_type, meta.content_disposition, meta.content_language) == ("text/x-test", "attachment", "de")
    assert (meta.cache_control, dict(meta.metadata)) == ("no-store", {"old": "é", "other": "value"})
    assert meta.extra["x-delete-at"] == expiry
    await either.set_metadata("key", metadata={"new": "value"})
    meta = await either.head("key")
    assert (dict(meta.metadata), meta.cache_control) == ({"new": "value"}, "no-store")


async def test_editing_metadata_of_a_large_object_keeps_it_whole(either: Store) -> None:
    await put_large(either, "key", metadata={"old": "value"})
    await either.set_metadata("key", metadata={"new": "value"})
    meta = await either.head("key")
    assert dict(meta.metadata) == {"new": "value"}
    assert list(meta.checksums) == ["crc32c"]
    assert await either.get("key") == LARGE
    await either.delete("key")
    assert await segments(either) == []


async def test_a_large_object_and_its_segments_expire_together(either: Store) -> None:
    await put_large(either, "key", headers={"X-Delete-After": "10000"})
    expiry = (await either.head("key")).extra["x-delete-at"]
    assert abs(int(expiry) - time.time() - 10_000) < 60
    beside = driver_of(either)._segments.client.container
    assert beside is not None
    heads = [await either.sibling(beside).head(key) for key in await segments(either)]
    assert {meta.extra["x-delete-at"] for meta in heads} == {expiry}


@pytest.mark.parametrize("option", [{"tags": {"a": "b"}}, {"storage_class": "COLD"}, {"acl": "private"}])
async def test_what_swift_has_not_is_refused(swift: Store, option: Mapping[str, Any]) -> None:
    with pytest.raises(NotSupportedError):
        await swift.put("key", b"value", **option)
    assert not await swift.exists("key")


async def test_conditions_that_would_be_ignored_are_refused_though_best_effort_would_do(either: Store) -> None:
    old = await either.put("key", b"old")
    with pytest.raises(NotSupportedError):
        await either.put("key", b"new", if_match=old, best_effort=True)
    with pytest.raises(NotSupportedError):
        await either.delete("key", if_match=old, best_effort=True)
    with pytest.raises(NotSupportedError):
        await driver_of(either).copy("key", "copy", CopyOptions(if_match=None, if_none_match=None, acl="x"))
    assert await either.get("key") == b"old"


async def test_create_only_of_a_large_object_with_best_effort(swift: Store) -> None:
    await put_large(swift, "key", if_absent=True, best_effort=True)
    with pytest.raises(AlreadyExistsError):
        await put_large(swift, "key", LARGE[::-1], if_absent=True, best_effort=True)
    assert await swift.get("key") == LARGE
    assert len(await segments(swift)) == 4


async def test_two_creators_at_the_same_moment_may_both_be_told_that_they_won(swift: Store) -> None:
    """Why create-only is no more than a best effort: this only shows that nobody is told of a failure for no reason."""

    async def create(number: int) -> bool:
        try:
            await swift.put("key", str(number).encode(), if_absent=True, best_effort=True)
        except AlreadyExistsError:
            return False
        return True

    assert sum(await asyncio.gather(*map(create, range(10)))) >= 1


async def test_a_key_that_no_object_can_have_is_refused(either: Store) -> None:
    for key in ("nul\0", "a" * 1100):
        with pytest.raises(InvalidKeyError):
            await either.put(key, b"value")


async def test_a_listing_goes_on_page_by_page(either: Store) -> None:
    keys = sorted(["a", "b/1", "b/2", "c", "é"])
    for key in keys:
        await either.put(key, b"")
    found: list[str] = []
    async for page in either.list_pages(limit=2):
        assert len(page.objects) <= 2
        found += [meta.key for meta in page.objects]
    assert found == keys


# --- versions -------------------------------------------------------------------------------------------------------


@pytest.fixture
async def versioned(swift: Store) -> AsyncIterator[Store]:
    """A container that keeps what is replaced; at its end all versions are gone."""
    await raw(swift, "POST", None, {"x-versions-enabled": "true"})
    yield swift
    versions = [entry async for entry in swift.list_versions()]
    for entry in versions:
        await swift.delete(entry.meta.key, version=entry.meta.version)
    await raw(swift, "POST", None, {"x-versions-enabled": "false"})


async def test_versions_are_listed_read_and_restored(versioned: Store) -> None:
    first = await versioned.put("key", b"first")
    second = await versioned.put("key", b"second")
    listed = [entry async for entry in versioned.list_versions()]
    assert [(entry.meta.version, entry.is_latest) for entry in listed] == [
        (second.version, True),
        (first.version, False),
    ]
    assert await versioned.get("key", version=first.version) == b"first"
    await versioned.restore("key", version=first.version)
    assert await versioned.get("key") == b"first"


async def test_a_deleted_object_is_restored(versioned: Store) -> None:
    await versioned.put("key", b"first")
    await versioned.put("key", b"second")
    await versioned.delete("key")
    assert not await versioned.exists("key")
    assert next(iter([entry async for entry in versioned.list_versions("key")])).is_delete_marker
    await versioned.restore("key")
    assert await versioned.get("key") == b"second"
    await versioned.restore("key")
    assert await versioned.get("key") == b"second"
    with pytest.raises(NotFoundError):
        await versioned.restore("missing")


async def test_segments_of_versions_are_kept(versioned: Store) -> None:
    await put_large(versioned, "key")
    large = (await versioned.head("key")).version
    await versioned.put("key", b"small")
    await versioned.delete("key")
    await versioned.delete_many(["key"])
    assert await versioned.get("key", version=large) == LARGE
    beside = driver_of(versioned)._segments.client.container
    assert beside is not None
    assert len(await segments(versioned)) == 4
    await versioned.sibling(beside).delete_many(await segments(versioned))


async def test_segments_of_an_archive_are_kept(swift: Store) -> None:
    archive = swift.sibling(f"archive-{secrets.token_hex(8)}")
    await archive.create_container()
    name = archive.location.removeprefix("swift://")
    await raw(swift, "POST", None, {"x-versions-location": name})
    await put_large(swift, "key")
    await swift.put("key", b"small")
    await swift.delete("key")
    assert await swift.get("key") == LARGE, "the delete has brought the older state back"
    await raw(swift, "POST", None, {"x-remove-versions-location": "x"})
    await archive.delete_container(force=True)


# --- the service ----------------------------------------------------------------------------------------------------


async def test_a_ceph_gateway_that_nobody_named_is_recognised(ceph: CephEndpoint) -> None:
    async with make_store(ceph, "any", dialect="swift") as store:
        with pytest.raises(ConfigurationError, match="dialect='ceph'"):
            await store.put("key", b"value")


async def test_wrong_credentials_are_told_apart_from_a_missing_service(swift_s3: SwiftEndpoint) -> None:
    from aiostore import UnauthenticatedError

    async with make_store(swift_s3, "any", password="wrong-password") as store:
        with pytest.raises(UnauthenticatedError) as caught:
            await store.get("key")
    assert "wrong-password" not in str(caught.value)
    async with make_store(swift_s3, "any", auth_url=f"{swift_s3.url}/nothing/auth/v1.0") as store:
        with pytest.raises((ConfigurationError, UnauthenticatedError)):
            await store.get("key")


async def test_a_listing_that_cannot_be_read_is_an_error_of_the_service(swift_s3: SwiftEndpoint, swift: Store) -> None:
    body = b'[{"name": "a", "last_modified": "yesterday"}]'
    async with FaultProxy(swift_s3.url) as proxy:
        proxy.inject(Answer(status=200, body=body), method="GET", times=None)
        name = swift.location.removeprefix("swift://")
        options: dict[str, Any] = {"storage_url": f"{proxy.url}/v1/AUTH_test", "retry": RetryPolicy(attempts=1)}
        async with make_store(swift_s3, name, **options) as store:
            for listing in (store.list(), store.list_versions()):
                with pytest.raises(UnavailableError, match="cannot be read"):
                    await anext(aiter(listing))
