"""URLs of stores and objects, taken apart."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from aiostore.errors import ConfigurationError
from aiostore.types import NOTHING

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
"""A scheme has two letters or more, so that ``C:\\data`` is a path."""

_PORT: Final = re.compile(r"(?:\[[^]]*\]|[^:]*):[0-9]*")


def _nothing() -> Mapping[str, str]:
    return NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """The parts of a URL. What may be a secret is not shown.

    ``host`` (with its port) and the values of ``options`` are decoded; ``path`` is as it was written, begins with a
    slash but for a relative local path, and is not encoded at all where there was no scheme. ``query`` is ``options``
    before it was decoded.
    """

    scheme: str
    host: str = ""
    path: str = ""
    plain: bool = False
    options: Mapping[str, str] = field(default_factory=_nothing, repr=False)
    query: str = field(default="", repr=False)
    userinfo: str = field(default="", repr=False)
    host_part: str = field(default="", repr=False)

    @property
    def local_path(self) -> str:
        """The path, decoded, with its slash."""
        return self.path if self.plain else unquote(self.path)

    @property
    def segments(self) -> list[str]:
        """What stands between the slashes of the path, decoded; empty if there is no path."""
        path = self.path.removeprefix("/")
        return [unquote(segment) for segment in path.split("/")] if path else []

    @property
    def credentials(self) -> tuple[str, str] | None:
        """User and password before the ``@``, decoded."""
        if not self.userinfo:
            return None
        user, _, password = self.userinfo.partition(":")
        return unquote(user), unquote(password)

    def below(self, depth: int) -> str:
        """The path behind its first ``depth`` segments, decoded: a key, or the beginning of keys."""
        return unquote("/".join(self.path.removeprefix("/").split("/")[depth:]))

    def above(self, depth: int) -> str:
        """The URL of the first ``depth`` segments of the path, with its credentials and options."""
        return replace(self, path="/" + "/".join(self.path.removeprefix("/").split("/")[:depth])).url()

    def url(self) -> str:
        """The URL itself, with its credentials: not to be shown."""
        user = f"{self.userinfo}@" if self.userinfo else ""
        return f"{self.scheme}://{user}{self.host_part}{self.path}{'?' if self.query else ''}{self.query}"


def parse(url: str) -> Location:
    """The parts of a URL; whatever has no scheme is a local path.

    Raises:
        ConfigurationError: if it is empty, or cannot be taken apart.
    """
    if not url:
        raise ConfigurationError("connect: the URL is empty; give one such as s3://bucket/prefix, or a local path")
    found = _SCHEME.match(url)
    if found is None:
        return Location(scheme="file", path=url, plain=True)
    try:
        # Schemes that urllib does not know have their query and fragment cut all the same; keys may hold a "#".
        parts = urlsplit(url, allow_fragments=False)
    except ValueError:
        raise ConfigurationError("the URL cannot be taken apart; percent-encode what stands in its host") from None
    userinfo, _, host = parts.netloc.rpartition("@")
    port = found[1].lower() in {"http", "https"} and _PORT.fullmatch(host)
    if ":" in host and "@" in parts.path and not port:
        # What follows the colon is half of a secret, cut by its own slash: it would be taken for a bucket's name.
        raise ConfigurationError("percent-encode the user name and the password before the '@' of the URL")
    return Location(
        scheme=found[1].lower(),
        host=unquote(host),
        path=parts.path,
        options=dict(parse_qsl(parts.query)),
        query=parts.query,
        userinfo=userinfo,
        host_part=host,
    )


def folder(path: str) -> str:
    """The prefix of the keys in the folder that the path of a URL names."""
    path = path.removeprefix("/")
    return path if not path or path.endswith("/") else path + "/"
