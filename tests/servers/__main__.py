"""``python -m tests.servers NAME``: run one server until interrupted, its endpoint on standard output as JSON."""

from __future__ import annotations

import argparse
import dataclasses
import json
import signal
import sys
from pathlib import Path
from types import FrameType

from tests.servers import SERVERS
from tests.servers.install import NotInstalledError
from tests.servers.running import required, variable
from tests.servers.server import Endpoint, Server, ServerStartError


def main() -> int:
    """Install servers, or run one."""
    names = [server.name for server in SERVERS]
    parser = argparse.ArgumentParser(prog="python -m tests.servers", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    install = commands.add_parser("install", help="install servers, all of them unless named")
    install.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    for server in SERVERS:
        command = commands.add_parser(server.name, help=f"run it: {server.covers}")
        command.add_argument("--state", type=Path, help="also write the endpoint to this file")
    arguments = parser.parse_args()
    if arguments.command == "install":
        return _install([server for server in SERVERS if server.name in (arguments.names or names)])
    return _run(next(server for server in SERVERS if server.name == arguments.command), arguments.state)


def _install(servers: list[type[Server[Endpoint]]]) -> int:
    failed = False
    for server in servers:
        try:
            server.install()
        except NotInstalledError as reason:
            print(f"{server.name} is not installed, {server.covers} will go untested: {reason}", file=sys.stderr)
            failed = True
        else:
            print(f"{server.name} is installed")
    return 1 if failed and required() else 0


def _run(kind: type[Server[Endpoint]], state: Path | None) -> int:
    signal.signal(signal.SIGTERM, _interrupt)
    with kind() as server:
        try:
            endpoint = json.dumps(dataclasses.asdict(server.start()), indent=2)
            print(endpoint, flush=True)
            print(f"export {variable(kind)}=... makes tests use it; interrupt to stop", file=sys.stderr)
            if state is not None:
                state.write_text(endpoint)
            while True:
                signal.pause()
        except (NotInstalledError, ServerStartError) as reason:
            print(reason, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 0
        finally:
            if state is not None:
                state.unlink(missing_ok=True)


def _interrupt(_signum: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
