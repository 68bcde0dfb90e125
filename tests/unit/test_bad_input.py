from __future__ import annotations

import datetime as dt
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import aiostore
from aiostore import MemoryStore


@pytest.fixture
async def store() -> AsyncIterator[MemoryStore]:
    async with MemoryStore() as store:
        await store.put("k", b"0123456789")
        yield store


Call = Callable[[Any], Awaitable[object]]


async def consumed(stream: Any) -> None:
    async for _ in stream:
        pass


@pytest.mark.parametrize(
    ("call", "error", "reason"),
    [
        (lambda s: s.put("k", "text"), TypeError, "encode it to bytes, or wrap it in Path"),
        (lambda s: s.put("k", 5), TypeError, "not int"),
        (lambda s: s.put("k", io.StringIO("x")), TypeError, "binary mode"),
        (lambda s: s.put("k", ["text"]), TypeError, "yields str"),
        (lambda s: s.put("", b""), aiostore.InvalidKeyError, "empty"),
        (lambda s: s.put("\ud800", b""), aiostore.InvalidKeyError, "surrogate"),
        (lambda s: s.put(7, b""), TypeError, "a key is a str, not int"),
        (lambda s: s.put("k", b"", metadata={"a": 1}), TypeError, "int"),
        (lambda s: s.put("k", b"", if_match=5), TypeError, "if_match"),
        (lambda s: s.put("k", b"", if_absent=True, if_none_match="x"), aiostore.ConfigurationError, "exclude"),
        (lambda s: s.put("k", b"", part_size=1), aiostore.ConfigurationError, "part_size=1"),
        (lambda s: s.put("k", b"", concurrency=0), aiostore.ConfigurationError, "concurrency"),
        (lambda s: s.put("k", Path("/no/such/file")), FileNotFoundError, "no/such/file"),
        (lambda s: s.put("k", Path("/")), IsADirectoryError, "directory"),
        (lambda s: s.get("k", start=11), aiostore.InvalidRangeError, "range"),
        (lambda s: s.get("k", start=5, stop=3), aiostore.InvalidRangeError, "not a range"),
        (lambda s: s.get("k", start=-5, stop=3), aiostore.InvalidRangeError, "negative start alone"),
        (lambda s: s.get("k", start="1"), TypeError, "number of bytes"),
        (lambda s: s.get("k", start=True), TypeError, "number of bytes"),
        (lambda s: s.get_ranges("k", [(3, 1)]), aiostore.InvalidRangeError, "not a range"),
        (lambda s: s.get_ranges("k", [(0, 3), (20, 30)]), aiostore.InvalidRangeError, "past the end"),
        (lambda s: s.get("k", if_modified_since=dt.datetime(2026, 1, 1)), aiostore.ConfigurationError, "time zone"),  # noqa: DTZ001
        (lambda s: s.get("k", if_match=aiostore.PutResult()), aiostore.ConfigurationError, "neither an ETag"),
        (lambda s: s.get("k", if_match="other"), aiostore.PreconditionFailedError, "k"),
        (lambda s: consumed(s.stream("k", chunk_size=0)), aiostore.ConfigurationError, "chunk_size"),
        (lambda s: consumed(s.stream("k", concurrency=0)), aiostore.ConfigurationError, "concurrency"),
        (lambda s: s.get("missing"), aiostore.NotFoundError, "missing"),
        (lambda s: s.get("missing"), FileNotFoundError, "missing"),
        (lambda s: consumed(s.stream("missing")), aiostore.NotFoundError, "missing"),
        (lambda s: s.head("missing"), aiostore.NotFoundError, "missing"),
        (lambda s: s.copy("missing", "k"), aiostore.NotFoundError, "missing"),
        (lambda s: s.rename("missing", "k"), aiostore.NotFoundError, "missing"),
        (lambda s: s.delete(""), aiostore.InvalidKeyError, "empty"),
        (lambda s: s.list_with_delimiter(delimiter=""), aiostore.ConfigurationError, "delimiter"),
        (lambda s: s.sign("k", expires_in=0), aiostore.ConfigurationError, "expires_in"),
        (lambda s: s.sign("k"), aiostore.NotSupportedError, "sign"),
        (lambda s: s.download("k", "path"), TypeError, "Path or an open binary file"),
        (lambda s: s.sibling("nowhere").get("k"), aiostore.NotFoundError, "nowhere"),
        (lambda s: s.get_json("k2"), aiostore.NotFoundError, "k2"),
    ],
)
async def test_bad_input_is_a_clear_error_and_changes_nothing(
    store: MemoryStore, call: Call, error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        await call(store)
    assert await store.get("k") == b"0123456789"
    assert [meta.key async for meta in store.list()] == ["k"]
    assert [upload async for upload in store.uploads()] == []


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.get("k"),
        lambda s: s.put("k", b""),
        lambda s: s.head("k"),
        lambda s: s.exists("k"),
        lambda s: s.delete("k"),
        lambda s: s.delete_many(["k"]),
        lambda s: s.copy("k", "l"),
        lambda s: s.get_ranges("k", [(0, 1)]),
        lambda s: consumed(s.stream("k")),
        lambda s: consumed(s.list()),
        lambda s: s.list_with_delimiter(),
        lambda s: s.sign("k"),
    ],
)
async def test_a_closed_store_says_so(call: Call) -> None:
    store = MemoryStore()
    prefixed = store.with_prefix("a/")
    await store.aclose()
    await store.aclose()
    for closed in (store, prefixed):
        with pytest.raises(aiostore.StoreClosedError, match="closed"):
            await call(closed)


def test_unknown_integrity_is_refused() -> None:
    with pytest.raises(aiostore.ConfigurationError, match="integrity"):
        MemoryStore(integrity="maybe")  # type: ignore[arg-type]  # the point of the test


@pytest.mark.parametrize("field", ["requests", "reads", "writes", "part_size"])
def test_limits_of_nothing_are_refused(field: str) -> None:
    nothing: dict[str, Any] = {field: 0}
    with pytest.raises(aiostore.ConfigurationError, match=field):
        aiostore.Limits(**nothing)


def test_unknown_client_options_are_named() -> None:
    with pytest.raises(aiostore.ConfigurationError, match="unknown client option 'colour'"):
        aiostore.ClientOptions.of({"colour": "red"})
