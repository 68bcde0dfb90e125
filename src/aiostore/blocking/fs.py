"""The functions of :mod:`os`, :mod:`os.path`, :mod:`shutil` and :mod:`glob` on URLs and local paths, blocking.

They are those of :mod:`aiostore.fs`, with the same names, parameters and errors; what is an asynchronous iterator there
is a plain one here. ``store=`` takes a blocking store or an asynchronous one. The stores behind URLs are kept by the
bridge, until ``close``. Callbacks are called in the bridge's threads, and must not call the blocking API.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self, TypeAlias

from aiostore import fs as _fs
from aiostore.blocking import portal
from aiostore.blocking.core import LISTED_AHEAD, BlockingCoreStore
from aiostore.blocking.opening import open_url as open
from aiostore.fs import (
    StatResult,
    basename,
    dirname,
    escape,
    isabs,
    join,
    normpath,
    relpath,
    split,
    splitdrive,
    splitext,
)
from aiostore.fs.copies import Ignore
from aiostore.fs.place import AnyPath
from aiostore.fs.removal import OnError
from aiostore.store import Store

__all__ = [
    "DirEntry",
    "Scan",
    "StatResult",
    "basename",
    "close",
    "copy",
    "copyfile",
    "copytree",
    "dirname",
    "escape",
    "exists",
    "getctime",
    "getmtime",
    "getsize",
    "glob",
    "iglob",
    "isabs",
    "isdir",
    "isfile",
    "islink",
    "ismount",
    "join",
    "lexists",
    "listdir",
    "lstat",
    "makedirs",
    "mkdir",
    "move",
    "normpath",
    "open",
    "relpath",
    "remove",
    "rename",
    "replace",
    "rmdir",
    "rmtree",
    "samefile",
    "scandir",
    "split",
    "splitdrive",
    "splitext",
    "stat",
    "unlink",
    "walk",
]

AnyStore: TypeAlias = BlockingCoreStore | Store


def _below(store: AnyStore | None) -> Store | None:
    return store.store if isinstance(store, BlockingCoreStore) else store


def close() -> None:
    """Close the stores that URLs have opened, with their connections. The next call opens anew."""
    portal.run(_fs.aclose())


# --- what is there


def stat(path: AnyPath, *, store: AnyStore | None = None) -> StatResult:
    """What is known of a file or directory; see :func:`aiostore.fs.stat`."""
    return portal.run(_fs.stat(path, store=_below(store)))


def lstat(path: AnyPath, *, store: AnyStore | None = None) -> StatResult:
    """As :func:`stat`, of a link itself."""
    return portal.run(_fs.lstat(path, store=_below(store)))


def exists(path: AnyPath, *, store: AnyStore | None = None) -> bool:
    """Whether there is a file or directory."""
    return portal.run(_fs.exists(path, store=_below(store)))


def lexists(path: AnyPath, *, store: AnyStore | None = None) -> bool:
    """Whether there is a file, directory or link, wherever it leads."""
    return portal.run(_fs.lexists(path, store=_below(store)))


def isfile(path: AnyPath, *, store: AnyStore | None = None) -> bool:
    """Whether there is a file: an object of this key."""
    return portal.run(_fs.isfile(path, store=_below(store)))


def isdir(path: AnyPath, *, store: AnyStore | None = None) -> bool:
    """Whether there is a directory: keys below it, or its marker."""
    return portal.run(_fs.isdir(path, store=_below(store)))


def islink(path: AnyPath, *, store: AnyStore | None = None) -> bool:
    """Whether it is a symbolic link, which only local paths can be."""
    return portal.run(_fs.islink(path, store=_below(store)))


def ismount(path: AnyPath, *, store: AnyStore | None = None) -> bool:
    """Whether another file system begins here: a container is one."""
    return portal.run(_fs.ismount(path, store=_below(store)))


def getsize(path: AnyPath, *, store: AnyStore | None = None) -> int:
    """The stored size in bytes; of a directory on a service 0."""
    return portal.run(_fs.getsize(path, store=_below(store)))


def getmtime(path: AnyPath, *, store: AnyStore | None = None) -> float:
    """When it was written last, in seconds since 1970."""
    return portal.run(_fs.getmtime(path, store=_below(store)))


def getctime(path: AnyPath, *, store: AnyStore | None = None) -> float:
    """As :func:`os.path.getctime`; of an object the time of its writing."""
    return portal.run(_fs.getctime(path, store=_below(store)))


def samefile(path1: AnyPath, path2: AnyPath, *, store: AnyStore | None = None) -> bool:
    """Whether both paths lead to the same file or directory."""
    return portal.run(_fs.samefile(path1, path2, store=_below(store)))


# --- what is in a directory


class DirEntry:
    """An entry of a directory, as :class:`os.DirEntry`: ``name``, and ``path`` for the other functions."""

    __slots__ = ("_entry",)

    def __init__(self, entry: _fs.DirEntry) -> None:
        self._entry = entry

    def __repr__(self) -> str:
        return repr(self._entry)

    @property
    def name(self) -> str:
        """The name, as plain text."""
        return self._entry.name

    @property
    def path(self) -> str:
        """The path for the other functions."""
        return self._entry.path

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Whether it is a directory, or a link to one."""
        return self._entry.is_dir(follow_symlinks=follow_symlinks)

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Whether it is a file, or a link to one."""
        return self._entry.is_file(follow_symlinks=follow_symlinks)

    def is_symlink(self) -> bool:
        """Whether it is a link."""
        return self._entry.is_symlink()

    def inode(self) -> int:
        """The number of the file; 0 on services."""
        return self._entry.inode()

    def stat(self, *, follow_symlinks: bool = True) -> StatResult:
        """What is known of it: of an object what the listing said, without a request."""
        return portal.run(self._entry.stat(follow_symlinks=follow_symlinks))


class Scan(Iterator[DirEntry]):
    """The entries of a directory, as they are listed: an iterator and context manager."""

    def __init__(self, entries: portal.Iteration[_fs.DirEntry]) -> None:
        self._entries = entries

    def __next__(self) -> DirEntry:
        return DirEntry(next(self._entries))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the listing. Safe to repeat."""
        self._entries.close()


def scandir(path: AnyPath | None = None, *, store: AnyStore | None = None) -> Scan:
    """The entries of a directory, lazily; see :func:`aiostore.fs.scandir`."""
    return Scan(portal.iterate(_fs.scandir(path, store=_below(store)), ahead=LISTED_AHEAD))


def listdir(path: AnyPath | None = None, *, store: AnyStore | None = None) -> list[str]:
    """The names in a directory, in no order, as plain text."""
    return portal.run(_fs.listdir(path, store=_below(store)))


def walk(
    top: AnyPath,
    topdown: bool = True,
    onerror: Callable[[OSError], object] | None = None,
    followlinks: bool = False,
    *,
    store: AnyStore | None = None,
) -> Iterator[tuple[str, list[str], list[str]]]:
    """The directories below ``top`` with the names in them, as :func:`os.walk`; names taken out are not entered."""
    # One at a time: what the caller takes out of the list must be seen before the next step.
    return portal.iterate(_fs.walk(top, topdown, onerror, followlinks, store=_below(store)))


def glob(
    pathname: AnyPath,
    *,
    root_dir: AnyPath | None = None,
    recursive: bool = False,
    include_hidden: bool = False,
    store: AnyStore | None = None,
) -> list[str]:
    """All that :func:`iglob` finds."""
    return portal.run(
        _fs.glob(pathname, root_dir=root_dir, recursive=recursive, include_hidden=include_hidden, store=_below(store))
    )


def iglob(
    pathname: AnyPath,
    *,
    root_dir: AnyPath | None = None,
    recursive: bool = False,
    include_hidden: bool = False,
    store: AnyStore | None = None,
) -> Iterator[str]:
    """The paths that match a shell pattern, lazily; see :func:`aiostore.fs.iglob`."""
    found = _fs.iglob(
        pathname, root_dir=root_dir, recursive=recursive, include_hidden=include_hidden, store=_below(store)
    )
    return portal.iterate(found, ahead=LISTED_AHEAD)


# --- making and removing


def mkdir(path: AnyPath, mode: int = 0o777, *, store: AnyStore | None = None) -> None:
    """Make a directory; see :func:`aiostore.fs.mkdir`."""
    portal.run(_fs.mkdir(path, mode, store=_below(store)))


def makedirs(name: AnyPath, mode: int = 0o777, exist_ok: bool = False, *, store: AnyStore | None = None) -> None:
    """Make a directory and all above it that are missing, the container too."""
    portal.run(_fs.makedirs(name, mode, exist_ok, store=_below(store)))


def remove(path: AnyPath, *, store: AnyStore | None = None) -> None:
    """Delete a file."""
    portal.run(_fs.remove(path, store=_below(store)))


unlink = remove


def rmdir(path: AnyPath, *, store: AnyStore | None = None) -> None:
    """Remove an empty directory: its marker, or the container."""
    portal.run(_fs.rmdir(path, store=_below(store)))


def rmtree(
    path: AnyPath, ignore_errors: bool = False, onerror: OnError | None = None, *, store: AnyStore | None = None
) -> None:
    """Delete a directory with all that is in it; see :func:`aiostore.fs.rmtree`."""
    portal.run(_fs.rmtree(path, ignore_errors, onerror, store=_below(store)))


# --- copying and moving


def copyfile(src: AnyPath, dst: AnyPath, *, follow_symlinks: bool = True, store: AnyStore | None = None) -> AnyPath:
    """Copy one file to another name; returns ``dst``."""
    return portal.run(_fs.copyfile(src, dst, follow_symlinks=follow_symlinks, store=_below(store)))


def copy(src: AnyPath, dst: AnyPath, *, follow_symlinks: bool = True, store: AnyStore | None = None) -> str:
    """Copy one file to a name, or into a directory under its own name; returns where it is."""
    return portal.run(_fs.copy(src, dst, follow_symlinks=follow_symlinks, store=_below(store)))


def copytree(
    src: AnyPath,
    dst: AnyPath,
    symlinks: bool = False,
    ignore: Ignore | None = None,
    *,
    dirs_exist_ok: bool = False,
    store: AnyStore | None = None,
) -> AnyPath:
    """Copy a directory with all that is in it, several files at a time; returns ``dst``."""
    return portal.run(_fs.copytree(src, dst, symlinks, ignore, dirs_exist_ok=dirs_exist_ok, store=_below(store)))


def rename(src: AnyPath, dst: AnyPath, *, store: AnyStore | None = None) -> None:
    """Give a file or directory another name in its own file system or service; see :func:`aiostore.fs.rename`."""
    portal.run(_fs.rename(src, dst, store=_below(store)))


replace = rename


def move(src: AnyPath, dst: AnyPath, *, store: AnyStore | None = None) -> str:
    """Move a file or directory to a name, or into a directory under its own name; returns where it is."""
    return portal.run(_fs.move(src, dst, store=_below(store)))
