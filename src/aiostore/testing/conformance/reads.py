"""Whole reads, what is known of an object, conditions on reads, and downloads."""
# ruff: noqa: D102, S101  # a test's name says what it shows

from __future__ import annotations

import io
import os
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aiostore.errors import NotFoundError, NotModifiedError, PreconditionFailedError
from aiostore.store import Store
from aiostore.testing.conformance.suite import Suite, payload


class Reads(Suite):
    """Tests of ``get``, ``head``, ``exists``, ``size``, ``get_json`` and ``download``."""

    async def test_get_gives_bytes(self, store: Store) -> None:
        await store.put("key", bytearray(b"value"))
        assert type(await store.get("key")) is bytes

    async def test_a_large_object_is_read_whole(self, store: Store) -> None:
        data = payload(4 * self.part_size + 11)
        await store.put("key", data)
        assert await store.get("key") == data

    async def test_exists_and_size(self, store: Store) -> None:
        assert not await store.exists("key")
        await store.put("key", b"12345")
        assert await store.exists("key")
        assert await store.size("key") == 5

    async def test_a_prefix_of_keys_is_no_object(self, store: Store) -> None:
        await store.put("trailing/key", b"value")
        for key in ("trailing", "trailing/"):
            if key not in self.refused_keys:
                assert not await store.exists(key)
                with pytest.raises(NotFoundError):
                    await store.get(key)

    @pytest.mark.parametrize("verb", ["get", "head", "size", "stream", "get_range", "get_ranges", "get_json"])
    async def test_reading_a_missing_object_says_so(self, store: Store, verb: str) -> None:
        async def stream(key: str) -> bytes:
            return b"".join([chunk async for chunk in store.stream(key)])

        calls: Mapping[str, Callable[[str], Awaitable[object]]] = {
            "get": store.get,
            "head": store.head,
            "size": store.size,
            "stream": stream,
            "get_range": lambda key: store.get_range(key, 0, 10),
            "get_ranges": lambda key: store.get_ranges(key, [(0, 10)]),
            "get_json": store.get_json,
        }
        with pytest.raises(NotFoundError) as caught:
            await calls[verb]("missing/key")
        assert isinstance(caught.value, FileNotFoundError)
        assert caught.value.key == "missing/key"
        assert caught.value.operation
        assert caught.value.store

    async def test_if_match_that_holds_reads(self, store: Store) -> None:
        state = await self.written(store, "key", b"value")
        assert state.etag
        for condition in (state.etag, state, await store.head("key")):
            assert await store.get("key", if_match=condition) == b"value"

    async def test_if_match_that_does_not_hold_is_refused(self, store: Store) -> None:
        old = await self.written(store, "key", b"older")
        await store.put("key", b"new")
        assert old.etag
        for condition in (old.etag, old):
            with pytest.raises(PreconditionFailedError):
                await store.get("key", if_match=condition)

    async def test_if_none_match_of_the_same_object_is_not_modified(self, store: Store) -> None:
        state = await self.written(store, "key", b"value")
        assert state.etag
        for condition in (state.etag, state, await store.head("key")):
            with pytest.raises(NotModifiedError) as caught:
                await store.get("key", if_none_match=condition)
            assert caught.value.key == "key"

    async def test_if_none_match_of_another_object_reads(self, store: Store) -> None:
        old = await self.written(store, "key", b"older")
        await store.put("key", b"new")
        assert await store.get("key", if_none_match=old) == b"new"

    async def test_an_object_that_is_not_newer_is_not_modified(self, store: Store) -> None:
        await store.put("key", b"value")
        meta = await store.head("key")
        with pytest.raises(NotModifiedError):
            await store.get("key", if_modified_since=meta.last_modified)

    async def test_an_object_that_is_newer_is_read(self, store: Store) -> None:
        await store.put("key", b"value")
        assert await store.get("key", if_modified_since=datetime(2001, 9, 9, tzinfo=UTC)) == b"value"

    async def test_conditions_hold_for_streams(self, store: Store) -> None:
        old = await self.written(store, "key", b"older")
        new = await self.written(store, "key", b"new")
        with pytest.raises(PreconditionFailedError):
            async with store.stream("key", if_match=old):
                pass
        with pytest.raises(NotModifiedError):
            async with store.stream("key", if_none_match=new):
                pass
        async with store.stream("key", if_match=new) as stream:
            assert [chunk async for chunk in stream] == [b"new"]

    @pytest.mark.parametrize("parts", [0, 3])
    async def test_download_writes_a_file(self, store: Store, tmp_path: Path, parts: int) -> None:
        data = payload(parts * self.part_size)
        await store.put("key", data)
        await store.download("key", tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == data
        assert os.listdir(tmp_path) == ["file"]

    async def test_download_replaces_a_file(self, store: Store, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"an older and longer value")
        await store.put("key", b"new")
        await store.download("key", tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == b"new"

    async def test_download_writes_to_an_open_file(self, store: Store) -> None:
        data = payload(2 * self.part_size + 1)
        await store.put("key", data)
        file = io.BytesIO()
        file.write(b"before:")
        await store.download("key", file)
        assert file.getvalue() == b"before:" + data

    async def test_a_failed_download_leaves_what_was_there(self, store: Store, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"old")
        with pytest.raises(NotFoundError):
            await store.download("missing", tmp_path / "file")
        with pytest.raises(NotFoundError):
            await store.download("missing", tmp_path / "new")
        assert os.listdir(tmp_path) == ["file"]
        assert (tmp_path / "file").read_bytes() == b"old"
