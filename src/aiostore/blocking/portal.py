"""The bridge: one event loop in a thread of its own, which all blocking calls of a process share.

``run(coroutine)`` and ``call(function, *arguments)`` wait for a result, ``iterate(iterator)`` makes a plain iterator of
an asynchronous one, ``Portal.soon(step)`` waits for nothing and is meant for finalizers. The thread is started by the
first call, is a daemon, and is started anew in a forked child.

The loop belongs to an ``anyio.from_thread.BlockingPortal``. Calls do not take the portal's own way through a task
group, a cancel scope and a future with two callbacks: they need no more than a task and a lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from asyncio.events import _get_running_loop
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Generic, ParamSpec, Self, TypeVar, cast

import anyio
from anyio.from_thread import BlockingPortal

from aiostore._engine import dropped

T = TypeVar("T")
P = ParamSpec("P")

GRACE = 10.0
"""Seconds that an interrupted call waits for its coroutine to clean up; a second interrupt ends the wait."""


class _Call(Generic[T]):
    """A coroutine on its way through the loop, and the thread that waits for it."""

    __slots__ = ("_begun", "_cancelled", "_coroutine", "_task", "done", "error", "result")

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._coroutine = coroutine
        self._task: asyncio.Task[None] | None = None
        self._begun = self._cancelled = False
        self.result: T | None = None
        self.error: BaseException | None = None
        self.done = threading.Lock()
        self.done.acquire()

    def begin(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._serve())

    async def _serve(self) -> None:
        self._begun = True
        try:
            if self._cancelled:
                self._coroutine.close()
                raise asyncio.CancelledError
            self.result = await self._coroutine
        except BaseException as error:  # it is the caller's, whatever it is: the loop goes on
            self.error = error
        finally:
            self.done.release()

    def cancel(self) -> None:
        # A task that is cancelled before its first step would never say that it has ended.
        self._cancelled = True
        if self._begun and self._task is not None:
            self._task.cancel()


class Portal:
    """An event loop in a daemon thread, and the ways into it from all other threads."""

    def __init__(self) -> None:
        self.inherited = False
        """Whether the process was forked since: then the thread runs in the parent only."""
        started: Future[asyncio.AbstractEventLoop] = Future()
        threading.Thread(target=_work, args=(started,), name="aiostore-blocking", daemon=True).start()
        self._loop = started.result()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Carry out ``coroutine`` in the loop and wait for what it returns or raises.

        An exception that interrupts the wait, such as ``KeyboardInterrupt``, cancels the coroutine, waits for it to end
        (at most :data:`GRACE` seconds), and is raised then.

        Raises:
            RuntimeError: if an event loop runs in this thread, which would be blocked, or for ever if it is this one;
                if what is used was made before the process was forked; if the interpreter is shutting down.
        """
        try:
            self._check()
        except RuntimeError:
            coroutine.close()
            raise
        call = _Call(coroutine)
        try:
            self._loop.call_soon_threadsafe(call.begin)
            call.done.acquire()
        except BaseException:
            self._loop.call_soon_threadsafe(call.cancel)
            call.done.acquire(timeout=GRACE)
            raise
        if call.error is None:
            return cast("T", call.result)
        error, call.error = call.error, None
        try:
            raise error
        finally:
            del error  # which refers to this frame

    def _check(self) -> None:
        if _get_running_loop() is not None:
            raise RuntimeError(
                "a blocking call in a thread that runs an event loop would stop all that happens there: await the"
                " asynchronous store instead, or make the call in a thread, as with asyncio.to_thread()"
            )
        if self.inherited:
            raise RuntimeError("this was opened before the process was forked: open it again in the child")
        if sys.is_finalizing():
            raise RuntimeError("the interpreter is shutting down: close files and stores before")

    def soon(self, step: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Begin ``step`` in the loop and go on at once. For finalizers, in any thread, at any time."""
        if not (self.inherited or sys.is_finalizing()):
            dropped.end(self._loop, step)


def _work(started: Future[asyncio.AbstractEventLoop]) -> None:
    try:
        anyio.run(_serve, started)
    except BaseException as error:
        if started.done():
            raise
        started.set_exception(error)


async def _serve(started: Future[asyncio.AbstractEventLoop]) -> None:
    async with BlockingPortal() as portal:
        started.set_result(asyncio.get_running_loop())
        await portal.sleep_until_stopped()


_lock = threading.Lock()
_portal: Portal | None = None
_parents: list[Portal] = []
"""Portals of the processes that this one was forked from: their loops share file descriptors with a running one."""


def current() -> Portal:
    """The portal of this process; started if there is none yet."""
    global _portal  # noqa: PLW0603  # one for the process
    if _portal is None:
        with _lock:
            if _portal is None:
                _portal = Portal()
    return _portal


def _after_fork() -> None:
    global _portal, _lock  # noqa: PLW0603  # begun anew
    _lock = threading.Lock()
    if _portal is not None:
        _portal.inherited = True
        _parents.append(_portal)
        _portal = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Carry out ``coroutine`` in the loop of this process; see :meth:`Portal.run`."""
    return current().run(coroutine)


def call(function: Callable[P, Coroutine[Any, Any, T]], *arguments: P.args, **keywords: P.kwargs) -> T:
    """Carry out ``function(*arguments, **keywords)`` as ``run`` does."""
    return current().run(function(*arguments, **keywords))


def iterate(iterator: AsyncIterator[T], *, ahead: int = 0) -> Iteration[T]:
    """A plain iterator over an asynchronous one, which may fetch up to ``ahead`` items more than were asked for."""
    return Iteration(iterator, ahead)


class Iteration(Iterator[T]):
    """What an asynchronous iterator brings. It is ended by its end, ``close``, ``with``, or being dropped.

    Each way through the loop brings as many items again as were taken so far, at most ``1 + ahead``. An error among
    them comes in its turn.
    """

    __slots__ = ("__weakref__", "_ahead", "_error", "_iterator", "_portal", "_ready", "_taken")

    def __init__(self, iterator: AsyncIterator[T], ahead: int = 0) -> None:
        self._iterator: AsyncIterator[T] | None = iterator
        self._portal = current()
        self._ahead = ahead
        self._ready: list[T] = []
        self._error: Exception | None = None
        self._taken = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        if not self._ready:
            self._fetch()
        return self._ready.pop()

    def _fetch(self) -> None:
        if self._error is None and self._iterator is not None:
            try:
                items, self._error = self._portal.run(_pull(self._iterator, 1 + min(self._taken, self._ahead)))
            except BaseException:
                self._let_go()
                raise
            self._taken += len(items)
            self._ready = items[::-1]
            if items:
                return
        error, self._error = self._error, None
        if error is None or isinstance(error, StopAsyncIteration):
            self._iterator = None
            raise StopIteration
        self._let_go()
        try:
            raise error
        finally:
            del error

    def close(self) -> None:
        """End the iteration and release what it holds. Safe to repeat."""
        iterator, self._iterator = self._iterator, None
        self._ready.clear()
        end = getattr(iterator, "aclose", None)
        if end is not None:
            self._portal.run(end())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _let_go(self) -> None:
        """End the iteration as ``close`` does, without waiting for it."""
        iterator, self._iterator = self._iterator, None
        end = getattr(iterator, "aclose", None)
        if end is not None:
            self._portal.soon(end)

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError):  # __init__ may have failed
            self._let_go()


async def _pull(iterator: AsyncIterator[T], most: int) -> tuple[list[T], Exception | None]:
    items: list[T] = []
    try:
        while len(items) < most:
            items.append(await anext(iterator))
    except Exception as error:  # it comes when the items before it were taken
        return items, error
    return items, None
