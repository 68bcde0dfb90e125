"""``aiostore.blocking.fs`` and ``aiostore.blocking.local_copy``: the same functions for code that does not await."""

from __future__ import annotations

import csv
import inspect
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import aiostore
from aiostore.blocking import fs

RENAMED = {"aclose": "close"}
FUNCTIONS = sorted(
    name
    for name in aiostore.fs.__all__
    if inspect.isfunction(getattr(aiostore.fs, name)) and name not in {"aclose", "open"}
)


def test_it_has_the_names_of_the_asynchronous_functions_and_no_others() -> None:
    assert sorted(fs.__all__) == sorted(RENAMED.get(name, name) for name in aiostore.fs.__all__)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_takes_what_the_asynchronous_one_takes(name: str) -> None:
    def parameters(module: ModuleType) -> list[tuple[str, object, object]]:
        signature = inspect.signature(getattr(module, name))
        return [(one.name, one.kind, one.default) for one in signature.parameters.values()]

    assert parameters(fs) == parameters(aiostore.fs)


def test_an_entry_says_what_an_asynchronous_one_says() -> None:
    def public(cls: type) -> set[str]:
        return {name for name in dir(cls) if not name.startswith("_")}

    assert public(fs.DirEntry) == public(aiostore.fs.DirEntry) - {"meta", "is_directory", "is_regular"}


@pytest.fixture
def top(request: pytest.FixtureRequest, root: str) -> Iterator[str]:
    yield fs.join(root, "top")
    if fs.exists(fs.join(root, "top")):
        fs.rmtree(fs.join(root, "top"))
    fs.close()


# Not `async`: the fixtures that they share with the others are, and leave no loop running here.
def test_the_functions_work_without_await(top: str, tmp_path: Path) -> None:
    file = fs.join(top, "a", "b.csv")
    fs.makedirs(fs.dirname(file))
    with fs.open(file, "w", newline="") as opened:
        csv.writer(opened).writerow([1, 2])
    assert (fs.exists(file), fs.isfile(file), fs.isdir(top), fs.islink(file)) == (True, True, True, False)
    assert (fs.lexists(file), fs.ismount(file), fs.samefile(file, file)) == (True, False, True)
    assert fs.getsize(file) == fs.stat(file).st_size == fs.lstat(file).st_size == 5
    assert fs.getmtime(file) == fs.stat(file).st_mtime
    assert fs.getctime(file) > 0
    with fs.scandir(fs.dirname(file)) as entries:
        (entry,) = entries
    assert (entry.name, entry.path, entry.is_file(), entry.is_dir()) == ("b.csv", file, True, False)
    assert (entry.is_symlink(), entry.stat().st_size) == (False, 5)
    assert entry.inode() >= 0
    assert fs.copy(file, fs.join(top, "c")) == fs.join(top, "c")
    assert fs.copyfile(file, tmp_path / "local.csv") == tmp_path / "local.csv"
    fs.rename(fs.join(top, "c"), fs.join(top, "d"))
    fs.copytree(fs.join(top, "a"), fs.join(top, "e"), ignore=shutil.ignore_patterns("*.txt"))
    assert sorted(fs.listdir(top)) == ["a", "d", "e"]
    assert sorted(fs.relpath(path, top) for path in fs.glob(fs.join(top, "*", "*.csv"))) == ["a/b.csv", "e/b.csv"]
    assert next(iter(fs.iglob(fs.join(top, "d")))) == fs.join(top, "d")
    for _, names, _ in fs.walk(top):
        names[:] = [name for name in names if name != "e"]
    assert len(list(fs.walk(top))) == 3
    fs.move(fs.join(top, "d"), fs.join(top, "e"))
    fs.remove(fs.join(top, "e", "d"))
    fs.mkdir(fs.join(top, "f"))
    fs.rmdir(fs.join(top, "f"))
    fs.rmtree(fs.join(top, "e"))
    with pytest.raises(FileNotFoundError):
        fs.listdir(fs.join(top, "e"))


def test_names_taken_out_of_a_walk_are_not_entered(top: str) -> None:
    for name in ("a", "b"):
        fs.makedirs(fs.join(top, name))
    seen = []
    for path, names, _ in fs.walk(top):
        seen.append(fs.relpath(path, top))
        names[:] = [name for name in names if name != "a"]
    assert seen == [".", "b"]


def test_a_store_of_either_kind_takes_keys() -> None:
    with aiostore.blocking.wrap(aiostore.MemoryStore()) as store:
        store.put("a/b", b"data")
        assert fs.listdir("a", store=store) == fs.listdir("a", store=store.store) == ["b"]


def test_a_local_copy_is_written_back_unless_something_fails(top: str) -> None:
    fs.makedirs(top)
    url = fs.join(top, "book.csv")
    with aiostore.blocking.local_copy(url, "w") as path:
        path.write_text("a,b\n")
    with pytest.raises(KeyError), aiostore.blocking.local_copy(url, "r+") as path:
        path.write_text("broken")
        raise KeyError
    assert not path.parent.exists()
    with aiostore.blocking.local_copy(url) as path:
        assert path.read_text() == "a,b\n"
        assert path.suffix == ".csv"
    with pytest.raises(FileNotFoundError), aiostore.blocking.local_copy(fs.join(top, "missing")):
        pass


async def test_a_blocking_call_in_the_loop_s_thread_is_refused(memory: str) -> None:
    calls: list[Any] = [fs.listdir, fs.stat, lambda url: next(fs.scandir(url))]
    for call in calls:
        with pytest.raises(RuntimeError, match="await"):
            call(memory)
