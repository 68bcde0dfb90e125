"""Everything that can be written: every kind of source with every interesting size."""
# ruff: noqa: D102, S101  # a test's name says what it shows

from __future__ import annotations

import array
import asyncio
import io
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final, TypeAlias

import pytest

from aiostore.protocol import Source
from aiostore.store import Store
from aiostore.testing.conformance.suite import Suite, payload, requires, supports

SourceFactory: TypeAlias = Callable[[bytes, Path, ExitStack], Source]
PIECE: Final = 100_003
"""Bytes of one piece of the iterables, which divides no part."""


def _pieces(data: bytes, size: int = PIECE) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def _arriving(data: bytes, size: int = PIECE) -> AsyncIterator[bytes]:
    for piece in _pieces(data, size):
        await asyncio.sleep(0)
        yield piece


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


SOURCES: Final[Mapping[str, SourceFactory]] = {
    "bytes": lambda data, path, stack: data,
    "bytearray": lambda data, path, stack: bytearray(data),
    "memoryview": lambda data, path, stack: memoryview(b"<<" + data + b">>")[2:-2],
    "path": lambda data, path, stack: _written(path, data),
    "open file": lambda data, path, stack: stack.enter_context(_written(path, data).open("rb")),
    "BytesIO": lambda data, path, stack: io.BytesIO(data),
    "list": lambda data, path, stack: list(_pieces(data)),
    "generator": lambda data, path, stack: _pieces(data),
    "async generator": lambda data, path, stack: _arriving(data),
    "async generator of large pieces": lambda data, path, stack: _arriving(data, max(1, len(data))),
}

PARTS: Final[Mapping[str, Callable[[int], int]]] = {
    "empty": lambda part: 0,
    "one byte": lambda part: 1,
    "one part less a byte": lambda part: part - 1,
    "one part": lambda part: part,
    "one part and a byte": lambda part: part + 1,
    "three parts and a rest": lambda part: 3 * part + 17,
}


class Sources(Suite):
    """Tests of what ``put`` accepts as data."""

    @pytest.mark.parametrize("size", PARTS)
    @pytest.mark.parametrize("kind", SOURCES)
    async def test_a_source_is_stored_byte_by_byte(self, store: Store, tmp_path: Path, kind: str, size: str) -> None:
        data = payload(PARTS[size](self.part_size))
        with ExitStack() as stack:
            source = SOURCES[kind](data, tmp_path / "source", stack)
            result = await store.put("key", source, part_size=self.part_size)
        assert result.size == len(data)
        assert await store.get("key") == data

    async def test_many_tiny_pieces_become_one_object(self, store: Store) -> None:
        data = payload(70_000)
        await store.put("key", _arriving(data, 7))
        assert await store.get("key") == data

    @requires(supports("create_multipart"))
    async def test_many_parts_become_one_object(self, store: Store) -> None:
        data = payload(8 * self.part_size - 1)
        await store.put("key", _arriving(data), part_size=self.part_size)
        assert await store.get("key") == data

    async def test_empty_pieces_add_nothing(self, store: Store) -> None:
        await store.put("key", [b"", b"a", b"", b"", b"bc", b""])
        assert await store.get("key") == b"abc"

    async def test_a_source_of_only_empty_pieces_is_an_empty_object(self, store: Store) -> None:
        result = await store.put("key", iter([b"", b""]))
        assert result.size == 0
        assert await store.get("key") == b""

    async def test_pieces_may_be_any_buffers(self, store: Store) -> None:
        await store.put("key", [b"a", bytearray(b"b"), memoryview(b"<c>")[1:2]])
        assert await store.get("key") == b"abc"

    async def test_the_size_of_a_buffer_is_counted_in_bytes(self, store: Store) -> None:
        numbers = memoryview(array.array("Q", range(1000)))
        result = await store.put("key", numbers)
        assert result.size == 8000
        assert await store.get("key") == numbers.tobytes()

    async def test_pieces_are_counted_in_bytes(self, store: Store) -> None:
        numbers = memoryview(array.array("Q", range(1000)))
        result = await store.put("key", [numbers, numbers])
        assert result.size == 16_000
        assert await store.get("key") == numbers.tobytes() * 2

    async def test_an_open_file_is_stored_from_its_position(self, store: Store, tmp_path: Path) -> None:
        with _written(tmp_path / "file", b"0123456789").open("rb") as file:
            file.seek(4)
            result = await store.put("key", file)
        assert result.size == 6
        assert await store.get("key") == b"456789"

    async def test_a_file_that_cannot_seek_is_stored(self, store: Store) -> None:
        data = payload(2 * self.part_size + 1)
        await store.put("key", _Pipe(data), part_size=self.part_size)
        assert await store.get("key") == data

    @pytest.mark.parametrize("data", ["text", 1, None, object()], ids=["str", "int", "None", "object"])
    async def test_what_is_no_source_is_a_type_error_and_writes_nothing(self, store: Store, data: object) -> None:
        with pytest.raises(TypeError):
            await store.put("key", data)  # type: ignore[arg-type]  # the point of this test
        assert not await store.exists("key")

    @pytest.mark.parametrize("piece", ["text", 1], ids=["str", "int"])
    async def test_a_piece_that_is_no_buffer_is_a_type_error_and_writes_nothing(
        self, store: Store, piece: object
    ) -> None:
        with pytest.raises(TypeError):
            await store.put("key", [b"bytes", piece])  # type: ignore[list-item]  # the point of this test
        assert not await store.exists("key")

    async def test_an_open_text_file_is_a_type_error_and_writes_nothing(self, store: Store) -> None:
        with pytest.raises(TypeError):
            await store.put("key", io.StringIO("text"))  # type: ignore[arg-type]  # the point of this test
        assert not await store.exists("key")


class _Pipe(io.BytesIO):
    """A file that can only be read on and on, a little at a time."""

    def seekable(self) -> bool:
        return False

    def seek(self, offset: int, whence: int = 0, /) -> int:
        raise io.UnsupportedOperation("seek")

    def tell(self) -> int:
        raise io.UnsupportedOperation("tell")

    def fileno(self) -> int:
        raise io.UnsupportedOperation("fileno")

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(PIECE, size) if size is not None and size >= 0 else size)
