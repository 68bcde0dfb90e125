"""Directories below the root, entered name by name so that no link, however quickly it is set, leads out of it.

Every step is an ``openat`` that does not follow links (https://man7.org/linux/man-pages/man2/openat.2.html), and every
file is then named relative to the open directory: what another process renames or links meanwhile changes nothing.
Where the system cannot do that (Windows), each step is checked before it is taken, which a race can defeat.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Final, Self, TypeVar

from aiostore.drivers.local_lock import lock, unlock
from aiostore.errors import InvalidKeyError, NotFoundError, NotSupportedError, UnavailableError

T = TypeVar("T")

_RELATIVE: Final = os.open in os.supports_dir_fd
_O_CLOEXEC: Final = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_O_NOFOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
_O_DIRECTORY: Final = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _O_CLOEXEC
_O_NONBLOCK: Final = getattr(os, "O_NONBLOCK", 0)
_ATTEMPTS: Final = 100
"""How often a directory that others keep removing is made again."""


class Directory:
    """An open directory; names in it are single segments."""

    __slots__ = ("_path", "descriptor")

    def __init__(self, descriptor: int | None, path: str) -> None:
        self.descriptor = descriptor
        self._path = path

    @classmethod
    def root(cls, path: str) -> Directory:
        """The directory that everything lies below; it may itself be reached through links.

        Raises:
            NotFoundError: if there is none.
        """
        try:
            return cls(os.open(path, _O_DIRECTORY) if _RELATIVE else None, path)
        except FileNotFoundError:
            raise NotFoundError(f"there is no directory {path}; create it with create_container()") from None

    def enter(self, name: str) -> Directory:
        """A directory in this one.

        Raises:
            FileNotFoundError: if there is none.
            NotADirectoryError: if it is a file.
            InvalidKeyError: if it is a symbolic link.
        """
        if name in {"", ".", ".."}:
            raise InvalidKeyError(f"{name!r} is not the name of a directory in this one")
        if not _RELATIVE:
            self._check_directory(name)
            return Directory(None, os.path.join(self._path, name))
        try:
            return Directory(os.open(name, _O_DIRECTORY | _O_NOFOLLOW, dir_fd=self.descriptor), "")
        except OSError:
            self._check_directory(name)
            raise

    def _check_directory(self, name: str) -> None:
        mode = self.status(name).st_mode
        if stat.S_ISLNK(mode):
            raise linked(name)
        if not stat.S_ISDIR(mode):
            raise NotADirectoryError(f"{name!r} is a file")

    def open(self, name: str, flags: int, mode: int = 0o666) -> int:
        """Open a file in this directory without following a link, and without waiting for a pipe's other end."""
        flags |= _O_NOFOLLOW | _O_NONBLOCK | _O_CLOEXEC
        try:
            return os.open(self.at(name), flags, mode, dir_fd=self.descriptor)
        except OSError:
            if flags & os.O_CREAT == 0 and stat.S_ISLNK(self.status(name).st_mode):
                raise linked(name) from None
            raise

    def status(self, name: str) -> os.stat_result:
        """What the system says of a name, which may be a link."""
        return os.stat(self.at(name), dir_fd=self.descriptor, follow_symlinks=False)

    def is_removed(self) -> bool:
        """Whether somebody has removed this directory since it was opened."""
        return self.status(".").st_nlink == 0

    def make(self, name: str) -> None:
        """Make a directory; it may exist already."""
        with suppress(FileExistsError):
            os.mkdir(self.at(name), dir_fd=self.descriptor)

    def remove(self, name: str) -> None:
        """Remove a file."""
        os.unlink(self.at(name), dir_fd=self.descriptor)

    def remove_directory(self, name: str) -> bool:
        """Remove a directory if it is empty; whether it was."""
        try:
            os.rmdir(self.at(name), dir_fd=self.descriptor)
        except OSError:
            return False
        return True

    def replace(self, name: str, target: Directory, new_name: str) -> None:
        """Give a file another name; a file of that name is replaced in the same instant."""
        os.replace(self.at(name), target.at(new_name), src_dir_fd=self.descriptor, dst_dir_fd=target.descriptor)

    def link(self, name: str, target: Directory, new_name: str) -> None:
        """Give a file a second name, if that is free.

        Raises:
            FileExistsError: if it is taken.
        """
        os.link(
            self.at(name),
            target.at(new_name),
            src_dir_fd=self.descriptor,
            dst_dir_fd=target.descriptor,
            follow_symlinks=False,
        )

    def link_open_file(self, descriptor: int, new_name: str) -> None:
        """Give an open file without a name its first one, if that is free.

        Raises:
            FileExistsError: if it is taken.
        """
        os.link(f"/proc/self/fd/{descriptor}", new_name, dst_dir_fd=self.descriptor, follow_symlinks=True)

    def scan(self) -> Iterator[os.DirEntry[str]]:
        """The entries, in no order."""
        with os.scandir(self._path if self.descriptor is None else self.descriptor) as entries:
            yield from entries

    def sync(self) -> None:
        """Wait until the names in this directory are on the disk."""
        if self.descriptor is not None:
            os.fsync(self.descriptor)

    @contextmanager
    def locked(self, *, required: bool = False) -> Iterator[None]:
        """Exclude all other writers of this directory, in this and other processes.

        The lock is the directory's own (flock): no file is needed for it, and it ends with its process. It is held
        for a few system calls, never while data is written.

        Raises:
            NotSupportedError: if it is ``required`` and the file system cannot lock directories, as NFS.
        """
        if not lock(self.descriptor):
            if required:
                raise NotSupportedError("this file system cannot lock directories, so if_match would not be atomic")
            yield
            return
        try:
            yield
        finally:
            unlock(self.descriptor)

    def at(self, name: str) -> str:
        """What a name in this directory is called in system calls beside ``dir_fd=descriptor``."""
        return name if self.descriptor is not None else os.path.join(self._path, name)

    def close(self) -> None:
        """Let the directory go."""
        if self.descriptor is not None:
            os.close(self.descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def existing(directory: Directory, name: str) -> os.stat_result | None:
    """The file ``name``, or None.

    Raises:
        InvalidKeyError: if the name belongs to a directory, a link, or something else that is no file.
    """
    try:
        status = directory.status(name)
    except FileNotFoundError:
        return None
    if stat.S_ISREG(status.st_mode):
        return status
    if stat.S_ISLNK(status.st_mode):
        raise linked(name)
    if stat.S_ISDIR(status.st_mode):
        raise InvalidKeyError(f"{name!r} is a directory, which other keys continue with a slash; choose another key")
    raise InvalidKeyError(f"{name!r} is neither a file nor a directory; choose another key")


def linked(name: str) -> InvalidKeyError:
    """The error for a key that leads through or to a symbolic link."""
    return InvalidKeyError(f"{name!r} is a symbolic link, and links are never followed; store the object itself")


def descend(root: str, names: Sequence[str]) -> Directory:
    """The directory ``names`` below ``root``.

    Raises:
        FileNotFoundError: if a directory is missing; a missing root is a NotFoundError.
        NotADirectoryError: if one is a file.
        InvalidKeyError: if one is a symbolic link.
    """
    directory = Directory.root(root)
    for name in names:
        with directory:
            directory = directory.enter(name)
    return directory


def descend_or_make(root: str, names: Sequence[str], *, sync: bool) -> Directory:
    """The directory ``names`` below ``root``, made where it is missing; ``sync`` puts what was made on the disk.

    Raises:
        InvalidKeyError: if one of them is a file or a symbolic link.
    """
    directory = Directory.root(root)
    for name in names:
        with directory:
            directory = _enter_or_make(directory, name, sync=sync)
    return directory


def _enter_or_make(parent: Directory, name: str, *, sync: bool) -> Directory:
    while True:
        try:
            return parent.enter(name)
        except NotADirectoryError:
            raise InvalidKeyError(f"{name!r} is an object, so no key can continue it with a slash") from None
        except FileNotFoundError:
            # Also where whoever deletes the last object of a directory has just removed it. A parent that is gone
            # itself raises FileNotFoundError here.
            parent.make(name)
            if sync:
                parent.sync()


def prune(root: str, names: Sequence[str]) -> None:
    """Remove the directory ``names`` if it is empty, and then those above it that have become empty; not the root."""
    for depth in range(len(names) - 1, -1, -1):
        try:
            with descend(root, names[:depth]) as parent:
                if not parent.remove_directory(names[depth]):
                    return
        except OSError:
            # Somebody else removed or replaced it.
            return


def persist(attempt: Callable[[], T]) -> T:
    """Call ``attempt`` again as long as others remove the directory under it."""
    for _ in range(_ATTEMPTS):
        try:
            return attempt()
        except NotFoundError:
            raise
        except FileNotFoundError:
            continue
    raise UnavailableError("other writers keep removing the directory; try again")
