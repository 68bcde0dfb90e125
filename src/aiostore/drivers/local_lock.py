"""Locks between threads and processes, held by open files and directories (flock), so that they end with their process.

https://man7.org/linux/man-pages/man2/flock.2.html: every opening of a file is a holder of its own, also in one process.
Windows has no such locks; there these functions do nothing.
"""

from __future__ import annotations

import errno
import sys
from contextlib import suppress

if sys.platform != "win32":
    import fcntl

LOCKS = sys.platform != "win32"
"""Whether there are such locks."""

_NO_LOCKS = frozenset({errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})
"""NFS wants a directory to be open for writing, which none can be."""


def lock(descriptor: int | None) -> bool:
    """Wait until nobody else holds the file or directory, and hold it alone; False if it cannot be locked."""
    if sys.platform == "win32" or descriptor is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return False
    return True


def unlock(descriptor: int | None) -> None:
    """Let it go."""
    if sys.platform != "win32" and descriptor is not None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def hold(descriptor: int) -> None:
    """Show that a living process uses the file, as long as it is open."""
    if sys.platform != "win32":
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)


def is_held(descriptor: int) -> bool:
    """Whether a living process uses the file, or might."""
    held = True
    if sys.platform != "win32":
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = False
        except OSError:
            pass
    return held
