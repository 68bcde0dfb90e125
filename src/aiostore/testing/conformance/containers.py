"""Containers: missing ones, siblings, prefixes, and making and deleting them."""
# ruff: noqa: D102, S101  # a test's name says what it shows

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping

import pytest

from aiostore.errors import AlreadyExistsError, NotFoundError, NotSupportedError, StoreError
from aiostore.store import Store
from aiostore.testing.conformance.suite import Suite, keys_of, lacks, payload, requires, supports


def _new_name() -> str:
    return f"conformance-{secrets.token_hex(8)}"


class Containers(Suite):
    """Tests of ``sibling``, ``with_prefix`` and the container verbs."""

    @requires(supports("create_container"))
    @pytest.mark.parametrize("verb", ["get", "head", "put", "put in parts", "list", "list_with_delimiter", "delete"])
    async def test_a_missing_container_is_not_found(self, store: Store, verb: str) -> None:
        missing = store.sibling(_new_name())
        calls: Mapping[str, Callable[[], Awaitable[object]]] = {
            "get": lambda: missing.get("key"),
            "head": lambda: missing.head("key"),
            "put": lambda: missing.put("key", b"value"),
            "put in parts": lambda: missing.put("key", bytes(2 * self.part_size), part_size=self.part_size),
            "list": lambda: keys_of(missing),
            "list_with_delimiter": missing.list_with_delimiter,
            "delete": lambda: missing.delete("key"),
        }
        with pytest.raises(NotFoundError):
            await calls[verb]()

    @requires(supports("create_container", "delete_container"))
    async def test_a_container_can_be_made_used_and_deleted(self, store: Store) -> None:
        other = store.sibling(_new_name())
        await other.create_container()
        try:
            await other.put("key", b"other")
            await store.put("key", b"own")
            assert await other.get("key") == b"other"
            assert await store.get("key") == b"own"
            await other.delete("key")
        finally:
            await other.delete_container()
        with pytest.raises(NotFoundError):
            await keys_of(other)

    @requires(supports("create_container", "delete_container"))
    async def test_a_container_that_exists_is_not_made_again(self, store: Store) -> None:
        other = store.sibling(_new_name())
        await other.create_container()
        try:
            with pytest.raises(AlreadyExistsError):
                await other.create_container()
        finally:
            await other.delete_container()

    @requires(supports("create_container", "delete_container"))
    async def test_a_container_with_objects_is_not_deleted(self, store: Store) -> None:
        other = store.sibling(_new_name())
        await other.create_container()
        await other.put("key", b"value")
        with pytest.raises(StoreError):
            await other.delete_container()
        assert await other.get("key") == b"value"
        await other.delete("key")
        await other.delete_container()

    @requires(supports("delete_container"))
    async def test_deleting_a_missing_container_succeeds(self, store: Store) -> None:
        await store.sibling(_new_name()).delete_container()

    @requires(supports("create_container", "delete_container", "list_containers"))
    async def test_a_new_container_is_listed(self, store: Store) -> None:
        name = _new_name()
        other = store.sibling(name)
        assert name not in [container.name async for container in store.list_containers()]
        await other.create_container()
        try:
            assert [container.name async for container in store.list_containers()].count(name) == 1
        finally:
            await other.delete_container()

    @requires(lacks("create_container"))
    async def test_making_containers_is_refused_where_there_are_none(self, store: Store) -> None:
        with pytest.raises(NotSupportedError):
            await store.create_container()

    @requires(lacks("delete_container"))
    async def test_deleting_containers_is_refused_where_there_are_none(self, store: Store) -> None:
        with pytest.raises(NotSupportedError):
            await store.delete_container()

    @requires(lacks("list_containers"))
    async def test_listing_containers_is_refused_where_there_are_none(self, store: Store) -> None:
        with pytest.raises(NotSupportedError):
            assert [container.name async for container in store.list_containers()]

    async def test_a_store_with_a_prefix_sees_only_what_is_below_it(self, store: Store) -> None:
        below = store.with_prefix("below/")
        await store.put("outside", b"outside")
        await below.put("key", b"inside", **self.kept(metadata={"name": "value"}))
        assert await store.get("below/key") == b"inside"
        assert (await below.head("key")).key == "key"
        assert await keys_of(below) == ["key"]
        assert sorted(await keys_of(store)) == ["below/key", "outside"]
        assert not await below.exists("outside")
        with pytest.raises(NotFoundError) as caught:
            await below.get("missing")
        assert caught.value.key == "missing"

    async def test_prefixes_add_up(self, store: Store) -> None:
        below = store.with_prefix("a/").with_prefix("b/")
        await below.put("key", b"value")
        assert await keys_of(store) == ["a/b/key"]
        assert await below.get("key") == b"value"

    @requires(supports("copy", "delete"))
    async def test_every_verb_respects_the_prefix(self, store: Store) -> None:
        below = store.with_prefix("below/")
        data = payload(2 * self.part_size)
        await below.put("large", data, part_size=self.part_size)
        await below.copy("large", "level/copy")
        await below.rename("large", "renamed")
        level = await below.list_with_delimiter()
        assert [meta.key for meta in level.objects] == ["renamed"]
        assert list(level.common_prefixes) == ["level/"]
        assert await keys_of(below, start_after="level/copy") == ["renamed"]
        assert b"".join([chunk async for chunk in below.stream("renamed")]) == data
        assert [result.key for result in await below.delete_many(["renamed", "level/copy"])] == [
            "renamed",
            "level/copy",
        ]
        assert await keys_of(store) == []
