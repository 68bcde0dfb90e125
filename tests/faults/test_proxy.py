"""The fault proxy does to a connection exactly what it was told, and nothing else."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.faults.faults import (
    Answer,
    CloseAfter,
    CutResponse,
    Delay,
    Drip,
    EditRequest,
    EditResponse,
    Flip,
    LoseResponse,
    Pad,
    ResetRequest,
    Stall,
    ignore_range,
    slow_down,
)
from tests.faults.proxy import FaultProxy
from tests.faults.upstream import BODY, Upstream

DEADLINE = 10.0


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    server = Upstream()
    async with server.running():
        yield server


@pytest.fixture
async def proxy(upstream: Upstream) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(upstream.url) as running:
        yield running


@pytest.fixture
async def client(proxy: FaultProxy) -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=DEADLINE)
    async with aiohttp.ClientSession(proxy.url, timeout=timeout, auto_decompress=False) as session:
        # By itself aiohttp sends a request again when its connection is lost.
        session._retry_connection = False
        yield session


async def read(client: aiohttp.ClientSession, path: str = "/body", **headers: str) -> bytes:
    async with client.get(path, headers=headers) as response:
        return await response.read()


async def raw(proxy: FaultProxy, *, connection: str = "close") -> tuple[bytes, BaseException | None]:
    """The body as far as it comes, and how the connection ends: None for a clean end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    received = bytearray()
    try:
        writer.write(f"GET /body HTTP/1.1\r\nHost: x\r\nConnection: {connection}\r\n\r\n".encode())
        async with asyncio.timeout(DEADLINE):
            while piece := await reader.read(65536):
                received += piece
    except ConnectionResetError as error:
        return bytes(received).partition(b"\r\n\r\n")[2], error
    finally:
        writer.transport.abort()
    return bytes(received).partition(b"\r\n\r\n")[2], None


@pytest.mark.parametrize("path", ["/body", "/chunked", "/until-closed"])
async def test_without_a_fault_every_framing_passes_unchanged(client: aiohttp.ClientSession, path: str) -> None:
    assert await read(client, path) == BODY


async def test_requests_share_a_kept_connection(proxy: FaultProxy, client: aiohttp.ClientSession) -> None:
    for _ in range(3):
        await read(client)
    assert proxy.total_connections == 1
    assert [request.reused for request in proxy.requests] == [False, True, True]


@pytest.mark.parametrize("chunked", [True, False])
async def test_an_upload_passes_unchanged(upstream: Upstream, client: aiohttp.ClientSession, chunked: bool) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"a" * 200_000
        yield b"b"

    async with client.put(
        "/body", data=pieces() if chunked else b"a" * 200_000 + b"b", chunked=chunked or None
    ) as response:
        assert (response.status, response.headers["ETag"]) == (201, '"written"')
    assert upstream.body == b"a" * 200_000 + b"b"


async def test_an_upload_may_wait_for_100_continue(upstream: Upstream, client: aiohttp.ClientSession) -> None:
    async with client.put("/body", data=b"waited", expect100=True) as response:
        assert response.status == 201
    assert upstream.body == b"waited"


async def test_an_early_refusal_reaches_a_client_that_is_still_sending(client: aiohttp.ClientSession) -> None:
    async with client.put("/refused", data=io.BytesIO(bytes(50_000_000))) as response:
        assert (response.status, await response.text()) == (403, "no")


async def test_head_has_no_body(client: aiohttp.ClientSession) -> None:
    async with client.head("/body") as response:
        assert (response.status, response.headers["Content-Length"]) == (200, str(len(BODY)))
    assert await read(client) == BODY


async def test_requests_are_recorded_as_sent(proxy: FaultProxy, client: aiohttp.ClientSession) -> None:
    await read(client, "/body?list-type=2&prefix=a%2Fb&empty=", Range="bytes=1-2")
    request = proxy.requests[0]
    assert (request.method, request.path) == ("GET", "/body")
    assert request.query == {"list-type": "2", "prefix": "a/b", "empty": ""}
    assert request.headers["range"] == "bytes=1-2"
    assert (proxy.exchanges[0].status, proxy.exchanges[0].sent) == (206, 2)


async def test_a_rule_strikes_the_nth_match_and_then_no_more(proxy: FaultProxy, client: aiohttp.ClientSession) -> None:
    rule = proxy.inject(slow_down(), method="GET", when=lambda request: "range" in request.headers, nth=2, times=2)
    statuses = []
    for headers in (
        {},
        {"Range": "bytes=0-1"},
        {"Range": "bytes=0-1"},
        {},
        {"Range": "bytes=0-1"},
        {"Range": "bytes=0-1"},
    ):
        async with client.get("/body", headers=headers) as response:
            await response.read()
            statuses.append(response.status)
    assert statuses == [200, 206, 503, 200, 503, 206]
    assert (rule.matched, rule.applied) == (4, 2)


async def test_of_two_rules_only_the_first_strikes(proxy: FaultProxy, client: aiohttp.ClientSession) -> None:
    first = proxy.inject(Answer(status=500))
    second = proxy.inject(Answer(status=502), times=None)
    statuses = []
    for _ in range(2):
        async with client.get("/body") as response:
            statuses.append(response.status)
    assert statuses == [500, 502]
    assert (first.applied, second.matched, second.applied) == (1, 2, 1)


async def test_chance_is_repeatable(upstream: Upstream) -> None:
    async def statuses(seed: int) -> list[int]:
        async with FaultProxy(upstream.url, seed=seed) as proxy, aiohttp.ClientSession(proxy.url) as client:
            proxy.inject(slow_down(), times=None, probability=0.3)
            found = []
            for _ in range(40):
                async with client.head("/body") as response:
                    found.append(response.status)
            return found

    once = await statuses(1)
    assert once == await statuses(1)
    assert 3 <= once.count(503) <= 25
    assert once != await statuses(2)


async def test_an_answer_of_its_own_keeps_the_request_from_the_upstream(
    upstream: Upstream, proxy: FaultProxy, client: aiohttp.ClientSession
) -> None:
    proxy.inject(slow_down(retry_after="7"), method="PUT")
    async with client.put("/body", data=bytes(1_000_000)) as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "7")
        assert b"SlowDown" in await response.read()
    assert upstream.body == BODY
    assert await read(client) == BODY
    assert proxy.total_connections == 1


async def test_an_answer_can_replace_what_the_upstream_said(
    upstream: Upstream, proxy: FaultProxy, client: aiohttp.ClientSession
) -> None:
    proxy.inject(Answer(status=200, body=b"<Error/>", forward=True), method="PUT")
    async with client.put("/body", data=b"done") as response:
        assert (response.status, await response.read()) == (200, b"<Error/>")
    assert upstream.body == b"done"


async def test_refused_connections_are_refused_and_later_taken_again(
    proxy: FaultProxy, client: aiohttp.ClientSession
) -> None:
    async with proxy.refused():
        with pytest.raises(aiohttp.ClientConnectorError):
            await read(client)
    assert await read(client) == BODY


async def test_the_nth_connection_is_reset_on_accept(proxy: FaultProxy) -> None:
    proxy.reset_on_accept(nth=2)
    ends = [type(end) for _, end in [await raw(proxy) for _ in range(3)]]
    assert ends == [type(None), ConnectionResetError, type(None)]


async def test_a_request_reset_at_once_never_reaches_the_upstream(
    upstream: Upstream, proxy: FaultProxy, client: aiohttp.ClientSession
) -> None:
    proxy.inject(ResetRequest(), method="PUT")
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.put("/body", data=b"lost")
    assert upstream.body == BODY
    assert proxy.exchanges[0].status is None


async def test_an_upload_can_be_reset_half_way(proxy: FaultProxy, client: aiohttp.ClientSession) -> None:
    proxy.inject(ResetRequest(after=1_000_000), method="PUT")
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.put("/body", data=io.BytesIO(bytes(2_000_000)))
    assert 0 < proxy.exchanges[0].received < 1_000_000


@pytest.mark.parametrize("after", [0, 1, 65_536, 299_999, 300_000])
@pytest.mark.parametrize("reset", [True, False])
async def test_a_body_is_cut_at_exactly_the_byte(proxy: FaultProxy, after: int, reset: bool) -> None:
    proxy.inject(CutResponse(after=after, reset=reset))
    body, end = await raw(proxy)
    assert body == BODY[:after]
    assert (end is not None) == reset


async def test_a_connection_is_reset_after_the_last_byte(proxy: FaultProxy) -> None:
    proxy.inject(CutResponse(after=None))
    body, end = await raw(proxy)
    assert body == BODY
    assert isinstance(end, ConnectionResetError)


async def test_a_chunked_body_is_cut_before_its_end_mark(proxy: FaultProxy, client: aiohttp.ClientSession) -> None:
    proxy.inject(CutResponse(after=len(BODY), reset=False))
    with pytest.raises(aiohttp.ClientPayloadError):
        await read(client, "/chunked")


async def test_a_stalled_download_delivers_so_many_bytes_and_no_more(
    proxy: FaultProxy, client: aiohttp.ClientSession
) -> None:
    proxy.inject(Stall(after=1000))
    async with client.get("/body") as response:
        assert await response.content.readexactly(1000) == BODY[:1000]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await response.content.readany()
    assert proxy.exchanges[0].sent == 1000


async def test_a_stalled_upload_fills_up_and_never_arrives(
    upstream: Upstream, proxy: FaultProxy, client: aiohttp.ClientSession
) -> None:
    proxy.inject(Stall(direction="upload", after=100_000))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await client.put("/body", data=io.BytesIO(bytes(100_000_000)))
    assert proxy.exchanges[0].received == 100_000
    assert upstream.body == BODY


async def test_a_stall_can_end(proxy: FaultProxy, client: aiohttp.ClientSession) -> None:
    proxy.inject(Stall(after=1000, seconds=0.05))
    assert await read(client) == BODY


async def test_a_stalled_connection_goes_when_its_client_does(proxy: FaultProxy) -> None:
    proxy.inject(Stall(after=1000))
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"GET /body HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    assert proxy.open_connections == 1
    writer.close()
    await writer.wait_closed()
    async with asyncio.timeout(DEADLINE):
        await proxy.wait_until(lambda: proxy.open_connections == 0)


async def test_a_dripping_body_is_whole(proxy: FaultProxy, client: aiohttp.ClientSession) -> None:
    proxy.inject(Drip(size=1, interval=0.001))
    assert await read(client, Range="bytes=0-19") == BODY[:20]


async def test_an_answer_is_late_until_told(proxy: FaultProxy, client: aiohttp.ClientSession) -> None:
    go = asyncio.Event()
    proxy.inject(Delay(until=go))
    async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as group:
        late = group.create_task(read(client))
        await proxy.wait_until(lambda: len(proxy.requests) == 1)
        assert await read(client, Range="bytes=0-0") == BODY[:1]
        assert not late.done()
        go.set()
    assert late.result() == BODY


async def test_one_byte_is_flipped(proxy: FaultProxy, client: aiohttp.ClientSession) -> None:
    proxy.inject(Flip(at=70_000, mask=0x01))
    body = await read(client)
    assert [at for at in range(len(BODY)) if body[at] != BODY[at]] == [70_000]
    assert body[70_000] == BODY[70_000] ^ 1


@pytest.mark.parametrize("reset", [True, False])
async def test_a_lost_response_leaves_the_deed_done(
    upstream: Upstream, proxy: FaultProxy, client: aiohttp.ClientSession, reset: bool
) -> None:
    proxy.inject(LoseResponse(reset=reset), method="PUT")
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.put("/body", data=b"committed")
    assert upstream.body == b"committed"


async def test_a_range_can_be_ignored(proxy: FaultProxy, client: aiohttp.ClientSession) -> None:
    proxy.inject(ignore_range())
    async with client.get("/body", headers={"Range": "bytes=5-9"}) as response:
        assert (response.status, await response.read()) == (200, BODY)


async def test_another_range_can_be_answered(proxy: FaultProxy, client: aiohttp.ClientSession) -> None:
    proxy.inject(EditRequest(headers={"Range": "bytes=0-4"}))
    async with client.get("/body", headers={"Range": "bytes=5-9"}) as response:
        assert response.headers["Content-Range"] == f"bytes 0-4/{len(BODY)}"
        assert await response.read() == BODY[:5]


async def test_response_fields_can_lie(proxy: FaultProxy, client: aiohttp.ClientSession) -> None:
    proxy.inject(EditResponse(headers={"content-range": "bytes 7-11/12", "Server": None}, status=200))
    async with client.get("/body", headers={"Range": "bytes=5-9"}) as response:
        assert (response.status, response.headers["Content-Range"]) == (200, "bytes 7-11/12")
        assert "Server" not in response.headers
        assert await response.read() == BODY[5:10]


@pytest.mark.parametrize(("announced", "delivered"), [(300_010, 300_000), (299_990, 300_000)])
async def test_a_body_can_be_shorter_or_longer_than_announced(
    proxy: FaultProxy, announced: int, delivered: int
) -> None:
    proxy.inject(EditResponse(headers={"Content-Length": str(announced)}))
    body, end = await raw(proxy)
    assert (len(body), end) == (delivered, None)


async def test_a_body_can_be_padded(proxy: FaultProxy) -> None:
    proxy.inject(Pad(extra=b"more"))
    assert await raw(proxy) == (BODY + b"more", None)


@pytest.mark.parametrize("reset", [True, False])
async def test_a_connection_closes_after_its_answer(proxy: FaultProxy, reset: bool) -> None:
    proxy.inject(CloseAfter(reset=reset))
    body, end = await raw(proxy, connection="keep-alive")
    assert body == BODY
    assert (end is not None) == reset


async def test_idle_connections_can_be_closed(proxy: FaultProxy, client: aiohttp.ClientSession) -> None:
    assert await read(client) == BODY
    async with asyncio.timeout(DEADLINE):
        await proxy.wait_until(lambda: proxy.idle_connections == 1)
        assert await proxy.close_idle() == 1
    assert proxy.open_connections == 0
    assert await read(client) == BODY
    assert proxy.total_connections == 2


async def test_a_reused_connection_can_be_reset_by_its_next_request(proxy: FaultProxy) -> None:
    proxy.inject(ResetRequest(), when=lambda request: request.reused)
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    for _ in range(2):
        writer.write(b"GET /body HTTP/1.1\r\nHost: x\r\nRange: bytes=0-0\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    assert await reader.readexactly(1) == BODY[:1]
    with pytest.raises(ConnectionResetError):
        await reader.read(1)
    writer.close()


async def test_cleared_rules_strike_no_more(proxy: FaultProxy, client: aiohttp.ClientSession) -> None:
    proxy.inject(slow_down(), times=None)
    proxy.clear()
    assert await read(client) == BODY


async def test_leaving_ends_connections_in_every_state(upstream: Upstream) -> None:
    async with FaultProxy(upstream.url) as proxy:
        proxy.inject(Stall(after=0))
        proxy.inject(Delay(), nth=2)
        connections = []
        for request in (b"GET /body HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /body HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /"):
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(request)
            connections.append((reader, writer))
        async with asyncio.timeout(DEADLINE):
            await proxy.wait_until(lambda: len(proxy.requests) == 2 and proxy.open_connections == 3)
    for reader, writer in connections:
        with pytest.raises(ConnectionResetError):
            async with asyncio.timeout(DEADLINE):
                while await reader.read(65536):
                    pass
        writer.close()
    assert proxy.open_connections == 0


async def test_an_upstream_that_is_down_resets_the_client(client: aiohttp.ClientSession, proxy: FaultProxy) -> None:
    async with FaultProxy(proxy.url) as outer, aiohttp.ClientSession(outer.url) as far:
        async with proxy.refused():
            with pytest.raises(aiohttp.ClientConnectionError):
                await far.get("/body")
        async with far.get("/body") as response:
            assert await response.read() == BODY


def test_only_plain_http_can_stand_upstream() -> None:
    with pytest.raises(ValueError, match="http://"):
        FaultProxy("https://127.0.0.1:1")
