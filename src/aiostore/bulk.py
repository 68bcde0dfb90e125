"""The verbs over many objects."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, TypeAlias, TypedDict, TypeVar, Unpack, cast

from aiostore._engine import delete as _delete
from aiostore._engine.bulk import Bulk, Job, each
from aiostore.core import DELETE, CoreStore
from aiostore.errors import StoreError
from aiostore.keys import check_key
from aiostore.protocol import Source
from aiostore.types import Condition, Encryption, ItemResult, ObjectMeta, Progress, PutResult

T = TypeVar("T")
I = TypeVar("I")  # noqa: E741  # an item

Items: TypeAlias = Iterable[I] | AsyncIterable[I]
"""Items of any number: a list, an iterator, a generator, or an asynchronous one. Plain ones must not block."""


class BulkOptions(TypedDict, total=False):
    """What every call on many objects takes; see :class:`BulkStore`."""

    concurrency: int | None
    ordered: bool
    stop_on_error: bool
    total: int | None
    progress: Progress | None


class GetItemOptions(TypedDict, total=False):
    """What :meth:`AsyncObjectStore.get` takes, for one item of ``get_many``."""

    start: int | None
    stop: int | None
    if_match: Condition | None
    if_none_match: Condition | None
    if_modified_since: datetime | None
    version: str | None
    encryption: Encryption | None
    raw: bool


GetItem: TypeAlias = str | ObjectMeta | tuple[str, GetItemOptions]
"""A key, an entry of a listing (whose known size helps to bound memory), or a key with options of its own."""

PutItem: TypeAlias = tuple[str, Source] | tuple[str, Source, dict[str, Any]]
"""A key with its data, and the keywords of ``put`` that are this item's own."""


class BulkStore(CoreStore):
    """The verbs over many objects; :class:`~aiostore.store.Store` adds the others.

    Each takes items from any iterable or async iterable, keeps a bounded number under way, and answers a
    :class:`Bulk` of :class:`~aiostore.types.ItemResult`: ``async for`` gives one for each item as it is done (with
    ``ordered`` in the order of the items), ``await`` all of them in order. What one item meets is its ``error`` and
    stops no other, unless ``stop_on_error`` raises the first. ``concurrency`` is the most items under way; without it
    as many as move more items a second. ``progress`` is called with (items done, ``total`` or None).

    Memory is constant whatever the number of items: no more results wait than items are under way, and the bytes they
    hold count in the process's budget, beyond which one object at a time goes on. The sizes of the first eight objects
    are not known beforehand (unless the items are ``ObjectMeta``): so many may come on top.

    A batch that is left early, or cancelled, ends what is under way; each object is then done or not done.
    """

    def get_many(self, items: Items[GetItem], **options: Unpack[BulkOptions]) -> Bulk[bytes]:
        """Read many objects, or ranges of them."""

        async def one(item: GetItem) -> bytes:
            if isinstance(item, tuple):
                key, own = item
                return await self.get(key, **own)
            return await self.get(_key(item))

        return self._bulk("get_many", items, Job(call=each(one, _key).call, cost=_size, weigh=len), options)

    def put_many(self, items: Items[PutItem], **options: Unpack[BulkOptions]) -> Bulk[PutResult]:
        """Write many objects; each is written as by ``put``, whole or not at all."""

        async def one(item: PutItem) -> PutResult:
            key, data, *own = item
            return await self.put(key, data, **cast("dict[str, Any]", own[0] if own else {}))

        return self._bulk("put_many", items, each(one, _key), options)

    def head_many(self, keys: Items[str | ObjectMeta], **options: Unpack[BulkOptions]) -> Bulk[ObjectMeta]:
        """What the service says of many objects."""
        return self._each("head_many", self.head, keys, options)

    def size_many(self, keys: Items[str | ObjectMeta], **options: Unpack[BulkOptions]) -> Bulk[int]:
        """The sizes of many objects, in bytes."""

        async def one(key: str) -> int:
            return (await self.head(key)).size

        return self._each("size_many", one, keys, options)

    def exists_many(self, keys: Items[str | ObjectMeta], **options: Unpack[BulkOptions]) -> Bulk[bool]:
        """Which of many objects exist."""
        return self._each("exists_many", self.exists, keys, options)

    def delete_many(self, keys: Items[str | ObjectMeta], **options: Unpack[BulkOptions]) -> Bulk[None]:
        """Delete many objects in as few requests as the service takes. A missing one is no error."""

        async def call(items: Sequence[tuple[int, object]]) -> Sequence[ItemResult[None]]:
            wrong: list[ItemResult[None]] = []
            wanted: list[tuple[int, str]] = []
            for index, item in items:
                try:
                    wanted.append((index, check_key(_key(item), "delete_many")))
                except (TypeError, StoreError) as error:
                    wrong.append(ItemResult(index=index, key=repr(item), error=error))
            results = await _delete.delete_many(self._context, [key for _, key in wanted], DELETE)
            return wrong + [
                ItemResult(index=index, key=key, error=result.error)
                for (index, key), result in zip(wanted, results, strict=True)
            ]

        async def one(key: str) -> None:
            await self.delete(key)

        size = self._context.driver.capabilities.delete_batch
        if size <= 1:
            return self._each("delete_many", one, keys, options)
        return self._bulk("delete_many", keys, Job(call=call, batch=size), options)

    def _each(
        self, operation: str, one: Callable[[str], Awaitable[T]], keys: Items[str | ObjectMeta], options: BulkOptions
    ) -> Bulk[T]:
        async def call(item: object) -> T:
            return await one(_key(item))

        return self._bulk(operation, keys, each(call, _key), options)

    def _bulk(self, operation: str, items: Items[Any], job: Job[T], options: BulkOptions) -> Bulk[T]:
        return Bulk(items, job, operation=operation, limits=self._context.limits, **options)


def _key(item: object) -> str:
    """The key of an item, whatever else it says."""
    if isinstance(item, tuple):
        item = item[0]
    if isinstance(item, ObjectMeta):
        return item.key
    if not isinstance(item, str):
        raise TypeError(f"a key is a str, not {type(item).__name__}")
    return item


def _size(item: object) -> int | None:
    return item.size if isinstance(item, ObjectMeta) else None
