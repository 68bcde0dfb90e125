"""An HTTP server that does byte for byte what a test says, and remembers what it was sent."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from aiostore._http.client import Transport
from aiostore.policies import ClientOptions, Timeouts

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
SHORT = Timeouts(connect=0.2, stall=0.2, response=0.2, slow_response=0.6)


class Request:
    """One request as it came: its head up to the empty line, and the connection."""

    def __init__(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.head = head
        self.reader = reader
        self.writer = writer

    @property
    def line(self) -> str:
        return self.head.split(b"\r\n")[0].decode()

    @property
    def headers(self) -> list[tuple[str, str]]:
        lines = self.head.decode().split("\r\n")[1:-2]
        return [(name, value) for name, _, value in (line.partition(": ") for line in lines)]

    async def body(self) -> bytes:
        return await self.reader.readexactly(int(dict(self.headers).get("Content-Length", 0)))

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def reset(self) -> None:
        self.writer.transport.abort()

    async def hang(self) -> None:
        """Neither answer nor read until the client goes away or the test ends."""
        self.writer.transport.pause_reading()  # type: ignore[attr-defined]  # every socket's transport has it
        await asyncio.Event().wait()


Answer = Callable[[Request], Awaitable[None]]


class Server:
    def __init__(self, scheme: str, host: str, answer: Answer) -> None:
        self.scheme = scheme
        self.host = host
        self.port = 0
        self.requests: list[Request] = []
        self.connections = 0
        self.open = 0
        self._answer = answer
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.open += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                request = Request(head, reader, writer)
                self.requests.append(request)
                await self._answer(request)
                if writer.is_closing():
                    return
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError, asyncio.CancelledError):
            pass
        finally:
            self.open -= 1
            self._tasks.discard(task)
            writer.transport.abort()

    async def stop(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


@asynccontextmanager
async def serve(
    answer: Answer | bytes, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[Server]:
    """A server on a free port that answers every request so; ``bytes`` are sent once its body was read."""
    if isinstance(answer, bytes):
        constant = answer

        async def answer(request: Request) -> None:
            await request.body()
            request.send(constant)

    server = Server("http" if tls is None else "https", host, answer)
    listener = await asyncio.start_server(server.serve, host, 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        await server.stop()
        await listener.wait_closed()


@asynccontextmanager
async def transport(options: ClientOptions | None = None, timeouts: Timeouts | None = None) -> AsyncIterator[Transport]:
    """A transport that is closed in the end, without the environment's proxies: tests set them by themselves."""
    client = Transport(options or ClientOptions(), timeouts or Timeouts())
    try:
        yield client
    finally:
        await client.aclose()


def busy(client: Transport) -> tuple[int, int]:
    """Connections of the only session that are in use, and exchanges that are watched."""
    (session,) = client._sessions.values()
    idle = sum(len(route.idle) for route in session._routes.values())
    return session.leased - idle, len(session.watch._exchanges)


def usable(client: Transport) -> int:
    """Idle connections that the next request may take."""
    (session,) = client._sessions.values()
    now = session.loop.time()
    return sum(lease.usable(now) for route in session._routes.values() for lease in route.idle)


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait for a condition of the other side."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.002)
    assert condition()
