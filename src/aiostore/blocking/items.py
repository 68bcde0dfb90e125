"""A store as a mapping of keys to bytes, with slices for ranges."""

from __future__ import annotations

from collections.abc import Iterator

from aiostore._engine.gather import gather
from aiostore.blocking import portal
from aiostore.blocking.core import BlockingCoreStore
from aiostore.errors import InvalidRangeError
from aiostore.protocol import Source
from aiostore.store import Store
from aiostore.transfer.objects import copy_object
from aiostore.types import ObjectMeta

CONCURRENCY = 16
"""Objects that are copied to another store at once."""

BATCH = 1000
"""Objects that are listed before they are copied to another store."""


class ItemStore(BlockingCoreStore):
    """``s[key]``, ``s[key, 0:30]``, ``s[key] = data``, ``del s[key]``, ``key in s``, ``for key in s``,
    and ``s[:] = other``.

    A missing object is a :class:`~aiostore.NotFoundError`; deleting one is no error.
    """

    def __getitem__(self, item: str | tuple[str, slice]) -> bytes:
        """The object, or a slice of it, which is as that of ``bytes``: empty where the object has nothing."""
        if isinstance(item, str):
            return self.get(item)
        key, wanted = _sliced(item)
        start, stop = wanted.start or 0, wanted.stop
        if (stop is not None and stop < 0) or (start < 0 and stop is not None):
            start, stop, _ = slice(start, stop).indices(self.head(key).size)
        elif start == 0 and stop is None:
            return self.get(key)
        try:
            return self.get_range(key, start, stop if stop is None else max(start, stop))
        except InvalidRangeError:
            return b""

    def __setitem__(self, item: str | slice, value: Source | BlockingCoreStore) -> None:
        """Write one object; or, with ``s[:] = other``, every object of another store, over those of the same keys.

        Content headers and metadata are copied with the bytes. What only this store has stays.
        """
        if isinstance(item, str):
            if isinstance(value, BlockingCoreStore):
                raise TypeError("one object cannot be a store: to copy all objects, write target[:] = source")
            self.put(item, value)
        elif item == slice(None):
            if not isinstance(value, BlockingCoreStore):
                raise TypeError(f"target[:] = source takes another blocking store, not {type(value).__name__}")
            portal.run(_copy_all(value.store, self._store))
        else:
            raise TypeError(f"an object is written as a whole: use a key, or [:] for all, not {item!r}")

    def __delitem__(self, key: str) -> None:
        """Delete the object."""
        if not isinstance(key, str):
            raise TypeError(f"del takes one key, not {type(key).__name__}; delete_many() takes many")
        self.delete(key)

    def __contains__(self, key: object) -> bool:
        """Whether there is such an object."""
        return isinstance(key, str) and self.exists(key)

    def __iter__(self) -> Iterator[str]:
        """All keys."""
        return (meta.key for meta in self.list())


def _sliced(item: object) -> tuple[str, slice]:
    match item:
        case (str(key), slice(step=None | 1) as wanted):
            return key, wanted
    raise TypeError(f"use a key, or a key and a slice without a step: store[key, 0:30], not {item!r}")


async def _copy_all(source: Store, target: Store) -> None:
    batch: list[ObjectMeta] = []

    async def copy(meta: ObjectMeta) -> None:
        await copy_object(source, meta.key, target)

    async for meta in source.list():
        batch.append(meta)
        if len(batch) == BATCH:
            await gather(copy, batch, CONCURRENCY)
            batch = []
    await gather(copy, batch, CONCURRENCY)
