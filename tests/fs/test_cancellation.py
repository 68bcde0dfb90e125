"""Calls that are cancelled, and loads of calls at once, leave nothing behind."""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
import time

import pytest

import aiostore
from aiostore import Store, fs
from aiostore.drivers.memory import MemoryDriver
from aiostore.fs.thread import in_thread
from aiostore.testing import FaultyDriver, Hold

ALWAYS = range(1, 1000)


async def cancel(task: asyncio.Task[object]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancelled_call_waits_for_its_thread() -> None:
    begun, ended = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        time.sleep(0.2)
        ended.set()

    task = asyncio.create_task(in_thread(work))
    while not begun.is_set():
        await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()  # however often
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_an_error_in_the_thread_of_a_cancelled_call_is_not_reported() -> None:
    begun = threading.Event()

    def work() -> None:
        begun.set()
        time.sleep(0.05)
        raise KeyError

    task: asyncio.Task[object] = asyncio.create_task(in_thread(work))
    while not begun.is_set():
        await asyncio.sleep(0.001)
    await cancel(task)


@pytest.mark.parametrize("primitive", ["copy", "list_page", "delete_many", "head"])
async def test_a_cancelled_tree_operation_leaves_no_task(primitive: str) -> None:
    driver = FaultyDriver(MemoryDriver(), [held := Hold(primitive=primitive, calls=ALWAYS)])
    async with Store(driver) as store:
        inner = Store(driver.inner)
        for number in range(40):
            await inner.put(f"a/{number}", b"")
        task: asyncio.Task[object] = asyncio.create_task(fs.move("a", "b", store=store))
        async with asyncio.timeout(5):
            await held.reached.wait()
            await cancel(task)
        # All that was there still is: at its place, or at both.
        driver.plan = []
        kept = {meta.key.partition("/")[2] async for meta in inner.list()}
        assert kept == {str(number) for number in range(40)}


async def test_a_cancelled_local_copy_leaves_no_file() -> None:
    driver = FaultyDriver(MemoryDriver(), [held := Hold(primitive="get", calls=ALWAYS)])
    async with Store(driver) as store:
        await store.put("key", b"data")

        async def use() -> None:
            async with aiostore.local_copy("key", store=store):
                pass

        task: asyncio.Task[object] = asyncio.create_task(use())
        async with asyncio.timeout(5):
            await held.reached.wait()
            await cancel(task)
    assert not os.listdir(tempfile.gettempdir())


async def test_a_thousand_questions_share_one_pool_of_connections(s3: str) -> None:
    async with fs.open(fs.join(s3, "file"), "wb") as file:
        await file.write(b"data")
    before = len(os.listdir("/proc/self/fd"))
    sizes = await asyncio.gather(*[fs.getsize(fs.join(s3, "file")) for _ in range(1000)])
    assert set(sizes) == {4}
    assert len(os.listdir("/proc/self/fd")) - before < 500
    await fs.aclose()
    async with asyncio.timeout(5):
        while len(os.listdir("/proc/self/fd")) > before:
            await asyncio.sleep(0.01)
