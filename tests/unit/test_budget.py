from __future__ import annotations

import os
import threading

import pytest

import aiostore
from aiostore.budget import BUDGET, ByteBudget


def test_bytes_are_taken_while_they_last() -> None:
    budget = ByteBudget(10)
    assert budget.try_acquire(6)
    assert not budget.try_acquire(5)
    assert budget.try_acquire(4)
    budget.release(6)
    assert budget.try_acquire(5)
    assert budget.used == 9


def test_threads_do_not_lose_bytes() -> None:
    budget = ByteBudget(1000)

    def work() -> None:
        for _ in range(2000):
            if budget.try_acquire(7):
                budget.release(7)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert budget.used == 0


def test_a_limit_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="memory limit"):
        aiostore.set_memory_limit(0)


def test_the_limit_can_be_changed() -> None:
    before = BUDGET.limit
    try:
        aiostore.set_memory_limit(5)
        assert not BUDGET.try_acquire(6)
    finally:
        aiostore.set_memory_limit(before)


def test_a_forked_child_begins_with_a_fresh_budget() -> None:
    assert BUDGET.try_acquire(1000)
    try:
        child = os.fork()
        if child == 0:
            os._exit(0 if BUDGET.used == 0 else 1)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
    finally:
        BUDGET.release(1000)
