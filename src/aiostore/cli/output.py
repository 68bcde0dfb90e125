"""What is printed: sizes, times, JSON lines, and progress where somebody looks."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from aiostore.types import ObjectMeta, Progress

UNITS = "KMGTPE"


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


def line(**fields: object) -> None:
    """One line of JSON."""
    click.echo(json.dumps(fields, ensure_ascii=False, default=str))


def described(path: str, meta: ObjectMeta) -> dict[str, Any]:
    """What is known of an object, without what is not."""
    fields = {
        "path": path,
        "size": meta.size,
        "last_modified": None if meta.last_modified is None else meta.last_modified.isoformat(),
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
def progress(what: str, *, wanted: bool, total: int | None = None) -> Iterator[Progress | None]:
    """A bar of bytes on standard error while somebody looks there; None otherwise."""
    if not wanted or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task(what, total=total)

        def move(done: int, whole: int | None) -> None:
            bars.update(bar, completed=done, total=whole if whole is not None else total)

        yield move
