"""``cp``, ``mv``, ``sync`` and ``verify``."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import click

from aiostore.cli import output
from aiostore.cli.command import FailedError, complain, verb
from aiostore.cli.listing import entries, is_pattern
from aiostore.cli.objects import place_of

if TYPE_CHECKING:
    from aiostore.transfer import Summary

STANDARD: Final = "-"
"""Standard input as a source, standard output as a target."""

BLOCK: Final = 1024**2
ENCODINGS: Final = ["same", "none", "gzip", "br", "zstd", "xz", "bz2"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How objects are written."""

    encoding: str = "same"
    if_absent: bool = False
    content_type: str | None = None
    cache_control: str | None = None
    metadata: dict[str, str] | None = None
    progress: bool = True


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("-c", "--compress", "encoding", type=click.Choice(ENCODINGS), default="same", show_default=True,
                     help="The encoding of what is written; local files are decoded unless it is given."),
        click.option("--if-absent", is_flag=True, help="Never replace anything."),
        click.option("--content-type", help="Instead of the guessed one."),
        click.option("--cache-control", help="For browsers and caches."),
        click.option("-m", "--metadata", multiple=True, metavar="NAME=VALUE", help="User metadata; may be repeated."),
        click.option("--no-progress", is_flag=True, help="No bar, on terminals too."),
    ):  # fmt: skip
        command = option(command)
    return command


def _made(
    encoding: str, if_absent: bool, content_type: str | None, cache_control: str | None,
    metadata: tuple[str, ...], no_progress: bool,
) -> Options:  # fmt: skip
    pairs = {}
    for item in metadata:
        name, sign, value = item.partition("=")
        if not sign:
            raise click.UsageError(f"--metadata {item!r} is not of the form NAME=VALUE")
        pairs[name] = value
    return Options(
        encoding=encoding, if_absent=if_absent, content_type=content_type, cache_control=cache_control,
        metadata=pairs or None, progress=not no_progress,
    )  # fmt: skip


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="SOURCE... TARGET")
@click.option("-r", "recursive", is_flag=True, help="Directories, with everything below them.")
@click.option("--files-from", help="Sources are the lines of this file, or of standard input if it is '-'.")
@click.option("-p", "--processes", default=1, show_default=True, help="Spread directories over so many processes.")
@_options
@verb
async def cp(
    paths: tuple[str, ...], recursive: bool, files_from: str | None, processes: int, **options: Any
) -> None:  # fmt: skip
    """Copy files and objects. TARGET is a directory if there are several sources; '-' is standard input or output."""
    await _copy(paths, recursive=recursive, files_from=files_from, processes=processes, options=_made(**options))


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="SOURCE... TARGET")
@verb
async def mv(paths: tuple[str, ...]) -> None:
    """Move files, objects and directories: what was copied is deleted, unless somebody wrote it anew meanwhile."""
    from aiostore import fs

    *sources, target = paths
    if not sources or STANDARD in paths:
        raise click.UsageError("give a SOURCE and a TARGET, neither of them '-'")
    if len(sources) > 1 and not await fs.isdir(target):
        raise NotADirectoryError(errno.ENOTDIR, "several sources go into a directory", target)
    for source in sources:
        await fs.move(source, target)


async def _copy(
    paths: tuple[str, ...], *, recursive: bool, files_from: str | None, processes: int, options: Options
) -> list[str]:
    """Copy everything; returns the sources."""
    from aiostore import fs

    *sources, target = paths
    if files_from is not None:
        lines = sys.stdin if files_from == STANDARD else Path(files_from).read_text().splitlines()
        sources += [line.rstrip("\n") for line in lines if line.strip()]
    if not sources:
        raise click.UsageError("give a SOURCE and a TARGET")
    found = []
    for source in sources:
        if source != STANDARD and await is_pattern(source):
            matches = [entry.path async for entry in entries(source, recursive=False, pattern=True)]
            if not matches:
                raise FileNotFoundError(2, "nothing matches", source)
            found += matches
        else:
            found.append(source)
    into = len(found) > 1 or target.endswith(("/", "\\")) or (target != STANDARD and await fs.isdir(target))
    if len(found) > 1 and target == STANDARD:
        raise click.UsageError("several sources cannot go to standard output: use cat")
    failed = False
    for source in found:
        if source not in {STANDARD, target} and await fs.isdir(source):
            if not recursive:
                complain(f"{source} is a directory: use -r")
                failed = True
                continue
            name = fs.basename(source.rstrip("/"))
            inside = len(found) > 1 or (into and await fs.isdir(target) and not source.endswith("/"))
            summary = await _tree(source, fs.join(target, name) if inside else target, processes, options)
            failed |= _report(summary)
            continue
        name = "stdin" if source == STANDARD else fs.basename(source)
        try:
            await _file(source, fs.join(target, name) if into and target != STANDARD else target, options)
        except Exception as error:  # the others are still to be copied
            if len(found) == 1:
                raise
            complain(f"{source}: {error}")
            failed = True
    if failed:
        raise FailedError
    return found


async def _tree(source: str, target: str, processes: int, options: Options) -> Summary:
    from aiostore import transfer
    from aiostore.fs.place import locate

    encoding: str | None = options.encoding
    if encoding == "same":
        encoding = "none" if isinstance(locate(target, None), str) else None
    with output.progress(f"{source} -> {target}", wanted=options.progress) as progress:
        return await transfer.copy(
            source, target, compare="never", reencode=encoding, processes=processes, progress=progress
        )


def _report(summary: Summary) -> bool:
    """Say what failed; whether anything did."""
    for failure in summary.failures:
        complain(f"{failure.key}: {failure.error}")
    if summary.failed:
        complain(
            f"{summary.copied + summary.replaced} copied, {summary.skipped} left as they were,"
            f" {summary.deleted} deleted, {summary.failed} failed; run the same again for the rest"
        )
    return summary.failed > 0


async def _file(source: str, target: str, options: Options) -> None:
    """One file or object, from or to anywhere."""
    from aiostore.fs.place import Remote, locate

    if target == STANDARD:
        await _to_standard(source, options.encoding)
        return
    if isinstance(locate(target, None), Remote):
        await _to_store(source, target, options)
        return
    if options.encoding not in {"same", "none"}:
        raise click.UsageError("local files are written decoded: leave out --compress")
    path = Path(target)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=".aiostore-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            await _into(source, file, options)
        umask = os.umask(0o077)  # can only be read by setting it
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        if options.if_absent:
            os.link(name, path)
        else:
            os.replace(name, path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name)


async def _into(source: str, file: BinaryIO, options: Options) -> None:
    """The bytes of a source, decoded, into an open file."""
    from aiostore.fs.place import Remote, locate

    if source != STANDARD and isinstance(locate(source, None), Remote):
        store, key = place_of(source)
        with output.progress(source, wanted=options.progress) as progress:
            await store.download(key, file, progress=progress)
        return
    async for block in _blocks(source):
        await asyncio.to_thread(file.write, block)


async def _to_store(source: str, target: str, options: Options) -> None:
    from aiostore.fs.place import Remote, locate

    store, key = place_of(target)
    if source != STANDARD and isinstance(locate(source, None), Remote):
        from aiostore import transfer

        reencode = None if options.encoding == "same" else options.encoding
        await transfer.copy_object(*place_of(source), store, key, reencode=reencode, if_absent=options.if_absent)
        return
    size = None if source == STANDARD else Path(source).stat().st_size
    with output.progress(target, wanted=options.progress, total=size) as progress:
        await store.put(
            key,
            _blocks(source) if source == STANDARD else Path(source),
            content_type=options.content_type,
            cache_control=options.cache_control,
            metadata=options.metadata,
            compress=None if options.encoding in {"same", "none"} else options.encoding,
            if_absent=options.if_absent,
            progress=progress,
        )


async def _blocks(source: str) -> AsyncIterator[bytes]:
    """The bytes of a local file, or of standard input."""
    with nullcontext(sys.stdin.buffer) if source == STANDARD else Path(source).open("rb") as file:
        while block := await asyncio.to_thread(file.read, BLOCK):
            yield block


async def _to_standard(source: str, encoding: str) -> None:
    store, key = place_of(source)
    async with store.stream(key, raw=encoding not in {"same", "none"}) as stream:
        async for chunk in stream:
            sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()


@click.command()
@click.argument("source")
@click.argument("target")
@click.option("--delete", is_flag=True, help="Remove from TARGET what SOURCE does not have.")
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--include", multiple=True, help="Only keys that match; may be repeated.")
@click.option("--exclude", multiple=True, help="No keys that match; may be repeated.")
@click.option("--checksum", is_flag=True, help="Compare bytes by checksum, not size and time.")
@click.option("-c", "--compress", "encoding", type=click.Choice(ENCODINGS), default="same", show_default=True,
              help="The encoding of what is written.")  # fmt: skip
@click.option("-p", "--processes", default=1, show_default=True, help="Spread the work over so many processes.")
@click.option("--json", "as_json", is_flag=True, help="The summary as one JSON object.")
@click.option("--no-progress", is_flag=True, help="No bar, on terminals too.")
@verb
async def sync(
    source: str, target: str, delete: bool, dry_run: bool, include: tuple[str, ...], exclude: tuple[str, ...],
    checksum: bool, encoding: str, processes: int, as_json: bool, no_progress: bool,
) -> None:  # fmt: skip
    """Make TARGET like SOURCE. What is there and equal is skipped, so an interrupted sync is simply run again."""
    from aiostore import transfer

    compare: transfer.Compare = "bytes" if checksum else "size+mtime"
    if dry_run and not as_json:
        async for action in transfer.plan(
            source, target, include=include, exclude=exclude, compare=compare, delete=delete
        ):
            if action.kind != "skip":
                click.echo(f"{action.kind:8} {action.key}  ({action.reason})")
        return
    with output.progress(f"{source} -> {target}", wanted=not no_progress) as progress:
        summary = await transfer.sync(
            source, target, delete=delete, include=include, exclude=exclude, compare=compare,
            reencode=None if encoding == "same" else encoding, dry_run=dry_run, processes=processes, progress=progress,
        )  # fmt: skip
    if as_json:
        output.line(
            copied=summary.copied, replaced=summary.replaced, skipped=summary.skipped, deleted=summary.deleted,
            failed=summary.failed, bytes=summary.bytes, dry_run=summary.dry_run,
        )  # fmt: skip
    else:
        click.echo(
            f"{summary.copied} copied, {summary.replaced} replaced, {summary.skipped} equal, {summary.deleted} deleted:"
            f" {output.human(summary.bytes)}"
        )
    if _report(summary):
        raise FailedError


@click.command()
@click.argument("first")
@click.argument("second")
@verb
async def verify(first: str, second: str) -> None:
    """Compare every object below FIRST with SECOND: keys, and checksums, or bytes where there are none."""
    from aiostore import transfer

    different = 0
    async for difference in transfer.differences(first, second):
        click.echo(f"{difference.key}: {difference.reason}")
        different += 1
    if different:
        complain(f"{different} keys differ")
        raise FailedError
