"""``aiostore.open`` and ``aiostore.fs.open``."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import pytest

import aiostore
from aiostore import fs


async def test_a_file_is_written_and_read_by_url_or_path(root: str) -> None:
    url = fs.join(root, "hello.txt")
    async with aiostore.open(url, "wt") as file:
        await file.write("hello\nworld\n")
    async with aiostore.open(url) as file:
        assert [line async for line in file] == ["hello\n", "world\n"]
    async with aiostore.open(url, "rb") as binary:
        await binary.seek(-6, 2)
        assert await binary.read() == b"world\n"


async def test_create_only_and_failed_writers_change_nothing(root: str) -> None:
    url = fs.join(root, "hello.txt")
    async with aiostore.open(url, "xb") as file:
        await file.write(b"first")
    with pytest.raises(FileExistsError):
        async with aiostore.open(url, "xb") as file:
            await file.write(b"second")
    with pytest.raises(KeyError):
        async with aiostore.open(url, "wb") as file:
            await file.write(b"third")
            raise KeyError
    async with fs.open(url, "rb") as file:
        assert await file.read() == b"first"


async def test_a_missing_file_is_named_as_it_was_given(root: str) -> None:
    url = fs.join(root, "missing.txt")
    with pytest.raises(FileNotFoundError) as caught:
        async with aiostore.open(url):
            pass
    assert caught.value.filename == url.partition("?")[0]


async def test_a_directory_is_no_file(root: str) -> None:
    for path in (fs.join(root, "directory/"), "memory://container"):
        with pytest.raises(IsADirectoryError):
            aiostore.open(path)


async def test_what_is_only_a_directory_is_told_from_what_is_missing(root: str) -> None:
    directory = fs.join(root, "directory")
    await fs.makedirs(directory)
    async with fs.open(fs.join(directory, "file"), "w") as file:
        await file.write("1")
    for opened in (fs.open(directory), aiostore.open(directory), fs.open(directory, "r+b")):
        with pytest.raises(IsADirectoryError) as caught:
            async with opened:
                raise AssertionError
        assert (caught.value.errno, caught.value.filename) == (errno.EISDIR, directory.partition("?")[0])
    with pytest.raises(IsADirectoryError):
        await asyncio.to_thread(aiostore.blocking.open, directory)


async def test_a_local_link_is_followed_to_its_file(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "directory" / "file").write_bytes(b"bytes")
    (tmp_path / "link").symlink_to("directory/file")
    async with aiostore.open(tmp_path / "link", "rb") as file:
        assert await file.read() == b"bytes"
    async with aiostore.open(tmp_path / "link", "wb") as file:
        await file.write(b"others")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "directory" / "file").read_bytes() == b"others"


async def test_an_empty_path_is_missing() -> None:
    with pytest.raises(FileNotFoundError):
        async with aiostore.open("", "w"):
            raise AssertionError
    with pytest.raises(FileNotFoundError):
        await asyncio.to_thread(aiostore.blocking.open, "")


async def test_local_errors_are_those_of_open(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path, tmp_path / "no" / "file", tmp_path / "file" / "file", tmp_path / "missing"):
        with pytest.raises(OSError) as expected:
            path.open()
        with pytest.raises(OSError) as caught:
            async with aiostore.open(path):
                pass
        assert isinstance(caught.value, type(expected.value))
        assert (caught.value.errno, os.fspath(caught.value.filename)) == (expected.value.errno, str(path))


@pytest.mark.parametrize(
    ("mode", "options"), [("q", {}), ("rb", {"encoding": "utf-8"}), ("r", {"metadata": {}}), ("r", {"colour": "red"})]
)
def test_a_wrong_mode_or_option_is_told_at_once(mode: str, options: dict[str, str]) -> None:
    for open_file in (aiostore.open, fs.open):
        with pytest.raises((ValueError, TypeError)):
            open_file("memory://container/key", mode, **options)  # type: ignore[call-overload]  # wrong on purpose


async def test_a_store_that_is_given_is_used_and_left_open() -> None:
    async with aiostore.MemoryStore() as store:
        async with fs.open("a?b%41", "wb", store=store) as file:
            await file.write(b"1")
        assert await store.get("a?b%41") == b"1"


def test_options_are_not_shown() -> None:
    opening = aiostore.open("s3://bucket/key?secret_access_key=hidden")
    assert "hidden" not in repr(opening)


async def test_the_store_of_one_file_is_closed_with_it(s3: str) -> None:
    async with fs.open(fs.join(s3, "file"), "wb") as file:
        await file.write(b"data")
    await fs.aclose()
    before = len(os.listdir("/proc/self/fd"))
    async with aiostore.open(fs.join(s3, "file"), "rb") as file:
        assert await file.read() == b"data"
        assert len(os.listdir("/proc/self/fd")) > before
    async with asyncio.timeout(5):
        while len(os.listdir("/proc/self/fd")) > before:
            await asyncio.sleep(0.01)


async def test_a_file_is_changed_in_place(root: str) -> None:
    url = fs.join(root, "file")
    async with fs.open(url, "wb") as file:
        await file.write(b"12345")
    async with aiostore.open(url, "r+b") as file:
        await file.seek(1)
        await file.write(b"x")
    async with aiostore.open(url) as text:
        assert await text.read() == "1x345"


async def test_each_opening_is_for_one_file(memory: str) -> None:
    opening = fs.open(f"{memory}/key", "wb")
    async with opening:
        with pytest.raises(RuntimeError, match="entered before"):
            await opening.__aenter__()
