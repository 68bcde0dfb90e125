"""Where an operation meets a fault: a store with something that fails in front of its service, and one beside it."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from aiostore import Limits, RetryPolicy, S3Store, Store, Timeouts
from aiostore.budget import BUDGET
from aiostore.capabilities import PartLimits
from aiostore.drivers.aws_credentials import CredentialsCallback
from aiostore.drivers.local import LocalDriver
from aiostore.drivers.memory import MemoryDriver
from aiostore.policies import Integrity
from aiostore.protocol import Driver
from aiostore.testing import Call, FaultyDriver
from aiostore.testing.conformance.suite import payload as fresh_payload
from aiostore.types import GetOptions, ObjectMeta
from aiostore.wrappers.limits import LimitDriver
from aiostore.wrappers.wrapper import Wrapper
from tests.faults.proxy import FaultProxy
from tests.faults.relay import Request
from tests.servers.server import S3Endpoint

PART = 64 * 1024
"""Bytes of a range that is read in parallel, and of a part where the service has no minimum."""

SMALL = 300
LARGE = 4 * PART + 1000
S3_PART = 5 * 1024**2

PATIENCE = 3.0
"""Seconds within which what was ended must be gone."""

PATIENT = Timeouts(connect=5, stall=10, response=20, slow_response=20)
NERVOUS = Timeouts(connect=5, stall=0.1, stall_bytes=256, response=0.2, slow_response=0.3)
"""What notices a stall while a test waits."""

payload = lru_cache(fresh_payload)

RETRY = RetryPolicy(attempts=8, first_delay=0.002, max_delay=0.02, refill=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the store under test is made."""

    timeouts: Timeouts = PATIENT
    reads: int = 4
    integrity: Integrity = "auto"
    host: str = "127.0.0.1"
    region: str | None = None
    credentials: CredentialsCallback | None = None


@dataclass(kw_only=True)
class Cell:
    """One driver with a fault in front. ``direct`` sees the same objects without it.

    ``proxy`` is where the driver speaks HTTP, ``faulty`` where it does not.
    """

    driver: str
    store: Store
    direct: Store
    directory: Path
    proxy: FaultProxy | None = None
    faulty: FaultyDriver | None = None
    multipart_size: int = LARGE
    old: bytes = payload(SMALL, 1)
    small: bytes = payload(SMALL, 2)
    large: bytes = payload(LARGE, 3)
    metas: dict[str, ObjectMeta] = field(default_factory=dict)
    sent: set[str] = field(default_factory=set)
    """The primitives that the operation has used."""

    @property
    def parts(self) -> bytes:
        """What is written in two parts or more."""
        return payload(self.multipart_size, 4)

    @property
    def part_size(self) -> int:
        return PART if self.faulty is not None else S3_PART

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
        uploads = [upload.key async for upload in self.direct.uploads()]
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

SERVERS = ("ceph", "localstack")
"""Their names are those of their dialects of S3."""

MODELS = ("memory", "local")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """A bucket on a server, and which of the drivers it is for."""

    driver: str
    endpoint: S3Endpoint
    name: str


@asynccontextmanager
async def behind_proxy(bucket: Bucket, directory: Path, settings: Settings = Settings()) -> AsyncIterator[Cell]:
    """A bucket's store that talks to it through a fault proxy."""
    prefix = f"{secrets.token_hex(6)}/"
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(FaultProxy(bucket.endpoint.url))
        store = s3_store(bucket, prefix, settings, f"http://{settings.host}:{proxy.port}")
        direct = s3_store(bucket, prefix, Settings(), bucket.endpoint.url, Limits())
        await stack.enter_async_context(direct)
        await stack.enter_async_context(store)
        yield Cell(
            driver=bucket.driver,
            store=store,
            direct=direct,
            directory=directory,
            proxy=proxy,
            multipart_size=S3_PART + 1000,
        )


def s3_store(bucket: Bucket, prefix: str, settings: Settings, url: str, limits: Limits | None = None) -> Store:
    """A bucket's store that finds it at ``url``."""
    endpoint, literal = bucket.endpoint, settings.credentials is None
    return S3Store(
        bucket.name,
        prefix=prefix,
        endpoint=url,
        region=settings.region or endpoint.region,
        access_key_id=endpoint.access_key_id if literal else None,
        secret_access_key=endpoint.secret_access_key if literal else None,
        credentials=settings.credentials,
        dialect=bucket.driver,
        integrity=settings.integrity,
        retry=RETRY,
        limits=limits or Limits(part_size=PART, gap=1000, reads=settings.reads),
        timeouts=settings.timeouts,
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
    limits = Limits(part_size=PART, gap=1000, reads=settings.reads)
    store = Store(faulty, retry=RETRY, limits=limits, integrity=settings.integrity)
    return Cell(driver=name, store=store, direct=Store(beside), directory=directory, faulty=faulty)


@asynccontextmanager
async def behind_faulty_driver(name: str, directory: Path, settings: Settings = Settings()) -> AsyncIterator[Cell]:
    """The same, closed afterwards."""
    cell = model_cell(name, directory, settings)
    async with cell.direct, cell.store:
        yield cell


# --- what is on its way -----------------------------------------------------------------------------------------------


def primitive_of_request(request: Request) -> str:
    """The driver's primitive that sends such a request; a read of a part is ``get_range``."""
    query, headers = request.query, request.headers
    match request.method:
        case "HEAD":
            return "head"
        case "GET":
            for name, primitive in (
                ("list-type", "list_page"),
                ("uploads", "list_multipart"),
                ("tagging", "get_tags"),
            ):
                if name in query:
                    return primitive
            return "get_range" if "range" in headers else "get"
        case "PUT":
            if "partNumber" in query:
                return "put_part"
            if "tagging" in query:
                return "set_tags"
            return "copy" if "x-amz-copy-source" in headers else "put"
        case "POST":
            if "uploads" in query:
                return "create_multipart"
            return "delete_many" if "delete" in query else "complete_multipart"
        case _:
            return "abort_multipart" if "uploadId" in query else "delete"


def primitive_of_call(call: Call) -> str:
    """The same for a call of a driver."""
    if call.primitive == "get":
        options = call.arguments[1]
        assert isinstance(options, GetOptions)
        return "get" if options.start is None else "get_range"
    return call.primitive
