"""``glob`` on URLs: what matches is listed as it is asked for, from the literal beginning of each name on."""

from __future__ import annotations

import fnmatch
import glob as _glob
import os
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from itertools import islice
from typing import Final, TypeAlias

from aiostore.address import parse
from aiostore.fs.entries import here, level
from aiostore.fs.place import AnyPath, Located, Place, Remote, locate
from aiostore.fs.remote import head, is_directory, pages
from aiostore.fs.thread import in_thread
from aiostore.store import Store
from aiostore.types import ObjectMeta

Match: TypeAlias = tuple[str, ObjectMeta | None]
"""A key that matches, with what a listing says of it; None of a directory."""

BATCH: Final = 200
"""Local paths that one visit to a thread brings."""

_QUERY: Final = re.compile(r"\?\w+=[^?]*\Z")
"""The options at the end of a URL; every other question mark of a pattern stands for a character."""

_MAGIC: Final = re.compile(r"[*?[]")


async def glob(
    pathname: AnyPath,
    *,
    root_dir: AnyPath | None = None,
    recursive: bool = False,
    include_hidden: bool = False,
    store: Store | None = None,
) -> list[str]:
    """All that :func:`iglob` finds."""
    found = iglob(pathname, root_dir=root_dir, recursive=recursive, include_hidden=include_hidden, store=store)
    return [path async for path in found]


async def iglob(
    pathname: AnyPath,
    *,
    root_dir: AnyPath | None = None,
    recursive: bool = False,
    include_hidden: bool = False,
    store: Store | None = None,
) -> AsyncIterator[str]:
    """The paths that match a shell pattern, in no order, as :func:`glob.iglob`: ``*``, ``?``, ``[…]`` and ``**``.

    Matches of a URL are URLs. ``**`` is any number of directories if ``recursive``. Names that begin with a dot match
    only a pattern that does, or with ``include_hidden``. With ``root_dir``, pattern and matches are relative to it. In
    the URL of a pattern, a ``?`` begins the options only if ``name=`` follows.
    """
    base = None if root_dir is None else here(root_dir, store)
    if isinstance(base, Remote):
        pattern, place, skip = _plain(pathname), base, len(base.directory)
        prefix = base.directory
    else:
        found = _locate(pathname, store)
        if not isinstance(found, Remote):
            async for path in _local(found, base, recursive=recursive, include_hidden=include_hidden):
                yield path
            return
        place, skip, prefix = found.at(""), 0, ""
        pattern = found.key + ("/" if found.slash else "")
    matcher = _Matcher(recursive=recursive, include_hidden=include_hidden)
    matches = matcher.below(place.at(prefix), pattern.split("/"))
    async with aclosing(matches):
        async for key, _ in matches:
            if key[skip:]:
                yield key[skip:] if base is not None else place.path(key)


async def described(pattern: str) -> AsyncGenerator[Match, None]:
    """The URLs that match the pattern of one, ``**`` included, with what a listing says of them; of directories None.

    No more is asked of the service than :func:`iglob` asks.
    """
    found = _locate(pattern, None)
    if not isinstance(found, Remote):
        raise TypeError(f"described: a URL is wanted, not {pattern!r}")
    segments = f"{found.key}{'/' if found.slash else ''}".split("/")
    async with aclosing(_Matcher(recursive=True, include_hidden=False).below(found.at(""), segments)) as matches:
        async for key, meta in matches:
            if key:
                yield found.path(key), meta


def escape(pathname: str) -> str:
    """The pattern that matches this very path."""
    address = parse(pathname)
    return _glob.escape(address) if isinstance(address, str) else str(address.at(_glob.escape(address.path)))


def _plain(pathname: AnyPath) -> str:
    if isinstance(pathname, Located):
        raise TypeError("iglob: with root_dir the pattern is a str")
    return os.fspath(pathname)


def _locate(pathname: AnyPath, store: Store | None) -> Place:
    """Where a pattern begins, with the pattern as its key."""
    if isinstance(pathname, Located) or store is not None:
        return locate(pathname, store)
    text = os.fspath(pathname)
    if "://" not in text:
        return text
    query = _QUERY.search(text)
    end = query.start() if query is not None else len(text)
    return locate(text[:end].replace("?", "%3F") + text[end:], None)


class _Matcher:
    """The expansion of one pattern, segment by segment."""

    def __init__(self, *, recursive: bool, include_hidden: bool) -> None:
        self._recursive = recursive
        self._include_hidden = include_hidden

    async def below(self, place: Remote, segments: list[str]) -> AsyncGenerator[Match, None]:
        """The keys below a directory that the segments match; a directory ends with a slash if the pattern does."""
        segment, rest = segments[0], segments[1:]
        if self._recursive and segment == "**":
            flat = "**" not in rest and place.store.capabilities.ordered_listing
            found = self._everything(place, rest) if flat else self._any_depth(place, rest)
        elif _glob.has_magic(segment):
            found = self._names(place, segment, rest)
        elif rest:
            found = self.below(place.at(place.directory + segment), rest)
        else:
            found = self._literal(place, segment)
        async with aclosing(found):
            async for match in found:
                yield match

    async def _literal(self, place: Remote, name: str) -> AsyncGenerator[Match, None]:
        child = place.at(place.directory + name)
        if name and (meta := await head(child)) is not None:
            yield child.key, meta
        elif await is_directory(child):
            yield (child.key if name else child.directory), None

    async def _names(self, place: Remote, pattern: str, rest: list[str]) -> AsyncGenerator[Match, None]:
        matches = re.compile(fnmatch.translate(pattern)).match
        magic = _MAGIC.search(pattern)
        literal = pattern[: magic.start()] if magic else pattern
        hidden = self._include_hidden or pattern.startswith(".")
        async with aclosing(level(place, literal)) as names:
            async for name, meta in names:
                if not name or not matches(name) or (name.startswith(".") and not hidden):
                    continue
                if not rest:
                    yield place.directory + name, meta
                elif meta is None:
                    async with aclosing(self.below(place.at(place.directory + name), rest)) as found:
                        async for match in found:
                            yield match

    async def _everything(self, place: Remote, rest: list[str]) -> AsyncGenerator[Match, None]:
        """As ``_any_depth``, from one listing of all keys below: what is in one directory comes in one piece."""
        only_directories = rest[-1:] == [""]
        wanted = [re.compile(fnmatch.translate(pattern)).match for pattern in rest if pattern]
        dotted = [self._include_hidden or pattern.startswith(".") for pattern in rest if pattern]

        def matches(names: list[str]) -> bool:
            depth = len(names) - len(wanted)
            return (
                depth >= 0
                and (self._include_hidden or not any(name.startswith(".") for name in names[:depth]))
                and all(
                    match(name) and (hidden or not name.startswith("."))
                    for name, match, hidden in zip(names[depth:], wanted, dotted, strict=True)
                )
            )

        skip = len(place.directory)
        before: list[str] = []
        own = not wanted
        async with aclosing(pages(place)) as found:
            async for page in found:
                for meta in page.objects:
                    if own:
                        own = False
                        yield place.directory, None
                    *names, last = meta.key[skip:].split("/")
                    if "" in names:
                        continue
                    for depth in range(1, len(names) + 1):
                        if before[:depth] != names[:depth] and matches(names[:depth]):
                            yield place.directory + "/".join(names[:depth]) + ("/" if only_directories else ""), None
                    before = names
                    if last and not only_directories and matches([*names, last]):
                        yield meta.key, meta

    async def _any_depth(self, place: Remote, rest: list[str]) -> AsyncGenerator[Match, None]:
        own = not rest
        if rest:
            async with aclosing(self.below(place, rest)) as found:
                async for match in found:
                    yield match
        async with aclosing(level(place)) as names:
            async for name, meta in names:
                if own:
                    own = False
                    yield place.directory, None
                if not name or (name.startswith(".") and not self._include_hidden):
                    continue
                if not rest:
                    yield place.directory + name, meta
                if meta is None:
                    deeper = self._any_depth(place.at(place.directory + name), rest)
                    async with aclosing(deeper):
                        async for match in deeper:
                            if rest or match[0] != f"{place.directory}{name}/":
                                yield match


async def _local(
    pattern: str, root_dir: str | None, *, recursive: bool, include_hidden: bool
) -> AsyncGenerator[str, None]:
    found = _glob.iglob(pattern, root_dir=root_dir, recursive=recursive, include_hidden=include_hidden)
    while batch := await in_thread(_take, found):
        for path in batch:
            yield path


def _take(found: Iterator[str]) -> list[str]:
    return list(islice(found, BATCH))
