"""What is there: the functions of :mod:`os` and :mod:`os.path` that ask for one path.

Where os.path answers False because it could not look, these raise: a service that is out of reach has not said that
nothing is there.
"""

from __future__ import annotations

import os

from aiostore.fs.place import AnyPath, Remote, locate
from aiostore.fs.remote import first, head, is_directory, not_a_directory
from aiostore.fs.status import StatResult
from aiostore.fs.thread import in_thread
from aiostore.store import Store


async def stat(path: AnyPath, *, store: Store | None = None) -> StatResult:
    """What is known of a file or directory; of an object one request, of a directory two.

    Where a service has both an object and keys below it, the object is meant; a slash at the end means the directory.

    Raises:
        FileNotFoundError: if there is neither.
        NotADirectoryError: if the path ends with a slash and names a file.
    """
    place = locate(path, store)
    if not isinstance(place, Remote):
        return StatResult.of_local(await in_thread(os.stat, place))
    return await stat_remote(place)


async def stat_remote(place: Remote) -> StatResult:
    """:func:`stat` of a key."""
    meta = await head(place)
    if meta is not None:
        return StatResult.of_object(meta)
    found = await first(place)
    if found:
        return StatResult.of_directory(found[0] if found[0].key == place.directory else None)
    if not place.key and await is_directory(place):
        return StatResult.of_directory()
    raise await not_a_directory(place) if place.slash else place.missing()


async def lstat(path: AnyPath, *, store: Store | None = None) -> StatResult:
    """As :func:`stat`, of a link itself. Services have none."""
    place = locate(path, store)
    if isinstance(place, Remote):
        return await stat_remote(place)
    return StatResult.of_local(await in_thread(os.lstat, place))


async def exists(path: AnyPath, *, store: Store | None = None) -> bool:
    """Whether there is a file or directory."""
    place = locate(path, store)
    if not isinstance(place, Remote):
        return await in_thread(os.path.exists, place)
    return await exists_at(place)


async def exists_at(place: Remote) -> bool:
    """:func:`exists` of a key."""
    return await head(place) is not None or await is_directory(place)


async def lexists(path: AnyPath, *, store: Store | None = None) -> bool:
    """Whether there is a file, directory or link, wherever it leads."""
    place = locate(path, store)
    if not isinstance(place, Remote):
        return await in_thread(os.path.lexists, place)
    return await exists(path, store=store)


async def isfile(path: AnyPath, *, store: Store | None = None) -> bool:
    """Whether there is a file: an object of this key."""
    place = locate(path, store)
    if not isinstance(place, Remote):
        return await in_thread(os.path.isfile, place)
    return await head(place) is not None


async def isdir(path: AnyPath, *, store: Store | None = None) -> bool:
    """Whether there is a directory: keys below it, or its marker."""
    place = locate(path, store)
    if not isinstance(place, Remote):
        return await in_thread(os.path.isdir, place)
    return await is_directory(place)


async def islink(path: AnyPath, *, store: Store | None = None) -> bool:
    """Whether it is a symbolic link, which only local paths can be."""
    place = locate(path, store)
    return not isinstance(place, Remote) and await in_thread(os.path.islink, place)


async def ismount(path: AnyPath, *, store: Store | None = None) -> bool:
    """Whether another file system begins here: a container is one."""
    place = locate(path, store)
    return not place.key if isinstance(place, Remote) else await in_thread(os.path.ismount, place)


async def getsize(path: AnyPath, *, store: Store | None = None) -> int:
    """The stored size in bytes; of a directory on a service 0."""
    return (await stat(path, store=store)).st_size


async def getmtime(path: AnyPath, *, store: Store | None = None) -> float:
    """When it was written last, in seconds since 1970."""
    return (await stat(path, store=store)).st_mtime


async def getctime(path: AnyPath, *, store: Store | None = None) -> float:
    """As :func:`os.path.getctime`; of an object the time of its writing."""
    return (await stat(path, store=store)).st_ctime


async def samefile(path1: AnyPath, path2: AnyPath, *, store: Store | None = None) -> bool:
    """Whether both paths lead to the same file or directory.

    Raises:
        FileNotFoundError: if one of them leads nowhere.
    """
    one, other = locate(path1, store), locate(path2, store)
    if not isinstance(one, Remote) and not isinstance(other, Remote):
        return await in_thread(os.path.samefile, one, other)
    await stat(path1, store=store)
    await stat(path2, store=store)
    return isinstance(one, Remote) and isinstance(other, Remote) and same(one, other)


def same(one: Remote, other: Remote) -> bool:
    """Whether two keys are one."""
    return one.key == other.key and (one.store is other.store or one.store.location == other.store.location)
