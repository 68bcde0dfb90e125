"""``StorePath`` for code that does not await: :class:`pathlib.Path` on URLs, local paths and keys."""

from __future__ import annotations

import io
import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any, Literal, Self, Unpack, cast, overload

from aiostore.blocking import portal
from aiostore.blocking.core import LISTED_AHEAD, BlockingCoreStore
from aiostore.blocking.files import Random, Reader, ReadMode, Text, WriteMode, Writer
from aiostore.blocking.opening import open_url
from aiostore.fs import path as _path
from aiostore.fs.lexical_path import LexicalPath
from aiostore.fs.status import StatResult
from aiostore.handles import BinaryMode, FileOptions, TextMode, UpdateMode
from aiostore.store import Store
from aiostore.types import Buffer


class StorePath(LexicalPath):
    """A path to a URL's object, a local file, or with ``store=`` a key, as a :class:`pathlib.Path`.

    It is :class:`aiostore.StorePath` without ``await``, with the same names, parameters and errors; what is an
    asynchronous iterator there is a plain one here. ``store=`` takes a blocking store or an asynchronous one.
    """

    __slots__ = ()

    def __init__(
        self, *segments: str | os.PathLike[str] | LexicalPath, store: BlockingCoreStore | Store | None = None
    ) -> None:
        super().__init__(*segments, store=store.store if isinstance(store, BlockingCoreStore) else store)

    @property
    def _awaited(self) -> _path.StorePath:
        return self._as(_path.StorePath)

    def _like(self, path: LexicalPath) -> Self:
        return path._as(type(self))

    async def _each(self, paths: AsyncIterator[LexicalPath]) -> AsyncIterator[Self]:
        # The cast: a generator must be closed, which the type AsyncIterator does not tell.
        async with aclosing(cast("AsyncGenerator[LexicalPath, None]", paths)) as each:
            async for path in each:
                yield self._like(path)

    # --- what is there

    def stat(self) -> StatResult:
        """What is known of it; see :func:`aiostore.fs.stat`."""
        return portal.run(self._awaited.stat())

    def lstat(self) -> StatResult:
        """As ``stat``, of a link itself."""
        return portal.run(self._awaited.lstat())

    def exists(self) -> bool:
        """Whether there is a file or directory."""
        return portal.run(self._awaited.exists())

    def is_file(self) -> bool:
        """Whether there is a file."""
        return portal.run(self._awaited.is_file())

    def is_dir(self) -> bool:
        """Whether there is a directory."""
        return portal.run(self._awaited.is_dir())

    def is_symlink(self) -> bool:
        """Whether it is a local link."""
        return portal.run(self._awaited.is_symlink())

    def is_mount(self) -> bool:
        """Whether it is a container, or another file system begins here."""
        return portal.run(self._awaited.is_mount())

    def samefile(self, other: str | os.PathLike[str] | LexicalPath) -> bool:
        """Whether both lead to the same file or directory."""
        return portal.run(self._awaited.samefile(other))

    # --- listing

    def iterdir(self) -> Iterator[Self]:
        """What is in the directory, lazily, in no order."""
        return portal.iterate(self._each(self._awaited.iterdir()), ahead=LISTED_AHEAD)

    def glob(self, pattern: str) -> Iterator[Self]:
        """What is below and matches a pattern, lazily; ``**`` is any number of directories.

        Raises:
            ValueError: if the pattern is empty.
        """
        return portal.iterate(self._each(self._awaited.glob(pattern)), ahead=LISTED_AHEAD)

    def rglob(self, pattern: str) -> Iterator[Self]:
        """As ``glob``, at any depth."""
        return portal.iterate(self._each(self._awaited.rglob(pattern)), ahead=LISTED_AHEAD)

    def walk(self, top_down: bool = True, follow_symlinks: bool = False) -> Iterator[tuple[Self, list[str], list[str]]]:
        """The directories below with the names in them; names taken out of the first list are not entered."""
        return portal.iterate(self._walk(top_down, follow_symlinks))

    async def _walk(self, top_down: bool, follow_symlinks: bool) -> AsyncIterator[tuple[Self, list[str], list[str]]]:
        steps = self._awaited.walk(top_down, follow_symlinks)
        async with aclosing(cast("AsyncGenerator[tuple[LexicalPath, list[str], list[str]], None]", steps)) as each:
            async for top, names, files in each:
                yield self._like(top), names, files

    # --- reading and writing

    @overload
    def open(
        self, mode: TextMode = "r", buffering: int = -1, encoding: str | None = None, errors: str | None = None,
        newline: str | None = None, **options: Unpack[FileOptions],
    ) -> Text: ...  # fmt: skip
    @overload
    def open(  # type: ignore[overload-overlap]  # 0 is an int, and the first that fits is meant
        self, mode: BinaryMode, buffering: Literal[0], **options: Unpack[FileOptions]
    ) -> io.RawIOBase: ...
    @overload
    def open(self, mode: ReadMode, buffering: int = -1, **options: Unpack[FileOptions]) -> Reader: ...
    @overload
    def open(self, mode: WriteMode, buffering: int = -1, **options: Unpack[FileOptions]) -> Writer: ...
    @overload
    def open(self, mode: UpdateMode, buffering: int = -1, **options: Unpack[FileOptions]) -> Random: ...
    def open(
        self, mode: str = "r", buffering: int = -1, encoding: str | None = None, errors: str | None = None,
        newline: str | None = None, **options: Unpack[FileOptions],
    ) -> io.IOBase:  # fmt: skip
        """Open the file as :func:`aiostore.blocking.open` does; it is one of :mod:`io`'s classes."""
        arguments: Any = (mode, buffering, encoding, errors, newline)
        file: io.IOBase = open_url(self, *arguments, **options)
        return file

    def read_bytes(self) -> bytes:
        """The whole file.

        Raises:
            FileNotFoundError, IsADirectoryError: if there is none.
        """
        return portal.run(self._awaited.read_bytes())

    def read_text(self, encoding: str | None = None, errors: str | None = None, newline: str | None = None) -> str:
        """The whole file as text, UTF-8 unless ``encoding`` says otherwise, with universal newlines."""
        return portal.run(self._awaited.read_text(encoding, errors, newline))

    def write_bytes(self, data: Buffer) -> int:
        """Replace the whole file, on a service atomically; returns the number of bytes."""
        return portal.run(self._awaited.write_bytes(data))

    def write_text(
        self, data: str, encoding: str | None = None, errors: str | None = None, newline: str | None = None
    ) -> int:
        """Replace the whole file by text, UTF-8 unless ``encoding`` says otherwise; returns the number of characters.

        Newlines are written as they are, unless ``newline`` says otherwise.
        """
        return portal.run(self._awaited.write_text(data, encoding, errors, newline))

    def touch(self, mode: int = 0o666, exist_ok: bool = True) -> None:
        """Make an empty file, or let the time of an existing one be now.

        Raises:
            FileExistsError: if it exists and ``exist_ok`` is false.
        """
        portal.run(self._awaited.touch(mode, exist_ok))

    # --- making, moving, removing

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        """Make a directory, with ``parents`` also those above it.

        Raises:
            FileExistsError: if it exists, and ``exist_ok`` is false or it is a file.
            FileNotFoundError: if the directory above is missing, and ``parents`` is false.
        """
        portal.run(self._awaited.mkdir(mode, parents, exist_ok))

    def rmdir(self) -> None:
        """Remove an empty directory."""
        portal.run(self._awaited.rmdir())

    def rmtree(self) -> None:
        """Remove a directory with all that is in it."""
        portal.run(self._awaited.rmtree())

    def unlink(self, missing_ok: bool = False) -> None:
        """Delete the file.

        Raises:
            FileNotFoundError: if there is none and ``missing_ok`` is false.
            IsADirectoryError: if it is a directory.
        """
        portal.run(self._awaited.unlink(missing_ok))

    def rename(self, target: str | os.PathLike[str] | LexicalPath) -> Self:
        """Give it another name in the same place; returns the new path. See :func:`aiostore.fs.rename`."""
        return self._like(portal.run(self._awaited.rename(target)))

    def replace(self, target: str | os.PathLike[str] | LexicalPath) -> Self:
        """As ``rename``."""
        return self._like(portal.run(self._awaited.replace(target)))

    def copy(self, target: str | os.PathLike[str] | LexicalPath) -> Self:
        """Copy the file, or the directory with all that is in it, to another name; returns the new path."""
        return self._like(portal.run(self._awaited.copy(target)))

    def move(self, target: str | os.PathLike[str] | LexicalPath) -> Self:
        """Move it to another name, also in another place, or into a directory; returns where it is."""
        return self._like(portal.run(self._awaited.move(target)))
