from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator, Iterator, Sequence

import pytest

from aiostore import Capabilities, Limits, Store
from aiostore._engine.multipart import part_sizes
from aiostore.body import Body
from aiostore.budget import BUDGET
from aiostore.capabilities import PartLimits
from aiostore.drivers.base import BaseDriver
from aiostore.errors import NotFoundError
from aiostore.types import GetOptions, GetResult, ObjectMeta, Part, PutOptions, PutResult, Upload

GIB = 1024**3
MIB = 1024**2
SIZE = 5 * GIB + 12_345
BLOCK = bytes(range(256)) * 4096
BUDGET_LIMIT = 64 * MIB
PART = 8 * MIB


def fresh(begin: int, size: int) -> bytes:
    """Bytes that lie in memory of their own, as those from a network do."""
    return bytes(memoryview(BLOCK)[begin : begin + size])


class Made:
    """The bytes of a body, made as they are read."""

    def __init__(self, start: int, stop: int) -> None:
        self.position, self.stop = start, stop

    async def next_chunk(self) -> bytes:
        begin = self.position % MIB
        chunk = fresh(begin, min(MIB - begin, self.stop - self.position))
        self.position += len(chunk)
        return chunk

    async def read(self) -> bytes:
        chunks = []
        while chunk := await self.next_chunk():
            chunks.append(chunk)
        return b"".join(chunks)

    async def aclose(self) -> None:
        return


class Sink(BaseDriver):
    """Counts what is written and keeps nothing; reads give SIZE bytes."""

    def __init__(self) -> None:
        self.sizes: dict[int, int] = {}
        self.completed = 0

    @property
    def location(self) -> str:
        return "sink://"

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(operations=self.operations, multipart=PartLimits(), metadata=False)

    async def aclose(self) -> None:
        return

    async def head(self, key: str, options: GetOptions) -> ObjectMeta:
        if not self.completed:
            raise NotFoundError("no such object")
        return ObjectMeta(key=key, size=self.completed, etag="e")

    async def get(self, key: str, options: GetOptions) -> GetResult:
        start, stop = options.start or 0, min(options.stop or SIZE, SIZE)
        meta = ObjectMeta(key=key, size=SIZE, etag="e")
        return GetResult(meta=meta, start=start, stop=stop, stream=Made(start, stop))

    async def create_multipart(self, key: str, options: PutOptions) -> Upload:
        return Upload(key=key, id="u")

    async def put_part(self, upload: Upload, number: int, offset: int, body: Body) -> Part:
        assert number not in self.sizes
        count = 0
        async for chunk in body.chunks():
            # What lies where is known without keeping it.
            assert chunk[0] == (offset + count) % 256
            count += len(chunk)
        assert count == body.size
        self.sizes[number] = count
        return Part(number=number, size=count)

    async def complete_multipart(self, upload: Upload, parts: Sequence[Part], options: PutOptions) -> PutResult:
        self.completed = sum(part.size for part in parts)
        return PutResult(etag="e")

    async def abort_multipart(self, upload: Upload) -> None:
        raise AssertionError("nothing failed")


async def blocks() -> AsyncIterator[bytes]:
    left = SIZE
    while left:
        block = fresh(0, min(MIB, left))
        left -= len(block)
        yield block


@pytest.fixture(autouse=True)
def small_budget() -> Iterator[None]:
    before = BUDGET.limit
    BUDGET.set_limit(BUDGET_LIMIT)
    tracemalloc.start()
    yield
    tracemalloc.stop()
    BUDGET.set_limit(before)


def most_memory() -> int:
    return tracemalloc.get_traced_memory()[1]


async def test_more_than_five_gib_of_unknown_length_are_written_in_bounded_memory() -> None:
    sink = Sink()
    result = await Store(sink, limits=Limits(part_size=PART)).put("k", blocks())
    assert result.size == sink.completed == SIZE
    assert sorted(sink.sizes) == list(range(1, len(sink.sizes) + 1))
    assert most_memory() < BUDGET_LIMIT + 2 * PART


async def test_more_than_five_gib_are_streamed_in_bounded_memory() -> None:
    position = 0
    async with Store(Sink(), limits=Limits(part_size=PART)).stream("k") as stream:
        async for chunk in stream:
            assert chunk[0] == position % 256
            position += len(chunk)
    assert position == SIZE
    assert most_memory() < BUDGET_LIMIT + 2 * PART


async def test_parts_grow_so_that_ten_thousand_suffice_for_the_largest_object() -> None:
    sizes = part_sizes(PartLimits(), PART, None)
    total = sum(next(sizes) for _ in range(10_000))
    assert total > 5 * 1024 * GIB
    known = part_sizes(PartLimits(), PART, 5 * 1024 * GIB)
    assert next(known) * 10_000 >= 5 * 1024 * GIB
