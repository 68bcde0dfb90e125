"""``ls`` and ``du``."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import NamedTuple

import click

from aiostore.cli import output
from aiostore.cli.command import verb

JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
HUMAN = click.option("--human", "-H", "as_human", is_flag=True, help="Sizes such as 1.5M.")


@click.command()
@click.argument("path", default=".")
@click.option("-l", "long", is_flag=True, help="Size and time too.")
@click.option("-r", "recursive", is_flag=True, help="Everything below, not one level.")
@click.option("-e", "expression", is_flag=True, help="PATH is a pattern with *, ?, [ab] and **, as * in PATH makes it.")
@HUMAN
@JSON
@verb
async def ls(path: str, long: bool, recursive: bool, expression: bool, as_human: bool, as_json: bool) -> None:
    """List PATH: a directory, a prefix, a file, or what matches a pattern."""
    from aiostore import fs

    found = 0
    async for entry in entries(path, recursive=recursive, pattern=expression or await is_pattern(path)):
        found += 1
        if as_json:
            output.line(path=entry.path, directory=entry.directory, size=entry.size, modified=entry.modified)
        elif long:
            size = "-" if entry.directory else output.shown(entry.size, as_human=as_human)
            click.echo(f"{size:>12}  {output.time(entry.modified):20}  {entry.path}")
        else:
            click.echo(entry.path)
    if not found and not await fs.exists(path):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)


async def is_pattern(path: str) -> bool:
    """Whether ``path`` is meant as a pattern: an object that is called so goes before what its name would match."""
    from aiostore import fs

    return any(sign in path for sign in "*[") and not await fs.exists(path)


class Entry(NamedTuple):
    """One line of a listing; a directory ends in a slash and has no size."""

    path: str
    directory: bool
    size: int
    modified: datetime | None


async def entries(path: str, *, recursive: bool, pattern: bool) -> AsyncIterator[Entry]:
    """What is at ``path``: the files below it, its one level, what matches it, or the file itself."""
    from aiostore import fs
    from aiostore.fs.place import Remote, locate

    if pattern:
        for found in sorted(await fs.glob(path, recursive=True)):
            yield _directory(found) if await fs.isdir(found) else await _file(found)
        return
    place = locate(path, None)
    if isinstance(place, Remote) and recursive:
        async for meta in place.store.list(place.directory):
            yield Entry(place.path(meta.key), False, meta.size, meta.last_modified)
    if isinstance(place, Remote) and not recursive and await fs.isdir(path):
        level = await place.store.list_with_delimiter(place.directory)
        for prefix in level.common_prefixes:
            yield _directory(place.path(prefix))
        for meta in level.objects:
            if meta.key != place.directory:
                yield Entry(place.path(meta.key), False, meta.size, meta.last_modified)
    elif isinstance(place, str) and await fs.isdir(path):
        async for entry in _below(path, recursive=recursive):
            yield entry
    elif await fs.isfile(path):
        yield await _file(path)


async def _below(directory: str, *, recursive: bool) -> AsyncIterator[Entry]:
    from aiostore import fs

    async for root, directories, names in fs.walk(directory):
        if not recursive:
            for name in sorted(directories):
                yield _directory(fs.join(root, name))
        directories.sort()
        for name in sorted(names):
            yield await _file(fs.join(root, name))
        if not recursive:
            return


def _directory(path: str) -> Entry:
    return Entry(path if path.endswith("/") else f"{path}/", True, 0, None)


async def _file(path: str) -> Entry:
    from aiostore import fs

    status = await fs.stat(path)
    return Entry(path, False, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))


@click.command()
@click.argument("paths", nargs=-1, required=True)
@click.option("-s", "--summarize", is_flag=True, help="One line for each PATH, without its directories.")
@click.option("-c", "--total", is_flag=True, help="A line with the sum of all.")
@click.option("-h", "--human", "as_human", is_flag=True, help="Sizes such as 1.5M.")
@JSON
@verb
async def du(paths: tuple[str, ...], summarize: bool, total: bool, as_human: bool, as_json: bool) -> None:
    """How many bytes there are below each PATH, as they are stored."""
    from aiostore import fs

    def show(path: str, size: int, count: int | None) -> None:
        if as_json:
            output.line(path=path, size=size, objects=count)
        else:
            click.echo(f"{output.shown(size, as_human=as_human)}\t{path}")

    whole = objects = 0
    for path in paths:
        size = count = 0
        below: dict[str, int] = {}
        async for entry in entries(path, recursive=True, pattern=False):
            size += entry.size
            count += 1
            if not summarize:
                directory = fs.dirname(entry.path)
                below[directory] = below.get(directory, 0) + entry.size
        if not count and not await fs.exists(path):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        for directory, held in sorted(below.items()):
            if directory.rstrip("/") != path.rstrip("/"):
                show(directory, held, None)
        show(path, size, count)
        whole, objects = whole + size, objects + count
    if total:
        show("total", whole, objects)
