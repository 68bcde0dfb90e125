"""What is in a directory: ``scandir``, ``listdir``, ``walk``."""

from __future__ import annotations

import os
import posixpath
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from itertools import islice
from types import TracebackType
from typing import Final, Self

from aiostore.fs.place import AnyPath, Place, Remote, locate
from aiostore.fs.queries import stat_remote
from aiostore.fs.remote import not_a_directory, pages
from aiostore.fs.status import StatResult
from aiostore.fs.thread import in_thread
from aiostore.store import Store
from aiostore.types import ObjectMeta

BATCH: Final = 500
"""Entries of a local directory that one visit to a thread brings."""


class DirEntry:
    """An entry of a directory, as :class:`os.DirEntry`: ``name``, and ``path`` for the other functions.

    All methods but ``stat`` answer at once, from what the listing said.
    """

    __slots__ = ("_local", "_place", "is_directory", "is_regular", "meta", "name", "path")

    def __init__(
        self,
        name: str,
        path: str,
        *,
        is_directory: bool,
        is_regular: bool,
        place: Remote | None = None,
        meta: ObjectMeta | None = None,
        local: os.DirEntry[str] | None = None,
    ) -> None:
        self.name = name
        self.path = path
        self.is_directory = is_directory
        self.is_regular = is_regular
        self.meta = meta
        self._place = place
        self._local = local

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Whether it is a directory, or a link to one."""
        return self.is_directory and (follow_symlinks or not self.is_symlink())

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Whether it is a file, or a link to one."""
        return self.is_regular and (follow_symlinks or not self.is_symlink())

    def is_symlink(self) -> bool:
        """Whether it is a link."""
        return self._local is not None and self._local.is_symlink()

    def inode(self) -> int:
        """The number of the file; 0 on services."""
        return 0 if self._local is None else self._local.inode()

    async def stat(self, *, follow_symlinks: bool = True) -> StatResult:
        """What is known of it: of an object what the listing said, without a request."""
        if self._local is not None:
            return StatResult.of_local(await in_thread(self._local.stat, follow_symlinks=follow_symlinks))
        if self.meta is not None:
            return StatResult.of_object(self.meta)
        return StatResult.of_directory() if self._place is None else await stat_remote(self._place)


class Scan(AsyncIterator[DirEntry]):
    """The entries of a directory, in no order, as they are listed: an async iterator and context manager.

    It holds one page of a listing at a time. ``async with`` or ``aclose`` releases it when it is left early.
    """

    def __init__(self, entries: AsyncGenerator[DirEntry, None]) -> None:
        self._entries = entries

    async def __anext__(self) -> DirEntry:
        return await anext(self._entries)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the listing. Safe to repeat."""
        await self._entries.aclose()


def scandir(path: AnyPath | None = None, *, store: Store | None = None) -> Scan:
    """The entries of a directory, lazily: ``async with fs.scandir(url) as entries: async for entry in entries``.

    On a service, a name can come twice: as a file, and as the directory of the keys below it.

    Raises:
        FileNotFoundError: (at the first entry) if there is no such directory.
        NotADirectoryError: (at the first entry) if it is a file.
    """
    return Scan(_scan(path, store))


async def _scan(path: AnyPath | None, store: Store | None) -> AsyncGenerator[DirEntry, None]:
    entries = scan_place(here(path, store))
    try:
        async for entry in entries:
            yield entry
    finally:
        await entries.aclose()


def here(path: AnyPath | None, store: Store | None) -> Place:
    """Where a path leads; None is the working directory, or the whole store."""
    if path is None:
        path = "." if store is None else ""
    return locate(path, store)


def scan_place(place: Place) -> AsyncGenerator[DirEntry, None]:
    """The entries of the directory at ``place``."""
    return _scan_remote(place) if isinstance(place, Remote) else _scan_local(place)


async def _scan_remote(place: Remote) -> AsyncGenerator[DirEntry, None]:
    empty = True
    async for name, meta in level(place):
        empty = False
        if name:
            yield remote_entry(place, name, meta)
    if empty and place.key:
        raise await not_a_directory(place)


async def level(place: Remote, prefix: str = "") -> AsyncGenerator[tuple[str, ObjectMeta | None], None]:
    """The names in a directory that begin with ``prefix``, with the object's meta or None for a directory.

    The marker has the empty name, and so has what has nothing between two slashes, which no path can name.
    """
    skip = len(place.directory)
    found = pages(place, prefix=prefix, delimiter="/")
    async for page in found:
        for common in page.common_prefixes:
            yield common[skip:-1], None
        for meta in page.objects:
            yield meta.key[skip:], meta


def remote_entry(place: Remote, name: str, meta: ObjectMeta | None) -> DirEntry:
    """The entry ``name`` of a directory; without ``meta`` it is a directory itself."""
    key = place.directory + name
    return DirEntry(
        name,
        place.path(key),
        is_directory=meta is None,
        is_regular=meta is not None,
        place=place.at(f"{key}/") if meta is None else None,
        meta=meta,
    )


class _LocalScan:
    """A local directory that is being read, in threads."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._entries: os._ScandirIterator[str] | None = None

    def take(self) -> list[DirEntry]:
        """The next entries; none at the end."""
        if self._entries is None:
            self._entries = os.scandir(self._path)
        return [
            DirEntry(entry.name, entry.path, is_directory=_is(entry.is_dir), is_regular=_is(entry.is_file), local=entry)
            for entry in islice(self._entries, BATCH)
        ]

    def close(self) -> None:
        if self._entries is not None:
            self._entries.close()


def _is(ask: Callable[[], bool]) -> bool:
    try:
        return ask()
    except OSError:
        return False


async def _scan_local(path: str) -> AsyncGenerator[DirEntry, None]:
    scan = _LocalScan(path)
    try:
        while batch := await in_thread(scan.take):
            for entry in batch:
                yield entry
    finally:
        scan.close()


async def listdir(path: AnyPath | None = None, *, store: Store | None = None) -> list[str]:
    """The names in a directory, in no order, as plain text: ``join`` makes URLs of them.

    Raises:
        FileNotFoundError: if there is no such directory.
        NotADirectoryError: if it is a file.
    """
    place = here(path, store)
    if not isinstance(place, Remote):
        return await in_thread(os.listdir, place)
    return list(dict.fromkeys([entry.name async for entry in scan_place(place)]))


async def walk(
    top: AnyPath,
    topdown: bool = True,
    onerror: Callable[[OSError], object] | None = None,
    followlinks: bool = False,
    *,
    store: Store | None = None,
) -> AsyncIterator[tuple[str, list[str], list[str]]]:
    """The directories below ``top``, itself included: path, names of directories, names of files, as :func:`os.walk`.

    One directory is listed at a time, when it is reached. With ``topdown``, names that are taken out of the second list
    are not entered. A directory that cannot be listed is passed over, unless ``onerror`` raises the error.
    """
    waiting: list[Place | tuple[str, list[str], list[str]]] = [locate(top, store)]
    while waiting:
        place = waiting.pop()
        if isinstance(place, tuple):
            yield place
            continue
        try:
            directories, files, links = await _names(place)
        except OSError as error:
            if onerror is not None:
                onerror(error)
            continue
        found = (place.path(place.key) if isinstance(place, Remote) else place, directories, files)
        if topdown:
            yield found
        else:
            waiting.append(found)
        for name in reversed(directories):
            child = _child(place, name)
            linked = name in links if not topdown else isinstance(child, str) and await in_thread(os.path.islink, child)
            if followlinks or not linked:
                waiting.append(child)


async def _names(place: Place) -> tuple[list[str], list[str], set[str]]:
    directories: list[str] = []
    files: list[str] = []
    links: set[str] = set()
    async for entry in scan_place(place):
        (directories if entry.is_dir() else files).append(entry.name)
        if entry.is_symlink():
            links.add(entry.name)
    return directories, files, links


def _child(place: Place, name: str) -> Place:
    if isinstance(place, Remote):
        return place.at(posixpath.join(place.directory, name) + "/")
    return os.path.join(place, name)
