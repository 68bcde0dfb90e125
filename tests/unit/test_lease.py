"""Leases: one holder at a time, who knows first when it is over."""

from __future__ import annotations

import asyncio
import json
import math
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import aiostore
from aiostore import (
    ConfigurationError,
    ConnectionLostError,
    LeaseLostError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionFailedError,
    RetryPolicy,
    Store,
    StoreClosedError,
    StoreError,
    UnavailableError,
)
from aiostore._engine.lease import MARGIN, Lease
from aiostore.capabilities import Capabilities, Conditions
from aiostore.drivers.memory import MemoryDriver
from aiostore.testing import EVERY, Call, Fail, FailRandomly, Fault, FaultyDriver, Hold

TTL: Final = 30.0
LOST: Final = ConnectionLostError("lost", answered=False)


class FakeClock:
    """Stands still until it is advanced."""

    def __init__(self, *, rate: float = 1.0, ahead: float = 0.0) -> None:
        self.rate = rate
        self.time = ahead
        self._alarms: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        alarm = asyncio.get_running_loop().create_future()
        self._alarms.append((self.time + seconds, alarm))
        self.ring()
        await alarm

    def ring(self) -> None:
        self._alarms = [(at, alarm) for at, alarm in self._alarms if not alarm.done()]
        for at, alarm in self._alarms:
            if at <= self.time:
                alarm.set_result(None)

    @property
    def next(self) -> float:
        """Seconds, by true time, until the next alarm."""
        return min((at - self.time for at, alarm in self._alarms if not alarm.done()), default=math.inf) / self.rate


async def settled() -> None:
    """Let every task run until it waits for a clock or for a fault."""
    await asyncio.sleep(0)
    while asyncio.get_running_loop()._ready:  # type: ignore[attr-defined]  # nothing else tells whether tasks can run
        await asyncio.sleep(0)


async def advance(seconds: float, *clocks: FakeClock) -> None:
    """Let true time pass, from alarm to alarm."""
    await settled()
    while seconds > 0:
        step = min(seconds, *(max(clock.next, 0.001) for clock in clocks))
        seconds -= step
        for clock in clocks:
            clock.time += step * clock.rate
        for clock in clocks:
            clock.ring()
        await settled()


class World:
    """A service, and machines with clocks of their own."""

    def __init__(self, memory: MemoryDriver) -> None:
        self.memory = memory
        self.clocks: list[FakeClock] = []

    def machine(self, *plan: Fault, rate: float = 1.0, ahead: float = 0.0, attempts: int = 2) -> Machine:
        clock = FakeClock(rate=rate, ahead=ahead)
        self.clocks.append(clock)
        driver = FaultyDriver(self.memory, plan)
        return Machine(Store(driver, retry=RetryPolicy(first_delay=0, attempts=attempts, budget=10**6)), driver, clock)

    async def advance(self, seconds: float) -> None:
        await advance(seconds, *self.clocks)

    def record(self) -> dict[str, Any]:
        stored = self.memory._account.find("memory").find("lock")
        assert stored.data is not None
        record: dict[str, Any] = json.loads(stored.data)
        return record


class Machine:
    def __init__(self, store: Store, driver: FaultyDriver, clock: FakeClock) -> None:
        self.store = store
        self.driver = driver
        self.clock = clock

    def lease(self, *, ttl: float = TTL, wait: float | None = None) -> Lease:
        return Lease(self.store._context, "lock", ttl=ttl, wait=wait, clock=self.clock)


@pytest.fixture
def world() -> World:
    return World(MemoryDriver())


@asynccontextmanager
async def pending(lease: Lease) -> AsyncIterator[asyncio.Task[Lease]]:
    """The task that enters ``lease``; what it entered is left."""
    task = asyncio.create_task(lease.__aenter__())
    await settled()
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled() and task.exception() is None:
            await lease.__aexit__(None, None, None)


# --- acquiring and releasing


async def test_a_lease_is_acquired_and_released() -> None:
    async with Store(MemoryDriver()) as store:
        async with store.lease("lock") as lease:
            lease.check()
            assert lease.token == 1
            assert not lease.lost.is_set()
        assert not lease.lost.is_set()
        record = await store.get_json("lock")
        assert (record["holder"], record["token"]) == (None, 1)
        with pytest.raises(LeaseLostError, match="released"):
            lease.check()


async def test_tokens_increase_from_holder_to_holder() -> None:
    async with Store(MemoryDriver()) as store:
        tokens = []
        for _ in range(4):
            async with store.lease("lock") as lease:
                tokens.append(lease.token)
        assert tokens == [1, 2, 3, 4]


async def test_a_held_lease_is_not_to_be_had_at_once(world: World) -> None:
    first, second = world.machine(), world.machine()
    async with first.lease():
        with pytest.raises(PreconditionFailedError) as caught:
            async with second.lease(wait=0):
                pytest.fail("two holders")
        assert (caught.value.key, caught.value.operation) == ("lock", "lease")
        assert second.driver.count("put") == 0
    async with second.lease(wait=0) as lease:
        assert lease.token == 2


async def test_waiting_ends_when_its_time_is_over(world: World) -> None:
    first, second = world.machine(), world.machine()
    async with first.lease(), pending(second.lease(wait=12)) as waiting:
        await world.advance(11)
        assert not waiting.done()
        await world.advance(1.1)
        with pytest.raises(PreconditionFailedError, match="within 12 s"):
            waiting.result()


async def test_a_released_lease_is_soon_acquired_by_who_waits(world: World) -> None:
    first, second = world.machine(), world.machine()
    async with first.lease():
        waiting = asyncio.create_task(second.lease().__aenter__())
        await world.advance(5)
        assert not waiting.done()
    await world.advance(1)
    lease = await waiting
    assert lease.token == 2
    await lease.__aexit__(None, None, None)


async def test_a_lease_is_entered_once() -> None:
    async with Store(MemoryDriver()) as store:
        lease = store.lease("lock")
        for use in (lease.check, lambda: lease.token):
            with pytest.raises(StoreClosedError):
                use()
        async with lease:
            pass
        with pytest.raises(StoreClosedError):
            async with lease:
                pytest.fail("it was released")


@pytest.mark.parametrize("ttl", [0, -1, math.inf, math.nan])
async def test_a_wrong_ttl_is_refused(ttl: float) -> None:
    async with Store(MemoryDriver()) as store:
        with pytest.raises(ConfigurationError, match="ttl"):
            store.lease("lock", ttl=ttl)


@pytest.mark.parametrize("wait", [-1, math.nan])
async def test_a_wrong_wait_is_refused(wait: float) -> None:
    async with Store(MemoryDriver()) as store:
        with pytest.raises(ConfigurationError, match="wait"):
            store.lease("lock", wait=wait)


@pytest.mark.parametrize("weak", ["if_absent", "if_match"])
async def test_weak_conditions_are_refused(weak: str) -> None:
    class Weak(MemoryDriver):
        @property
        def capabilities(self) -> Capabilities:
            conditions = super().capabilities.put
            other = Conditions(if_match=conditions.if_match) if weak == "if_absent" else Conditions(
                if_absent=conditions.if_absent
            )  # fmt: skip
            return replace(super().capabilities, put=other)

    async with Store(Weak()) as store:
        with pytest.raises(NotSupportedError) as caught:
            store.lease("lock")
        assert caught.value.key == "lock"


@pytest.mark.parametrize("data", [b"", b"text", b"[]", b'{"holder": 1}', b'{"token": 1, "holder": null}', b"\xff"])
async def test_an_object_that_is_no_lease_is_left_alone(data: bytes) -> None:
    async with Store(MemoryDriver()) as store:
        await store.put("lock", data)
        with pytest.raises(ConfigurationError, match="no lease"):
            async with store.lease("lock"):
                pytest.fail("it is no lease")
        assert await store.get("lock") == data


async def test_the_error_of_the_body_is_raised_and_the_lease_is_released(world: World) -> None:
    with pytest.raises(ZeroDivisionError):
        async with world.machine().lease():
            raise ZeroDivisionError
    assert world.record()["holder"] is None


# --- holding


async def test_a_lease_is_renewed_for_as_long_as_it_is_held(world: World) -> None:
    first, second = world.machine(), world.machine()
    async with first.lease() as lease, pending(second.lease()) as waiting:
        await world.advance(10 * TTL)
        lease.check()
        assert not waiting.done()
        assert 27 <= world.record()["number"] <= 31


async def test_a_holder_that_dies_is_succeeded_after_its_ttl(world: World) -> None:
    dead, second = world.machine(), world.machine()
    lease = dead.lease()
    await lease.__aenter__()
    async with pending(second.lease()) as waiting:
        dead.driver.plan = [Fail(primitive, calls=EVERY, error=LOST) for primitive in ("put", "get", "head")]
        await world.advance(TTL + 0.1)
        assert lease.lost.is_set()
        assert not waiting.done()
        await world.advance(TTL * (MARGIN - 1) + 2)
        assert (await waiting).token == 2
        with pytest.raises(LeaseLostError):
            await lease.__aexit__(None, None, None)


async def test_the_holder_knows_that_its_time_is_over_before_anybody_takes_over(world: World) -> None:
    cut, second = world.machine(), world.machine()
    lease = cut.lease()
    await lease.__aenter__()
    async with pending(second.lease()) as waiting:
        await world.advance(0.9 * TTL)
        cut.driver.plan = [Fail(primitive, calls=EVERY) for primitive in ("put", "get", "head")]
        while not waiting.done():
            await world.advance(0.1)
            assert lease.lost.is_set() or not waiting.done()
        with pytest.raises(LeaseLostError, match="could not be renewed") as caught:
            lease.check()
        assert isinstance(caught.value.__cause__, UnavailableError)
        with pytest.raises(LeaseLostError):
            await lease.__aexit__(None, None, None)
    assert cut.driver.count("get") > 10


async def test_time_counts_from_before_the_renewal_was_sent(world: World) -> None:
    hold = Hold(primitive="put", calls=(2,), carried_out=True)
    machine = world.machine(hold)
    lease = machine.lease()
    await lease.__aenter__()
    await world.advance(TTL / 3 + 5)
    assert hold.reached.is_set()
    hold.released.set()
    await settled()
    machine.driver.plan = [Fail("put", calls=EVERY)]
    await world.advance(TTL - 5.1)
    lease.check()
    await world.advance(0.2)
    with pytest.raises(LeaseLostError):
        lease.check()
    with pytest.raises(LeaseLostError):
        await lease.__aexit__(None, None, None)


async def test_a_program_that_was_paused_finds_its_lease_lost_although_no_task_ran(world: World) -> None:
    machine = world.machine()
    lease = machine.lease()
    await lease.__aenter__()
    machine.clock.time += TTL
    with pytest.raises(LeaseLostError):
        lease.check()
    assert lease.lost.is_set()
    with pytest.raises(LeaseLostError):
        await lease.__aexit__(None, None, None)


@pytest.mark.parametrize("carried_out", [False, True])
async def test_a_renewal_that_hangs_does_not_cost_the_lease(world: World, carried_out: bool) -> None:
    machine = world.machine(Hold(primitive="put", calls=(2,), carried_out=carried_out))
    async with machine.lease() as lease:
        await world.advance(3 * TTL)
        lease.check()


@pytest.mark.parametrize("primitive", ["put", "get", "head"])
@pytest.mark.parametrize("error", [UnavailableError("down"), LOST, PermissionDeniedError("no")])
async def test_a_service_that_comes_back_in_time_does_not_cost_the_lease(
    world: World, primitive: str, error: StoreError
) -> None:
    machine = world.machine()
    async with machine.lease() as lease:
        machine.driver.plan = [Fail(primitive, calls=EVERY, error=error)]
        await world.advance(0.9 * TTL)
        machine.driver.plan = ()
        await world.advance(3 * TTL)
        lease.check()


async def test_renewals_whose_answers_are_lost_are_looked_up(world: World) -> None:
    """Each is known to have been made only because the object is read again before the next."""
    machine = world.machine()
    async with machine.lease() as lease:
        machine.driver.plan = [Fail("put", calls=EVERY, lost=True), Fail("head", calls=EVERY, error=LOST)]
        await world.advance(3 * TTL)
        lease.check()


@pytest.mark.parametrize("event", ["deleted", "taken over", "replaced"])
async def test_a_lease_that_somebody_took_is_lost_at_the_next_renewal(world: World, event: str) -> None:
    machine, other = world.machine(), Store(world.memory)
    lease = machine.lease()
    with pytest.raises(LeaseLostError) as caught:
        async with lease:
            if event == "deleted":
                await other.delete("lock")
            elif event == "replaced":
                await other.put("lock", b"something else")
            else:
                await other.put_json("lock", {"holder": "other", "token": 2, "ttl": 30.0, "number": 1})
            await world.advance(TTL / 3 if event != "replaced" else TTL)
            assert lease.lost.is_set()
            await lease.lost.wait()
    assert (caught.value.key, caught.value.operation) == ("lock", "lease")
    if event != "deleted":
        assert (await other.get("lock")) != b""


async def test_the_body_of_a_lost_lease_is_not_interrupted(world: World) -> None:
    machine = world.machine()
    reached = False
    with pytest.raises(LeaseLostError):
        async with machine.lease():
            machine.driver.plan = [Fail("put", calls=EVERY)]
            await world.advance(2 * TTL)
            requests = len(machine.driver.calls)
            await world.advance(2 * TTL)
            assert len(machine.driver.calls) == requests
            reached = True
    assert reached


async def test_the_error_of_the_body_of_a_lost_lease_says_so(world: World) -> None:
    machine = world.machine()
    with pytest.raises(ZeroDivisionError) as caught:
        async with machine.lease():
            machine.driver.plan = [Fail("put", calls=EVERY)]
            await world.advance(2 * TTL)
            raise ZeroDivisionError
    assert "no longer held" in caught.value.__notes__[0]


# --- clocks that differ


@pytest.mark.parametrize("rates", [(1.0, 1.09), (0.95, 1.03), (1.05, 1.0)])
@pytest.mark.parametrize("ahead", [0.0, 1e9])
async def test_clocks_that_differ_never_make_two_holders(world: World, rates: Sequence[float], ahead: float) -> None:
    first, second = world.machine(rate=rates[0]), world.machine(rate=rates[1], ahead=ahead)
    lease = first.lease()
    await lease.__aenter__()
    async with pending(second.lease()) as waiting:
        await world.advance(2 * TTL)
        assert not waiting.done()
        first.driver.plan = [Fail("put", calls=EVERY)]
        while not waiting.done():
            await world.advance(0.05)
            assert lease.lost.is_set() or not waiting.done()
        with pytest.raises(LeaseLostError):
            await lease.__aexit__(None, None, None)


async def test_a_state_that_was_seen_for_less_than_the_holders_ttl_is_not_taken_over(world: World) -> None:
    """The contender's own ttl and the time that passed before it came say nothing."""
    dead, second = world.machine(), world.machine()
    lease = dead.lease(ttl=10 * TTL)
    await lease.__aenter__()
    dead.driver.plan = [Fail("put", calls=EVERY)]
    await world.advance(5 * TTL)
    async with pending(second.lease(ttl=1)) as waiting:
        await world.advance(10 * TTL)
        assert not waiting.done()
        await world.advance(2 * TTL)
        assert (await waiting).token == 2
    with pytest.raises(LeaseLostError):
        await lease.__aexit__(None, None, None)


# --- lost answers and cancellation


async def test_an_acquisition_whose_answers_are_lost_is_looked_up(world: World) -> None:
    machine = world.machine(Fail("put", calls=EVERY, lost=True), Fail("head", calls=EVERY, error=LOST))
    async with pending(machine.lease(wait=0)) as waiting:
        lease = await waiting
        lease.check()
        assert lease.token == world.record()["token"] == 1


async def test_an_acquisition_that_arrives_late_is_acquired_anew_at_once(world: World) -> None:
    class Late(Fault):
        first: Call | None = None

        async def before(self, call: Call) -> None:
            if call.primitive == "put" and call.number <= 2:
                self.first = call
                raise ConnectionLostError("lost", answered=False)
            if call.primitive == "put" and call.number == 3 and self.first is not None:
                await world.memory.put(*self.first.arguments)  # type: ignore[arg-type]  # the very arguments of put

    async with pending(world.machine(Late()).lease()) as waiting:
        await world.advance(TTL / 3)
        assert waiting.done()
        lease = await waiting
        lease.check()
        assert lease.token == world.record()["token"] == 2


async def test_the_time_of_an_acquisition_that_is_looked_up_counts_from_when_it_was_sent(world: World) -> None:
    hold = Hold(primitive="get", calls=(2,))
    machine = world.machine(hold, Fail("put", calls=(1, 2), lost=True), Fail("head", calls=EVERY, error=LOST))
    lease = machine.lease()
    entering = asyncio.create_task(lease.__aenter__())
    await world.advance(TTL - 1)
    machine.driver.plan = [Fail("put", calls=EVERY)]
    hold.released.set()
    await entering
    lease.check()
    await world.advance(1.1)
    with pytest.raises(LeaseLostError):
        lease.check()
    with pytest.raises(LeaseLostError):
        await lease.__aexit__(None, None, None)


async def test_an_acquisition_whose_answer_comes_too_late_is_made_anew(world: World) -> None:
    hold = Hold(primitive="put", calls=(1,), carried_out=True)
    machine = world.machine(hold)
    async with pending(machine.lease()) as waiting:
        await world.advance(2 * TTL)
        hold.released.set()
        await world.advance(2)
        lease = await waiting
        assert lease.token == 2
        lease.check()


async def test_an_error_while_acquiring_is_raised(world: World) -> None:
    with pytest.raises(PermissionDeniedError):
        async with world.machine(Fail("get", error=PermissionDeniedError("no"))).lease():
            pytest.fail("it was not acquired")


async def test_a_missing_container_is_said_to_be_missing(world: World) -> None:
    machine = world.machine()
    await machine.store.delete_container()
    with pytest.raises(FileNotFoundError):
        async with machine.lease():
            pytest.fail("it was not acquired")


@pytest.mark.parametrize("times", [1, 5])
@pytest.mark.parametrize("carried_out", [False, True])
async def test_an_acquisition_that_is_cancelled_leaves_the_lease_free(
    world: World, carried_out: bool, times: int
) -> None:
    hold = Hold(primitive="put", calls=(1,), carried_out=carried_out)
    machine = world.machine(hold)
    entering = asyncio.create_task(machine.lease().__aenter__())
    await hold.reached.wait()
    for _ in range(times):
        entering.cancel()
        await asyncio.sleep(0)
    hold.released.set()
    with pytest.raises(asyncio.CancelledError):
        await entering
    assert world.record()["holder"] is None


@pytest.mark.parametrize("turns", range(0, 40, 3))
async def test_a_holder_that_is_cancelled_releases_the_lease(world: World, turns: int) -> None:
    async def hold() -> None:
        async with world.machine().lease():
            await asyncio.Event().wait()

    holding = asyncio.create_task(hold())
    for _ in range(turns):
        await asyncio.sleep(0)
    holding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await holding
    if await Store(world.memory).exists("lock"):
        assert world.record()["holder"] is None


async def test_a_release_that_is_cancelled_is_seen_through(world: World) -> None:
    hold = Hold(primitive="put", calls=(2,))
    lease = world.machine(hold).lease()
    await lease.__aenter__()
    leaving = asyncio.create_task(lease.__aexit__(None, None, None))
    await hold.reached.wait()
    for _ in range(3):
        leaving.cancel()
        await asyncio.sleep(0)
    hold.released.set()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert world.record()["holder"] is None


async def test_a_release_that_fails_is_no_error_and_runs_out(world: World) -> None:
    machine, second = world.machine(), world.machine()
    async with machine.lease():
        machine.driver.plan = [Fail("put", calls=EVERY)]
    async with pending(second.lease()) as waiting:
        await world.advance(TTL)
        assert not waiting.done()
        await world.advance(TTL / 2)
        assert (await waiting).token == 2


async def test_a_release_that_hangs_ends_with_the_lease(world: World) -> None:
    hold = Hold(primitive="put", calls=(2,))
    lease = world.machine(hold).lease()
    await lease.__aenter__()
    leaving = asyncio.create_task(lease.__aexit__(None, None, None))
    await world.advance(TTL - 1)
    assert not leaving.done()
    await world.advance(2)
    await leaving


async def test_a_release_whose_answers_are_lost_is_looked_up(world: World) -> None:
    machine = world.machine()
    async with machine.lease():
        machine.driver.plan = [Fail("put", calls=(2, 3), lost=True), Fail("head", calls=EVERY, error=LOST)]
    assert world.record()["holder"] is None


async def test_a_release_whose_answer_is_lost_after_it_let_another_in_is_no_loss(world: World) -> None:
    other = world.machine().lease()

    class Quick(Fault):
        async def after(self, call: Call) -> None:
            if call.primitive == "put" and call.number == 2:
                await other.__aenter__()
                raise ConnectionLostError("lost", answered=False)

    async with world.machine(Quick()).lease() as lease:
        pass
    assert not lease.lost.is_set()
    assert (lease.token, other.token) == (1, 2)
    await other.__aexit__(None, None, None)


async def test_a_lease_that_was_taken_over_is_not_released(world: World) -> None:
    other = Store(world.memory)
    taken = {"holder": "other", "token": 2, "ttl": 30.0, "number": 1}
    with pytest.raises(LeaseLostError):
        async with world.machine().lease():
            await other.put_json("lock", taken)
    assert await other.get_json("lock") == taken


async def test_the_names_are_public() -> None:
    async with Store(MemoryDriver()) as store:
        assert isinstance(store.lease("lock"), aiostore.Lease)
    assert issubclass(aiostore.LeaseLostError, aiostore.StoreError)


# --- all of it at once


@settings(max_examples=8)
@given(seed=st.integers(0, 2**32), rates=st.lists(st.floats(0.96, 1.04), min_size=3, max_size=3))
async def test_there_are_never_two_holders(seed: int, rates: list[float]) -> None:
    """Machines with clocks of their own; any request may fail or lose its answer, and at times none arrives."""
    chance = random.Random(seed)
    world = World(MemoryDriver())
    machines = [
        world.machine(FailRandomly(0.3, seed=seed + number), rate=rate, ahead=1000.0 * number, attempts=6)
        for number, rate in enumerate(rates)
    ]
    holding: list[Lease] = []
    tokens: list[int] = []

    async def work(machine: Machine) -> None:
        plan = machine.driver.plan
        while True:
            try:
                async with machine.lease() as lease:
                    for other in holding:
                        with pytest.raises(LeaseLostError):
                            other.check()
                    tokens.append(lease.token)
                    holding.append(lease)
                    try:
                        if chance.random() < 0.3:
                            machine.driver.plan = [Fail(name, calls=EVERY) for name in MemoryDriver.operations]
                        await machine.clock.sleep(chance.uniform(0, 3 * TTL))
                    finally:
                        holding.remove(lease)
                        machine.driver.plan = plan
            except StoreError:
                await machine.clock.sleep(1)

    tasks = [asyncio.create_task(work(machine)) for machine in machines]
    try:
        await world.advance(12 * TTL)
        assert not [task.exception() for task in tasks if task.done()]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    assert tokens == sorted(set(tokens))
    assert len(tokens) > 3
