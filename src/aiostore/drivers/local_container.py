"""A root as a container: made, deleted, and listed beside others."""

from __future__ import annotations

import os
from contextlib import closing

from aiostore.drivers.local_directory import Directory
from aiostore.drivers.local_keys import is_reserved
from aiostore.drivers.local_walk import Walk
from aiostore.errors import AlreadyExistsError, NotFoundError, PreconditionFailedError


def create_root(root: str) -> None:
    """Make the directory, and those above it.

    Raises:
        AlreadyExistsError: if there is something of that name.
    """
    os.makedirs(os.path.dirname(root), exist_ok=True)
    try:
        os.mkdir(root)
    except FileExistsError:
        raise AlreadyExistsError(f"{root} exists already; use it as it is") from None


def delete_root(root: str) -> None:
    """Remove the directory with what the driver itself keeps in it; a missing one is no error.

    Raises:
        PreconditionFailedError: if there is an object, or anything else that is not the driver's; nothing is removed
            then but empty directories, and what belongs to uploads and killed processes.
    """
    try:
        with closing(Walk(root, "").items()) as items:
            first = next(items, None)
        if first is None:
            with Directory.root(root) as directory:
                _clear(directory, ours=False)
            os.rmdir(root)
    except NotFoundError:
        return
    except OSError as error:
        raise PreconditionFailedError(f"{root} holds files that are no objects; remove them first") from error
    if first is not None:
        raise PreconditionFailedError(f"the container is not empty: it holds {first[0]!r}; delete its objects first")


def _clear(directory: Directory, *, ours: bool) -> None:
    """Remove empty directories and the driver's own files; within a directory of its own, all files."""
    for entry in list(directory.scan()):
        own = ours or is_reserved(entry.name)
        if entry.is_dir(follow_symlinks=False):
            with directory.enter(entry.name) as below:
                _clear(below, ours=own)
            directory.remove_directory(entry.name)
        elif own:
            directory.remove(entry.name)


def directories(parent: str) -> list[str]:
    """The names of the containers in a directory, in order; hidden directories and links are none."""
    with os.scandir(parent) as entries:
        return sorted(
            entry.name for entry in entries if entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".")
        )
