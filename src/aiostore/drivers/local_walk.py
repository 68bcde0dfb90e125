"""Listing a directory tree in the order of keys, lazily: one directory's names at each level, no files opened.

Files come in the UTF-8 order of their whole keys, which is not the order of a tree walk: ``a-b``, ``a/b``, ``a0``.
Sorting each directory with a slash behind the names of directories gives just that order.
"""

from __future__ import annotations

import os
import stat
from bisect import bisect_left
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field

from aiostore.drivers.local_directory import Directory, descend
from aiostore.drivers.local_keys import is_reserved, split_key
from aiostore.drivers.local_spelling import EXACT, Spelling, present
from aiostore.errors import InvalidKeyError, NotFoundError

Item = tuple[str, os.stat_result | None, str | None]
"""A key, what the system says of its file, and the content encoding that the file's name tells; or a common prefix."""


@dataclass(slots=True)
class _Level:
    """A directory that is being listed: its names in order, and how far the walk has come."""

    path: str
    names: list[str]
    next: int = 0
    directory: Directory | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    """What the files of some names are called."""


class Walk:
    """All keys below a prefix after a key; can be left and continued later, when it has nothing open.

    With ``flat`` a directory that holds an object somewhere is one item, a common prefix, and is not entered; that of
    the name ``past`` is left out.
    """

    def __init__(self, root: str, prefix: str, after: str = "", past: str = "", *, flat: bool = False,
        spelling: Spelling = EXACT,
    ) -> None:  # fmt: skip
        self._root = root
        self._spelling = spelling
        self._prefix = prefix
        self._after = max(after, past)
        self._past = past
        self._flat = flat
        self._levels: list[_Level] = []
        self._begun = False

    def unread(self) -> None:
        """Make the item that came last come again."""
        self._levels[-1].next -= 1

    def items(self) -> Generator[Item]:
        """Keys with what the system says of their files, and common prefixes with None, from where it was left.

        Close it: that closes the directories.
        """
        try:
            yield from self._items()
        finally:
            for level in self._levels:
                if level.directory is not None:
                    level.directory.close()
                    level.directory = None

    def _items(self) -> Generator[Item]:
        if not self._begun:
            self._begun = True
            self._start()
        while self._levels:
            level = self._levels[-1]
            if level.next == len(level.names):
                self._levels.pop()
                if level.directory is not None:
                    level.directory.close()
                continue
            name = level.names[level.next]
            level.next += 1
            directory = self._open(level)
            if directory is None:
                level.next = len(level.names)
            elif not name.endswith("/"):
                file = level.files.get(name, name)
                try:
                    status = directory.status(file)
                except FileNotFoundError:
                    if self._spelling is EXACT or not (found := present(directory, name, self._spelling)):
                        continue
                    file, status = found[0]
                if stat.S_ISREG(status.st_mode):
                    yield level.path + name, status, self._spelling.parse(file)[1]
            elif self._flat:
                if self._holds_objects(directory, level.path + name):
                    yield level.path + name, None, None
            else:
                self._enter(directory, name[:-1], level.path + name)

    def _start(self) -> None:
        path, slash, rest = self._prefix.rpartition("/")
        try:
            directory = descend(self._root, split_key(path) if slash else [])
        except NotFoundError:
            raise
        except (FileNotFoundError, NotADirectoryError, InvalidKeyError):
            # No object has such a prefix.
            return
        self._push(directory, path + slash, rest)

    def _enter(self, parent: Directory, name: str, path: str) -> None:
        try:
            directory = parent.enter(name)
        except (FileNotFoundError, NotADirectoryError, InvalidKeyError):
            # It was removed or replaced since its name was read.
            return
        self._push(directory, path, "")

    def _push(self, directory: Directory, path: str, start: str) -> None:
        names, files = _names(directory, start, self._spelling)
        if self._after.startswith(path):
            # The key to start after lies in this directory: what sorts before it is behind us.
            rest = self._after[len(path) :]
            head, slash, _ = rest.partition("/")
            del names[: bisect_left(names, head + slash)]
            if names and (names[0] == rest or path + names[0] == self._past) and (not slash or self._past):
                del names[0]
        elif self._after > path:
            names.clear()
        self._levels.append(_Level(path, names, directory=directory, files=files))

    def _open(self, level: _Level) -> Directory | None:
        """The directory of a level, opened again after a pause; None if it is gone."""
        if level.directory is None:
            try:
                level.directory = descend(self._root, level.path.split("/")[:-1])
            except (FileNotFoundError, NotADirectoryError, InvalidKeyError) as error:
                if isinstance(error, NotFoundError):
                    raise
        return level.directory

    def _holds_objects(self, parent: Directory, path: str) -> bool:
        """Whether a key to be listed lies below a directory; empty directories are nobody's prefix."""
        if not self._after.startswith(path):
            try:
                with parent.enter(path.split("/")[-2]) as directory:
                    if any(_is_listed(entry) and entry.is_file(follow_symlinks=False) for entry in directory.scan()):
                        return True
            except (FileNotFoundError, NotADirectoryError, InvalidKeyError):
                return False
        with closing(Walk(self._root, path, self._after, spelling=self._spelling).items()) as items:
            return next(items, None) is not None


def _names(directory: Directory, start: str, spelling: Spelling) -> tuple[list[str], Mapping[str, str]]:
    """The last segments of keys, and with a slash of directories, that start with ``start``, in the order of keys.

    With them what their files are called, where that is not the same.
    """
    names = []
    files: dict[str, str] = {}
    plain = set()
    for entry in directory.scan():
        name = entry.name
        if not name.startswith(start) or not _is_listed(entry):
            continue
        if entry.is_dir(follow_symlinks=False):
            names.append(name + "/")
        elif entry.is_file(follow_symlinks=False):
            if spelling is EXACT:
                names.append(name)
                continue
            key, encoding = spelling.parse(name)
            if encoding is None:
                plain.add(name)
            elif key.startswith(start):
                variants = spelling.variants(key)
                files[key] = min(name, files.get(key, name), key=variants.index)
    if spelling is not EXACT:
        names += plain | files.keys()
        files = {key: file for key, file in files.items() if key not in plain}
    names.sort()
    return names, files


def _is_listed(entry: os.DirEntry[str]) -> bool:
    """Whether a name is not the driver's own, and is valid UTF-8: another cannot be a key."""
    name = entry.name
    if is_reserved(name):
        return False
    if name.isascii():
        return True
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
