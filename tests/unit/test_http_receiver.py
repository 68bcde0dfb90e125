"""Long bodies, whose length is known: received without the parser, over both event loops, in the open and over TLS."""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import random
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from aiostore._http.client import Transport
from aiostore._http.response import Response
from aiostore.errors import ConnectionLostError, RequestTimeoutError, StoreClosedError
from aiostore.policies import ClientOptions, Timeouts
from tests.servers.tls import Certificate, issue
from tests.unit.raw_http import SHORT, Answer, Request, Server, busy, serve, transport, until, usable

LONG = 2 * 1024 * 1024 + 7
"""Bytes of a body of which the parser can have seen no more than the beginning."""

DATA = random.Random(1).randbytes(LONG)

Connect = Callable[..., AbstractAsyncContextManager[tuple[Server, Transport]]]


LOOPS = [pytest.param(asyncio.new_event_loop, id="asyncio")]
if importlib.util.find_spec("uvloop"):
    import uvloop

    LOOPS.append(pytest.param(uvloop.new_event_loop, id="uvloop"))


def on_each_loop(test: Callable[..., Coroutine[object, object, None]]) -> Callable[..., None]:
    """Run ``test`` by asyncio's own loop, and by uvloop where it is installed."""

    def run(loop: Callable[[], asyncio.AbstractEventLoop], **fixtures: object) -> None:
        reported: list[object] = []
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.get_loop().set_exception_handler(lambda _loop, context: reported.append(context))
            runner.run(test(**fixtures))
        assert not reported

    own = inspect.signature(run).parameters["loop"].replace(kind=inspect.Parameter.KEYWORD_ONLY)
    others = [p.replace(kind=p.KEYWORD_ONLY) for p in inspect.signature(test).parameters.values()]
    run.__signature__ = inspect.Signature([own, *others])  # type: ignore[attr-defined]  # what pytest looks at
    run.__name__, run.pytestmark = test.__name__, getattr(test, "pytestmark", [])  # type: ignore[attr-defined]
    marked: Callable[..., None] = pytest.mark.parametrize("loop", LOOPS)(run)
    return marked


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return issue(tmp_path_factory.mktemp("tls"))


@pytest.fixture(params=["plain", "tls"])
def connect(request: pytest.FixtureRequest, certificate: Certificate) -> Connect:
    """A server that answers so, and a client of it."""
    context, options = None, ClientOptions()
    if request.param == "tls":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate.certificate, certificate.key)
        options = ClientOptions(ca_bundle=str(certificate.authority))

    @asynccontextmanager
    async def both(answer: Answer, timeouts: Timeouts | None = None) -> AsyncIterator[tuple[Server, Transport]]:
        async with serve(answer, tls=context) as server, transport(options, timeouts) as client:
            yield server, client

    return both


def head(length: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length


def sending(
    data: bytes, length: int | None = None, *, first: int = 10, then: Callable[[Request], object] = id
) -> Answer:
    """Send the beginning together with the head, and the rest when the client has turned to it."""

    async def send(request: Request) -> None:
        request.send(head(len(data) if length is None else length) + data[:first])
        await asyncio.sleep(0.02)
        request.send(data[first:])
        await request.writer.drain()
        then(request)

    return send


async def by_chunks(response: Response) -> bytes:
    chunks = []
    while chunk := await response.next_chunk():
        chunks.append(chunk)
    return b"".join(chunks)


@on_each_loop
@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("first", [0, 10, 400_000])
async def test_a_long_body_comes_whole_and_its_connection_is_used_again(
    connect: Connect, whole: bool, first: int
) -> None:
    async with connect(sending(DATA, first=first)) as (server, client):
        for _ in range(3):
            response = await client.request("GET", f"{server.url}/a", {})
            received = await (response.read() if whole else by_chunks(response))
            assert type(received) is bytes
            assert received == DATA
            assert await response.next_chunk() == b""
        assert server.connections == 1
        assert busy(client) == (0, 0)


@on_each_loop
async def test_the_rest_of_a_body_follows_what_was_read_of_it(connect: Connect) -> None:
    async with connect(sending(DATA)) as (server, client):
        response = await client.request("GET", f"{server.url}/a", {})
        first = [await response.next_chunk() for _ in range(3)]
        assert b"".join([*first, await response.read()]) == DATA


@on_each_loop
async def test_bytes_are_handed_out_as_they_come(connect: Connect) -> None:
    go = asyncio.Event()

    async def dripping(request: Request) -> None:
        request.send(head(LONG) + b"1")
        for number in b"234":
            await go.wait()
            go.clear()
            request.send(bytes((number,)))
        await request.hang()

    async with connect(dripping) as (server, client):
        response = await client.request("GET", f"{server.url}/a", {})
        assert await response.next_chunk() == b"1"
        for expected in (b"2", b"3", b"4"):
            go.set()
            assert await response.next_chunk() == expected
        await response.aclose()
        assert busy(client) == (0, 0)


@on_each_loop
async def test_a_reader_that_is_slow_holds_the_service_back(connect: Connect) -> None:
    async with connect(sending(DATA * 4)) as (server, client):
        response = await client.request("GET", f"{server.url}/a", {})
        first = await response.next_chunk()
        receiver = response._receiver
        assert receiver is not None
        await until(lambda: receiver._paused)
        held = receiver.total_bytes
        await asyncio.sleep(0.05)
        assert receiver.total_bytes == held < LONG
        assert first + await by_chunks(response) == DATA * 4
        assert busy(client) == (0, 0)


@on_each_loop
@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("how", ["close", "reset"])
async def test_what_came_before_a_cut_is_not_lost(connect: Connect, whole: bool, how: str) -> None:

    def cut(request: Request) -> None:
        asyncio.get_running_loop().call_later(0.05, request.reset if how == "reset" else request.writer.close)

    async with connect(sending(DATA, LONG + 1000, then=cut)) as (server, client):
        response = await client.request("GET", f"{server.url}/a?signature=secret", {})
        chunks: list[bytes] = []
        with pytest.raises(ConnectionLostError) as caught:
            while True:
                chunks.append(await (response.read() if whole else response.next_chunk()))
        assert b"".join([*chunks, caught.value.received]) == DATA
        assert caught.value.answered
        assert "secret" not in str(caught.value)
        for again in (response.next_chunk, response.read):
            with pytest.raises(ConnectionLostError):
                await again()
        assert busy(client) == (0, 0)


@on_each_loop
@pytest.mark.parametrize("whole", [True, False])
async def test_a_long_body_that_stalls_is_given_up(connect: Connect, whole: bool) -> None:
    async with connect(sending(DATA, LONG + 1000), SHORT) as (server, client):
        response = await client.request("GET", f"{server.url}/a", {})
        with pytest.raises(RequestTimeoutError, match="fewer than 1024 bytes") as caught:
            await (response.read() if whole else by_chunks(response))
        assert caught.value.answered
        assert busy(client) == (0, 0)


@on_each_loop
@pytest.mark.parametrize("extra", [b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"])
async def test_bytes_after_a_long_body_do_not_become_the_next_answer(connect: Connect, extra: bytes) -> None:
    async with connect(sending(DATA + extra, LONG)) as (server, client):
        for number in range(1, 4):
            response = await client.request("GET", f"{server.url}/{number}", {})
            assert await response.read() == DATA
            await until(lambda: not usable(client))
            assert server.connections == number


@on_each_loop
async def test_a_cancelled_read_of_a_long_body_leaves_nothing(connect: Connect) -> None:
    async with connect(sending(DATA, LONG + 1)) as (server, client):
        response = await client.request("GET", f"{server.url}/a", {})
        reading = asyncio.create_task(response.read())
        await until(lambda: response._receiver is not None and response._receiver.total_bytes == LONG)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await response.aclose()
        with pytest.raises(StoreClosedError):
            await response.next_chunk()
        assert busy(client) == (0, 0)


@on_each_loop
async def test_a_forgotten_long_body_gives_its_connection_up(connect: Connect) -> None:
    async with connect(sending(DATA, LONG + 1)) as (server, client):
        response = await client.request("GET", f"{server.url}/a", {})
        assert await response.next_chunk()
        assert busy(client) == (1, 1)
        del response
        await until(lambda: busy(client) == (0, 0))
