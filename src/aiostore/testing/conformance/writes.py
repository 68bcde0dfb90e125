"""What a write promises: all or nothing, what it answers, and how large writes travel."""
# ruff: noqa: D102, S101  # a test's name says what it shows

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from aiostore.errors import NotFoundError
from aiostore.store import Store
from aiostore.testing.conformance.suite import Suite, payload, requires, supports


class Writes(Suite):
    """Tests of ``put``, ``upload`` and ``put_json``."""

    @pytest.mark.parametrize("size", [0, 1, 65_537])
    async def test_what_was_put_can_be_read(self, store: Store, size: int) -> None:
        await store.put("key", payload(size))
        assert await store.get("key") == payload(size)

    async def test_put_answers_size_and_the_etag_that_head_shows(self, store: Store) -> None:
        result = await store.put("key", payload(1000))
        assert result.size == 1000
        if "written" in self.etags:
            assert result.etag
            assert result.etag == (await store.head("key")).etag

    @requires(supports("create_multipart"))
    async def test_a_multipart_put_answers_size_and_the_etag_that_head_shows(self, store: Store) -> None:
        size = 2 * self.part_size + 1
        result = await store.put("key", payload(size), part_size=self.part_size)
        assert result.size == size
        assert result.etag == (await store.head("key")).etag

    async def test_a_put_replaces_the_object(self, store: Store) -> None:
        first = await self.written(store, "key", b"the first, longer value")
        second = await self.written(store, "key", b"second")
        assert await store.get("key") == b"second"
        assert await store.size("key") == 6
        assert first.etag != second.etag

    async def test_the_etag_changes_with_the_content_even_if_the_size_does_not(self, store: Store) -> None:
        # As long as they are, unless only that tells states from each other that soon follow each other.
        grows = "distinct" not in self.etags
        etags = {(await self.written(store, "key", bytes([n]) * (10 + n * grows))).etag for n in range(10)}
        assert len(etags) == 10

    async def test_a_put_replaces_metadata_and_content_headers_too(self, store: Store) -> None:
        first = self.kept(content_type="text/x-first", cache_control="no-store", metadata={"old": "yes"})
        second = self.kept(metadata={"new": "yes"})
        await store.put("key", b"1", **first)
        await store.put("key", b"2", **second)
        meta = await store.head("key")
        assert dict(meta.metadata) == second.get("metadata", {})
        assert meta.content_type != "text/x-first"
        assert meta.cache_control is None

    async def test_the_callers_buffer_is_not_changed(self, store: Store) -> None:
        data = bytearray(payload(100_000))
        await store.put("key", data)
        assert data == payload(100_000)

    async def test_part_size_and_concurrency_do_not_change_what_is_stored(self, store: Store) -> None:
        data = payload(5 * self.part_size + 3)
        for number, concurrency in enumerate((1, 2, 8)):
            await store.put(f"key{number}", data, part_size=self.part_size, concurrency=concurrency)
            assert await store.get(f"key{number}") == data

    async def test_progress_grows_to_the_size_of_the_object(self, store: Store) -> None:
        seen: list[tuple[int, int | None]] = []
        size = 3 * self.part_size + 5
        await store.put(
            "key", payload(size), part_size=self.part_size, progress=lambda done, total: seen.append((done, total))
        )
        assert [done for done, _ in seen] == sorted(done for done, _ in seen)
        assert seen[-1] == (size, size)
        assert {total for _, total in seen} == {size}

    async def test_progress_of_an_unknown_size_ends_at_the_size(self, store: Store) -> None:
        seen: list[int] = []
        pieces = [payload(1000, seed) for seed in range(10)]
        await store.put("key", iter(pieces), progress=lambda done, _: seen.append(done))
        assert seen == sorted(seen)
        assert seen[-1] == 10_000

    async def test_upload_puts_a_file(self, store: Store, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_bytes(payload(2 * self.part_size + 1))
        result = await store.upload(path, "key")
        assert result.size == 2 * self.part_size + 1
        assert await store.get("key") == path.read_bytes()

    async def test_a_missing_file_is_an_error_and_writes_nothing(self, store: Store, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            await store.put("key", tmp_path / "missing")
        assert not await store.exists("key")

    async def test_json_can_be_written_and_read(self, store: Store) -> None:
        value = {"text": "é\U0001f600", "list": [1, 2.5, None, True], "nested": {"a": {}}}
        await store.put_json("key", value)
        assert await store.get_json("key") == value
        if "content_type" in self.content_headers:
            assert (await store.head("key")).content_type == "application/json"

    @pytest.mark.parametrize("parts", [0, 3], ids=["before the first part", "after three parts"])
    async def test_a_source_that_raises_publishes_nothing(self, store: Store, parts: int) -> None:
        async def source() -> AsyncIterator[bytes]:
            for number in range(parts):
                yield payload(self.part_size, number)
            raise _SourceError

        with pytest.raises(_SourceError):
            await store.put("key", source(), part_size=self.part_size)
        assert not await store.exists("key")
        assert [meta.key async for meta in store.list()] == []

    async def test_a_sync_source_that_raises_publishes_nothing(self, store: Store) -> None:
        def source() -> Iterator[bytes]:
            yield payload(self.part_size)
            yield payload(self.part_size)
            raise _SourceError

        with pytest.raises(_SourceError):
            await store.put("key", source(), part_size=self.part_size)
        assert not await store.exists("key")

    async def test_a_source_that_raises_leaves_the_object_that_was_there(self, store: Store) -> None:
        async def source() -> AsyncIterator[bytes]:
            yield payload(2 * self.part_size)
            raise _SourceError

        await store.put("key", b"old")
        with pytest.raises(_SourceError):
            await store.put("key", source(), part_size=self.part_size)
        assert await store.get("key") == b"old"

    async def test_readers_see_the_old_or_the_new_object_while_it_is_replaced(self, store: Store) -> None:
        versions = [payload(2 * self.part_size, seed) for seed in range(2)]
        await store.put("key", versions[0])
        finished = asyncio.Event()

        async def write() -> None:
            for turn in range(1, 6):
                await store.put("key", versions[turn % 2], part_size=self.part_size)
            finished.set()

        async with asyncio.TaskGroup() as group:
            group.create_task(write())
            while not finished.is_set():
                assert await store.get("key") in versions
                # A store in memory may never wait, and then nobody else gets a turn.
                await asyncio.sleep(0)

    async def test_a_write_to_a_missing_object_does_not_need_it(self, store: Store) -> None:
        with pytest.raises(NotFoundError):
            await store.head("key")
        await store.put("key", b"value")
        assert (await store.head("key")).size == 5


class _SourceError(Exception):
    """What a source of these tests raises."""
