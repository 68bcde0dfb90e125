"""A small server for the proxy's own tests to stand in front of."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

BODY = random.Random(1).randbytes(300_000)


class Upstream:
    """A server whose ``/body`` can be read, also in parts, and written."""

    def __init__(self) -> None:
        self.body = BODY
        self.url = ""

    async def get(self, request: web.Request) -> web.StreamResponse:
        part = request.http_range
        if part.start is None:
            return web.Response(body=self.body)
        stop = min(part.stop or len(self.body), len(self.body))
        headers = {"Content-Range": f"bytes {part.start}-{stop - 1}/{len(self.body)}"}
        return web.Response(status=206, body=self.body[part.start : stop], headers=headers)

    async def chunked(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        for start in range(0, len(self.body), 70_000):
            await response.write(self.body[start : start + 70_000])
        await response.write_eof()
        return response

    async def until_closed(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.force_close()
        await response.prepare(request)
        await response.write(self.body)
        return response

    async def put(self, request: web.Request) -> web.StreamResponse:
        self.body = await request.read()
        return web.Response(status=201, headers={"ETag": '"written"'})

    async def refuse_unread(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(status=403, text="no")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve at ``url``."""
        app = web.Application(client_max_size=2**30)
        app.router.add_get("/body", self.get)
        app.router.add_get("/chunked", self.chunked)
        app.router.add_get("/until-closed", self.until_closed)
        app.router.add_put("/body", self.put)
        app.router.add_put("/refused", self.refuse_unread)
        runner = web.AppRunner(app, shutdown_timeout=0.1, lingering_time=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield
        finally:
            await runner.cleanup()
