"""Where an operation meets a fault: a store with something that fails in front of its service, and one beside it."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from aiostore import Store
from aiostore.budget import BUDGET
from aiostore.capabilities import PartLimits
from aiostore.drivers.local import LocalDriver
from aiostore.drivers.memory import MemoryDriver
from aiostore.protocol import Driver
from aiostore.testing import Call, FaultyDriver
from aiostore.testing.conformance.suite import payload as fresh_payload
from aiostore.types import GetOptions, ObjectMeta
from aiostore.wrappers.limits import LimitDriver
from aiostore.wrappers.wrapper import Wrapper
from tests.faults.proxy import FaultProxy
from tests.faults.table.backend import PART, RETRY, Backend, Bucket, Settings, unfinished

SMALL = 300
LARGE = 4 * PART + 1000

PATIENCE = 3.0
"""Seconds within which what was ended must be gone."""

USUAL = Settings()

payload = lru_cache(fresh_payload)


@dataclass(kw_only=True)
class Cell:
    """One driver with a fault in front. ``direct`` sees the same objects without it.

    ``proxy`` and ``backend`` are there where the driver speaks HTTP, ``faulty`` where it does not. ``patches`` hold
    while the operation is under way.
    """

    driver: str
    backend: Backend | None = None
    store: Store
    direct: Store
    directory: Path
    proxy: FaultProxy | None = None
    faulty: FaultyDriver | None = None
    part_size: int = PART
    """Bytes of a part that is written."""
    old: bytes = payload(SMALL, 1)
    small: bytes = payload(SMALL, 2)
    large: bytes = payload(LARGE, 3)
    prefix: str = ""
    metas: dict[str, ObjectMeta] = field(default_factory=dict)
    patches: ExitStack = field(default_factory=ExitStack)

    @property
    def parts(self) -> bytes:
        """What is written in two parts or more."""
        return payload(LARGE if self.backend is None else self.part_size + 1000, 4)

    @property
    def retries(self) -> float:
        """How often something was sent again."""
        return RETRY.budget - self.store._base.retry_budget.tokens

    async def put(self, key: str, data: bytes) -> ObjectMeta:
        """Write beside the fault, in one request."""
        await self.direct.put(key, data)
        self.metas[key] = await self.direct.head(key)
        return self.metas[key]

    async def visible(self, key: str) -> bytes | None:
        """The object as everybody sees it; None if there is none."""
        return await self.direct.get(key) if await self.direct.exists(key) else None

    # --- what must not be left

    def limits(self) -> LimitDriver:
        driver = self.store._base.driver
        while not isinstance(driver, LimitDriver):
            assert isinstance(driver, Wrapper)
            driver = driver.inner
        return driver

    async def assert_nothing_is_left(self, tasks: set[asyncio.Task[Any]]) -> None:
        """No task, connection in use, permit, byte of the budget or upload, while the store is still open."""

        def new() -> list[asyncio.Task[Any]]:
            mine = asyncio.all_tasks() - tasks - {asyncio.current_task()}
            return [task for task in mine if not is_of_proxy(task.get_coro())]

        await _until(lambda: not new(), lambda: f"tasks are left: {new()}")
        for kind in ("get", "put"):
            permits = self.limits().permits(kind)
            assert permits.free == permits.count, f"{permits.count - permits.free} permits of {kind} are held"
        assert BUDGET.used == 0, f"{BUDGET.used} bytes of the budget are held"
        if (proxy := self.proxy) is not None:
            await _until(
                lambda: proxy.open_connections == proxy.idle_connections,
                lambda: f"{proxy.open_connections - proxy.idle_connections} connections are in use",
            )
        if self.faulty is not None:
            assert self.faulty.open_bodies == 0, f"{self.faulty.open_bodies} bodies are open"
        uploads = await (self.backend.leftovers if self.backend is not None else unfinished)(self.direct)
        assert not uploads, f"uploads are left: {uploads}"
        left = [path.name for path in self.directory.iterdir() if path.name.startswith(".")]
        assert not left, f"temporary files are left: {left}"


def is_of_proxy(coroutine: object) -> bool:
    """Whether a task with this coroutine is the fault proxy's."""
    name = getattr(coroutine, "__qualname__", "")
    return name.startswith(("FaultProxy.", "Connection."))


async def _until(condition: Callable[[], bool], complaint: Callable[[], str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, complaint()
        await asyncio.sleep(0.002)


# --- the drivers of the table -----------------------------------------------------------------------------------------


@asynccontextmanager
async def behind_proxy(bucket: Bucket, directory: Path, settings: Settings = USUAL) -> AsyncIterator[Cell]:
    """A bucket's store that talks to it through a fault proxy."""
    prefix, backend = f"{secrets.token_hex(6)}/", bucket.backend
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(FaultProxy(backend.url(bucket)))
        store = backend.store(bucket, prefix, settings, f"http://{settings.host}:{proxy.port}")
        direct = await stack.enter_async_context(backend.direct(bucket, prefix))
        await stack.enter_async_context(store)
        yield cell_on(bucket, store, direct, directory, prefix, proxy)


def cell_on(
    bucket: Bucket, store: Store, direct: Store, directory: Path, prefix: str, proxy: FaultProxy | None = None
) -> Cell:
    """A cell of a backend."""
    backend = bucket.backend
    return Cell(
        driver=backend.name,
        backend=backend,
        store=store,
        direct=direct,
        directory=directory,
        prefix=prefix,
        proxy=proxy,
        part_size=backend.part_size,
    )


def model_cell(name: str, directory: Path, settings: Settings) -> Cell:
    """A store in memory or in a directory, over a driver that fails."""
    if name == "memory":
        inner: Driver = MemoryDriver(parts=PartLimits(min_size=PART, max_size=100 * PART))
        beside = inner
    else:
        root = directory.parent / f"{directory.name}-objects"
        root.mkdir()
        inner, beside = LocalDriver(root, fsync=False), LocalDriver(root, fsync=False)
    faulty = FaultyDriver(inner)
    store = Store(faulty, retry=RETRY, limits=settings.limits, integrity=settings.integrity)
    return Cell(driver=name, store=store, direct=Store(beside), directory=directory, faulty=faulty)


@asynccontextmanager
async def behind_faulty_driver(name: str, directory: Path, settings: Settings = USUAL) -> AsyncIterator[Cell]:
    """The same, closed afterwards."""
    cell = model_cell(name, directory, settings)
    async with cell.direct, cell.store:
        yield cell


# --- what is on its way -----------------------------------------------------------------------------------------------


def primitive_of_call(call: Call) -> str:
    """The primitive that a call of a driver is; the read of a range is ``get_range``."""
    if call.primitive == "get":
        options = call.arguments[1]
        assert isinstance(options, GetOptions)
        return "get" if options.start is None else "get_range"
    return call.primitive
