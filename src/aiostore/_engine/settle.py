"""Ending what was begun: steps that must not be torn in two by a cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import anyio

T = TypeVar("T")

GRACE = 30.0
"""Seconds that a cancelled caller waits for a request that must be seen through."""


async def settle(step: Coroutine[Any, Any, T], within: float = GRACE) -> T:
    """Run ``step`` in a task of its own and see it through, however often the caller is cancelled meanwhile.

    Without a cancellation it takes as long as it takes. Once cancelled, the step has ``within`` seconds more; then it
    is cancelled too. The caller's cancellation is raised when the step has ended, whatever it answered.
    """
    task = asyncio.ensure_future(step)
    cancelled: BaseException | None = None
    deadline: float | None = None
    loop = asyncio.get_running_loop()
    # anyio's scopes cancel again on every turn of the loop: shielded from them, this waits instead of spinning.
    with anyio.CancelScope(shield=True):
        while not task.done():
            try:
                await asyncio.wait({task}, timeout=None if deadline is None else max(0.0, deadline - loop.time()))
            except asyncio.CancelledError as error:
                cancelled = error
                if deadline is None:
                    deadline = loop.time() + within
            if deadline is not None and loop.time() >= deadline:
                task.cancel()
    if cancelled is not None:
        if not task.cancelled():
            task.exception()  # seen: the caller is told of the cancellation instead
        raise cancelled
    return task.result()


async def join(tasks: set[asyncio.Task[Any]]) -> None:
    """Cancel ``tasks`` and wait until all have ended; their results and errors are dropped."""
    for task in tasks:
        task.cancel()
    if tasks:
        await settle(_gathered(tasks))


async def _gathered(tasks: set[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)
