"""Objects that are compressed on their way: what is read is what was written."""
# ruff: noqa: D102, S101  # a test's name says what it shows

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator

import pytest

from aiostore.capabilities import Capabilities
from aiostore.errors import CorruptedError
from aiostore.store import Store
from aiostore.testing.conformance.suite import Suite, payload, requires, supports

LINES = b"".join(b"line %d\n" % number for number in range(20_000))


def _keeps(capabilities: Capabilities) -> bool:
    return capabilities.metadata


class Compression(Suite):
    """Tests of ``compress``, ``raw``, and of decoding by Content-Encoding."""

    @requires(supports("put"), _keeps)
    async def test_what_was_compressed_is_read_decoded_or_raw(self, store: Store) -> None:
        if "content_encoding" not in self.content_headers:
            return
        result = await store.put("lines", LINES, compress="gzip")
        assert result.size < len(LINES) / 2
        meta = await store.head("lines")
        assert (meta.content_encoding, meta.size) == ("gzip", result.size)
        assert await store.get("lines") == LINES
        stored = await store.get("lines", raw=True)
        assert gzip.decompress(stored) == LINES
        assert await store.get("lines", start=2, stop=10) == stored[2:10]
        async with store.stream("lines") as stream:
            assert b"".join([chunk async for chunk in stream]) == LINES
            assert stream.meta.size == len(stored)
        async with store.stream("lines", raw=True) as stream:
            assert b"".join([chunk async for chunk in stream]) == stored

    @requires(supports("put"), _keeps)
    async def test_a_compressed_file_is_read_and_written_as_a_plain_one(self, store: Store) -> None:
        if "content_encoding" not in self.content_headers:
            return
        async with store.open("lines", "wb", compress="gzip") as file:
            await file.write(LINES[:1000])
            await file.write(LINES[1000:])
        assert (await store.head("lines")).content_encoding == "gzip"
        async with store.open("lines", "rb") as file:
            assert await file.readline() == b"line 0\n"
            assert await file.seek(-7, 2) == len(LINES) - 7
            assert await file.read() == LINES[-7:]
            await file.seek(0)
            assert await file.read() == LINES
        async with store.open("lines") as text:
            assert len([line async for line in text]) == 20_000

    @requires(supports("put"), _keeps)
    async def test_a_source_is_compressed_as_it_comes(self, store: Store) -> None:
        if "content_encoding" not in self.content_headers:
            return

        async def blocks() -> AsyncIterator[bytes]:
            for start in range(0, len(LINES), 10_000):
                yield LINES[start : start + 10_000]

        await store.put("lines", blocks(), compress="xz")
        assert await store.get("lines") == LINES

    @requires(supports("put"), _keeps)
    async def test_bytes_that_are_not_of_their_encoding_are_an_error_but_can_be_had(self, store: Store) -> None:
        if "content_encoding" not in self.content_headers:
            return
        data = payload(1000)
        await store.put("wrong", data, content_encoding="gzip")
        with pytest.raises(CorruptedError, match="raw=True"):
            await store.get("wrong")
        assert await store.get("wrong", raw=True) == data
