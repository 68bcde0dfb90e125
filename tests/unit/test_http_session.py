"""Sessions: one per process and event loop, shared by all requests there, gone without a word."""

from __future__ import annotations

import asyncio
import pickle
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from aiostore._http.client import Transport
from aiostore.body import Buffers
from aiostore.errors import ConnectionLostError, RequestTimeoutError, StoreClosedError
from aiostore.policies import ClientOptions, Timeouts
from tests.unit.raw_http import OK, SHORT, Request, Server, busy, serve, transport, until, usable


async def get(client: Transport, url: str) -> bytes:
    return await (await client.request("GET", f"{url}/a", {})).read()


# --- the pool ---------------------------------------------------------------------------------------------------------


async def test_concurrent_requests_have_connections_of_their_own_and_share_them_later() -> None:
    arrived = asyncio.Event()

    async def together(request: Request) -> None:
        if len(server.requests) >= 8:
            arrived.set()
        await arrived.wait()
        request.send(OK)

    async with serve(together) as server, transport() as client:
        for _ in range(3):
            assert await asyncio.gather(*(get(client, server.url) for _ in range(8))) == [b"ok"] * 8
        assert server.connections == 8


async def test_no_more_connections_are_open_than_allowed() -> None:
    most = 0

    async def slowly(request: Request) -> None:
        nonlocal most
        most = max(most, server.open)
        await asyncio.sleep(0.002)
        request.send(OK)

    async with serve(slowly) as server, transport(ClientOptions(max_connections=3)) as client:
        async with asyncio.timeout(5):
            await asyncio.gather(*(get(client, server.url) for _ in range(30)))
        assert (most, server.connections) == (3, 3)
        assert busy(client) == (0, 0)


async def test_idle_connections_make_room_for_another_host() -> None:
    async with serve(OK) as one, serve(OK) as two, transport(ClientOptions(max_connections=2)) as client:
        async with asyncio.timeout(5):
            for server in (one, two, one, two):
                await asyncio.gather(get(client, server.url), get(client, server.url))
        await until(lambda: one.open + two.open <= 2)


async def test_who_waits_for_a_connection_may_be_cancelled() -> None:
    release = asyncio.Event()

    async def when_told(request: Request) -> None:
        await release.wait()
        request.send(OK)

    async with serve(when_told) as server, transport(ClientOptions(max_connections=1)) as client:
        first = asyncio.create_task(get(client, server.url))
        await until(lambda: bool(server.requests))
        second = asyncio.create_task(get(client, server.url))
        third = asyncio.create_task(get(client, server.url))
        await asyncio.sleep(0)
        second.cancel()
        release.set()
        async with asyncio.timeout(5):
            assert (await first, await third) == (b"ok", b"ok")
        assert second.cancelled()
        assert busy(client) == (0, 0)


async def test_an_idle_connection_that_the_service_closed_is_not_used() -> None:
    async def once(request: Request) -> None:
        request.send(OK)
        await request.writer.drain()
        request.writer.close()

    async with serve(once) as server, transport() as client:
        for _ in range(3):
            assert await get(client, server.url) == b"ok"
            await until(lambda: usable(client) == 0)
        assert server.connections == 3


async def test_a_connection_is_closed_if_the_service_says_so() -> None:
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
    async with serve(closing) as server, transport() as client:
        for _ in range(2):
            assert await get(client, server.url) == b"ok"
            await until(lambda: server.open == 0, seconds=1)
        assert server.connections == 2


async def test_idle_connections_are_closed_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiostore._http.session._KEEPALIVE", 0.05)
    async with serve(OK) as server, transport(timeouts=SHORT) as client:
        assert await get(client, server.url) == b"ok"
        await until(lambda: server.open == 0)
        (session,) = client._sessions.values()
        assert session.leased == 0
        await until(lambda: session.watch._timer is None)


async def test_closing_ends_what_is_under_way_and_the_next_request_opens_anew() -> None:
    async def first_hangs(request: Request) -> None:
        if len(server.requests) == 1:
            await request.hang()
        request.send(OK)

    async with serve(first_hangs) as server, transport() as client:
        request = asyncio.create_task(client.request("PUT", f"{server.url}/a", {}, Buffers([bytes(20 * 1024**2)])))
        await until(lambda: bool(server.requests))
        for _ in range(2):
            await client.aclose()
        with pytest.raises(StoreClosedError):
            await request
        assert await get(client, server.url) == b"ok"


# --- connecting -------------------------------------------------------------------------------------------------------


async def test_a_refused_connection_surely_sent_nothing() -> None:
    async with serve(OK) as server:
        url = server.url
    async with transport() as client:
        with pytest.raises(ConnectionLostError, match=r"127\.0\.0\.1") as caught:
            await client.request("PUT", f"{url}/a?signature=secret", {})
        assert caught.value.answered
        assert "secret" not in str(caught.value)


async def test_an_unknown_host_surely_was_sent_nothing() -> None:
    async with transport() as client:
        with pytest.raises(ConnectionLostError, match=r"nowhere\.invalid") as caught:
            await client.request("GET", "http://nowhere.invalid/a", {})
        assert caught.value.answered


async def test_connecting_takes_no_longer_than_allowed() -> None:
    # A server that accepts and never answers the TLS handshake.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        async with transport(timeouts=SHORT) as client:
            with pytest.raises(RequestTimeoutError, match=r"no connection .* within 0\.2 s") as caught:
                await client.request("GET", f"https://127.0.0.1:{port}/a", {})
            assert caught.value.answered


# --- loops, processes, pickles ----------------------------------------------------------------------------------------


async def test_one_transport_serves_two_loops_in_two_threads_at_once() -> None:
    async with serve(OK) as server, transport() as client:

        async def many() -> list[bytes]:
            try:
                return [await get(client, server.url) for _ in range(100)]
            finally:
                await client.aclose()

        results: list[list[bytes]] = []
        threads = [threading.Thread(target=lambda: results.append(asyncio.run(many()))) for _ in range(2)]
        for thread in threads:
            thread.start()
        own = [await get(client, server.url) for _ in range(100)]
        await until(lambda: not any(thread.is_alive() for thread in threads))
        assert [*results, own] == [[b"ok"] * 100] * 3
        assert server.connections == 3


async def test_a_pickled_transport_is_its_options() -> None:
    options, timeouts = ClientOptions(user_agent="mine/1", proxy="http://127.0.0.1:1"), Timeouts(stall=1)
    async with transport(options, timeouts) as client, serve(OK) as server, transport() as other:
        await get(other, server.url)
        for original in (client, other):
            copied = pickle.loads(pickle.dumps(original))  # our own
            assert (copied._options, copied._timeouts) == (original._options, original._timeouts)
            assert copied._sessions == {}


HELPER = """
import asyncio, gc, os, sys, weakref
from aiostore._http.client import Transport
from aiostore.policies import ClientOptions, Timeouts

URL = sys.argv[1] + "/a"
transport = Transport(ClientOptions(), Timeouts())

async def get(client=transport):
    response = await client.request("GET", URL, {})
    assert await response.read() == b"ok"
"""

UNCLOSED = {
    "a global transport": "asyncio.run(get())",
    "one loop after the other": "asyncio.run(get()); asyncio.run(get()); asyncio.run(get())",
    "a local transport": """
async def main():
    await get(Transport(ClientOptions(), Timeouts()))
    gc.collect()
    await get(Transport(ClientOptions(), Timeouts()))
asyncio.run(main())
gc.collect()
""",
    "a loop that is closed without ceremony": """
loop = asyncio.new_event_loop()
loop.run_until_complete(get())
loop.close()
asyncio.run(get())
""",
    "a loop that is closed without ceremony at the end": """
loop = asyncio.new_event_loop()
loop.run_until_complete(get())
loop.close()
""",
    "an unread answer": """
async def main():
    global response
    response = await transport.request("GET", URL + "/unread", {})
asyncio.run(main())
""",
    "an unread answer of a loop closed without ceremony": """
async def main():
    global response
    response = await transport.request("GET", URL + "/unread", {})
loop = asyncio.new_event_loop()
loop.run_until_complete(main())
loop.close()
del response, transport
gc.collect()
""",
    "a request that is under way": """
async def main():
    task = asyncio.create_task(transport.request("GET", URL + "/hang", {}))
    await asyncio.sleep(0.1)
asyncio.run(main())
""",
    "uvloop": "import uvloop; uvloop.run(get()); uvloop.run(get())",
}

FORKED = {
    "after a loop": """
asyncio.run(get())
os.fork()
asyncio.run(get())
""",
    "in a loop": """
async def main():
    await get()
    child = os.fork()
    if child == 0:
        asyncio.run(get())
        for name in ("transport", "get"):
            del globals()[name]
        gc.collect()
        os._exit(0)
    os.waitpid(child, 0)
    await get()
asyncio.run(main())
""",
    "between two runs of a loop that the child drops": """
loop = asyncio.new_event_loop()
loop.run_until_complete(get())
child = os.fork()
if child == 0:
    inherited = weakref.ref(transport._sessions[os.getppid(), loop])
    del loop, transport, get
    gc.collect()
    os._exit(inherited() is None)
assert os.waitpid(child, 0)[1] == 0
loop.run_until_complete(get())
loop.run_until_complete(loop.shutdown_asyncgens())
loop.close()
""",
    "between two runs of a loop that the child ends": """
loop = asyncio.new_event_loop()
loop.run_until_complete(get())
child = os.fork()
if child == 0:
    loop.run_until_complete(loop.shutdown_asyncgens())
    os._exit(0)
os.waitpid(child, 0)
loop.run_until_complete(get())
loop.run_until_complete(loop.shutdown_asyncgens())
loop.close()
""",
    "in a thread's loop": """
import threading
started, done = threading.Event(), threading.Event()
async def serve():
    await get()
    started.set()
    while not done.is_set():
        await asyncio.sleep(0.01)
        await get()
thread = threading.Thread(target=asyncio.run, args=(serve(),))
thread.start()
started.wait()
child = os.fork()
if child:
    os.waitpid(child, 0)
    done.set()
    thread.join()
else:
    asyncio.run(get())
    del transport, get
    gc.collect()
    os._exit(0)
""",
}


async def run(script: str, server: Server, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *flags, "-c", HELPER + script, server.url]
    return await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=20, check=False)


async def by_path(request: Request) -> None:
    if "unread" in request.line:
        request.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok")
    if "unread" in request.line or "hang" in request.line:
        await request.hang()
    request.send(OK)


@pytest.mark.parametrize("script", UNCLOSED.values(), ids=list(UNCLOSED))
async def test_an_unclosed_transport_ends_without_a_word_and_without_delay(script: str) -> None:
    async with serve(by_path) as server:
        result = await run(script, server, "-X", "dev", "-W", "error")
        # How long a step takes says more about the machine; asyncio's debug mode reports that too.
        said = [line for line in result.stderr.splitlines() if not line.startswith("Executing <")]
        assert (result.returncode, result.stdout, said) == (0, "", [])


@pytest.mark.parametrize("script", FORKED.values(), ids=list(FORKED))
async def test_a_forked_child_has_connections_of_its_own_and_leaves_its_parents_alone(script: str) -> None:
    async with serve(by_path) as server:
        result = await run(script, server)
        assert (result.returncode, result.stderr) == (0, "")


async def test_dropping_a_transport_closes_its_connections_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiostore._http.session._KEEPALIVE", 0.05)
    async with serve(OK) as server:
        client = Transport(ClientOptions(), SHORT)
        await get(client, server.url)
        del client
        await until(lambda: server.open == 0)


def test_a_transport_is_imported_without_opening_anything(tmp_path: Path) -> None:
    script = "import threading, aiostore._http.client; assert threading.active_count() == 1"
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, cwd=tmp_path)
