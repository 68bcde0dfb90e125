"""``python -m tests.soak``: ten minutes in memory and ten on a server; ``--seconds 60 --on memory`` for less."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import warnings
from contextlib import AbstractAsyncContextManager, ExitStack

from tests.servers.ceph import Ceph
from tests.servers.localstack import LocalStack
from tests.servers.running import shared
from tests.servers.server import S3Endpoint, Server
from tests.soak import backends
from tests.soak.soak import Backend, Report, soak

SERVERS: dict[str, type[Server[S3Endpoint]]] = {"ceph": Ceph, "localstack": LocalStack}


def main() -> None:
    """Soak the backends one after the other; whatever is wrong ends the run with an error that names the seed."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="for each backend")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--on", action="append", choices=["memory", *SERVERS], help="memory and ceph if not given")
    arguments = parser.parse_args()
    warnings.simplefilter("error")
    for name in arguments.on or ["memory", "ceph"]:
        _say(f"{name}: seed {arguments.seed}, {arguments.seconds:g} s")
        with ExitStack() as stack:
            if name == "memory":
                backend = backends.memory(arguments.seed)
            else:
                backend = backends.s3(name, _endpoint(SERVERS[name], stack), arguments.seed)
            try:
                report = asyncio.run(_run(backend, arguments.seconds, arguments.seed))
            except BaseException as error:
                error.add_note(f"again: python -m tests.soak --on {name} --seed {arguments.seed}")
                raise
        _say(f"{name}: {report}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _endpoint(kind: type[Server[S3Endpoint]], stack: ExitStack) -> S3Endpoint:
    """A server that the environment names, or one that is started now."""
    return shared(kind) or stack.enter_context(kind()).start()


async def _run(backend: AbstractAsyncContextManager[Backend], seconds: float, seed: int) -> Report:
    async with backend as opened:
        return await soak(opened, seconds=seconds, seed=seed, allowance=8 * 1024)


if __name__ == "__main__":
    main()
