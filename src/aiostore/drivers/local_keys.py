"""Which keys a directory tree can hold, and what their files are called."""

from __future__ import annotations

import os
from typing import Final

from aiostore.errors import InvalidKeyError
from aiostore.keys import check_unicode

RESERVED: Final = ".aiostore"
"""What the names of the driver's own files and directories begin with; no key can have such a segment."""

WINDOWS: Final = os.name == "nt"

_LONGEST: Final = 255
"""Bytes in one name, on every usual file system."""

_DEVICES: Final = frozenset(
    ("con", "prn", "aux", "nul", *(f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789¹²³"))
)


def split_key(key: str) -> list[str]:
    """The names of the directories and, last, of the file that hold the object ``key``.

    Raises:
        InvalidKeyError: if no file below the root can have this name. A key is never changed to fit.
    """
    if "\0" in key:
        raise InvalidKeyError("a file name cannot hold the character NUL", key=key)
    if not key.isascii():
        check_unicode(key, "put")
    names = key.split("/")
    for name in names:
        if not name:
            raise InvalidKeyError("a path has no empty segments: no slash at either end, and no two together", key=key)
        if name[0] == "." and (name in {".", ".."} or is_reserved(name)):
            raise InvalidKeyError(f"the segment {name!r} has a meaning of its own; choose another name", key=key)
        if len(name) > _LONGEST // 4 and len(name.encode()) > _LONGEST:
            raise InvalidKeyError(f"a segment has {len(name.encode())} bytes, a file name at most {_LONGEST}", key=key)
        if WINDOWS:
            check_windows_name(name, key)
    return names


def is_reserved(name: str) -> bool:
    """Whether a file or directory of this name is the driver's own; also where case does not count."""
    return name[: len(RESERVED)].lower() == RESERVED


def check_windows_name(name: str, key: str) -> None:
    """Raise InvalidKeyError if Windows would give ``name`` a meaning, or store it as another name.

    https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file
    """
    device = name.partition(".")[0].rstrip(" ").lower() in _DEVICES
    if device or name[-1] in ". " or any(character in '<>:"|?*\\' or character < " " for character in name):
        raise InvalidKeyError(f"Windows cannot hold a file called {name!r}; choose another name", key=key)
