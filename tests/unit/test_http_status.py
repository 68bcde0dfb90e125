"""What statuses, headers and ranges mean."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from aiostore import errors
from aiostore._http.status import (
    check_range,
    content_range,
    error_from_status,
    http_date,
    meta_from_headers,
    range_header,
    retry_after,
    unquote_etag,
)
from aiostore.types import ObjectMeta

MEANINGS: list[tuple[int, type[errors.StoreError]]] = [
    (304, errors.NotModifiedError),
    (400, errors.StoreError),
    (401, errors.UnauthenticatedError),
    (403, errors.PermissionDeniedError),
    (404, errors.NotFoundError),
    (405, errors.NotSupportedError),
    (407, errors.ConfigurationError),
    (408, errors.UnavailableError),
    (409, errors.StoreError),
    (410, errors.NotFoundError),
    (412, errors.PreconditionFailedError),
    (416, errors.InvalidRangeError),
    (418, errors.StoreError),
    (429, errors.RateLimitedError),
    (500, errors.UnavailableError),
    (501, errors.NotSupportedError),
    (502, errors.UnavailableError),
    (503, errors.UnavailableError),
    (504, errors.UnavailableError),
    (505, errors.NotSupportedError),
    (507, errors.UnavailableError),
    (301, errors.ConfigurationError),
    (307, errors.ConfigurationError),
]


@pytest.mark.parametrize(("status", "kind"), MEANINGS)
def test_a_status_is_an_error_that_says_what_and_where(status: int, kind: type[errors.StoreError]) -> None:
    error = error_from_status(status, key="a", operation="get", store="http://x")
    assert type(error) is kind
    assert str(error).startswith("get 'a' on http://x: ")
    assert type(pickle.loads(pickle.dumps(error))) is kind  # our own


def test_the_services_own_words_come_first() -> None:
    assert error_from_status(403, "no such access key").message == "no such access key"


def test_a_redirect_names_its_host_and_not_its_signature() -> None:
    error = error_from_status(301, headers={"Location": "https://user:secret@other.example/a?signature=secret"})
    assert "https://other.example" in str(error)
    assert "secret" not in str(error)


@pytest.mark.parametrize("location", ["/relative", "https://[", ""])
def test_a_redirect_to_nowhere_is_still_an_error(location: str) -> None:
    assert "HTTP 307" in str(error_from_status(307, headers={"Location": location}))


@pytest.mark.parametrize("status", [408, 429, 500, 503, 504])
def test_temporary_errors_carry_what_the_service_asks_for(status: int) -> None:
    error = error_from_status(status, headers=CIMultiDict({"retry-after": "7"}))
    assert isinstance(error, errors.TransientError)
    assert (error.retry_after, error.answered) == (7.0, True)


NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        (" 120 ", 120.0),
        ("Sat, 21 Nov 2026 08:01:30 GMT", 90.0),
        ("Sat, 21 Nov 2026 07:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("²", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds


@given(st.datetimes(min_value=datetime(1000, 1, 1), max_value=datetime(9999, 12, 31)))  # noqa: DTZ001
def test_dates_of_http_are_read_exactly(moment: datetime) -> None:
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    assert http_date(format_datetime(moment, usegmt=True)) == moment


@pytest.mark.parametrize(
    "value",
    ["Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "Sun, 06 Nov 1994 09:49:37 +0100"],
)
def test_old_and_odd_dates_are_read(value: str) -> None:
    assert http_date(value) == datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)


@pytest.mark.parametrize(
    "value", ["", "yesterday", "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 99 Nov 1994 08:49:37 GMT", "x" * 25 + " GMT"]
)
def test_what_is_no_date_is_none(value: str) -> None:
    assert http_date(value) is None


@pytest.mark.parametrize(
    ("value", "etag"), [('"abc"', "abc"), ('W/"abc"', "abc"), ("abc", "abc"), ('""', ""), ('"', '"'), (None, None)]
)
def test_an_etag_loses_quotes_and_weakness(value: str | None, etag: str | None) -> None:
    assert unquote_etag(value) == etag


def test_headers_become_metadata_in_any_case() -> None:
    headers = CIMultiDict({
        "content-length": "12",
        "ETAG": 'W/"abc"',
        "last-modified": "Sun, 06 Nov 1994 08:49:37 GMT",
        "Content-Type": "text/plain",
        "content-ENCODING": "gzip",
        "Content-Disposition": "inline",
        "Content-Language": "de",
        "Cache-Control": "no-store",
        "X-Amz-Meta-Color": "red",
        "x-amz-meta-": "nothing",
        "x-amz-other": "1",
    })  # fmt: skip
    assert meta_from_headers("k", headers, metadata_prefix="x-amz-meta-") == ObjectMeta(
        key="k",
        size=12,
        etag="abc",
        last_modified=datetime(1994, 11, 6, 8, 49, 37, tzinfo=timezone(timedelta(0))),
        content_type="text/plain",
        content_encoding="gzip",
        content_disposition="inline",
        content_language="de",
        cache_control="no-store",
        metadata={"color": "red"},
    )


def test_the_size_of_a_range_is_not_the_objects() -> None:
    headers = CIMultiDict({"Content-Length": "5"})
    assert meta_from_headers("k", headers, metadata_prefix="x-", size=1000).size == 1000


# --- ranges -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "stop", "header"),
    [
        (None, None, None),
        (0, None, None),
        (5, None, "bytes=5-"),
        (0, 1, "bytes=0-0"),
        (None, 10, "bytes=0-9"),
        (5, 10, "bytes=5-9"),
        (-5, None, "bytes=-5"),
    ],
)
def test_a_half_open_range_becomes_the_closed_one_of_http(
    start: int | None, stop: int | None, header: str | None
) -> None:
    assert range_header(start, stop) == header


@pytest.mark.parametrize(("start", "stop"), [(5, 5), (5, 4), (0, 0), (-5, 10)])
def test_what_http_cannot_ask_for_is_refused(start: int, stop: int) -> None:
    with pytest.raises(errors.InvalidRangeError):
        range_header(start, stop)


@given(st.integers(0, 10**15), st.integers(1, 10**15), st.integers(0, 10**15))
def test_a_content_range_is_read_back(start: int, length: int, rest: int) -> None:
    stop, total = start + length, start + length + rest
    assert content_range(f"bytes {start}-{stop - 1}/{total}") == (start, stop, total)
    assert content_range(f"bytes {start}-{stop - 1}/*") == (start, stop, None)
    assert content_range(f"bytes */{total}") == (None, None, total)


@pytest.mark.parametrize(
    "value",
    [
        "", "bytes", "bytes 0-1", "bytes 1-0/5", "bytes 0-5/5", "bytes */*", "items 0-1/2", "bytes=0-1/2",
        "bytes 0-1/2 ", "bytes -1/2", "bytes 0-/2", "bytes ٠-١/٢", "bytes 0-1/2\n", "Bytes 0-1/2",
    ],
)  # fmt: skip
def test_what_is_no_content_range_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="Content-Range"):
        content_range(value)


@given(data=st.data(), size=st.integers(1, 1000))
def test_an_honest_answer_passes_whatever_was_asked(data: st.DataObject, size: int) -> None:
    start = data.draw(st.integers(-size - 5, size - 1))
    stop = None if start < 0 else data.draw(st.none() | st.integers(start + 1, size + 100))
    first = max(0, size + start) if start < 0 else start
    end = size if stop is None else min(stop, size)
    headers = {"Content-Range": f"bytes {first}-{end - 1}/{size}", "Content-Length": str(end - first)}
    assert check_range(206, headers, start, stop) == (first, end, size)


def test_an_ignored_range_shows_as_the_whole_object() -> None:
    assert check_range(200, {"Content-Length": "100"}, 5, 10) == (0, 100, 100)


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (206, {}),
        (206, {"Content-Range": "bytes 0-4/100"}),
        (206, {"Content-Range": "bytes 5-8/100"}),
        (206, {"Content-Range": "bytes 5-10/100"}),
        (206, {"Content-Range": "bytes 5-9/*"}),
        (206, {"Content-Range": "bytes */100"}),
        (206, {"Content-Range": "bytes 5-9/100", "Content-Length": "6"}),
        (200, {}),
    ],
)
def test_an_answer_that_lies_about_its_range_is_not_used(status: int, headers: dict[str, str]) -> None:
    with pytest.raises(errors.UnavailableError, match="wrong range") as caught:
        check_range(status, headers, 5, 10, key="k")
    assert caught.value.key == "k"
