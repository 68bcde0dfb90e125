"""What is there, asked by URL."""

from __future__ import annotations

import asyncio
import errno
import os
import pickle
import stat
import time
from pathlib import Path

import pytest

from aiostore import (
    ConnectionLostError,
    LocalStore,
    MemoryStore,
    RetryPolicy,
    S3Store,
    Store,
    StoreClosedError,
    connect,
    fs,
)
from aiostore.drivers.memory import MemoryDriver
from aiostore.fs.stores import MOST, store_at
from aiostore.testing import FaultyDriver, Hold


async def write(url: str, data: bytes = b"data") -> None:
    async with fs.open(url, "wb") as file:
        await file.write(data)


async def test_a_file_s_status_has_what_os_has_and_what_the_service_says(root: str) -> None:
    url = fs.join(root, "a b.json")
    await write(url, b"12345")
    status = await fs.stat(url)
    assert (stat.S_ISREG(status.st_mode), status.st_size, len(status), status[6]) == (True, 5, 10, 5)
    assert abs(status.st_mtime - time.time()) < 60
    assert status.st_mtime_ns // 10**9 == int(status.st_mtime) == status[8]
    assert await fs.getmtime(url) == status.st_mtime
    assert await fs.getsize(url) == 5
    assert pickle.loads(pickle.dumps(status)) == status
    if "://" in root:
        assert status.meta is not None
        assert (status.etag, status.content_type) == (status.meta.etag, "application/json")


async def test_a_local_status_is_the_system_s(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 1000)
    (tmp_path / "link").symlink_to("file")
    expected = os.stat(tmp_path / "file")
    for status in (await fs.stat(tmp_path / "file"), await fs.stat(tmp_path / "link")):
        for name in dir(expected):
            if name.startswith("st_"):
                assert getattr(status, name) == getattr(expected, name)
        assert tuple(status) == tuple(expected)
    assert stat.S_ISLNK((await fs.lstat(tmp_path / "link")).st_mode)
    assert await fs.islink(tmp_path / "link")


async def test_a_directory_is_there_while_a_key_is_below_it(root: str) -> None:
    directory, url = fs.join(root, "made"), fs.join(root, "made", "of", "key")
    if "://" in root:
        await write(url)
        assert stat.S_ISDIR((await fs.stat(directory)).st_mode)
        assert await fs.isdir(directory)
        assert await fs.isdir(fs.join(directory, ""))
        assert not await fs.isfile(directory)
        await fs.remove(url)
        assert not await fs.exists(directory)
    await fs.makedirs(directory)
    assert await fs.isdir(directory)
    assert await fs.listdir(directory) == []
    with pytest.raises(FileExistsError):
        await fs.mkdir(directory)


async def test_a_missing_path_is_missing_whoever_asks(root: str) -> None:
    url = fs.join(root, "missing")
    shown = url.partition("?")[0]
    assert not any([await ask(url) for ask in (fs.exists, fs.lexists, fs.isfile, fs.isdir, fs.islink, fs.ismount)])
    for ask in (fs.stat, fs.lstat, fs.getsize, fs.getmtime, fs.getctime, fs.listdir, fs.remove, fs.rmdir, fs.rmtree):
        with pytest.raises(FileNotFoundError) as caught:
            await ask(url)
        assert (caught.value.errno, caught.value.filename) == (errno.ENOENT, shown)


async def test_a_file_is_no_directory_and_a_directory_no_file(root: str) -> None:
    file, directory = fs.join(root, "file"), fs.join(root, "directory")
    await fs.makedirs(directory)
    await write(file)
    for ask in (fs.listdir, fs.rmdir, fs.rmtree):
        with pytest.raises(NotADirectoryError):
            await ask(file)
    with pytest.raises(NotADirectoryError):
        await fs.stat(fs.join(file, ""))
    with pytest.raises(IsADirectoryError):
        await fs.remove(directory)
    with pytest.raises(IsADirectoryError):
        async with fs.open(fs.join(directory, "")):
            pass
    await write(fs.join(directory, "inside"))
    with pytest.raises(OSError, match="not empty") as caught:
        await fs.rmdir(directory)
    assert caught.value.errno == errno.ENOTEMPTY


async def test_one_file_by_two_names(root: str) -> None:
    await fs.makedirs(fs.join(root, "a"))
    await write(fs.join(root, "file"))
    await write(fs.join(root, "other"))
    assert await fs.samefile(fs.join(root, "file"), fs.join(root, "file"))
    assert await fs.samefile(fs.join(root, "a"), fs.join(root, "a", ""))
    assert not await fs.samefile(fs.join(root, "file"), fs.join(root, "other"))
    assert not await fs.samefile(fs.join(root, "file"), __file__)
    with pytest.raises(FileNotFoundError):
        await fs.samefile(fs.join(root, "file"), fs.join(root, "missing"))


async def test_a_container_is_the_top(s3: str) -> None:
    drive, rest = fs.splitdrive(s3)
    top = f"{drive}-new{rest[rest.index('?') :]}"
    await fs.mkdir(top)
    with pytest.raises(FileExistsError):
        await fs.mkdir(fs.join(top, ""))
    assert await fs.ismount(top)
    assert await fs.isdir(top)
    assert await fs.listdir(top) == []
    await write(fs.join(top, "key"))
    for remove, code in ((fs.rmdir, errno.ENOTEMPTY), (fs.rmtree, errno.EBUSY)):
        with pytest.raises(OSError) as caught:
            await remove(top)
        assert caught.value.errno == code
    await fs.remove(fs.join(top, "key"))
    await fs.rmdir(top)
    assert not await fs.exists(top)
    for ask in (fs.listdir, fs.stat, fs.rmdir):
        with pytest.raises(FileNotFoundError):
            await ask(top)
    await fs.makedirs(fs.join(top, "a", "b"))
    assert await fs.isdir(fs.join(top, "a"))
    async with connect(top) as store:
        await store.delete_container(force=True)


async def test_a_store_that_is_given_takes_keys(tmp_path: Path) -> None:
    for store in (MemoryStore(), LocalStore(tmp_path)):
        async with store:
            await store.put("a/b?c%41", b"data")
            assert await fs.listdir(store=store) == ["a"]
            assert await fs.listdir("a", store=store) == ["b?c%41"]
            assert [path async for path, _, _ in fs.walk("", store=store)] == ["", "a"]
            async with fs.scandir("a/", store=store) as entries:
                assert [entry.path async for entry in entries] == ["a/b?c%41"]
            assert await fs.glob("*/b[?]*", store=store) == ["a/b?c%41"]
            assert await fs.isfile("/a/b?c%41", store=store)
            assert await fs.isdir("a", store=store)
            assert await fs.getsize("a/b?c%41", store=store) == 4
            assert await fs.copy(Path(__file__), "a/", store=store) == f"a/{Path(__file__).name}"
            await fs.rmtree("a", store=store)
            assert await fs.listdir(store=store) == []
            assert not await fs.exists("a", store=store)


async def test_asking_costs_a_request_for_a_file_and_two_for_a_directory() -> None:
    driver = FaultyDriver(MemoryDriver(), [])
    async with Store(driver) as store:
        await store.put("directory/file", b"")
        for path, cost in (("directory/file", 1), ("directory", 2), ("directory/", 1)):
            driver.calls.clear()
            await fs.stat(path, store=store)
            assert len(driver.calls) == cost


async def test_a_service_out_of_reach_has_not_said_that_nothing_is_there() -> None:
    once = RetryPolicy(attempts=1)
    async with S3Store("b", endpoint="http://127.0.0.1:9", region="x", skip_signature=True, retry=once) as store:
        for ask in (fs.exists, fs.isfile, fs.isdir, fs.lexists):
            with pytest.raises(ConnectionLostError):
                await ask("key", store=store)


async def test_options_are_in_no_error(memory: str) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        await fs.stat(f"{memory}/missing?versioning=false")
    assert "versioning" not in f"{caught.value!s}{caught.value!r}{caught.value.filename}"


async def test_stores_are_kept_for_the_loop_and_closed_on_demand(memory: str) -> None:
    store = store_at(memory)
    assert store_at(memory) is store
    assert store_at(f"{memory}?versioning=false") is not store
    for number in range(MOST):
        store_at(f"{memory}-{number}")
    assert store_at(memory) is not store
    await store.list_with_delimiter()  # dropped, but not closed under whoever uses it
    store = store_at(memory)
    await fs.aclose()
    with pytest.raises(StoreClosedError):
        await store.get("key")
    assert await fs.listdir(memory) == []


async def test_of_two_who_make_a_directory_at_once_one_is_told_that_it_exists() -> None:
    driver = FaultyDriver(MemoryDriver(), [held := Hold(primitive="put")])
    async with Store(driver) as store:
        first = asyncio.create_task(fs.mkdir("directory", store=store))
        async with asyncio.timeout(5):
            await held.reached.wait()
            await fs.mkdir("directory", store=store)
            held.released.set()
            with pytest.raises(FileExistsError):
                await first
