"""What is kept, and what is pinned, when Google Cloud Storage makes an object of another one or changes metadata."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import pytest
from google.cloud import storage

from aiostore import AlreadyExistsError, Encryption, NotFoundError, NotSupportedError, PreconditionFailedError, Store
from aiostore._http.failure import Failure
from aiostore._http.response import Response
from aiostore.drivers.gcs_client import Client
from aiostore.drivers.gcs_errors import to_store_error
from aiostore.types import CopyOptions, Match, PutOptions
from aiostore.wrappers.observe import Event
from tests.drivers.gcs_buckets import MIB, bucket_on
from tests.servers.gcs import StrictGCSEndpoint

Both: TypeAlias = tuple[Store, storage.Bucket]

KEY = "projects/p/locations/l/keyRings/r/cryptoKeys/k"

pytestmark = [
    # Google's client closes its connections when it is collected.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
async def both(gcs: StrictGCSEndpoint) -> AsyncIterator[Both]:
    async with bucket_on(gcs) as both:
        yield both


async def test_a_conditional_copy_keeps_all_that_is_stored_with_the_source(both: Both) -> None:
    store, bucket = both
    headers = {"x-goog-custom-time": "2026-01-02T00:00:00Z"}
    await store.put("a", b"x", metadata={"k": "v"}, tags={"team": "t"}, storage_class="NEARLINE", headers=headers)
    await store.copy("a", "b", if_absent=True)
    blob = bucket.get_blob("b")
    assert (blob.custom_time.year, blob.storage_class, blob.metadata["k"]) == (2026, "NEARLINE", "v")
    assert await store.get_tags("b") == {"team": "t"}


async def test_a_copy_takes_as_many_calls_as_it_needs(gcs: StrictGCSEndpoint) -> None:
    events: list[Event] = []
    async with bucket_on(gcs, observers=[events.append]) as (store, bucket):
        data = os.urandom(3 * MIB)
        await store.put("a", data, metadata={"k": "v"}, content_type="text/x", encryption=Encryption(kms_key=KEY))
        copied = await store.copy("a", "b")
        # To another key, of the service's own, it goes 1 MiB at a time here.
        assert [event.operation for event in events].count("copy") == 3
        blob = bucket.get_blob("b")
        assert (blob.metadata, blob.content_type, blob.kms_key_name) == ({"k": "v"}, "text/x", None)
        assert (str(blob.generation), blob.download_as_bytes()) == (copied.version, data)


async def test_a_copy_of_an_older_version_has_its_metadata(both: Both) -> None:
    store, bucket = both
    bucket.versioning_enabled = True
    bucket.patch()
    first = await store.put("a", b"1", metadata={"k": "first"})
    await store.put("a", b"2", metadata={"k": "second"})
    options = CopyOptions(source_version=first.version, storage_class="COLDLINE")
    assert (await store._context.driver.copy("a", "b", options)).done
    blob = bucket.get_blob("b")
    assert (blob.download_as_bytes(), blob.metadata, blob.storage_class) == (b"1", {"k": "first"}, "COLDLINE")


async def test_an_older_version_comes_back_encrypted_with_its_key(both: Both) -> None:
    store, bucket = both
    bucket.versioning_enabled = True
    bucket.patch()
    data = os.urandom(2 * MIB)
    first = await store.put("a", data, metadata={"k": "v"}, encryption=Encryption(kms_key=KEY))
    await store.put("a", b"2")
    await store.restore("a", version=first.version)
    blob = bucket.get_blob("a")
    assert (blob.download_as_bytes(), blob.metadata) == (data, {"k": "v"})
    assert blob.kms_key_name.startswith(KEY)


async def test_a_copy_with_nothing_instead_of_the_metadata_has_none(both: Both) -> None:
    store, bucket = both
    await store.put("a", b"x", metadata={"k": "v"}, content_type="text/x")
    await store._context.driver.copy("a", "b", CopyOptions(replace=PutOptions()))
    blob = bucket.get_blob("b")
    assert (blob.metadata, blob.content_type) == (None, "application/octet-stream")


async def test_a_missing_source_is_missing_whatever_the_target_is_to_be(both: Both) -> None:
    store, _ = both
    target = await store.put("b", b"x")
    with pytest.raises(NotFoundError):
        await store._context.driver.copy("a", "b", CopyOptions(if_match=Match(version=target.version)))
    with pytest.raises(NotFoundError):
        await store.copy("a", "b", if_absent=True)


async def test_concurrent_changes_of_metadata_and_tags_are_all_made(both: Both) -> None:
    store, bucket = both
    await store.put("a", b"x", metadata={"old": "1"})
    async with asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(store.set_metadata("a", metadata={"n": str(number)}))
            group.create_task(store.set_tags("a", {"n": str(number)}))
    blob = bucket.get_blob("a")
    assert (list(blob.metadata), blob.metageneration) == (["n"], 7)
    assert list(await store.get_tags("a")) == ["n"]


async def test_google_s_own_etag_names_the_metadata_too(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    store, bucket = both
    await store.put("a", b"1")
    blob = bucket.get_blob("a")
    ask = Client.ask

    async def ask_and_be_late(self: Client, operation: str, method: str, *arguments: Any, **options: Any) -> Any:
        answer = await ask(self, operation, method, *arguments, **options)
        if method == "GET":
            blob.cache_control = "no-store"
            await asyncio.to_thread(blob.patch)
        return answer

    monkeypatch.setattr(Client, "ask", ask_and_be_late)
    with pytest.raises(PreconditionFailedError):
        await store.put("a", b"2", if_match=blob.etag)
    with pytest.raises(PreconditionFailedError):
        await store.delete("a", if_match=blob.etag)
    # The MD5 is one of the bytes alone.
    await store.put("a", b"3", if_match="c4ca4238a0b923820dcc509a6f75849b")
    assert bucket.blob("a").download_as_bytes() == b"3"


@pytest.mark.parametrize("metadata", [{"k": "v"}, {}])
async def test_metadata_is_changed_on_the_conditions_of_the_caller(both: Both, metadata: dict[str, str]) -> None:
    store, _ = both
    driver = store._context.driver
    first, second = await store.put("a", b"1"), await store.put("a", b"2")
    changes = PutOptions(content_type="text/x", metadata=metadata, if_match=Match(version=first.version))
    with pytest.raises(PreconditionFailedError):
        await driver.set_metadata("a", changes)
    with pytest.raises(AlreadyExistsError):
        await driver.set_metadata("a", PutOptions(content_type="t/x", metadata=metadata, if_none_match=Match(etag="*")))
    changed = PutOptions(content_type="text/x", metadata=metadata, if_match=Match(etag=second.etag))
    assert (await driver.set_metadata("a", changed)).version == second.version
    with pytest.raises(PreconditionFailedError):
        await driver.set_metadata("none", changed)


async def test_another_storage_class_is_a_copy_and_no_change_of_metadata(both: Both) -> None:
    store, _ = both
    await store.put("a", b"x")
    for options in (PutOptions(storage_class="COLDLINE"), PutOptions(encryption=Encryption(kms_key=KEY))):
        with pytest.raises(NotSupportedError, match="copy"):
            await store._context.driver.set_metadata("a", options)


async def test_what_is_appended_to_stays_encrypted_with_its_key(both: Both) -> None:
    store, bucket = both
    await store.put("log", b"1", encryption=Encryption(kms_key=KEY))
    async with store.open("log", "ab") as file:
        await file.write(b"2")
    blob = bucket.get_blob("log")
    assert (blob.download_as_bytes(), blob.component_count) == (b"12", 2)
    assert blob.kms_key_name.startswith(KEY)


@pytest.mark.parametrize("done", [True, False], ids=["carried out", "not carried out"])
@pytest.mark.parametrize("step", ["/upload/", "/compose?"])
async def test_an_append_is_made_once_whatever_becomes_of_an_answer(
    both: Both, monkeypatch: pytest.MonkeyPatch, step: str, done: bool
) -> None:
    store, bucket = both
    await store.put("log", b"1")
    send, failures = Client.send, [503]

    async def send_and_fail(
        self: Client, operation: str, method: str, url: str, *arguments: Any, **options: Any
    ) -> Response:
        if step not in url or not failures:
            return await send(self, operation, method, url, *arguments, **options)
        if done:
            await (await send(self, operation, method, url, *arguments, **options)).aclose()
        raise to_store_error(Failure(failures.pop()), operation=operation, key="log")

    monkeypatch.setattr(Client, "send", send_and_fail)
    async with store.open("log", "ab") as file:
        await file.write(b"2")
    assert failures == []
    assert bucket.blob("log").download_as_bytes() == b"12"


@pytest.mark.parametrize("key", ["the bucket does not exist", "#", "?a=b", "a//b", "a/../b", "a/./b", "%2F", "a;b=c&d"])
async def test_a_key_of_any_kind_is_one_object_in_both_apis(both: Both, key: str) -> None:
    store, bucket = both
    await store.delete(key)
    assert [result.error for result in [result async for result in store.delete_many([key])]] == [None]
    await store.put(key, b"hello", metadata={"k": "v"})
    assert [blob.name for blob in bucket.list_blobs()] == [key]
    assert bucket.blob(key).download_as_bytes() == b"hello"
    assert (await store.head(key)).metadata == {"k": "v"}
    assert await store.get(key) == b"hello"
    await store.copy(key, "copied")
    await store.delete(key)
    assert [blob.name for blob in bucket.list_blobs()] == ["copied"]
