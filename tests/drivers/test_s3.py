"""The S3 driver against real services: objects, listings, buckets."""

from __future__ import annotations

import asyncio
import os
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from aiostore import checksums
from aiostore.body import FileRegion
from aiostore.drivers.s3 import S3Driver
from aiostore.errors import (
    AlreadyExistsError,
    ConfigurationError,
    InvalidRangeError,
    NotFoundError,
    NotModifiedError,
    PreconditionFailedError,
    UnavailableError,
)
from aiostore.types import CopyOptions, DeleteOptions, GetOptions, ListOptions, Match, PutOptions, SignOptions
from tests.drivers.s3_buckets import (
    MD5,
    MIB,
    ODD_KEYS,
    WHOLE,
    body,
    connect,
    fetch,
    get,
    put,
    raw,
)
from tests.servers.server import S3Endpoint

# --- one object -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ODD_KEYS)
async def test_an_odd_key_can_be_written_read_listed_copied_signed_and_deleted(s3: S3Driver, key: str) -> None:
    await put(s3, key)
    assert await get(s3, key) == b"hello"
    assert (await s3.head(key, WHOLE)).key == key
    assert [meta.key for meta in (await s3.list_page(ListOptions(prefix=key))).objects] == [key]
    await s3.copy(key, "copy", CopyOptions())
    url = await s3.sign(key, SignOptions())
    assert await fetch("GET", url) == (200, b"hello")
    (result,) = await s3.delete_many([key], DeleteOptions())
    assert result.error is None
    with pytest.raises(NotFoundError):
        await s3.get(key, WHOLE)


async def test_all_that_is_stored_with_an_object_comes_back(s3: S3Driver) -> None:
    options = PutOptions(
        content_type="text/plain; charset=utf-8",
        content_encoding="gzip",
        content_disposition='attachment; filename="a b.txt"',
        content_language="de",
        cache_control="max-age=60",
        metadata={"plain": "a b  c", "unicode": "ü 😀", "empty-not": "x", "looks-encoded": "=?UTF-8?B?eA==?="},
    )
    await s3.put("key", body(b"hello"), options)
    meta = await s3.head("key", WHOLE)
    assert (meta.content_type, meta.content_encoding, meta.content_disposition) == (
        options.content_type,
        options.content_encoding,
        options.content_disposition,
    )
    assert (meta.content_language, meta.cache_control) == ("de", "max-age=60")
    assert meta.metadata == options.metadata
    assert replace((await s3.get("key", WHOLE)).meta) == meta


@pytest.mark.parametrize(
    ("start", "stop", "expected"),
    [
        (0, 1, b"h"),
        (1, 3, b"el"),
        (4, 5, b"o"),
        (2, None, b"llo"),
        (2, 999, b"llo"),
        (-2, None, b"lo"),
        (-99, None, b"hello"),
    ],
)
async def test_ranges(s3: S3Driver, start: int, stop: int | None, expected: bytes) -> None:
    await put(s3, "key")
    result = await s3.get("key", GetOptions(start=start, stop=stop))
    assert await result.stream.read() == expected
    assert b"hello"[result.start : result.stop] == expected
    assert result.meta.size == 5


@pytest.mark.parametrize(("data", "start"), [(b"hello", 5), (b"hello", 9), (b"", 1), (b"", -1)])
async def test_a_range_that_starts_past_the_end_is_refused(s3: S3Driver, data: bytes, start: int) -> None:
    await put(s3, "key", data)
    with pytest.raises(InvalidRangeError):
        await s3.get("key", GetOptions(start=start))


async def test_an_empty_object_is_read_whole(s3: S3Driver) -> None:
    await put(s3, "key", b"")
    result = await s3.get("key", GetOptions(start=0))
    assert (await result.stream.read(), result.start, result.stop, result.meta.size) == (b"", 0, 0, 0)


async def test_conditions_of_reads(s3: S3Driver) -> None:
    etag = (await put(s3, "key")).etag
    same, other = Match(etag=etag), Match(etag="0" * 32)
    assert await get(s3, "key", GetOptions(if_match=same, if_none_match=other)) == b"hello"
    for read in (s3.get, s3.head):
        with pytest.raises(PreconditionFailedError):
            await read("key", GetOptions(if_match=other))
        with pytest.raises(NotModifiedError):
            await read("key", GetOptions(if_none_match=same))


async def test_a_file_is_sent_without_being_loaded(s3: S3Driver, tmp_path: Path) -> None:
    data = os.urandom(3 * MIB + 7)
    (tmp_path / "file").write_bytes(b"before" + data + b"after")
    await s3.put("key", FileRegion(tmp_path / "file", 6, len(data)), PutOptions())
    assert await get(s3, "key") == data


@pytest.mark.parametrize("what", ["bucket", "object", "version", "upload"])
async def test_what_is_missing_is_named(s3: S3Driver, what: str) -> None:
    if what == "bucket":
        with pytest.raises(NotFoundError, match="bucket"):
            await s3.sibling(f"missing-{uuid.uuid4().hex}").get("key", WHOLE)
    elif what == "object":
        with pytest.raises(NotFoundError, match="no such object"):
            await s3.get("key", WHOLE)
    elif what == "version":
        await put(s3, "key")
        with pytest.raises(NotFoundError):
            await s3.get("key", GetOptions(version="3HL4kqtJvjVBH40Nrjfkd"))
    else:
        upload = await s3.create_multipart("key", PutOptions())
        await s3.abort_multipart(upload)
        await s3.abort_multipart(upload)
        with pytest.raises(NotFoundError, match="upload"):
            await s3.list_parts(upload)


async def test_deleting_what_is_not_there_succeeds_and_a_missing_bucket_is_an_error(s3: S3Driver) -> None:
    await s3.delete("key", DeleteOptions())
    with pytest.raises(NotFoundError, match="bucket"):
        await s3.sibling(f"missing-{uuid.uuid4().hex}").delete("key", DeleteOptions())


async def test_bytes_that_were_damaged_on_the_way_are_refused(s3: S3Driver) -> None:
    algorithm = "crc64nvme" if s3.capabilities.checksums[0] == "crc64nvme" else "sha256"
    width = 16 if algorithm == "crc64nvme" else 64
    with pytest.raises(UnavailableError, match="damaged"):
        await put(s3, "key", checksums={algorithm: "0" * width})
    with pytest.raises(NotFoundError):
        await s3.head("key", WHOLE)


async def test_bytes_whose_md5_is_known_are_compared_with_it(s3: S3Driver) -> None:
    assert (await put(s3, "key", checksums={"md5": MD5})).checksums["md5"] == MD5
    with pytest.raises(UnavailableError, match="damaged"):
        await put(s3, "other", checksums={"md5": "0" * 32})


async def test_the_checksum_that_a_write_held_is_the_one_that_a_read_tells_or_can_be_compared(s3: S3Driver) -> None:
    written = await put(s3, "key")
    told = (await s3.head("key", WHOLE)).checksums
    assert told
    for algorithm, digest in {**told, **written.checksums}.items():
        hasher = checksums.new(algorithm)
        hasher.update(b"hello")
        assert hasher.hexdigest() == digest


# --- listings ---------------------------------------------------------------------------------------------------------


async def test_pages_of_a_listing_are_in_order_and_complete(s3: S3Driver) -> None:
    keys = sorted([f"k{number:02}" for number in range(12)] + ["k é", "k😀", "k+", "k%2B"], key=str.encode)
    await asyncio.gather(*(put(s3, key) for key in keys))
    found: list[str] = []
    token = None
    while True:
        page = await s3.list_page(ListOptions(prefix="k", page_token=token, limit=5))
        assert len(page.objects) <= 5
        found += [meta.key for meta in page.objects]
        token = page.next_token
        if token is None:
            break
    assert found == keys
    after = await s3.list_page(ListOptions(start_after="k05"))
    assert [meta.key for meta in after.objects] == [key for key in keys if key.encode() > b"k05"]


async def test_a_listing_tells_size_etag_and_time(s3: S3Driver) -> None:
    await put(s3, "key")
    (listed,) = (await s3.list_page(ListOptions())).objects
    head = await s3.head("key", WHOLE)
    assert (listed.size, listed.etag) == (5, head.etag)
    assert listed.last_modified is not None
    assert head.last_modified is not None
    assert abs((listed.last_modified - head.last_modified).total_seconds()) < 2


async def test_one_level_of_a_listing(s3: S3Driver) -> None:
    for key in ("a/1", "a/2", "b c/1", "d"):
        await put(s3, key)
    page = await s3.list_page(ListOptions(delimiter="/"))
    assert ([meta.key for meta in page.objects], page.common_prefixes) == (["d"], ["a/", "b c/"])


async def test_a_bulk_delete_takes_existing_missing_and_odd_keys(s3: S3Driver) -> None:
    keys = [*ODD_KEYS, "cr\rlf\n", "control\x01"]
    await asyncio.gather(*(put(s3, key) for key in keys))
    results = await s3.delete_many([*keys, "missing"], DeleteOptions())
    assert [(result.key, result.error) for result in results] == [(key, None) for key in [*keys, "missing"]]
    assert (await s3.list_page(ListOptions())).objects == []


# --- buckets ----------------------------------------------------------------------------------------------------------


async def test_a_bucket_is_created_listed_and_deleted_once(s3: S3Driver) -> None:
    name = f"test-{uuid.uuid4().hex[:16]}"
    other = s3.sibling(name)
    await other.create_container()
    with pytest.raises(AlreadyExistsError):
        await other.create_container()
    assert name in [container.name for container in (await s3.list_containers()).containers]
    await put(other, "key")
    with pytest.raises(PreconditionFailedError, match="not empty"):
        await other.delete_container()
    await other.delete("key", DeleteOptions())
    await other.delete_container()
    await other.delete_container()
    assert name not in [container.name for container in (await s3.list_containers()).containers]


async def test_a_bucket_name_that_the_service_does_not_take(on_ceph: S3Driver) -> None:
    with pytest.raises(ConfigurationError, match="bucket name"):
        await on_ceph.sibling("Ab").create_container()


async def test_a_bucket_in_a_region(localstack: S3Endpoint) -> None:
    driver = connect(localstack, "localstack", f"test-{uuid.uuid4().hex[:16]}", region="eu-west-1")
    await driver.create_container()
    try:
        location = await raw(driver, "HEAD", None, {})
        assert location["x-amz-bucket-region"] == "eu-west-1"
    finally:
        await driver.delete_container()
        await driver.aclose()
