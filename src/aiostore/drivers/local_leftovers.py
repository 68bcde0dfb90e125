"""What a killed process leaves behind, found and removed. None of it is ever listed or read as an object."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from aiostore.drivers import local_attributes, local_upload
from aiostore.drivers.local_attributes import etag_of
from aiostore.drivers.local_directory import Directory, descend, prune
from aiostore.drivers.local_draft import TEMPORARY
from aiostore.drivers.local_keys import RESERVED
from aiostore.drivers.local_lock import is_held
from aiostore.drivers.local_thread import Stop
from aiostore.errors import InvalidKeyError, NotFoundError

_GONE: Final = (FileNotFoundError, NotADirectoryError, InvalidKeyError)


def remove_leftovers(root: str, older_than: float, stop: Stop) -> int:
    """Remove leftovers that nobody has touched for ``older_than`` seconds; says how many.

    Hidden files are left over if nobody holds them, bytes and states of uploads if the other is missing, sidecars if
    there is no file in the state that they are called after.
    """
    before = time.time() - older_than
    states = set(_names(root, local_upload.DIRECTORY))
    sidecars = set(_names(root, local_attributes.DIRECTORY))
    count = 0
    for path, directory in _directories(root, stop):
        removed = 0
        for name in [entry.name for entry in directory.scan() if entry.is_file(follow_symlinks=False)]:
            if not name.startswith(RESERVED):
                if sidecars:
                    with suppress(FileNotFoundError):
                        sidecars.discard(etag_of(directory.status(name)))
                continue
            upload = name.removeprefix(local_upload.DATA)
            if upload in states:
                states.remove(upload)
            elif upload != name or (name.startswith(TEMPORARY) and not _is_held(directory, name)):
                removed += _remove(directory, name, before)
        if removed:
            count += removed
            prune(root, path)
    return count + sum(
        _remove_in(root, names, name, before)
        for names, left in ((local_upload.DIRECTORY, states), (local_attributes.DIRECTORY, sidecars))
        for name in left
    )


def _directories(root: str, stop: Stop) -> Iterator[tuple[tuple[str, ...], Directory]]:
    """Every directory that keys can lie in."""
    waiting: list[tuple[str, ...]] = [()]
    while waiting:
        stop.check()
        path = waiting.pop()
        try:
            directory = descend(root, path)
        except NotFoundError:
            raise
        except _GONE:
            continue
        with directory:
            waiting += [
                (*path, entry.name)
                for entry in directory.scan()
                if entry.is_dir(follow_symlinks=False) and not entry.name.startswith(RESERVED)
            ]
            yield path, directory


def _names(root: str, path: tuple[str, ...]) -> list[str]:
    try:
        with descend(root, path) as directory:
            return [entry.name for entry in directory.scan()]
    except NotFoundError:
        raise
    except _GONE:
        return []


def _is_held(directory: Directory, name: str) -> bool:
    try:
        descriptor = directory.open(name, os.O_RDONLY)
    except _GONE:
        return True
    try:
        return is_held(descriptor)
    finally:
        os.close(descriptor)


def _remove_in(root: str, path: tuple[str, ...], name: str, before: float) -> int:
    with suppress(FileNotFoundError), descend(root, path) as directory:
        return _remove(directory, name, before)
    return 0


def _remove(directory: Directory, name: str, before: float) -> int:
    with suppress(FileNotFoundError):
        if directory.status(name).st_ctime <= before:
            directory.remove(name)
            return 1
    return 0
