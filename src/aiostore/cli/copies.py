"""``cp`` and ``mv``."""

from __future__ import annotations

import errno
import os
import shlex
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from aiostore.cli import output
from aiostore.cli.command import AGAIN_WITH, DONE, PATH, FailedError, resumed
from aiostore.cli.content import Written, copy_one
from aiostore.cli.listing import entries, expanded, is_pattern, must_exist
from aiostore.cli.output import complain, sentence
from aiostore.cli.standard import STANDARD

if TYPE_CHECKING:
    from aiostore.transfer import Summary
    from aiostore.types import Progress

AT_ONCE: Final = 16
"""Files that are copied at a time, if there are many."""

ENCODINGS: Final = ["same", "none", "gzip", "br", "zstd", "xz", "bz2"]


def _written(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say how objects are written."""
    for option in reversed((
        click.option("-c", "--compress", "encoding", type=click.Choice(ENCODINGS),
                     help="The encoding of what is written; 'same' is the source's, 'none' decodes. Without it objects "
                     "keep theirs, and local files are decoded."),
        click.option("--if-absent", is_flag=True, help="Never replace anything."),
        click.option("--best-effort", is_flag=True,
                     help="--if-absent also on services where two writers at once may both win."),
        click.option("--content-type", help="Instead of the source's, or the guessed one."),
        click.option("--cache-control", help="For browsers and caches, instead of the source's."),
        click.option("-m", "--metadata", multiple=True, metavar="NAME=VALUE",
                     help="User metadata instead of the source's; may be repeated."),
    )):  # fmt: skip
        command = option(command)
    return command


def _made(
    encoding: str | None, if_absent: bool, best_effort: bool, content_type: str | None, cache_control: str | None,
    metadata: tuple[str, ...],
) -> Written:  # fmt: skip
    pairs = {}
    for item in metadata:
        name, sign, value = item.partition("=")
        if not sign or not name:
            raise click.UsageError(f"--metadata {item!r} is not of the form NAME=VALUE")
        pairs[name] = value
    if best_effort and not if_absent:
        raise click.UsageError("--best-effort is of no use without --if-absent")
    return Written(
        encoding=encoding, if_absent=if_absent, best_effort=best_effort, content_type=content_type,
        cache_control=cache_control, metadata=pairs or None,
    )  # fmt: skip


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="SOURCE... TARGET", type=PATH)
@click.option("-r", "--recursive", "recursive", is_flag=True, help="Directories, with everything below them.")
@click.option("--files-from", type=click.Path(allow_dash=True), metavar="FILE",
              help="Sources are the lines of this file too, or of standard input if it is '-'.")  # fmt: skip
@click.option("-0", "--null", is_flag=True, help="--files-from has NUL behind each source, as find -print0 writes it.")
@click.option("-p", "--processes", type=click.IntRange(min=1), default=1, show_default=True,
              help="Spread directories over so many processes.")  # fmt: skip
@_written
@click.option("--no-progress", is_flag=True, help="No bar, on terminals too.")
@resumed("run the same command again, or aiostore sync, which skips what is there")
async def cp(
    paths: tuple[str, ...], recursive: bool, files_from: str | None, null: bool, processes: int, no_progress: bool,
    **written: Any,
) -> None:  # fmt: skip
    """Copy files and objects, SOURCE or what matches it. '-' is standard input as SOURCE, standard output as TARGET.

    TARGET is a directory if it ends with a slash or is one already, or if there are several sources. Each object is
    there whole or not at all. Modes, owners, links and empty directories are not copied.
    """
    how = _made(**written)
    *named, target = paths
    if not named and files_from is None:
        raise click.UsageError("give a SOURCE and a TARGET")
    if files_from == STANDARD and STANDARD in named:
        raise click.UsageError("standard input cannot be a source and the list of sources")
    if null and files_from is None:
        raise click.UsageError("--null is of no use without --files-from")
    sources = await expanded(named)
    many = len(sources) > 1 or files_from is not None
    if many and target == STANDARD:
        raise click.UsageError("several sources cannot go to standard output: use cat")
    into = await _is_directory(target, many=many)
    total = len(sources) if files_from is None else None
    with output.progress(
        f"cp {target}" if many else f"{sources[0]} -> {target}", wanted=not no_progress and target != STANDARD,
        unit="objects" if many else "bytes", total=total if many else None,
    ) as progress:  # fmt: skip
        whole = None if many else progress
        taken: set[str] = set()

        async def one(source: str) -> None:
            name = source.rstrip("/").rpartition("/")[2]
            if many and name in taken:
                raise FileExistsError(errno.EEXIST, "another source has this name too", source)
            taken.add(name)
            await _copy(source, target, how, whole, into=into, recursive=recursive, processes=processes)

        if many:
            listed = () if files_from is None else _lines(files_from, null=null)
            await each(_all(sources, listed), one, progress, total)
        else:
            await one(sources[0])


async def _all(sources: Iterable[str], listed: Iterable[str]) -> AsyncGenerator[str, None]:
    for source in sources:
        yield source
    for source in listed:
        if not await is_pattern(source):
            yield source
            continue
        async with aclosing(entries(source, recursive=False, pattern=True)) as matches:
            found = False
            async for entry in matches:
                found = True
                yield entry.path
        if not found:
            await must_exist(source, pattern=True)


def _lines(name: str, *, null: bool) -> Iterable[str]:
    """The sources in a file."""
    with sys.stdin.buffer if name == STANDARD else Path(name).open("rb") as file:
        if null:
            lines: Iterable[bytes] = file.read().split(b"\0")
        else:
            lines = file
        for line in lines:
            if source := os.fsdecode(line if null else line.rstrip(b"\r\n")):
                yield source


async def each(
    sources: AsyncGenerator[str, None],
    call: Callable[[str], Awaitable[None]],
    progress: Progress | None,
    total: int | None,
) -> None:
    """Call it with every source, several at a time; what fails is said, and stops no other.

    Raises:
        FailedError: if any failed.
    """
    from aiostore._engine.bulk import Bulk
    from aiostore._engine.bulk import each as job
    from aiostore.policies import Limits

    done = failed = 0
    async with Bulk(
        sources, job(call, str), operation="cp", limits=Limits(), concurrency=AT_ONCE, total=total, progress=progress
    ) as results:
        async for result in results:
            if result.error is None:
                done += 1
                continue
            failed += 1
            if not isinstance(result.error, FailedError):
                complain(sentence(result.error))
    if failed:
        complain(f"{done} done, {failed} failed; run the same command again for those")
        raise FailedError


async def _is_directory(target: str, *, many: bool) -> bool:
    """Whether sources keep their names below the target.

    Raises:
        NotADirectoryError: if they have to, and it is a local file.
    """
    from aiostore import fs

    if target == STANDARD:
        return False
    if many and "://" not in target and os.path.exists(target) and not os.path.isdir(target):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), target)
    return many or target.endswith(("/", os.sep)) or await fs.isdir(target)


async def _copy(
    source: str, target: str, how: Written, progress: Progress | None, *, into: bool, recursive: bool, processes: int,
) -> None:  # fmt: skip
    """Copy one source."""
    from aiostore import fs
    from aiostore.errors import NotFoundError

    local = source != STANDARD and "://" not in source
    looked = source != STANDARD and (local or recursive or source.endswith("/"))
    if looked and await fs.isdir(source):
        await _directory(source, target, how, progress, into=into, recursive=recursive, processes=processes)
        return
    name = "stdin" if source == STANDARD else fs.basename(source)
    try:
        await copy_one(source, fs.join(target, name) if into else target, how, progress)
    except NotFoundError:
        if source != STANDARD and not looked and await fs.isdir(source):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), source) from None
        raise


async def _directory(
    source: str, target: str, how: Written, progress: Progress | None, *, into: bool, recursive: bool, processes: int,
) -> None:  # fmt: skip
    from aiostore import fs, transfer
    from aiostore.fs.place import locate, shown_as

    if not recursive:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), source)
    if target == STANDARD:
        raise click.UsageError("a directory cannot go to standard output")
    # As cp of old: into a directory that is there, under its own name, unless only its contents are meant.
    end = fs.join(target, fs.basename(source)) if into and not source.endswith("/") and await _there(target) else target
    local = isinstance(locate(end, None), str)
    how.check(local=local)
    encoding = None if how.encoding == "same" else how.encoding
    if how.encoding is None and local:
        encoding = "none"
    option = f" -c {how.encoding}" if how.encoding else ""
    click.get_current_context().meta[AGAIN_WITH] = (
        f"aiostore sync{option} {shlex.quote(shown_as(source))} {shlex.quote(shown_as(end))} copies what is missing"
    )
    with counted() as summary:
        await transfer.copy(
            source, end, compare="never", reencode=encoding, if_absent=how.if_absent, best_effort=how.best_effort,
            replace=how.headers, processes=processes, progress=progress, summary=summary,
        )  # fmt: skip
    report(summary)


async def _there(target: str) -> bool:
    from aiostore import fs

    return await fs.isdir(target)


@contextmanager
def counted() -> Iterator[Summary]:
    """A summary to be filled, which is told if the transfer ends before its time."""
    from aiostore.transfer import Summary

    summary = Summary()
    try:
        yield summary
    except BaseException:
        if summary.copied or summary.replaced or summary.skipped or summary.failed:
            click.get_current_context().meta[DONE] = counts(summary)
        raise


def counts(summary: Summary) -> str:
    """What was done, in words."""
    kept = f", {summary.kept} kept that would have been deleted" if summary.kept else ""
    return (
        f"{summary.copied + summary.replaced} copied, {summary.skipped} left as they were, {summary.deleted} deleted,"
        f" {summary.failed} failed{kept}"
    )


def report(summary: Summary) -> None:
    """Say what failed.

    Raises:
        FailedError: if anything did.
    """
    for failure in summary.failures:
        said = sentence(failure.error)
        complain(said if failure.key in said else f"{failure.key}: {said}")
    if summary.failed:
        complain(f"{counts(summary)}; run the same again for the rest")
        raise FailedError


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="SOURCE... TARGET", type=PATH)
@click.option("--no-progress", is_flag=True, help="No bar, on terminals too.")
@resumed("run the same command again: what was not moved is where it was")
async def mv(paths: tuple[str, ...], no_progress: bool) -> None:
    """Move files, objects and directories, SOURCE or what matches it, to TARGET, or into it if it is a directory.

    What was copied is deleted, unless somebody wrote it anew meanwhile. Within a service, the service copies.
    """
    from aiostore import fs

    *named, target = paths
    if not named or STANDARD in paths:
        raise click.UsageError("give a SOURCE and a TARGET, neither of them '-'")
    sources = await expanded(named)
    if "://" not in target and target.endswith(("/", os.sep)):
        os.makedirs(target, exist_ok=True)
    if len(sources) > 1 and not target.endswith("/") and not await fs.isdir(target):
        raise NotADirectoryError(errno.ENOTDIR, "several sources go into a directory", target)

    async def one(source: str) -> None:
        await fs.move(source.rstrip("/") or source, target)

    with output.progress(f"mv {target}", wanted=not no_progress, unit="objects", total=len(sources)) as progress:
        if len(sources) == 1:
            await one(sources[0])
        else:
            await each(_all(sources, ()), one, progress, len(sources))
