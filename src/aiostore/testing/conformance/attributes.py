"""What is stored beside the bytes: user metadata, content headers, size and times."""
# ruff: noqa: D102, S101  # a test's name says what it shows

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from aiostore.capabilities import Capabilities
from aiostore.errors import StoreError
from aiostore.store import Store
from aiostore.testing.conformance.suite import Suite, payload, requires, supports
from aiostore.types import ObjectMeta

HEADERS: Final = {
    "content_type": "text/x-conformance; charset=utf-8",
    "content_encoding": "x-conformance",
    "content_disposition": 'attachment; filename="a b.txt"',
    "content_language": "de-CH",
    "cache_control": "max-age=60, private",
}


def _keeps_metadata(capabilities: Capabilities) -> bool:
    return capabilities.metadata


def _headers_of(meta: ObjectMeta) -> dict[str, str | None]:
    return {
        "content_type": meta.content_type,
        "content_encoding": meta.content_encoding,
        "content_disposition": meta.content_disposition,
        "content_language": meta.content_language,
        "cache_control": meta.cache_control,
    }


class Attributes(Suite):
    """Tests of what ``head``, ``stream().meta`` and listings say of an object."""

    async def test_head_says_key_size_and_time(self, store: Store) -> None:
        await store.put("key", payload(1234))
        meta = await store.head("key")
        assert (meta.key, meta.size) == ("key", 1234)
        assert meta.last_modified is not None
        assert meta.last_modified.utcoffset() == timedelta(0)
        assert abs(meta.last_modified - datetime.now(UTC)) < timedelta(minutes=5)

    async def test_an_etag_has_no_quotes_and_no_weak_mark(self, store: Store) -> None:
        await store.put("key", b"value")
        etag = (await store.head("key")).etag
        assert etag
        assert '"' not in etag
        assert not etag.startswith("W/")

    @requires(supports("list_page"))
    async def test_a_listing_says_the_same_as_head(self, store: Store) -> None:
        await store.put("key", payload(1234))
        head = await store.head("key")
        (listed,) = [meta async for meta in store.list()]
        assert (listed.key, listed.size) == (head.key, head.size)
        assert listed.etag == (head.etag if "listed" in self.etags else None)
        assert listed.last_modified is not None
        assert head.last_modified is not None
        assert abs(listed.last_modified - head.last_modified) < timedelta(seconds=1)

    async def test_a_stream_says_the_same_as_head(self, store: Store) -> None:
        await store.put("key", payload(10), content_type="text/x-conformance")
        head = await store.head("key")
        async with store.stream("key") as stream:
            meta = stream.meta
        assert (meta.key, meta.size, meta.etag) == ("key", 10, head.etag)
        assert meta.content_type == head.content_type

    async def test_the_meta_of_a_ranged_stream_describes_the_whole_object(self, store: Store) -> None:
        await store.put("key", payload(1000))
        async with store.stream("key", start=100, stop=200) as stream:
            assert stream.meta.size == 1000

    def __init_subclass__(cls, **arguments: object) -> None:
        super().__init_subclass__(**arguments)
        if not cls.content_headers:
            # Without a parameter it would be skipped.
            cls.test_a_content_header_is_kept = None  # type: ignore[assignment]  # which pytest does not collect

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """``header`` is each content header that the store is expected to keep."""
        super().pytest_generate_tests(metafunc)
        if "header" in metafunc.fixturenames:
            metafunc.parametrize("header", sorted(self.content_headers))

    async def test_a_content_header_is_kept(self, store: Store, header: str) -> None:
        # A body whose encoding is unknown is stored and read as it is.
        await store.put("key", b"value", **{header: HEADERS[header]})  # type: ignore[arg-type]  # one of five str options
        assert _headers_of(await store.head("key"))[header] == HEADERS[header]
        assert await store.get("key", raw=True) == b"value"

    async def test_all_content_headers_are_kept_at_once(self, store: Store) -> None:
        headers = {name: value for name, value in HEADERS.items() if name in self.content_headers}
        await store.put("key", b"value", **headers)  # type: ignore[arg-type]  # all of them are str options
        kept = _headers_of(await store.head("key"))
        assert {name: kept[name] for name in headers} == headers

    @requires(_keeps_metadata)
    async def test_metadata_is_kept(self, store: Store) -> None:
        metadata = {"plain": "value", "with-dash": "a b  c", "number9": "=;,\"'&?#%2F+", "long": "x" * 200}
        await store.put("key", b"value", metadata=metadata)
        assert dict((await store.head("key")).metadata) == metadata
        async with store.stream("key") as stream:
            assert dict(stream.meta.metadata) == metadata

    async def test_an_object_without_metadata_has_none(self, store: Store) -> None:
        await store.put("key", b"value")
        assert dict((await store.head("key")).metadata) == {}

    @requires(_keeps_metadata, supports("create_multipart"))
    async def test_metadata_and_headers_of_a_multipart_write_are_kept(self, store: Store) -> None:
        data = payload(2 * self.part_size + 1)
        await store.put(
            "key", data, part_size=self.part_size, metadata={"kind": "large"}, content_type="text/x-conformance"
        )
        meta = await store.head("key")
        assert dict(meta.metadata) == {"kind": "large"}
        assert meta.content_type == "text/x-conformance"

    @requires(_keeps_metadata)
    @pytest.mark.parametrize("value", ["é", "日本語", "\U0001f600", "", " x ", "a\tb", "=?utf-8?q?x?="])
    async def test_an_odd_metadata_value_is_kept_or_refused_but_never_changed(self, store: Store, value: str) -> None:
        try:
            await store.put("key", b"value", metadata={"odd": value})
        except StoreError:
            assert not await store.exists("key")
        else:
            assert dict((await store.head("key")).metadata) == {"odd": value}

    @requires(_keeps_metadata)
    @pytest.mark.parametrize("name", ["UPPER", "Mixed-Case", "under_score", "a.b", "é", "a b", "", "a:b"])
    async def test_an_odd_metadata_name_is_kept_or_refused_but_never_lost(self, store: Store, name: str) -> None:
        try:
            await store.put("key", b"value", metadata={name: "value"})
        except StoreError:
            assert not await store.exists("key")
        else:
            kept = (await store.head("key")).metadata
            # Where metadata travels in HTTP headers, names have no case.
            assert {kept_name.lower(): value for kept_name, value in kept.items()} == {name.lower(): "value"}

    @requires(_keeps_metadata)
    @pytest.mark.parametrize("text", ["a\r\nx-injected: yes", "a\nb", "a\rb", "a\0b"])
    async def test_metadata_cannot_inject_headers(self, store: Store, text: str) -> None:
        for metadata in ({"name": text}, {text: "value"}):
            try:
                await store.put("key", b"value", metadata=metadata)
            except StoreError:
                assert not await store.exists("key")
            else:
                assert dict((await store.head("key")).metadata) == metadata

    @pytest.mark.parametrize("name", sorted(HEADERS))
    async def test_content_headers_cannot_inject_headers(self, store: Store, name: str) -> None:
        text = "a\r\nx-amz-meta-injected: yes"
        try:
            await store.put("key", b"value", **{name: text})  # type: ignore[arg-type]  # one of five str options
        except StoreError:
            assert not await store.exists("key")
        else:
            meta = await store.head("key")
            assert dict(meta.metadata) == {}
            assert _headers_of(meta)[name] == text
