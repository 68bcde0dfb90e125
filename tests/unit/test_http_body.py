"""Request bodies: sent whole or not at all, without copies, and no faster than they are taken."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiostore._http.session import _keep_freed_memory
from aiostore.body import Body, Buffers, FileRegion
from aiostore.errors import ConnectionLostError, RequestTimeoutError
from aiostore.types import Buffer
from tests.unit.raw_http import EMPTY, OK, SHORT, Request, busy, serve, transport, until

MIB = 1024**2


class Source:
    """A body that is made as it is sent, and says another size if the test wants."""

    buffers = None

    def __init__(self, chunks: list[Buffer], size: int | None = None, pause: float = 0) -> None:
        self._chunks = chunks
        self._pause = pause
        self.size = sum(len(chunk) for chunk in chunks) if size is None else size
        self.closed = False

    async def chunks(self) -> AsyncIterator[Buffer]:
        try:
            for chunk in self._chunks:
                await asyncio.sleep(self._pause)
                yield chunk
        finally:
            self.closed = True


async def put(body: Body) -> tuple[bytes, int]:
    """What arrives of ``body``, and the Content-Length that came with it."""
    received = bytearray()

    async def take(request: Request) -> None:
        received.extend(await request.body())
        request.send(EMPTY)

    async with serve(take) as server, transport() as client:
        for _ in range(2):
            received.clear()
            response = await client.request("PUT", f"{server.url}/a", {}, body)
            assert (response.status, await response.read()) == (200, b"")
        assert server.connections == 1
        assert busy(client) == (0, 0)
        return bytes(received), int(dict(server.requests[0].headers)["Content-Length"])


@pytest.mark.parametrize("size", [0, 1, 32_768, 32_769, 65_536, MIB, MIB + 1, 5 * MIB])
async def test_a_buffer_of_any_size_arrives_whole(size: int) -> None:
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    assert await put(Buffers([data])) == (data, size)


@given(
    st.lists(
        st.binary(max_size=50_000).flatmap(lambda data: st.sampled_from([data, bytearray(data), memoryview(data)]))
    )
)
async def test_buffers_of_any_kind_and_number_arrive_in_order(buffers: list[Buffer]) -> None:
    data = b"".join(buffers)
    assert await put(Buffers(buffers)) == (data, len(data))


async def test_a_buffer_of_larger_items_counts_in_bytes() -> None:
    view = memoryview(bytearray(range(256)) * 1024).cast("I")
    assert await put(Buffers([view])) == (view.tobytes(), 256 * 1024)


async def test_a_source_in_chunks_arrives_whole_and_is_closed() -> None:
    source = Source([b"a" * 10, b"", bytearray(b"b" * MIB), memoryview(b"c" * 70_000)])
    assert await put(source) == (b"a" * 10 + b"b" * MIB + b"c" * 70_000, source.size)
    assert source.closed


async def test_an_empty_source_arrives() -> None:
    assert await put(Source([])) == (b"", 0)


async def test_a_region_of_a_file_arrives(tmp_path: Path) -> None:
    data = bytes(range(256)) * 20_000
    (tmp_path / "file").write_bytes(data)
    assert await put(FileRegion(tmp_path / "file", 1000, 3 * MIB)) == (data[1000 : 1000 + 3 * MIB], 3 * MIB)


async def test_the_callers_buffers_are_not_copied() -> None:
    data = bytearray(64 * MIB)

    async def discard(request: Request) -> None:
        left = len(data)
        while left:
            left -= len(await request.reader.read(256 * 1024))
        request.send(EMPTY)

    _keep_freed_memory()  # once for each process, and not a copy of anything
    async with serve(discard) as server, transport() as client:
        tracemalloc.start()
        try:
            await (await client.request("PUT", f"{server.url}/a", {}, Buffers([data]))).read()
            assert tracemalloc.get_traced_memory()[1] < 8 * MIB
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize(
    ("chunks", "size", "message"),
    [
        ([b"abc"], 5, "2 bytes before"),
        ([b"a" * MIB, b"b"], MIB + 10, "9 bytes before"),
        ([b"abc", b"def"], 5, "longer than its size by 1"),
        ([], 1, "1 bytes before"),
    ],
)
async def test_a_body_of_another_size_fails_the_request_and_never_completes(
    chunks: list[Buffer], size: int, message: str
) -> None:
    complete = False

    async def take(request: Request) -> None:
        nonlocal complete
        await request.body()
        complete = True
        request.send(EMPTY)

    async with serve(take) as server, transport() as client:
        source = Source(chunks, size)
        with pytest.raises(OSError, match=message):
            await client.request("PUT", f"{server.url}/a", {}, source)
        await until(lambda: server.open == 0)
        assert not complete
        assert source.closed
        assert busy(client) == (0, 0)


@pytest.mark.parametrize("size", [2, 4])
async def test_buffers_of_another_size_fail_the_request(size: int) -> None:
    async with serve(OK) as server, transport() as client:
        with pytest.raises(OSError, match=f"3 bytes and not {size}"):
            await client.request("PUT", f"{server.url}/a", {}, Buffers([b"abc"], size))
        assert server.requests == []
        assert busy(client) == (0, 0)


async def test_a_file_that_became_shorter_fails_the_request(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 3 * MIB)

    async def take(request: Request) -> None:
        await request.body()
        raise AssertionError("a short body was completed")

    async with serve(take) as server, transport() as client:
        with pytest.raises(OSError, match="became shorter"):
            await client.request("PUT", f"{server.url}/a", {}, FileRegion(tmp_path / "file", 0, 4 * MIB))
        await until(lambda: server.open == 0)


async def test_a_source_that_raises_fails_the_request_with_its_own_error() -> None:
    class Broken(Source):
        async def chunks(self) -> AsyncIterator[Buffer]:
            yield b"abc"
            raise LookupError("the source is broken")

    async with serve(Request.hang) as server, transport() as client:
        with pytest.raises(LookupError, match="the source is broken"):
            await client.request("PUT", f"{server.url}/a", {}, Broken([], 10))
        assert busy(client) == (0, 0)


async def test_an_upload_that_is_cancelled_leaves_nothing() -> None:
    source = Source([b"x" * MIB] * 100)
    async with serve(Request.hang) as server, transport() as client:
        request = asyncio.create_task(client.request("PUT", f"{server.url}/a", {}, source))
        await until(lambda: bool(server.requests))
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert source.closed
        assert busy(client) == (0, 0)


async def test_an_upload_that_nobody_takes_is_given_up() -> None:
    async with serve(Request.hang) as server, transport(timeouts=SHORT) as client:
        with pytest.raises(RequestTimeoutError, match="fewer than 1024 bytes") as caught:
            await client.request("PUT", f"{server.url}/a", {}, Buffers([bytes(64 * MIB)]))
        assert not caught.value.answered
        assert busy(client) == (0, 0)


async def test_an_upload_that_is_taken_slowly_is_not_given_up() -> None:
    size = 12 * MIB

    async def slowly(request: Request) -> None:
        left = size
        while left:
            left -= len(await request.reader.read(MIB))
            await asyncio.sleep(0.005)
        request.send(EMPTY)

    async with serve(slowly) as server, transport(timeouts=SHORT) as client:
        response = await client.request("PUT", f"{server.url}/a", {}, Buffers([bytes(size)]))
        assert response.status == 200


async def test_a_slow_source_is_not_the_services_fault() -> None:
    async with serve(OK) as server, transport(timeouts=SHORT) as client:
        source = Source([b"x"] * 4, pause=0.15)
        response = await client.request("PUT", f"{server.url}/a", {}, source)
        assert await response.read() == b"ok"


@pytest.mark.parametrize("taken", [0, 3 * MIB])
async def test_a_refusal_ends_the_upload_at_once(taken: int) -> None:
    refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nnope"
    source = Source([b"x" * MIB] * 200)

    async def refuse(request: Request) -> None:
        if taken:
            await request.reader.readexactly(taken)
        request.send(refusal)
        await request.hang()

    async with serve(refuse) as server, transport() as client:
        response = await client.request("PUT", f"{server.url}/a", {}, source)
        assert (response.status, await response.read()) == (403, b"nope")
        await until(lambda: source.closed)
        assert busy(client) == (0, 0)
        (session,) = client._sessions.values()
        assert session.leased == 0


async def test_success_before_the_body_was_taken_is_believed_once_it_was() -> None:
    async def eager(request: Request) -> None:
        request.send(EMPTY)
        await request.body()

    async with serve(eager) as server, transport() as client:
        for _ in range(2):
            response = await client.request("PUT", f"{server.url}/a", {}, Buffers([bytes(20 * MIB)]))
            assert response.status == 200
        assert server.connections == 1


@pytest.mark.parametrize("taken", [0, 100_000])
async def test_an_upload_whose_connection_is_reset_may_have_arrived(taken: int) -> None:
    async def reset(request: Request) -> None:
        if taken:
            await request.reader.readexactly(taken)
        request.reset()

    async with serve(reset) as server, transport() as client:
        with pytest.raises(ConnectionLostError) as caught:
            await client.request("PUT", f"{server.url}/a?signature=secret", {}, Buffers([bytes(20 * MIB)]))
        assert not caught.value.answered
        assert "secret" not in str(caught.value)
        assert busy(client) == (0, 0)
