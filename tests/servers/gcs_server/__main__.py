"""``python -m tests.servers.gcs_server PORT`` runs it until it is ended."""

from __future__ import annotations

import sys

from aiohttp import web

from tests.servers.gcs_server.application import LARGEST, Application


def main() -> None:
    """Serve on loopback."""
    port = int(sys.argv[1])
    application = web.Application(client_max_size=LARGEST)
    served = Application(f"http://127.0.0.1:{port}")
    application.router.add_route("*", r"/{anything:[\s\S]*}", served.handle)
    web.run_app(application, host="127.0.0.1", port=port, print=None, access_log=None)


if __name__ == "__main__":
    main()
