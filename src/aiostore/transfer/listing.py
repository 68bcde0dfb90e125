"""Listings in the order of their keys, two of which are merged in constant memory."""

from __future__ import annotations

import asyncio
import pickle
import sqlite3
import tempfile
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, closing
from itertools import islice
from pathlib import Path

from aiostore.errors import StoreError
from aiostore.store import Store
from aiostore.types import ObjectMeta

BATCH = 1000
"""Entries that go to the disk, or come from it, at a time."""

Pair = tuple[ObjectMeta | None, ObjectMeta | None]


async def in_order(
    store: Store, wanted: Callable[[str], bool], *, may_miss: bool = False
) -> AsyncGenerator[ObjectMeta, None]:
    """The objects of a store whose keys are ``wanted``, in the order of their keys' UTF-8.

    With ``may_miss`` a container that does not exist is an empty one.

    A service that lists in another order has its listing sorted on the local disk first, in a private temporary file.

    Raises:
        StoreError: if a service that promises the order does not keep it: what is missing on one side could then be
            taken for something to delete.
    """
    if may_miss and not await store.container_exists():
        return
    listing = store.list() if store.capabilities.ordered_listing else _sorted(store)
    before = b""
    async for meta in listing:
        key = meta.key.encode()
        if key <= before:
            raise StoreError(
                f"the listing is not in order: {meta.key!r} comes after a greater key; nothing more is done",
                operation="transfer",
                store=store.location,
            )
        before = key
        if wanted(meta.key):
            yield meta


async def merged(
    sources: AsyncGenerator[ObjectMeta, None], targets: AsyncGenerator[ObjectMeta, None]
) -> AsyncGenerator[Pair, None]:
    """Both listings in one: each key once, with what the source and what the target say of it."""
    mine, theirs = await anext(sources, None), await anext(targets, None)
    while mine is not None or theirs is not None:
        first = None if mine is None else mine.key.encode()
        second = None if theirs is None else theirs.key.encode()
        if second is None or (first is not None and first < second):
            yield mine, None
            mine = await anext(sources, None)
        elif first is None or second < first:
            yield None, theirs
            theirs = await anext(targets, None)
        else:
            yield mine, theirs
            mine, theirs = await anext(sources, None), await anext(targets, None)


async def _sorted(store: Store) -> AsyncGenerator[ObjectMeta, None]:
    with tempfile.TemporaryDirectory(prefix="aiostore-") as directory, closing(Sorter(Path(directory))) as sorter:
        batch: list[ObjectMeta] = []
        async for meta in store.list():
            batch.append(meta)
            if len(batch) == BATCH:
                await asyncio.to_thread(sorter.add, batch)
                batch = []
        await asyncio.to_thread(sorter.add, batch)
        async with aclosing(sorter.batches()) as batches:
            async for batch in batches:
                for meta in batch:
                    yield meta


def _some(entries: Iterator[ObjectMeta]) -> list[ObjectMeta]:
    return list(islice(entries, BATCH))


class Sorter:
    """Entries of a listing on the local disk, by key. It may be used by one thread at a time."""

    def __init__(self, directory: Path) -> None:
        self._database = sqlite3.connect(directory / "listing.sqlite", check_same_thread=False)
        self._database.execute("PRAGMA journal_mode=OFF")
        self._database.execute("CREATE TABLE listing (key BLOB PRIMARY KEY, meta BLOB) WITHOUT ROWID")

    def add(self, entries: list[ObjectMeta]) -> None:
        """Keep some entries; one of the same key is replaced."""
        rows = [(meta.key.encode(), pickle.dumps(meta)) for meta in entries]
        self._database.executemany("INSERT OR REPLACE INTO listing VALUES (?, ?)", rows)

    async def batches(self) -> AsyncGenerator[list[ObjectMeta], None]:
        """All of them, in the order of their keys' UTF-8."""
        entries = self._entries()
        while found := await asyncio.to_thread(_some, entries):
            yield found

    def _entries(self) -> Iterator[ObjectMeta]:
        for (meta,) in self._database.execute("SELECT meta FROM listing ORDER BY key"):
            yield pickle.loads(meta)  # noqa: S301  # written above, in a directory that only this user can write

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()
