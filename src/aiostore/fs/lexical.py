"""The functions of :mod:`os.path` that look at nothing but the path.

A URL keeps its options whatever is done to its path. Names and relative paths are plain text, as ``listdir`` has them;
where one becomes part of a URL, what must be is percent-encoded.
"""

from __future__ import annotations

import os
import posixpath
from typing import TypeAlias

from aiostore.address import Address, parse
from aiostore.fs.place import Located

TextPath: TypeAlias = str | os.PathLike[str] | Located


def _parse(path: TextPath) -> Address | str:
    return parse(str(path)) if isinstance(path, Located) else parse(path)


def join(path: TextPath, *paths: TextPath) -> str:
    """As :func:`os.path.join`. A later URL or absolute local path begins anew; a ``/…`` in a URL is another key."""
    joined = _parse(path)
    for more in paths:
        part = _parse(more)
        if isinstance(part, Address):
            joined = part
        elif isinstance(joined, Address):
            joined = joined.at(posixpath.join(joined.path or "/", part))
        else:
            joined = os.path.join(joined, part)
    return str(joined)


def split(path: TextPath) -> tuple[str, str]:
    """Everything before the last name, and that name: ``join`` puts them together again."""
    address = _parse(path)
    if isinstance(address, str):
        return os.path.split(address)
    head, name = posixpath.split(address.path)
    return str(address.at(head)), name


def basename(path: TextPath) -> str:
    """The last name, which is empty if the path ends with a slash."""
    return split(path)[1]


def dirname(path: TextPath) -> str:
    """Everything before the last name."""
    return split(path)[0]


def splitext(path: TextPath) -> tuple[str, str]:
    """The path without the suffix of its last name, and the suffix with its dot."""
    address = _parse(path)
    if isinstance(address, str):
        return os.path.splitext(address)
    stem, suffix = posixpath.splitext(address.path)
    return str(address.at(stem)), suffix


def splitdrive(path: TextPath) -> tuple[str, str]:
    """``scheme://container`` and the rest of the URL; both together are the path."""
    address = _parse(path)
    if isinstance(address, str):
        return os.path.splitdrive(address)
    return address.drive, str(address)[len(address.drive) :]


def isabs(path: TextPath) -> bool:
    """Whether the path begins at a root. Every URL does."""
    address = _parse(path)
    return isinstance(address, Address) or os.path.isabs(address)


def normpath(path: TextPath) -> str:
    """The path without empty segments, ``.`` and ``..``. On a service these may be parts of a key, as any other."""
    address = _parse(path)
    if isinstance(address, str):
        return os.path.normpath(address)
    if not address.path:
        return str(address)
    return str(address.at("/" + posixpath.normpath(address.path).lstrip("/")))


def relpath(path: TextPath, start: TextPath | None = None) -> str:
    """The way from ``start``, which is the working directory or the URL's container if it is left out.

    Raises:
        ValueError: if the two are in different containers.
    """
    address = _parse(path)
    if isinstance(address, str) and start is None:
        return os.path.relpath(address)
    base = address.at("/") if start is None and isinstance(address, Address) else _parse(start or "")
    if isinstance(address, str) and isinstance(base, str):
        return os.path.relpath(address, base)
    if isinstance(address, str) or isinstance(base, str) or address.container != base.container:
        raise ValueError("path and start are in different containers; there is no way from one to the other")
    return posixpath.relpath(address.path or "/", base.path or "/")
