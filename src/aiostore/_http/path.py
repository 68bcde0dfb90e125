"""Keys as they stand in the path of a URL."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

_UNRESERVED: Final = re.compile(r"[A-Za-z0-9/_.~-]*")
"""A key that is its own encoding, as most are."""


def encode_path(key: str) -> str:
    """Percent-encode a key for a path: all but letters, digits and ``-._~/``; dot segments stay as they are."""
    return key if _UNRESERVED.fullmatch(key) is not None else quote(key, safe="/~")
