"""Ending what was begun: steps that must not be torn in two by a cancellation."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, TypeVar

import anyio

from aiostore.errors import StoreError
from aiostore.protocol import Driver

T = TypeVar("T")

GRACE = 30.0
"""Seconds that a cancelled caller waits for a request that must be seen through."""


async def settle(step: Coroutine[Any, Any, T], within: float = GRACE) -> T:
    """Run ``step`` in a task of its own and see it through, however often the caller is cancelled meanwhile.

    Without a cancellation it takes as long as it takes. Once cancelled, the step has ``within`` seconds more; then it
    is cancelled too. The caller's cancellation is raised when the step has ended, whatever it answered.
    """
    task = asyncio.ensure_future(step)
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        await _see_through(task, asyncio.get_running_loop().time() + within)
        raise
    return task.result()


async def _see_through(task: asyncio.Task[T], deadline: float) -> None:
    """Wait for ``task``, and from ``deadline`` on for its being cancelled, whatever happens to the caller."""
    loop = asyncio.get_running_loop()
    # anyio's scopes cancel again on every turn of the loop: shielded from them, this waits instead of spinning.
    with anyio.CancelScope(shield=True):
        while not task.done():
            left = deadline - loop.time()
            if left <= 0:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({task}, timeout=left if left > 0 else None)
    if not task.cancelled():
        task.exception()  # seen: the caller is told of the cancellation instead


async def join(tasks: set[asyncio.Task[Any]]) -> None:
    """Cancel ``tasks`` and wait until all have ended; their results and errors are dropped."""
    for task in tasks:
        task.cancel()
    if tasks:
        await settle(_gathered(tasks))


def cut_off(key: str, operation: str, driver: Driver) -> StoreError:
    """The error of who goes on with what was cancelled behind its back, as every task is when its loop ends."""
    return StoreError(
        "its event loop has ended, or cancelled what was under way; begin again",
        key=key,
        operation=operation,
        store=driver.location,
    )


async def _gathered(tasks: set[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)
