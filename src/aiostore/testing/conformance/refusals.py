"""Bad input, closed stores and missing features: clear typed errors that name everything but secrets."""
# ruff: noqa: D102, S101  # a test's name says what it shows

from __future__ import annotations

import asyncio
import pickle
import traceback
from collections.abc import Awaitable, Callable, Mapping

import pytest

from aiostore.errors import (
    InvalidKeyError,
    InvalidRangeError,
    NotFoundError,
    NotSupportedError,
    PreconditionFailedError,
    StoreClosedError,
    StoreError,
)
from aiostore.store import Store
from aiostore.testing.conformance.suite import Suite, keys_of, lacks, requires, supports


class Refusals(Suite):
    """Tests of the store's capabilities, its errors and its end."""

    async def test_the_store_has_exactly_the_expected_capabilities(self, store: Store) -> None:
        assert store.capabilities == self.capabilities

    async def test_an_error_says_what_was_done_to_what(self, store: Store) -> None:
        await store.put("key", b"value")
        cases: list[tuple[type[StoreError], str, str, Awaitable[object]]] = [
            (NotFoundError, "get", "missing", store.get("missing")),
            (NotFoundError, "head", "missing", store.head("missing")),
            (InvalidRangeError, "get", "key", store.get("key", start=10)),
            (PreconditionFailedError, "get", "key", store.get("key", if_match="0" * 32)),
            (InvalidKeyError, "get", "", store.get("")),
        ]
        for kind, operation, key, call in cases:
            with pytest.raises(kind) as caught:
                await call
            assert (caught.value.operation, caught.value.key) == (operation, key)
            assert str(caught.value).startswith(operation)
            assert repr(key) in str(caught.value)

    async def test_an_error_names_the_store(self, store: Store) -> None:
        with pytest.raises(NotFoundError) as caught:
            await store.get("missing")
        assert caught.value.store == store.location
        assert store.location in str(caught.value)

    async def test_errors_can_be_pickled(self, store: Store) -> None:
        with pytest.raises(NotFoundError) as caught:
            await store.get("missing")
        loaded = pickle.loads(pickle.dumps(caught.value))  # noqa: S301  # made one line ago
        assert type(loaded) is NotFoundError
        assert (loaded.key, loaded.operation, loaded.store) == ("missing", caught.value.operation, caught.value.store)
        assert str(loaded) == str(caught.value)

    async def test_no_secret_is_shown(self, store: Store) -> None:
        shown = [repr(store), str(store), store.location, repr(store.capabilities)]
        for call in (store.get("missing"), store.get_range("missing", 5), store.copy("missing", "other")):
            with pytest.raises(StoreError) as caught:
                await call
            shown += [str(caught.value), repr(caught.value), "".join(traceback.format_exception(caught.value))]
        assert [secret for secret in self.secrets if any(secret in text for text in shown)] == []

    async def test_a_closed_store_says_so(self, store: Store) -> None:
        await store.put("closed/key", b"value")
        closed = store.with_prefix("closed/")
        await closed.aclose()
        await closed.aclose()
        answers = {verb: await asyncio.gather(call(), return_exceptions=True) for verb, call in _calls(closed).items()}
        assert {verb: type(answer) for verb, [answer] in answers.items()} == dict.fromkeys(answers, StoreClosedError)
        assert await store.get("closed/key") == b"value"

    @requires(lacks("put"))
    async def test_writing_is_refused_where_the_service_only_reads(self, store: Store) -> None:
        with pytest.raises(NotSupportedError):
            await store.put("key", b"value")

    @requires(lacks("delete"))
    async def test_deleting_is_refused_where_the_service_cannot(self, store: Store) -> None:
        with pytest.raises(NotSupportedError):
            await store.delete("key")

    @requires(lacks("list_page"))
    async def test_listing_is_refused_where_the_service_cannot(self, store: Store) -> None:
        with pytest.raises(NotSupportedError):
            await keys_of(store)
        with pytest.raises(NotSupportedError):
            await store.list_with_delimiter()

    @requires(lacks("list_multipart"))
    async def test_listing_uploads_is_refused_where_the_service_has_none(self, store: Store) -> None:
        with pytest.raises(NotSupportedError):
            assert [upload.id async for upload in store.uploads()]

    @requires(supports("list_multipart"))
    async def test_no_uploads_are_listed_where_none_is_under_way(self, store: Store) -> None:
        assert [upload.id async for upload in store.uploads()] == []


def _calls(store: Store) -> Mapping[str, Callable[[], Awaitable[object]]]:
    async def stream() -> object:
        return [chunk async for chunk in store.stream("key")]

    return {
        "get": lambda: store.get("key"),
        "put": lambda: store.put("key", b"value"),
        "head": lambda: store.head("key"),
        "exists": lambda: store.exists("key"),
        "size": lambda: store.size("key"),
        "stream": stream,
        "list": lambda: keys_of(store),
        "list_with_delimiter": store.list_with_delimiter,
        "get_range": lambda: store.get_range("key", 0, 1),
        "get_ranges": lambda: store.get_ranges("key", [(0, 1)]),
        "delete": lambda: store.delete("key"),
        "delete_many": lambda: store.delete_many(["key"]),
        "copy": lambda: store.copy("key", "target"),
        "rename": lambda: store.rename("key", "target"),
    }
