"""Listings of Swift: what is read in one go says what the JSON says."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiostore.drivers.swift_listing import read_page

NAMES = st.one_of(st.text(min_size=1), st.sampled_from(['a"b', "a\\b", "}, {", "é", '"}, {"bytes": 1', "a, b"]))
OBJECTS = st.fixed_dictionaries(
    {
        "bytes": st.integers(0, 2**62),
        "hash": st.one_of(st.from_regex("[0-9a-f]{32}", fullmatch=True), st.just(""), NAMES),
        "name": NAMES,
        "content_type": st.one_of(st.just('text/plain; charset="x"'), st.just(""), st.text()),
        "last_modified": st.datetimes().map(lambda time: time.isoformat(timespec="microseconds")),
    },
    optional={"slo_etag": st.just('"0123"')},
)
ROWS = st.lists(st.one_of(OBJECTS, st.fixed_dictionaries({"subdir": NAMES})))


@given(rows=ROWS)
def test_a_page_says_the_same_however_it_is_read(rows: list[dict[str, object]]) -> None:
    spaced = json.dumps(rows)
    # Which is not how Swift writes it, so that the parser reads it.
    dense = json.dumps(rows, separators=(",", ":"))
    found = read_page(spaced.encode("utf-8", "surrogatepass"))
    assert found == read_page(dense.encode("utf-8", "surrogatepass"))
    named = [row.get("name", row.get("subdir")) for row in rows]
    assert sorted([meta.key for meta in found.objects] + found.prefixes) == sorted(map(str, named))
    assert found.last == (named[-1] if named else None)


def test_a_row_is_an_object() -> None:
    row = {
        "bytes": 5,
        "hash": "5d41402abc4b2a76b9719d911017c592",
        "name": "a b",
        "content_type": "text/plain",
        "last_modified": "2026-11-21T14:50:53.823450",
    }
    (meta,) = read_page(json.dumps([row]).encode()).objects
    assert (meta.key, meta.size, meta.etag, meta.content_type) == ("a b", 5, row["hash"], "text/plain")
    assert meta.last_modified == datetime(2026, 11, 21, 14, 50, 53, 823450, tzinfo=UTC)


def test_a_large_object_is_shown_with_its_own_etag() -> None:
    row = {"bytes": 5, "hash": "of the manifest", "name": "a", "content_type": "", "slo_etag": '"of the object"'}
    assert read_page(json.dumps([row]).encode()).objects[0].etag == "of the object"


@pytest.mark.parametrize(
    "data",
    [
        b"<html>",
        b'{"name": "a"}',
        b'[{"bytes": 1}]',
        b"[1]",
        b'["name"]',
        b'[{"name": "a", "last_modified": "yesterday"}]',
        b'[{"name": "a", "bytes": "many"}]',
        b'[{"name": "a"}',
        b'[{"bytes": 1, "hash": "5d41402abc4b2a76b9719d911017c592", "name": "a", "content_type": "",'
        b' "last_modified": "never, as far as one knows"}]',
        b"\xff",
    ],
)
def test_what_is_no_listing_is_none(data: bytes) -> None:
    with pytest.raises((ValueError, LookupError, TypeError, AttributeError)):
        read_page(data)
