"""Pages of listings, and the walks that wait for somebody to ask for their next page."""

from __future__ import annotations

import itertools
import time
from contextlib import closing
from typing import Final

from aiostore.drivers.local_attributes import PLAIN, meta_of, told
from aiostore.drivers.local_spelling import Spelling
from aiostore.drivers.local_walk import Walk
from aiostore.types import ListOptions, ListPage, ObjectMeta

_MOST: Final = 16
"""Walks that wait; each holds the names of one directory at each level."""
_PATIENCE: Final = 120.0
"""Seconds that a walk waits."""


class Listings:
    """The listings of one root.

    A page token says where the listing goes on, so that every token works at any time and in any process. Where its
    walk is still waiting, the directory need not be read again, which would make a listing of one large directory
    quadratic; an object that is created meanwhile in a directory already read may then not show.
    """

    def __init__(self, root: str, spelling: Spelling) -> None:
        self._root = root
        self._spelling = spelling
        self._waiting: dict[str, tuple[Walk, float]] = {}
        self._numbers = itertools.count()

    def page(self, options: ListOptions, size: int) -> ListPage:
        """One page of at most ``size`` keys and common prefixes together."""
        prefix, delimiter = options.prefix, options.delimiter or None
        flat = delimiter == "/"
        walk, common = self._walk(options, flat=flat)
        objects: list[ObjectMeta] = []
        prefixes: list[str] = []
        last = ""
        with closing(walk.items()) as items:
            for key, status, encoding in items:
                if common and key.startswith(common):
                    continue
                if len(objects) + len(prefixes) == size:
                    walk.unread()
                    return ListPage(objects=objects, common_prefixes=prefixes, next_token=self._keep(walk, last))
                end = key.find(delimiter, len(prefix)) if delimiter and not flat else -1
                if status is None or (delimiter and end >= 0):
                    common = key if status is None or delimiter is None else key[: end + len(delimiter)]
                    prefixes.append(common)
                    last = "p" + common
                else:
                    objects.append(meta_of(key, status, told(PLAIN, encoding)))
                    last = "k" + key
        return ListPage(objects=objects, common_prefixes=prefixes)

    def forget(self) -> None:
        """Let all walks go."""
        self._waiting.clear()

    def _walk(self, options: ListOptions, *, flat: bool) -> tuple[Walk, str]:
        """The walk that a page continues, and the common prefix whose keys it is to pass over."""
        if options.page_token is None:
            walk = Walk(self._root, options.prefix, options.start_after or "", flat=flat, spelling=self._spelling)
            return walk, ""
        _, _, place = options.page_token.partition(":")
        common = place[1:] if place[:1] == "p" else ""
        waiting = self._waiting.pop(options.page_token, None)
        if waiting is not None:
            return waiting[0], common
        past = common if flat else ""
        return Walk(self._root, options.prefix, place[1:], past, flat=flat, spelling=self._spelling), common

    def _keep(self, walk: Walk, place: str) -> str:
        now = time.monotonic()
        for token, (_, since) in list(self._waiting.items()):
            if len(self._waiting) >= _MOST or now - since > _PATIENCE:
                self._waiting.pop(token, None)
        token = f"{next(self._numbers)}:{place}"
        self._waiting[token] = (walk, now)
        return token
