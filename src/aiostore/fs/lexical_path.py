"""The half of a path object that looks at nothing but the path, as :class:`pathlib.PurePath`."""

from __future__ import annotations

import os
from functools import total_ordering
from pathlib import PurePath, PurePosixPath
from typing import Any, Self, TypeVar

from aiostore.address import Address, parse
from aiostore.fs.place import Located, Place, at_key
from aiostore.fs.stores import store_at
from aiostore.store import Store

L = TypeVar("L", bound="LexicalPath")


@total_ordering
class LexicalPath(Located):
    """A URL, a local path, or a key of a store; see :class:`~aiostore.StorePath`."""

    __slots__ = ("_drive", "_path", "_query", "_store")

    _drive: str
    _query: str
    _path: PurePath
    _store: Store | None

    def __init__(self, *segments: str | os.PathLike[str] | LexicalPath, store: Store | None = None) -> None:
        self._drive = self._query = ""
        self._path = PurePath() if store is None else PurePosixPath()
        self._store = store
        for segment in segments:
            self._add(segment)

    def _add(self, segment: str | os.PathLike[str] | LexicalPath) -> None:
        if isinstance(segment, LexicalPath):
            if segment._drive or segment._store is not None:
                self._drive, self._query, self._path, self._store = segment._parts
                return
            segment = segment._path
        part = os.fspath(segment) if self._store is not None else parse(segment)
        if isinstance(part, Address):
            self._drive, self._query, self._path = part.drive, part.query, PurePosixPath("/" + part.path.lstrip("/"))
        elif self._drive:
            self._path = PurePosixPath("/" + str(self._path / part).lstrip("/"))
        elif self._store is not None:
            self._path /= part.lstrip("/")
        else:
            self._path /= part

    def _with(self, path: PurePath) -> Self:
        made = self.__new__(type(self))
        made._drive, made._query, made._path, made._store = self._drive, self._query, path, self._store
        return made

    def _as(self, cls: type[L]) -> L:
        """The same path as one of another class."""
        path = cls.__new__(cls)
        path._drive, path._query, path._path, path._store = self._parts
        return path

    @property
    def _parts(self) -> tuple[str, str, PurePath, Store | None]:
        return self._drive, self._query, self._path, self._store

    def _locate(self) -> Place:
        if self._store is not None:
            return at_key(self._store, self.key)
        if not self._drive:
            return str(self._path)
        address = self._address
        return at_key(store_at(address.container), address.key, address)

    @property
    def _address(self) -> Address:
        return Address(self._drive, str(self._path), self._query)

    # --- text, comparison, pickling

    def __str__(self) -> str:
        if self._drive:
            return str(self._address)
        return self.key if self._store is not None else str(self._path)

    def __repr__(self) -> str:
        """Without the options of the URL, which may be secrets."""
        if self._store is not None:
            return f"{type(self).__name__}({self.key!r}, store={self._store!r})"
        shown = f"{self._address.shown}{'?…' if self._query else ''}" if self._drive else str(self._path)
        return f"{type(self).__name__}({shown!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self._parts)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LexicalPath):
            return NotImplemented
        return self._parts == other._parts

    def __hash__(self) -> int:
        return hash((self._drive, self._query, self._path))

    def __lt__(self, other: LexicalPath) -> bool:
        if not isinstance(other, LexicalPath):
            return NotImplemented
        return self._order < other._order

    @property
    def _order(self) -> tuple[str, str, str, tuple[str, ...]]:
        return (self._store.location if self._store else "", self._drive, self._query, self._path.parts)

    # --- parts

    @property
    def key(self) -> str:
        """The key in the store; of a local path its text."""
        text = str(self._path)
        if self._drive:
            return text[1:]
        return "" if self._store is not None and text == "." else text

    @property
    def drive(self) -> str:
        """``scheme://container`` of a URL; empty, as usual, for others."""
        return self._drive or self._path.drive

    @property
    def root(self) -> str:
        """The slash of an absolute path."""
        return self._path.root

    @property
    def anchor(self) -> str:
        """Drive and root."""
        return self.drive + self.root

    @property
    def parts(self) -> tuple[str, ...]:
        """The anchor, if there is one, and the names."""
        parts = self._path.parts
        return (self.anchor, *parts[1:]) if self._drive else parts

    @property
    def name(self) -> str:
        """The last name, as plain text."""
        return self._path.name

    @property
    def stem(self) -> str:
        """The last name without its suffix."""
        return self._path.stem

    @property
    def suffix(self) -> str:
        """The suffix of the last name, with its dot."""
        return self._path.suffix

    @property
    def suffixes(self) -> list[str]:
        """All suffixes of the last name."""
        return self._path.suffixes

    @property
    def parent(self) -> Self:
        """The directory that the path is in; a container's is the container."""
        return self._with(self._path.parent)

    @property
    def parents(self) -> tuple[Self, ...]:
        """The directories above, from the nearest."""
        return tuple(self._with(path) for path in self._path.parents)

    # --- other paths

    def __truediv__(self, other: str | os.PathLike[str] | LexicalPath) -> Self:
        if not isinstance(other, str | os.PathLike | LexicalPath):
            return NotImplemented
        return self.joinpath(other)

    def __rtruediv__(self, other: str | os.PathLike[str]) -> Self:
        if not isinstance(other, str | os.PathLike):
            return NotImplemented
        return type(self)(other).joinpath(self)

    def joinpath(self, *others: str | os.PathLike[str] | LexicalPath) -> Self:
        """This path and then others, which are plain text; a URL among them begins anew."""
        joined = self._with(self._path)
        for other in others:
            joined._add(other)
        return joined

    def with_name(self, name: str) -> Self:
        """The path with another last name.

        Raises:
            ValueError: if it has none, or ``name`` is none.
        """
        return self._with(self._path.with_name(name))

    def with_stem(self, stem: str) -> Self:
        """The path with another last name but the same suffix."""
        return self._with(self._path.with_stem(stem))

    def with_suffix(self, suffix: str) -> Self:
        """The path with another suffix, or without if it is empty."""
        return self._with(self._path.with_suffix(suffix))

    def match(self, pattern: str) -> bool:
        """Whether the end of the path matches a shell pattern."""
        return self._path.match(pattern)

    def relative_to(self, other: str | os.PathLike[str] | LexicalPath) -> PurePath:
        """The way from a directory above, as plain text.

        Raises:
            ValueError: if ``other`` is not above.
        """
        return self._path.relative_to(self._comparable(other))

    def is_relative_to(self, other: str | os.PathLike[str] | LexicalPath) -> bool:
        """Whether ``other`` is above."""
        try:
            return self._path.is_relative_to(self._comparable(other))
        except ValueError:
            return False

    def _comparable(self, other: str | os.PathLike[str] | LexicalPath) -> PurePath:
        path = other if isinstance(other, LexicalPath) else type(self)(other, store=self._store)
        if (path._drive, path._query, path._store) != (self._drive, self._query, self._store):
            raise ValueError(f"{self!r} is not below {path!r}: they are in different places")
        return path._path

    def is_absolute(self) -> bool:
        """Whether it is a URL, the key of a store, or an absolute local path."""
        return bool(self._drive) or self._store is not None or self._path.is_absolute()

    def as_posix(self) -> str:
        """The text with forward slashes."""
        return str(self) if self._drive or self._store is not None else self._path.as_posix()


def _rebuild(cls: type[LexicalPath], parts: tuple[str, str, PurePath, Store | None]) -> LexicalPath:
    path = cls.__new__(cls)
    path._drive, path._query, path._path, path._store = parts
    return path
