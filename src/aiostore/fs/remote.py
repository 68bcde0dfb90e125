"""Directories where there are only keys.

They are what the consoles of the services show: a directory exists if a key is below it. One that is to be empty is
held by a *marker*, an object without bytes whose key ends with the slash.
"""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from aiostore.capabilities import Guarantee
from aiostore.errors import InvalidKeyError, NotFoundError, NotSupportedError, StoreError
from aiostore.fs.place import Remote
from aiostore.store import Store
from aiostore.types import ListPage, ObjectMeta

MARKER_TYPE: Final = "application/x-directory"


async def head(place: Remote) -> ObjectMeta | None:
    """The object at ``place``, None if there is none or only a directory can be meant."""
    if not place.key or place.slash:
        return None
    try:
        return await place.store.head(place.key)
    except NotFoundError:
        return None


async def first(place: Remote, count: int = 1) -> list[ObjectMeta]:
    """Up to ``count`` objects below a directory, its marker included: none if it does not exist."""
    found: list[ObjectMeta] = []
    if "list_page" not in place.store.capabilities.operations:
        return found
    async with aclosing(pages(place, limit=count)) as some:
        async for page in some:
            found.extend(page.objects)
            if len(found) >= count:
                break
    return found[:count]


def pages(
    place: Remote, *, prefix: str = "", delimiter: str | None = None, limit: int | None = None
) -> AsyncGenerator[ListPage, None]:
    """What is below a directory and begins with ``prefix``, page by page."""
    return place.store.list_pages(place.directory + prefix, delimiter=delimiter, limit=limit)


async def is_directory(place: Remote) -> bool:
    """Whether there is a directory; the container is one."""
    return bool(await first(place)) if place.key else await place.store.container_exists()


async def not_a_directory(place: Remote) -> OSError:
    """The error of what was taken for a directory and is none: NotADirectoryError or FileNotFoundError."""
    file = await head(place.at(place.key))
    return place.missing() if file is None else place.error(errno.ENOTDIR)


async def not_a_file(place: Remote) -> OSError:
    """The error of what was taken for a file and is none: IsADirectoryError or FileNotFoundError."""
    return place.error(errno.EISDIR) if await is_directory(place) else place.missing()


async def told(error: NotFoundError, store: Store, key: str, shown: str) -> OSError:
    """What to raise where a file was opened that is not there: ``error``, unless there is a directory."""
    try:
        if not await is_directory(Remote(store=store, key=key)):
            return error
    except StoreError:
        return error  # who may not list cannot know
    return IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), shown)


async def put_marker(place: Remote) -> None:
    """Make the marker of a directory.

    Raises:
        FileExistsError: if it exists, decided by the service where it can.
        NotSupportedError: if no key of this store ends with a slash.
    """
    atomic = place.store.capabilities.put.if_absent is Guarantee.ATOMIC
    try:
        await place.store.put(place.directory, b"", content_type=MARKER_TYPE, if_absent=atomic)
    except InvalidKeyError as error:
        raise NotSupportedError(
            "this store has no empty directories: a file below makes one; of a LocalStore use its path instead",
            key=place.key,
            operation="mkdir",
            store=place.store.location,
        ) from error
