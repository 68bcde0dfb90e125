"""What the file of an object is called: as its key, or with a suffix for its content encoding.

With suffixes, the key ``a`` with the content encoding ``gzip`` is the file ``a.gz``, and the file ``a.gz`` is nothing
else: no key without an encoding ends so. A file and what is known of it then agree with the tools of each encoding.
If several files stand for one key, because another program has made them or a process was killed, the first of
``variants`` is the object. Each write and delete removes the others, in an order in which the object is at every
instant what it was, or what it becomes.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping, Sequence
from os import stat_result
from typing import Final

from aiostore.drivers.local_directory import Directory, existing
from aiostore.errors import InvalidKeyError

SUFFIXES: Final[Mapping[str, str]] = {
    ".gz": "gzip", ".br": "br", ".zstd": "zstd", ".zst": "zstd", ".xz": "xz", ".bz2": "bz2",
}  # fmt: skip
"""What each suffix says; of those of one encoding the first is written."""

_WRITTEN: Final[Mapping[str, str]] = {encoding: suffix for suffix, encoding in reversed([*SUFFIXES.items()])}
_LONGEST: Final = 255
"""Bytes in one name, on every usual file system."""
_LONGEST_SUFFIX: Final = max(map(len, SUFFIXES))


class Spelling:
    """Files are called as the last segments of their keys."""

    def file_name(self, name: str, encoding: str | None, key: str) -> str:
        """What the file of an object with this content encoding is called.

        Raises:
            InvalidKeyError: if it would be taken for another object's.
        """
        del encoding, key
        return name

    def variants(self, name: str) -> Sequence[str]:
        """What the file may be called, the one that counts first."""
        return (name,)

    def parse(self, file: str) -> tuple[str, str | None]:
        """The last segment of the key of a file, and the content encoding that its name tells."""
        return file, None


class SuffixSpelling(Spelling):
    """A content encoding is the suffix of the file."""

    def file_name(self, name: str, encoding: str | None, key: str) -> str:
        suffix = _WRITTEN.get(encoding.strip().lower()) if encoding is not None else None
        if suffix is None:
            _, told = self.parse(name)
            if told is not None:
                raise InvalidKeyError(
                    f"with encoding_suffixes a file of this name is an object with the content encoding {told}: store"
                    " it under a key without the suffix and with that encoding, or choose another key",
                    key=key,
                )
            return name
        if len(name.encode()) + len(suffix) > _LONGEST:
            raise InvalidKeyError(f"with {suffix} the name is longer than the {_LONGEST} bytes of a file's", key=key)
        return name + suffix

    def variants(self, name: str) -> Sequence[str]:
        encoded = [name + suffix for suffix in SUFFIXES]
        if len(name) > _LONGEST // 4 - _LONGEST_SUFFIX:
            encoded = [file for file in encoded if len(file.encode()) <= _LONGEST]
        return encoded if self.parse(name)[1] is not None else [name, *encoded]

    def parse(self, file: str) -> tuple[str, str | None]:
        name, dot, suffix = file.rpartition(".")
        encoding = SUFFIXES.get(dot + suffix) if name else None
        return (file, None) if encoding is None else (name, encoding)


EXACT: Final = Spelling()
SUFFIXED: Final = SuffixSpelling()

Present = tuple[str, stat_result]
"""A file and what the system says of it."""


def present(directory: Directory, name: str, spelling: Spelling) -> Sequence[Present]:
    """The files that stand for an object; the first one is it.

    Raises:
        InvalidKeyError: if its name belongs to a directory, a link, or something else that is no file.
    """
    if spelling is EXACT:
        status = existing(directory, name)
        return [] if status is None else [(name, status)]
    found = []
    for file in spelling.variants(name):
        try:
            status = directory.status(file)
        except FileNotFoundError:
            continue
        if stat.S_ISREG(status.st_mode):
            found.append((file, status))
    return found


def remove_others(directory: Directory, found: Sequence[Present], kept: str | None) -> list[stat_result]:
    """Remove the files of an object but one: those that are hidden by others before what hides them."""
    removed = []
    for file, status in reversed(found):
        if file != kept:
            directory.remove(file)
            removed.append(status)
    return removed
