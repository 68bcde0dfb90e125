"""What open accepts and refuses before anything is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from aiostore import MemoryStore, Store
from aiostore.errors import InvalidKeyError
from aiostore.files.mode import READING, WRITING
from aiostore.handles import FileOptions


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    async with MemoryStore() as store:
        yield store


@pytest.mark.parametrize("mode", ["w", "wt", "tw", "wb", "bw", "x", "xb", "a", "ab"])
async def test_modes_that_write(store: Store, mode: str) -> None:
    async with store.open("key", mode) as file:  # type: ignore[call-overload]  # any of them
        assert (file.mode, file.writable(), file.readable()) == (mode, True, False)
    assert await store.get("key") == b""


@pytest.mark.parametrize("mode", ["r", "rt", "tr", "rb", "br"])
async def test_modes_that_read(store: Store, mode: str) -> None:
    await store.put("key", b"value")
    async with store.open("key", mode) as file:  # type: ignore[call-overload]  # any of them
        assert (file.mode, file.writable(), file.readable()) == (mode, False, True)
        assert await file.read() == (b"value" if "b" in mode else "value")


@pytest.mark.parametrize("mode", ["", "q", "rw", "rr", "rbt", "b", "t", "rU", "wx", "r b", "rbb"])
def test_other_modes_are_refused_and_the_modes_named(store: Store, mode: str) -> None:
    with pytest.raises(ValueError, match="the modes are r, w, x and a") as caught:
        store.open("key", mode)  # type: ignore[call-overload]  # wrong on purpose
    assert repr(mode) in str(caught.value)


@pytest.mark.parametrize("argument", ["encoding", "errors", "newline"])
def test_a_binary_file_has_no_text_layer(store: Store, argument: str) -> None:
    with pytest.raises(ValueError, match=argument):
        store.open("key", "rb", **{argument: "\n"})  # type: ignore[call-overload]  # wrong on purpose


@pytest.mark.parametrize("mode", ["r", "w"])
def test_a_wrong_text_layer_is_refused_as_io_does(store: Store, mode: str) -> None:
    for arguments, error in (
        ({"encoding": "no-such-encoding"}, LookupError),
        ({"encoding": "hex"}, LookupError),
        ({"errors": "no-such-handler"}, LookupError),
        ({"newline": "\n\n"}, ValueError),
        ({"encoding": b"utf-8"}, TypeError),
        ({"errors": 1}, TypeError),
        ({"newline": b"\n"}, TypeError),
    ):
        with pytest.raises(error):
            store.open("key", mode, **arguments)  # type: ignore[call-overload]  # wrong on purpose


def test_wrong_types_are_told(store: Store) -> None:
    with pytest.raises(TypeError, match="mode is a str"):
        store.open("key", 0o644)  # type: ignore[call-overload]  # wrong on purpose
    with pytest.raises(TypeError, match="a key is a str"):
        store.open(b"key")  # type: ignore[call-overload]  # wrong on purpose
    with pytest.raises(InvalidKeyError):
        store.open("")


@pytest.mark.parametrize("mode", ["rb", "wb", "ab", "w", "r"])
def test_an_unknown_option_is_a_type_error(store: Store, mode: str) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'buffering'"):
        store.open("key", mode, buffering=0)  # type: ignore[call-overload]  # wrong on purpose


@pytest.mark.parametrize("option", sorted(FileOptions.__annotations__))
def test_an_option_that_the_mode_does_not_take_is_told(store: Store, option: str) -> None:
    for mode, known in (("rb", READING), ("wb", WRITING)):
        if option not in known:
            with pytest.raises(ValueError, match=f"does not take {option}"):
                store.open("key", mode, **{option: "x"})  # type: ignore[call-overload]  # one of them


@pytest.mark.parametrize("mode", ["rb", "wb", "ab"])
@pytest.mark.parametrize("option", ["buffer_size", "concurrency"])
def test_sizes_must_be_greater_than_nothing(store: Store, mode: str, option: str) -> None:
    for size in (0, -1):
        with pytest.raises(ValueError, match=option):
            store.open("key", mode, **{option: size})  # type: ignore[call-overload]  # one of them


def test_a_part_size_that_the_service_does_not_take_is_refused_at_once(store: Store) -> None:
    for mode in ("wb", "ab"):
        with pytest.raises(ValueError, match="part_size"):
            store.open("key", mode, part_size=1)


async def test_options_that_are_none_are_as_if_they_were_not_given(store: Store) -> None:
    async with store.open("key", "w", encoding=None, buffer_size=None, concurrency=None, metadata=None) as file:
        await file.write("text")
    async with store.open("key", newline=None, errors=None, buffer_size=None, version=None) as reader:
        assert await reader.read() == "text"


async def test_files_say_what_they_are(store: Store) -> None:
    async with store.open("key", "wb") as file:
        assert repr(file) == "<BinaryWriter name='key' mode='wb'>"
    assert repr(file) == "<BinaryWriter name='key' mode='wb' closed>"
    assert repr(store.open("key")) == "<TextReader name='key' mode='r'>"
