"""Calls on many objects: a result for each, whatever becomes of the others."""
# ruff: noqa: D102, S101  # a test's name says what it shows

from __future__ import annotations

from collections.abc import AsyncIterator

from aiostore.errors import NotFoundError
from aiostore.store import Store
from aiostore.testing.conformance.suite import Suite, keys_of, requires, supports

KEYS = [f"many/{number:02}" for number in range(20)]


async def _written(store: Store) -> None:
    results = await store.put_many((key, key.encode()) for key in KEYS)
    assert [(result.index, result.key, result.error) for result in results] == [
        (index, key, None) for index, key in enumerate(KEYS)
    ]


class Many(Suite):
    """Tests of ``get_many``, ``put_many``, ``head_many``, ``size_many``, ``exists_many`` and ``delete_many``."""

    @requires(supports("put", "list_page"))
    async def test_many_objects_are_written_and_read(self, store: Store) -> None:
        await _written(store)
        assert sorted(await keys_of(store)) == KEYS
        read = {result.key: result.unwrap() async for result in store.get_many(KEYS)}
        assert read == {key: key.encode() for key in KEYS}

    @requires(supports("put", "list_page"))
    async def test_what_a_listing_gives_can_be_read(self, store: Store) -> None:
        await _written(store)
        assert {result.key: result.unwrap() async for result in store.get_many(store.list("many/"))} == {
            key: key.encode() for key in KEYS
        }

    @requires(supports("put"))
    async def test_a_missing_object_stops_no_other(self, store: Store) -> None:
        await _written(store)
        keys = [*KEYS[:3], "missing", *KEYS[3:]]
        results = [result async for result in store.get_many(keys, ordered=True)]
        assert [result.key for result in results] == keys
        assert isinstance(results[3].error, NotFoundError)
        assert [result.value for result in results if result.error is None] == [key.encode() for key in KEYS]

    @requires(supports("put"))
    async def test_many_objects_are_described(self, store: Store) -> None:
        async def keys() -> AsyncIterator[str]:
            for key in ("many/00", "missing", "many/01"):
                yield key

        await _written(store)
        assert [result.value for result in await store.exists_many(keys())] == [True, False, True]
        assert [result.value for result in await store.size_many(keys())] == [7, None, 7]
        heads = await store.head_many(keys())
        assert [head.value.key for head in heads if head.value is not None] == ["many/00", "many/01"]

    @requires(supports("put"))
    async def test_items_have_options_of_their_own(self, store: Store) -> None:
        await store.put_many([("many/typed", b"0123456789", {"content_type": "text/plain"})])
        if "content_type" in self.content_headers:
            assert (await store.head("many/typed")).content_type == "text/plain"
        items = [("many/typed", {"start": 2, "stop": 5}), ("many/typed", {"start": 5})]
        assert [result.unwrap() for result in await store.get_many(items)] == [b"234", b"56789"]  # type: ignore[arg-type]  # mypy takes the dictionaries for plain ones

    @requires(supports("put", "delete", "list_page"))
    async def test_many_objects_are_deleted_one_by_one_or_in_batches(self, store: Store) -> None:
        await _written(store)
        results = [result async for result in store.delete_many(store.list("many/1"))]
        assert sorted(result.key for result in results) == KEYS[10:]
        assert all(result.error is None for result in results)
        assert sorted(await keys_of(store)) == KEYS[:10]
