"""What a type checker sees of the public API. It is checked, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, assert_type

import aiostore
from aiostore import (
    AsyncObjectStore,
    AzureStore,
    Capabilities,
    ItemResult,
    ListResult,
    LocalStore,
    MemoryStore,
    ObjectMeta,
    ObjectStream,
    PutResult,
    S3Store,
    Store,
    StoreError,
    Upload,
)


def stores_are_what_applications_ask_for() -> Sequence[AsyncObjectStore]:
    return (
        MemoryStore(),
        LocalStore("root"),
        LocalStore(Path("root")),
        AzureStore("container", account="account"),
        S3Store("bucket"),
        S3Store(
            "bucket",
            prefix="data/",
            endpoint="http://localhost",
            region="eu-west-1",
            access_key_id="id",
            secret_access_key="secret",
        ),
    )


async def reads(store: AsyncObjectStore, since: datetime) -> None:
    assert_type(await store.get("key"), bytes)
    assert_type(await store.get("key", start=-5, if_none_match="etag", if_modified_since=since), bytes)
    assert_type(await store.get_range("key", 0, 5), bytes)
    assert_type(await store.get_ranges("key", [(0, 5), (10, 20)]), list[bytes])
    meta = assert_type(await store.head("key"), ObjectMeta)
    assert_type(meta.size, int)
    assert_type(meta.etag, str | None)
    assert_type(meta.last_modified, datetime | None)
    assert_type(meta.metadata, Mapping[str, str])
    assert_type(await store.get("key", if_match=meta), bytes)
    assert_type(await store.exists("key"), bool)


async def streams(store: AsyncObjectStore) -> None:
    stream = assert_type(store.stream("key", chunk_size=1024, concurrency=4), ObjectStream)
    async with stream as entered:
        assert_type(entered, ObjectStream)
        assert_type(entered.meta, ObjectMeta)
        async for chunk in entered:
            assert_type(chunk, bytes)
        assert_type(entered.verified, str | None)
    async for chunk in store.stream("key"):
        assert_type(chunk, bytes)


async def writes(store: AsyncObjectStore, file: BinaryIO, pieces: AsyncIterator[bytes], array: bytearray) -> None:
    result = assert_type(await store.put("key", b"value"), PutResult)
    assert_type(result.etag, str | None)
    assert_type(result.size, int)
    assert_type(result.checksums, Mapping[str, str])
    await store.put("key", array)
    await store.put("key", memoryview(array)[1:])
    await store.put("key", Path("file"))
    await store.put("key", file)
    await store.put("key", [b"a", array])
    await store.put("key", (bytes([number]) for number in range(10)))
    await store.put("key", pieces)
    await store.put("key", store.stream("other"))
    await store.put("key", b"", if_match=result, metadata={"name": "value"}, content_type="text/plain")
    await store.put("key", b"", if_absent=True, best_effort=True, progress=lambda done, total: None)


async def listings(store: AsyncObjectStore) -> None:
    async for meta in store.list("prefix", start_after="prefix/a"):
        assert_type(meta, ObjectMeta)
    level = assert_type(await store.list_with_delimiter("prefix/", delimiter="/"), ListResult)
    assert_type(level.objects, Sequence[ObjectMeta])
    assert_type(level.common_prefixes, Sequence[str])


async def the_rest(store: AsyncObjectStore, result: PutResult) -> None:
    await store.delete("key", if_match=result)
    assert_type(await store.copy("source", "target", if_absent=True), PutResult)
    assert_type(await store.rename("source", "target"), PutResult)
    assert_type(await store.sign("key", method="PUT", expires_in=60.5), str)


async def what_a_store_adds(file: BinaryIO) -> None:
    async with MemoryStore() as memory:
        # Not MemoryStore where a prefix or a sibling is made: these need nothing of its constructor.
        store: Store = memory
        assert_type(await store.size("key"), int)
        assert_type(await store.delete_many(["a", "b"]), list[ItemResult[None]])
        async for result in store.get_many(["a", ("b", {"start": 1})]):
            assert_type(result, ItemResult[bytes])
        async for upload in store.uploads("prefix"):
            assert_type(upload, Upload)
        assert_type(await store.put_json("key", {"a": [1, None]}), PutResult)
        await store.download("key", Path("file"))
        await store.download("key", file)
        await store.upload(Path("file"), "key")
        assert_type(store.with_prefix("prefix/").location, str)
        assert_type(store.sibling("other").capabilities, Capabilities)


async def errors(store: AsyncObjectStore) -> None:
    try:
        await store.get("key")
    except aiostore.NotFoundError as error:
        assert_type(error.key, str | None)
        assert_type(error.errno, int | None)
    except aiostore.RateLimitedError as error:
        assert_type(error.retry_after, float | None)
    except StoreError as error:
        assert_type(error.operation, str | None)
        assert_type(error.store, str | None)


def policies(driver: aiostore.Driver) -> Store:
    return Store(
        driver,
        retry=aiostore.RetryPolicy(attempts=3),
        limits=aiostore.Limits(requests=10),
        integrity="require",
    )
