"""Listing a tree of which only one directory at a time can be asked for: lazily, in the order of keys.

Sorting each directory with a slash behind the names of directories gives the UTF-8 order of whole keys: ``a-b``,
``a/b``, ``a0``.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Awaitable, Callable
from operator import itemgetter
from typing import Final, TypeAlias

from aiostore.drivers.http_index import Entry
from aiostore.errors import StoreError
from aiostore.types import ListOptions, ListPage, ObjectMeta, object_meta

Fetch: TypeAlias = Callable[[str], Awaitable[list[Entry] | None]]
"""Asks for a directory, a key prefix that ends with a slash; None if there is none."""

_MOST: Final = 16
"""Walks that wait for somebody to ask for their next page; each holds one directory at each level."""
_PATIENCE: Final = 120.0
"""Seconds that a walk waits."""
_name = itemgetter(0)
_DEEPEST: Final = 4096
"""Characters of a directory's path: a server whose directories contain themselves is left there."""


class _Level:
    """A directory that is being listed: its entries in order, and how far the walk has come."""

    __slots__ = ("entries", "next", "path")

    def __init__(self, path: str, entries: list[Entry]) -> None:
        self.path = path
        self.entries = entries
        self.next = 0


class Walk:
    """All keys below a prefix after a key. With ``flat`` a directory is one item, a common prefix, and not entered."""

    def __init__(self, fetch: Fetch, prefix: str, after: str, *, flat: bool) -> None:
        self._fetch = fetch
        self._prefix = prefix
        self._after = after
        self._flat = flat
        self._levels: list[_Level] = []
        self._begun = False
        self.done = False

    async def advance(self) -> None:
        """Ask for the directory that comes next, if one does. If that fails, the walk is where it was."""
        if not self._begun:
            path = self._prefix[: self._prefix.rfind("/") + 1]
            await self._enter(path, self._prefix[len(path) :])
            self._begun = True
            return
        level = self._levels[-1]
        await self._enter(level.path + level.entries[level.next].name, "")
        level.next += 1

    async def _enter(self, path: str, start: str) -> None:
        if len(path) > _DEEPEST:
            raise StoreError("the server's directories nest without an end", key=path[:200])
        entries = await self._fetch(path) or []
        if self._after or start:
            entries = [e for e in entries if e.name.startswith(start) and self._comes(path + e.name)]
        entries.sort(key=_name)
        self._levels.append(_Level(path, entries))

    def _comes(self, key: str) -> bool:
        """Whether a key, or what is in a directory, comes after what the walk begins behind."""
        return key > self._after or (not self._flat and key[-1] == "/" and self._after.startswith(key))

    def pending(self) -> bool:
        """Whether the next item is there; if not, a directory must be asked for, unless all is ``done``."""
        while self._levels:
            level = self._levels[-1]
            if level.next < len(level.entries):
                return self._flat or not level.entries[level.next].name.endswith("/")
            self._levels.pop()
        self.done = self._begun
        return False

    def take(self, most: int) -> tuple[str, list[Entry]]:
        """Up to ``most`` items that are ``pending``: the directory that they are in, and their entries."""
        level = self._levels[-1]
        begin, entries = level.next, level.entries
        end = min(begin + most, len(entries))
        if not self._flat:
            end = next((number for number in range(begin, end) if entries[number].name[-1] == "/"), end)
        level.next = end
        return level.path, entries[begin:end]


class Listings:
    """The listings of one store.

    A page token says where the listing goes on, so that every token works at any time and in any process. Where its
    walk is still waiting, directories need not be asked for again; what is created meanwhile in a directory that was
    already read may then not show.
    """

    def __init__(self, fetch: Fetch, size: int) -> None:
        self._fetch = fetch
        self._size = size
        self._waiting: dict[str, tuple[Walk, float]] = {}
        self._numbers = itertools.count()

    async def page(self, options: ListOptions) -> ListPage:
        """One page, of at most ``size`` keys and common prefixes together; it may be empty and not the last."""
        prefix, delimiter, token = options.prefix, options.delimiter or None, options.page_token
        flat = delimiter == "/"
        place = "k" + (options.start_after or "") if token is None else token.partition(":")[2]
        common = place[1:] if place[:1] == "p" else ""
        walk, _ = self._waiting.get(token or "", (None, 0.0))
        if walk is None:
            walk = Walk(self._fetch, prefix, place[1:], flat=flat)
        size = min(self._size, options.limit or self._size)
        objects: list[ObjectMeta] = []
        prefixes: list[str] = []
        if not walk.pending() and not walk.done:
            await walk.advance()
        while (left := size - len(objects) - len(prefixes)) > 0 and walk.pending():
            path, entries = walk.take(left)
            if delimiter is None or flat:
                # Most listings: nothing but what must be done for each of many names.
                objects += [
                    object_meta(path + name, bytes_, modified, etag, None, kind)
                    for name, bytes_, modified, etag, kind in entries
                    if name[-1] != "/"
                ]
                prefixes += [path + entry[0] for entry in entries if entry[0][-1] == "/"]
                last = path + entries[-1][0]
                place = ("p" if last[-1] == "/" else "k") + last
                continue
            for entry in entries:
                key = path + entry.name
                if common and key.startswith(common):
                    continue
                end = key.find(delimiter, len(prefix))
                if end >= 0:
                    common = key[: end + len(delimiter)]
                    prefixes.append(common)
                    place = "p" + common
                else:
                    objects.append(_object(key, entry))
                    place = "k" + key
        if token is not None:
            self._waiting.pop(token, None)
        if not walk.pending() and walk.done:
            return ListPage(objects=objects, common_prefixes=prefixes)
        return ListPage(objects=objects, common_prefixes=prefixes, next_token=self._keep(walk, place))

    def forget(self) -> None:
        """Let all walks go."""
        self._waiting.clear()

    def _keep(self, walk: Walk, place: str) -> str:
        now = time.monotonic()
        for token, (_, since) in list(self._waiting.items()):
            if len(self._waiting) >= _MOST or now - since > _PATIENCE:
                self._waiting.pop(token, None)
        token = f"{next(self._numbers)}:{place}"
        self._waiting[token] = (walk, now)
        return token


def _object(key: str, entry: Entry) -> ObjectMeta:
    return object_meta(key, entry.size, entry.last_modified, entry.etag, None, entry.content_type)
