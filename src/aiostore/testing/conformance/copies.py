"""Copies keep everything, and a rename never loses an object."""
# ruff: noqa: D102, S101  # a test's name says what it shows

from __future__ import annotations

import pytest

from aiostore.capabilities import Capabilities, Guarantee
from aiostore.errors import AlreadyExistsError, NotFoundError, NotSupportedError
from aiostore.store import Store
from aiostore.testing.conformance.suite import Suite, keys_of, payload, requires, supports


def _creates_atomically(capabilities: Capabilities) -> bool:
    return "copy" in capabilities.operations and capabilities.copy.if_absent is Guarantee.ATOMIC


def _does_not_create_atomically(capabilities: Capabilities) -> bool:
    return "copy" in capabilities.operations and capabilities.copy.if_absent is not Guarantee.ATOMIC


class Copies(Suite):
    """Tests of ``copy`` and ``rename``."""

    @requires(supports("put"))
    @pytest.mark.parametrize("size", [0, 1, 100_000])
    async def test_a_copy_has_the_same_bytes(self, store: Store, size: int) -> None:
        await store.put("source", payload(size))
        result = await store.copy("source", "target")
        assert await store.get("target") == payload(size)
        assert await store.get("source") == payload(size)
        assert result.etag == (await store.head("target")).etag

    @requires(supports("put"))
    async def test_an_object_of_many_parts_can_be_copied(self, store: Store) -> None:
        data = payload(3 * self.part_size + 1)
        await store.put("source", data, part_size=self.part_size, **self.kept(metadata={"name": "value"}))
        await store.copy("source", "target")
        assert await store.get("target") == data
        assert dict((await store.head("target")).metadata) == ({"name": "value"} if self.capabilities.metadata else {})

    @requires(supports("put"))
    async def test_a_copy_keeps_metadata_and_content_headers(self, store: Store) -> None:
        stored = self.kept(content_type="text/x-conformance", cache_control="no-store", metadata={"name": "value"})
        await store.put("source", b"value", **stored)
        await store.copy("source", "target")
        source, target = await store.head("source"), await store.head("target")
        assert dict(target.metadata) == dict(source.metadata)
        assert (target.content_type, target.cache_control) == (source.content_type, source.cache_control)
        assert target.content_type == stored.get("content_type", source.content_type)

    @requires(supports("put"))
    async def test_a_copy_replaces_its_target(self, store: Store) -> None:
        await store.put("source", b"new", **self.kept(metadata={"new": "yes"}))
        await store.put("target", b"old", **self.kept(metadata={"old": "yes"}))
        await store.copy("source", "target")
        assert await store.get("target") == b"new"
        assert dict((await store.head("target")).metadata) == dict((await store.head("source")).metadata)

    @requires(supports("put"))
    async def test_a_copy_is_independent_of_its_source(self, store: Store) -> None:
        await store.put("source", b"value")
        await store.copy("source", "target")
        await store.put("source", b"changed")
        await store.copy("target", "second")
        await store.delete("source")
        assert await store.get("target") == await store.get("second") == b"value"

    @requires(supports("put"))
    async def test_copying_a_missing_object_says_so_and_keeps_the_target(self, store: Store) -> None:
        await store.put("target", b"value")
        with pytest.raises(NotFoundError) as caught:
            await store.copy("missing", "target")
        assert caught.value.operation == "copy"
        assert caught.value.key == "missing"
        assert await store.get("target") == b"value"
        with pytest.raises(NotFoundError):
            await store.copy("missing", "new")
        assert await keys_of(store) == ["target"]

    @requires(supports("put"))
    async def test_an_object_can_be_copied_onto_itself(self, store: Store) -> None:
        await store.put("key", b"value", **self.kept(content_type="text/x-conformance", metadata={"name": "value"}))
        before = await store.head("key")
        await store.copy("key", "key")
        after = await store.head("key")
        assert await store.get("key") == b"value"
        assert dict(after.metadata) == dict(before.metadata)
        assert after.content_type == before.content_type

    @requires(supports("put", "delete"))
    async def test_a_rename_moves_everything(self, store: Store) -> None:
        await store.put("source", b"value", **self.kept(content_type="text/x-conformance", metadata={"name": "value"}))
        before = await store.head("source")
        result = await store.rename("source", "directory/target")
        after = await store.head("directory/target")
        assert await keys_of(store) == ["directory/target"]
        assert await store.get("directory/target") == b"value"
        assert dict(after.metadata) == dict(before.metadata)
        assert (after.content_type, after.etag) == (before.content_type, result.etag)

    @requires(supports("put", "delete"))
    async def test_a_rename_replaces_its_target(self, store: Store) -> None:
        await store.put("source", b"new")
        await store.put("target", b"old")
        await store.rename("source", "target")
        assert await keys_of(store) == ["target"]
        assert await store.get("target") == b"new"

    @requires(supports("put", "delete"))
    async def test_a_rename_onto_itself_keeps_the_object(self, store: Store) -> None:
        await store.put("key", b"value", **self.kept(metadata={"name": "value"}))
        before = await store.head("key")
        await store.rename("key", "key")
        assert await store.get("key") == b"value"
        assert dict((await store.head("key")).metadata) == dict(before.metadata)

    @requires(supports("put", "delete"))
    async def test_renaming_a_missing_object_says_so_and_keeps_the_target(self, store: Store) -> None:
        await store.put("target", b"value")
        with pytest.raises(NotFoundError):
            await store.rename("missing", "target")
        with pytest.raises(NotFoundError):
            await store.rename("missing", "missing")
        assert await store.get("target") == b"value"

    @requires(_creates_atomically)
    async def test_a_copy_that_may_only_create_replaces_nothing(self, store: Store) -> None:
        await store.put("source", b"new")
        await store.put("target", b"old")
        with pytest.raises(AlreadyExistsError):
            await store.copy("source", "target", if_absent=True)
        with pytest.raises(AlreadyExistsError):
            await store.copy("source", "source", if_absent=True)
        assert await store.get("target") == b"old"
        await store.copy("source", "free", if_absent=True)
        assert await store.get("free") == b"new"

    @requires(_creates_atomically, supports("delete"))
    async def test_a_rename_that_may_only_create_loses_nothing(self, store: Store) -> None:
        await store.put("source", b"new")
        await store.put("target", b"old")
        with pytest.raises(AlreadyExistsError):
            await store.rename("source", "target", if_absent=True)
        assert await store.get("source") == b"new"
        assert await store.get("target") == b"old"
        await store.rename("source", "free", if_absent=True)
        assert sorted(await keys_of(store)) == ["free", "target"]

    @requires(_does_not_create_atomically)
    @pytest.mark.parametrize("verb", ["copy", "rename"])
    async def test_a_copy_does_not_promise_to_create_where_the_service_cannot(self, store: Store, verb: str) -> None:
        await store.put("source", b"value")
        with pytest.raises(NotSupportedError):
            await getattr(store, verb)("source", "target", if_absent=True)
        assert await keys_of(store) == ["source"]
