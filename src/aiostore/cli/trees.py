"""``sync`` and ``verify``."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import click

from aiostore.cli import output
from aiostore.cli.command import PATH, FailedError, resumed, verb
from aiostore.cli.copies import ENCODINGS, counted, report
from aiostore.cli.listing import JSON
from aiostore.cli.objects import place_of
from aiostore.cli.output import complain

if TYPE_CHECKING:
    from aiostore.transfer import Compare, Summary


@click.command()
@click.argument("source", type=PATH)
@click.argument("target", type=PATH)
@click.option("--delete", is_flag=True, help="Remove from TARGET what SOURCE does not have.")
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--include", multiple=True, metavar="PATTERN", help="Only keys that match; may be repeated.")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="No keys that match; may be repeated.")
@click.option("--checksum", is_flag=True, help="Compare bytes by checksum, not size and time.")
@click.option("-c", "--compress", "encoding", type=click.Choice(ENCODINGS), default="same", show_default=True,
              help="The encoding of what is written; 'none' decodes.")  # fmt: skip
@click.option("-p", "--processes", type=click.IntRange(min=1), default=1, show_default=True,
              help="Spread the work over so many processes.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="The summary as one JSON object; each action, with --dry-run.")
@click.option("--no-progress", is_flag=True, help="No bar, on terminals too.")
@resumed("run the same command again; what is there and equal is skipped")
async def sync(
    source: str, target: str, delete: bool, dry_run: bool, include: tuple[str, ...], exclude: tuple[str, ...],
    checksum: bool, encoding: str, processes: int, as_json: bool, no_progress: bool,
) -> None:  # fmt: skip
    """Make what is below TARGET like what is below SOURCE. What is there and equal is skipped.

    PATTERN is matched with the whole key below SOURCE, in which * also stands for slashes.
    """
    from aiostore import transfer

    if checksum and encoding != "same":
        raise click.UsageError("--checksum compares stored bytes, which --compress changes: leave one of them out")
    await _must_be_a_directory(source)
    compare: Compare = "bytes" if checksum else "size+mtime"
    if dry_run:
        if encoding != "same":
            compare = "mtime"
        summary = transfer.Summary(dry_run=True)
        async for action in transfer.plan(
            source, target, include=include, exclude=exclude, compare=compare, delete=delete
        ):
            summary.add(action)
            if action.kind == "skip":
                continue
            if as_json:
                output.line(action=action.kind, key=action.key, size=action.size, reason=action.reason)
            else:
                output.text(f"{action.kind:8} {action.key}  ({action.reason})")
    else:
        with output.progress(f"{source} -> {target}", wanted=not no_progress) as progress, counted() as summary:
            await transfer.sync(
                source, target, delete=delete, include=include, exclude=exclude, compare=compare, summary=summary,
                reencode=None if encoding == "same" else encoding, processes=processes, progress=progress,
            )  # fmt: skip
    _show(summary, as_json=as_json)
    report(summary)


async def _must_be_a_directory(source: str) -> None:
    """A mistyped prefix is not an empty place, like which the target is to be made.

    Raises:
        OSError: if there is nothing, or an object.
    """
    from aiostore import fs

    if source.lower().startswith("file:") or await fs.isdir(source):
        return
    code = errno.ENOTDIR if await fs.isfile(source) else errno.ENOENT
    raise OSError(code, os.strerror(code), source)


def _show(summary: Summary, *, as_json: bool) -> None:
    if as_json:
        output.line(
            copied=summary.copied, replaced=summary.replaced, skipped=summary.skipped, deleted=summary.deleted,
            kept=summary.kept, failed=summary.failed, bytes=summary.bytes, dry_run=summary.dry_run,
        )  # fmt: skip
    elif not summary.dry_run:
        output.text(
            f"{summary.copied} copied, {summary.replaced} replaced, {summary.skipped} equal, {summary.deleted} deleted:"
            f" {output.human(summary.bytes)}"
        )


@click.command()
@click.argument("first", type=PATH)
@click.argument("second", type=PATH)
@JSON
@click.option("--no-progress", is_flag=True, help="No bar, on terminals too.")
@verb
async def verify(first: str, second: str, as_json: bool, no_progress: bool) -> None:
    """Compare stored bytes: two objects, or all below FIRST with all below SECOND, keys included.

    By checksum where both places hold the same kind, by reading them where they do not. A line for each difference.
    """
    from aiostore import fs, transfer

    if await fs.isfile(first):
        different = await _differ(first, second)
        if different:
            _tell(first, different, as_json=as_json)
            raise FailedError
        return
    await _must_be_a_directory(first)
    count = 0
    with output.progress("verify", wanted=not no_progress, unit="objects"):
        async for difference in transfer.differences(first, second):
            _tell(difference.key, difference.reason, as_json=as_json)
            count += 1
    if count:
        complain(f"{count} keys differ")
        raise FailedError


def _tell(key: str, reason: str, *, as_json: bool) -> None:
    if as_json:
        output.line(key=key, reason=reason)
    else:
        output.text(f"{key}: {reason}")


async def _differ(first: str, second: str) -> str:
    """Why two objects are not the same; nothing if they are."""
    from aiostore.transfer.comparison import digest

    (one, key), (other, its_key) = await place_of(first), await place_of(second)
    if (await one.head(key)).size != (await other.head(its_key)).size:
        return "another size"
    return "" if await digest(one, key) == await digest(other, its_key) else "other bytes"
