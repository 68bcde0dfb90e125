"""What a path leads to: a local file, or a key of a store."""

from __future__ import annotations

import errno
import os
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TypeAlias

from aiostore.address import Address, parse
from aiostore.fs.stores import store_at
from aiostore.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A key of a store, without slashes at its end; the empty key is the container.

    ``address`` is the URL that led here, None for the key of a store that was given. ``slash`` says that there were
    slashes, so that only a directory can be meant.
    """

    store: Store
    key: str
    address: Address | None = None
    slash: bool = False

    @property
    def shown(self) -> str:
        """What it is called in errors."""
        if self.address is None:
            return f"{self.store.location.rstrip('/')}/{self.key}"
        return f"{self.address.drive}/{self.key}"

    @property
    def directory(self) -> str:
        """The prefix of what is in this directory."""
        return f"{self.key}/" if self.key else ""

    def path(self, key: str) -> str:
        """What another key of the same store is called: a URL, or the key itself."""
        return key if self.address is None else str(self.address.at(f"/{key}"))

    def at(self, key: str) -> Remote:
        """Another key of the same store."""
        stripped = key.rstrip("/")
        return replace(self, key=stripped, slash=stripped != key)

    def error(self, code: int) -> OSError:
        """The built-in error for ``code``, which also chooses its class."""
        return OSError(code, os.strerror(code), self.shown)

    def missing(self) -> OSError:
        """The FileNotFoundError for this path."""
        return self.error(errno.ENOENT)


Place: TypeAlias = Remote | str
"""A key of a store, or a local path."""


class Located(ABC):
    """A path object that knows its store."""

    __slots__ = ()

    @abstractmethod
    def _locate(self) -> Place:
        """Where it leads in the running event loop."""


AnyPath: TypeAlias = str | os.PathLike[str] | Located
"""A URL, a local path, or a :class:`~aiostore.StorePath`."""


def locate(path: AnyPath, store: Store | None) -> Place:
    """Where a path leads. With ``store``, a ``str`` is a key of it; a path object stays what it is.

    Raises:
        ConfigurationError: if the URL or its options are wrong.
        TypeError: if it is no path.
    """
    if isinstance(path, Located):
        return path._locate()
    if store is not None and isinstance(path, str):
        return at_key(store, path.removeprefix("/"))
    address = parse(path)
    if isinstance(address, str):
        return address
    return at_key(store_at(address.container), address.key, address)


def at_key(store: Store, key: str, address: Address | None = None) -> Remote:
    """A key of a store, which slashes at its end make a directory's."""
    stripped = key.rstrip("/")
    return Remote(store=store, key=stripped, address=address, slash=stripped != key)


def shown_as(path: AnyPath) -> str:
    """The path in messages, without options of its store."""
    if isinstance(path, Located):
        return repr(path)
    address = parse(path)
    return address if isinstance(address, str) else address.shown
