"""``ls`` and ``du``, and what is at a path."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from aiostore.cli import output
from aiostore.cli.command import PATH, verb

if TYPE_CHECKING:
    from aiostore.fs.place import Remote
    from aiostore.types import ObjectMeta

JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")

BATCH: Final = 500
"""Local files that one visit to a thread brings."""


@click.command()
@click.argument("path", default=".", type=PATH)
@click.option("-l", "--long", "long", is_flag=True, help="Size and time too.")
@click.option("-r", "--recursive", "recursive", is_flag=True, help="Everything below, not one level.")
@click.option("-e", "--expression", "expression", is_flag=True,
              help="PATH is a pattern with *, ?, [ab] and **, as * or [ in PATH makes it.")  # fmt: skip
@click.option("-H", "--human", "as_human", is_flag=True, help="Sizes such as 1.5M.")
@JSON
@verb
async def ls(path: str, long: bool, recursive: bool, expression: bool, as_human: bool, as_json: bool) -> None:
    """List PATH: a directory, a prefix, a file, or what matches a pattern."""
    found = False
    pattern = expression or await is_pattern(path)
    async with aclosing(entries(path, recursive=recursive, pattern=pattern)) as some:
        async for entry in some:
            found = True
            if as_json:
                output.line(path=entry.path, directory=entry.directory, size=entry.size, modified=entry.modified)
            elif long or as_human:
                size = "-" if entry.directory else output.shown(entry.size, as_human=as_human)
                output.text(f"{size:>12}  {output.time(entry.modified):20}  {entry.path}")
            else:
                output.text(entry.path)
    if not found:
        await must_exist(path, pattern=pattern)


async def is_pattern(path: str) -> bool:
    """Whether ``path`` is meant as a pattern: an object that is called so goes before what its name would match."""
    from aiostore import fs

    return any(sign in path for sign in "*[") and not await fs.exists(path)


async def must_exist(path: str, *, pattern: bool) -> None:
    """Raise FileNotFoundError if nothing is at ``path``, where nothing was found."""
    from aiostore import fs

    if pattern:
        raise FileNotFoundError(errno.ENOENT, "nothing matches", path)
    if not await fs.exists(path):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)


class Entry(NamedTuple):
    """One line of a listing; a directory ends in a slash and has no size."""

    path: str
    directory: bool
    size: int
    modified: datetime | None


async def entries(path: str, *, recursive: bool, pattern: bool) -> AsyncGenerator[Entry, None]:
    """What is at ``path``: the files below it, its one level, what matches it, or the file itself.

    It comes as it is listed, whatever there is of it.
    """
    from aiostore.fs.patterns import described
    from aiostore.fs.place import Remote, locate

    if pattern:
        if "://" in path and not path.lower().startswith("file:"):
            async with aclosing(described(path)) as matches:
                async for found, meta in matches:
                    yield _entry(found, meta)
        else:
            async for entry in _batches(_matching(path.removeprefix("file://"))):
                yield entry
        return
    place = locate(path, None)
    if isinstance(place, Remote):
        found_one = False
        async with aclosing(_keys(place, recursive=recursive)) as keys:
            async for entry in keys:
                found_one = True
                yield entry
        if not found_one and place.key and not place.slash and (meta := await _head(place)) is not None:
            yield _entry(path, meta)
    else:
        async for entry in _batches(_local(place, recursive=recursive)):
            yield entry


def _entry(path: str, meta: ObjectMeta | None) -> Entry:
    return _directory(path) if meta is None else Entry(path, False, meta.size, meta.last_modified)


def _directory(path: str) -> Entry:
    return Entry(path if path.endswith("/") else f"{path}/", True, 0, None)


async def _head(place: Remote) -> ObjectMeta | None:
    from aiostore.fs.remote import head

    return await head(place)


async def _keys(place: Remote, *, recursive: bool) -> AsyncGenerator[Entry, None]:
    """What is below a directory of a store, page by page in the order of keys."""
    async with aclosing(place.store.list_pages(place.directory, delimiter=None if recursive else "/")) as pages:
        async for page in pages:
            level = [_directory(place.path(prefix)) for prefix in page.common_prefixes]
            level += [_entry(place.path(meta.key), meta) for meta in page.objects if meta.key != place.directory]
            for entry in sorted(level, key=lambda entry: entry.path.encode("utf-8", "surrogatepass")):
                yield entry


async def _batches(found: Iterator[Entry]) -> AsyncGenerator[Entry, None]:
    while batch := await asyncio.to_thread(lambda: list(islice(found, BATCH))):
        for entry in batch:
            yield entry


def _matching(pattern: str) -> Iterator[Entry]:
    """What matches a pattern; unlike glob's, its ``**`` does not lead through links."""
    import glob

    base = len(os.path.dirname(pattern.partition("**")[0])) if "**" in pattern else len(pattern)

    @cache
    def through_link(directory: str) -> bool:
        if len(directory) <= base:
            return False
        return os.path.islink(directory) or through_link(os.path.dirname(directory))

    for path in sorted(glob.iglob(pattern, recursive=True)):
        if "**" in pattern and through_link(os.path.dirname(path.rstrip(os.sep))):
            continue
        is_directory = os.path.isdir(path) and not os.path.islink(path.rstrip(os.sep))
        yield _directory(path) if is_directory else _file(path, os.lstat(path))


def _local(path: str, *, recursive: bool) -> Iterator[Entry]:
    """A local file, or what is in a directory; links are shown and not followed."""
    try:
        found = sorted(os.scandir(path), key=lambda entry: os.fsencode(entry.name))
    except FileNotFoundError:
        return
    except NotADirectoryError:
        yield _file(path, os.lstat(path))
        return
    for entry in found:
        inner = os.path.join(path, entry.name)
        if not entry.is_dir(follow_symlinks=False):
            yield _file(inner, entry.stat(follow_symlinks=False))
        elif recursive:
            yield from _local(inner, recursive=True)
        else:
            yield _directory(inner)


def _file(path: str, status: os.stat_result) -> Entry:
    return Entry(path, False, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))


@click.command()
@click.argument("paths", nargs=-1, required=True, type=PATH)
@click.option("-s", "--summarize", is_flag=True, help="One line for each PATH, without its directories.")
@click.option("-h", "--human", "as_human", is_flag=True, help="Sizes such as 1.5M.")
@click.option("-c", "--total", is_flag=True, help="A line with the sum of all.")
@JSON
@verb
async def du(paths: tuple[str, ...], summarize: bool, total: bool, as_human: bool, as_json: bool) -> None:
    """How many bytes there are below each PATH, as they are stored; a line for each directory, too."""

    def show(path: str, size: int, count: int) -> None:
        if as_json:
            output.line(path=path, size=size, objects=count)
        else:
            output.text(f"{output.shown(size, as_human=as_human)}\t{path}")

    whole = objects = 0
    for path in await expanded(paths):
        below: dict[str, tuple[int, int]] = {}
        size, count = await _sum(path, None if summarize else below)
        if not count:
            await must_exist(path, pattern=False)
        for directory, held in sorted(below.items()):
            show(directory, *held)
        show(path, size, count)
        whole, objects = whole + size, objects + count
    if total:
        show("total", whole, objects)


async def _sum(path: str, below: dict[str, tuple[int, int]] | None) -> tuple[int, int]:
    """Bytes and objects at ``path``, and those of each directory below it if they are wanted."""
    from aiostore import fs
    from aiostore.fs.place import Remote, locate

    place = locate(path, None)
    base = len((place.path(place.key) if isinstance(place, Remote) else place).rstrip("/"))
    size = count = 0
    async with aclosing(entries(path, recursive=True, pattern=False)) as found:
        async for entry in found:
            size, count = size + entry.size, count + 1
            directory = fs.dirname(entry.path)
            while below is not None and len(directory.rstrip("/")) > base:
                held = below.get(directory, (0, 0))
                below[directory] = held[0] + entry.size, held[1] + 1
                directory = fs.dirname(directory)
    return size, count


async def expanded(paths: Iterable[str]) -> list[str]:
    """The paths, patterns replaced by what they match.

    Raises:
        FileNotFoundError: if nothing matches one.
    """
    found: list[str] = []
    for path in paths:
        if not await is_pattern(path):
            found.append(path)
            continue
        async with aclosing(entries(path, recursive=False, pattern=True)) as matches:
            some = [entry.path async for entry in matches]
        if not some:
            await must_exist(path, pattern=True)
        found += some
    return found
