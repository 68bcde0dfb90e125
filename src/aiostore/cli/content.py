"""One file or object to another, or to standard output, in the encoding that is wanted."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from aiostore.cli.objects import is_special, place_of
from aiostore.cli.standard import STANDARD, blocks

if TYPE_CHECKING:
    from aiostore.transfer import Headers
    from aiostore.types import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """How copies are written. Without an ``encoding`` objects keep theirs, and local files are decoded."""

    encoding: str | None = None
    if_absent: bool = False
    best_effort: bool = False
    content_type: str | None = None
    cache_control: str | None = None
    metadata: Mapping[str, str] | None = None

    @property
    def headers(self) -> Headers | None:
        """What is stored instead of what the source has."""
        from aiostore.transfer import Headers

        found = Headers(
            content_type=self.content_type, cache_control=self.cache_control, metadata=self.metadata
        )  # fmt: skip
        return None if found == Headers() else found

    def check(self, *, local: bool) -> None:
        """Refuse what the target cannot hold.

        Raises:
            click.UsageError: if a local file were to have metadata.
        """
        if local and self.headers is not None:
            raise click.UsageError(
                "a local file has no --metadata, --content-type or --cache-control: leave them out"
            )  # fmt: skip


async def copy_one(source: str, target: str, how: Written, progress: Progress | None) -> None:
    """Copy one file or object, from or to anywhere; ``-`` is standard input or output.

    Raises:
        OSError, StoreError: if it cannot be read or written; the target is then what it was.
    """
    from aiostore.fs.place import Remote, locate

    remote = target != STANDARD and isinstance(locate(target, None), Remote)
    how.check(local=not remote)
    if target == STANDARD:
        async with aclosing(_content(source, how.encoding)) as content:
            async for chunk in content:
                sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        return
    if source != STANDARD:
        _refuse_same(source, target, how)
    if remote:
        await _to_store(source, target, how, progress)
    else:
        await _to_file(source, target, how, progress)


def _refuse_same(source: str, target: str, how: Written) -> None:
    from aiostore.fs.place import Remote, locate
    from aiostore.fs.queries import same

    one, other = locate(source, None), locate(target, None)
    if isinstance(one, Remote) and isinstance(other, Remote):
        is_same = same(one, other) and how.encoding is None and how.headers is None
    elif isinstance(one, str) and isinstance(other, str):
        is_same = os.path.exists(one) and os.path.exists(other) and os.path.samefile(one, other)
    else:
        is_same = False
    if is_same:
        raise OSError(errno.EINVAL, "source and target are the same", source)


async def _to_store(source: str, target: str, how: Written, progress: Progress | None) -> None:
    from aiostore.fs.place import Remote, locate

    store, key = await place_of(target)
    if source != STANDARD and isinstance(locate(source, None), Remote):
        from aiostore import transfer

        await transfer.copy_object(
            *await place_of(source), store, key, reencode=None if how.encoding == "same" else how.encoding,
            if_absent=how.if_absent, best_effort=how.best_effort, replace=how.headers,
        )  # fmt: skip
        return
    stream = source == STANDARD or is_special(source)
    await store.put(
        key,
        blocks(source) if stream else Path(_local(source)),
        content_type=how.content_type,
        cache_control=how.cache_control,
        metadata=how.metadata,
        compress=None if how.encoding in {None, "same", "none"} else how.encoding,
        if_absent=how.if_absent,
        best_effort=how.best_effort,
        progress=progress,
    )


async def _to_file(source: str, target: str, how: Written, progress: Progress | None) -> None:
    """Write a local file, which is replaced when all is there; into a pipe or device as it comes."""
    if is_special(target):
        with open(target, "wb") as file:
            await _into(source, file, how, progress)
        return
    path = Path(os.path.realpath(_local(target)))
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), target)
    if how.if_absent and path.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=".aiostore-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            await _into(source, file, how, progress)
        umask = os.umask(0o077)  # can only be read by setting it
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        if how.if_absent:
            try:
                os.link(name, path)
            except FileExistsError:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target) from None
        else:
            os.replace(name, path)
    except OSError as error:
        if error.filename in {None, name}:
            error.filename, error.filename2 = target, None
        raise
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name)


def _local(path: str) -> str:
    """What a local path, or the URL of one, is called."""
    from aiostore.fs.place import locate

    return str(locate(path, None))


async def _into(source: str, file: BinaryIO, how: Written, progress: Progress | None) -> None:
    """The bytes of a source into an open file."""
    from aiostore.fs.place import Remote, locate

    if source != STANDARD and how.encoding in {None, "none", "same"} and isinstance(locate(source, None), Remote):
        store, key = await place_of(source)
        await store.download(key, file, raw=how.encoding == "same", progress=progress)
        return
    size = None if source == STANDARD or "://" in source or is_special(source) else os.stat(_local(source)).st_size
    done = 0
    async with aclosing(_content(source, how.encoding)) as content:
        async for chunk in content:
            await asyncio.to_thread(file.write, chunk)
            done += len(chunk)
            if progress is not None:
                progress(done, size)


async def _content(source: str, encoding: str | None) -> AsyncGenerator[bytes, None]:
    """The bytes of a source in the encoding that is wanted; local files and pipes are taken for not encoded."""
    from aiostore._engine.transcode import transcode
    from aiostore.fs.place import Remote, locate

    wanted = None if encoding in {None, "none", "same"} else encoding
    if source == STANDARD or not isinstance(locate(source, None), Remote):
        found = blocks(source if source == STANDARD else _local(source))
        async with aclosing(found), aclosing(transcode(found, None, wanted)) as encoded:
            async for chunk in encoded:
                yield chunk
        return
    store, key = await place_of(source)
    async with store.stream(key, raw=encoding is not None and encoding != "none") as stream:
        if wanted is None:
            async for chunk in stream:
                yield chunk
            return
        async with aclosing(transcode(stream, stream.meta.content_encoding, wanted)) as encoded:
            async for chunk in encoded:
                yield chunk
