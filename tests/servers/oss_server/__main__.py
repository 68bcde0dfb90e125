"""``python -m tests.servers.oss_server PORT`` runs it until it is ended."""

from __future__ import annotations

import sys

from aiohttp import web

from tests.servers.oss_server.application import LARGEST, Application


def main() -> None:
    """Serve on loopback."""
    application = web.Application(client_max_size=LARGEST)
    application.router.add_route("*", r"/{anything:[\s\S]*}", Application().handle)
    web.run_app(application, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)


if __name__ == "__main__":
    main()
