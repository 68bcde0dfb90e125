"""What only Google Cloud Storage has, on the strict server, and what Google's own client makes of the same objects."""

from __future__ import annotations

import asyncio
import gzip
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import TypeAlias

import pytest
import requests
from google.cloud import storage

from aiostore import (
    AlreadyExistsError,
    ConfigurationError,
    Encryption,
    GCSStore,
    NotFoundError,
    NotModifiedError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionFailedError,
    Store,
    UnauthenticatedError,
)
from aiostore.drivers.gcs_composite import HIDDEN, SOURCES
from tests.drivers.gcs_buckets import MIB, bucket_on
from tests.servers.gcs import StrictGCSEndpoint

Both: TypeAlias = tuple[Store, storage.Bucket]

pytestmark = [
    # Google's client closes its connections when it is collected.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
async def both(gcs: StrictGCSEndpoint) -> AsyncIterator[Both]:
    async with bucket_on(gcs) as both:
        yield both


class TestInteroperability:
    async def test_what_google_wrote_is_read_with_all_that_is_stored_with_it(self, both: Both) -> None:
        store, bucket = both
        blob = bucket.blob("dir/a b+é")
        blob.metadata = {"Kind": "odd é", "n": "1"}
        blob.content_language, blob.cache_control = "de", "no-store"
        blob.custom_time = datetime(2026, 1, 2, tzinfo=UTC)
        blob.upload_from_string(b"hello", content_type="text/x")
        head = await store.head("dir/a b+é")
        assert await store.get("dir/a b+é") == b"hello"
        async with store.stream("dir/a b+é") as stream:
            got = stream.meta
        for meta in (head, got):
            assert (meta.size, meta.content_type, meta.content_language) == (5, "text/x", "de")
            assert (meta.cache_control, meta.version) == ("no-store", str(blob.generation))
            assert meta.metadata == {"kind": "odd é", "n": "1"}
            assert meta.extra["customTime"].startswith("2026-01-02")
            assert meta.checksums == {"crc32c": "9a71bb4c", "md5": "5d41402abc4b2a76b9719d911017c592"}
        assert (head.etag, head.last_modified and head.last_modified.replace(microsecond=0)) == (
            got.etag,
            got.last_modified,
        )

    async def test_google_reads_what_was_written_with_all_that_is_stored_with_it(self, both: Both) -> None:
        store, bucket = both
        options = {"content_type": "text/x", "content_disposition": "inline", "storage_class": "NEARLINE"}
        headers = {"x-goog-custom-time": "2026-01-02T00:00:00Z"}
        await store.put("small", b"hello", metadata={"kind": "é"}, tags={"team": "a b"}, headers=headers, **options)  # type: ignore[arg-type]  # all of them are str options
        large = os.urandom(11 * MIB)
        await store.put("large", large, part_size=5 * MIB, metadata={"kind": "é"}, **options)  # type: ignore[arg-type]  # as above
        for name, data in (("small", b"hello"), ("large", large)):
            blob = bucket.get_blob(name)
            assert blob.download_as_bytes(checksum="crc32c") == data
            assert (blob.content_type, blob.content_disposition) == ("text/x", "inline")
            assert (blob.storage_class, blob.metadata["kind"]) == ("NEARLINE", "é")
        assert bucket.get_blob("small").custom_time == datetime(2026, 1, 2, tzinfo=UTC)
        assert await store.get_tags("small") == {"team": "a b"}

    async def test_google_takes_the_pages_of_a_listing_to_be_the_same(self, both: Both) -> None:
        store, bucket = both
        for name in ("a", "b/1", "b/2", "é"):
            bucket.blob(name).upload_from_string(name)
        assert [(meta.key, meta.version) async for meta in store.list()] == [
            (blob.name, str(blob.generation)) for blob in bucket.list_blobs()
        ]


class TestConditions:
    @pytest.mark.parametrize("how", ["answer", "head", "our ETag", "Google's ETag"])
    async def test_an_answer_and_an_etag_of_either_api_name_a_state(self, both: Both, how: str) -> None:
        store, bucket = both
        written = await store.put("a", b"1")
        etags = {"our ETag": written.etag, "Google's ETag": bucket.get_blob("a").etag}
        condition = written if how == "answer" else etags.get(how) or await store.head("a")
        second = await store.put("a", b"2", if_match=condition)
        with pytest.raises(PreconditionFailedError):
            await store.put("a", b"3", if_match=condition)
        assert str(bucket.get_blob("a").generation) == second.version

    async def test_another_object_with_the_same_bytes_is_another_state(self, both: Both) -> None:
        store, _ = both
        first = await store.put("a", b"same")
        second = await store.put("a", b"same")
        assert (first.etag, first.version != second.version) == (second.etag, True)
        with pytest.raises(PreconditionFailedError):
            await store.put("a", b"mine", if_match=first)
        with pytest.raises(PreconditionFailedError):
            await store.delete("a", if_match=first)
        with pytest.raises(PreconditionFailedError):
            await store.get("a", if_match=first)
        with pytest.raises(NotModifiedError):
            await store.get("a", if_none_match=second)
        with pytest.raises(PreconditionFailedError):
            await store.put("a", b"mine", if_none_match=second)

    async def test_one_of_many_large_creators_wins_and_the_parts_of_the_others_are_gone(self, both: Both) -> None:
        store, bucket = both

        async def create(number: int) -> bool:
            try:
                await store.put("large", bytes([number]) * (6 * MIB), part_size=5 * MIB, if_absent=True)
            except AlreadyExistsError:
                return False
            return True

        assert sum(await asyncio.gather(*map(create, range(3)))) == 1
        assert [blob.name for blob in bucket.list_blobs()] == ["large"]


class TestGenerations:
    async def test_generations_are_versions(self, both: Both) -> None:
        store, bucket = both
        bucket.versioning_enabled = True
        bucket.patch()
        first, second = await store.put("a", b"1"), await store.put("a", b"2")
        versions = [version async for version in store.list_versions()]
        assert [(version.meta.version, version.is_latest) for version in versions] == [
            (second.version, True),
            (first.version, False),
        ]
        assert await store.get("a", version=first.version) == b"1"
        await store.restore("a", version=first.version)
        assert await store.get("a") == b"1"
        await store.delete("a")
        assert not await store.exists("a")
        await store.restore("a")
        assert await store.get("a") == b"1"
        await store.restore("a")
        await store.delete("a", version=first.version)
        with pytest.raises(NotFoundError):
            await store.get("a", version=first.version)

    async def test_what_was_softly_deleted_comes_back(self, both: Both) -> None:
        store, bucket = both
        bucket.soft_delete_policy.retention_duration_seconds = 7 * 86400
        bucket.patch()
        await store.put("a", b"1", metadata={"k": "v"})
        await store.delete("a")
        assert [meta.key async for meta in store.list()] == []
        await store.restore("a")
        assert await store.get("a") == b"1"
        with pytest.raises(NotFoundError):
            await store.restore("never was")
        with pytest.raises(NotSupportedError):
            await store.restore("a", days=1)


class TestWrites:
    async def test_what_is_appended_is_composed_on_the_service(self, both: Both) -> None:
        store, bucket = both
        await store.put("log", b"1", metadata={"k": "v"}, content_type="text/x")
        for line in (b"2", b"3"):
            async with store.open("log", "ab") as file:
                await file.write(line)
        blob = bucket.get_blob("log")
        assert (blob.download_as_bytes(), blob.component_count) == (b"123", 3)
        assert (blob.metadata, blob.content_type) == ({"k": "v"}, "text/x")
        assert [found.name for found in bucket.list_blobs()] == ["log"]

    async def test_more_parts_than_one_request_composes(self, gcs: StrictGCSEndpoint) -> None:
        async with bucket_on(gcs, multipart="composite") as (store, bucket):
            data = os.urandom((SOURCES + 3) * 1000)
            result = await store.put("a", data, part_size=1000)
            blob = bucket.get_blob("a")
            assert (str(blob.generation), blob.component_count) == (result.version, SOURCES + 3)
            assert await store.get("a") == data
            assert [found.name for found in bucket.list_blobs()] == ["a"]

    async def test_tags_of_a_large_object_are_there_from_its_beginning(self, both: Both) -> None:
        store, _ = both
        await store.put("a", os.urandom(6 * MIB), part_size=5 * MIB, tags={"k": "v"})
        assert await store.get_tags("a") == {"k": "v"}
        await store.set_tags("a", {"other": "w"})
        assert await store.get_tags("a") == {"other": "w"}
        await store.set_tags("a", {})
        assert await store.get_tags("a") == {}

    async def test_parts_that_are_under_way_are_uploads_and_no_objects(self, gcs: StrictGCSEndpoint) -> None:
        async with bucket_on(gcs) as (store, bucket):
            bucket.blob("visible").upload_from_string(b"x")
            arrived = asyncio.Event()

            async def source() -> AsyncIterator[bytes]:
                yield os.urandom(20 * MIB)
                arrived.set()
                await asyncio.Event().wait()

            task = asyncio.create_task(store.put("a/b", source(), part_size=5 * MIB, if_absent=True))
            await arrived.wait()
            async with asyncio.timeout(20):
                while not [upload async for upload in store.uploads()]:
                    await asyncio.sleep(0.01)
            assert [upload.key async for upload in store.uploads()] == ["a/b"]
            assert any(blob.name.startswith(HIDDEN) for blob in bucket.list_blobs())
            assert [meta.key async for meta in store.list()] == ["visible"]
            assert (await store.list_with_delimiter()).common_prefixes == []
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert [upload.key async for upload in store.uploads()] == []

    async def test_metadata_is_replaced_and_the_rest_kept(self, both: Both) -> None:
        store, bucket = both
        written = await store.put("a", b"x", metadata={"old": "1"}, content_type="text/x", cache_control="no-store")
        changed = await store.set_metadata("a", metadata={"new": "2"})
        blob = bucket.get_blob("a")
        assert (blob.metadata, blob.content_type, blob.cache_control) == ({"new": "2"}, "text/x", "no-store")
        assert (changed.version, blob.metageneration) == (written.version, 2)


class TestEncryption:
    async def test_a_customer_key_is_needed_for_every_read(self, both: Both) -> None:
        store, bucket = both
        mine = Encryption(customer_key=os.urandom(32))
        for size in (5, 6 * MIB):
            data = os.urandom(size)
            await store.put("secret", data, encryption=mine, part_size=5 * MIB)
            assert await store.get("secret", encryption=mine) == data
            assert (await store.head("secret", encryption=mine)).checksums["crc32c"]
            assert bucket.blob("secret", encryption_key=mine.customer_key).download_as_bytes() == data
            with pytest.raises(PermissionDeniedError, match="customer"):
                await store.get("secret")
            with pytest.raises(PermissionDeniedError):
                await store.get("secret", encryption=Encryption(customer_key=os.urandom(32)))

    async def test_a_key_of_the_service_is_named(self, both: Both) -> None:
        store, bucket = both
        name = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
        for size in (5, 6 * MIB):
            await store.put("a", os.urandom(size), encryption=Encryption(kms_key=name), part_size=5 * MIB)
            assert bucket.get_blob("a").kms_key_name.startswith(name)
            assert (await store.head("a")).extra["kmsKeyName"].startswith(name)


class TestTranscoding:
    async def test_what_is_stored_as_gzip_is_read_as_it_is_stored(self, both: Both) -> None:
        store, bucket = both
        plain = b"hello" * 1000
        blob = bucket.blob("zipped")
        blob.content_encoding = "gzip"
        blob.upload_from_string(gzip.compress(plain))
        stored = await store.get("zipped", raw=True)
        assert gzip.decompress(stored) == plain
        assert len(stored) == (await store.head("zipped")).size
        assert await store.get_range("zipped", 0, 2) == b"\x1f\x8b"
        assert await store.get("zipped") == plain


class TestAccess:
    async def test_anybody_reads_what_is_public_and_nothing_else(self, gcs: StrictGCSEndpoint, both: Both) -> None:
        store, bucket = both
        await store.put("small", b"x", acl="public-read")
        await store.put("large", bytes(6 * MIB), part_size=5 * MIB, acl="public-read")
        await store.put("closed", b"x")
        async with GCSStore(bucket.name, endpoint=gcs.url, skip_signature=True) as anybody:
            assert await anybody.get("small") == b"x"
            assert (await anybody.head("small")).size == 1
            assert len(await anybody.get("large")) == 6 * MIB
            for key in ("closed", "missing"):
                with pytest.raises(UnauthenticatedError):
                    await anybody.get(key)
            with pytest.raises(UnauthenticatedError):
                await anybody.put("small", b"y")

    async def test_a_requester_pays(self, gcs: StrictGCSEndpoint, both: Both) -> None:
        store, bucket = both
        await store.put("a", b"x")
        bucket.requester_pays = True
        bucket.patch()
        with pytest.raises(ConfigurationError, match="user_project"):
            await store.get("a")
        paying = type(store)(bucket.name, endpoint=gcs.url, credentials=gcs.account, user_project="payer")  # type: ignore[call-arg]  # a GCSStore
        async with paying:
            assert await paying.get("a") == b"x"
            url = await paying.sign("a")
        assert (await asyncio.to_thread(requests.get, url, timeout=5)).content == b"x"

    async def test_a_signed_url_allows_what_was_signed_alone(self, both: Both) -> None:
        store, bucket = both
        headers = {"Content-Type": "text/x"}
        url = await store.sign("dir/a b+é", method="PUT", headers=headers)
        wrong = await asyncio.to_thread(requests.put, url, b"x", headers={"Content-Type": "text/y"}, timeout=5)
        assert wrong.status_code == 403
        assert (await asyncio.to_thread(requests.put, url, b"x", headers=headers, timeout=5)).status_code == 200
        assert bucket.get_blob("dir/a b+é").content_type == "text/x"
        read = await store.sign("dir/a b+é", params={"response-content-disposition": "attachment"})
        answer = await asyncio.to_thread(requests.get, read, timeout=5)
        assert (answer.content, answer.headers["Content-Disposition"]) == (b"x", "attachment")
        assert (await asyncio.to_thread(requests.get, read.replace("a%20b", "a%20c"), timeout=5)).status_code == 403

    async def test_a_signed_form_takes_what_it_says(self, both: Both) -> None:
        store, bucket = both
        form = await store.sign_post(
            "uploads/${filename}", min_size=1, max_size=10, content_type="text/", fields={"x-goog-meta-kind": "form"}
        )

        def post(data: bytes, **changed: str) -> int:
            fields = {**form.fields, "Content-Type": "text/x", **changed}
            return requests.post(form.url, fields, files={"file": ("é.txt", data)}, timeout=5).status_code

        assert await asyncio.to_thread(post, b"hello") == 204
        assert bucket.get_blob("uploads/é.txt").metadata == {"kind": "form"}
        assert await asyncio.to_thread(post, b"x" * 11) == 400
        assert await asyncio.to_thread(lambda: post(b"x", **{"Content-Type": "image/png"})) == 403
        assert await asyncio.to_thread(lambda: post(b"x", **{"x-goog-meta-kind": "other"})) == 403
