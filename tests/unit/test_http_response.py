"""Answers: their bodies as they arrive, cut, too long or stalled, and what becomes of the connection."""

from __future__ import annotations

import asyncio
import gc
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiostore._http.response import Response
from aiostore._http.stall import StallWatch
from aiostore.errors import ConnectionLostError, RequestTimeoutError, StoreClosedError
from aiostore.policies import Timeouts
from aiostore.types import ByteStream
from tests.unit.raw_http import OK, SHORT, Request, busy, serve, transport, until, usable

Reader = Callable[[Response], Awaitable[bytes]]


async def by_chunks(response: Response) -> bytes:
    chunks = []
    while chunk := await response.next_chunk():
        chunks.append(chunk)
    assert await response.next_chunk() == b""
    return b"".join(chunks)


async def at_once(response: Response) -> bytes:
    return await response.read()


READERS = pytest.mark.parametrize("reader", [by_chunks, at_once])


def body(size: int) -> bytes:
    return bytes(range(256)) * (size // 256) + bytes(range(size % 256))


def answer(data: bytes, length: int | None = None) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(data) if length is None else length) + data


@READERS
@pytest.mark.parametrize("size", [0, 1, 1000, 262_144, 5_000_000])
async def test_a_body_comes_whole_and_its_connection_is_used_again(reader: Reader, size: int) -> None:
    async with serve(answer(body(size))) as server, transport() as client:
        for _ in range(2):
            response = await client.request("GET", f"{server.url}/a", {})
            assert isinstance(response, ByteStream)
            assert response.content_length == size
            assert await reader(response) == body(size)
            await response.aclose()
        assert server.connections == 1
        assert busy(client) == (0, 0)


@READERS
@pytest.mark.parametrize("together", [True, False])
async def test_a_chunked_body_comes_whole(reader: Reader, together: bool) -> None:
    async def send(request: Request) -> None:
        pieces = [
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"5\r\nhello\r\n",
            b"1\r\n \r\n",
            b"5\r\nworld\r\n0\r\n\r\n",
        ]
        for piece in [b"".join(pieces)] if together else pieces:
            request.send(piece)
            await asyncio.sleep(0)

    async with serve(send) as server, transport() as client:
        for _ in range(2):
            response = await client.request("GET", f"{server.url}/a", {})
            assert response.content_length is None
            assert await reader(response) == b"hello world"
        assert server.connections == 1


@READERS
async def test_a_body_without_a_length_ends_with_its_connection(reader: Reader) -> None:
    async def send(request: Request) -> None:
        request.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
        await asyncio.sleep(0)
        request.send(b" world")
        request.writer.close()

    async with serve(send) as server, transport() as client:
        response = await client.request("GET", f"{server.url}/a", {})
        assert await reader(response) == b"hello world"


@READERS
@pytest.mark.parametrize("late", [False, True])
async def test_a_body_without_a_length_does_not_end_with_a_lost_connection(reader: Reader, late: bool) -> None:
    async def send(request: Request) -> None:
        request.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
        await asyncio.sleep(0.02)
        sock = request.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.reset()

    async with serve(send) as server, transport() as client:
        response = await client.request("GET", f"{server.url}/a", {})
        if late:
            await until(lambda: busy(client) == (0, 0))
        with pytest.raises(ConnectionLostError) as caught:
            await reader(response)
        assert caught.value.answered
        with pytest.raises(ConnectionLostError):
            await reader(response)
        assert busy(client) == (0, 0)


async def test_the_answer_to_head_has_a_length_and_no_body() -> None:
    async with serve(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n") as server, transport() as client:
        for method in ("HEAD", "HEAD"):
            response = await client.request(method, f"{server.url}/a", {})
            assert (response.content_length, await response.read()) == (1000, b"")
        assert server.connections == 1


async def test_the_answer_to_head_ends_with_its_head_whatever_it_lacks() -> None:
    async with serve(b"HTTP/1.1 404 Not Found\r\n\r\n") as server, transport() as client:
        for _ in range(3):
            response = await client.request("HEAD", f"{server.url}/a", {})
            assert (response.status, response.content_length, await response.read()) == (404, None, b"")
        assert server.connections == 1


@pytest.mark.parametrize("head", [b"HTTP/1.1 404 Not Found\r\nConnection: Close\r\n\r\n", b"HTTP/1.0 404 No\r\n\r\n"])
async def test_a_connection_that_the_service_closes_after_head_is_not_used_again(head: bytes) -> None:
    async with serve(head) as server, transport() as client:
        for _ in range(2):
            await (await client.request("HEAD", f"{server.url}/a", {})).read()
        assert server.connections == 2


async def test_one_connection_serves_head_and_get_in_turn() -> None:
    async def send(request: Request) -> None:
        request.send(OK if request.line.startswith("GET") else b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")

    async with serve(send) as server, transport() as client:
        bodies = [
            await (await client.request(method, f"{server.url}/a", {})).read()
            for method in ("GET", "HEAD", "GET", "GET", "HEAD", "HEAD")
        ]
        assert bodies == [b"ok", b"", b"ok", b"ok", b"", b""]
        assert server.connections == 1


@pytest.mark.parametrize("status", ["304 Not Modified", "204 No Content"])
async def test_an_answer_that_cannot_have_a_body_has_none_whatever_its_length(status: str) -> None:
    async def send(request: Request) -> None:
        request.send(OK if "ok" in request.line else f"HTTP/1.1 {status}\r\nContent-Length: 1000\r\n\r\n".encode())

    async with serve(send) as server, transport() as client:
        for path, expected in (("none", b""), ("ok", b"ok"), ("none", b""), ("none", b""), ("ok", b"ok")):
            assert await (await client.request("GET", f"{server.url}/{path}", {})).read() == expected


@READERS
@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("sent", [0, 1, 999, 300_000])
async def test_a_body_cut_short_is_a_lost_connection(reader: Reader, how: str, sent: int) -> None:
    async def cut(request: Request) -> None:
        request.send(answer(body(sent), 300_001))
        await request.writer.drain()
        if how == "reset":
            await asyncio.sleep(0.01)
            request.reset()
        else:
            request.writer.close()

    async with serve(cut) as server, transport() as client:
        response = await client.request("GET", f"{server.url}/a?signature=secret", {})
        with pytest.raises(ConnectionLostError) as caught:
            await reader(response)
        assert caught.value.answered
        assert "secret" not in str(caught.value)
        with pytest.raises(ConnectionLostError):
            await response.next_chunk()
        assert busy(client) == (0, 0)


async def test_bytes_before_a_cut_are_handed_out() -> None:
    async def cut(request: Request) -> None:
        request.send(answer(body(1000), 2000))
        await request.writer.drain()
        request.writer.close()

    async with serve(cut) as server, transport() as client:
        response = await client.request("GET", f"{server.url}/a", {})
        received = b""
        with pytest.raises(ConnectionLostError):
            while True:
                received += await response.next_chunk()
        assert received == body(1000)


@pytest.mark.parametrize("extra", [b"more", OK, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", b"\0"])
@pytest.mark.parametrize("later", [False, True])
async def test_bytes_after_the_end_do_not_become_the_next_answer(extra: bytes, later: bool) -> None:
    async def too_long(request: Request) -> None:
        good = answer(request.line.split()[1].encode())
        if later:
            request.send(good)
            await asyncio.sleep(0.01)
            request.send(extra)
        else:
            request.send(good + extra)

    async with serve(too_long) as server, transport() as client:
        for number in range(3):
            with suppress(ConnectionLostError):
                response = await client.request("GET", f"{server.url}/{number}", {})
                assert await response.read() == f"/{number}".encode()
            if later:
                await until(lambda: not usable(client))


@given(cuts=st.lists(st.integers(1, 99), max_size=6, unique=True).map(sorted))
async def test_an_answer_comes_whole_however_it_is_split(cuts: list[int]) -> None:
    whole = answer(body(60))
    edges = [0, *(cut for cut in cuts if cut < len(whole)), len(whole)]

    async def in_pieces(request: Request) -> None:
        for start, stop in pairwise(edges):
            request.send(whole[start:stop])
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    async with serve(in_pieces) as server, transport() as client:
        response = await client.request("GET", f"{server.url}/a", {})
        assert await response.read() == body(60)


@pytest.mark.parametrize("read_first", [False, True])
async def test_closing_an_unread_body_drops_its_connection(read_first: bool) -> None:
    async def forever(request: Request) -> None:
        request.send(answer(b"start", 10**9))
        await request.hang()

    async with serve(forever) as server, transport() as client:
        response = await client.request("GET", f"{server.url}/a", {})
        if read_first:
            assert await response.next_chunk() == b"start"
        for _ in range(2):
            await response.aclose()
        with pytest.raises(StoreClosedError):
            await response.next_chunk()
        with pytest.raises(StoreClosedError):
            await response.read()
        assert busy(client) == (0, 0)
        await client.aclose()


async def test_closing_a_read_body_changes_nothing() -> None:
    async with serve(OK) as server, transport() as client:
        response = await client.request("GET", f"{server.url}/a", {})
        assert await response.read() == b"ok"
        await response.aclose()
        assert await response.next_chunk() == b""
        assert await response.read() == b""


async def test_a_cancelled_read_leaves_nothing_once_the_body_is_closed() -> None:
    async def forever(request: Request) -> None:
        request.send(answer(b"", 10**9))
        await request.hang()

    async with serve(forever) as server, transport() as client:
        response = await client.request("GET", f"{server.url}/a", {})
        reading = asyncio.create_task(response.read())
        await until(lambda: response._exchange.reading)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await response.aclose()
        assert busy(client) == (0, 0)


async def test_a_forgotten_body_gives_its_connection_up_without_a_warning() -> None:
    async def forever(request: Request) -> None:
        request.send(answer(b"start", 10**9))
        await request.hang()

    async with serve(forever) as server, transport() as client:
        response = await client.request("GET", f"{server.url}/a", {})
        assert busy(client) == (1, 1)
        del response
        await until(lambda: busy(client) == (0, 0))
        assert server.requests


async def test_garbage_is_not_left_to_the_collector() -> None:
    async with serve(answer(body(100))) as server, transport() as client:
        await (await client.request("GET", f"{server.url}/a", {})).read()
        gc.collect()
        gc.disable()
        try:
            for _ in range(50):
                await (await client.request("GET", f"{server.url}/a", {})).read()
            assert not [item for item in gc.get_objects() if isinstance(item, Response)]
        finally:
            gc.enable()


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_a_cancelled_request_leaves_no_connection_behind(method: str) -> None:
    async with serve(Request.hang) as server, transport() as client:
        request = asyncio.create_task(client.request(method, f"{server.url}/a", {}))
        await until(lambda: bool(server.requests))
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert busy(client) == (0, 0)


# --- stalls -----------------------------------------------------------------------------------------------------------


async def test_an_answer_that_does_not_come_is_given_up() -> None:
    async with serve(Request.hang) as server, transport(timeouts=SHORT) as client:
        with pytest.raises(RequestTimeoutError, match=r"no answer within 0\.2 s") as caught:
            await client.request("GET", f"{server.url}/a", {})
        assert not caught.value.answered
        assert busy(client) == (0, 0)


async def test_a_slow_request_may_take_longer() -> None:
    async def after_a_while(request: Request) -> None:
        await asyncio.sleep(0.4)
        request.send(OK)

    async with serve(after_a_while) as server, transport(timeouts=SHORT) as client:
        response = await client.request("POST", f"{server.url}/a", {}, slow=True)
        assert await response.read() == b"ok"


async def test_a_slow_request_is_given_up_too() -> None:
    async with serve(Request.hang) as server, transport(timeouts=SHORT) as client:
        with pytest.raises(RequestTimeoutError, match=r"0\.6 s"):
            await client.request("POST", f"{server.url}/a", {}, slow=True)


@READERS
@pytest.mark.parametrize("framing", ["Content-Length: 100000", "Transfer-Encoding: chunked", "X-None: 1"])
async def test_a_dripping_body_is_given_up(reader: Reader, framing: str) -> None:
    async def drip(request: Request) -> None:
        request.send(f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n".encode())
        while not request.writer.is_closing():
            request.send(b"1\r\nx\r\n" if "chunked" in framing else b"x")
            await asyncio.sleep(0.02)

    async with serve(drip) as server, transport(timeouts=SHORT) as client:
        response = await client.request("GET", f"{server.url}/a", {})
        with pytest.raises(RequestTimeoutError, match="fewer than 1024 bytes") as caught:
            await reader(response)
        assert caught.value.answered
        assert busy(client) == (0, 0)


async def test_a_slow_but_steady_body_is_not_given_up() -> None:
    async def steady(request: Request) -> None:
        request.send(b"HTTP/1.1 200 OK\r\nContent-Length: 24000\r\n\r\n")
        for _ in range(24):
            request.send(b"x" * 1000)
            await asyncio.sleep(0.025)

    async with serve(steady) as server, transport(timeouts=SHORT) as client:
        response = await client.request("GET", f"{server.url}/a", {})
        assert len(await response.read()) == 24_000


async def test_a_slow_reader_is_not_the_services_fault() -> None:
    async with serve(answer(body(2_000_000))) as server, transport(timeouts=SHORT) as client:
        response = await client.request("GET", f"{server.url}/a", {})
        first = await response.next_chunk()
        await asyncio.sleep(0.5)
        assert first + await response.read() == body(2_000_000)


async def test_a_blocked_loop_is_not_the_services_fault() -> None:
    async def late(request: Request) -> None:
        request.send(answer(b"x", 2))
        await asyncio.sleep(0.05)
        request.send(b"y")

    async with serve(late) as server, transport(timeouts=SHORT) as client:
        response = await client.request("GET", f"{server.url}/a", {})
        asyncio.get_running_loop().call_later(0.01, time.sleep, 0.4)
        assert await response.read() == b"xy"


async def test_the_time_to_take_a_request_does_not_count_as_time_to_answer() -> None:
    async with serve(OK) as server, transport() as client:
        response = await client.request("GET", f"{server.url}/a", {})
        exchange = response._exchange
        limits = Timeouts(stall=8, response=8, slow_response=8)
        watch = StallWatch(limits, asyncio.get_running_loop(), lambda: False)

        def ticks_until_given_up() -> int:
            ticks = 0
            while exchange in watch._exchanges:
                watch._tick()
                ticks += 1
            return ticks

        for early in range(9):
            watch.add(exchange)
            exchange.payload, exchange.mark, exchange.quiet = None, 0, early
            assert 8 <= ticks_until_given_up() <= 9
        watch.stop(StoreClosedError("over"))
