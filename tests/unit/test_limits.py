from __future__ import annotations

import asyncio
import random
import statistics
import threading
from pathlib import Path

import pytest

from aiostore import Limits, LocalStore, MemoryStore, RetryPolicy
from aiostore.body import Buffers
from aiostore.drivers.memory import MemoryDriver
from aiostore.errors import RateLimitedError, UnavailableError
from aiostore.types import GetOptions, GetResult, ObjectMeta, PutOptions
from aiostore.wrappers.limits import LimitDriver, Permits
from aiostore.wrappers.retry import RetryDriver


class Gate(MemoryDriver):
    """Holds every head back until it is opened, and counts those that wait."""

    def __init__(self) -> None:
        super().__init__()
        self.open = asyncio.Event()
        self.inside = self.most = 0

    async def head(self, key: str, options: GetOptions) -> ObjectMeta:
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            await self.open.wait()
        finally:
            self.inside -= 1
        return ObjectMeta(key=key, size=0)


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_no_more_requests_are_under_way_than_allowed() -> None:
    gate = Gate()
    limited = LimitDriver(gate, 3)
    async with asyncio.TaskGroup() as group:
        for _ in range(10):
            group.create_task(limited.head("k", GetOptions()))
        await settled()
        assert gate.inside == 3
        gate.open.set()
    assert gate.most == 3
    assert limited.permits().free == 3


async def test_a_cancelled_request_gives_its_permit_to_the_next() -> None:
    gate = Gate()
    limited = LimitDriver(gate, 1)
    first = asyncio.create_task(limited.head("k", GetOptions()))
    second = asyncio.create_task(limited.head("k", GetOptions()))
    waiting = asyncio.create_task(limited.head("k", GetOptions()))
    await settled()
    waiting.cancel()
    first.cancel()
    await settled()
    gate.open.set()
    assert (await second).key == "k"
    await asyncio.gather(first, waiting, return_exceptions=True)
    assert limited.permits().free == 1


async def test_a_waiter_cancelled_just_as_it_got_a_permit_hands_it_on() -> None:
    gate = Gate()
    limited = LimitDriver(gate, 1)
    first = asyncio.create_task(limited.head("k", GetOptions()))
    second = asyncio.create_task(limited.head("k", GetOptions()))
    third = asyncio.create_task(limited.head("k", GetOptions()))
    await settled()
    gate.open.set()
    await asyncio.wait({first})
    second.cancel()
    assert (await third).key == "k"
    await asyncio.gather(second, return_exceptions=True)
    assert limited.permits().free == 1


async def test_a_body_holds_its_permit_until_it_was_read_or_closed() -> None:
    driver = MemoryDriver()
    await driver.put("k", Buffers((b"0123456789",)), PutOptions())
    limited = LimitDriver(driver, 5)
    bodies: list[GetResult] = [await limited.get("k", GetOptions()) for _ in range(4)]
    assert limited.permits().free == 1
    assert await bodies[0].stream.read() == b"0123456789"
    while await bodies[1].stream.next_chunk():
        pass
    await bodies[2].stream.aclose()
    assert limited.permits().free == 4
    for body in bodies:
        await body.stream.aclose()
        await body.stream.aclose()
    assert limited.permits().free == 5


async def test_a_failed_get_gives_its_permit_back() -> None:
    class Down(MemoryDriver):
        async def get(self, key: str, options: GetOptions) -> GetResult:
            raise UnavailableError("down")

    limited = LimitDriver(Down(), 1)
    with pytest.raises(UnavailableError):
        await limited.get("k", GetOptions())
    assert limited.permits().free == 1


async def test_siblings_share_the_permits() -> None:
    limited = LimitDriver(MemoryDriver(), 2)
    sibling = limited.sibling("other")
    assert isinstance(sibling, LimitDriver)
    assert sibling.permits() is limited.permits()


async def test_every_loop_has_permits_of_its_own() -> None:
    limited = LimitDriver(MemoryDriver(), 2)
    elsewhere: list[object] = []

    async def other() -> None:
        elsewhere.append(limited.permits())

    thread = threading.Thread(target=lambda: asyncio.run(other()))
    thread.start()
    thread.join()
    assert elsewhere[0] is not limited.permits()


async def test_a_stream_that_feeds_a_put_needs_but_one_permit() -> None:
    limits = Limits(requests=1, part_size=5 * 1024**2)
    async with MemoryStore(limits=limits) as store, asyncio.timeout(30):
        data = bytes(range(256)) * 4096 * 24
        await store.put("source", data)
        await store.put("target", store.stream("source"))
        assert await store.get("target") == data


async def test_more_bodies_than_there_are_permits_can_be_read_in_turn(tmp_path: Path) -> None:
    """A file is read as one body, which is held back while nobody reads on."""
    data = bytes(range(256)) * 4096 * 12
    limits = Limits(requests=2, part_size=1024**2)
    async with LocalStore(tmp_path, limits=limits) as store, asyncio.timeout(30):
        await store.put("key", data)
        streams = [store.stream("key") for _ in range(3)]
        async for chunk in streams[0]:
            for stream in streams[1:]:
                assert await anext(stream) == chunk
        for stream in streams:
            await stream.aclose()


class Crowded(MemoryDriver):
    """Refuses what goes beyond ``bears`` requests at once, or a share of all requests."""

    def __init__(self, bears: int, share: float = 0) -> None:
        super().__init__()
        self.bears = bears
        self.share = share
        self.chance = random.Random(7)
        self.inside = 0
        self.refused = self.done = 0
        self.crowds: list[int] = []

    async def head(self, key: str, options: GetOptions) -> ObjectMeta:
        self.inside += 1
        self.crowds.append(self.inside)
        try:
            await settled()
            if self.inside > self.bears or self.chance.random() < self.share:
                self.refused += 1
                raise RateLimitedError("slow down")
        finally:
            self.inside -= 1
        self.done += 1
        return ObjectMeta(key=key, size=0)


async def crowd(driver: Crowded, limited: LimitDriver, tasks: int, each: int) -> None:
    retrying = RetryDriver(limited, RetryPolicy(first_delay=0, attempts=1000, budget=1e9))

    async def work() -> None:
        for _ in range(each):
            await retrying.head("k", GetOptions())

    async with asyncio.TaskGroup() as group:
        for _ in range(tasks):
            group.create_task(work())
    assert driver.done == tasks * each


async def test_a_service_that_bears_ten_requests_is_kept_near_ten() -> None:
    driver = Crowded(10)
    limited = LimitDriver(driver, 256)
    await crowd(driver, limited, 64, 10)
    assert 8 <= limited.permits().count <= 12
    before = driver.refused, driver.done
    driver.done = driver.refused = 0
    await crowd(driver, limited, 64, 20)
    assert driver.refused < 0.1 * driver.done, before


async def test_permits_come_back_when_the_service_bears_more() -> None:
    driver = Crowded(4)
    limited = LimitDriver(driver, 16)
    await crowd(driver, limited, 32, 5)
    assert limited.permits().count <= 6
    driver.bears, driver.done = 100, 0
    await crowd(driver, limited, 32, 20)
    assert limited.permits().count == 16


async def test_a_service_that_fails_at_random_is_not_starved() -> None:
    driver = Crowded(1000, share=0.2)
    await crowd(driver, LimitDriver(driver, 64), 64, 100)
    assert statistics.mean(driver.crowds) > 40


async def test_fixed_limits_do_not_move() -> None:
    driver = Crowded(4)
    limited = LimitDriver(driver, 16, adaptive=False)
    await crowd(driver, limited, 32, 5)
    assert limited.permits().count == 16


async def test_who_is_cancelled_in_the_moment_in_which_a_permit_is_handed_out_is_cancelled() -> None:
    permits = Permits(1, adaptive=False)
    permits.free = 0
    first, second = (asyncio.create_task(permits.acquire()) for _ in range(2))
    await settled()
    first.cancel()
    permits.release()
    with pytest.raises(asyncio.CancelledError):
        await first
    await second
    permits.release()
    assert permits.free == permits.count
