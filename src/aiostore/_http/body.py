"""How a request's body gets on the wire: without a copy, and never faster than the service takes it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, cast

from aiohttp.http import StreamWriter

from aiostore.body import Body
from aiostore.errors import ConnectionLostError
from aiostore.types import Buffer

if TYPE_CHECKING:
    from aiostore._http.exchange import Exchange

COALESCE = 32 * 1024
"""A body of at most so many bytes goes out together with its head, in one system call and one packet train."""

SLICE = 1024 * 1024
"""Bytes handed to the event loop at a time."""

TLS_SLICE = 256 * 1024
"""The same over TLS, which copies what it has encrypted twice: these copies stay in a processor's cache."""


async def send(exchange: Exchange, head: bytes, body: Body) -> None:
    """Send a request with a body of any size.

    Raises:
        OSError: if the body cannot be read, or has become shorter than it said.
        ConnectionLostError: if the connection is gone.
    """
    writer = StreamWriter(exchange.protocol, exchange.loop)
    write(exchange, head)
    transport = exchange.protocol.transport
    secure = transport is not None and transport.get_extra_info("ssl_object") is not None
    most = TLS_SLICE if secure else SLICE
    left = body.size
    if (buffers := body.buffers) is not None:
        for buffer in buffers:
            left -= await _send_buffer(exchange, writer, buffer, left, most)
    else:
        # The cast: a generator must be closed, which the type AsyncIterator does not tell.
        async with aclosing(cast("AsyncGenerator[Buffer, None]", body.chunks())) as chunks:
            async for buffer in chunks:
                left -= await _send_buffer(exchange, writer, buffer, left, most)
    if left:
        raise OSError(f"the body ended {left} bytes before its size, {body.size}")


async def _send_buffer(exchange: Exchange, writer: StreamWriter, buffer: Buffer, left: int, most: int) -> int:
    view = memoryview(buffer)
    if view.nbytes != len(view):
        view = view.cast("B")
    size = len(view)
    if size > left:
        raise OSError(f"the body is longer than its size by {size - left} bytes")
    for start in range(0, size, most):
        write(exchange, view[start : start + most])
        await writer.drain()
    return size


def write(exchange: Exchange, data: Buffer) -> None:
    """Hand ``data`` to the event loop."""
    transport = exchange.protocol.transport
    if transport is None or transport.is_closing():
        raise ConnectionLostError("the connection was closed while the request was being sent", answered=False)
    exchange.queued += len(data)
    transport.write(data)
