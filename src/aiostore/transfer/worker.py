"""Work spread over several processes: items go to them, and results come back, as pickles through pipes.

Only a parent that pickled its own items starts such a process, so what is unpickled on either side is the other's own.
A process that hears no more of its parent ends what it has under way.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import sys
import threading
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, suppress
from importlib import import_module
from typing import Any, Final, Generic, TypeAlias, TypeVar

from aiostore._engine.gather import gather
from aiostore.errors import StoreError

T = TypeVar("T")

LENGTH: Final = 8
"""Bytes that tell how long a pickle is."""

BATCH: Final = 32
"""Items that go at a time."""

GRACE: Final = 30.0
"""Seconds that a process gets to end what it has under way."""


Work: TypeAlias = Callable[..., AsyncGenerator[Any, None]]
"""What a process does, a function of some module: called with items and arguments, it yields a result for each item."""


class Shared(Generic[T]):
    """Items that several tasks and processes take from: whoever is done first gets the next ones."""

    def __init__(self, items: AsyncIterator[T]) -> None:
        self._items = items
        self._taking = asyncio.Lock()

    async def some(self, count: int) -> list[T]:
        """The next ``count`` items or fewer; none at the end."""
        found: list[T] = []
        async with self._taking:
            async for item in self._items:
                found.append(item)
                if len(found) == count:
                    break
        return found

    async def each(self) -> AsyncGenerator[T, None]:
        """Those that this caller takes, one by one."""
        while items := await self.some(1):
            yield items[0]


async def spread(
    work: Work,
    arguments: Sequence[object],
    items: Shared[Any],
    processes: int,
    take: Callable[[Any], None],
    *,
    window: int,
) -> None:
    """Let each of several new processes do ``work(items, *arguments)`` for some of the items; ``take`` every result.

    A process has at most ``window`` items at a time. A cancelled call ends all.

    Raises:
        Exception: what the work raised in one of the processes, or the source of the items here.
        StoreError: if a process ended by itself.
    """

    async def one(_number: int) -> None:
        await _Worker(items, take, window).run((work, arguments))

    await gather(one, range(processes), processes)


class _Worker:
    """One process, and the items that it has."""

    def __init__(self, shared: Shared[Any], take: Callable[[Any], None], window: int) -> None:
        self._shared = shared
        self._take = take
        self._window = window
        self._has = 0
        self._room = asyncio.Event()

    async def run(self, job: object) -> None:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", _BEGIN, *_loop(), stdin=PIPE, stdout=PIPE)
        try:
            await gather(lambda step: step(process), (self._feed(job), self._collect), 2)
            await process.wait()
        finally:
            await _end(process)

    def _feed(self, job: object) -> Callable[[Process], Any]:
        async def feed(process: Process) -> None:
            pipe = process.stdin
            assert pipe is not None  # noqa: S101  # it was asked for
            # One that ended says why on its other pipe.
            with suppress(BrokenPipeError, ConnectionResetError):
                pipe.write(_framed(job))
                while True:
                    while self._has >= self._window:
                        self._room.clear()
                        await self._room.wait()
                    items = await self._shared.some(min(BATCH, self._window - self._has))
                    self._has += len(items)
                    pipe.write(_framed(items))
                    await pipe.drain()
                    if not items:
                        return

        return feed

    async def _collect(self, process: Process) -> None:
        pipe = process.stdout
        assert pipe is not None  # noqa: S101  # it was asked for
        while True:
            try:
                length = int.from_bytes(await pipe.readexactly(LENGTH))
                results, error = pickle.loads(await pipe.readexactly(length))  # noqa: S301  # of our own child
            except asyncio.IncompleteReadError:
                raise StoreError(
                    f"a process of the transfer ended with code {await process.wait()}; run it again for the rest"
                ) from None
            if error is not None:
                raise error
            if results is None:
                return
            for result in results:
                self._take(result)
            self._has -= len(results)
            self._room.set()


def _loop() -> tuple[str, ...]:
    """What tells a process to use uvloop, if this one does."""
    return ("uvloop",) if type(asyncio.get_running_loop()).__module__.startswith("uvloop") else ()


async def _end(process: Process) -> None:
    """End a process, which first ends what it has under way."""
    if process.stdin is not None:
        process.stdin.close()
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM if sys.platform == "win32" else signal.SIGINT)
    waiting = asyncio.ensure_future(process.wait())
    try:
        await asyncio.wait((waiting,), timeout=GRACE)
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
        await waiting


def _framed(value: object) -> bytes:
    data = pickle.dumps(value)
    return len(data).to_bytes(LENGTH) + data


# --- in the process ---------------------------------------------------------------------------------------------------


_BEGIN: Final = f"""
try:
    from {__name__} import serve
    serve()
except KeyboardInterrupt:
    raise SystemExit(130) from None
"""
"""What a worker runs; whoever is interrupted while it imports has nothing to show either."""


def serve() -> None:
    """Do what standard input says, and tell of it on standard output."""
    factory = import_module("uvloop").new_event_loop if "uvloop" in sys.argv else None
    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(_serve())
    except KeyboardInterrupt:
        sys.exit(130)


async def _serve() -> None:
    answers = _Answers()
    try:
        (work, arguments), items = await _begin()
        async with aclosing(work(items, *arguments)) as results:
            async for result in results:
                answers.add(result)
        answers.end(None)
    except Exception as error:  # it is raised in the parent
        answers.end(error)


async def _begin() -> tuple[Any, AsyncIterator[Any]]:
    """The job, and the items that follow it."""
    loop = asyncio.get_running_loop()
    frames: asyncio.Queue[Any] = asyncio.Queue()
    # Not through the buffer of sys.stdin, whose lock the interpreter wants when it ends.
    descriptor = sys.stdin.fileno()

    def read() -> None:
        with suppress(RuntimeError):  # the loop has ended
            while (data := _read_frame(descriptor)) is not None:
                loop.call_soon_threadsafe(frames.put_nowait, pickle.loads(data))  # noqa: S301  # of our own parent
            loop.call_soon_threadsafe(frames.put_nowait, None)

    # A thread that nobody waits for: it may read until the parent closes the pipe.
    threading.Thread(target=read, daemon=True).start()

    async def items() -> AsyncIterator[Any]:
        while found := await frames.get():
            for item in found:
                yield item
        if found is None:
            raise StoreError("the transfer was ended")

    return await frames.get(), items()


def _read_frame(descriptor: int) -> bytes | None:
    """The next pickle; None if the pipe has ended."""
    length = _read(descriptor, LENGTH)
    return _read(descriptor, int.from_bytes(length)) if len(length) == LENGTH else None


def _read(descriptor: int, count: int) -> bytes:
    data = bytearray()
    while len(data) < count and (chunk := os.read(descriptor, count - len(data))):
        data += chunk
    return bytes(data)


class _Answers:
    """Results on their way to the parent, those of one turn of the loop together."""

    def __init__(self) -> None:
        self._results: list[object] = []

    def add(self, result: object) -> None:
        """Send a result soon."""
        if not self._results:
            asyncio.get_running_loop().call_soon(self._flush)
        self._results.append(result)

    def end(self, error: Exception | None) -> None:
        """Send what is left, and what ended the work."""
        self._flush()
        try:
            data = _framed((None, error))
        except Exception:  # not every error can be pickled
            data = _framed((None, StoreError(f"{type(error).__name__}: {error}")))
        self._write(data)

    def _flush(self) -> None:
        results, self._results = self._results, []
        if results:
            self._write(_framed((results, None)))

    def _write(self, data: bytes) -> None:
        with suppress(BrokenPipeError):  # the parent has ended
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
