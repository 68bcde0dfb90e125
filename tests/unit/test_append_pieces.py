"""What is appended to a service that takes less at a time than was written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from aiostore import Capabilities, Limits, PutResult, RetryPolicy, Store, UnavailableError, WriteOutcomeUnknownError
from aiostore.body import Body
from aiostore.drivers.local import LocalDriver
from aiostore.types import PutOptions

MOST = 1000
DATA = bytes(index * 7 % 251 for index in range(3 * MOST + 1))


class Appending(LocalDriver):
    """Appends at most so many bytes at a time, and none at the offset ``broken``."""

    broken = -1

    def __init__(self, root: Path) -> None:
        super().__init__(root, fsync=False)
        self.asked: list[tuple[int, int, PutOptions]] = []

    @property
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, max_append=MOST)

    async def append(self, key: str, body: Body, offset: int, options: PutOptions) -> PutResult:
        self.asked.append((offset, body.size, options))
        if offset == self.broken:
            raise UnavailableError("broken", key=key)
        assert body.size <= MOST
        return await super().append(key, body, offset, replace(options, if_match=None, if_none_match=None))


@pytest.fixture
def driver(tmp_path: Path) -> Appending:
    return Appending(tmp_path)


@pytest.fixture
async def store(driver: Appending) -> AsyncIterator[Store]:
    async with Store(driver, limits=Limits(part_size=64 * 1024), retry=RetryPolicy(attempts=1)) as store:
        yield store


async def append(store: Store, data: bytes) -> None:
    async with store.open("log", "ab", metadata={"name": "value"}) as file:
        await file.write(data)


@pytest.mark.parametrize("before", [0, 5])
async def test_it_is_appended_in_pieces_each_behind_the_one_before(
    store: Store, driver: Appending, before: int
) -> None:
    if before:
        await store.put("log", bytes(before))
    await append(store, DATA)
    assert await store.get("log") == bytes(before) + DATA
    assert [(offset - before, size) for offset, size, _ in driver.asked] == [
        (0, MOST),
        (MOST, MOST),
        (2000, MOST),
        (3000, 1),
    ]
    assert [bool(options.metadata) for _, _, options in driver.asked] == [True, False, False, False]
    # Each piece goes behind the state that the one before has made.
    etags = [options.if_match.etag for _, _, options in driver.asked[1:] if options.if_match is not None]
    assert len(set(etags)) == 3


async def test_what_fits_is_appended_at_once(store: Store, driver: Appending) -> None:
    await append(store, DATA[:MOST])
    assert [size for _, size, _ in driver.asked] == [MOST]


async def test_a_failure_between_the_pieces_says_what_is_there(store: Store, driver: Appending) -> None:
    driver.broken = 2 * MOST
    with pytest.raises(WriteOutcomeUnknownError, match="first 2,000 bytes"):
        await append(store, DATA)
    assert await store.get("log") == DATA[: 2 * MOST]


async def test_a_failure_of_the_first_piece_is_that_of_any_append(store: Store, driver: Appending) -> None:
    driver.broken = 0
    with pytest.raises(UnavailableError, match="broken"):
        await append(store, DATA)
    assert not await store.exists("log")
