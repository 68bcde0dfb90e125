"""Many tasks and processes after one object, on services that lose answers: no update is lost or made twice, and no
lease has two holders."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from aiostore import LeaseLostError, RetryPolicy, Store, TransientError
from aiostore.drivers.local import LocalDriver
from aiostore.drivers.memory import MemoryDriver
from aiostore.drivers.s3_settings import make_driver
from aiostore.protocol import Driver
from aiostore.testing import EVERY, Call, Fail, FailRandomly, FaultyDriver
from tests.servers.ceph import CephEndpoint
from tests.servers.server import S3Endpoint

STORES: Final = 4
"""Stores in one process that share nothing but the service: with their tasks, sixteen contenders."""

PROCESSES: Final = 3
TASKS: Final = 4
UPDATES: Final = 4
TURNS: Final = 2
TTL: Final = 1.0
RATE: Final = 0.25
LIMIT: Final = 20.0
"""Seconds that a whole test may take."""

EAGER: Final = RetryPolicy(first_delay=0.005, attempts=20, budget=10**6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the contenders meet: a directory, or a bucket."""

    directory: str = ""
    endpoint: S3Endpoint | None = None
    bucket: str = ""

    def driver(self) -> Driver:
        if self.endpoint is None:
            return LocalDriver(Path(self.directory), fsync=False)
        return make_driver(
            self.bucket,
            endpoint=self.endpoint.url,
            region=self.endpoint.region,
            access_key_id=self.endpoint.access_key_id,
            secret_access_key=self.endpoint.secret_access_key,
            dialect="ceph",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One holder's time by the clock that all processes of a machine share."""

    token: int
    entered: int
    left: int


@dataclass(slots=True)
class Outcome:
    """What one contender saw."""

    updates: int = 0
    held: list[Held] = field(default_factory=list)
    lost: int = 0


class Losing(FailRandomly):
    """Requests fail and answers are lost, which is counted, so that a test can tell that it tested something."""

    def __init__(self, seed: int, outcome: Outcome) -> None:
        super().__init__(RATE, seed=seed, lost=0.9)
        self.outcome = outcome

    async def after(self, call: Call) -> None:
        try:
            await super().after(call)
        except TransientError:
            self.outcome.lost += 1
            raise


def increment(data: bytes | None) -> bytes:
    return b"%d" % (int(data or b"0") + 1)


async def update(store: Store, outcome: Outcome) -> None:
    for _ in range(UPDATES):
        await store.update("counter", increment)
        outcome.updates += 1


async def hold(store: Store, outcome: Outcome) -> None:
    turns = 0
    while turns < TURNS:
        try:
            async with store.lease("lock", ttl=TTL) as lease:
                entered = time.monotonic_ns()
                await store.put("protected", b"%d" % lease.token)
                lease.check()
                outcome.held.append(Held(token=lease.token, entered=entered, left=time.monotonic_ns()))
            turns += 1
        except LeaseLostError:
            continue


async def be_cut_off(store: Store, faulty: FaultyDriver, outcome: Outcome) -> None:
    """Hold the lease without reaching the service, for as long as we may believe that we hold it."""
    async with store.lease("lock", ttl=TTL) as lease:
        entered = left = time.monotonic_ns()
        plan, faulty.plan = faulty.plan, [Fail(name, calls=EVERY) for name in MemoryDriver.operations]
        while not lease.lost.is_set():
            left = time.monotonic_ns()
            await asyncio.sleep(TTL / 100)
        with pytest.raises(LeaseLostError):
            lease.check()
        outcome.held.append(Held(token=lease.token, entered=entered, left=left))
        faulty.plan = plan


async def contend(driver: Driver, seed: int, what: str) -> Outcome:
    """Several tasks with one faulty store."""
    outcome = Outcome()
    faulty = FaultyDriver(driver, [Losing(seed, outcome)])
    async with Store(faulty, retry=EAGER) as store, asyncio.timeout(LIMIT):
        if what == "lease" and seed == 0:
            with pytest.raises(LeaseLostError):
                await be_cut_off(store, faulty, outcome)
        async with asyncio.TaskGroup() as group:
            for _ in range(TASKS):
                group.create_task(update(store, outcome) if what == "update" else hold(store, outcome))
    return outcome


def contender(place: Place, what: str, seed: int) -> Outcome:
    """What one process does."""
    return asyncio.run(contend(place.driver(), seed, what))


async def contenders(place: Place, what: str) -> list[Outcome]:
    """What several processes did at once."""
    with ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("spawn")) as pool:
        loop = asyncio.get_running_loop()
        calls = [loop.run_in_executor(pool, contender, place, what, seed) for seed in range(PROCESSES)]
        return list(await asyncio.gather(*calls))


def check_leases(outcomes: Sequence[Outcome]) -> None:
    held = sorted((one for outcome in outcomes for one in outcome.held), key=lambda one: one.entered)
    assert len(held) == len(outcomes) * TASKS * TURNS + 1
    for before, after in pairwise(held):
        assert before.left <= after.entered, f"two holders: {before} and {after}"
        assert before.token < after.token
    assert sum(outcome.lost for outcome in outcomes) > 5


async def check_updates(driver: Driver, outcomes: Sequence[Outcome]) -> None:
    made = sum(outcome.updates for outcome in outcomes)
    assert made == len(outcomes) * TASKS * UPDATES
    async with Store(driver) as store:
        assert await store.get("counter") == b"%d" % made
    assert sum(outcome.lost for outcome in outcomes) > 5


@pytest.fixture
def directory(tmp_path: Path) -> Place:
    return Place(directory=str(tmp_path))


@pytest.fixture
async def bucket(ceph: CephEndpoint) -> AsyncIterator[Place]:
    place = Place(endpoint=ceph, bucket=f"test-{uuid.uuid4().hex[:16]}")
    async with Store(place.driver()) as store:
        await store.create_container()
    yield place
    async with Store(place.driver()) as store:
        await store.delete_container(force=True)


async def test_tasks_that_update_one_object_lose_no_update_and_make_none_twice() -> None:
    memory = MemoryDriver()
    async with asyncio.timeout(LIMIT):
        outcomes = await asyncio.gather(*(contend(memory, seed, "update") for seed in range(STORES)))
    await check_updates(memory, outcomes)


async def test_tasks_never_hold_one_lease_at_once() -> None:
    memory = MemoryDriver()
    async with asyncio.timeout(LIMIT):
        outcomes = await asyncio.gather(*(contend(memory, seed, "lease") for seed in range(STORES)))
    check_leases(outcomes)


async def test_processes_that_update_one_file_lose_no_update_and_make_none_twice(directory: Place) -> None:
    async with asyncio.timeout(LIMIT):
        outcomes = await contenders(directory, "update")
    await check_updates(directory.driver(), outcomes)


async def test_processes_never_hold_one_lease_in_a_directory_at_once(directory: Place) -> None:
    async with asyncio.timeout(LIMIT):
        check_leases(await contenders(directory, "lease"))


async def test_processes_that_update_one_s3_object_lose_no_update_and_make_none_twice(bucket: Place) -> None:
    async with asyncio.timeout(LIMIT):
        outcomes = await contenders(bucket, "update")
    await check_updates(bucket.driver(), outcomes)


async def test_processes_never_hold_one_lease_in_a_bucket_at_once(bucket: Place) -> None:
    async with asyncio.timeout(LIMIT):
        check_leases(await contenders(bucket, "lease"))
