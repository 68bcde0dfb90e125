"""Files by URL or path, on stores that are made for them or shared."""

from __future__ import annotations

import errno
import os
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from types import TracebackType
from typing import Any, Generic, TypeVar, Unpack, overload

from aiostore.address import Address, parse
from aiostore.errors import NotFoundError
from aiostore.files.mode import check_options, check_text
from aiostore.files.mode import parse as parse_mode
from aiostore.fs.place import AnyPath, Located, Remote, locate, shown_as
from aiostore.fs.remote import told
from aiostore.fs.thread import in_thread
from aiostore.handles import AsyncBinaryFile, AsyncTextFile, BinaryMode, FileOptions, TextMode
from aiostore.services.local import LocalStore
from aiostore.store import Store
from aiostore.url import connect

F = TypeVar("F", bound=AsyncBinaryFile | AsyncTextFile)


class Opening(AbstractAsyncContextManager[F], Generic[F]):
    """A file that ``async with`` opens and closes, with the store that was made for it."""

    def __init__(
        self,
        find: Callable[[AsyncExitStack], Awaitable[tuple[Store, str]]],
        shown: str,
        mode: str,
        arguments: dict[str, Any],
    ) -> None:
        self._find = find
        self._shown = shown
        self._mode = mode
        self._arguments = arguments
        self._stack: AsyncExitStack | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} path={self._shown!r} mode={self._mode!r}>"

    async def __aenter__(self) -> F:
        if self._stack is not None:
            raise RuntimeError(f"{self!r} was entered before: call open() for each `async with`")
        self._stack = AsyncExitStack()
        async with AsyncExitStack() as stack:
            try:
                store, key = await self._find(stack)
                opened = store.open(key, self._mode, **self._arguments)  # type: ignore[call-overload]  # checked before
                try:
                    file: F = await stack.enter_async_context(opened)
                except NotFoundError as error:
                    raise await told(error, store, key, self._shown) from error.__cause__
            except OSError as error:
                error.filename = self._shown
                raise
            self._stack = stack.pop_all()
        return file

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stack is not None:
            await self._stack.__aexit__(kind, error, trace)


def arguments_of(
    shown: str, mode: str, encoding: str | None, errors: str | None, newline: str | None, options: FileOptions
) -> dict[str, Any]:
    """The keywords of a store's ``open``, checked."""
    asked = parse_mode(mode, shown)
    check_text(asked, encoding, errors, newline, shown)
    check_options(asked, options, shown)
    text = {} if asked.binary else {"encoding": encoding, "errors": errors, "newline": newline}
    return {**options, **text}


@overload
def open_url(
    path: AnyPath, mode: TextMode = "r", *, encoding: str | None = None, errors: str | None = None,
    newline: str | None = None, **options: Unpack[FileOptions],
) -> AbstractAsyncContextManager[AsyncTextFile]: ...  # fmt: skip
@overload
def open_url(
    path: AnyPath, mode: BinaryMode, **options: Unpack[FileOptions]
) -> AbstractAsyncContextManager[AsyncBinaryFile]: ...
def open_url(
    path: AnyPath, mode: str = "r", *, encoding: str | None = None, errors: str | None = None,
    newline: str | None = None, **options: Unpack[FileOptions],
) -> AbstractAsyncContextManager[AsyncTextFile] | AbstractAsyncContextManager[AsyncBinaryFile]:  # fmt: skip
    """A file over the object or local file that a URL or path names: ``async with aiostore.open(url, "rt") as file``.

    Modes and options are those of :meth:`~aiostore.AsyncObjectStore.open`; options of the store stand in the URL's
    query. The store is made for this file and closed with it: whoever opens many files of one container uses a store,
    or ``aiostore.fs.open``, whose stores are shared; a ``StorePath`` is opened as there. A local file is written as by
    ``LocalStore``: it appears whole, when the ``async with`` is left without an error. Links to it are followed.

    Raises:
        ConfigurationError: if URL, mode or options are wrong.
        IsADirectoryError: if the URL or path names a directory.
        FileNotFoundError: (on entering) if there is no such object to read, or no directory to write a file to.
    """
    if isinstance(path, Located):
        given: Any = {"encoding": encoding, "errors": errors, "newline": newline, **options}
        made: AbstractAsyncContextManager[AsyncBinaryFile] = open_shared(path, mode, **given)  # type: ignore[call-overload]  # any mode
        return made
    address = parse(path)
    shown = address if isinstance(address, str) else address.shown
    arguments = arguments_of(shown, mode, encoding, errors, newline, options)
    name = address if isinstance(address, str) else address.key
    if (not name and shown) or name.endswith(("/", os.sep)):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), shown)
    return Opening(partial(_own_store, address), shown, mode, arguments)


async def _own_store(address: Address | str, stack: AsyncExitStack) -> tuple[Store, str]:
    if isinstance(address, str):
        return await _local_store(address, stack)
    return await stack.enter_async_context(connect(address.container)), address.key


async def _local_store(path: str, stack: AsyncExitStack) -> tuple[Store, str]:
    directory, name = await in_thread(_resolve, path)
    return await stack.enter_async_context(LocalStore(directory)), name


def _resolve(path: str) -> tuple[str, str]:
    """The directory and name of the file that a local path leads to, through links.

    Raises:
        OSError: as :func:`open` does, if that is a directory, or its directory is none.
    """
    if not path:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    real = os.path.realpath(path)
    if os.path.isdir(real):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    directory, name = os.path.split(real)
    if not os.path.isdir(directory):
        code = errno.ENOTDIR if os.path.exists(directory) else errno.ENOENT
        raise OSError(code, os.strerror(code), path)
    return directory, name


@overload
def open_shared(
    path: AnyPath, mode: TextMode = "r", *, encoding: str | None = None, errors: str | None = None,
    newline: str | None = None, store: Store | None = None, **options: Unpack[FileOptions],
) -> AbstractAsyncContextManager[AsyncTextFile]: ...  # fmt: skip
@overload
def open_shared(
    path: AnyPath, mode: BinaryMode, *, store: Store | None = None, **options: Unpack[FileOptions]
) -> AbstractAsyncContextManager[AsyncBinaryFile]: ...
def open_shared(
    path: AnyPath, mode: str = "r", *, encoding: str | None = None, errors: str | None = None,
    newline: str | None = None, store: Store | None = None, **options: Unpack[FileOptions],
) -> AbstractAsyncContextManager[AsyncTextFile] | AbstractAsyncContextManager[AsyncBinaryFile]:  # fmt: skip
    """As :func:`aiostore.open`, on the stores that all functions of ``aiostore.fs`` share, or on ``store``."""
    shown = shown_as(path)
    arguments = arguments_of(shown, mode, encoding, errors, newline, options)
    return Opening(partial(shared_store, path, store), shown, mode, arguments)


async def shared_store(path: AnyPath, store: Store | None, stack: AsyncExitStack) -> tuple[Store, str]:
    """The store and key of a file; ``stack`` closes the store if it is not shared."""
    place = locate(path, store)
    if not isinstance(place, Remote):
        return await _local_store(place, stack)
    if place.slash or not place.key:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), place.shown)
    return place.store, place.key
