"""Copies and moves between and within services and local directories."""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import shutil
from pathlib import Path

import pytest

from aiostore import NotFoundError, PreconditionFailedError, Store, connect, fs
from aiostore.drivers.memory import MemoryDriver
from aiostore.testing import Call, Fault, FaultyDriver, Hold

TREE = {"a.txt": b"1", "b/c.bin": b"22", "b/d/e f?%41": b"333"}


@pytest.fixture
def other(request: pytest.FixtureRequest, tmp_path: Path, memory: str) -> str:
    """Another place than ``root``, of each kind."""
    return str(tmp_path / "other") if request.param == "local" else f"{memory}-other/deep/er"


async def plant(root: str) -> None:
    for name, data in TREE.items():
        url = fs.join(root, name)
        await fs.makedirs(fs.dirname(url), exist_ok=True)
        async with fs.open(url, "wb") as file:
            await file.write(data)
    await fs.makedirs(fs.join(root, "empty"))


async def tree(root: str) -> dict[str, bytes | None]:
    found: dict[str, bytes | None] = {}
    async for top, names, files in fs.walk(root):
        for name in files:
            async with fs.open(fs.join(top, name), "rb") as file:
                found[fs.relpath(fs.join(top, name), root)] = await file.read()
        if not names and not files:
            found[fs.relpath(top, root)] = None
    return found


WHOLE = {**TREE, "empty": None}


@pytest.mark.parametrize("other", ["local", "memory"], indirect=True)
async def test_trees_are_copied_and_moved_between_all_kinds_of_places(root: str, other: str) -> None:
    source, target = fs.join(root, "source"), fs.join(other, "target")
    await plant(source)
    assert await fs.copytree(source, target) == target
    assert await tree(target) == await tree(source) == WHOLE
    with pytest.raises(FileExistsError):
        await fs.copytree(source, target)
    await fs.copytree(target, source, dirs_exist_ok=True)
    with pytest.raises(shutil.Error, match="already exists"):
        await fs.move(fs.join(source, "a.txt"), target)
    await fs.remove(fs.join(target, "a.txt"))
    await fs.move(fs.join(source, "a.txt"), target)
    assert await fs.move(source, fs.join(other, "moved")) == fs.join(other, "moved")
    assert not await fs.exists(source)
    assert await tree(target) == WHOLE
    await fs.rmtree(other)


@pytest.mark.parametrize("other", ["local", "memory"], indirect=True)
async def test_what_is_ignored_is_not_copied(root: str, other: str) -> None:
    source = fs.join(root, "source")
    await plant(source)
    await fs.copytree(source, other, ignore=shutil.ignore_patterns("d", "*.txt"))
    assert await tree(other) == {"b/c.bin": b"22", "empty": None}


@pytest.mark.parametrize("other", ["local", "memory"], indirect=True)
async def test_a_file_is_copied_to_a_name_or_into_a_directory(root: str, other: str) -> None:
    await plant(root)
    await fs.makedirs(fs.join(other, "directory"))
    file = fs.join(root, "b", "c.bin")
    assert await fs.copy(file, fs.join(other, "directory")) == fs.join(other, "directory", "c.bin")
    assert await fs.copyfile(file, fs.join(other, "name")) == fs.join(other, "name")
    assert await tree(other) == {"directory/c.bin": b"22", "name": b"22"}
    with pytest.raises(IsADirectoryError):
        await fs.copyfile(file, fs.join(other, "directory"))
    with pytest.raises(IsADirectoryError):
        await fs.copyfile(fs.join(root, "b"), fs.join(other, "name"))
    with pytest.raises(shutil.SameFileError):
        await fs.copyfile(file, file)
    with pytest.raises(FileNotFoundError):
        await fs.copyfile(fs.join(root, "missing"), fs.join(other, "name"))
    assert await tree(other) == {"directory/c.bin": b"22", "name": b"22"}


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
async def test_a_local_file_that_is_copied_over_keeps_its_mode(memory: str, tmp_path: Path) -> None:
    async with fs.open(f"{memory}/key", "w") as file:
        await file.write("new")
    target = tmp_path / "secret"
    target.write_text("old")
    target.chmod(0o600)
    await fs.copyfile(f"{memory}/key", target)
    assert (target.read_text(), target.stat().st_mode & 0o777) == ("new", 0o600)


async def test_a_rename_across_services_is_refused_as_across_file_systems(root: str, tmp_path: Path) -> None:
    await plant(root)
    for target in (str(tmp_path / "x"), f"memory://fs-other-{secrets.token_hex(4)}/x"):
        if target.startswith("memory") == root.startswith("memory") and "://" in root:
            continue
        if "://" not in target and "://" not in root:
            continue
        with pytest.raises(OSError) as caught:
            await fs.rename(fs.join(root, "a.txt"), target)
        assert caught.value.errno == errno.EXDEV


async def test_a_rename_replaces_a_file_and_only_an_empty_directory(root: str) -> None:
    await plant(root)
    await fs.rename(fs.join(root, "a.txt"), fs.join(root, "b", "c.bin"))
    assert await tree(fs.join(root, "b")) == {"c.bin": b"1", "d/e f?%41": b"333"}
    with pytest.raises(OSError) as caught:
        await fs.rename(fs.join(root, "empty"), fs.join(root, "b"))
    assert caught.value.errno == errno.ENOTEMPTY
    await fs.rename(fs.join(root, "b"), fs.join(root, "empty"))
    assert await tree(root) == {"empty/c.bin": b"1", "empty/d/e f?%41": b"333"}
    with pytest.raises(OSError) as caught:
        await fs.rename(fs.join(root, "empty"), fs.join(root, "empty", "inside"))
    assert caught.value.errno == errno.EINVAL


async def test_one_service_copies_on_its_own_side_across_containers() -> None:
    driver = FaultyDriver(MemoryDriver(), [])
    async with Store(driver) as store:
        await store.put("a/b", b"data", metadata={"kept": "yes"})
        driver.calls.clear()
        await fs.copy("a/b", "c/", store=store)
        await fs.copytree("a", "d", store=store)
        await fs.move("a", "e", store=store)
        assert {call.primitive for call in driver.calls} & {"get", "put", "create_multipart"} == set()
        assert (await store.head("c/b")).metadata == {"kept": "yes"}


async def test_buckets_of_one_service_copy_without_the_bytes_passing_here(
    s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive, path = fs.splitdrive(s3)
    twin = f"{drive}-twin{path}"
    await plant(s3)
    async with connect(f"{drive}-twin?{path.partition('?')[2]}") as bucket:
        await bucket.create_container()
        try:
            with monkeypatch.context() as patch:
                patch.setattr(Store, "stream", None)
                await fs.copyfile(fs.join(s3, "b", "c.bin"), fs.join(twin, "one"))
                await fs.rename(fs.join(s3, "b"), fs.join(twin, "b"))
            async with connect(f"{drive}-twin?{path.partition('?')[2]}") as found:
                assert sorted([meta.key.partition("/")[2] async for meta in found.list()]) == [
                    "b/", "b/c.bin", "b/d/", "b/d/e f?%41", "one",
                ]  # fmt: skip
        finally:
            await bucket.delete_container(force=True)


@pytest.mark.parametrize("key", ["../escaped", "a/../../escaped", "a//b", "./x", "a/..", "x\0y"])
async def test_no_key_chooses_where_a_local_file_is_written(memory: str, tmp_path: Path, key: str) -> None:
    async with connect(memory) as store:
        await store.put(f"tree/{key}", b"hostile")
        with pytest.raises(OSError, match="no path below") as caught:
            await fs.copytree(f"{memory}/tree", tmp_path / "into" / "deep")
        assert caught.value.errno == errno.EINVAL
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


async def test_headers_and_metadata_are_copied_between_stores(memory: str, s3: str) -> None:
    async with connect(memory) as store:
        await store.put("a", b"data", content_type="text/x-own", metadata={"kept": "yes"}, cache_control="no-store")
    await fs.copyfile(f"{memory}/a", fs.join(s3, "a"))
    meta = (await fs.stat(fs.join(s3, "a"))).meta
    assert meta is not None
    assert (meta.content_type, meta.metadata, meta.cache_control) == ("text/x-own", {"kept": "yes"}, "no-store")


async def test_compressed_objects_stay_so_on_services_and_not_on_disks(memory: str, tmp_path: Path) -> None:
    async with connect(memory) as store, connect(f"{memory}-other?versioning=true") as other:
        await store.put("a.txt", b"1" * 999, compress="gzip")
        await fs.copyfile(f"{memory}/a.txt", f"{memory}-other/a.txt?versioning=true")
        assert await other.get("a.txt", raw=True) == await store.get("a.txt", raw=True)
        assert (await other.head("a.txt")).content_encoding == "gzip"
        assert await other.get("a.txt") == b"1" * 999
    await fs.copyfile(f"{memory}/a.txt", tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_bytes() == b"1" * 999


async def test_a_copy_that_fails_deletes_nothing(memory: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"in the way")
    await plant(f"{memory}/tree")
    with pytest.raises(OSError):
        await fs.move(f"{memory}/tree", tmp_path / "file" / "below")
    assert await tree(f"{memory}/tree") == WHOLE


class Meanwhile(Fault):
    """Somebody writes when the first object is about to be copied."""

    def __init__(self, inner: Store, *keys: str) -> None:
        self.inner = inner
        self.keys = keys

    async def before(self, call: Call) -> None:
        if call.primitive in {"copy", "get"}:
            for key in self.keys:
                await self.inner.put(key, b"theirs")
            self.keys = ()


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_what_others_write_into_a_moving_directory_is_not_deleted(elsewhere: bool, tmp_path: Path) -> None:
    inner = MemoryDriver()
    whole = Store(inner)
    for key in ("a/changed", "a/old"):
        await whole.put(key, b"mine")
    async with Store(FaultyDriver(inner, [Meanwhile(whole, "a/changed", "a/new")])) as store:
        with pytest.raises(OSError) as caught:
            await fs.move("a", tmp_path / "b" if elsewhere else "b", store=store)
        assert caught.value.errno == errno.ENOTEMPTY
        left = {meta.key: await store.get(meta.key) async for meta in store.list("a/")}
        assert left == {"a/changed": b"theirs", "a/new": b"theirs"}
        assert (tmp_path / "b" / "old").exists() if elsewhere else await store.exists("b/old")


async def test_a_file_that_changes_while_it_moves_elsewhere_is_not_deleted(tmp_path: Path) -> None:
    inner = MemoryDriver()
    whole = Store(inner)
    await whole.put("a", b"mine")
    async with Store(FaultyDriver(inner, [Meanwhile(whole, "a")])) as store:
        with pytest.raises(PreconditionFailedError):
            await fs.move("a", tmp_path / "b", store=store)
        assert await store.get("a") == b"theirs"


async def test_a_missing_container_is_not_a_missing_source(memory: str, s3: str) -> None:
    await plant(memory)
    drive, path = fs.splitdrive(s3)
    with pytest.raises(NotFoundError):
        await fs.copyfile(f"{memory}/a.txt", f"{drive}-nowhere{path}")


async def test_files_of_many_small_directories_are_copied_at_once(tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / "tree" / str(number)).mkdir(parents=True)
        (tmp_path / "tree" / str(number) / "file").touch()
    driver = FaultyDriver(MemoryDriver(), [held := Hold(primitive="put", calls=range(1, 100))])
    async with Store(driver) as store, asyncio.timeout(10):
        copying = asyncio.create_task(fs.copytree(tmp_path / "tree", "copy", store=store))
        while driver.count("put") < 16:
            await asyncio.sleep(0.001)
        held.released.set()
        await copying
        assert len(await fs.glob("copy/*/file", store=store)) == 40
