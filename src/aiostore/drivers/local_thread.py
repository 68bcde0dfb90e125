"""File operations in worker threads, so that a slow disk never holds up the event loop.

They take a thread of anyio's, of which there are 40. What only reads a little goes through aiofiles to the event loop's
own executor, the shortest way: it has few threads, and host names are looked up in them too, so nothing may stay there
that waits for the disk, as a write with its fsync or the walk of a directory does.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Final, TypeVar

import aiofiles.os
import anyio
import anyio.to_thread

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

    A call that is cancelled before it has begun never begins. Afterwards it sets ``stop``, waits until the thread is
    done (for :data:`PATIENCE`) and hands what it answered to ``undo``, so that neither a thread nor what it made is
    left.

    Raises:
        StoreError: what an OSError of ``work`` means.
    """
    call: Future[T] = Future()
    # Abandoned by anyio, since a call that is to stop first has to be told so.
    hop = anyio.to_thread.run_sync(_carry_out, call, work, abandon_on_cancel=True)
    return await _outcome(call, hop, stop, undo)


async def run_briefly(work: Callable[[], T], undo: Callable[[T], object] | None = None) -> T:
    """The same for ``work`` that reads a little."""
    call: Future[T] = Future()
    return await _outcome(call, _visit(call, work), None, undo)


async def _outcome(call: Future[T], hop: Awaitable[object], stop: Stop | None, undo: Callable[[T], object] | None) -> T:
    try:
        await hop
    except asyncio.CancelledError:
        # What the hop waits for is cancelled whether its thread goes on or not: only the call itself knows.
        if not call.cancel():
            if stop is not None:
                stop.requested = True
            await _settle(call)
            if undo is not None:
                call.add_done_callback(lambda done: _undo(done, undo))
        raise
    try:
        return call.result()
    except StoreError:
        raise
    except OSError as error:
        raise to_store_error(error) from error


def _carry_out(call: Future[T], work: Callable[[], T]) -> None:
    if call.set_running_or_notify_cancel():
        try:
            result = work()
        except BaseException as error:
            call.set_exception(error)
        else:
            call.set_result(result)


_visit = aiofiles.os.wrap(_carry_out)


async def _settle(call: Future[T]) -> None:
    """Wait until ``call`` is done or the time is up, whoever cancels again."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    call.add_done_callback(lambda _: _tell(loop, over))
    deadline = loop.time() + PATIENCE
    # anyio's scopes cancel again on every turn of the loop: shielded from them, this waits instead of spinning.
    with anyio.CancelScope(shield=True):
        while not call.done() and (left := deadline - loop.time()) > 0:
            try:
                await asyncio.wait_for(over.wait(), left)
            except (asyncio.CancelledError, TimeoutError):
                continue


def _tell(loop: asyncio.AbstractEventLoop, over: asyncio.Event) -> None:
    # A thread that took longer than anybody's patience may find the loop closed.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(over.set)


def _undo(call: Future[T], undo: Callable[[T], object]) -> None:
    if call.exception() is None:
        undo(call.result())
