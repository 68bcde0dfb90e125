"""What a caller let go without closing it: ended in the background, by its own event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

logger = logging.getLogger("aiostore")

_ending: set[asyncio.Task[None]] = set()
"""A loop itself keeps only weak references to tasks."""


def end(loop: asyncio.AbstractEventLoop, close: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run ``close`` in ``loop`` soon, if it still lives. For ``__del__``, which may run in any thread."""
    if loop.is_closed():
        return
    try:
        loop.call_soon_threadsafe(_begin, close)
    except RuntimeError:
        return  # the loop was closed in between, and its tasks with it


def _begin(close: Callable[[], Coroutine[Any, Any, None]]) -> None:
    task = asyncio.get_running_loop().create_task(close())
    _ending.add(task)
    task.add_done_callback(_ended)


def _ended(task: asyncio.Task[None]) -> None:
    _ending.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.warning("ending what was not closed failed: %s", error, exc_info=error)
