"""``cat``, ``head``, ``stat``, ``touch``, ``rm`` and ``presign``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from aiostore.cli import output
from aiostore.cli.command import FailedError, complain, verb
from aiostore.cli.listing import JSON, entries, is_pattern

if TYPE_CHECKING:
    from aiostore.store import Store
    from aiostore.types import ObjectMeta


def place_of(path: str) -> tuple[Store, str]:
    """The store and key of an object, or of a local file.

    Raises:
        click.UsageError: if the path names no object.
    """
    from pathlib import Path

    from aiostore.fs.place import Remote, locate
    from aiostore.fs.stores import store_at

    place = locate(path, None)
    if isinstance(place, Remote):
        if not place.key:
            raise click.UsageError(f"{path} names no object")
        return place.store, place.key + "/" * place.slash
    absolute = Path(place).absolute()
    return store_at(str(absolute.parent)), absolute.name


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
@click.argument("paths", nargs=-1, required=True)
@click.option("-r", "--range", "part", type=Range(), help="These bytes only, as they are stored.")
@click.option("--raw", is_flag=True, help="Stored bytes, not decoded by Content-Encoding.")
@verb
async def cat(paths: tuple[str, ...], part: tuple[int | None, int | None] | None, raw: bool) -> None:
    """Write the bytes of each PATH to standard output."""
    start, stop = part or (None, None)
    for path in paths:
        store, key = place_of(path)
        async with store.stream(key, start=start, stop=stop, raw=raw) as stream:
            async for chunk in stream:
                sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()


def _show(path: str, meta: ObjectMeta, *, as_json: bool) -> None:
    fields = output.described(path, meta)
    if as_json:
        output.line(**fields)
        return
    for name, value in fields.items():
        if isinstance(value, dict):
            for inner, text in value.items():
                click.echo(f"{name}.{inner}: {text}")
        else:
            click.echo(f"{name}: {value}")


@click.command()
@click.argument("paths", nargs=-1, required=True)
@JSON
@verb
async def head(paths: tuple[str, ...], as_json: bool) -> None:
    """Everything that the service says of each object."""
    for path in paths:
        store, key = place_of(path)
        _show(path, await store.head(key), as_json=as_json)


@click.command()
@click.argument("paths", nargs=-1, required=True)
@JSON
@verb
async def stat(paths: tuple[str, ...], as_json: bool) -> None:
    """Size, time and kind of each PATH: file or directory."""
    from datetime import UTC, datetime

    from aiostore import fs

    for path in paths:
        status = await fs.stat(path)
        kind = "directory" if await fs.isdir(path) else "file"
        modified = datetime.fromtimestamp(status.st_mtime, UTC)
        if as_json:
            output.line(path=path, kind=kind, size=status.st_size, modified=modified.isoformat())
        else:
            click.echo(f"{kind}  {status.st_size}  {output.time(modified)}  {path}")


@click.command()
@click.argument("paths", nargs=-1, required=True)
@verb
async def touch(paths: tuple[str, ...]) -> None:
    """Make an empty object of each PATH that does not exist; what exists is written anew, with the same bytes."""
    from pathlib import Path

    from aiostore.errors import AlreadyExistsError, NotSupportedError
    from aiostore.fs.place import locate

    for path in paths:
        local = locate(path, None)
        if isinstance(local, str):
            Path(local).touch()
            continue
        store, key = place_of(path)
        try:
            await store.put(key, b"", if_absent=True)
        except AlreadyExistsError:
            await store.set_metadata(key)
        except NotSupportedError:
            if await store.exists(key):
                await store.set_metadata(key)
            else:
                await store.put(key, b"")


@click.command()
@click.argument("paths", nargs=-1, required=True)
@click.option("-r", "recursive", is_flag=True, help="Everything below PATH too.")
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would be deleted.")
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@verb
async def rm(paths: tuple[str, ...], recursive: bool, dry_run: bool, force: bool) -> None:
    """Delete each PATH. Asks on a terminal before it deletes more than one."""
    from aiostore import fs

    wanted: list[str] = []
    for path in paths:
        pattern = await is_pattern(path)
        if recursive or pattern:
            found = [entry async for entry in entries(path, recursive=recursive, pattern=pattern)]
            wanted += [entry.path for entry in found if not entry.directory]
            if not found and not await fs.exists(path):
                raise FileNotFoundError(2, "No such file or directory", path)
        else:
            wanted.append(path)
    if dry_run:
        for path in wanted:
            click.echo(path)
        return
    if len(wanted) > 1 and not force and sys.stdin.isatty():
        click.confirm(f"Delete {len(wanted)} objects?", abort=True, err=True)
    failed = 0
    for path in wanted:
        try:
            await fs.remove(path)
        except OSError as error:
            complain(f"{path}: {error.strerror or error}")
            failed += 1
    if recursive:
        for path in paths:
            if await fs.isdir(path):
                await fs.rmtree(path, ignore_errors=True)
    if failed:
        raise FailedError


@click.command()
@click.argument("path")
@click.option("-m", "--method", default="GET", show_default=True, help="What the URL allows: GET, PUT, HEAD, DELETE.")
@click.option("-e", "--expires-in", default=3600.0, show_default=True, help="For how many seconds.")
@verb
async def presign(path: str, method: str, expires_in: float) -> None:
    """Print a URL that allows METHOD on this object to whoever holds it."""
    store, key = place_of(path)
    click.echo(await store.sign(key, method=method.upper(), expires_in=expires_in))
