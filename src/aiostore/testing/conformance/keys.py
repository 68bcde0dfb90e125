"""Keys are opaque: every odd one names an object of its own, or is refused for a reason the suite is told."""
# ruff: noqa: D102, S101  # a test's name says what it shows

from __future__ import annotations

from typing import Final

import pytest

from aiostore.errors import InvalidKeyError
from aiostore.store import Store
from aiostore.testing.conformance.suite import Suite, keys_of, requires, supports

ODD_KEYS: Final = (
    " ",
    " leading and trailing ",
    "a b",
    "a+b",
    "a%b",
    "a%2Fb",
    "a%41",
    "%",
    "100%",
    "%zz",
    "a//b",
    "a///b",
    "//",
    "/",
    "/leading",
    "//leading",
    "trailing/",
    "trailing//",
    "a/../b",
    "../a",
    "../../../../etc/passwd",
    "a/..",
    "..",
    ".",
    "./a",
    "a/./b",
    "a/.",
    "...",
    ".hidden",
    "a?b#c",
    "?",
    "#",
    "?list-type=2&prefix=x",
    "a&b=c;d",
    "a:b@c,d$e!f*g(h)i",
    "'single' \"double\" `back`",
    "<xml>&amp;]]></xml>",
    "back\\slash",
    "..\\a",
    "C:\\a",
    "a|b^c{d}[e]~f",
    "tab\there",
    "line\nfeed",
    "carriage\rreturn",
    "\x7f",
    "\x85",
    "\u00a0",
    "\u2028",
    "é",
    "e\u0301",
    "日本語/キー",
    "\U0001f600",
    "\U0001f469\u200d\U0001f680",
    "\ufeffmark",
    "\uffff",
    "\u202eright to left",
    "UPPER",
    "upper",
    "con",
    "nul.txt",
    "name.",
    "a" * 255,
    "a" * 256,
    "/".join(["a" * 100] * 10)[:1024],
    "a/" * 511 + "ab",
    "é/" * 341 + "a",
)
"""Each is at most 1,024 bytes of UTF-8. Characters that XML 1.0 cannot hold are left out: some listings lack them."""

UNWRITABLE: Final = ("nul\0", "bell\a", "escape\x1b")
"""Keys that some services store and that their own listings then cannot show."""


def _named(key: str) -> str:
    return ascii(key if len(key) < 40 else f"{key[:20]}... of {len(key)} characters")


class Keys(Suite):
    """Tests of odd keys, each through every verb that takes one."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """``odd_key`` is each key that the store is expected to hold."""
        super().pytest_generate_tests(metafunc)
        if "odd_key" in metafunc.fixturenames:
            left_out = {*self.refused_keys, *self.mangled_keys}
            metafunc.parametrize("odd_key", [key for key in ODD_KEYS if key not in left_out], ids=_named)
        if "odd_key_in_parts" in metafunc.fixturenames:
            left_out = {*self.refused_keys, *self.mangled_keys, *self.mangled_keys_in_parts}
            metafunc.parametrize("odd_key_in_parts", [key for key in ODD_KEYS if key not in left_out], ids=_named)

    async def test_an_odd_key_names_an_object_of_its_own(self, store: Store, odd_key: str) -> None:
        await store.put("neighbour", b"neighbour")
        await store.put(odd_key, b"value")
        assert await store.get(odd_key) == b"value"
        meta = await store.head(odd_key)
        assert (meta.key, meta.size) == (odd_key, 5)
        assert await store.get_range(odd_key, 1, 3) == b"al"
        assert b"".join([chunk async for chunk in store.stream(odd_key)]) == b"value"
        await store.put(odd_key, b"other")
        assert await store.get(odd_key) == b"other"
        await store.copy(odd_key, "copied")
        assert await store.get("copied") == b"other"
        await store.copy("neighbour", odd_key)
        assert await store.get(odd_key) == b"neighbour"
        await store.delete(odd_key)
        assert not await store.exists(odd_key)
        assert await store.get("neighbour") == b"neighbour"

    @requires(supports("list_page"))
    async def test_an_odd_key_is_listed_as_it_is(self, store: Store, odd_key: str) -> None:
        await store.put("neighbour", b"neighbour")
        await store.put(odd_key, b"value")
        assert sorted(await keys_of(store)) == sorted([odd_key, "neighbour"])
        assert await keys_of(store, odd_key) == [odd_key]

    async def test_an_odd_key_can_be_deleted_in_bulk(self, store: Store, odd_key: str) -> None:
        await store.put(odd_key, b"value")
        (result,) = await store.delete_many([odd_key])
        assert (result.key, result.error) == (odd_key, None)
        assert not await store.exists(odd_key)

    @requires(supports("create_multipart"))
    async def test_an_odd_key_can_be_written_in_parts(self, store: Store, odd_key_in_parts: str) -> None:
        data = bytes(2 * self.part_size)
        await store.put(odd_key_in_parts, data, part_size=self.part_size)
        assert await store.get(odd_key_in_parts) == data

    async def test_a_key_that_the_store_cannot_hold_is_refused(self, store: Store) -> None:
        for key in sorted(self.refused_keys):
            for verb in ("put", "get", "head", "delete", "copy"):
                with pytest.raises(InvalidKeyError) as caught:
                    await _use_key(store, verb, key)
                assert caught.value.key == key
        assert await keys_of(store) == []

    @pytest.mark.parametrize("key", UNWRITABLE, ids=_named)
    async def test_a_key_with_control_characters_is_kept_or_refused(self, store: Store, key: str) -> None:
        try:
            await store.put(key, b"value")
        except InvalidKeyError:
            assert await keys_of(store) == []
        else:
            assert await store.get(key) == b"value"
            await store.delete(key)
            assert not await store.exists(key)

    async def test_similar_keys_are_different_objects(self, store: Store) -> None:
        similar = [
            ["é", "e\u0301"],
            ["a//b", "a/b", "a///b"],
            ["/leading", "leading", "//leading"],
            ["trailing/", "trailing", "trailing//"],
            ["./a", "a", "a/.", "a/.."],
            ["a/../b", "b"],
            ["a%41", "aA", "a%2541"],
            ["a%2Fb", "a/b"],
            ["a b", "a+b", "a%20b"],
            ["UPPER", "upper"],
        ]
        for group in similar:
            keys = [key for key in group if key not in {*self.refused_keys, *self.mangled_keys}]
            if not self.nested_keys:
                keys = [key for key in keys if not any(other.startswith(key + "/") for other in keys)]
            if self.empty_folders:
                folders = {other.partition("/")[0] for others in similar for other in others if "/" in other}
                keys = [key for key in keys if key not in folders]
            for key in keys:
                await store.put(key, key.encode())
            for key in keys:
                assert await store.get(key) == key.encode()
            await store.delete_many(keys)

    async def test_a_key_may_continue_another_with_a_slash(self, store: Store) -> None:
        for first, second in (("a", "a/b"), ("c/d", "c")):
            await store.put(first, b"first")
            if self.nested_keys:
                await store.put(second, b"second")
                assert await store.get(second) == b"second"
            else:
                with pytest.raises(InvalidKeyError):
                    await store.put(second, b"second")
            assert await store.get(first) == b"first"

    @pytest.mark.parametrize("verb", ["put", "get", "head", "exists", "delete", "get_range", "stream", "copy"])
    @pytest.mark.parametrize("key", ["", "\ud800", "a\udfffb"], ids=["empty", "high surrogate", "low surrogate"])
    async def test_what_cannot_be_a_key_anywhere_is_refused(self, store: Store, verb: str, key: str) -> None:
        with pytest.raises(InvalidKeyError) as caught:
            await _use_key(store, verb, key)
        assert isinstance(caught.value, ValueError)

    @pytest.mark.parametrize("verb", ["put", "get", "head", "exists", "delete", "get_range", "stream", "copy"])
    @pytest.mark.parametrize("key", [None, b"key", 1], ids=["None", "bytes", "int"])
    async def test_a_key_that_is_no_str_is_a_type_error(self, store: Store, verb: str, key: object) -> None:
        with pytest.raises(TypeError):
            await _use_key(store, verb, key)  # type: ignore[arg-type]  # the point of this test


async def _use_key(store: Store, verb: str, key: str) -> object:
    match verb:
        case "put":
            return await store.put(key, b"value")
        case "get":
            return await store.get(key)
        case "head":
            return await store.head(key)
        case "exists":
            return await store.exists(key)
        case "delete":
            await store.delete(key)
            return None
        case "get_range":
            return await store.get_range(key, 0, 1)
        case "stream":
            return [chunk async for chunk in store.stream(key)]
        case _:
            return await store.copy(key, "target")
