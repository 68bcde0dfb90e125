"""What a type checker sees of paths. It is checked, never run."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import assert_type

import aiostore
from aiostore import AsyncBinaryFile, AsyncTextFile, MemoryStore, ObjectMeta, StorePath, fs


async def functions(url: str) -> None:
    assert_type(await fs.stat(url), fs.StatResult)
    assert_type((await fs.stat(url)).meta, ObjectMeta | None)
    assert_type(await fs.listdir(Path("directory")), list[str])
    assert_type(await fs.exists(StorePath(url), store=MemoryStore()), bool)
    assert_type(await fs.move(url, Path("directory")), str)
    assert_type(await fs.glob(url, recursive=True), list[str])
    async for top, directories, files in fs.walk(url, topdown=False):
        assert_type((top, directories, files), tuple[str, list[str], list[str]])
    async with fs.scandir(url) as entries:
        async for entry in entries:
            assert_type(entry, fs.DirEntry)
    assert_type(fs.split(url), tuple[str, str])
    await fs.stat(b"bytes")  # type: ignore[arg-type]  # no path
    await fs.walk(url)  # type: ignore[misc]  # an iterator


async def files(url: str) -> None:
    async with aiostore.open(url) as text:
        assert_type(text, AsyncTextFile)
    async with aiostore.open(Path("file"), "rb", buffer_size=1024) as binary:
        assert_type(binary, AsyncBinaryFile)
    async with fs.open(url, "r+b") as update:
        assert_type(update, AsyncBinaryFile)
    async with StorePath(url).open("wt", encoding="utf-8") as writer:
        assert_type(writer, AsyncTextFile)
    async with aiostore.local_copy(url, "r+") as path:
        assert_type(path, Path)
    aiostore.open(url, "rb", encoding="utf-8")  # type: ignore[call-overload]  # bytes have none
    aiostore.local_copy(url, "rb")  # type: ignore[arg-type]  # no mode


async def path_objects(path: StorePath) -> None:
    assert_type(path / "a" / Path("b"), StorePath)
    assert_type(path.parents[0].with_suffix(".csv"), StorePath)
    assert_type(path.relative_to(path.parent), PurePath)
    assert_type(await path.read_text(), str)
    assert_type(await path.copy("b"), StorePath)
    async for below in path.rglob("*.csv"):
        assert_type(below, StorePath)


def blocking(url: str) -> None:
    from aiostore.blocking import fs, local_copy

    assert_type(fs.stat(url).st_size, int)
    for top, directories, files in fs.walk(url):
        assert_type((top, directories, files), tuple[str, list[str], list[str]])
    with fs.scandir(url) as entries:
        assert_type(next(entries), fs.DirEntry)
    with local_copy(url, "w") as path:
        assert_type(path, Path)
