from __future__ import annotations

from pathlib import Path

import pytest

import aiostore
from aiostore import schemes
from aiostore.location import parse
from aiostore.url import sibling, split


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("memory://", "memory://memory"),
        ("memory://box", "memory://box"),
        ("memory://box/some/folder", "memory://box/some/folder/"),
        ("memory://box/some/folder/", "memory://box/some/folder/"),
        ("memory://box/a%20b", "memory://box/a b/"),
        ("MEMORY://box", "memory://box"),
        ("s3://key:se%2Fcret@bucket/a", "s3://bucket/a/"),
    ],
)
def test_a_url_names_a_store(url: str, location: str) -> None:
    assert aiostore.connect(url).location == location


async def test_a_path_is_a_local_store(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"hello")
    for url in (str(tmp_path), tmp_path, tmp_path.as_uri(), f"file://localhost{tmp_path}"):
        async with aiostore.connect(url) as store:
            assert isinstance(store, aiostore.LocalStore)
            assert await store.get("a.txt") == b"hello"


def test_s3_takes_its_options_from_the_query_and_from_keywords() -> None:
    store = aiostore.connect(
        "s3://bucket/some?endpoint=http://127.0.0.1:9&region=eu-west-1&skip_signature=true", virtual_hosted=False
    )
    assert isinstance(store, aiostore.S3Store)
    assert store.location == "s3://bucket/some/"


def test_a_keyword_wins_over_the_query() -> None:
    store = aiostore.connect("memory://box?prefix=a/", prefix="b/")
    assert store.location == "memory://box/b/"


@pytest.mark.parametrize(
    ("url", "store"),
    [
        ("https://host.example/a", aiostore.HTTPStore),
        ("https://account.blob.core.windows.net/container/a", aiostore.AzureStore),
        ("https://host.example/v1/AUTH_account/container/a", aiostore.SwiftStore),
        ("https://account.blob.core.windows.net.elsewhere.example/container/a", aiostore.HTTPStore),
        ("https://host.example/x?y=/v1/AUTH_account/container", aiostore.HTTPStore),
    ],
)
def test_an_https_url_is_of_the_service_that_it_looks_like(url: str, store: type[aiostore.Store]) -> None:
    scheme = schemes.find(parse(url))
    assert scheme is not None
    assert scheme.store is store


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "empty"),
        ("gopher://x", "unknown scheme 'gopher'"),
        ("s3://", "names no bucket"),
        ("memory://x?colour=red", "unknown option 'colour'"),
        ("memory://x?versioning=maybe", "write true or false"),
        ("memory://x?retry=5", "pass it as a keyword"),
        ("file://elsewhere/x", "another host"),
        ("s3://[bad", "taken apart"),
        ("memory://me:secret@box", "holds credentials"),
        ("s3://key:half/other@bucket", "percent-encode"),
        ("s3://key@bucket", "belong together"),
    ],
)
def test_a_bad_url_says_what_is_wrong(url: str, reason: str) -> None:
    with pytest.raises(aiostore.ConfigurationError, match=reason):
        aiostore.connect(url)


def test_an_unknown_keyword_says_which_there_are() -> None:
    with pytest.raises(aiostore.ConfigurationError, match=r"unknown option 'colour'.*prefix"):
        aiostore.connect("memory://x", colour="red")


def test_something_else_than_a_url_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="int"):
        aiostore.connect(5)  # type: ignore[arg-type]  # the point of the test


def test_a_windows_drive_is_a_path() -> None:
    assert parse("C:\\data").scheme == "file"


@pytest.mark.parametrize(
    ("url", "container", "key"),
    [
        ("s3://bucket/a/b.txt", "s3://bucket/", "a/b.txt"),
        ("s3://bucket/a%20b?region=x&endpoint=http%3A%2F%2Fh", "s3://bucket/?region=x&endpoint=http%3A%2F%2Fh", "a b"),
        ("s3://key:secret@bucket/a/", "s3://key:secret@bucket/", "a/"),
        ("s3://bucket", "s3://bucket/", ""),
        ("memory://box//a", "memory://box/", "/a"),
        ("https://host.example:8443/a/b%20c", "https://host.example:8443/", "a/b c"),
        ("https://host.example/a?token=x", "https://host.example/?token=x", "a"),
        ("gs://bucket/a/b", "gs://bucket/", "a/b"),
        ("/data/a/b.txt", "/data/a", "b.txt"),
        ("100%25.txt", ".", "100%25.txt"),
        ("/", "/", ""),
        ("file:///data/a/b%20c?fsync=no", "file:///data/a?fsync=no", "b c"),
        ("file:///b", "file:///", "b"),
    ],
)
def test_the_url_of_an_object_is_split_into_container_and_key(url: str, container: str, key: str) -> None:
    assert split(url) == (container, key)
    aiostore.connect(container)


@pytest.mark.parametrize(
    ("url", "other", "container"),
    [
        ("s3://a?region=x", "s3://b?region=x", "a"),
        ("s3://a?region=x", "s3://b?region=y", None),
        ("s3://a", "s3a://b", "a"),
        ("s3://me:secret@a", "s3://me:secret@b", "a"),
        ("s3://me:secret@a", "s3://b", None),
        ("s3://a", "memory://b", None),
        ("memory://a", "memory://b", "a"),
        ("gs://a%20b", "gs://b", "a b"),
        ("swift://a", "swift://b", "a"),
        ("az://a?account=x", "az://b?account=x", "a"),
        ("az://a?account=x", "az://b?account=y", None),
        ("abfss://a@x.dfs.core.windows.net", "abfss://b@x.dfs.core.windows.net", "a"),
        ("abfss://a@x.dfs.core.windows.net", "abfss://b@y.dfs.core.windows.net", None),
        ("https://x.blob.core.windows.net/a", "https://x.blob.core.windows.net/b", "a"),
    ],
)
def test_containers_of_one_service_are_siblings(url: str, other: str, container: str | None) -> None:
    assert sibling(url, other) == container
