"""Directories listed lazily: scandir, walk, glob."""

from __future__ import annotations

import asyncio
import errno
import gc
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from aiostore import Capabilities, Store, fs
from aiostore.capabilities import PartLimits
from aiostore.drivers.memory import MemoryDriver
from aiostore.testing import FaultyDriver

ODD = ["a b+c", "100%", "a%41", "who?", "#1", "é", "q'\"<>&", "[x]", "*", "\t\n"]


async def make(root: str, names: Iterable[str]) -> None:
    for name in names:
        url = fs.join(root, name)
        await fs.makedirs(fs.dirname(url), exist_ok=True)
        async with fs.open(url, "wb") as file:
            await file.write(b"data")


async def test_names_of_any_kind_lead_back_to_their_files(root: str) -> None:
    await make(root, ODD)
    assert sorted(await fs.listdir(root)) == sorted(ODD)
    async with fs.scandir(root) as entries:
        async for entry in entries:
            assert entry.is_file()
            assert entry.path == fs.join(root, entry.name)
            assert (await entry.stat()).st_size == await fs.getsize(entry.path) == 4
            assert fs.basename(entry.path) == entry.name
            assert fs.relpath(entry.path, root) == entry.name
            assert await fs.glob(fs.escape(entry.path)) == [entry.path]


async def test_entries_say_what_they_are_without_a_request(root: str) -> None:
    await make(root, ["file", "directory/file"])
    found = {entry.name: entry async for entry in fs.scandir(root)}
    assert {name: (entry.is_dir(), entry.is_file(), entry.is_symlink()) for name, entry in found.items()} == {
        "file": (False, True, False),
        "directory": (True, False, False),
    }
    assert repr(found["file"]) == "<DirEntry 'file'>"
    assert (await found["directory"].stat()).st_mode & 0o040000


async def test_local_links_are_told_from_what_they_lead_to(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "link").symlink_to("directory")
    (tmp_path / "broken").symlink_to("nowhere")
    found = {entry.name: entry async for entry in fs.scandir(tmp_path)}
    assert (found["link"].is_dir(), found["link"].is_dir(follow_symlinks=False)) == (True, False)
    assert (found["broken"].is_dir(), found["broken"].is_file(), found["broken"].is_symlink()) == (False, False, True)
    assert found["directory"].inode() == (tmp_path / "directory").stat().st_ino
    assert [top async for top, _, _ in fs.walk(tmp_path)] == [str(tmp_path), str(tmp_path / "directory")]
    assert len([top async for top, _, _ in fs.walk(tmp_path, followlinks=True)]) == 3


async def test_a_large_directory_is_read_a_page_at_a_time() -> None:
    driver = FaultyDriver(MemoryDriver(page_size=10), [])
    async with Store(driver) as store:
        for number in range(95):
            await store.put(f"directory/{number:02}", b"")
        driver.calls.clear()
        async with fs.scandir("directory", store=store) as entries:
            first = [(await anext(entries)).name for _ in range(5)]
            assert (first, len(driver.calls)) == (["00", "01", "02", "03", "04"], 1)
        assert len(await fs.listdir("directory", store=store)) == 95
        driver.calls.clear()
        found = fs.iglob("directory/9*", store=store)
        assert await anext(found) == "directory/90"
        assert len(driver.calls) == 1


async def test_a_scan_may_be_dropped(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "b").touch()
    async for _ in fs.scandir(tmp_path):
        break
    gc.collect()


async def test_a_walk_enters_what_is_left_in_the_list(root: str) -> None:
    await make(root, ["a/1/x", "a/2", "b/3", "c"])
    seen = []
    async for top, names, files in fs.walk(root):
        seen.append((fs.relpath(top, root), sorted(names), sorted(files)))
        names[:] = [name for name in names if name != "a"]
    assert seen == [(".", ["a", "b"], ["c"]), ("b", [], ["3"])]
    tops = [fs.relpath(top, root) async for top, _, _ in fs.walk(root, topdown=False)]
    assert tops.index("a/1") < tops.index("a") < tops.index(".")
    assert tops[-1] == "."


async def test_a_walk_passes_over_what_it_cannot_list(root: str) -> None:
    errors: list[OSError] = []
    missing = fs.join(root, "missing")
    assert [found async for found in fs.walk(missing)] == []
    assert [found async for found in fs.walk(missing, onerror=errors.append)] == []
    assert [error.errno for error in errors] == [errno.ENOENT]


async def test_patterns_match_as_those_of_a_shell(root: str) -> None:
    await make(root, ["a.csv", "b.csv", "b.txt", ".hidden.csv", "deep/c.csv", "deep/er/d.csv", "x[1].txt"])

    async def found(pattern: str, **options: bool) -> list[str]:
        matches = await fs.glob(fs.join(root, pattern), **options)  # type: ignore[arg-type]  # flags
        return sorted(fs.relpath(path, root) for path in matches)

    assert await found("*.csv") == ["a.csv", "b.csv"]
    assert await found("*.csv", include_hidden=True) == [".hidden.csv", "a.csv", "b.csv"]
    assert await found("[ab].*") == ["a.csv", "b.csv", "b.txt"]
    assert await found("**/*.csv", recursive=True) == ["a.csv", "b.csv", "deep/c.csv", "deep/er/d.csv"]
    assert await found("*/*.csv") == ["deep/c.csv"]
    assert await found("deep/er/d.csv") == ["deep/er/d.csv"]
    assert await found("*/") == ["deep"]
    assert await found("missing/*") == []
    assert sorted(await fs.glob("**/*.csv", root_dir=root, recursive=True)) == [
        "a.csv", "b.csv", "deep/c.csv", "deep/er/d.csv",
    ]  # fmt: skip


class Unordered(MemoryDriver):
    """A service that promises no order, and where directories are listed one by one."""

    @property
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, ordered_listing=False)


PATTERNS = [
    "**",
    "**/",
    "**/*",
    "**/*/",
    "a/**",
    "a/**/",
    "**/b",
    "**/*.c",
    "**/b/*.c",
    "**/.*",
    ".d/**",
    "**/**",
    "*/**/b*",
]
KEYS = st.lists(st.sampled_from(["a", "b", "x.c", ".d", "a-b"]), min_size=1, max_size=4).map("/".join)


@given(keys=st.sets(KEYS, max_size=8), pattern=st.sampled_from(PATTERNS), include_hidden=st.booleans())
def test_one_listing_finds_what_directory_by_directory_is_found(
    keys: set[str], pattern: str, include_hidden: bool
) -> None:
    async def main() -> None:
        found = []
        for driver in (MemoryDriver(), Unordered()):
            async with Store(driver) as store:
                for key in keys:
                    await store.put(key, b"")
                matches = await fs.glob(pattern, recursive=True, include_hidden=include_hidden, store=store)
                found.append(sorted(set(matches)))
        assert found[0] == found[1]

    asyncio.run(main())


async def test_any_depth_costs_pages_not_directories() -> None:
    driver = FaultyDriver(MemoryDriver(), [])
    async with Store(driver) as store:
        for number in range(50):
            await store.put(f"{number}/x/y.csv", b"")
        driver.calls.clear()
        assert len(await fs.glob("**/*.csv", recursive=True, store=store)) == 50
        assert len(driver.calls) == 1


async def test_a_question_mark_in_a_url_s_pattern_is_one_unless_options_follow(memory: str) -> None:
    await make(memory, ["log-1.txt", "log-22.txt"])
    assert await fs.glob(f"{memory}/log-?.txt") == [f"{memory}/log-1.txt"]
    options = "?versioning=false"
    assert await fs.glob(f"{memory}/log-?.txt{options}") == [f"{memory}/log-1.txt{options}"]


async def test_a_file_and_a_directory_of_one_name_are_both_there() -> None:
    async with Store(MemoryDriver(parts=PartLimits(min_size=1))) as store:
        await store.put("a", b"")
        await store.put("a/b", b"")
        await store.put("c//d", b"")
        assert [(entry.name, entry.is_dir()) async for entry in fs.scandir(store=store)] == [
            ("a", True), ("c", True), ("a", False),
        ]  # fmt: skip
        assert await fs.listdir(store=store) == ["a", "c"]
        assert await fs.isfile("a", store=store)
        assert await fs.isdir("a", store=store)
        # No path names what is between two slashes, and no walk goes round in circles there.
        assert [top async for top, _, _ in fs.walk("", store=store)] == ["", "a", "c"]
