"""Downloads into files that take what they like."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO, cast

import pytest

from aiostore import Limits, MemoryStore

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

DATA = bytes(range(256)) * 40


class Reluctant(io.RawIOBase):
    """An unbuffered file, such as a pipe or one on a disk that is nearly full: takes a few bytes at a time, or none."""

    def __init__(self, most: int | None) -> None:
        self.most = most
        self.taken = b""

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer, /) -> int | None:
        if self.most is None:
            return None
        piece = bytes(memoryview(data)[: self.most])
        self.taken += piece
        return len(piece)


async def test_a_file_that_takes_part_of_a_write_gets_the_rest() -> None:
    file = Reluctant(1000)
    async with MemoryStore(limits=Limits(part_size=4096)) as store:
        await store.put("key", DATA)
        await store.download("key", cast("BinaryIO", file))
    assert file.taken == DATA


async def test_a_file_that_takes_nothing_is_an_error() -> None:
    async with MemoryStore() as store:
        await store.put("key", DATA)
        with pytest.raises(BlockingIOError):
            await store.download("key", cast("BinaryIO", Reluctant(None)))


async def test_a_writer_that_does_not_count_is_believed() -> None:
    class Silent:
        taken = b""

        def write(self, data: bytes) -> None:
            self.taken += data

        def seekable(self) -> bool:
            return False

    file = Silent()
    async with MemoryStore() as store:
        await store.put("key", DATA)
        await store.download("key", cast("BinaryIO", file))
    assert file.taken == DATA
