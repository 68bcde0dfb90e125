from __future__ import annotations

import asyncio

import anyio
import pytest

from aiostore._engine.gather import gather
from aiostore._engine.settle import join, settle


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_the_result_is_returned() -> None:
    async def step() -> int:
        await turns(3)
        return 7

    assert await settle(step()) == 7


async def test_an_error_is_raised() -> None:
    async def step() -> None:
        raise KeyError("k")

    with pytest.raises(KeyError):
        await settle(step())


async def test_a_step_is_seen_through_however_often_its_caller_is_cancelled() -> None:
    ended: list[str] = []

    async def step() -> None:
        await turns(20)
        ended.append("step")

    task = asyncio.create_task(settle(step()))
    for _ in range(5):
        await turns(2)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["step"]


async def test_a_cancelled_caller_does_not_wait_for_ever() -> None:
    ended: list[str] = []

    async def step() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    task = asyncio.create_task(settle(step(), within=0.01))
    await turns(2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["cancelled"]


async def test_a_timeout_around_it_is_a_timeout() -> None:
    ended: list[str] = []

    async def step() -> None:
        await asyncio.sleep(0.05)
        ended.append("step")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await settle(step())
    assert ended == ["step"]


async def test_a_cancelled_scope_of_anyio_waits_for_the_step_too() -> None:
    ended: list[str] = []

    async def step() -> None:
        await asyncio.sleep(0.02)
        ended.append("step")

    with anyio.move_on_after(0.005) as scope:
        await settle(step())
    assert scope.cancelled_caught
    assert ended == ["step"]


async def test_joined_tasks_have_ended() -> None:
    ended: list[int] = []

    async def work(number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await turns(number)
            ended.append(number)

    tasks = {asyncio.create_task(work(number)) for number in range(4)}
    await turns(1)
    await join(tasks)
    assert sorted(ended) == [0, 1, 2, 3]


async def test_gather_keeps_the_order_and_the_limit() -> None:
    inside = most = 0

    async def call(item: int) -> int:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await turns(10 - item)
        inside -= 1
        return item * item

    assert await gather(call, range(10), 3) == [item * item for item in range(10)]
    assert most == 3


async def test_gather_raises_the_first_error_itself_and_ends_the_rest() -> None:
    ended: list[int] = []

    async def call(item: int) -> int:
        if item == 2:
            await turns(1)
            raise KeyError(item)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(item)
        return item

    with pytest.raises(KeyError):
        await gather(call, range(5), 4)
    assert sorted(ended) == [0, 1, 3]


async def test_gather_of_nothing_is_nothing() -> None:
    async def call(item: int) -> int:
        return item

    assert await gather(call, [], 4) == []
