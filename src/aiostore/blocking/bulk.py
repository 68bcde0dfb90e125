"""The verbs over many objects, for blocking code."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from typing import TypeVar, Unpack

from aiostore._engine.bulk import Bulk
from aiostore.blocking import portal
from aiostore.blocking.items import ItemStore
from aiostore.blocking.portal import Iteration
from aiostore.bulk import BulkOptions, GetItem, Items, PutItem
from aiostore.types import ItemResult, ObjectMeta, PutResult

T = TypeVar("T")

AHEAD = 64
"""Results that one way through the loop brings at most."""


class BulkStore(ItemStore):
    """The verbs over many objects; see :class:`aiostore.bulk.BulkStore`.

    What reads gives results as they come; what writes is done when it returns, with a result for each in their order.
    """

    def get_many(self, items: Items[GetItem], **options: Unpack[BulkOptions]) -> Iteration[ItemResult[bytes]]:
        """Read many objects, or ranges of them."""
        return portal.iterate(self._store.get_many(_advanced(items), **options))

    def put_many(self, items: Items[PutItem], **options: Unpack[BulkOptions]) -> list[ItemResult[PutResult]]:
        """Write many objects; each is written as by ``put``, whole or not at all."""
        return portal.run(_all(self._store.put_many(_advanced(items), **options)))

    def head_many(
        self, keys: Items[str | ObjectMeta], **options: Unpack[BulkOptions]
    ) -> Iteration[ItemResult[ObjectMeta]]:
        """What the service says of many objects."""
        return portal.iterate(self._store.head_many(_advanced(keys), **options), ahead=AHEAD)

    def size_many(self, keys: Items[str | ObjectMeta], **options: Unpack[BulkOptions]) -> Iteration[ItemResult[int]]:
        """The sizes of many objects, in bytes."""
        return portal.iterate(self._store.size_many(_advanced(keys), **options), ahead=AHEAD)

    def exists_many(self, keys: Items[str | ObjectMeta], **options: Unpack[BulkOptions]) -> Iteration[ItemResult[bool]]:
        """Which of many objects exist."""
        return portal.iterate(self._store.exists_many(_advanced(keys), **options), ahead=AHEAD)

    def delete_many(self, keys: Items[str | ObjectMeta], **options: Unpack[BulkOptions]) -> list[ItemResult[None]]:
        """Delete many objects in as few requests as the service takes. A missing one is no error."""
        return portal.run(_all(self._store.delete_many(_advanced(keys), **options)))


async def _all(results: Bulk[T]) -> list[ItemResult[T]]:
    return await results


def _advanced(items: Items[T]) -> Items[T]:
    """Items whose source may block, advanced in a worker thread; what is there already is taken as it is."""
    if isinstance(items, Collection) or not isinstance(items, Iterable):
        return items
    return _advance(iter(items))


async def _advance(iterator: Iterator[T]) -> AsyncIterator[T]:
    done = object()
    while (item := await asyncio.to_thread(next, iterator, done)) is not done:
        yield item  # type: ignore[misc]  # it is not `done`
