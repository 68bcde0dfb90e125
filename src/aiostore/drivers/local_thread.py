"""File operations in worker threads, so that a slow disk never holds up the event loop.

They run in the loop's own executor, which ends with the loop and exists anew in a forked child.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

from aiostore.drivers.local_errors import to_store_error
from aiostore.errors import StoreError

T = TypeVar("T")

PATIENCE: Final = 30.0
"""Seconds that a cancelled call waits for its thread, which stops at the next block; a hung disk may take for ever."""


class Stop:
    """Tells a long operation in a thread that nobody waits for it any more."""

    __slots__ = ("requested",)

    def __init__(self) -> None:
        self.requested = False

    def check(self) -> None:
        """Raise Stopped if the caller has gone. Called between blocks, when everything can still be undone."""
        if self.requested:
            raise StoppedError


class StoppedError(Exception):
    """Raised in the thread of a cancelled call; nobody sees it."""


async def run(work: Callable[[], T], stop: Stop | None = None, undo: Callable[[T], object] | None = None) -> T:
    """Run ``work`` in a thread: one hop.

    A cancelled call sets ``stop``, waits until the thread is done (for :data:`PATIENCE`) and hands what it answered
    to ``undo``, so that neither a thread nor what it made is left. A call that was over already is undone too.

    Raises:
        StoreError: what an OSError of ``work`` means.
    """
    future = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        if stop is not None:
            stop.requested = True
        await _settle(future)
        future.add_done_callback(lambda done: _undo(done, undo))
        raise
    except StoreError:
        raise
    except OSError as error:
        raise to_store_error(error) from error


async def _settle(future: asyncio.Future[T]) -> None:
    """Wait until ``future`` is done or the time is up, whoever cancels again."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE
    while not future.done() and (left := deadline - loop.time()) > 0:
        try:
            await asyncio.wait([future], timeout=left)
        except asyncio.CancelledError:
            continue


def _undo(future: asyncio.Future[T], undo: Callable[[T], object] | None) -> None:
    if not future.cancelled() and future.exception() is None and undo is not None:
        undo(future.result())
