from __future__ import annotations

import asyncio
import gc
import pickle
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

import aiostore
from aiostore import Limits, LocalStore, MemoryStore, RetryPolicy, S3Store, Store, StoreClosedError
from aiostore.capabilities import PartLimits
from aiostore.drivers.memory import MemoryDriver
from aiostore.testing import FaultyDriver


def run(script: str, *, warnings: str = "error") -> str:
    """Run a script as a user would, every warning an error, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", warnings, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_importing_the_package_is_cheap() -> None:
    loaded = run("import sys, aiostore; print(*sys.modules)").split()
    assert not {"aiohttp", "anyio", "botocore", "aiobotocore", "awscrt", "yarl"} & set(loaded)


def test_every_public_name_can_be_imported() -> None:
    for name in aiostore.__all__:
        assert getattr(aiostore, name) is not None
    assert set(aiostore.__all__) <= set(dir(aiostore))
    with pytest.raises(AttributeError):
        aiostore.nonsense  # noqa: B018


def test_a_local_store_pickles_with_its_policies(tmp_path: Path) -> None:
    store = LocalStore(tmp_path, prefix="a/", limits=Limits(reads=3), retry=RetryPolicy(attempts=2))
    copy = pickle.loads(pickle.dumps(store))
    assert type(copy) is LocalStore
    assert copy.location == store.location

    async def use() -> None:
        async with copy:
            await copy.put("k", b"1")

    asyncio.run(use())
    assert (tmp_path / "a" / "k").read_bytes() == b"1"


def test_an_s3_store_pickles_its_configuration() -> None:
    store = S3Store(
        "bucket", prefix="a/", endpoint="http://127.0.0.1:9", region="x", access_key_id="A", secret_access_key="S"
    )
    copy = pickle.loads(pickle.dumps(store))
    assert type(copy) is S3Store
    assert copy.location == store.location


async def test_one_store_serves_two_loops_at_once(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    await store.put("k", b"here")
    seen: list[bytes] = []

    async def elsewhere() -> None:
        seen.append(await store.get("k"))
        await store.put("l", b"there")

    thread = threading.Thread(target=lambda: asyncio.run(elsewhere()))
    thread.start()
    await asyncio.to_thread(thread.join)
    assert seen == [b"here"]
    assert await store.get("l") == b"there"
    await store.aclose()


def test_a_store_serves_one_loop_after_the_other(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    asyncio.run(store.put("k", b"1"))
    for _ in range(3):
        assert asyncio.run(store.get("k")) == b"1"


def test_a_store_used_before_a_fork_works_in_the_child(tmp_path: Path) -> None:
    out = run(
        f"""
        import asyncio, os, aiostore
        store = aiostore.LocalStore({str(tmp_path)!r})
        asyncio.run(store.put("k", b"1"))
        child = os.fork()
        if child == 0:
            print(asyncio.run(store.get("k")), flush=True)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        print(asyncio.run(store.get("k")))
        """
    )
    assert out.split() == ["b'1'", "b'1'"]


def test_a_store_that_was_never_closed_ends_in_silence(tmp_path: Path) -> None:
    out = run(
        f"""
        import asyncio, aiostore
        store = aiostore.LocalStore({str(tmp_path)!r})
        async def main():
            await store.put("k", bytes(1000))
            async for chunk in store.stream("k"):
                print(len(chunk))
                break
        asyncio.run(main())
        """
    )
    assert out.split() == ["1000"]


async def test_a_stream_that_is_dropped_ends_its_tasks() -> None:
    async with MemoryStore(limits=Limits(part_size=1000, reads=4)) as store:
        await store.put("k", bytes(100_000))
        async for _ in store.stream("k"):
            break
        gc.collect()
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1


def test_a_stream_dropped_in_another_thread_after_its_loop_ended_is_no_error() -> None:
    run(
        """
        import asyncio, threading, aiostore
        kept = []
        async def main():
            store = aiostore.MemoryStore(limits=aiostore.Limits(part_size=1000))
            await store.put("k", bytes(100_000))
            stream = store.stream("k")
            await anext(stream)
            kept.append(stream)
        asyncio.run(main())
        thread = threading.Thread(target=kept.clear)
        thread.start()
        thread.join()
        """
    )


async def test_closing_a_derived_store_leaves_its_origin_open() -> None:
    store = MemoryStore()
    async with store.with_prefix("a/") as derived:
        await derived.put("k", b"1")
    assert await store.get("a/k") == b"1"
    await store.aclose()


async def test_a_stream_does_not_outlive_its_store() -> None:
    driver = FaultyDriver(MemoryDriver())
    store = Store(driver, limits=Limits(part_size=1000, reads=2))
    await store.put("key", bytes(20_000))
    async with store.stream("key") as stream:
        assert await anext(stream)
        await store.aclose()
        sent = len(driver.calls)
        with pytest.raises(StoreClosedError):
            async for _ in stream:
                pass
    assert len(driver.calls) == sent


async def test_a_write_that_is_given_up_after_its_store_was_closed_leaves_no_upload() -> None:
    memory = MemoryDriver(parts=PartLimits(min_size=1000))
    store = Store(memory, limits=Limits(part_size=1000))
    file = store.open("key", "wb")
    async with file:
        await file.write(bytes(5_000))
        await store.aclose()
        await file.abort()
    async with Store(memory) as other:
        assert [upload async for upload in other.uploads()] == []
        assert not await other.exists("key")
