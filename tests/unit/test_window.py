from __future__ import annotations

import asyncio
import heapq
import statistics

import pytest

from aiostore import Limits, Store
from aiostore._engine.window import BEGIN, FIRST_READS, Window, occupied
from aiostore.capabilities import PartLimits
from aiostore.drivers.memory import MemoryDriver
from aiostore.testing import EVERY, FaultyDriver, Hold


def simulate(
    window: Window, seconds: float, *, alone: float, shared: float, size: float = 8.0, crowding: float = 0.0
) -> list[int]:
    """Transfers of ``size`` over a link that gives each ``alone`` and all together ``shared`` a second.

    With ``crowding`` each further transfer costs so large a share of ``shared``. Returns the widths the window had.
    """
    widths = []
    ends: list[float] = []
    clock[0] = 0.0
    while clock[0] < seconds:
        while not ends or window.has_room():
            window.begin()
            rate = min(alone, shared * (1 - crowding * window.size) / max(window.size, len(ends) + 1))
            heapq.heappush(ends, clock[0] + size / rate)
        clock[0] = heapq.heappop(ends)
        window.end(int(size * 1000))
        widths.append(window.size)
    for _ in ends:
        window.end(0)
    return widths


clock = [0.0]


@pytest.fixture(autouse=True)
def _restart() -> None:
    clock[0] = 0.0


def new(limit: int, *, adaptive: bool = True) -> Window:
    return Window(limit, adaptive=adaptive, clock=lambda: clock[0])


def test_it_widens_to_its_limit_while_each_transfer_adds_its_own_rate() -> None:
    window = new(24)
    simulate(window, 1, alone=60, shared=10_000)
    assert window.size == 24


def test_it_stays_narrow_where_one_transfer_fills_the_link() -> None:
    window = new(64)
    simulate(window, 10, alone=1000, shared=1000)
    assert window.size <= BEGIN + 2


def test_it_becomes_narrow_where_transfers_disturb_each_other() -> None:
    window = new(64)
    widths = simulate(window, 10, alone=1000, shared=1000, crowding=0.02)
    assert statistics.median(widths[len(widths) // 2 :]) <= BEGIN // 4


def test_it_does_not_stay_narrow_where_that_is_slower() -> None:
    window = new(64)
    widths = simulate(window, 10, alone=100, shared=800)
    assert min(widths) == BEGIN // 4
    assert statistics.mean(widths) > 0.95 * BEGIN


def test_it_finds_the_width_of_a_link_that_bears_sixteen() -> None:
    window = new(256)
    widths = simulate(window, 30, alone=60, shared=60 * 16)
    assert 16 <= max(widths[len(widths) // 2 :]) <= 34


def test_rounds_in_which_the_caller_sets_the_pace_are_not_judged() -> None:
    window = new(64)
    for _ in range(100):
        window.begin()
        clock[0] += 1
        window.end(10)
    assert window.size == BEGIN


def test_a_fixed_window_is_as_wide_as_asked() -> None:
    window = new(5, adaptive=False)
    simulate(window, 5, alone=60, shared=10_000)
    assert window.size == 5


def test_nothing_is_under_way_when_all_has_ended() -> None:
    window = new(24)
    simulate(window, 2, alone=60, shared=10_000)
    assert window.under_way == 0


def watching(limit: int, share: float) -> Window:
    """One whose thread works for this share of its time."""
    return Window(limit, first=FIRST_READS, clock=lambda: clock[0], occupied=lambda: clock[0] * share)


@pytest.mark.parametrize(("share", "width"), [(0.3, BEGIN), (1.0, FIRST_READS)])
def test_it_opens_within_milliseconds_if_the_thread_has_time_for_more(share: float, width: int) -> None:
    window = watching(64, share)
    window.begin()
    for _ in range(20):
        clock[0] += 0.001
        while window.has_room():
            window.begin()
    assert window.under_way == width


def test_it_opens_to_its_limit_at_most() -> None:
    window = watching(5, 0.0)
    window.begin()
    for _ in range(20):
        clock[0] += 0.001
        while window.has_room():
            window.begin()
    assert window.under_way == 5


def test_a_busy_thread_keeps_the_fewest_transfers_that_bring_as_much() -> None:
    window = watching(64, 1.0)
    widths = simulate(window, 2, alone=1000, shared=1000)
    assert widths[-1] == 1
    assert max(widths) <= 2 * FIRST_READS


def test_a_thread_that_was_busy_by_chance_gets_its_transfers_all_the_same() -> None:
    window = watching(64, 1.0)
    widths = simulate(window, 3, alone=60, shared=60 * 32)
    assert max(widths) >= BEGIN


def test_the_time_that_a_thread_is_occupied_never_goes_back() -> None:
    before = occupied()
    assert 0 < before <= occupied() < before + 60


async def test_more_parts_join_those_that_wait_for_the_service() -> None:
    hold = Hold(primitive="put_part", calls=EVERY)
    driver = FaultyDriver(MemoryDriver(parts=PartLimits(min_size=1, max_size=1000)), [hold])
    async with Store(driver, limits=Limits(part_size=1000, writes=20)) as store:
        writing = asyncio.create_task(store.put("key", bytes(100_000)))
        async with asyncio.timeout(10):
            while sum(call.primitive == "put_part" for call in driver.calls) < 20:
                await asyncio.sleep(0.001)
        hold.released.set()
        assert (await writing).size == 100_000
