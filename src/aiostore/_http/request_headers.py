"""Values as request headers hold them, for services that sign what is sent: nothing may break out of its line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from aiostore.errors import ConfigurationError, NotSupportedError
from aiostore.types import Match

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNSAFE: Final = re.compile(r"[^\x20-\x7e\t]")
_BREAK: Final = re.compile("[\r\n\0]")


def is_token(name: str) -> bool:
    """Whether a header can have this name (RFC 9110 section 5.6.2)."""
    return _TOKEN.fullmatch(name) is not None


def lower_case(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the caller's own headers as they are signed.

    Raises:
        ConfigurationError: if a name or a value would break out of its line: the signature would be for other headers.
    """
    for name, value in headers.items():
        if not is_token(name):
            raise ConfigurationError(f"{name!r} cannot be the name of a header")
        if _BREAK.search(value) is not None:
            raise ConfigurationError(f"the value of the header {name!r} holds a line break or a NUL")
    return {name.lower(): value.strip() for name, value in headers.items()}


def plain(name: str, value: str) -> str:
    """Return ``value`` if a header can hold it as it is.

    Raises:
        ConfigurationError: if it holds anything but printable ASCII, or white space at an end, which would get lost.
    """
    if _UNSAFE.search(value) is not None or value.strip() != value:
        raise ConfigurationError(f"{name} can hold printable ASCII only, not {value!r}")
    return value


def quoted_etag(match: Match, service: str) -> str:
    """Return an ETag as conditions hold it.

    Raises:
        NotSupportedError: if the state has none.
    """
    if match.etag is None:
        raise NotSupportedError(f"{service} compares ETags, and this state has none; take it from head, get or put")
    return "*" if match.etag == "*" else f'"{plain("etag", match.etag)}"'
