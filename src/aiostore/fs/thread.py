"""The standard library's own functions, in worker threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

PATIENCE: Final = 30.0
"""Seconds that a cancelled call waits for its thread; a hung disk may take for ever."""


async def in_thread(function: Callable[P, T], *arguments: P.args, **keywords: P.kwargs) -> T:
    """Call a function in a thread of the loop's executor. A cancelled call waits until the thread is done."""
    loop = asyncio.get_running_loop()
    future = loop.run_in_executor(None, partial(function, *arguments, **keywords))
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        deadline = loop.time() + PATIENCE
        while not future.done() and (left := deadline - loop.time()) > 0:
            try:
                await asyncio.wait([future], timeout=left)
            except asyncio.CancelledError:
                continue
        future.add_done_callback(_look_away)
        raise


def _look_away(future: asyncio.Future[T]) -> None:
    """Take note of an error that nobody waits for any more, lest the loop report it."""
    if not future.cancelled():
        future.exception()
