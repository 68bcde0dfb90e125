"""What can be said of a path without looking is what posixpath says of a URL's path, options kept."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiostore import fs
from aiostore.address import Address

SEGMENTS = st.sampled_from(["a", "b.c", "", ".", "..", "a b", "100%", "who?", "%41", ".d", "e.tar.gz"])
PATHS = st.lists(SEGMENTS, max_size=5).map("/".join)
QUERIES = st.sampled_from(["", "?region=x&endpoint=http://127.0.0.1:9"])


@given(path=PATHS, query=QUERIES, more=PATHS, start=PATHS)
def test_the_path_of_a_url_is_a_posix_path(path: str, query: str, more: str, start: str) -> None:
    def url(path: str) -> str:
        return str(Address("s3://bucket", path, query))

    path = f"/{path}"
    assert fs.join(url(path), more) == url(posixpath.join(path, more))
    assert fs.join(*fs.split(url(path))) == url(posixpath.join(*posixpath.split(path)))
    assert fs.basename(url(path)) == posixpath.basename(path)
    assert fs.dirname(url(path)) == url(posixpath.dirname(path))
    assert fs.splitext(url(path)) == (url(posixpath.splitext(path)[0]), posixpath.splitext(path)[1])
    assert "".join(fs.splitdrive(url(path))) == url(path)
    assert fs.relpath(url(path), url(f"/{start}")) == posixpath.relpath(path, f"/{start}")
    assert fs.normpath(url(path)) == url("/" + posixpath.normpath(path).lstrip("/"))
    assert fs.isabs(url(path))


@given(path=PATHS, more=PATHS)
def test_a_local_path_is_os_path_s(path: str, more: str) -> None:
    assert fs.join(path, more) == os.path.join(path, more)
    assert fs.split(path) == os.path.split(path)
    assert fs.splitext(path) == os.path.splitext(path)
    assert fs.splitdrive(path) == os.path.splitdrive(path)
    assert fs.normpath(path) == os.path.normpath(path)
    assert fs.isabs(path) == os.path.isabs(path)
    if path:
        assert fs.relpath(path) == os.path.relpath(path)


@pytest.mark.parametrize(
    ("parts", "joined"),
    [
        (("s3://b", "a"), "s3://b/a"),
        (("s3://b?region=x", "a", "b"), "s3://b/a/b?region=x"),
        (("s3://b/a", "/c"), "s3://b/c"),
        (("s3://b/a", "s3://other/c"), "s3://other/c"),
        (("/a", "s3://b/c"), "s3://b/c"),
        (("s3://b/a", ""), "s3://b/a/"),
        ((Path("/a"), "b"), "/a/b"),
        (("file:///a", "b"), "/a/b"),
    ],
)
def test_join(parts: tuple[str | Path, ...], joined: str) -> None:
    assert fs.join(*parts) == joined


def test_a_container_has_no_name_and_is_its_own_parent() -> None:
    for url in ("s3://b", "s3://b?region=x"):
        assert fs.split(url) == (url, "")
        assert fs.normpath(url) == url
        assert fs.relpath(url) == "."
    assert fs.relpath("s3://b/a/b") == "a/b"


def test_there_is_no_way_from_one_container_to_another() -> None:
    for path, start in (("s3://b/a", "s3://c/a"), ("s3://b/a", "/a"), ("/a", "s3://b/a"), ("s3://b/a", "s3://b/a?x=y")):
        with pytest.raises(ValueError, match="different containers"):
            fs.relpath(path, start)
