"""Temporary URLs, and forms: what allows whoever holds them to do one thing for a while. Pure functions.

https://docs.openstack.org/swift/latest/api/temporary_url_middleware.html and
https://docs.openstack.org/swift/latest/api/form_post_middleware.html
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

_FIELDS: Final = ("redirect", "x_delete_at", "x_delete_after")
"""Of forms. The service does not sign the last two: whoever fills in the form may leave them out."""

LONGEST: Final = 10 * 366 * 86400
"""Seconds that a URL may be valid. The service would take any number; a slip of the pen should not be for ever."""


def check_lifetime(expires_in: float) -> None:
    """Raise ConfigurationError if a URL cannot be valid for so many seconds."""
    if not 0 < expires_in <= LONGEST:
        raise ConfigurationError(f"expires_in={expires_in!r}: a URL can be valid for more than 0 s and up to ten years")


def temp_url(
    method: str,
    container_url: str,
    url: str,
    params: Mapping[str, str],
    temp_url_key: str,
    digest: str,
    expires_in: float,
    now: float,
) -> str:
    """Sign the object's ``url``, which begins with ``container_url``. ``params`` are added, and these are signed too:

    ``temp_url_prefix``, with which the key must begin, makes it a signature for all keys that begin so;
    ``temp_url_ip_range`` names the addresses that may use it.

    Raises:
        ConfigurationError: if ``expires_in`` is not what can be granted, or the key has not this prefix.
        NotSupportedError: if there are no URLs for this method.
    """
    method = method.upper()
    if method not in METHODS:
        raise NotSupportedError(f"a temporary URL is for {', '.join(sorted(METHODS))}, not for {method}")
    check_lifetime(expires_in)
    expires = str(int(now + expires_in))
    # What is signed is the path as the service sees it, decoded.
    path = unquote_to_bytes(urlsplit(url).path)
    if (prefix := params.get("temp_url_prefix")) is not None:
        shared = unquote_to_bytes(urlsplit(container_url).path) + prefix.encode()
        if not path.startswith(shared):
            raise ConfigurationError(
                "the key does not begin with temp_url_prefix; that is the beginning of whole keys, the store's own "
                "prefix included"
            )
        path = b"prefix:" + shared
    lines = [method.encode(), expires.encode(), path]
    if "temp_url_ip_range" in params:
        lines.insert(0, b"ip=" + params["temp_url_ip_range"].encode())
    signature = sign(b"\n".join(lines), temp_url_key, digest)
    pairs = {**params, "temp_url_sig": signature, "temp_url_expires": expires}
    return f"{url}?{encode_query(pairs.items())}"


def temp_form(
    url: str, fields: Mapping[str, str], max_size: int, temp_url_key: str, digest: str, expires_in: float, now: float
) -> dict[str, str]:
    """The fields of a form that uploads one file, whose name comes behind the ``url``. ``redirect`` is signed too.

    Raises:
        ConfigurationError: if ``expires_in`` is not what can be granted, or a field would not be what was signed.
        NotSupportedError: if there is no such field.
    """
    check_lifetime(expires_in)
    for name, value in fields.items():
        if name not in _FIELDS:
            raise NotSupportedError(f"a form of Swift has no field {name!r}; there are {', '.join(_FIELDS)}")
        if value != value.rstrip("\r\n-") or "\n" in value:
            # The service cuts them off as the end of the field.
            raise ConfigurationError(f"the field {name!r} ends with a dash or holds a line break; write it otherwise")
    signed = {
        "redirect": fields.get("redirect", ""),
        "max_file_size": str(max_size),
        "max_file_count": "1",
        "expires": str(int(now + expires_in)),
    }
    message = b"\n".join((unquote_to_bytes(urlsplit(url).path), *(value.encode() for value in signed.values())))
    if not signed["redirect"]:
        del signed["redirect"]
    return {**fields, **signed, "signature": sign(message, temp_url_key, digest)}


def sign(message: bytes, key: str, digest: str) -> str:
    """The HMAC of ``message``, in hexadecimal digits."""
    if digest not in DIGESTS:
        raise ConfigurationError(f"there is no digest {digest!r} of temporary URLs; there are {', '.join(DIGESTS)}")
    return hmac.new(key.encode(), message, getattr(hashlib, digest)).hexdigest()
