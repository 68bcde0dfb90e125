"""Mixed operations on a store that fails, against a model of what it must hold, for as long as is asked.

Each worker has keys of its own, so that it knows what they hold. Where an operation fails or is cancelled its outcome
is unknown: its keys are put aside, and read when whatever was under way must have ended. They hold the state of before
or the one of after.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import random
import tempfile
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from aiostore import Store
from aiostore.budget import BUDGET
from aiostore.errors import AlreadyExistsError, NotFoundError, StoreError, WriteOutcomeUnknownError
from aiostore.wrappers.limits import LimitDriver
from aiostore.wrappers.wrapper import Wrapper

POOL: Final = random.Random(7).randbytes(24 * 1024**2)
"""All bytes that are ever written are slices of this, so that the model is numbers and takes no memory."""

KEYS: Final = 10
"""Keys that a worker writes to over and over."""

ASIDE: Final = 40
"""Operations of unknown outcome that a worker leaves alone before it looks at the oldest."""

PATIENCE: Final = 15.0
"""Seconds within which what was given up must have ended."""

Slice: TypeAlias = tuple[int, int]
"""Where the bytes of an object begin and end in the pool."""


@dataclass(kw_only=True)
class Backend:
    """A store behind something that fails, and one beside it. ``settle`` forgets what the faults have recorded."""

    name: str
    store: Store
    direct: Store
    part_size: int
    large: int
    settle: Callable[[], None]
    faults: Callable[[], int]
    connections: Callable[[], int]


@dataclass(kw_only=True)
class Report:
    """What a run did, and the memory it took: pairs of seconds and KiB."""

    operations: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    faults: int = 0
    memory: list[tuple[float, int]] = field(default_factory=list)

    def growth(self) -> float:
        """KiB by which memory grew over the second half of the run, as the straight line through it tells."""
        half = [sample for sample in self.memory if sample[0] >= self.memory[-1][0] / 2]
        count, span = len(half), half[-1][0] - half[0][0]
        if count < 4:
            return 0.0
        middle = sum(second for second, _ in half) / count
        mean = sum(kib for _, kib in half) / count
        slope = sum((second - middle) * (kib - mean) for second, kib in half) / sum(
            (second - middle) ** 2 for second, _ in half
        )
        return slope * span

    def __str__(self) -> str:
        begin, middle, end = (self.memory[index][1] // 1024 for index in (0, len(self.memory) // 2, -1))
        return (
            f"{sum(self.operations.values())} operations, {self.faults} faults, {sum(self.unknown.values())} unknown "
            f"outcomes; MiB {begin} -> {middle} -> {end}, growth of the second half {self.growth():.0f} KiB\n"
            f"  done: {dict(sorted(self.operations.items()))}\n  unknown: {dict(sorted(self.unknown.items()))}"
        )


async def soak(backend: Backend, *, seconds: float, seed: int, workers: int = 4, allowance: int) -> Report:
    """Run the workers, then compare and count what is left. ``allowance``: KiB that the second half may grow by.

    Raises:
        AssertionError: if the store is not the model, if memory grows, or if anything is left behind.
    """
    report = Report()
    before, temporary = tempfile.tempdir, tempfile.mkdtemp(prefix="soak-")
    tempfile.tempdir = temporary
    tasks = asyncio.all_tasks()
    try:
        crew = [Worker(backend, f"w{number}/", random.Random(f"{seed}/{number}"), report) for number in range(workers)]
        begun = time.monotonic()
        async with asyncio.TaskGroup() as group:
            group.create_task(_watch(backend, report, begun, seconds))
            for worker in crew:
                group.create_task(worker.work(begun + seconds))
        await _nothing_is_left(backend, tasks)
        for worker in crew:
            await worker.finish()
        assert [meta.key async for meta in backend.direct.list()] == []
        assert os.listdir(temporary) == [], "temporary files are left"
    finally:
        tempfile.tempdir = before
        for path in Path(temporary).iterdir():
            path.unlink()
        Path(temporary).rmdir()
    report.faults = backend.faults()
    grown = report.growth()
    assert grown <= allowance, f"memory grew by {grown:.0f} KiB in the second half: {report.memory}"
    return report


async def _watch(backend: Backend, report: Report, begun: float, seconds: float) -> None:
    interval = min(2.0, seconds / 40)
    while (now := time.monotonic() - begun) < seconds:
        backend.settle()
        # The first tenth fills caches and pools.
        if now > seconds / 10:
            report.memory.append((now, resident()))
        await asyncio.sleep(interval)


def resident() -> int:
    """KiB of this process in memory, without garbage and without what the allocator merely keeps."""
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


async def _nothing_is_left(backend: Backend, before: set[asyncio.Task[object]]) -> None:
    """No task, connection in use, permit, byte of the budget or upload, while the store is still open."""

    def left() -> list[str]:
        gc.collect()
        mine = asyncio.all_tasks() - before - {asyncio.current_task()}
        names = [repr(task) for task in mine if not _serves(task)]
        driver = backend.store._base.driver
        while not isinstance(driver, LimitDriver):
            assert isinstance(driver, Wrapper)
            driver = driver.inner
        held = {kind: (permits := driver.permits(kind)).count - permits.free for kind in ("get", "put")}
        names += [f"{count} permits of {kind}" for kind, count in held.items() if count]
        names += [f"{BUDGET.used} bytes of the budget"] if BUDGET.used else []
        names += [f"{count} connections"] if (count := backend.connections()) else []
        return names

    deadline = time.monotonic() + PATIENCE
    while found := left():
        assert time.monotonic() < deadline, f"left behind: {found}"
        await asyncio.sleep(0.05)
    uploads = [upload.key async for upload in backend.direct.uploads()]
    assert not uploads, f"uploads are left: {uploads}"


def _serves(task: asyncio.Task[object]) -> bool:
    """Whether a task is one of the proxy in front of the server."""
    return getattr(task.get_coro(), "__qualname__", "").startswith(("FaultProxy.", "Connection."))


@dataclass(slots=True)
class _Change:
    """What a write makes of some keys: their states before and after."""

    before: dict[str, Slice | None]
    after: dict[str, Slice | None]


class Worker:
    """One after the other, operations on keys below a prefix."""

    def __init__(self, backend: Backend, prefix: str, chance: random.Random, report: Report) -> None:
        self._store = backend.store.with_prefix(prefix)
        self._direct = backend.direct.with_prefix(prefix)
        self._backend = backend
        self._chance = chance
        self._report = report
        self._model: dict[str, Slice] = {}
        self._aside: deque[tuple[str, _Change]] = deque()
        self._names = [f"k{number}" for number in range(KEYS)]
        self._made = KEYS
        self._steps: dict[Callable[[], Awaitable[None]], int] = {
            self._put_small: 6,
            self._put_large: 2,
            self._put_stream: 2,
            self._put_if_absent: 3,
            self._get: 6,
            self._get_missing: 1,
            self._ranges: 4,
            self._stream_some: 4,
            self._list: 2,
            self._copy: 3,
            self._rename: 3,
            self._delete_many: 1,
            self._cancelled_read: 2,
        }

    async def work(self, until: float) -> None:
        """Do one thing after the other until a time of the monotonic clock."""
        steps, weights = list(self._steps), list(self._steps.values())
        while time.monotonic() < until:
            await self._chance.choices(steps, weights)[0]()
            if len(self._aside) > ASIDE:
                await self._look(*self._aside.popleft())

    async def finish(self) -> None:
        """Look at all that was put aside, compare the rest with the model, and delete it."""
        while self._aside:
            await self._look(*self._aside.popleft())
        found = {meta.key: meta.size async for meta in self._direct.list()}
        assert found == {key: stop - start for key, (start, stop) in self._model.items()}
        for key, (start, stop) in self._model.items():
            assert await self._direct.get(key) == POOL[start:stop], f"{key} holds other bytes"
        for result in await self._direct.delete_many(list(self._model)):
            assert result.error is None

    # --- writes

    async def _put_small(self) -> None:
        key, data = self._key(), self._slice(4000)
        await self._write("put small", self._puts(key, data), lambda: self._store.put(key, _bytes(data)))

    async def _put_large(self) -> None:
        key, data = self._key(), self._slice(self._backend.large)
        size = self._backend.part_size
        await self._write(
            "put large", self._puts(key, data), lambda: self._store.put(key, _bytes(data), part_size=size)
        )

    async def _put_stream(self) -> None:
        key, data = self._key(), self._slice(self._backend.large)
        step = self._chance.randrange(1000, 200_000)

        async def pieces() -> AsyncIterator[memoryview]:
            for start in range(*data, step):
                yield memoryview(POOL)[start : min(start + step, data[1])]

        size = self._backend.part_size
        await self._write("put stream", self._puts(key, data), lambda: self._store.put(key, pieces(), part_size=size))

    async def _put_if_absent(self) -> None:
        key, data = self._key(), self._slice(4000)
        if key not in self._model:
            change = self._puts(key, data)
            await self._write("create", change, lambda: self._store.put(key, _bytes(data), if_absent=True))
            return
        try:
            await self._store.put(key, _bytes(data), if_absent=True)
        except AlreadyExistsError:
            self._report.operations["create refused"] += 1
        except WriteOutcomeUnknownError:
            # An answer was lost, and what is there was not created under an id of ours.
            self._report.unknown["create refused"] += 1
        else:
            raise AssertionError(f"{key} exists and was created")

    async def _copy(self) -> None:
        await self._duplicate("copy", self._store.copy)

    async def _rename(self) -> None:
        await self._duplicate("rename", self._store.rename)

    async def _duplicate(self, name: str, verb: Callable[[str, str], Awaitable[object]]) -> None:
        source, target = self._existing(), self._key()
        if source is None or source == target:
            return
        change = self._puts(target, self._model[source])
        if name == "rename":
            change.before[source], change.after[source] = self._model[source], None
        await self._write(name, change, lambda: verb(source, target))

    async def _delete_many(self) -> None:
        keys = self._chance.sample(self._names, 4)
        change = _Change({key: self._model.get(key) for key in keys}, dict.fromkeys(keys))

        async def delete() -> None:
            results = await self._store.delete_many(keys)
            assert [result.key for result in results] == keys
            for result in results:
                if result.error is not None:
                    raise result.error

        await self._write("delete many", change, delete)

    async def _write(self, name: str, change: _Change, call: Callable[[], Awaitable[object]]) -> None:
        """Carry a write out, in one of five cases cancelled within it."""
        impatience = self._impatience() if self._chance.random() < 0.2 else None
        try:
            async with asyncio.timeout(impatience):
                await call()
        except (StoreError, TimeoutError) as error:
            known = impatience is not None and not isinstance(error, StoreError)
            self._report.unknown[f"{name} {'cancelled' if known else type(error).__name__}"] += 1
            self._put_aside(name, change)
            return
        self._report.operations[name] += 1
        for key, state in change.after.items():
            self._set(key, state)

    def _put_aside(self, name: str, change: _Change) -> None:
        """Leave the keys alone, and go on with others in their stead."""
        self._aside.append((name, change))
        for key in change.before:
            self._model.pop(key, None)
            self._names[self._names.index(key)] = f"k{self._made}"
            self._made += 1

    async def _look(self, name: str, change: _Change) -> None:
        """Read what an unknown outcome was, and delete it."""
        for key, before in change.before.items():
            try:
                found: bytes | None = await self._direct.get(key)
            except NotFoundError:
                found = None
            allowed = [None if state is None else POOL[state[0] : state[1]] for state in (before, change.after[key])]
            assert found in allowed, f"{name} left {key} in neither state: {None if found is None else len(found)}"
            await self._direct.delete(key)
        self._report.operations["outcome read"] += 1

    # --- reads

    async def _get(self) -> None:
        if (key := self._existing()) is not None:
            start, stop = self._model[key]
            assert await self._store.get(key) == POOL[start:stop], f"{key}: other bytes"
            self._report.operations["get"] += 1

    async def _get_missing(self) -> None:
        with suppress(NotFoundError):
            await self._store.get("missing")
            raise AssertionError("what is missing was found")
        self._report.operations["get missing"] += 1

    async def _ranges(self) -> None:
        key = self._existing()
        if key is None or (size := self._size(key)) < 10:
            return
        begin = self._model[key][0]
        ranges = []
        for _ in range(self._chance.randint(1, 5)):
            start = self._chance.randrange(size - 1)
            ranges.append((start, self._chance.randint(start + 1, min(size, start + 100_000))))
        got: Sequence[bytes] = await self._store.get_ranges(key, ranges)
        assert list(got) == [POOL[begin + start : begin + stop] for start, stop in ranges], f"{key}: other ranges"
        self._report.operations["get ranges"] += 1

    async def _stream_some(self) -> None:
        key = self._existing()
        if key is None:
            return
        begin, end = self._model[key]
        at, enough = begin, self._chance.randrange(end - begin + 1) if self._chance.random() < 0.5 else end
        async with self._store.stream(key, chunk_size=self._chance.randrange(5000, 300_000)) as stream:
            async for chunk in stream:
                assert chunk == POOL[at : at + len(chunk)], f"{key}: other bytes at {at - begin}"
                at += len(chunk)
                if at - begin > enough:
                    break
            else:
                assert at == end, f"{key}: {end - at} bytes are missing"
        self._report.operations["stream" if at == end else "stream left"] += 1

    async def _cancelled_read(self) -> None:
        key = self._existing()
        if key is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self._impatience()):
                await self._store.get(key)
        self._report.operations["get cancelled"] += 1

    async def _list(self) -> None:
        found = {meta.key: meta.size async for meta in self._store.list()}
        aside = {key for _, change in self._aside for key in change.before}
        kept = {key: size for key, size in found.items() if key not in aside}
        assert kept == {key: stop - start for key, (start, stop) in self._model.items()}, "the listing is another"
        self._report.operations["list"] += 1

    # --- choices

    def _impatience(self) -> float:
        return self._chance.choice((0.0, 0.001, 0.005, 0.02, 0.1)) * self._chance.random()

    def _key(self) -> str:
        return self._chance.choice(self._names)

    def _existing(self) -> str | None:
        return self._chance.choice(sorted(self._model)) if self._model else None

    def _size(self, key: str) -> int:
        start, stop = self._model[key]
        return stop - start

    def _slice(self, most: int) -> Slice:
        size = self._chance.randrange(most)
        start = self._chance.randrange(len(POOL) - size)
        return start, start + size

    def _puts(self, key: str, data: Slice) -> _Change:
        return _Change({key: self._model.get(key)}, {key: data})

    def _set(self, key: str, state: Slice | None) -> None:
        if state is None:
            self._model.pop(key, None)
        else:
            self._model[key] = state


def _bytes(data: Slice) -> memoryview:
    return memoryview(POOL)[data[0] : data[1]]
