"""An answer that holds other bytes than are stored is never taken for them, whoever decoded it on the way."""

from __future__ import annotations

import gzip

import pytest

from aiostore import GCSStore, RetryPolicy
from aiostore.errors import UnavailableError
from tests.unit.raw_http import Request, serve

PLAIN = b"hello" * 100
STORED = gzip.compress(PLAIN)
DECODED = (
    f"HTTP/1.1 200 OK\r\nx-goog-stored-content-encoding: gzip\r\nx-goog-stored-content-length: {len(STORED)}\r\n"
    f"x-goog-generation: 1\r\nContent-Length: {len(PLAIN)}\r\n\r\n"
).encode() + PLAIN
AS_STORED = (
    f"HTTP/1.1 200 OK\r\nx-goog-stored-content-encoding: gzip\r\nx-goog-stored-content-length: {len(STORED)}\r\n"
    f"x-goog-generation: 1\r\nContent-Encoding: gzip\r\nContent-Length: {len(STORED)}\r\n\r\n"
).encode() + STORED


@pytest.mark.parametrize("times", [1, 9])
async def test_what_was_decoded_on_the_way_is_asked_for_again(times: int) -> None:
    answers = [DECODED] * times

    async def respond(request: Request) -> None:
        assert {name.lower(): value for name, value in request.headers}["accept-encoding"] == "gzip"
        request.send(answers.pop() if answers else AS_STORED)

    async with serve(respond) as server:
        retry = RetryPolicy(first_delay=0, attempts=3)
        async with GCSStore("bucket", endpoint=server.url, skip_signature=True, retry=retry) as store:
            if times == 1:
                assert await store.get("key", raw=True) == STORED
                assert await store.get("key") == PLAIN
            else:
                with pytest.raises(UnavailableError, match="decoded"):
                    await store.get("key")
