"""``StorePath``: paths as objects, with the names and habits of :mod:`pathlib`, on URLs, local paths and keys."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Self, Unpack, overload

from aiostore.capabilities import Guarantee
from aiostore.errors import AlreadyExistsError, NotFoundError
from aiostore.fs import copies, entries, patterns, queries, removal
from aiostore.fs.lexical_path import LexicalPath
from aiostore.fs.opening import open_shared
from aiostore.fs.place import Remote
from aiostore.fs.remote import first, head, is_directory, not_a_file
from aiostore.fs.status import StatResult
from aiostore.fs.thread import in_thread
from aiostore.handles import AsyncBinaryFile, AsyncTextFile, BinaryMode, FileOptions, TextMode
from aiostore.types import Buffer


class StorePath(LexicalPath):
    """A path to a URL's object, a local file, or with ``store=`` a key, as an asynchronous :class:`pathlib.Path`.

    ``StorePath("s3://bucket/dir?region=x") / "name"`` keeps the options. The first segment may be a URL, which is
    percent-encoded; all others, and ``name``, ``parts`` and the like, are plain text. Empty segments and ``.`` are left
    out, as pathlib does: a key with ``//`` has no path. What asks or changes something is awaited, and means what it
    does in :mod:`aiostore.fs`. Paths are compared, sorted, hashed and pickled as text (with ``store=``, together with
    that very store); ``repr`` shows no options.
    """

    __slots__ = ()

    # --- what is there

    async def stat(self) -> StatResult:
        """What is known of it; see :func:`aiostore.fs.stat`."""
        return await queries.stat(self)

    async def lstat(self) -> StatResult:
        """As ``stat``, of a link itself."""
        return await queries.lstat(self)

    async def exists(self) -> bool:
        """Whether there is a file or directory."""
        return await queries.exists(self)

    async def is_file(self) -> bool:
        """Whether there is a file."""
        return await queries.isfile(self)

    async def is_dir(self) -> bool:
        """Whether there is a directory."""
        return await queries.isdir(self)

    async def is_symlink(self) -> bool:
        """Whether it is a local link."""
        return await queries.islink(self)

    async def is_mount(self) -> bool:
        """Whether it is a container, or another file system begins here."""
        return await queries.ismount(self)

    async def samefile(self, other: str | os.PathLike[str] | LexicalPath) -> bool:
        """Whether both lead to the same file or directory."""
        return await queries.samefile(self, self._other(other))

    # --- listing

    async def iterdir(self) -> AsyncIterator[Self]:
        """What is in the directory, lazily, in no order."""
        async for entry in entries.scan_place(self._locate()):
            yield self / entry.name

    async def glob(self, pattern: str) -> AsyncIterator[Self]:
        """What is below and matches a pattern, lazily; ``**`` is any number of directories.

        Raises:
            ValueError: if the pattern is empty.
        """
        if not pattern:
            raise ValueError(f"Unacceptable pattern: {pattern!r}")
        found = patterns.iglob(pattern, root_dir=self, recursive=True, include_hidden=True)
        async for name in found:
            if name:
                yield self / name

    def rglob(self, pattern: str) -> AsyncIterator[Self]:
        """As ``glob``, at any depth."""
        return self.glob(f"**/{pattern}")

    async def walk(
        self, top_down: bool = True, follow_symlinks: bool = False
    ) -> AsyncIterator[tuple[Self, list[str], list[str]]]:
        """The directories below with the names in them; see :func:`aiostore.fs.walk`."""
        async for top, names, files in entries.walk(self, top_down, None, follow_symlinks):
            yield type(self)(top, store=self._store), names, files

    # --- reading and writing

    @overload
    def open(
        self, mode: TextMode = "r", *, encoding: str | None = None, errors: str | None = None,
        newline: str | None = None, **options: Unpack[FileOptions],
    ) -> AbstractAsyncContextManager[AsyncTextFile]: ...  # fmt: skip
    @overload
    def open(
        self, mode: BinaryMode, **options: Unpack[FileOptions]
    ) -> AbstractAsyncContextManager[AsyncBinaryFile]: ...
    def open(
        self, mode: str = "r", *, encoding: str | None = None, errors: str | None = None,
        newline: str | None = None, **options: Unpack[FileOptions],
    ) -> AbstractAsyncContextManager[AsyncTextFile] | AbstractAsyncContextManager[AsyncBinaryFile]:  # fmt: skip
        """A file for ``async with``; see :func:`aiostore.open`."""
        arguments: Any = {"encoding": encoding, "errors": errors, "newline": newline, **options}
        made: AbstractAsyncContextManager[AsyncBinaryFile] = open_shared(self, mode, **arguments)  # type: ignore[call-overload]  # any mode
        return made

    async def read_bytes(self) -> bytes:
        """The whole file.

        Raises:
            FileNotFoundError, IsADirectoryError: if there is none.
        """
        place = self._locate()
        if not isinstance(place, Remote):
            return await in_thread(Path(place).read_bytes)
        try:
            if place.key:
                return await place.store.get(place.key)
        except NotFoundError as error:
            raise await not_a_file(place) from error
        raise await not_a_file(place)

    async def read_text(
        self, encoding: str | None = None, errors: str | None = None, newline: str | None = None
    ) -> str:
        """The whole file as text, UTF-8 unless ``encoding`` says otherwise, with universal newlines."""
        return io.TextIOWrapper(
            io.BytesIO(await self.read_bytes()), encoding=encoding or "utf-8", errors=errors, newline=newline
        ).read()

    async def write_bytes(self, data: Buffer) -> int:
        """Replace the whole file, on a service atomically; returns the number of bytes."""
        place = self._locate()
        view = memoryview(data).cast("B")
        if not isinstance(place, Remote):
            return await in_thread(Path(place).write_bytes, view)
        if not place.key:
            raise await not_a_file(place)
        await place.store.put(place.key, view)
        return view.nbytes

    async def write_text(
        self, data: str, encoding: str | None = None, errors: str | None = None, newline: str | None = None
    ) -> int:
        """Replace the whole file by text, UTF-8 unless ``encoding`` says otherwise; returns the number of characters.

        Newlines are written as they are, unless ``newline`` says otherwise.
        """
        if not isinstance(data, str):
            raise TypeError(f"data must be str, not {type(data).__name__}")
        buffer = io.BytesIO()
        text = io.TextIOWrapper(buffer, encoding=encoding or "utf-8", errors=errors, newline=newline or "")
        text.write(data)
        text.flush()
        await self.write_bytes(buffer.getbuffer())
        return len(data)

    async def touch(self, mode: int = 0o666, exist_ok: bool = True) -> None:
        """Make an empty file, or let the time of an existing one be now.

        Raises:
            FileExistsError: if it exists and ``exist_ok`` is false.
        """
        place = self._locate()
        if not isinstance(place, Remote):
            await in_thread(Path(place).touch, mode, exist_ok)
            return
        atomic = place.store.capabilities.put.if_absent is Guarantee.ATOMIC
        if await head(place) is None and not await is_directory(place):
            try:
                await place.store.put(place.key, b"", if_absent=atomic)
            except AlreadyExistsError:
                if not exist_ok:
                    raise
        elif not exist_ok:
            raise place.error(errno.EEXIST)
        elif not await first(place):
            await place.store.set_metadata(place.key)

    # --- making, moving, removing

    async def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        """Make a directory, with ``parents`` also those above it.

        Raises:
            FileExistsError: if it exists, and ``exist_ok`` is false or it is a file.
            FileNotFoundError: if the directory above is missing, and ``parents`` is false.
        """
        if parents:
            await removal.makedirs(self, mode, exist_ok)
            return
        try:
            await removal.mkdir(self, mode)
        except FileExistsError:
            if not exist_ok or not await self.is_dir():
                raise

    async def rmdir(self) -> None:
        """Remove an empty directory."""
        await removal.rmdir(self)

    async def rmtree(self) -> None:
        """Remove a directory with all that is in it."""
        await removal.rmtree(self)

    async def unlink(self, missing_ok: bool = False) -> None:
        """Delete the file.

        Raises:
            FileNotFoundError: if there is none and ``missing_ok`` is false.
            IsADirectoryError: if it is a directory.
        """
        try:
            await removal.remove(self)
        except FileNotFoundError:
            if not missing_ok:
                raise

    async def rename(self, target: str | os.PathLike[str] | LexicalPath) -> Self:
        """Give it another name in the same place; returns the new path. See :func:`aiostore.fs.rename`."""
        path = self._other(target)
        await copies.rename(self, path)
        return path

    async def replace(self, target: str | os.PathLike[str] | LexicalPath) -> Self:
        """As ``rename``."""
        return await self.rename(target)

    async def copy(self, target: str | os.PathLike[str] | LexicalPath) -> Self:
        """Copy the file, or the directory with all that is in it, to another name; returns the new path."""
        path = self._other(target)
        if await self.is_dir() and not await self.is_file():
            await copies.copytree(self, path)
        else:
            await copies.copyfile(self, path)
        return path

    async def move(self, target: str | os.PathLike[str] | LexicalPath) -> Self:
        """Move it to another name, also in another place, or into a directory; returns where it is."""
        path = self._other(target)
        made = await copies.move(self, path)
        return type(self)(made, store=path._store)

    def _other(self, path: str | os.PathLike[str] | LexicalPath) -> Self:
        """Another path: a ``str`` is a key of the same store if there is one."""
        return type(self)(path, store=None if isinstance(path, LexicalPath | os.PathLike) else self._store)
