"""Path objects: pathlib's names and habits on URLs, local paths and keys of a store."""

from __future__ import annotations

import pickle
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

import aiostore
from aiostore import LocalStore, MemoryStore, NotSupportedError, StorePath, fs

SEGMENTS = st.sampled_from(["a", "b.tar.gz", "a b", "100%", "who?", "%41", ".d", "..", "x/y", "."])
PLACES = st.sampled_from(["s3://bucket", "s3://bucket?region=x&endpoint=http://127.0.0.1:9", ""])


@given(place=PLACES, segments=st.lists(SEGMENTS, max_size=4), pattern=SEGMENTS)
def test_the_parts_of_a_path_are_pathlib_s(place: str, segments: list[str], pattern: str) -> None:
    path = StorePath(place, *segments) if place else StorePath(*segments)
    model = PurePosixPath("/" if place else "", *segments)
    for name in ("name", "stem", "suffix", "suffixes", "root"):
        assert getattr(path, name) == getattr(model, name)
    assert path.parts[1 if place else 0 :] == model.parts[1 if place else 0 :]
    assert [parent.key for parent in path.parents] == [str(up).removeprefix("/") for up in model.parents]
    assert path.parent == (path.parents or (path,))[0]
    if model.name not in {"", ".."}:
        assert path.with_name("n?").key == str(model.with_name("n?")).removeprefix("/")
        assert path.with_suffix(".x").key == str(model.with_suffix(".x")).removeprefix("/")
    if pattern != ".":
        assert path.match(pattern) == model.match(pattern)
    assert StorePath(str(path)) == path
    assert pickle.loads(pickle.dumps(path)) == path
    assert hash(StorePath(str(path))) == hash(path)
    assert "127.0.0.1" not in repr(path)


def test_the_options_of_a_url_stay_whatever_is_done_to_its_path() -> None:
    path = StorePath("s3://bucket/a?region=x")
    assert str(path / "b c" / "d?") == "s3://bucket/a/b c/d%3F?region=x"
    assert str(path.parent) == "s3://bucket/?region=x"
    assert path.drive == "s3://bucket"
    assert path.anchor == "s3://bucket/"
    assert path.parts == ("s3://bucket/", "a")
    assert (path / "s3://other/x") == StorePath("s3://other/x")
    assert path / Path("x") == path.joinpath("x") == StorePath(path, "x")
    assert path / "/x" == StorePath("s3://bucket/x?region=x")
    assert "/local" / StorePath("x") == StorePath("/local/x")
    assert path.is_absolute()
    assert path.as_posix() == str(path)
    assert repr(path) == "StorePath('s3://bucket/a?…')"
    with pytest.raises(TypeError):
        path / 5  # type: ignore[operator]  # the point of the test


def test_paths_are_compared_sorted_and_hashed() -> None:
    paths = [StorePath("s3://b/b"), StorePath("s3://b/a/c"), StorePath("s3://a/z"), StorePath("local")]
    assert [str(path) for path in sorted(paths)] == ["local", "s3://a/z", "s3://b/a/c", "s3://b/b"]
    assert len({*paths, StorePath("s3://b") / "b"}) == 4
    assert StorePath("s3://b/a") != StorePath("s3://b/a?region=x")
    assert StorePath("a") != "a"
    store, other = MemoryStore(), MemoryStore()
    assert StorePath("a", store=store) == StorePath("/a", store=store) != StorePath("a", store=other)


def test_the_way_from_one_path_to_another() -> None:
    path = StorePath("s3://b/a/b/c")
    assert path.relative_to("s3://b/a") == PurePosixPath("b/c")
    assert path.is_relative_to(StorePath("s3://b"))
    assert not path.is_relative_to("s3://other/a")
    for other in ("s3://b/x", "s3://other/a", "/a"):
        with pytest.raises(ValueError):
            path.relative_to(other)


def test_a_bound_path_pickles_with_its_store(tmp_path: Path) -> None:
    path = pickle.loads(pickle.dumps(StorePath("a/b", store=LocalStore(tmp_path))))
    assert path.key == "a/b"
    assert str(tmp_path) in repr(path)


@pytest.fixture(params=["url", "bound"])
def top(request: pytest.FixtureRequest, root: str) -> StorePath:
    """A path object on each kind of place, and as a key of a store."""
    if request.param == "url":
        return StorePath(root)
    if "://" not in root:
        return StorePath(root, "top")
    return StorePath("top", store=aiostore.connect(root))


async def test_what_pathlib_reads_and_writes(top: StorePath) -> None:
    file = top / "directory" / "file ü?.txt"
    if not (await top.exists()) or "://" not in str(top):
        await file.parent.mkdir(parents=True)
    assert await file.write_text("eins\r\nzwei\n", encoding="utf-8") == 11
    assert await file.read_bytes() == b"eins\r\nzwei\n"
    assert await file.read_text() == "eins\nzwei\n"
    assert await file.read_text(newline="") == "eins\r\nzwei\n"
    assert await file.write_bytes(bytearray(b"12345")) == 5
    assert (await file.stat()).st_size == 5
    assert await file.is_file()
    assert not await file.is_dir()
    assert await file.parent.is_dir()
    async with file.open("rb") as opened:
        assert await opened.read() == b"12345"
    async with aiostore.open(file, "rb") as opened:
        assert await opened.read() == b"12345"
    await file.unlink()
    await file.unlink(missing_ok=True)
    for ask in (file.unlink, file.read_bytes, file.stat):
        with pytest.raises(FileNotFoundError):
            await ask()
    await top.rmtree()


async def test_what_pathlib_lists(top: StorePath) -> None:
    for name in ("a/1.txt", "a/b/2.txt", "3.txt", "a/.4"):
        await (top / name).parent.mkdir(parents=True, exist_ok=True)
        await (top / name).write_bytes(b"")
    assert sorted([path.name async for path in top.iterdir()]) == ["3.txt", "a"]
    assert sorted([path.relative_to(top).as_posix() async for path in top.rglob("*.txt")]) == [
        "3.txt", "a/1.txt", "a/b/2.txt",
    ]  # fmt: skip
    assert sorted([path.name async for path in top.glob("a/*")]) == [".4", "1.txt", "b"]
    assert sorted([len(files) async for _, _, files in top.walk()]) == [1, 1, 2]
    tops = [path async for path, _, _ in top.walk()]
    assert all(path.is_relative_to(top) for path in tops)
    with pytest.raises(ValueError, match="Unacceptable"):
        [path async for path in top.glob("")]
    await top.rmtree()


async def test_what_pathlib_makes_moves_and_removes(top: StorePath) -> None:
    await top.mkdir(parents=True, exist_ok=True)
    directory = top / "new"
    await directory.mkdir()
    await directory.mkdir(exist_ok=True)
    for again in (directory.mkdir(), directory.touch(exist_ok=False)):
        with pytest.raises(FileExistsError):
            await again
    with pytest.raises(FileNotFoundError):
        await (top / "missing" / "new").mkdir()
    file = directory / "file"
    await file.touch()
    await file.touch()
    with pytest.raises(FileExistsError):
        await file.touch(exist_ok=False)
    with pytest.raises(FileExistsError):
        await file.mkdir(exist_ok=True)
    await file.write_bytes(b"data")
    assert await (await file.copy(top / "copy")).read_bytes() == b"data"
    assert await (await (top / "copy").rename(top / "renamed")).read_bytes() == b"data"
    assert not await (top / "copy").exists()
    assert await (await (top / "renamed").replace(file)).samefile(file)
    assert await (await directory.copy(top / "tree") / "file").read_bytes() == b"data"
    assert await (top / "tree" / "file").move(top) == top / "file"
    with pytest.raises(IsADirectoryError):
        await directory.unlink()
    with pytest.raises(IsADirectoryError):
        await directory.read_bytes()
    with pytest.raises(OSError, match="not empty"):
        await directory.rmdir()
    await (top / "tree").rmdir()
    await top.rmtree()
    assert not await top.exists()


async def test_a_store_without_empty_directories_says_so(tmp_path: Path) -> None:
    async with LocalStore(tmp_path) as store:
        with pytest.raises(NotSupportedError, match="use its path instead"):
            await StorePath("a", store=store).mkdir()


async def test_a_file_is_copied_between_stores_and_the_disk(tmp_path: Path) -> None:
    async with MemoryStore() as one, MemoryStore() as other:
        source = StorePath("a", store=one)
        await source.write_bytes(b"data")
        await source.copy(StorePath("b", store=other))
        await fs.copy(StorePath("b", store=other), tmp_path)
        assert (tmp_path / "b").read_bytes() == b"data"
        assert await (await source.copy("deep/key")).read_bytes() == b"data"
        assert await one.get("deep/key") == b"data"


async def test_a_local_path_is_a_local_path(tmp_path: Path) -> None:
    path = StorePath(tmp_path, "a")
    await path.touch()
    (tmp_path / "link").symlink_to("a")
    assert str(path) == str(tmp_path / "a")
    assert await StorePath(tmp_path, "link").is_symlink()
    assert not await path.is_mount()
    assert (await StorePath(tmp_path, "link").lstat()).st_mode != (await path.stat()).st_mode
    assert StorePath(tmp_path).drive == ""
