"""Metadata that a header cannot carry as it is: it goes as RFC 2047 says."""

from __future__ import annotations

import base64
import binascii
import re
from email.header import decode_header
from typing import Final

from aiostore.errors import ConfigurationError

_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")


def encode_value(name: str, value: str) -> str:
    """Return what the header of the metadata ``name`` holds.

    Raises:
        ConfigurationError: if the value holds a control character.
    """
    if value.isascii() and value.isprintable() and value.strip() == value and not value.startswith("=?"):
        return value
    if _CONTROL.search(value) is not None:
        raise ConfigurationError(f"the metadata {name!r} holds a control character, which no header can carry")
    return f"=?UTF-8?B?{base64.b64encode(value.encode()).decode()}?="


def decode_value(value: str) -> str:
    """Return what `encode_value` was given; any other value is left as it is."""
    if not value.startswith("=?"):
        return value
    try:
        return "".join(
            part if isinstance(part, str) else part.decode(charset or "ascii") for part, charset in decode_header(value)
        )
    except (LookupError, UnicodeDecodeError, binascii.Error):
        return value
