"""What is believed of the ETags of a server that names no dialect."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from aiostore import S3Store
from aiostore.drivers import s3_etags
from tests.unit.raw_http import Answer, Request, serve

MADE_UP = "0123456789abcdef" * 2


class Objects:
    """Keeps what is put; the ETag is their MD5 if ``honest``, ``headers`` come with every answer."""

    def __init__(self, headers: Mapping[str, str], *, honest: bool) -> None:
        self.headers = headers
        self.honest = honest
        self.content: dict[str, bytes] = {}

    def etag(self, content: bytes) -> str:
        return hashlib.md5(content).hexdigest() if self.honest else MADE_UP

    async def answer(self, request: Request) -> None:
        method, target, _ = request.line.split(" ")
        body = await request.body()
        if method == "PUT":
            self.content[target] = body
        content = self.content[target]
        length = 0 if method == "PUT" else len(content)
        lines = ["HTTP/1.1 200 OK", f"Content-Length: {length}", f'ETag: "{self.etag(content)}"']
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        head = "\r\n".join(lines).encode() + b"\r\n\r\n"
        request.send(head + content if method == "GET" else head)


@asynccontextmanager
async def store_on(answer: Answer) -> AsyncIterator[S3Store]:
    async with serve(answer) as server:
        store = S3Store("bucket", endpoint=server.url, access_key_id="A", secret_access_key="hidden")
        async with store:
            yield store


@pytest.mark.parametrize(
    "headers",
    [{}, {"Server": "AmazonS3"}, {"Server": "cloudflare"}, {"Server": "NotMinIO"}, {"x-rgw-object-type": "Appendable"}],
    ids=str,
)
async def test_made_up_etags_are_never_taken_for_checksums(headers: Mapping[str, str]) -> None:
    objects = Objects(headers, honest=False)
    objects.content["/bucket/before"] = b"before"
    async with store_on(objects.answer) as store:
        for key in ("before", "key", "other"):
            assert await store.get("before") == b"before"
            await store.put(key, b"before")
            assert await store.get(key) == b"before"
            assert (await store.head(key)).checksums == {}
        # One that happens to be right does not change what is known.
        objects.honest = True
        await store.put("key", b"hello")
        assert (await store.head("key")).checksums == {}


@pytest.mark.parametrize(
    "headers", [{"Server": "MinIO"}, {"Server": "MinIO/RELEASE.2020"}, {"x-rgw-object-type": "Normal"}], ids=str
)
async def test_a_server_that_names_itself_is_believed_from_the_first_answer(headers: Mapping[str, str]) -> None:
    objects = Objects(headers, honest=True)
    objects.content["/bucket/before"] = b"before"
    async with store_on(objects.answer) as store:
        assert set((await store.head("before")).checksums) == {"md5"}


@pytest.mark.parametrize(
    ("put", "read", "honest", "trusted"),
    [
        ("AES256", "AES256", True, True),
        ("AES256", None, True, True),
        ("AES256", "AES256", False, False),
        (None, "AES256", True, False),
        ("aws:kms", None, True, False),
    ],
)
async def test_what_encryption_makes_of_etags_is_learnt_with_them(
    put: str | None, read: str | None, honest: bool, trusted: bool
) -> None:
    def encrypted(algorithm: str | None) -> dict[str, str]:
        return {} if algorithm is None else {"x-amz-server-side-encryption": algorithm}

    objects = Objects(encrypted(put), honest=honest)
    async with store_on(objects.answer) as store:
        await store.put("key", b"hello")
        objects.headers = encrypted(read)
        assert bool((await store.head("key")).checksums) == trusted


@pytest.mark.parametrize("size", [0, 64 * 1024 + 1])
async def test_empty_and_large_bodies_are_not_hashed_to_learn(size: int) -> None:
    objects = Objects({}, honest=True)
    async with store_on(objects.answer) as store:
        await store.put("key", bytes(size))
        assert (await store.head("key")).checksums == {}


async def test_objects_of_parts_with_etags_like_md5s_make_all_of_them_doubtful() -> None:
    objects = Objects({}, honest=True)

    async def answer(request: Request) -> None:
        if not request.line.startswith("POST"):
            await objects.answer(request)
            return
        await request.body()
        xml = f"<Result><UploadId>1</UploadId><ETag>{MADE_UP}</ETag></Result>".encode()
        request.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(xml), xml))

    async with store_on(answer) as store:
        await store.put("key", b"hello")
        assert set((await store.head("key")).checksums) == {"md5"}
        assert (await store.put("parts", bytes(6 * 1024**2), part_size=5 * 1024**2)).etag == MADE_UP
        assert (await store.head("key")).checksums == {}


def test_the_etag_of_parts_that_looks_like_an_md5_is_told() -> None:
    assert s3_etags.are_mistakable(MADE_UP)
    assert not any(map(s3_etags.are_mistakable, (None, "", MADE_UP + "-2", MADE_UP[1:], MADE_UP.upper())))
