"""The S3 driver against real services: conditions, multipart uploads, copies, metadata, versions."""

from __future__ import annotations

import asyncio
import os
import uuid
from dataclasses import replace
from typing import Any

import pytest

from aiostore import checksums
from aiostore.body import Buffers
from aiostore.capabilities import Guarantee
from aiostore.drivers.s3 import S3Driver
from aiostore.errors import (
    AlreadyExistsError,
    NotFoundError,
    PreconditionFailedError,
    StoreError,
    TransientError,
)
from aiostore.types import ANY, CopyOptions, DeleteOptions, GetOptions, Match, PutOptions, PutResult, Upload
from tests.drivers.s3_buckets import (
    MIB,
    WHOLE,
    body,
    get,
    keep_versions,
    put,
)

# --- conditional writes -----------------------------------------------------------------------------------------------


async def test_create_only(s3: S3Driver) -> None:
    await put(s3, "key", if_none_match=ANY)
    with pytest.raises(AlreadyExistsError):
        await put(s3, "key", b"other", if_none_match=ANY)
    assert await get(s3, "key") == b"hello"


@pytest.mark.parametrize("s3", ["ceph", "localstack"], indirect=True)
async def test_replacing_a_known_state(s3: S3Driver) -> None:
    first = await put(s3, "key")
    second = await put(s3, "key", b"second", if_match=Match(etag=first.etag))
    with pytest.raises(PreconditionFailedError):
        await put(s3, "key", b"third", if_match=Match(etag=first.etag))
    with pytest.raises(PreconditionFailedError):
        await put(s3, "missing", if_match=Match(etag=first.etag))
    assert (await s3.head("key", WHOLE)).etag == second.etag


async def _race(*writes: Any) -> int:
    """How many of these writes succeeded; the others were refused, or told to try again."""
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    lost = (AlreadyExistsError, PreconditionFailedError, TransientError)
    assert all(isinstance(outcome, (PutResult, *lost)) for outcome in outcomes), outcomes
    return sum(isinstance(outcome, PutResult) for outcome in outcomes)


@pytest.mark.parametrize("s3", ["ceph", "localstack"], indirect=True)
async def test_one_of_many_creators_wins(s3: S3Driver) -> None:
    assert s3.capabilities.put.if_absent is Guarantee.ATOMIC
    for number in range(4):
        writes = [put(s3, f"key{number}", bytes([rival]), if_none_match=ANY) for rival in range(16)]
        assert await _race(*writes) == 1


@pytest.mark.parametrize("s3", ["ceph", "localstack"], indirect=True)
async def test_one_of_many_who_replace_the_same_state_wins(s3: S3Driver) -> None:
    assert s3.capabilities.put.if_match is Guarantee.ATOMIC
    for number in range(4):
        state = Match(etag=(await put(s3, "key", b"old%d" % number)).etag)
        assert await _race(*[put(s3, "key", b"%d-%d" % (number, n), if_match=state) for n in range(16)]) == 1


async def test_swift_lets_several_creators_win_so_nothing_more_is_promised(on_swift: S3Driver) -> None:
    assert on_swift.capabilities.put.if_absent is Guarantee.BEST_EFFORT
    winners = [
        await _race(*[put(on_swift, f"key{number}", bytes([n]), if_none_match=ANY) for n in range(16)])
        for number in range(8)
    ]
    assert max(winners) > 1


async def test_a_conditional_delete_on_swift(on_swift: S3Driver) -> None:
    etag = (await put(on_swift, "key")).etag
    with pytest.raises(PreconditionFailedError):
        await on_swift.delete("key", DeleteOptions(if_match=Match(etag="0" * 32)))
    await on_swift.delete("key", DeleteOptions(if_match=Match(etag=etag)))
    with pytest.raises(NotFoundError):
        await on_swift.head("key", WHOLE)


# --- multipart --------------------------------------------------------------------------------------------------------


async def test_parts_arrive_in_any_order_and_make_one_object(s3: S3Driver) -> None:
    data = os.urandom(5 * MIB + 11)
    options = PutOptions(content_type="text/plain", metadata={"name": "value"})
    upload = await s3.create_multipart("a b", options)
    last = await s3.put_part(upload, 2, 5 * MIB, body(data[5 * MIB :]))
    first = await s3.put_part(upload, 1, 0, Buffers((data[:7], memoryview(data)[7 : 5 * MIB])))
    listed = [(part.number, part.size, part.etag) for part in (await s3.list_parts(upload)).parts]
    assert listed == [(1, 5 * MIB, first.etag), (2, 11, last.etag)]
    assert [(found.key, found.id) for found in (await s3.list_multipart("a")).uploads] == [("a b", upload.id)]
    result = await s3.complete_multipart(upload, [first, last], PutOptions())
    meta = await s3.head("a b", WHOLE)
    assert (meta.size, meta.etag, meta.content_type, meta.metadata) == (
        len(data),
        result.etag,
        "text/plain",
        {"name": "value"},
    )
    assert result.size == len(data)
    assert await get(s3, "a b") == data
    assert list((await s3.list_multipart("")).uploads) == []


async def test_a_part_can_be_sent_again(s3: S3Driver) -> None:
    upload = await s3.create_multipart("key", PutOptions())
    await s3.put_part(upload, 1, 0, body(b"first"))
    part = await s3.put_part(upload, 1, 0, body(b"second"))
    await s3.complete_multipart(upload, [part], PutOptions())
    assert await get(s3, "key") == b"second"


async def test_a_part_can_be_copied_from_another_object(s3: S3Driver) -> None:
    data = os.urandom(5 * MIB)
    written = await put(s3, "source é", data)
    upload = await s3.create_multipart("key", PutOptions())
    pinned = CopyOptions(source_if_match=Match(etag=written.etag))
    first = await s3.copy_part(upload, 1, 0, "source é", 0, 5 * MIB, pinned)
    last = await s3.copy_part(upload, 2, 5 * MIB, "source é", 1, 4, pinned)
    await s3.complete_multipart(upload, [first, last], PutOptions())
    assert await get(s3, "key") == data + data[1:4]


async def test_a_part_of_another_state_of_the_source_is_refused(s3: S3Driver) -> None:
    await put(s3, "source")
    upload = await s3.create_multipart("key", PutOptions())
    with pytest.raises(PreconditionFailedError):
        await s3.copy_part(upload, 1, 0, "source", 0, 5, CopyOptions(source_if_match=Match(etag="0" * 32)))


async def test_parts_that_are_too_small_are_told(s3: S3Driver) -> None:
    upload = await s3.create_multipart("key", PutOptions())
    parts = [await s3.put_part(upload, number, 5 * number - 5, body(b"small")) for number in (1, 2)]
    with pytest.raises(StoreError, match="smaller than the service allows"):
        await s3.complete_multipart(upload, parts, PutOptions())


async def test_an_upload_continues_in_another_process(s3: S3Driver) -> None:
    upload = await s3.create_multipart("key", PutOptions())
    await s3.put_part(upload, 1, 0, body(b"hello"))
    found = (await s3.list_multipart("")).uploads[0]
    again = Upload(key=found.key, id=found.id)
    await s3.complete_multipart(again, (await s3.list_parts(again)).parts, PutOptions())
    assert await get(s3, "key") == b"hello"


async def test_the_checksum_of_the_whole_is_made_of_those_of_the_parts(on_localstack: S3Driver) -> None:
    data = os.urandom(5 * MIB + 11)
    upload = await on_localstack.create_multipart("key", PutOptions())
    first = await on_localstack.put_part(upload, 1, 0, body(data[: 5 * MIB]))
    last = await on_localstack.put_part(upload, 2, 5 * MIB, body(data[5 * MIB :]))
    hasher = checksums.new("crc64nvme")
    hasher.update(data)
    result = await on_localstack.complete_multipart(upload, [first, last], PutOptions())
    assert result.checksums == {"crc64nvme": hasher.hexdigest()}
    assert (await on_localstack.head("key", WHOLE)).checksums == result.checksums


async def test_a_completion_with_another_checksum_of_the_whole_is_refused(on_localstack: S3Driver) -> None:
    upload = await on_localstack.create_multipart("key", PutOptions())
    first = await on_localstack.put_part(upload, 1, 0, body(bytes(5 * MIB)))
    last = await on_localstack.put_part(upload, 2, 5 * MIB, body(b"tail"))
    with pytest.raises(StoreError):
        await on_localstack.complete_multipart(upload, [first, replace(last, size=5)], PutOptions())


# --- copies, metadata, tags, versions ---------------------------------------------------------------------------------


async def test_a_copy_keeps_all_or_takes_new_metadata(s3: S3Driver) -> None:
    await put(s3, "key", content_type="text/plain", metadata={"a": "1"})
    await s3.copy("key", "same", CopyOptions())
    await s3.copy("key", "other", CopyOptions(replace=PutOptions(content_type="text/x", metadata={"b": "2"})))
    same, other = await s3.head("same", WHOLE), await s3.head("other", WHOLE)
    assert (same.content_type, same.metadata) == ("text/plain", {"a": "1"})
    assert (other.content_type, other.metadata) == ("text/x", {"b": "2"})


async def test_a_copy_from_another_bucket(s3: S3Driver) -> None:
    await put(s3, "key")
    name = f"test-{uuid.uuid4().hex[:16]}"
    other = s3.sibling(name)
    await other.create_container()
    try:
        await other.copy("key", "copied", CopyOptions(source_container=s3.location.removeprefix("s3://")))
        assert await get(other, "copied") == b"hello"
    finally:
        await other.delete("copied", DeleteOptions())
        await other.delete_container()


async def test_copying_an_object_onto_itself_changes_nothing(s3: S3Driver) -> None:
    written = await put(s3, "key", metadata={"a": "1"})
    step = await s3.copy("key", "key", CopyOptions())
    assert step.result is not None
    assert (step.done, step.result.etag, step.result.size) == (True, written.etag, 5)
    with pytest.raises(NotFoundError):
        await s3.copy("missing", "missing", CopyOptions())


async def test_metadata_is_changed_in_place_and_the_rest_kept(s3: S3Driver) -> None:
    await put(s3, "key", content_type="text/plain", cache_control="no-store", metadata={"a": "1"})
    await s3.set_metadata("key", PutOptions(content_type="text/x"))
    meta = await s3.head("key", WHOLE)
    assert (meta.content_type, meta.cache_control, meta.metadata) == ("text/x", "no-store", {"a": "1"})
    await s3.set_metadata("key", PutOptions(metadata={"b": "2"}))
    meta = await s3.head("key", WHOLE)
    assert (meta.content_type, meta.metadata) == ("text/x", {"b": "2"})
    assert await get(s3, "key") == b"hello"


@pytest.mark.parametrize("s3", ["ceph", "localstack"], indirect=True)
async def test_tags_survive_changes_of_metadata(s3: S3Driver) -> None:
    await put(s3, "key", tags={"a b": "c/d", "e": ""})
    assert await s3.get_tags("key") == {"a b": "c/d", "e": ""}
    await s3.set_metadata("key", PutOptions(metadata={"x": "y"}))
    assert await s3.get_tags("key") == {"a b": "c/d", "e": ""}
    await s3.set_tags("key", {"f": "g"})
    assert await s3.get_tags("key") == {"f": "g"}
    await s3.copy("key", "other", CopyOptions(replace=PutOptions(tags={"h": "i"})))
    assert await s3.get_tags("other") == {"h": "i"}
    await s3.set_tags("key", {})
    assert await s3.get_tags("key") == {}


async def test_versions_are_listed_read_restored_and_deleted(s3: S3Driver) -> None:
    await keep_versions(s3)
    first, second = await put(s3, "key", b"1"), await put(s3, "key", b"22")
    await s3.delete("key", DeleteOptions())
    entries = (await s3.list_versions("key")).versions
    assert [(entry.is_latest, entry.is_delete_marker, entry.meta.size) for entry in entries] == [
        (True, True, 0),
        (False, False, 2),
        (False, False, 1),
    ]
    assert await get(s3, "key", GetOptions(version=first.version)) == b"1"
    await s3.restore("key", None, None)
    assert await get(s3, "key") == b"22"
    await s3.restore("key", None, None)
    await s3.restore("key", first.version, None)
    assert await get(s3, "key") == b"1"
    await s3.delete("key", DeleteOptions(version=second.version))
    await s3.delete("key", DeleteOptions(version=second.version))
    with pytest.raises(NotFoundError):
        await s3.head("key", GetOptions(version=second.version))


async def test_restoring_what_never_was_is_an_error(s3: S3Driver) -> None:
    with pytest.raises(NotFoundError, match="restore"):
        await s3.restore("key", None, None)
