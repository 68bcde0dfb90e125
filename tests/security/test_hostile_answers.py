"""A service that wants to do harm, or is broken: bounded time, bounded memory, a typed error."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from aiostore import RetryPolicy, S3Store, StoreError
from tests.unit.raw_http import SHORT, Request, serve

MIB = 1024**2
ONCE = RetryPolicy(attempts=2, first_delay=0, max_delay=0.001)
NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def _laughs() -> str:
    lines = ['<!ENTITY l0 "lol">']
    lines += [f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12)]
    return f"<!DOCTYPE x [{''.join(lines)}]><ListBucketResult><Name>&l11;</Name></ListBucketResult>"


def _quadratic() -> str:
    entity = f'<!DOCTYPE x [<!ENTITY a "{"a" * 100_000}">]>'
    return f"{entity}<ListBucketResult><Name>{'&a;' * 20_000}</Name></ListBucketResult>"


BOMBS: dict[str, bytes] = {
    "billion laughs": _laughs().encode(),
    "quadratic blow-up": _quadratic().encode(),
    "external entity": b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><ListBucketResult>&e;</ListBucketResult>',
    "external subset": b'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><ListBucketResult/>',
    "parameter entity": b'<!DOCTYPE x [<!ENTITY % e SYSTEM "file:///etc/passwd"> %e;]><ListBucketResult/>',
    "hidden in another encoding": _laughs().encode("utf-16"),
    "huge text": b"<ListBucketResult><Name>" + b"a" * (20 * MIB) + b"</Name></ListBucketResult>",
    "many elements": b"<ListBucketResult>" + b"<a/>" * 600_000 + b"</ListBucketResult>",
    "many attributes": b"<ListBucketResult " + b" ".join(b'a%d="b"' % n for n in range(300_000)) + b"/ >",
    "deep nesting": b"<a>" * 300_000,
    "deep and closed": b"<a>" * 240_000 + b"</a>" * 240_000,
    "undeclared entity": b"<ListBucketResult>&undeclared;</ListBucketResult>",
}


def store_at(url: str) -> S3Store:
    return S3Store(
        "bucket",
        endpoint=url,
        region="eu-west-1",
        dialect="aws",
        access_key_id="AKIAEXAMPLE",
        secret_access_key="secret",
        retry=ONCE,
        timeouts=SHORT,
    )


class Peak:
    """Bytes that this process has had in memory at most since this was made, above what it had then."""

    def __init__(self) -> None:
        # 5 resets the mark: https://docs.kernel.org/filesystems/proc.html
        Path("/proc/self/clear_refs").write_text("5")
        self._begin = self._mark()

    def _mark(self) -> int:
        (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024

    @property
    def grown(self) -> int:
        return self._mark() - self._begin


CALLS: dict[str, Callable[[S3Store], Awaitable[object]]] = {
    "list": lambda s: s.list_with_delimiter(),
    "copy": lambda s: s.copy("a", "b"),
    "delete_many": lambda s: s.delete_many(["a", "b"]),
    "get_tags": lambda s: s.get_tags("a"),
    "get": lambda s: s.get("a"),
}


@pytest.mark.parametrize("status", ["200 OK", "403 Forbidden"])
@pytest.mark.parametrize("bomb", sorted(BOMBS))
@pytest.mark.parametrize("call", sorted(CALLS))
async def test_no_document_takes_much_time_or_memory(call: str, bomb: str, status: str) -> None:
    if call == "get" and status == "200 OK":
        status = "500 Oops"
    data = BOMBS[bomb]
    answer = f"HTTP/1.1 {status}\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data
    async with serve(answer) as server, store_at(server.url) as store:
        peak, begun = Peak(), time.monotonic()
        # What is only odd, such as a deep document, may be read as an answer that says nothing.
        try:
            result = await CALLS[call](store)
        except StoreError as error:
            result = str(error)
        assert time.monotonic() - begun < 10
        assert peak.grown < 300 * MIB
        assert len(repr(result)) < 5000
        assert "root:" not in repr(result)
        assert "lollol" not in repr(result)


@pytest.mark.parametrize("bomb", sorted(name for name, data in BOMBS.items() if b"<!DOCTYPE" in data))
async def test_a_document_type_is_refused_whatever_the_parser_would_make_of_it(bomb: str) -> None:
    data = BOMBS[bomb]
    async with (
        serve(f"HTTP/1.1 200 OK\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data) as server,
        store_at(server.url) as store,
    ):
        with pytest.raises(StoreError, match="declares a document type"):
            await store.list_with_delimiter()


@pytest.mark.parametrize("call", ["list", "get_tags"])
async def test_a_document_without_an_end_is_given_up(call: str) -> None:
    async def flood(request: Request) -> None:
        request.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\n\r\n<ListBucketResult>")
        for _ in range(400):
            request.send(b"a" * MIB)
            await request.writer.drain()
        request.writer.close()

    async with serve(flood) as server, store_at(server.url) as store:
        peak = Peak()
        with pytest.raises(StoreError, match="more XML than can be meant"):
            await CALLS[call](store)
        assert peak.grown < 120 * MIB


# --- lengths and ranges that lie --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: -1",
        "Content-Length: 99999999999999999999999999",
        "Content-Length: 1e3",
        "Content-Length: 0x10",
        "Content-Length: 10\r\nContent-Length: 5",
        "Content-Length: 10\r\nTransfer-Encoding: chunked",
        "Content-Length: 1099511627776",
        "Content-Length:",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: nonsense",
    ],
)
async def test_a_length_that_lies_is_an_error_and_reserves_nothing(head: str) -> None:
    async def lie(request: Request) -> None:
        request.send(f'HTTP/1.1 200 OK\r\nETag: "1"\r\n{head}\r\n\r\nshort'.encode())
        request.writer.close()

    async with serve(lie) as server, store_at(server.url) as store:
        peak = Peak()
        for call in (lambda: store.get("key"), lambda: _consume(store)):
            with pytest.raises(StoreError):
                await call()
        assert peak.grown < 300 * MIB


async def _consume(store: S3Store) -> None:
    async for _ in store.stream("key"):
        pass


@pytest.mark.parametrize(
    "value",
    [
        "bytes 0-4/-1",
        "bytes 0-4/99999999999999999999999999",
        "bytes -5-4/10",
        "bytes 4-0/10",
        "bytes 0-4/3",
        "bytes 1-5/10",
        "bytes 0-9/10",
        "bytes 0-4/*",
        "bytes */10",
        "items 0-4/10",
        "",
        "bytes 0-4/10, bytes 0-4/10",
        "bytes ٠-٤/10",
    ],
)
async def test_a_range_that_lies_is_an_error(value: str) -> None:
    async def lie(request: Request) -> None:
        head = f'HTTP/1.1 206 Partial\r\nETag: "1"\r\nContent-Length: 5\r\nContent-Range: {value}\r\n\r\n'
        request.send(head.encode() + b"12345")

    async with serve(lie) as server, store_at(server.url) as store:
        with pytest.raises(StoreError):
            await store.get_range("key", 0, 5)


async def test_a_head_without_an_end_is_given_up() -> None:
    async def flood(request: Request) -> None:
        request.send(b"HTTP/1.1 200 OK\r\n")
        for number in range(5000):
            request.send(f"x-{number}: {'a' * 1000}\r\n".encode())
        await asyncio.sleep(0)
        request.writer.close()

    async with serve(flood) as server, store_at(server.url) as store:
        peak = Peak()
        with pytest.raises(StoreError):
            await store.get("key")
        assert peak.grown < 100 * MIB
