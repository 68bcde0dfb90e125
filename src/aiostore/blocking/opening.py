"""Files by URL or path, for code that does not await."""

from __future__ import annotations

import io
import os
from contextlib import AsyncExitStack
from typing import Literal, Unpack, overload

from aiostore.blocking import portal
from aiostore.blocking.files import Random, Reader, ReadMode, Text, WriteMode, Writer, check_open, open_file
from aiostore.errors import NotFoundError
from aiostore.fs.opening import shared_store
from aiostore.fs.place import AnyPath, shown_as
from aiostore.fs.remote import told
from aiostore.handles import BinaryMode, FileOptions, TextMode, UpdateMode
from aiostore.store import Store


@overload
def open_url(
    path: AnyPath | bytes, mode: TextMode = "r", buffering: int = -1, encoding: str | None = None,
    errors: str | None = None, newline: str | None = None, **options: Unpack[FileOptions],
) -> Text: ...  # fmt: skip
@overload
def open_url(  # type: ignore[overload-overlap]  # 0 is an int, and the first that fits is meant
    path: AnyPath | bytes, mode: BinaryMode, buffering: Literal[0], **options: Unpack[FileOptions]
) -> io.RawIOBase: ...
@overload
def open_url(path: AnyPath | bytes, mode: ReadMode, buffering: int = -1, **options: Unpack[FileOptions]) -> Reader: ...
@overload
def open_url(path: AnyPath | bytes, mode: WriteMode, buffering: int = -1, **options: Unpack[FileOptions]) -> Writer: ...
@overload
def open_url(
    path: AnyPath | bytes, mode: UpdateMode, buffering: int = -1, **options: Unpack[FileOptions]
) -> Random: ...
def open_url(
    path: AnyPath | bytes, mode: str = "r", buffering: int = -1, encoding: str | None = None,
    errors: str | None = None, newline: str | None = None, **options: Unpack[FileOptions],
) -> io.IOBase:  # fmt: skip
    """Open what a URL or local path names as :func:`open` does; the file is one of :mod:`io`'s classes.

    Modes and options are those of :meth:`BlockingStore.open <aiostore.blocking.BlockingStore.open>`; options of the
    store stand in the URL's query. Stores and their connections are kept for the next call. A local file is written as
    by ``LocalStore``: it appears whole, when it is closed. Links to it are followed.

    Raises:
        ConfigurationError: if URL, mode or options are wrong; it is a ``ValueError``.
        IsADirectoryError: if the URL or path names a directory.
        FileNotFoundError: if there is no such object to read, or no directory to write a file to.
    """
    if isinstance(path, bytes | os.PathLike):
        path = os.fsdecode(path)
    shown = shown_as(path)
    check_open(shown, mode, buffering, encoding, errors, newline, options)
    try:
        store, key = portal.run(_find(path))
        try:
            return open_file(store, key, mode, buffering, encoding, errors, newline, options, shown)
        except NotFoundError as error:
            raise portal.run(told(error, store, key, shown)) from error.__cause__
    except OSError as error:
        error.filename = shown
        raise


async def _find(path: AnyPath) -> tuple[Store, str]:
    # The store of a local file, which the stack would close, holds nothing.
    return await shared_store(path, None, AsyncExitStack())
