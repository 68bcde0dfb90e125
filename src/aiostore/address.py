"""The URL of an object, taken apart into its container and its key without losing anything.

Only a whole URL is percent-encoded, as far as it must be: ``%`` and ``?`` of a key are written ``%25`` and ``%3F``.
Keys, names and relative paths are plain text. The query holds the options of the store, whatever the key.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import unquote

from aiostore import url
from aiostore.errors import ConfigurationError

_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+://[^/?]*)([^?]*)(\?.*)?", re.DOTALL)
_FILE: Final = re.compile(r"file://", re.IGNORECASE)
USER: Final = re.compile(r"(?<!abfs)(?<!abfss)://[^/]*@")
"""Who one is; with Azure's own schemes the container stands there."""
_ENCODED: Final = re.compile(r"[%?\x00-\x1f\x7f]")


class Address(NamedTuple):
    """A URL: ``drive`` is ``scheme://container``, or what else the scheme has for it.

    ``path`` is decoded, and empty or begins with a slash; ``query`` is as it was given, with its question mark.
    """

    drive: str
    path: str = ""
    query: str = ""

    def __str__(self) -> str:
        return self.drive + _ENCODED.sub(lambda found: f"%{ord(found[0]):02X}", self.path) + self.query

    @property
    def container(self) -> str:
        """What ``connect`` makes the store of all the container's objects from."""
        return self.drive + self.query

    @property
    def key(self) -> str:
        """The key of the object."""
        return self.path[1:]

    @property
    def shown(self) -> str:
        """The URL without what may be a secret, for messages."""
        return USER.sub("://", self.drive) + self.path

    def at(self, path: str) -> Address:
        """Another path in the same container."""
        return Address(self.drive, path, self.query)


def parse(path: str | os.PathLike[str]) -> Address | str:
    """The address of a URL; a local path, which a ``file:`` URL is too, as ``str``.

    Raises:
        TypeError: if it is neither text nor a path.
        ConfigurationError: if its scheme is unknown, or it is a file's URL with a host or options.
    """
    text = os.fspath(path)
    if not isinstance(text, str):
        raise TypeError(f"a path is a str or a path of str, not {type(text).__name__}")
    found = _URL.fullmatch(text) if "://" in text else None
    if found is None:
        return text
    if _FILE.match(text) is None:
        start, path, query = found[1], found[2], found[3] or ""
        if not start.startswith("http") and (container := _container(start, query)) is not None:
            return Address(container[0], unquote(path), container[1])
        whole, key = url.split(text)
        drive, query = _taken_apart(whole)
        return Address(drive, f"/{key}" if key else "/" if path.endswith("/") else "", query)
    if found[3] or found[1][7:] not in {"", "localhost"}:
        raise ConfigurationError(
            "the URL of a local file has three slashes and neither host nor options; write a question mark in its name"
            " as %3F"
        )
    return unquote(found[2])


@lru_cache(maxsize=256)
def _container(start: str, query: str) -> tuple[str, str] | None:
    """Drive and query of the URLs that begin and end so; None if it takes more than that to tell.

    Of ``http`` URLs the path may say whose they are.
    """
    try:
        whole, key = url.split(f"{start}/x{query}")
    except ConfigurationError:
        return None
    return _taken_apart(whole) if key == "x" else None


def _taken_apart(container: str) -> tuple[str, str]:
    parts = _URL.fullmatch(container)
    if parts is None:
        raise ConfigurationError("this is no URL; give one such as s3://bucket/key, or a local path")
    return parts[1] + parts[2].rstrip("/"), parts[3] or ""
