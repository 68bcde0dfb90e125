"""What is printed: names, sizes, times, JSON lines, complaints, and bars where somebody looks."""

from __future__ import annotations

import errno
import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from aiostore.progress import Unit
    from aiostore.types import ObjectMeta, Progress

UNITS: Final = "KMGTPE"

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""What a name must not tell a terminal, nor hide in a line of its own."""

ADVICE: Final = {
    errno.ENOENT: "see what there is with aiostore ls",
    errno.EACCES: "ask its owner for the right to do that",
    errno.EPERM: "ask its owner for the right to do that",
    errno.EISDIR: "use -r where the verb has it, or name a file in it",
    errno.ENOTDIR: "name a directory",
    errno.EEXIST: "choose another name",
    errno.ENOTEMPTY: "empty it first",
    errno.ENOSPC: "make room, and run the same command again",
    errno.EDQUOT: "make room, and run the same command again",
    errno.EROFS: "choose a place that can be written",
    errno.EINVAL: "choose another name",
    errno.EBUSY: "use rb for a whole bucket",
    errno.ENAMETOOLONG: "choose a shorter name",
}
"""What to do about an error of the operating system."""


HERE: Final = {
    "pass best_effort=True": "use --best-effort",
    "create_container()": "aiostore mb",
    "delete_container(force=True)": "aiostore rb --force",
}
"""What the library's advice is called here."""


def text(line: str) -> None:
    """One line on standard output. A name goes as it is, but to a terminal without what would control it."""
    stream = sys.stdout.buffer
    terminal = sys.stdout.isatty()
    if terminal:
        line = harmless(line)
    stream.write(line.encode("utf-8", "surrogateescape") + b"\n")
    if terminal:
        stream.flush()


def line(**fields: object) -> None:
    """One line of JSON."""
    whole = json.dumps(fields, ensure_ascii=False, default=_plain)
    try:
        whole.encode()
    except UnicodeEncodeError:  # a name that is not UTF-8
        whole = json.dumps(fields, default=_plain)
    sys.stdout.buffer.write(whole.encode() + b"\n")


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def complain(what: str) -> None:
    """Say on standard error, in one line, what was not done."""
    click.echo(f"aiostore: {harmless(what)}", err=True)


def harmless(name: str) -> str:
    """The text, with its control characters as Python writes them."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", name)


def sentence(error: BaseException) -> str:
    """What went wrong and what to do, in one line."""
    from aiostore.errors import StoreError

    whole = error.format_message() if isinstance(error, click.ClickException) else str(error)
    if isinstance(error, StoreError):
        for call, option in HERE.items():
            whole = whole.replace(call, option)
        return whole
    if isinstance(error, OSError) and error.strerror is not None:
        name = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
        advice = ADVICE.get(error.errno or 0)
        return f"{name}{error.strerror}{f'; {advice}' if advice else ''}"
    if isinstance(error, (OSError, ValueError, click.ClickException)):
        return whole or type(error).__name__
    return f"{type(error).__name__}: {whole}; --debug shows where"


def human(size: int) -> str:
    """``1536`` as ``1.5K``: powers of 1,024."""
    if size < 1024:
        return str(size)
    value = float(size)
    for unit in UNITS:
        value /= 1024
        if value < 1024 or unit == UNITS[-1]:
            break
    return f"{value:.1f}{unit}"


def shown(size: int, *, as_human: bool) -> str:
    """A size as it was asked for."""
    return human(size) if as_human else str(size)


def time(moment: datetime | None) -> str:
    """A time in seconds, in UTC."""
    return "-" if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def described(path: str, meta: ObjectMeta) -> dict[str, Any]:
    """What is known of an object, without what is not."""
    fields = {
        "path": path,
        "size": meta.size,
        "modified": meta.last_modified,
        "etag": meta.etag,
        "version": meta.version,
        "content_type": meta.content_type,
        "content_encoding": meta.content_encoding,
        "content_disposition": meta.content_disposition,
        "content_language": meta.content_language,
        "cache_control": meta.cache_control,
        "storage_class": meta.storage_class,
        "metadata": dict(meta.metadata),
        "checksums": dict(meta.checksums),
    }
    return {name: value for name, value in fields.items() if value not in (None, {})}


@contextmanager
def progress(
    what: str, *, wanted: bool = True, total: int | None = None, unit: Unit = "bytes"
) -> Iterator[Progress | None]:
    """A bar on standard error while somebody looks there; None otherwise."""
    if not wanted or not sys.stderr.isatty():
        yield None
        return
    from aiostore.progress import bar

    with bar(what, total=total, unit=unit, transient=True) as moved:
        yield moved
