"""``rm``: batches on services, the standard library's own removal of local trees, and the truth of both."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import sys
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from itertools import groupby
from types import TracebackType
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from aiostore.cli import output
from aiostore.cli.command import PATH, FailedError, resumed
from aiostore.cli.listing import Entry, entries, is_pattern, must_exist
from aiostore.cli.output import complain, sentence

if TYPE_CHECKING:
    from aiostore.fs.place import Place
    from aiostore.store import Store
    from aiostore.types import Progress

AT_ONCE: Final = 16
"""Paths that are looked at at a time."""

SHOWN: Final = 100
"""Failures that are told one by one; the others are counted."""


class Tally:
    """What was deleted, and what was not."""

    def __init__(self) -> None:
        self.deleted = 0
        self.failed = 0

    def fail(self, path: str, error: BaseException) -> None:
        """Say why something could not be deleted."""
        self.failed += 1
        said = sentence(error)
        if self.failed <= SHOWN:
            complain(said if path in said else f"{path}: {said}")

    def end(self) -> None:
        """Say what was done if that is not all.

        Raises:
            FailedError: if anything failed.
        """
        if self.failed:
            complain(f"{self.deleted} deleted, {self.failed} failed; run the same command again for those")
            raise FailedError


class Target(NamedTuple):
    """What is to be deleted: an object, what is below a directory, or both where a key is both."""

    path: str
    place: Place
    object: bool
    below: bool


@click.command()
@click.argument("paths", nargs=-1, required=True, type=PATH)
@click.option("-r", "--recursive", "recursive", is_flag=True, help="Everything below PATH too.")
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would be deleted.")
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@click.option("--no-progress", is_flag=True, help="No bar, on terminals too.")
@resumed("run the same command again; what was deleted is gone")
async def rm(paths: tuple[str, ...], recursive: bool, dry_run: bool, force: bool, no_progress: bool) -> None:
    """Delete each PATH, or what matches it. Asks on a terminal before it deletes more than one object.

    What is below a PATH is deleted in batches as it is listed. Buckets stay: see rb.
    """
    tally = Tally()
    targets = await _targets(paths, recursive=recursive)
    if dry_run or (sys.stdin.isatty() and not force):
        count = 0
        async for path in _names(targets):
            count += 1
            if dry_run:
                output.text(path)
        if dry_run:
            return
        if count > 1:
            click.confirm(f"Delete {count} objects?", abort=True, err=True)
    try:
        with output.progress("rm", wanted=not no_progress, unit="objects") as progress:
            for store, some in groupby(targets, key=_store):
                if store is None:
                    for target in some:
                        await asyncio.to_thread(_delete_local, str(target.place), tally)
                else:
                    await _delete_keys(store, list(some), tally, progress)
    except Exception:
        if tally.deleted:
            complain(f"{tally.deleted} were deleted before this:")
        raise
    tally.end()


def _store(target: Target) -> Store | None:
    from aiostore.fs.place import Remote

    return target.place.store if isinstance(target.place, Remote) else None


async def _targets(paths: Iterable[str], *, recursive: bool) -> list[Target]:
    """What the paths mean, looked at before anything is deleted.

    Raises:
        OSError: if nothing is at one of them, or a directory without ``recursive``.
    """
    from aiostore._engine.gather import gather

    async def known(path: str) -> list[Target]:
        if not await is_pattern(path):
            return [await _target(path, recursive=recursive)]
        async with aclosing(entries(path, recursive=False, pattern=True)) as matches:
            found = [_match(entry, recursive=recursive) async for entry in matches]
        if not found:
            await must_exist(path, pattern=True)
        return found

    return [target for some in await gather(known, list(paths), AT_ONCE) for target in some]


def _match(entry: Entry, *, recursive: bool) -> Target:
    if entry.directory and not recursive:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), entry.path)
    return Target(entry.path, _place(entry.path), not entry.directory, entry.directory)


def _place(path: str) -> Place:
    """Where a path leads; with a slash at its end a local link would be what it leads to."""
    from aiostore.fs.place import locate

    place = locate(path, None)
    return place.rstrip(os.sep) or os.sep if isinstance(place, str) else place


async def _target(path: str, *, recursive: bool) -> Target:
    from aiostore.fs.place import Remote
    from aiostore.fs.remote import head, is_directory

    place = _place(path)
    if isinstance(place, Remote):
        is_object = await head(place) is not None
        below = (recursive or not is_object) and await is_directory(place)
    else:
        below = os.path.isdir(place) and not os.path.islink(place)
        is_object = os.path.lexists(place) and not below
    if not is_object and not below:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    if below and not recursive and not is_object:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if isinstance(place, str) and below:
        if os.path.basename(place.rstrip("/" + os.sep)) in {os.curdir, os.pardir}:
            # So it is easily a directory above the one that is meant.
            raise click.UsageError(f"{path} is refused: name the directory itself")
        here = os.path.realpath(place)
        if os.path.commonpath([here, os.getcwd()]) == here:
            raise click.UsageError(f"{path} holds the working directory; go elsewhere, or name what is in it")
    return Target(path, place, is_object, below and recursive)


async def _names(targets: Iterable[Target]) -> AsyncGenerator[str, None]:
    """Every object that would be deleted."""
    for target in targets:
        if target.object:
            yield target.path
        if target.below:
            async with aclosing(entries(target.path.rstrip("/") + "/", recursive=True, pattern=False)) as found:
                async for entry in found:
                    yield entry.path


async def _delete_keys(store: Store, targets: Iterable[Target], tally: Tally, progress: Progress | None) -> None:
    from aiostore.fs.place import Remote

    places = [(target, target.place) for target in targets if isinstance(target.place, Remote)]

    async def keys() -> AsyncGenerator[str, None]:
        for target, place in places:
            if target.object:
                yield place.key
            if target.below:
                async for meta in store.list(place.directory):
                    yield meta.key

    first = places[0][1]
    async with store.delete_many(keys()) as results:
        async for result in results:
            if result.error is None:
                tally.deleted += 1
            else:
                tally.fail(first.path(result.key), result.error)
            if progress is not None:
                progress(tally.deleted + tally.failed, None)


def _delete_local(path: str, tally: Tally) -> None:
    def failed(_function: object, name: str, info: tuple[type[BaseException], BaseException, TracebackType]) -> None:
        if not isinstance(info[1], FileNotFoundError):  # gone already, perhaps with a directory above it
            tally.fail(name, info[1])

    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, onerror=failed)
        if not os.path.lexists(path):
            tally.deleted += 1
        return
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        tally.fail(path, error)
    else:
        tally.deleted += 1
