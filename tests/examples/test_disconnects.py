"""Downloads that end half-way: because the client leaves, and because the store fails."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
import uvicorn
from aiohttp import web

from aiostore import Limits, PermissionDeniedError, Store
from aiostore.drivers.memory import MemoryDriver
from aiostore.testing import Call, Fail, Fault, FaultyDriver
from examples import aiohttp_service, fastapi_service

PATIENCE = 10.0
SIZE = 1024 * 1024
SMALL_PARTS = Limits(part_size=64 * 1024)


class Stuck(Fault):
    """Every ``get`` but the first waits for ever; ``cancelled`` is set when one of them need not wait any more."""

    def __init__(self) -> None:
        self.waiting = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def before(self, call: Call) -> None:
        if call.primitive == "get" and call.number > 1:
            self.waiting.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled.set()


class Server(uvicorn.Server):
    """One that leaves the signals to pytest."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def fastapi(store: Store) -> AsyncIterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(uvicorn.Config(fastapi_service.create_app(store), log_level="critical"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        yield listener.getsockname()[1]
        server.should_exit = True
        await serving


@asynccontextmanager
async def aiohttp(store: Store) -> AsyncIterator[int]:
    runner = web.AppRunner(aiohttp_service.create_app(store), handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


Serve = Callable[[Store], AbstractAsyncContextManager[int]]


@pytest.fixture(params=[fastapi, aiohttp])
def serve(request: pytest.FixtureRequest) -> Serve:
    found: Serve = request.param
    return found


@pytest.fixture
async def driver() -> FaultyDriver:
    inner = MemoryDriver()
    await Store(inner).put("large", bytes(SIZE))
    return FaultyDriver(inner)


async def test_a_client_that_leaves_a_download_cancels_it(serve: Serve, driver: FaultyDriver) -> None:
    driver.plan = [stuck := Stuck()]
    async with asyncio.timeout(PATIENCE), serve(Store(driver, limits=SMALL_PARTS)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /objects/large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 200 " in await reader.readline()
        await stuck.waiting.wait()
        assert not stuck.cancelled.is_set()
        writer.transport.abort()
        await stuck.cancelled.wait()
    assert driver.open_bodies == 0


async def test_a_download_that_fails_half_way_does_not_look_complete(serve: Serve, driver: FaultyDriver) -> None:
    driver.plan = [Fail("get", calls=range(2, SIZE), error=PermissionDeniedError("the credentials were taken away"))]
    async with serve(Store(driver, limits=SMALL_PARTS)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /objects/large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with asyncio.timeout(PATIENCE):
            answer = await reader.read(-1)
        head, _, body = answer.partition(b"\r\n\r\n")
        assert f"content-length: {SIZE}".encode() in head.lower()
        assert len(body) < SIZE
        writer.close()
        await writer.wait_closed()
