"""The standard library's functions over the store's keys: ``aiostore.fs``, ``StorePath`` and ``local_copy``."""
# ruff: noqa: D102, PT012, S101  # a test's name says what it shows; a local copy fails when it is left

from __future__ import annotations

import errno
import stat
from pathlib import Path
from typing import Final

import pytest

from aiostore import fs
from aiostore.capabilities import Capabilities, Guarantee
from aiostore.errors import NotSupportedError, PreconditionFailedError
from aiostore.fs.path import StorePath
from aiostore.fs.temporary import local_copy
from aiostore.store import Store
from aiostore.testing.conformance.suite import Suite, requires, supports

TREE: Final = {"a.txt": b"1", "b/c.bin": b"22", "b/d/e f.txt": b"333"}


def _swaps(capabilities: Capabilities) -> bool:
    return capabilities.put.if_match is Guarantee.ATOMIC


async def plant(store: Store, root: str) -> None:
    """Put the tree below a directory."""
    for name, data in TREE.items():
        await store.put(f"{root}/{name}", data)


async def contents(store: Store, root: str) -> dict[str, bytes]:
    """What is below a directory."""
    return {meta.key.removeprefix(f"{root}/"): await store.get(meta.key) async for meta in store.list(f"{root}/")}


class Paths(Suite):
    """Tests of paths on keys."""

    @requires(supports("put", "list_page"))
    async def test_a_path_says_what_is_there(self, store: Store) -> None:
        await plant(store, "tree")
        status = await fs.stat("tree/b/c.bin", store=store)
        assert (stat.S_ISREG(status.st_mode), status.st_size) == (True, 2)
        assert stat.S_ISDIR((await fs.stat("tree/b", store=store)).st_mode)
        for path, file, directory in (("tree", False, True), ("tree/a.txt", True, False), ("tree/b/", False, True)):
            assert await fs.exists(path, store=store)
            assert await fs.isfile(path, store=store) is file
            assert await fs.isdir(path, store=store) is directory
        assert not await fs.exists("tree/missing", store=store)
        for ask in (fs.stat, fs.listdir, fs.rmtree, fs.remove):
            with pytest.raises(FileNotFoundError):
                await ask("missing", store=store)
        with pytest.raises(NotADirectoryError):
            await fs.listdir("tree/a.txt", store=store)

    @requires(supports("put", "list_page"))
    async def test_a_tree_is_walked_and_matched(self, store: Store) -> None:
        await plant(store, "tree")
        found = {top: (names, files) async for top, names, files in fs.walk("tree", store=store)}
        assert found == {"tree": (["b"], ["a.txt"]), "tree/b": (["d"], ["c.bin"]), "tree/b/d": ([], ["e f.txt"])}
        matches = await fs.glob("tree/**/*.txt", recursive=True, store=store)
        assert sorted(matches) == ["tree/a.txt", "tree/b/d/e f.txt"]
        assert await fs.glob("tree/?/c*", store=store) == ["tree/b/c.bin"]

    @requires(supports("put", "list_page", "delete"))
    async def test_a_tree_is_copied_moved_and_removed(self, store: Store, tmp_path: Path) -> None:
        await plant(store, "tree")
        await fs.copytree("tree", "copy", store=store)
        assert await fs.move("copy", "moved", store=store) == "moved"
        assert await contents(store, "copy") == {}
        assert await contents(store, "moved") == TREE
        await fs.copytree("moved", tmp_path / "local", store=store)
        await fs.move(tmp_path / "local", "back", store=store)
        assert await contents(store, "back") == TREE
        assert not (tmp_path / "local").exists()
        await fs.rename("back/a.txt", "back/b/c.bin", store=store)
        with pytest.raises(OSError, match="not empty") as caught:
            await fs.rename("moved", "back", store=store)
        assert caught.value.errno == errno.ENOTEMPTY
        for root in ("tree", "moved", "back"):
            await fs.rmtree(root, store=store)
        assert [meta async for meta in store.list()] == []

    @requires(supports("put", "list_page", "delete"))
    async def test_a_directory_can_be_empty_where_there_are_markers(self, store: Store) -> None:
        path = StorePath("empty", store=store)
        if "trailing/" in self.refused_keys:
            with pytest.raises(NotSupportedError):
                await path.mkdir()
            return
        await path.mkdir()
        with pytest.raises(FileExistsError):
            await path.mkdir()
        assert await path.is_dir()
        assert [below async for below in path.iterdir()] == []
        await (path / "file").touch()
        with pytest.raises(OSError, match="not empty"):
            await path.rmdir()
        await (path / "file").unlink()
        await path.rmdir()
        assert not await path.exists()

    @requires(supports("put"), _swaps)
    async def test_a_local_copy_overwrites_only_what_it_was_made_of(self, store: Store) -> None:
        path = StorePath("file.txt", store=store)
        await path.write_text("old")
        async with local_copy(path, "r+") as copy:
            copy.write_text(copy.read_text() + " new")
        assert await path.read_text() == "old new"
        with pytest.raises(PreconditionFailedError):
            async with local_copy(path, "r+") as copy:
                copy.write_text("mine")
                await path.write_text("theirs")
        assert await path.read_text() == "theirs"
