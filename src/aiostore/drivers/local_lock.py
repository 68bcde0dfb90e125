"""Locks between threads and processes, held by open files and directories (flock), so that they end with their process.

https://man7.org/linux/man-pages/man2/flock.2.html: every opening of a file is a holder of its own, also in one process.
Windows has no such locks; there these functions do nothing.
"""

from __future__ import annotations

import sys

if sys.platform != "win32":
    import fcntl

LOCKS = sys.platform != "win32"
"""Whether there are such locks."""


def lock(descriptor: int) -> None:
    """Wait until nobody else holds the file or directory, and hold it alone."""
    if sys.platform != "win32":
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def unlock(descriptor: int) -> None:
    """Let it go."""
    if sys.platform != "win32":
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def hold(descriptor: int) -> None:
    """Show that a living process uses the file, as long as it is open."""
    if sys.platform != "win32":
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)


def is_held(descriptor: int) -> bool:
    """Whether a living process uses the file, or might."""
    held = True
    if sys.platform != "win32":
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = False
        except BlockingIOError:
            pass
    return held
