"""``cat``, ``head``, ``stat``, ``touch`` and ``presign``."""

from __future__ import annotations

import errno
import os
import stat as modes
import sys
from typing import TYPE_CHECKING, Final

import click

from aiostore.cli import output
from aiostore.cli.command import PATH, verb
from aiostore.cli.listing import JSON
from aiostore.cli.standard import blocks

if TYPE_CHECKING:
    from aiostore.store import Store
    from aiostore.types import ObjectMeta


async def place_of(path: str) -> tuple[Store, str]:
    """The store and key of an object, or of a local file, wherever links to that lead.

    Raises:
        click.UsageError: if the path names no object.
        OSError: if there is no such local file, or it is a directory.
    """
    from pathlib import Path

    from aiostore.fs.place import Remote, locate
    from aiostore.fs.stores import store_at

    place = locate(path, None)
    if isinstance(place, Remote):
        if not place.key:
            raise click.UsageError(f"{path} names a whole bucket, not an object in it")
        return place.store, place.key + "/" * place.slash
    if os.path.isdir(place):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    real = Path(os.path.realpath(place))
    if not real.exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    return store_at(str(real.parent)), real.name


class Range(click.ParamType[tuple[int | None, int | None]]):
    """``START-STOP``, both inclusive as in HTTP; one of them may be left out (``-5`` is the last five bytes)."""

    name = "start-stop"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int | None, int | None]:
        """The half-open range."""
        first, dash, last = str(value).partition("-")
        try:
            if not dash or not (first or last):
                raise ValueError
            if not first:
                return -int(last), None
            start, stop = int(first), int(last) + 1 if last else None
        except ValueError:
            self.fail(f"{value!r} is not of the form START-STOP, START- or -COUNT", param, ctx)
        if stop is not None and stop <= start:
            self.fail(f"{value!r} stops before it starts", param, ctx)
        return start, stop


@click.command()
@click.argument("paths", nargs=-1, required=True, type=PATH)
@click.option("-r", "--range", "part", type=Range(), help="These bytes only, as they are stored: the first is 0-0.")
@click.option("--raw", is_flag=True, help="Stored bytes, not decoded by Content-Encoding.")
@verb
async def cat(paths: tuple[str, ...], part: tuple[int | None, int | None] | None, raw: bool) -> None:
    """Write the bytes of each PATH to standard output."""
    start, stop = part or (None, None)
    for path in paths:
        if part is None and is_special(path):
            async for block in blocks(path):
                sys.stdout.buffer.write(block)
            continue
        store, key = await place_of(path)
        async with store.stream(key, start=start, stop=stop, raw=raw) as stream:
            async for chunk in stream:
                sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()


def is_special(path: str) -> bool:
    """Whether it is a local pipe or device, which has bytes and no size."""
    if "://" in path:
        return False
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not modes.S_ISREG(mode) and not modes.S_ISDIR(mode)


def _show(path: str, meta: ObjectMeta, *, as_json: bool) -> None:
    fields = output.described(path, meta)
    if as_json:
        output.line(**fields)
        return
    for name, value in fields.items():
        if isinstance(value, dict):
            for inner, text in value.items():
                output.text(f"{name}.{inner}: {text}")
        else:
            output.text(f"{name}: {output.time(meta.last_modified) if name == 'modified' else value}")


@click.command()
@click.argument("paths", nargs=-1, required=True, type=PATH)
@JSON
@verb
async def head(paths: tuple[str, ...], as_json: bool) -> None:
    """Everything that the service says of each object."""
    for path in paths:
        store, key = await place_of(path)
        _show(path, await store.head(key), as_json=as_json)


@click.command()
@click.argument("paths", nargs=-1, required=True, type=PATH)
@JSON
@verb
async def stat(paths: tuple[str, ...], as_json: bool) -> None:
    """Size, time and kind of each PATH: file or directory."""
    from datetime import UTC, datetime

    from aiostore import fs

    for path in paths:
        status = await fs.stat(path)
        kind = "directory" if modes.S_ISDIR(status.st_mode) else "file"
        modified = datetime.fromtimestamp(status.st_mtime, UTC) if status.st_mtime else None
        if as_json:
            output.line(path=path, kind=kind, size=status.st_size, modified=modified)
        else:
            output.text(f"{kind:9}  {status.st_size}  {output.time(modified)}  {path}")


@click.command()
@click.argument("paths", nargs=-1, required=True, type=PATH)
@verb
async def touch(paths: tuple[str, ...]) -> None:
    """Make an empty object of each PATH that does not exist; what exists is given the present time, with its bytes."""
    from pathlib import Path

    from aiostore.errors import AlreadyExistsError, NotSupportedError
    from aiostore.fs.place import locate

    for path in paths:
        local = locate(path, None)
        if isinstance(local, str):
            Path(local).touch()
            continue
        store, key = await place_of(path)
        try:
            await store.put(key, b"", if_absent=True)
        except AlreadyExistsError:
            await store.set_metadata(key)
        except NotSupportedError:
            if await store.exists(key):
                await store.set_metadata(key)
            else:
                await store.put(key, b"")


METHODS: Final = ["GET", "HEAD", "PUT", "DELETE"]


@click.command()
@click.argument("path", type=PATH)
@click.option("-m", "--method", type=click.Choice(METHODS, case_sensitive=False), default="GET", show_default=True,
              help="What the URL allows.")  # fmt: skip
@click.option("-e", "--expires-in", type=click.FloatRange(min=1), default=3600.0, show_default=True,
              help="For how many seconds.")  # fmt: skip
@verb
async def presign(path: str, method: str, expires_in: float) -> None:
    """Print a URL that allows METHOD on this object to whoever holds it."""
    from aiostore.errors import NotSupportedError
    from aiostore.fs.place import Remote, locate

    if not isinstance(locate(path, None), Remote):
        raise NotSupportedError("local files have no signed URLs: hand the bytes on yourself", key=path)
    store, key = await place_of(path)
    output.text(await store.sign(key, method=method, expires_in=expires_in))
