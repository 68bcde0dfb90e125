"""Text that is read and written in place: what io's own text files do with a local file, awaited."""

from __future__ import annotations

import asyncio
import gc
import io
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiostore import MemoryStore, PreconditionFailedError
from aiostore.testing.conformance.suite import PROPERTY

TEXT = "été\r\nzwei\rthree\n\U0001f600"

step = st.one_of(
    st.tuples(st.just("read"), st.integers(-1, 10)),
    st.tuples(st.just("readline"), st.integers(-1, 10)),
    st.tuples(st.just("write"), st.text("aé\n\U0001f600", max_size=5)),
    st.tuples(st.just("mark"), st.just(0)),
    st.tuples(st.just("back"), st.just(0)),
    st.tuples(st.just("end"), st.just(0)),
    st.tuples(st.just("truncate"), st.just(0)),
)


@pytest.fixture
async def store() -> AsyncIterator[MemoryStore]:
    async with MemoryStore() as store:
        await store.put("key", TEXT.encode())
        yield store


@PROPERTY
@given(
    steps=st.lists(step, max_size=15),
    mode=st.sampled_from(["r+", "w+t", "a+"]),
    encoding=st.sampled_from(["utf-8", "utf-16", "utf-8-sig"]),
    newline=st.sampled_from([None, "", "\n", "\r\n"]),
)
async def test_text_is_changed_as_io_changes_it(
    store: MemoryStore,
    steps: list[tuple[str, int | str]],
    mode: Literal["r+", "w+t", "a+"],
    encoding: str,
    newline: str | None,
) -> None:
    await store.put("key", TEXT.encode(encoding))
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "model")
        path.write_bytes(TEXT.encode(encoding))
        with path.open(mode, encoding=encoding, newline=newline) as model:
            async with store.open("key", mode, encoding=encoding, newline=newline) as file:
                mark, expected_mark = file.tell(), model.tell()
                for name, argument in steps:
                    if name == "mark":
                        mark, expected_mark = file.tell(), model.tell()
                        assert mark == expected_mark
                    elif name == "back":
                        assert await file.seek(mark) == model.seek(expected_mark)
                    elif name == "end":
                        assert await file.seek(0, 2) == model.seek(0, 2)
                    elif name == "truncate":
                        assert await file.truncate() == model.truncate()
                        mark = expected_mark = 0
                    elif name == "write":
                        assert await file.write(str(argument)) == model.write(str(argument))
                    else:
                        wanted = getattr(model, name)(argument)
                        assert await getattr(file, name)(argument) == wanted
                assert file.newlines == model.newlines
        assert await store.get("key") == path.read_bytes()


async def test_it_says_what_it_is(store: MemoryStore) -> None:
    async with store.open("key", "r+", encoding="latin-1", errors="replace") as file:
        assert (file.name, file.mode, file.encoding, file.errors) == ("key", "r+", "latin-1", "replace")
        assert (file.readable(), file.writable(), file.seekable()) == (True, True, True)
        assert file.meta.size == len(TEXT.encode())
        lines = io.TextIOWrapper(io.BytesIO(TEXT.encode()), "latin-1").readlines()
        assert [line async for line in file] == lines
        with pytest.raises(io.UnsupportedOperation, match="binary mode"):
            _ = file.buffer
        with pytest.raises(io.UnsupportedOperation):
            await file.seek(1, 1)
        with pytest.raises(TypeError, match="must be str"):
            await file.write(b"bytes")  # type: ignore[arg-type]  # wrong on purpose
        await file.seek(0)
        await file.writelines(["x", "y"])
    assert await store.get("key") == b"xy" + TEXT.encode()[2:]
    with pytest.raises(ValueError, match="closed file"):
        await file.read()


async def test_a_character_that_cannot_be_written_is_an_error_and_harms_nothing(store: MemoryStore) -> None:
    async with store.open("key", "w+", encoding="ascii") as file:
        await file.write("a")
        with pytest.raises(UnicodeEncodeError):
            await file.write("b\xe9")
        await file.write("c")
    assert await store.get("key") == b"ac"


async def test_a_change_that_fails_is_aborted_or_dropped_publishes_nothing(store: MemoryStore) -> None:
    with pytest.raises(ZeroDivisionError):
        async with store.open("key", "r+") as file:
            await file.write("x")
            raise ZeroDivisionError
    async with store.open("key", "w+") as file:
        await file.write("x")
        await file.abort()
    file = store.open("key", "a+")
    await file.write("x")
    with pytest.warns(ResourceWarning, match="nothing is published"):
        file = gc.collect()  # type: ignore[assignment]  # let go
    with pytest.raises(PreconditionFailedError):
        async with store.open("key", "r+") as file:
            await file.write("mine")
            await store.put("key", b"theirs")
    assert await store.get("key") == b"theirs"


async def test_a_cancelled_write_publishes_nothing(store: MemoryStore) -> None:
    async def write() -> None:
        async with store.open("key", "r+") as file:
            await file.write("x")
            written.set()
            await asyncio.Event().wait()

    written = asyncio.Event()
    task = asyncio.create_task(write())
    await written.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await store.get("key") == TEXT.encode()
