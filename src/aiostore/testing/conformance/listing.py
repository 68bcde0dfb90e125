"""Listings: order, prefixes that are plain strings, levels, and more objects than fit on a page."""
# ruff: noqa: D102, S101  # a test's name says what it shows

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiostore.capabilities import Capabilities
from aiostore.errors import InvalidKeyError
from aiostore.store import Store
from aiostore.testing.conformance.suite import PROPERTY, Suite, keys_of, requires, supports

# UTF-8 sorts U+FF61 before U+1F600; UTF-16 does not.
UNSORTED: Final = ("b", "a", "B", "a0", "a-b", "a/b", "a.b", "é", "z", "\uff61", "\U0001f600", "\ue000", "~", " ", "A")


def _ordered(capabilities: Capabilities) -> bool:
    return capabilities.ordered_listing and "list_page" in capabilities.operations


class Listing(Suite):
    """Tests of ``list`` and ``list_with_delimiter``."""

    @requires(supports("list_page"))
    async def test_an_empty_container_lists_nothing(self, store: Store) -> None:
        assert await keys_of(store) == []
        assert await keys_of(store, "any/") == []
        level = await store.list_with_delimiter()
        assert (list(level.objects), list(level.common_prefixes)) == ([], [])

    @requires(_ordered)
    async def test_keys_come_in_the_order_of_their_utf8(self, store: Store) -> None:
        keys = self._possible(UNSORTED)
        await _put_all(store, keys)
        assert await keys_of(store) == _sorted(keys)

    @requires(supports("list_page"))
    async def test_all_keys_are_listed_once_in_whatever_order(self, store: Store) -> None:
        keys = self._possible(UNSORTED)
        await _put_all(store, keys)
        assert sorted(await keys_of(store)) == sorted(keys)

    @requires(supports("list_page"))
    async def test_a_prefix_is_a_plain_string(self, store: Store) -> None:
        await _put_all(store, ["ab", "abc", "ab/c", "a", "b/ab", "Ab"] if self.nested_keys else ["abc", "ab/c", "a"])
        assert set(await keys_of(store, "ab")) == {"ab", "abc", "ab/c"} - (set() if self.nested_keys else {"ab"})
        assert await keys_of(store, "ab/") == ["ab/c"]
        assert await keys_of(store, "abcd") == []

    @requires(_ordered)
    async def test_start_after_is_exclusive(self, store: Store) -> None:
        await _put_all(store, ["a", "b", "c/1", "c/2", "d"])
        assert await keys_of(store, start_after="b") == ["c/1", "c/2", "d"]
        assert await keys_of(store, start_after="bb") == ["c/1", "c/2", "d"]
        assert await keys_of(store, "c/", start_after="c/1") == ["c/2"]
        assert await keys_of(store, "c/", start_after="a") == ["c/1", "c/2"]
        assert await keys_of(store, "c/", start_after="d") == []
        assert await keys_of(store, start_after="d") == []
        assert await keys_of(store, start_after="") == ["a", "b", "c/1", "c/2", "d"]

    @requires(_ordered)
    @PROPERTY
    @given(prefix=st.sampled_from(["", "a", "é", "a/", "b/", "zz"]), after=st.sampled_from([*UNSORTED, "a/", "a/b0"]))
    async def test_start_after_works_with_any_prefix(self, store: Store, prefix: str, after: str) -> None:
        keys = self._possible(UNSORTED)
        if not await keys_of(store):
            await _put_all(store, keys)
        expected = [key for key in _sorted(keys) if key.startswith(prefix) and key.encode() > after.encode()]
        assert await keys_of(store, prefix, start_after=after) == expected

    @requires(_ordered)
    async def test_many_objects_are_listed_page_by_page(self, store: Store) -> None:
        keys = [f"many/{number:04}" for number in range(self.many)]
        await _put_all(store, [*keys, "a", "z"])
        assert await keys_of(store, "many/") == keys
        assert await keys_of(store) == ["a", *keys, "z"]
        middle = self.many // 2
        assert await keys_of(store, "many/", start_after=keys[middle]) == keys[middle + 1 :]
        level = await store.list_with_delimiter("many/")
        assert [meta.key for meta in level.objects] == keys
        assert list((await store.list_with_delimiter()).common_prefixes) == ["many/"]
        await store.delete_many(keys)

    @requires(supports("list_page"))
    async def test_many_common_prefixes_are_listed_page_by_page(self, store: Store) -> None:
        keys = [f"level/{number:04}/{name}" for number in range(self.many // 2) for name in ("a", "b")]
        await _put_all(store, keys)
        level = await store.list_with_delimiter("level/")
        assert sorted(level.common_prefixes) == [f"level/{number:04}/" for number in range(self.many // 2)]
        assert list(level.objects) == []
        await store.delete_many(keys)

    @requires(supports("list_page"))
    async def test_a_level_is_objects_and_common_prefixes(self, store: Store) -> None:
        await _put_all(store, ["a", "b/1", "b/2", "b/c/3", "d"])
        top = await store.list_with_delimiter()
        assert sorted(meta.key for meta in top.objects) == ["a", "d"]
        assert list(top.common_prefixes) == ["b/"]
        below = await store.list_with_delimiter("b/")
        assert sorted(meta.key for meta in below.objects) == ["b/1", "b/2"]
        assert list(below.common_prefixes) == ["b/c/"]
        without_slash = await store.list_with_delimiter("b")
        assert list(without_slash.objects) == []
        assert list(without_slash.common_prefixes) == ["b/"]

    @requires(supports("list_page"))
    @pytest.mark.parametrize("delimiter", ["-", "é", "--"])
    async def test_any_string_can_be_the_delimiter(self, store: Store, delimiter: str) -> None:
        await _put_all(store, [f"a{delimiter}b{delimiter}c", f"a{delimiter}d", "e", "f/g"])
        top = await store.list_with_delimiter(delimiter=delimiter)
        assert sorted(meta.key for meta in top.objects) == ["e", "f/g"]
        assert list(top.common_prefixes) == [f"a{delimiter}"]
        below = await store.list_with_delimiter(f"a{delimiter}", delimiter=delimiter)
        assert [meta.key for meta in below.objects] == [f"a{delimiter}d"]
        assert list(below.common_prefixes) == [f"a{delimiter}b{delimiter}"]

    @requires(supports("list_page"))
    async def test_slashes_are_not_merged_into_one_level(self, store: Store) -> None:
        keys = self._possible(["/leading", "a//b", "a/d"])
        await _put_all(store, keys)
        top = await store.list_with_delimiter()
        expected = {f"{key.partition('/')[0]}/" for key in keys}
        assert set(top.common_prefixes) == expected
        below = await store.list_with_delimiter("a/")
        assert [meta.key for meta in below.objects] == ["a/d"]
        assert list(below.common_prefixes) == (["a//"] if "a//b" in keys else [])

    @requires(supports("list_page"))
    async def test_an_object_may_be_named_like_a_prefix(self, store: Store) -> None:
        if "trailing/" in self.refused_keys:
            return
        await _put_all(store, ["directory/", "directory/key"])
        level = await store.list_with_delimiter("directory/")
        assert sorted(meta.key for meta in level.objects) == ["directory/", "directory/key"]
        assert list((await store.list_with_delimiter()).common_prefixes) == ["directory/"]

    @requires(supports("list_page"))
    async def test_a_deleted_object_is_no_longer_listed(self, store: Store) -> None:
        await _put_all(store, ["a/1", "b/1"])
        await store.delete("a/1")
        assert await keys_of(store) == ["b/1"]
        prefixes = list((await store.list_with_delimiter()).common_prefixes)
        assert prefixes == (["a/", "b/"] if self.empty_folders else ["b/"])

    @requires(supports("list_page"))
    async def test_a_listing_may_be_left_early(self, store: Store) -> None:
        await _put_all(store, ["a", "b", "c"])
        async for meta in store.list():
            assert meta.key in {"a", "b", "c"}
            break

    @requires(_ordered)
    async def test_what_is_listed_may_be_deleted_on_the_way(self, store: Store) -> None:
        keys = [f"{number:02}" for number in range(30)]
        await _put_all(store, keys)
        seen = []
        async for meta in store.list():
            seen.append(meta.key)
            await store.delete(meta.key)
        assert seen == keys
        assert await keys_of(store) == []

    async def test_a_prefix_that_is_no_str_is_a_type_error(self, store: Store) -> None:
        with pytest.raises(TypeError):
            await keys_of(store, None)  # type: ignore[arg-type]  # the point of this test
        with pytest.raises(TypeError):
            await store.list_with_delimiter(b"a")  # type: ignore[arg-type]  # the point of this test

    async def test_a_prefix_that_is_no_unicode_is_refused(self, store: Store) -> None:
        with pytest.raises(InvalidKeyError):
            await keys_of(store, "\ud800")

    def _possible(self, keys: Iterable[str]) -> list[str]:
        """The keys that can exist side by side."""
        chosen = [key for key in keys if key not in self.refused_keys]
        if self.nested_keys:
            return chosen
        return [key for key in chosen if not any(other.startswith(key + "/") for other in chosen)]


def _sorted(keys: Iterable[str]) -> list[str]:
    return sorted(keys, key=str.encode)


async def _put_all(store: Store, keys: Iterable[str]) -> None:
    limit = asyncio.Semaphore(50)

    async def put(key: str) -> None:
        async with limit:
            await store.put(key, b"")

    async with asyncio.TaskGroup() as group:
        for key in keys:
            group.create_task(put(key))
