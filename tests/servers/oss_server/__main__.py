"""``python -m tests.servers.oss_server PORT`` runs it until it is ended."""

from __future__ import annotations

import asyncio
import sys

from aiohttp import web

from tests.servers.oss_server.application import LARGEST, Application


async def main() -> None:
    """Serve on loopback. Bodies are kept as they are sent, whatever their encoding."""
    application = web.Application(client_max_size=LARGEST)
    application.router.add_route("*", r"/{anything:[\s\S]*}", Application().handle)
    runner = web.AppRunner(application, access_log=None, auto_decompress=False)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(sys.argv[1])).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
