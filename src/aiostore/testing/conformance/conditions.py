"""Create-only and compare-and-swap: atomic where the service is, refused where it is not."""
# ruff: noqa: D102, S101  # a test's name says what it shows

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import pytest

from aiostore.capabilities import Guarantee
from aiostore.errors import AlreadyExistsError, NotFoundError, NotSupportedError, PreconditionFailedError
from aiostore.store import Store
from aiostore.testing.conformance.suite import Requirement, Suite, keys_of, payload, requires, supports

WRITERS: Final = 20


def _holds(primitive: str, condition: str, *guarantees: Guarantee) -> Requirement:
    return lambda capabilities: getattr(getattr(capabilities, primitive), condition) in guarantees


ATOMIC: Final = (Guarantee.ATOMIC,)
WEAK: Final = (Guarantee.NONE, Guarantee.BEST_EFFORT)


class Conditions(Suite):
    """Tests of ``if_absent`` and ``if_match`` on writes and deletes."""

    @requires(_holds("put", "if_absent", *ATOMIC))
    async def test_create_only_creates(self, store: Store) -> None:
        result = await store.put("key", b"value", if_absent=True, metadata={"name": "value"})
        assert result.etag == (await store.head("key")).etag
        assert await store.get("key") == b"value"

    @requires(_holds("put", "if_absent", *ATOMIC))
    async def test_create_only_changes_no_object_that_exists(self, store: Store) -> None:
        await store.put("key", b"old", metadata={"name": "old"})
        before = await store.head("key")
        with pytest.raises(AlreadyExistsError) as caught:
            await store.put("key", b"new", if_absent=True)
        assert isinstance(caught.value, FileExistsError)
        assert caught.value.key == "key"
        after = await store.head("key")
        assert (after.etag, dict(after.metadata)) == (before.etag, dict(before.metadata))
        assert await store.get("key") == b"old"

    @requires(_holds("put", "if_absent", *ATOMIC))
    async def test_one_of_many_concurrent_creators_wins(self, store: Store) -> None:
        async def create(number: int) -> int | None:
            try:
                await store.put("key", str(number).encode(), if_absent=True)
            except AlreadyExistsError:
                return None
            return number

        winners = [number for number in await _race(create) if number is not None]
        assert len(winners) == 1
        assert await store.get("key") == str(winners[0]).encode()

    @requires(_holds("complete", "if_absent", *ATOMIC))
    async def test_one_of_many_concurrent_creators_of_a_large_object_wins(self, store: Store) -> None:
        creators = 4

        async def create(number: int) -> int | None:
            try:
                await store.put("key", self._arriving(number), if_absent=True, part_size=self.part_size)
            except AlreadyExistsError:
                return None
            return number

        winners = [number for number in await _race(create, creators) if number is not None]
        assert len(winners) == 1
        assert await store.get("key") == b"".join([piece async for piece in self._arriving(winners[0])])

    @requires(_holds("complete", "if_absent", *ATOMIC))
    async def test_create_only_of_a_large_object_changes_no_object_that_exists(self, store: Store) -> None:
        await store.put("key", b"old")
        with pytest.raises(AlreadyExistsError):
            await store.put("key", self._arriving(1), if_absent=True, part_size=self.part_size)
        assert await store.get("key") == b"old"

    @requires(_holds("complete", "if_match", *ATOMIC))
    async def test_compare_and_swap_of_a_large_object(self, store: Store) -> None:
        old = await store.put("key", b"old")
        new = await store.put("key", self._arriving(1), if_match=old, part_size=self.part_size)
        with pytest.raises(PreconditionFailedError):
            await store.put("key", self._arriving(2), if_match=old, part_size=self.part_size)
        assert (await store.head("key")).etag == new.etag

    @requires(_holds("put", "if_match", *ATOMIC))
    async def test_compare_and_swap_takes_what_reads_and_writes_answer(self, store: Store) -> None:
        result = await store.put("key", b"0")
        result = await store.put("key", b"1", if_match=result)
        assert result.etag
        await store.put("key", b"2", if_match=result.etag)
        await store.put("key", b"3", if_match=await store.head("key"))
        assert await store.get("key") == b"3"

    @requires(_holds("put", "if_match", *ATOMIC))
    async def test_compare_and_swap_of_an_object_that_changed_is_refused(self, store: Store) -> None:
        old = await store.put("key", b"old")
        current = await store.put("key", b"current")
        for condition in (old, old.etag, "0" * 32):
            with pytest.raises(PreconditionFailedError) as caught:
                await store.put("key", b"new", if_match=condition)
            assert caught.value.key == "key"
        assert (await store.head("key")).etag == current.etag

    @requires(_holds("put", "if_match", *ATOMIC))
    async def test_compare_and_swap_of_a_missing_object_is_refused(self, store: Store) -> None:
        old = await store.put("key", b"old")
        await store.delete("key")
        with pytest.raises((PreconditionFailedError, NotFoundError)):
            await store.put("key", b"new", if_match=old)
        assert not await store.exists("key")

    @requires(_holds("put", "if_match", *ATOMIC))
    async def test_one_of_many_concurrent_swaps_wins(self, store: Store) -> None:
        old = await store.put("key", b"old")

        async def swap(number: int) -> int | None:
            try:
                await store.put("key", str(number).encode(), if_match=old)
            except PreconditionFailedError:
                return None
            return number

        winners = [number for number in await _race(swap) if number is not None]
        assert len(winners) == 1
        assert await store.get("key") == str(winners[0]).encode()

    @requires(_holds("put", "if_absent", *ATOMIC))
    async def test_a_conditional_write_leaves_no_trace_in_the_metadata(self, store: Store) -> None:
        await store.put("key", b"value", if_absent=True)
        assert dict((await store.head("key")).metadata) == {}
        async with store.stream("key") as stream:
            assert dict(stream.meta.metadata) == {}
        await store.put("other", b"value", if_absent=True, metadata={"name": "value"})
        assert dict((await store.head("other")).metadata) == ({"name": "value"} if self.capabilities.metadata else {})

    @requires(_holds("put", "if_absent", *ATOMIC), supports("copy"))
    async def test_a_copy_of_a_conditional_write_shows_no_trace_of_it(self, store: Store) -> None:
        await store.put("key", b"value", if_absent=True)
        await store.copy("key", "copy")
        assert dict((await store.head("copy")).metadata) == {}

    @requires(_holds("put", "if_absent", *WEAK), supports("put"))
    async def test_create_only_is_refused_where_it_is_not_atomic(self, store: Store) -> None:
        with pytest.raises(NotSupportedError) as caught:
            await store.put("key", b"value", if_absent=True)
        assert caught.value.key == "key"
        assert not await store.exists("key")

    @requires(_holds("put", "if_match", *WEAK), supports("put"))
    async def test_compare_and_swap_is_refused_where_it_is_not_atomic(self, store: Store) -> None:
        old = await self.written(store, "key", b"old")
        with pytest.raises(NotSupportedError):
            await store.put("key", b"new", if_match=old)
        assert await store.get("key") == b"old"

    @requires(_holds("put", "if_absent", Guarantee.BEST_EFFORT))
    async def test_a_caller_can_settle_for_a_best_effort(self, store: Store) -> None:
        await store.put("key", b"value", if_absent=True, best_effort=True)
        with pytest.raises(AlreadyExistsError):
            await store.put("key", b"new", if_absent=True, best_effort=True)
        assert await store.get("key") == b"value"

    @requires(_holds("delete", "if_match", *ATOMIC), supports("delete"))
    async def test_a_conditional_delete_deletes_only_what_was_meant(self, store: Store) -> None:
        old = await store.put("key", b"old")
        current = await store.put("key", b"current")
        with pytest.raises(PreconditionFailedError):
            await store.delete("key", if_match=old)
        assert await store.get("key") == b"current"
        await store.delete("key", if_match=current)
        assert not await store.exists("key")

    @requires(_holds("delete", "if_match", *WEAK), supports("delete"))
    async def test_a_conditional_delete_is_refused_where_it_is_not_atomic(self, store: Store) -> None:
        state = await self.written(store, "key", b"value")
        with pytest.raises(NotSupportedError):
            await store.delete("key", if_match=state)
        assert await store.get("key") == b"value"

    @pytest.mark.parametrize("condition", [1, b"etag", object()], ids=["int", "bytes", "object"])
    async def test_a_condition_of_a_wrong_type_is_a_type_error(self, store: Store, condition: object) -> None:
        await store.put("key", b"value")
        with pytest.raises(TypeError):
            await store.put("key", b"new", if_match=condition)  # type: ignore[arg-type]  # the point of this test
        with pytest.raises(TypeError):
            await store.get("key", if_match=condition)  # type: ignore[arg-type]  # the point of this test
        assert await keys_of(store) == ["key"]
        assert await store.get("key") == b"value"

    async def _arriving(self, seed: int) -> AsyncIterator[bytes]:
        for number in range(3):
            await asyncio.sleep(0)
            yield payload(self.part_size, 10 * seed + number)


async def _race(attempt: Callable[[int], Awaitable[int | None]], count: int = WRITERS) -> list[int | None]:
    return list(await asyncio.gather(*(attempt(number) for number in range(count))))
