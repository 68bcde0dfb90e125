"""A body without Content-Length is as long as its Content-Range says, or it is not taken for the object's bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiostore import Capabilities, HTTPStore, Limits, RetryPolicy, S3Store, Store
from aiostore.body import Buffers
from aiostore.drivers.memory import MemoryDriver
from aiostore.types import GetOptions, GetResult, ObjectMeta, PutOptions
from tests.unit.raw_http import Request, serve

DATA: Final = bytes(index * 7 % 251 for index in range(1000))
RETRY: Final = RetryPolicy(first_delay=0.0, max_delay=0.001)
LIMITS: Final = Limits(part_size=64)

MAKERS: Final[dict[str, Callable[[str, Limits], Store]]] = {
    "http": lambda url, limits: HTTPStore(f"{url}/", retry=RETRY, limits=limits),
    "s3": lambda url, limits: S3Store("bucket", endpoint=url, skip_signature=True, retry=RETRY, limits=limits),
}


@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "until the connection is closed"])
@pytest.mark.parametrize("limits", [Limits(), LIMITS], ids=["at once", "in parts"])
@pytest.mark.parametrize("made", MAKERS.values(), ids=MAKERS)
@given(length=st.integers(0, 130))
async def test_a_range_of_another_length_than_its_head_says_is_asked_for_again(
    made: Callable[[str, Limits], Store], limits: Limits, chunked: bool, length: int
) -> None:
    answered = 0

    async def answer(request: Request) -> None:
        nonlocal answered
        answered += 1
        first, _, last = dict(request.headers)["range"].removeprefix("bytes=").partition("-")
        start, stop = int(first), int(last) + 1
        body = DATA[start:stop]
        if answered == 1:
            body = body[:length] + b"x" * (length - len(body))
        head = f'HTTP/1.1 206 Partial Content\r\nETag: "e"\r\nContent-Range: bytes {start}-{stop - 1}/1000\r\n'
        if chunked:
            pieces = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            request.send(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + pieces + b"0\r\n\r\n")
        else:
            request.send(head.encode() + b"Connection: close\r\n\r\n" + body)
            request.writer.close()

    async with serve(answer) as server, made(server.url, limits) as store:
        assert await store.get_range("key", 100, 200) == DATA[100:200]


class Shrinking(MemoryDriver):
    """Has no ETags and no suffix ranges, and its object becomes shorter behind the first look at it."""

    @property
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, suffix_range=False)

    async def head(self, key: str, options: GetOptions) -> ObjectMeta:
        meta = await super().head(key, options)
        await self.put(key, Buffers((DATA[:500],)), PutOptions())
        return replace(meta, etag=None, version=None)

    async def get(self, key: str, options: GetOptions) -> GetResult:
        result = await super().get(key, options)
        result.meta = replace(result.meta, etag=None, version=None)
        return result


async def test_the_last_bytes_are_those_of_one_state() -> None:
    async with Store(Shrinking(), retry=RETRY) as store:
        await store.put("key", DATA[:550])
        assert await store.get_range("key", -100) == DATA[400:500]
