"""Azure on Azurite: what this driver writes Azure's own SDK reads, and the other way round."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TypedDict

import pytest
from azure.storage.blob import BlobBlock, BlobType, ContainerClient, ContentSettings, StandardBlobTier
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiostore import (
    AlreadyExistsError,
    AzureStore,
    NotFoundError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionFailedError,
    Store,
)
from aiostore.body import Buffers
from aiostore.drivers.azure_blocks import block_id
from aiostore.testing.conformance.suite import payload
from aiostore.types import PutOptions
from tests.drivers.azure_containers import PART, container
from tests.servers.azurite import AzuriteEndpoint


class Headers(TypedDict):
    content_type: str
    content_encoding: str
    content_disposition: str
    content_language: str
    cache_control: str


HEADERS: Headers = {
    "content_type": "text/x-test; charset=utf-8",
    "content_encoding": "x-test",
    "content_disposition": 'attachment; filename="a b"',
    "content_language": "de-CH",
    "cache_control": "max-age=60",
}


class TestWithTheSDK:
    @pytest.fixture
    async def both(self, azurite: AzuriteEndpoint) -> AsyncIterator[tuple[AzureStore, ContainerClient]]:
        async with container(azurite) as found:
            yield found

    @pytest.mark.parametrize("size", [0, 1000, 3 * PART + 1], ids=["empty", "one put", "blocks"])
    async def test_the_sdk_reads_what_is_written_here(self, both: tuple[Store, ContainerClient], size: int) -> None:
        store, judge = both
        data = payload(size)
        await store.put(
            "a b/é+%", data, metadata={"name": "value", "under_score": "x"}, tags={"tag": "a b"}, part_size=PART,
            **HEADERS,
        )  # fmt: skip
        blob = judge.get_blob_client("a b/é+%")
        properties = blob.get_blob_properties()
        assert blob.download_blob(validate_content=True).readall() == data
        assert {name: properties.content_settings[name] for name in HEADERS} == HEADERS
        assert {name: value for name, value in properties.metadata.items() if "aiostore" not in name} == {
            "name": "value",
            "under_score": "x",
        }
        assert blob.get_blob_tags() == {"tag": "a b"}

    @pytest.mark.parametrize("size", [0, 1000, 3 * PART + 1], ids=["empty", "one put", "blocks"])
    async def test_what_the_sdk_writes_is_read_here(self, both: tuple[Store, ContainerClient], size: int) -> None:
        store, judge = both
        data = payload(size)
        blob = judge.get_blob_client("a b/é+%")
        settings = ContentSettings(**HEADERS)
        if size > PART:
            blocks = [data[start : start + PART] for start in range(0, size, PART)]
            for number, block in enumerate(blocks):
                blob.stage_block(block_id("0" * 24, number), block)
            blob.commit_block_list(
                [BlobBlock(block_id("0" * 24, number)) for number in range(len(blocks))],
                content_settings=settings, metadata={"name": "value"}, tags={"tag": "a b"},
            )  # fmt: skip
        else:
            blob.upload_blob(data, content_settings=settings, metadata={"name": "value"}, tags={"tag": "a b"})
        meta = await store.head("a b/é+%")
        assert await store.get("a b/é+%") == data
        assert dict(meta.metadata) == {"name": "value"}
        assert {name: getattr(meta, name) for name in HEADERS} == HEADERS
        assert await store.get_tags("a b/é+%") == {"tag": "a b"}
        assert [(listed.key, listed.size, listed.etag) async for listed in store.list()] == [
            (meta.key, meta.size, meta.etag)
        ]

    async def test_names_that_are_no_identifiers_are_escaped_for_others(
        self, both: tuple[Store, ContainerClient]
    ) -> None:
        store, judge = both
        await store.put("key", b"value", metadata={"with-dash": "1", "a.b": "2", "9": "3", "_x002d_": "4"})
        assert judge.get_blob_client("key").get_blob_properties().metadata == {
            "with_x002d_dash": "1",
            "a_x002e_b": "2",
            "_x0039_": "3",
            "_x005f_x002d_": "4",
        }
        assert dict((await store.head("key")).metadata) == {"with-dash": "1", "a.b": "2", "9": "3", "_x002d_": "4"}

    @settings(
        deadline=None, max_examples=25,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )  # fmt: skip
    @given(
        key=st.text(
            st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs"), exclude_characters="\\"),
            min_size=1, max_size=50,
        ).filter(lambda key: key[-1] != "." and {".", ".."}.isdisjoint(key.split("/")))
    )  # fmt: skip
    async def test_any_key_is_the_same_blob_for_both(self, both: tuple[Store, ContainerClient], key: str) -> None:
        store, judge = both
        await store.put(key, key.encode())
        assert judge.get_blob_client(key).download_blob().readall() == key.encode()
        await store.delete(key)

    async def test_snapshots_are_versions_that_can_be_read_listed_restored_and_deleted(
        self, both: tuple[Store, ContainerClient]
    ) -> None:
        store, judge = both
        await store.put("key", b"first", metadata={"name": "first"})
        judge.get_blob_client("key").create_snapshot()
        await asyncio.sleep(0.002)  # a snapshot is named by its time, in milliseconds
        await store.put("key", b"second")
        judge.get_blob_client("key").create_snapshot()
        await store.put("key", b"third")
        await store.put("other", b"")
        versions = [version async for version in store.list_versions("key")]
        assert [(version.is_latest, version.meta.size) for version in versions] == [(True, 5), (False, 6), (False, 5)]
        oldest = versions[2].meta.version
        assert oldest is not None
        assert oldest.startswith("snapshot:")
        assert await store.get("key", version=oldest) == b"first"
        assert (await store.head("key", version=oldest)).version == oldest
        await store.restore("key", version=oldest)
        assert await store.get("key") == b"first"
        assert dict((await store.head("key")).metadata) == {"name": "first"}
        await store.delete("key", version=oldest)
        with pytest.raises(NotFoundError):
            await store.get("key", version=oldest)
        assert await store.get("key") == b"first"
        await store.delete("key")
        assert [version.meta.key async for version in store.list_versions()] == ["other"]

    async def test_a_snapshot_that_is_made_here_is_one_for_the_sdk(
        self, both: tuple[AzureStore, ContainerClient]
    ) -> None:
        store, judge = both
        first = await store.put("a b/é", b"first", metadata={"name": "first"})
        plain = await store.create_snapshot("a b/é", if_match=first)
        named = await store.create_snapshot("a b/é", metadata={"with-dash": "x"})
        await store.put("a b/é", b"second")
        assert {plain.version, named.version} == {
            version.meta.version async for version in store.list_versions("a b/é") if not version.is_latest
        }
        for snapshot, metadata in ((plain, {"name": "first"}), (named, {"with_x002d_dash": "x"})):
            assert snapshot.version is not None
            blob = judge.get_blob_client("a b/é", snapshot=snapshot.version.removeprefix("snapshot:"))
            assert blob.download_blob().readall() == b"first"
            kept = blob.get_blob_properties().metadata
            assert {name: value for name, value in kept.items() if "aiostore" not in name} == metadata
        assert await store.get("a b/é", version=plain.version) == b"first"
        with pytest.raises(PreconditionFailedError):
            await store.create_snapshot("a b/é", if_match=first)
        with pytest.raises(NotFoundError):
            await store.create_snapshot("missing")

    async def test_an_archived_object_is_read_after_it_was_restored(self, both: tuple[Store, ContainerClient]) -> None:
        store, judge = both
        await store.put("key", b"value", storage_class="Archive")
        assert (await store.head("key")).storage_class == "Archive"
        with pytest.raises(PermissionDeniedError, match="archived"):
            await store.get("key")
        await store.restore("key", days=1)
        assert judge.get_blob_client("key").get_blob_properties().blob_tier == StandardBlobTier.HOT
        assert await store.get("key") == b"value"

    async def test_what_is_not_archived_keeps_its_class_when_it_is_restored(
        self, both: tuple[Store, ContainerClient]
    ) -> None:
        store, _ = both
        await store.put("key", b"value", storage_class="Cool")
        await store.restore("key", days=1)
        assert (await store.head("key")).storage_class == "Cool"

    async def test_what_is_appended_to_becomes_an_append_blob(self, both: tuple[Store, ContainerClient]) -> None:
        store, judge = both
        for text in ("first\n", "second\n"):
            async with store.open("log", "at") as file:
                await file.write(text)
        judge.get_blob_client("log").append_block(b"third\n")
        properties = judge.get_blob_client("log").get_blob_properties()
        assert properties.blob_type == BlobType.APPENDBLOB
        assert properties.append_blob_committed_block_count == 3
        assert await store.get("log") == b"first\nsecond\nthird\n"

    async def test_more_than_a_block_holds_is_appended_in_several(
        self, azurite: AzuriteEndpoint, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("aiostore.drivers.azure.MAX_APPEND", 10_000)
        async with container(azurite) as (store, judge):
            for seed in (1, 2):
                async with store.open("log", "ab", metadata={"name": "value"}) as file:
                    await file.write(payload(25_000, seed))
            properties = judge.get_blob_client("log").get_blob_properties()
            assert properties.append_blob_committed_block_count == 6
            assert properties.metadata == {"name": "value"}
            assert await store.get("log") == payload(25_000, 1) + payload(25_000, 2)

    async def test_an_append_is_refused_if_another_came_before(self, both: tuple[Store, ContainerClient]) -> None:
        store, judge = both
        async with store.open("log", "ab") as file:
            await file.write(b"first")
        with pytest.raises(PreconditionFailedError):
            async with store.open("log", "ab") as file:
                await file.write(b"second")
                judge.get_blob_client("log").append_block(b"rival")
        assert await store.get("log") == b"firstrival"

    async def test_a_put_replaces_an_append_blob(self, both: tuple[Store, ContainerClient]) -> None:
        store, _ = both
        async with store.open("log", "ab") as file:
            await file.write(b"first")
        await store.put("log", b"new")
        assert await store.get("log") == b"new"

    async def test_a_rival_who_publishes_first_is_named_as_the_reason(
        self, both: tuple[Store, ContainerClient]
    ) -> None:
        store, _ = both

        async def arriving() -> AsyncIterator[bytes]:
            for number in range(3):
                yield payload(PART, number)
            await store.put("key", payload(3 * PART, 9), part_size=PART)

        with pytest.raises(PreconditionFailedError, match="another writer has published"):
            await store.put("key", arriving(), part_size=PART)
        assert await store.get("key") == payload(3 * PART, 9)
        with pytest.raises(AlreadyExistsError):
            await store.put("key", arriving(), part_size=PART, if_absent=True)

    async def test_blocks_with_ids_of_another_length_are_named_as_the_reason(
        self, both: tuple[Store, ContainerClient]
    ) -> None:
        store, judge = both
        judge.get_blob_client("key").stage_block("c2hvcnQ=", b"of another program")
        with pytest.raises(PreconditionFailedError, match="another length"):
            await store.put("key", payload(3 * PART), part_size=PART)
        await store.put("key", b"one put")
        assert await store.get("key") == b"one put"

    async def test_parts_that_nobody_published_are_listed_and_expire_by_themselves(
        self, both: tuple[Store, ContainerClient]
    ) -> None:
        store, _ = both
        driver = store._context.driver
        upload = await driver.create_multipart("key", PutOptions())
        for number in (2, 1):
            await driver.put_part(upload, number, 0, Buffers((bytes(number),)))
        other = await driver.create_multipart("key", PutOptions())
        await driver.put_part(other, 1, 0, Buffers((b"other",)))
        parts = (await driver.list_parts(upload)).parts
        assert [(part.number, part.size) for part in parts] == [(1, 1), (2, 2)]
        await driver.abort_multipart(upload)
        assert not await store.exists("key")

    async def test_metadata_and_headers_are_changed_apart(self, both: tuple[Store, ContainerClient]) -> None:
        store, judge = both
        await store.put("key", b"value", metadata={"name": "old"}, **HEADERS)
        await store.set_metadata("key", cache_control="no-store")
        meta = await store.head("key")
        assert (meta.cache_control, meta.content_type, dict(meta.metadata)) == (
            "no-store", HEADERS["content_type"], {"name": "old"},
        )  # fmt: skip
        assert meta.checksums
        result = await store.set_metadata("key", metadata={"name": "new"})
        properties = judge.get_blob_client("key").get_blob_properties()
        assert properties.metadata == {"name": "new"}
        assert properties.content_settings.cache_control == "no-store"
        assert properties.etag.strip('"') == result.etag == (await store.head("key")).etag
        assert await store.get("key") == b"value"

    async def test_a_copy_keeps_tags(self, both: tuple[Store, ContainerClient]) -> None:
        store, judge = both
        await store.put("source", b"value", tags={"tag": "value"})
        await store.copy("source", "target")
        assert judge.get_blob_client("target").get_blob_tags() == {"tag": "value"}

    async def test_a_bulk_delete_takes_snapshots_along_and_reports_what_it_cannot(
        self, both: tuple[Store, ContainerClient]
    ) -> None:
        store, judge = both
        for key in ("a", "é b", "leased"):
            await store.put(key, b"value")
        judge.get_blob_client("a").create_snapshot()
        lease = judge.get_blob_client("leased").acquire_lease()
        results = await store.delete_many(["a", "é b", "missing", "leased", "../a"])
        assert [type(result.error).__name__ for result in results] == [
            "NoneType", "NoneType", "NoneType", "PreconditionFailedError", "InvalidKeyError",
        ]  # fmt: skip
        lease.release()
        assert [meta.key async for meta in store.list()] == ["leased"]

    async def test_a_lease_of_another_refuses_writes(self, both: tuple[Store, ContainerClient]) -> None:
        store, judge = both
        await store.put("key", b"value")
        lease = judge.get_blob_client("key").acquire_lease()
        with pytest.raises(PreconditionFailedError, match="lease"):
            await store.put("key", b"new")
        lease.release()
        assert await store.get("key") == b"value"

    async def test_uploads_are_none_to_speak_of(self, both: tuple[Store, ContainerClient]) -> None:
        store, _ = both
        with pytest.raises(NotSupportedError):
            assert [upload async for upload in store.uploads(older_than=timedelta(0))]
