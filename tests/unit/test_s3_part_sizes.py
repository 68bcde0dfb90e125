"""The sizes of the parts of an object are believed only as far as they fit the object."""

from __future__ import annotations

import hashlib
from typing import Final

import pytest

from aiostore import NotSupportedError, S3Store
from tests.unit.raw_http import Request, serve

DATA: Final = bytes(index * 7 % 251 for index in range(1000))
PARTS: Final = (DATA[:400], DATA[400:800], DATA[800:])
ETAG: Final = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in PARTS)).hexdigest() + "-3"


async def read(count: str, sizes: dict[int, int], etag: str = ETAG) -> bytes:
    """The object, of which HEAD tells this number of parts and these sizes."""

    async def answer(request: Request) -> None:
        method, target, _ = request.line.split(" ")
        if method == "GET":
            request.send(b'HTTP/1.1 200 OK\r\nETag: "%b"\r\nContent-Length: 1000\r\n\r\n' % ETAG.encode() + DATA)
            return
        number = int(target.partition("partNumber=")[2])
        told = f"x-amz-mp-parts-count: {count}\r\n" if count else ""
        length = sizes.get(number, 0)
        request.send(f'HTTP/1.1 206 Part\r\nETag: "{etag}"\r\n{told}Content-Length: {length}\r\n\r\n'.encode())

    async with (
        serve(answer) as server,
        S3Store("bucket", endpoint=server.url, skip_signature=True, dialect="swift", integrity="require") as store,
    ):
        return await store.get("key")


async def test_sizes_that_fit_prove_the_object() -> None:
    assert await read("3", {1: 400, 2: 400, 3: 200}) == DATA


@pytest.mark.parametrize(
    ("count", "sizes", "etag"),
    [
        ("", {1: 400, 3: 200}, ETAG),
        ("many", {1: 400, 3: 200}, ETAG),
        ("1000000000", {1: 1}, ETAG),
        ("2", {1: 500, 2: 500}, ETAG),
        ("3", {1: 400, 2: 400, 3: 300}, ETAG),
        ("3", {1: 400, 2: 400, 3: 200}, "0" * 32 + "-3"),
    ],
    ids=["not told", "no number", "too many", "another number", "other sizes", "another state"],
)
async def test_what_does_not_fit_proves_nothing(count: str, sizes: dict[int, int], etag: str) -> None:
    with pytest.raises(NotSupportedError, match="cannot be verified"):
        await read(count, sizes, etag)
