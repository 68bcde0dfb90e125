"""What Swift's answers and Keystone's catalogue mean, without a service."""

from __future__ import annotations

import pytest

from aiostore import (
    AlreadyExistsError,
    ConfigurationError,
    InvalidKeyError,
    NotSupportedError,
    PreconditionFailedError,
    RateLimitedError,
    StoreError,
    UnauthenticatedError,
    UnavailableError,
)
from aiostore._http.failure import Failure
from aiostore.drivers.keystone import endpoint_of, read_grant
from aiostore.drivers.swift_dialect import Info, read_info
from aiostore.drivers.swift_errors import plain_text, to_store_error
from aiostore.drivers.swift_headers import mark_segments, metadata_headers, own_crc32c, own_upload


@pytest.mark.parametrize(
    ("status", "operation", "kind"),
    [
        (401, "get", UnauthenticatedError),
        (409, "put", UnavailableError),
        (409, "delete_container", PreconditionFailedError),
        (413, "put", NotSupportedError),
        (422, "put", UnavailableError),
        (498, "get", RateLimitedError),
        (507, "put", UnavailableError),
        (418, "get", StoreError),
    ],
)
def test_a_status_is_an_error(status: int, operation: str, kind: type[StoreError]) -> None:
    assert type(to_store_error(Failure(status), operation=operation)) is kind


def test_a_refused_creation_is_an_object_that_exists() -> None:
    assert type(to_store_error(Failure(412), operation="put", demand="absent")) is AlreadyExistsError


def test_a_write_that_broke_off_may_have_happened() -> None:
    for status, answered in ((500, False), (503, False), (504, False), (429, True), (422, True)):
        error = to_store_error(Failure(status), operation="put")
        assert getattr(error, "answered", None) is answered


def test_a_key_that_is_too_long_is_told_from_other_bad_requests() -> None:
    assert type(to_store_error(Failure(400), operation="put", key="é" * 600)) is InvalidKeyError
    assert type(to_store_error(Failure(400), operation="put", key="short")) is StoreError
    said = Failure(400, message="Metadata value longer than 256: x")
    assert type(to_store_error(said, operation="put", key="short")) is ConfigurationError


def test_what_a_page_of_html_says_is_one_line() -> None:
    assert (
        plain_text(b"<html><h1>Conflict</h1>\n<p>There was a\tconflict.</p></html>") == "Conflict There was a conflict."
    )


def test_limits_that_nobody_said_are_the_common_ones() -> None:
    for data in (b"", b"[]", b"not JSON", b'{"slo": {"max_manifest_segments": "many"}}'):
        assert read_info(data) == Info()
    assert read_info(b'{"slo": {"max_manifest_segments": 100000}}').max_segments == 1000


def test_the_mark_of_a_large_object_holds_for_its_bytes_alone() -> None:
    headers = {**mark_segments("id", "e1", "0a0b0c0d"), "etag": '"e1"'}
    assert (own_upload(headers), own_crc32c(headers, "e1")) == ("id", "0a0b0c0d")
    headers["etag"] = '"e2"'
    assert (own_upload(headers), own_crc32c(headers, "e2")) == (None, None)
    assert own_upload({"x-object-meta-aiostore-segments": "nonsense", "etag": "e"}) is None


@pytest.mark.parametrize(
    ("name", "value"), [("a_b", "v"), ("é", "v"), ("", "v"), ("a", " v"), ("a", "v\n"), ("a", "=?x")]
)
def test_metadata_that_swift_would_change_is_refused(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError):
        metadata_headers({name: value})


CATALOG = [
    {"type": "identity", "endpoints": [{"interface": "public", "region_id": "One", "url": "http://k"}]},
    {
        "type": "object-store",
        "endpoints": [
            {"interface": "public", "region_id": "One", "url": "http://one"},
            {"interface": "internal", "region_id": "One", "url": "http://inner"},
            {"interface": "public", "region": "Two", "url": "http://two"},
        ],
    },
]


def test_a_catalogue_is_searched_by_interface_and_region() -> None:
    assert endpoint_of(CATALOG, "public", "Two") == "http://two"
    assert endpoint_of(CATALOG, "internal", None) == "http://inner"
    with pytest.raises(ConfigurationError, match="One or Two"):
        endpoint_of(CATALOG, "public", None)
    for catalog in ([], [None, "x", {"type": "object-store"}], CATALOG):
        with pytest.raises(ConfigurationError, match="names no admin endpoint"):
            endpoint_of(catalog, "admin", None)


def test_an_answer_without_a_token_is_none() -> None:
    for token, document in (("", {"token": {}}), ("t", []), ("t", {"token": []}), ("t", None)):
        with pytest.raises(UnavailableError):
            read_grant(token, document)
    with pytest.raises(UnavailableError):
        read_grant("t", {"token": {"expires_at": "tomorrow"}})
    assert read_grant("t", {"token": {"expires_at": "1970-01-01T00:01:00.000000Z"}}).expires_at == 60
