"""A stream of an object with a checksum of the whole, of whichever kind, ends with right bytes or before the last."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiostore import CorruptedError, Limits, RetryPolicy, Store
from aiostore.body import Buffers
from aiostore.checksums import PREFERENCE, best, digest
from aiostore.drivers.memory import MemoryDriver
from aiostore.testing import FaultyDriver, Flip
from aiostore.types import GetOptions, GetResult, PutOptions

PART = 1000
SIZE = 3 * PART + 7
DATA = bytes(index * 7 % 251 for index in range(SIZE))
LIMITS = Limits(part_size=PART, reads=2)
RETRY = RetryPolicy(first_delay=0.0, max_delay=0.001)


class Keeping(MemoryDriver):
    """Keeps one kind of checksum of each object."""

    def __init__(self, algorithm: str, checksum: str) -> None:
        super().__init__()
        self.kept = {algorithm: checksum}

    async def get(self, key: str, options: GetOptions) -> GetResult:
        result = await super().get(key, options)
        result.meta = replace(result.meta, checksums=self.kept)
        result.range_checksums = False
        return result


async def driver_of(algorithm: str) -> Keeping:
    driver = Keeping(algorithm, await digest(algorithm, (DATA,)))
    await driver.put("object", Buffers((DATA,)), PutOptions())
    return driver


@pytest.mark.parametrize("algorithm", [name for name in PREFERENCE if best((name,))])
@settings(max_examples=25)
@given(
    at=st.integers(0, 6),
    body=st.integers(1, 4),
    chunk_size=st.none() | st.integers(1, SIZE),
    concurrency=st.none() | st.integers(1, 5),
    part_size=st.sampled_from([PART, SIZE - 1, SIZE]),
)
async def test_wrong_bytes_end_before_the_last_chunk(
    algorithm: str, at: int, body: int, chunk_size: int | None, concurrency: int | None, part_size: int
) -> None:
    faulty = FaultyDriver(await driver_of(algorithm))
    async with Store(faulty, limits=replace(LIMITS, part_size=part_size), retry=RETRY) as store:
        stream = store.stream("object", chunk_size=chunk_size, concurrency=concurrency)
        assert b"".join([chunk async for chunk in stream]) == DATA
        assert stream.verified == algorithm
        bodies = faulty.count("get")
        faulty.plan = [Flip(at=at, calls=(bodies + min(body, bodies),))]
        received = 0
        stream = store.stream("object", chunk_size=chunk_size, concurrency=concurrency)
        with pytest.raises(CorruptedError):
            async for chunk in stream:
                received += len(chunk)
        assert received < SIZE
        assert stream.verified is None
        assert await store.get("object") == DATA
