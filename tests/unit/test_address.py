"""URLs of objects are taken apart and put together without losing anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiostore import ConfigurationError
from aiostore.address import Address, parse

KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda key: not key.endswith("/"))
QUERIES = st.sampled_from(["", "?endpoint=http://127.0.0.1:9000&region=x", "?versioning=true"])


@given(key=KEYS, query=QUERIES)
def test_every_key_survives_its_url(key: str, query: str) -> None:
    url = str(Address("s3://bucket", f"/{key}", query))
    assert parse(url) == Address("s3://bucket", f"/{key}", query)
    assert Address("s3://bucket", f"/{key}", query).container == f"s3://bucket{query}"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("s3://b/k", Address("s3://b", "/k")),
        ("s3://b", Address("s3://b")),
        ("s3://b/", Address("s3://b", "/")),
        ("s3://b/a/b//c/?region=x", Address("s3://b", "/a/b//c/", "?region=x")),
        ("s3://b/a b%20#é", Address("s3://b", "/a b #é")),
        ("memory://", Address("memory://")),
        ("memory:///k", Address("memory://", "/k")),
        ("memory://b//k", Address("memory://b", "//k")),
        ("file:///a/b%3F", "/a/b?"),
        ("file://localhost/a/b", "/a/b"),
        ("/a/b?c%41", "/a/b?c%41"),
        ("a/b", "a/b"),
    ],
)
def test_a_url_is_its_container_and_its_key(url: str, address: Address | str) -> None:
    assert parse(url) == address
    if isinstance(address, Address):
        assert parse(str(address)) == address


@pytest.mark.parametrize("url", ["file://elsewhere/a", "file:///a?fsync=false"])
def test_a_local_file_has_neither_host_nor_options(url: str) -> None:
    with pytest.raises(ConfigurationError, match="three slashes"):
        parse(url)


def test_bytes_are_no_path() -> None:
    with pytest.raises(TypeError, match="not bytes"):
        parse(b"/a")  # type: ignore[arg-type]  # the point of the test


def test_messages_show_no_options() -> None:
    address = parse("s3://id:hidden@b/k?secret_access_key=hidden")
    assert isinstance(address, Address)
    assert address.shown == "s3://b/k"
