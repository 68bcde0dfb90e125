"""Making and removing: files, directories, trees."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Callable, Container
from types import TracebackType
from typing import Any, TypeAlias

from aiostore.errors import AlreadyExistsError, StoreError
from aiostore.fs.place import AnyPath, Remote, locate
from aiostore.fs.remote import first, head, is_directory, not_a_directory, not_a_file, pages, put_marker
from aiostore.fs.thread import in_thread
from aiostore.store import Store
from aiostore.types import ObjectMeta

OnError: TypeAlias = Callable[
    [Callable[..., Any], str, tuple[type[BaseException], BaseException, TracebackType | None]], object
]
"""What :func:`shutil.rmtree` calls: the function that failed, the path, and ``sys.exc_info()``."""


async def mkdir(path: AnyPath, mode: int = 0o777, *, store: Store | None = None) -> None:
    """Make a directory: on a service its marker, atomically where the service can; the container itself if it is that.

    Raises:
        FileExistsError: if there is a file or directory.
        FileNotFoundError: if the directory above it does not exist.
    """
    place = locate(path, store)
    if isinstance(place, Remote):
        await make(place)
    else:
        await in_thread(os.mkdir, place, mode)


async def make(place: Remote) -> None:
    """:func:`mkdir` of a key."""
    if not place.key:
        await place.store.create_container()
        return
    if await first(place) or await head(place.at(place.key)) is not None:
        raise place.error(errno.EEXIST)
    above = place.at(place.key.rpartition("/")[0])
    if above.key and not await is_directory(above):
        raise place.error(errno.ENOENT if await head(above) is None else errno.ENOTDIR)
    try:
        await put_marker(place)
    except AlreadyExistsError as error:
        raise place.error(errno.EEXIST) from error


async def makedirs(name: AnyPath, mode: int = 0o777, exist_ok: bool = False, *, store: Store | None = None) -> None:
    """Make a directory and all above it that are missing, the container too.

    Raises:
        FileExistsError: if it exists and ``exist_ok`` is false, or a file has its name.
    """
    place = locate(name, store)
    if isinstance(place, Remote):
        await make_all(place, exist_ok=exist_ok)
    else:
        await in_thread(os.makedirs, place, mode, exist_ok)


async def make_all(place: Remote, *, exist_ok: bool) -> None:
    """:func:`makedirs` of a key."""
    try:
        await make(place)
    except FileExistsError:
        if not exist_ok or not await is_directory(place):
            raise
    except FileNotFoundError:
        if not place.key:
            raise
        await make_all(place.at(place.key.rpartition("/")[0]), exist_ok=True)
        await make_all(place, exist_ok=exist_ok)


async def remove(path: AnyPath, *, store: Store | None = None) -> None:
    """Delete a file.

    Raises:
        FileNotFoundError: if there is none.
        IsADirectoryError: if it is a directory.
    """
    place = locate(path, store)
    if not isinstance(place, Remote):
        await in_thread(os.remove, place)
    elif await head(place) is None:
        raise await not_a_file(place)
    else:
        await place.store.delete(place.key)


unlink = remove


async def rmdir(path: AnyPath, *, store: Store | None = None) -> None:
    """Remove an empty directory: its marker, or the container.

    Raises:
        OSError: (``ENOTEMPTY``) if something is in it.
        FileNotFoundError: if there is none.
        NotADirectoryError: if it is a file.
    """
    place = locate(path, store)
    if not isinstance(place, Remote):
        await in_thread(os.rmdir, place)
        return
    found = await first(place, 2)
    if any(meta.key != place.directory for meta in found):
        raise place.error(errno.ENOTEMPTY)
    if not place.key:
        if not await is_directory(place):
            raise place.missing()
        await place.store.delete_container()
    elif found:
        await place.store.delete(place.directory)
    else:
        raise await not_a_directory(place)


async def rmtree(
    path: AnyPath, ignore_errors: bool = False, onerror: OnError | None = None, *, store: Store | None = None
) -> None:
    """Delete a directory with all that is in it: on a service every key below it, in batches, as it is listed.

    A container is refused with ``EBUSY``, as a mount point is: ``Store.delete_container(force=True)`` removes one. A
    cancelled call leaves what it has not reached.

    Raises:
        FileNotFoundError: if there is none.
        NotADirectoryError: if it is a file.
    """
    place = locate(path, store)
    if not isinstance(place, Remote):
        await in_thread(shutil.rmtree, place, ignore_errors, onerror)
        return
    try:
        await remove_tree(place, ignore_errors=ignore_errors, onerror=onerror)
    except (OSError, StoreError):
        if ignore_errors:
            return
        if onerror is None:
            raise
        onerror(rmtree, place.shown, _exc_info())


def state(meta: ObjectMeta) -> int:
    """A number for one state of an object."""
    return hash((meta.key, meta.etag))


async def remove_tree(
    place: Remote, *, ignore_errors: bool = False, onerror: OnError | None = None, only: Container[int] | None = None
) -> None:
    """:func:`rmtree` of a key; of the states ``only``, if they are given.

    Raises:
        OSError: ``ENOTEMPTY`` if there are others.
    """
    if not place.key:
        raise place.error(errno.EBUSY)
    empty = True
    left = False
    async for page in pages(place):
        keys = [meta.key for meta in page.objects if only is None or state(meta) in only]
        left = left or len(keys) < len(page.objects)
        empty = empty and not page.objects
        for result in await place.store.delete_many(keys):
            if result.error is None or ignore_errors:
                continue
            if onerror is None:
                raise result.error
            try:
                raise result.error
            except StoreError:
                onerror(remove, place.path(result.key), _exc_info())
    if left:
        raise place.error(errno.ENOTEMPTY)
    if empty and only is None:
        raise await not_a_directory(place)


def _exc_info() -> tuple[type[BaseException], BaseException, TracebackType | None]:
    kind, error, trace = sys.exc_info()
    if kind is None or error is None:
        raise RuntimeError("no error is being handled")
    return kind, error, trace
