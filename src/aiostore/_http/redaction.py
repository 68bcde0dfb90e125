"""What a service says, without what it must not repeat: credentials, signatures, signed queries."""

from __future__ import annotations

import re
from collections.abc import Iterable

HIDDEN = "***"

_SHORTEST = 8
"""Characters of what is worth hiding; less would strike words."""

_PATTERNS = (
    # Parameters of signed URLs and of Authorization headers, whatever the service.
    re.compile(r"(?i)\b((?:[\w-]*(?:signature|credential|token|secret|password)[\w-]*|sig)\s*=\s*)[^&\s,;|\"'<>]+"),
    re.compile(r"(?i)\b((?:basic|bearer)\s+)[\w+/=.~-]{8,}"),
    # An HMAC-SHA256 on its own.
    re.compile(r"()\b[0-9a-fA-F]{64}\b"),
)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """``text`` without ``secrets`` and without anything that looks like a signature or a token."""
    for secret in secrets:
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, HIDDEN)
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\1{HIDDEN}", text)
    return text
