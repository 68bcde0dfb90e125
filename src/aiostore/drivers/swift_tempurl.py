"""Temporary URLs, and forms: what allows whoever holds them to do one thing for a while. Pure functions.

https://docs.openstack.org/swift/latest/api/temporary_url_middleware.html
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote_to_bytes, urlsplit

from aiostore.drivers.sigv4 import encode_query
from aiostore.errors import ConfigurationError, NotSupportedError

DIGESTS: Final = ("sha256", "sha1", "sha512")

METHODS: Final = frozenset({"GET", "HEAD", "PUT", "POST", "DELETE"})

LONGEST: Final = 10 * 366 * 86400
"""Seconds that a URL may be valid. The service would take any number; a slip of the pen should not be for ever."""


def check_lifetime(expires_in: float) -> None:
    """Raise ConfigurationError if a URL cannot be valid for so many seconds."""
    if not 0 < expires_in <= LONGEST:
        raise ConfigurationError(f"expires_in={expires_in!r}: a URL can be valid for more than 0 s and up to ten years")


def temp_url(
    method: str, url: str, params: Mapping[str, str], temp_url_key: str, digest: str, expires_in: float, now: float
) -> str:
    """Sign the object's ``url``. ``params`` such as ``filename`` and ``inline`` are added and not signed.

    Raises:
        ConfigurationError: if ``expires_in`` is not what can be granted.
        NotSupportedError: if there are no URLs for this method.
    """
    method = method.upper()
    if method not in METHODS:
        raise NotSupportedError(f"a temporary URL is for {', '.join(sorted(METHODS))}, not for {method}")
    check_lifetime(expires_in)
    expires = str(int(now + expires_in))
    # What is signed is the path as the service sees it, decoded.
    path = unquote_to_bytes(urlsplit(url).path)
    signature = sign(b"\n".join((method.encode(), expires.encode(), path)), temp_url_key, digest)
    pairs = {**params, "temp_url_sig": signature, "temp_url_expires": expires}
    return f"{url}?{encode_query(pairs.items())}"


def sign(message: bytes, key: str, digest: str) -> str:
    """The HMAC of ``message``, in hexadecimal digits."""
    if digest not in DIGESTS:
        raise ConfigurationError(f"there is no digest {digest!r} of temporary URLs; there are {', '.join(DIGESTS)}")
    return hmac.new(key.encode(), message, getattr(hashlib, digest)).hexdigest()
