"""``aiostore.blocking.StorePath``: what pathlib's paths do, on URLs, local paths and keys, without await."""

from __future__ import annotations

import inspect
import io
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import aiostore
from aiostore import MemoryStore, fs
from aiostore.blocking import StorePath


def public(cls: type) -> set[str]:
    return {name for name in dir(cls) if not name.startswith("_")}


def test_it_has_the_names_of_the_asynchronous_path_and_no_others() -> None:
    assert public(StorePath) == public(aiostore.StorePath)


@pytest.mark.parametrize("name", sorted(public(aiostore.StorePath) - {"open"}))
def test_a_method_takes_what_the_asynchronous_one_takes(name: str) -> None:
    def parameters(cls: type) -> object:
        method = getattr(cls, name)
        if isinstance(method, property):
            return "property"
        return [(one.name, one.kind, one.default) for one in inspect.signature(method).parameters.values()]

    assert parameters(StorePath) == parameters(aiostore.StorePath)


def use(top: Any) -> Iterator[object]:
    """What a script does to a directory; the answers are those of pathlib."""
    with pytest.raises(FileNotFoundError):
        (top / "a" / "b").mkdir()
    (top / "a" / "b").mkdir(parents=True)
    with pytest.raises(FileExistsError):
        (top / "a").mkdir()
    (top / "a").mkdir(exist_ok=True)
    file = top / "a" / "b" / "c.txt"
    yield file.write_text("\u00e9t\u00e9\n2", encoding="utf-8")
    yield file.read_bytes()
    yield file.read_text(encoding="utf-8")
    yield (file.exists(), file.is_file(), file.is_dir(), file.is_symlink(), top.is_dir(), file.stat().st_size)
    with file.open("a", encoding="utf-8") as opened:
        yield isinstance(opened, io.TextIOWrapper)
        opened.write("3")
    with file.open("rb") as opened:
        yield isinstance(opened, io.BufferedReader)
        yield opened.readlines()
    yield (top / "bytes").write_bytes(b"12")
    (top / "empty").touch()
    with pytest.raises(FileExistsError):
        (top / "empty").touch(exist_ok=False)
    yield sorted(path.name for path in top.iterdir())
    yield sorted(path.relative_to(top).as_posix() for path in top.glob("*/*"))
    yield sorted(path.relative_to(top).as_posix() for path in top.rglob("*.txt"))
    moved = (top / "bytes").rename(top / "renamed")
    yield moved.name, moved.read_bytes(), (top / "bytes").exists(), moved.samefile(top / "renamed")
    yield (top / "empty").replace(moved).read_bytes()
    with pytest.raises(FileNotFoundError):
        (top / "missing").unlink()
    (top / "missing").unlink(missing_ok=True)
    moved.unlink()
    with pytest.raises(OSError, match="not empty"):
        (top / "a").rmdir()
    file.unlink()
    (top / "a" / "b").rmdir()
    yield sorted(path.name for path in (top / "a").iterdir())
    with pytest.raises(FileNotFoundError):
        (top / "missing").read_text()
    with pytest.raises(IsADirectoryError):
        (top / "a").read_bytes()
    with pytest.raises(IsADirectoryError):
        (top / "a").open()
    with pytest.raises(ValueError, match="pattern"):
        list(top.glob(""))


# Not `async`: the fixtures that they share with the others are, and leave no loop running here.
def test_a_path_does_what_pathlib_s_does(root: str, tmp_path: Path) -> None:
    top, model = StorePath(root) / "top", tmp_path / "model"
    top.mkdir(parents=True)
    model.mkdir()
    assert list(use(top)) == list(use(model))
    top.rmtree()
    assert not top.exists()


def test_what_pathlib_got_later_or_has_not(root: str) -> None:
    top = StorePath(root) / "top"
    top.mkdir(parents=True)
    (top / "x" / "y").mkdir(parents=True)
    (top / "x" / "f").write_text("1")
    seen = []
    for path, names, files in top.walk():
        seen.append((path.name, sorted(files)))
        names[:] = [name for name in names if name != "y"]
        assert isinstance(path, StorePath)
    assert seen == [("top", []), ("x", ["f"])]
    assert isinstance(copied := (top / "x").copy(top / "z"), StorePath)
    assert (copied / "f").read_text() == "1"
    assert (copied / "f").move(top / "g").read_text() == "1"
    assert not top.is_mount()
    assert top.lstat().st_mode == top.stat().st_mode
    top.rmtree()


def test_listings_may_be_left_early(root: str) -> None:
    top = StorePath(root) / "top"
    top.mkdir(parents=True)
    for number in range(3):
        (top / str(number)).touch()
    for listing in (top.iterdir(), top.glob("*"), top.rglob("*"), top.walk()):
        next(listing)
        del listing
    top.rmtree()


def test_a_path_of_a_store_of_either_kind() -> None:
    with aiostore.blocking.wrap(MemoryStore()) as store:
        path = StorePath("a", store=store) / "b"
        path.write_bytes(b"1")
        assert store["a/b"] == b"1"
        assert path == StorePath("a/b", store=store.store) == aiostore.StorePath("a/b", store=store.store)
        with path.open("r+b") as file:
            file.write(b"2")
        assert aiostore.blocking.fs.getsize(path) == 1
        assert [one.key for one in path.parent.iterdir()] == ["a/b"]


def test_paths_are_pickled_and_made_of_each_other() -> None:
    path = StorePath("s3://bucket/a?region=x")
    assert pickle.loads(pickle.dumps(path)) == path
    assert type(pickle.loads(pickle.dumps(path))) is StorePath
    assert type(StorePath(aiostore.StorePath("s3://bucket/a"))) is StorePath
    assert repr(path) == "StorePath('s3://bucket/a?\u2026')"
    assert fs.basename(str(path / "b")) == "b"


async def test_a_blocking_call_in_the_loop_s_thread_is_refused(memory: str) -> None:
    with pytest.raises(RuntimeError, match="await"):
        StorePath(memory).exists()
