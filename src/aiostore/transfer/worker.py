"""A share of a transfer in a process of its own: a pickled job on standard input, a pickled summary on standard output.

Only a parent that pickled both itself starts it, so what is unpickled is its own.
"""

from __future__ import annotations

import asyncio
import pickle
import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from aiostore.errors import StoreError

R = TypeVar("R")


async def run(call: Callable[..., Awaitable[R]], *arguments: object) -> R:
    """``await call(*arguments)`` in a new process. A cancelled call ends the process.

    Raises:
        Exception: what the call raised there.
        StoreError: if the process ended by itself.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        f"from {__name__} import serve; serve()",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        answer, _ = await process.communicate(pickle.dumps((call, arguments)))
    except BaseException:
        if process.returncode is None:
            process.terminate()
            await process.wait()
        raise
    if not answer:
        raise StoreError(f"a process of the transfer ended with code {process.returncode}; run it again for the rest")
    result: Any = pickle.loads(answer)  # noqa: S301  # of our own child
    if isinstance(result, Exception):
        raise result
    returned: R = result
    return returned


async def _work(call: Callable[..., Awaitable[object]], arguments: tuple[object, ...]) -> object:
    try:
        return await call(*arguments)
    except Exception as error:  # it is raised in the parent
        return error


def serve() -> None:
    """Do the job on standard input."""
    try:
        job, arguments = pickle.load(sys.stdin.buffer)  # noqa: S301  # of our own parent
        sys.stdout.buffer.write(pickle.dumps(asyncio.run(_work(job, arguments))))
    except KeyboardInterrupt:
        sys.exit(130)
