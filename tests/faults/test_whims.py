"""A server that answers as it likes, and whose object changes at any moment: what is read is right, or an error."""

from __future__ import annotations

import asyncio
import hashlib
import random
from contextlib import suppress
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from aiostore import HTTPStore, Limits, RetryPolicy, S3Store, Store, StoreError
from tests.unit.raw_http import Request, serve

SIZE: Final = 1000
STATES: Final = (
    bytes(index * 7 % 251 for index in range(SIZE)),
    bytes((index * 7 + 31) % 251 for index in range(SIZE)),
    bytes((index * 7 + 62) % 251 for index in range(700)),
)
"""What the object holds, in turn."""

RETRY: Final = RetryPolicy(attempts=4, first_delay=0.0, max_delay=0.0005, budget=10**6)

WHIMS: Final = (
    "range ignored", "another range", "wrong Content-Range", "no Content-Range", "larger total",
    "cut", "longer", "cut chunks", "longer chunks", "until the end of the connection", "503", "416",
)  # fmt: skip
PLAIN: Final = "none"


class Server:
    """One object. ``rate`` is how probable a whim is, ``change`` how probable it is that the object is replaced."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._rate = chance.choice([0.1, 0.3, 0.6])
        self._change = chance.choice([0, 0.05, 0.2])
        self._etags = chance.choice(['"{}"', 'W/"{}"', ""])
        self._honours_if_match = chance.random() < 0.5
        self._state = 0

    async def answer(self, request: Request) -> None:
        chance = self._chance
        if chance.random() < self._change:
            self._state = (self._state + 1) % len(STATES)
        data = STATES[self._state]
        asked = {name.lower(): value for name, value in request.headers}
        etag = hashlib.md5(data).hexdigest()
        whim = chance.choice(WHIMS) if chance.random() < self._rate else PLAIN
        head = [f"Last-Modified: Sat, 21 Nov 2026 10:00:0{self._state} GMT", "Accept-Ranges: bytes"]
        if self._etags:
            head.append(f"ETag: {self._etags.format(etag)}")
        if whim == "503":
            request.send(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
        elif self._honours_if_match and asked.get("if-match", etag).strip('"') != etag:
            request.send(b"HTTP/1.1 412 Other\r\nContent-Length: 0\r\n\r\n")
        elif request.line.startswith("HEAD"):
            request.send(_head("200 OK", [*head, f"Content-Length: {len(data)}"]))
        elif "range" not in asked or whim == "range ignored":
            self._send(request, "200 OK", head, data, "cut" if whim.startswith("cut") else PLAIN)
        else:
            self._send_range(request, asked["range"], head, data, whim)

    def _send_range(self, request: Request, wanted: str, head: list[str], data: bytes, whim: str) -> None:
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start = int(first) if first else max(0, len(data) - int(last))
        stop = min(len(data), int(last) + 1) if first and last else len(data)
        if start >= len(data) or whim == "416":
            unsatisfied = [f"Content-Range: bytes */{len(data)}", "Content-Length: 0"]
            request.send(_head("416 Range Not Satisfiable", unsatisfied))
            return
        if whim == "another range":
            start = min(start + 1, len(data) - 1)
            stop = max(start + 1, min(len(data), stop + 1))
        body = data[start:stop]
        total = len(data) + (10 if whim == "larger total" else 0)
        named = start + (whim == "wrong Content-Range")
        if whim != "no Content-Range":
            head = [*head, f"Content-Range: bytes {named}-{stop - 1}/{total}"]
        self._send(request, "206 Partial Content", head, body, whim)

    def _send(self, request: Request, status: str, head: list[str], body: bytes, whim: str) -> None:
        length = len(body)
        if whim.startswith(("cut", "until")):
            body = body[: self._chance.randrange(length + 1)]
        elif whim.startswith("longer"):
            body += b"more"
        if whim.endswith("chunks"):
            step = self._chance.randint(1, 200)
            pieces = (body[at : at + step] for at in range(0, len(body), step))
            body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
            head = [*head, "Transfer-Encoding: chunked"]
        elif whim.startswith("until"):
            head = [*head, "Connection: close"]
        else:
            head = [*head, f"Content-Length: {length}"]
        request.send(_head(status, head) + body)
        if whim in {"cut", "longer"} or whim.startswith("until"):
            request.writer.close()


def _head(status: str, lines: list[str]) -> bytes:
    return "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", *lines, "")).encode()


def store_at(url: str, chance: random.Random) -> Store:
    limits = Limits(part_size=chance.choice([64, 150, 5000]), reads=chance.choice([1, 3]), gap=chance.choice([0, 50]))
    if chance.random() < 0.5:
        return HTTPStore(f"{url}/", retry=RETRY, limits=limits)
    return S3Store("bucket", endpoint=url, skip_signature=True, retry=RETRY, limits=limits)


async def read(store: Store, chance: random.Random) -> None:
    """One of the ways to read; what comes is of one state."""
    start = chance.randrange(SIZE)
    stop = chance.randint(start, SIZE)
    got: object
    match chance.randrange(7):
        case 0:
            got, part = await store.get("key"), slice(None)
        case 1:
            got, part = await store.get_range("key", start, stop), slice(start, stop)
        case 2:
            got, part = await store.get_range("key", -start - 1), slice(-start - 1, None)
        case 3:
            chunks = store.stream("key", chunk_size=chance.choice([None, 77]), concurrency=chance.choice([None, 2]))
            got, part = b"".join([chunk async for chunk in chunks]), slice(None)
        case 4:
            got, part = b"".join([chunk async for chunk in store.stream("key", start=start)]), slice(start, None)
        case 5:
            async with store.open("key", "rb", buffer_size=chance.choice([10, 2000])) as file:
                await file.seek(min(start, 600))
                got, part = await file.read(100), slice(min(start, 600), min(start, 600) + 100)
        case _:
            ranges = [(start, stop), (0, start), (500, 600)]
            got = await store.get_ranges("key", ranges)
            assert got in [[state[begin:end] for begin, end in ranges] for state in STATES]
            return
    assert got in [state[part] for state in STATES]


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32))
async def test_what_is_read_is_right_or_an_error(seed: int) -> None:
    chance = random.Random(seed)
    async with serve(Server(chance).answer) as server, store_at(server.url, chance) as store:
        for _ in range(12):
            with suppress(StoreError):
                async with asyncio.timeout(20):
                    await read(store, chance)
