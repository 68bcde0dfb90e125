"""Text files: decoding, encoding, newlines and positions as io.TextIOWrapper has them."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiostore.errors import ConnectionLostError, CorruptedError
from aiostore.handles import AsyncTextFile
from aiostore.store import Store
from aiostore.testing import EVERY, Fail, Flip, Hold
from aiostore.testing.conformance.suite import payload
from tests.files.stores import PART, faulty

NEWLINES = [None, "", "\n", "\r", "\r\n"]
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "utf-7", "shift_jis", "gb18030", "iso2022_jp"]

encodings = st.sampled_from(ENCODINGS)
newlines = st.sampled_from(NEWLINES)
texts = st.lists(
    st.sampled_from(["a", "bc", " ", "\n", "\r", "\r\n", "あ", "字", "x" * 30, "\n\n", "\r\r\n"]), max_size=40
).map("".join)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(-1, 20)),
        st.tuples(st.just("readline"), st.integers(-1, 20)),
        st.tuples(st.just("readlines"), st.integers(-1, 20)),
        st.tuples(st.just("next"), st.just(0)),
        st.tuples(st.just("tell"), st.just(0)),
        st.tuples(st.just("seek"), st.integers(0, 10)),
        st.tuples(st.just("end"), st.just(0)),
    ),
    max_size=20,
)


class Model:
    """A text file of the standard library and the places that were told in it and in ours."""

    def __init__(self, data: bytes, encoding: str, newline: str | None) -> None:
        self.file = io.TextIOWrapper(io.BytesIO(data), encoding=encoding, newline=newline)
        self.places: list[tuple[int, int]] = [(0, 0)]

    def readlines(self, hint: int) -> list[str]:
        """As ``file.readlines(hint)``, which disables ``tell``."""
        lines: list[str] = []
        while (hint <= 0 or sum(map(len, lines)) <= hint) and (line := self.file.readline()):
            lines.append(line)
        return lines


async def carry_out(step: tuple[str, int], file: AsyncTextFile, model: Model) -> None:
    name, argument = step
    if name == "read":
        assert await file.read(argument) == model.file.read(argument)
    elif name == "readline":
        assert await file.readline(argument) == model.file.readline(argument)
    elif name == "readlines":
        assert await file.readlines(argument) == model.readlines(argument)
    elif name == "next":
        assert await anext(file, "") == model.file.readline()
    elif name == "tell":
        model.places.append((file.tell(), model.file.tell()))
    elif name == "seek":
        ours, theirs = model.places[argument % len(model.places)]
        assert await file.seek(ours) == ours
        model.file.seek(theirs)
    else:
        assert await file.seek(0, 2) == model.file.seek(0, 2)


@settings(max_examples=500)
@given(
    text=texts,
    encoding=encodings,
    newline=newlines,
    steps=steps,
    buffer_size=st.integers(1, 40),
    chunks=st.lists(st.integers(1, 20), max_size=3),
)
async def test_a_text_reader_answers_as_io_does(
    text: str, encoding: str, newline: str | None, steps: list[tuple[str, int]], buffer_size: int, chunks: list[int]
) -> None:
    data = text.encode(encoding)
    model = Model(data, encoding, newline)
    async with faulty(part_size=50, chunks=chunks) as (store, _):
        await store.put("key", data)
        async with store.open("key", encoding=encoding, newline=newline, buffer_size=buffer_size) as file:
            for step in steps:
                await carry_out(step, file, model)
            assert await file.read() == model.file.read()


@settings(max_examples=200)
@given(
    data=st.lists(st.sampled_from([b"\xff", b"\xe3\x81", b"a", b"\n", b"\r", b"\x82\xa0", b"\xd8"]), max_size=30).map(
        b"".join
    ),
    encoding=st.sampled_from(["utf-8", "utf-16-le", "shift_jis", "gb18030", "iso2022_jp"]),
    newline=newlines,
    sizes=st.lists(st.integers(1, 5), max_size=30),
    buffer_size=st.integers(1, 20),
)
async def test_what_cannot_be_decoded_is_replaced_as_io_does(
    data: bytes, encoding: str, newline: str | None, sizes: list[int], buffer_size: int
) -> None:
    model = io.TextIOWrapper(io.BytesIO(data), encoding=encoding, errors="replace", newline=newline)
    async with faulty() as (store, _):
        await store.put("key", data)
        async with store.open(
            "key", encoding=encoding, errors="replace", newline=newline, buffer_size=buffer_size
        ) as file:
            expected = model.read()
            read = ""
            for size in sizes:
                read += await file.read(size)
                place = file.tell()
                assert await file.seek(place) == place
            assert read + await file.read() == expected


@settings(max_examples=200)
@given(pieces=st.lists(texts, max_size=8), encoding=encodings, newline=newlines, buffer_size=st.integers(1, 100))
async def test_a_text_writer_writes_as_io_does(
    pieces: list[str], encoding: str, newline: str | None, buffer_size: int
) -> None:
    raw = io.BytesIO()
    model = io.TextIOWrapper(raw, encoding=encoding, newline="\n" if newline is None else newline)
    async with faulty() as (store, _):
        async with store.open("key", "w", encoding=encoding, newline=newline, buffer_size=buffer_size) as file:
            for piece in pieces:
                assert await file.write(piece) == model.write(piece)
                assert file.tell() == model.tell()
        assert await store.get("key") == raw.getvalue()
        assert file.result.size == len(raw.getvalue())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
async def test_appended_text_has_no_second_byte_order_mark(encoding: str) -> None:
    async with faulty() as (store, _):
        for text in ("one", "two"):
            async with store.open("key", "a", encoding=encoding) as file:
                await file.write(text)
        assert (await store.get("key")).decode(encoding) == "onetwo"


async def test_the_encoding_is_utf_8_whatever_the_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    async with faulty() as (store, _):
        async with store.open("key", "w") as file:
            assert await file.write("é\U0001f600\n") == 3
        assert await store.get("key") == "é\U0001f600\n".encode()
        async with store.open("key") as file:
            assert (file.encoding, file.errors, file.mode, file.name) == ("utf-8", "strict", "r", "key")
            assert [line async for line in file] == ["é\U0001f600\n"]
            assert file.newlines == "\n"
            assert file.buffer.mode == "rb"


async def test_lines_far_longer_than_a_chunk_are_read_whole() -> None:
    lines = ["x" * 200_000 + "\n", "y" * 5 + "\n", "z" * 300_000]
    async with faulty(part_size=100_000, chunks=[10_000]) as (store, _):
        await store.put("key", "".join(lines).encode())
        async with store.open("key") as file:
            assert [line async for line in file] == lines
        async with store.open("key", newline="\r\n") as file:
            assert await file.readline() == "".join(lines)


@pytest.mark.parametrize("newline", NEWLINES)
@pytest.mark.parametrize("limit", [-1, 1, 2, 3])
async def test_newlines_are_found_wherever_chunks_end(newline: str | None, limit: int) -> None:
    text = "ab\r\ncd\r\r\n\r\n\n\rend\r"
    async with faulty() as (store, _):
        await store.put("key", text.encode())
        for buffer_size in range(1, len(text) + 1):
            model = io.TextIOWrapper(io.BytesIO(text.encode()), newline=newline)
            async with store.open("key", newline=newline, buffer_size=buffer_size) as file:
                while line := model.readline(limit):
                    assert await file.readline(limit) == line
                    assert await file.seek(place := file.tell()) == place
                assert await file.readline(limit) == ""


@settings(max_examples=150)
@given(
    text=texts,
    encoding=encodings,
    newline=newlines,
    steps=steps,
    failing=st.sets(st.integers(0, 19)),
    buffer_size=st.integers(1, 10),
    chunks=st.lists(st.integers(1, 5), max_size=3),
)
async def test_a_step_that_failed_moves_nothing_and_can_be_repeated(
    text: str,
    encoding: str,
    newline: str | None,
    steps: list[tuple[str, int]],
    failing: set[int],
    buffer_size: int,
    chunks: list[int],
) -> None:
    data = text.encode(encoding)
    model = Model(data, encoding, newline)
    async with faulty(part_size=10, chunks=chunks) as (store, driver):
        await store.put("key", data)
        async with store.open("key", encoding=encoding, newline=newline, buffer_size=buffer_size) as file:
            for index, step in enumerate(steps):
                if index in failing and step[0] in {"read", "readline"}:
                    place = file.tell()
                    driver.plan = [Fail("get", calls=EVERY, error=ConnectionLostError("gone"))]
                    with contextlib.suppress(ConnectionLostError):
                        await getattr(file, step[0])(step[1])
                        await file.seek(place)
                    driver.plan = []
                await carry_out(step, file, model)
            assert await file.read() == model.file.read()


async def test_text_that_cannot_be_decoded_is_an_error_each_time_and_moves_nothing() -> None:
    async with faulty(chunks=[4]) as (store, _):
        await store.put("key", b"good\nbad \xff\n")
        async with store.open("key", buffer_size=1) as file:
            for _ in range(2):
                assert await file.readline() == "good\n"
                place = file.tell()
                for _ in range(2):
                    with pytest.raises(UnicodeDecodeError):
                        await file.readline()
                    assert file.tell() == place
                await file.seek(0)


async def test_text_that_cannot_be_encoded_is_not_taken() -> None:
    async with faulty() as (store, _):
        async with store.open("key", "w", encoding="ascii") as file:
            await file.write("a")
            with pytest.raises(UnicodeEncodeError):
                await file.write("é")
            await file.write("b")
        assert await store.get("key") == b"ab"


async def test_a_cancelled_read_of_text_loses_nothing() -> None:
    hold = Hold(primitive="get", calls=[4])
    text = payload(5 * PART).hex()
    async with faulty(hold, chunks=[70]) as (store, _):
        await store.put("key", text.encode())
        async with store.open("key", buffer_size=16) as file:
            assert await file.read(100) == text[:100]
            reading = asyncio.create_task(file.readline())
            await hold.reached.wait()
            for _ in range(100):
                await asyncio.sleep(0)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            hold.released.set()
            assert await file.readline() == text[100:]


async def test_two_tasks_cannot_read_one_text_file_at_once() -> None:
    hold = Hold(primitive="get", calls=[2])
    async with faulty(hold) as (store, _):
        await store.put("key", b"x" * 5 * PART)
        async with store.open("key", buffer_size=16) as file:
            reading = asyncio.create_task(file.read(100))
            await hold.reached.wait()
            for misuse in (lambda: file.read(1), lambda: file.readline(), lambda: file.seek(0), lambda: anext(file)):
                with pytest.raises(RuntimeError, match="another task"):
                    await misuse()
            with pytest.raises(RuntimeError, match="another task"):
                file.tell()
            hold.released.set()
            assert await reading == "x" * 100


async def test_only_places_that_were_told_can_be_sought() -> None:
    async with faulty() as (store, _):
        await store.put("key", b"text")
        async with store.open("key") as file:
            assert await file.seek(0, 1) == 0
            for offset, whence in ((1, 1), (-1, 2)):
                with pytest.raises(io.UnsupportedOperation):
                    await file.seek(offset, whence)
            with pytest.raises(ValueError, match="negative"):
                await file.seek(-1)
            with pytest.raises(ValueError, match="whence"):
                await file.seek(0, 3)
            with pytest.raises(OSError, match="logical file position"):
                await file.seek(9 << 128 | 1 << 64)


async def test_the_wrong_half_of_a_text_file_is_refused() -> None:
    async with faulty() as (store, _):
        async with store.open("key", "w") as writer:
            for read in (writer.read, writer.readline, writer.__anext__):
                with pytest.raises(io.UnsupportedOperation, match="not readable"):
                    await read()
            with pytest.raises(io.UnsupportedOperation, match="not seekable"):
                await writer.seek(0)
            with pytest.raises(TypeError, match="must be str, not bytes"):
                await writer.write(b"x")  # type: ignore[arg-type]  # wrong on purpose
            await writer.writelines(["a", "b\n"])
            await writer.flush()
        async with store.open("key") as reader:
            with pytest.raises(io.UnsupportedOperation, match="not writable"):
                await reader.write("x")
            with pytest.raises(io.UnsupportedOperation, match="not writable"):
                await reader.writelines(["x"])
            assert await reader.read() == "ab\n"
            await reader.flush()
        for file in (reader, writer):
            assert file.closed
            calls: list[Callable[[], Awaitable[object]]] = [file.read, file.readline, file.flush, file.readlines]
            for call in calls:
                with pytest.raises(ValueError, match="closed file"):
                    await call()
            with pytest.raises(ValueError, match="closed file"):
                file.tell()


async def test_an_exception_in_a_text_file_publishes_nothing() -> None:
    async with faulty() as (store, _):
        with pytest.raises(ZeroDivisionError):
            await _fail(store)
        assert not await store.exists("key")


async def _fail(store: Store) -> None:
    async with store.open("key", "w", part_size=PART, buffer_size=10) as file:
        await file.write("x" * 5 * PART)
        raise ZeroDivisionError


async def test_corrupted_text_surfaces_before_its_end() -> None:
    async with faulty(Flip(at=100, calls=range(3, 1000))) as (store, _):
        await store.put("key", b"line\n" * PART)
        async with store.open("key", buffer_size=16) as file:
            with pytest.raises(CorruptedError):
                async for _ in file:
                    pass
