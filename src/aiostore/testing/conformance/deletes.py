"""Deletes can be repeated, and bulk deletes report each key."""
# ruff: noqa: D102, S101  # a test's name says what it shows

from __future__ import annotations

import pytest

from aiostore.errors import NotFoundError
from aiostore.store import Store
from aiostore.testing.conformance.suite import Suite, keys_of, requires, supports


class Deletes(Suite):
    """Tests of ``delete`` and ``delete_many``."""

    @requires(supports("delete"))
    async def test_a_deleted_object_is_gone(self, store: Store) -> None:
        await store.put("key", b"value")
        await store.delete("key")
        assert not await store.exists("key")
        with pytest.raises(NotFoundError):
            await store.get("key")

    @requires(supports("delete"))
    async def test_deleting_a_missing_object_succeeds(self, store: Store) -> None:
        await store.delete("missing")
        await store.put("key", b"value")
        await store.delete("key")
        await store.delete("key")

    @requires(supports("delete"))
    async def test_a_delete_touches_no_other_object(self, store: Store) -> None:
        await store.put("trailing/key", b"value")
        await store.put("trailing.key", b"value")
        for key in ("trailing", "trailing/"):
            if key not in self.refused_keys:
                await store.delete(key)
        assert sorted(await keys_of(store)) == ["trailing.key", "trailing/key"]

    @requires(supports("delete"))
    async def test_a_bulk_delete_reports_each_key_in_order(self, store: Store) -> None:
        for key in ("a", "b", "c/d"):
            await store.put(key, b"value")
        keys = ["b", "missing", "c/d", "b"]
        results = await store.delete_many(keys)
        assert [(result.key, result.error) for result in results] == [(key, None) for key in keys]
        assert await keys_of(store) == ["a"]

    @requires(supports("delete"))
    async def test_a_bulk_delete_takes_any_iterable(self, store: Store) -> None:
        await store.put("a", b"value")
        assert await store.delete_many([]) == []
        assert [result.key for result in await store.delete_many(iter(("a",)))] == ["a"]
        assert not await store.exists("a")

    @requires(supports("delete"))
    async def test_a_bulk_delete_of_more_than_one_batch(self, store: Store) -> None:
        keys = [f"{number:04}" for number in range(1, self.capabilities.delete_batch + 201)]
        existing = keys[::100]
        for key in existing:
            await store.put(key, b"")
        results = await store.delete_many(keys)
        assert [result.key for result in results] == keys
        assert all(result.error is None for result in results)
        assert await keys_of(store) == []

    @requires(supports("delete"))
    async def test_one_str_is_not_taken_for_many_keys(self, store: Store) -> None:
        await store.put("k", b"value")
        with pytest.raises(TypeError):
            await store.delete_many("key")
        assert await store.exists("k")
