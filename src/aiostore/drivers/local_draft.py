"""A file that nobody can see until it is complete, and that then becomes the object in one step.

On Linux the file has no name while it is written (O_TMPFILE), so that a killed process leaves nothing behind. Where the
file system lacks that, it is a hidden file that only its owner can read, locked as long as its writer lives.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from aiostore.drivers.local_directory import Directory, existing
from aiostore.drivers.local_keys import RESERVED
from aiostore.drivers.local_lock import hold
from aiostore.drivers.local_spelling import EXACT, Spelling, present, remove_others
from aiostore.errors import AlreadyExistsError

TEMPORARY: Final = f"{RESERVED}-tmp-"
"""What the names of hidden files begin with."""

Check = Callable[[os.stat_result | None], None]
"""Raises if the file that is there now, or None, must not be replaced."""

_EXISTS: Final = "the object exists already; choose another key, or write without if_absent"
_O_TMPFILE: Final = getattr(os, "O_TMPFILE", 0)
_NO_TMPFILE: Final = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOSYS})
_NO_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
_HAS_PROC: Final = os.path.exists("/proc/self/fd")


class Draft:
    """An open file in ``directory``, which it owns; leaving the context without ``publish`` removes it."""

    __slots__ = ("_name", "descriptor", "directory")

    def __init__(self, directory: Directory, descriptor: int, name: str | None) -> None:
        self.directory = directory
        self.descriptor = descriptor
        self._name = name

    @classmethod
    def begin(cls, directory: Directory) -> Draft:
        """A new, empty file; with a name only where it must have one. The directory is closed if that fails."""
        try:
            return cls._begin(directory)
        except BaseException:
            directory.close()
            raise

    @classmethod
    def _begin(cls, directory: Directory) -> Draft:
        if _O_TMPFILE and _HAS_PROC:
            try:
                return cls(directory, directory.open(".", os.O_RDWR | _O_TMPFILE), None)
            except OSError as error:
                if error.errno == errno.EPERM and directory.is_removed():
                    # So ext4 says it.
                    raise FileNotFoundError(errno.ENOENT, "the directory was removed") from error
                if error.errno not in _NO_TMPFILE:
                    raise
        name = TEMPORARY + secrets.token_hex(8)
        draft = cls(directory, directory.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), name)
        hold(draft.descriptor)
        return draft

    def seal(self) -> os.stat_result:
        """Stamp the time of writing, to the nanosecond, and say what the file is now.

        A file's identity is its inode, size and time. File systems reuse inodes at once and take the time from a clock
        that ticks every few milliseconds, so that only a time of our own tells quick rewrites apart.
        """
        now = time.time_ns()
        if os.utime in os.supports_fd:
            os.utime(self.descriptor, ns=(now, now))
        return os.fstat(self.descriptor)

    def publish(
        self, name: str, check: Check | None, *, create: bool, spelling: Spelling = EXACT, file: str | None = None
    ) -> list[os.stat_result]:
        """Make this the object ``name``, in one step, as ``file`` if that is called otherwise; returns what was there.

        Raises:
            AlreadyExistsError: if ``create`` and there is one.
            NotSupportedError: if ``check`` would not be atomic here.
            FileNotFoundError: if the directory was removed meanwhile.
            InvalidKeyError: if the name belongs to a directory or a link.
            StoreError: what ``check`` raises.
        """
        if self._name is not None and hasattr(os, "fchmod"):
            os.fchmod(self.descriptor, 0o666 & ~umask())
        with self.directory.locked(required=check is not None and not create):
            found = present(self.directory, name, spelling)
            if check is not None:
                check(found[0][1] if found else None)
            file = name if file is None else file
            if spelling is not EXACT:
                existing(self.directory, file)
            if create and found:
                raise AlreadyExistsError(_EXISTS)
            mine = [status for other, status in found if other == file]
            if mine or not self._create(file, create):
                if create:
                    raise AlreadyExistsError(_EXISTS)
                if mine:
                    self._belong_as(mine[0])
                self._replace(file)
            return mine + (remove_others(self.directory, found, file) if len(found) > len(mine) else [])

    def _create(self, name: str, create: bool) -> bool:
        """Take a name that is free; False if a program that knows nothing of our lock has taken it meanwhile."""
        if self._name is not None and not create:
            return False
        try:
            if self._name is None:
                self.directory.link_open_file(self.descriptor, name)
            else:
                self.directory.link(self._name, self.directory, name)
                self.discard_name()
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS or self._name is None:
                raise
            self._replace(name)
        return True

    def _belong_as(self, replaced: os.stat_result) -> None:
        """Take over owner and mode, as a file that is written to keeps them: what was private stays private."""
        if hasattr(os, "fchmod"):
            mine = os.fstat(self.descriptor)
            if (mine.st_uid, mine.st_gid) != (replaced.st_uid, replaced.st_gid):
                with suppress(PermissionError):
                    os.fchown(self.descriptor, replaced.st_uid, replaced.st_gid)
            os.fchmod(self.descriptor, stat.S_IMODE(replaced.st_mode) & 0o777)

    def _replace(self, name: str) -> None:
        if self._name is None:
            hidden = TEMPORARY + secrets.token_hex(8)
            hold(self.descriptor)
            self.directory.link_open_file(self.descriptor, hidden)
            self._name = hidden
        self.directory.replace(self._name, self.directory, name)
        self._name = None

    def enter(self, directory: Directory) -> None:
        """Publish in another directory than the one where the file began; that one is closed."""
        self.directory.close()
        self.directory = directory

    def discard_name(self) -> None:
        """Remove the hidden name, if the file has one."""
        if self._name is not None:
            with suppress(FileNotFoundError):
                self.directory.remove(self._name)
            self._name = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self, *, keep: bool = False) -> None:
        """Close file and directory; ``keep`` leaves a hidden file where it is."""
        try:
            if not keep:
                self.discard_name()
        finally:
            os.close(self.descriptor)
            self.directory.close()


def umask() -> int:
    """The process's mask for the modes of new files, read without changing it for other threads."""
    try:
        with open("/proc/self/status", "rb") as status:
            line = next(line for line in status if line.startswith(b"Umask:"))
        return int(line.split()[1], 8)
    except (OSError, StopIteration):
        mask = os.umask(0o077)
        os.umask(mask)
        return mask
