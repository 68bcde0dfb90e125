"""Key and prefix rules: keys are opaque strings, sent to the service as they are.

No normalisation happens anywhere: ``a//b``, ``/a``, ``a/../b`` and ``%41`` are four different, valid keys. A prefix is
a plain string, not a path segment: ``list("ab")`` also finds ``abc``.
"""

from __future__ import annotations

from aiostore.errors import InvalidKeyError


def check_key(key: str, operation: str) -> str:
    """Return ``key`` if it can name an object.

    Raises:
        TypeError: if it is not a ``str``.
        InvalidKeyError: if it is empty or holds a lone surrogate, which no service can store.
    """
    if not isinstance(key, str):
        raise TypeError(f"{operation}: a key is a str, not {type(key).__name__}")
    if not key:
        raise InvalidKeyError("a key cannot be empty; to address all objects use list()", key=key, operation=operation)
    if not key.isascii():
        check_unicode(key, operation)
    return key


def check_prefix(prefix: str, operation: str) -> str:
    """Return ``prefix`` if it is a string that keys can start with; the empty prefix is every key.

    Raises:
        TypeError: if it is not a ``str``.
        InvalidKeyError: if it holds a lone surrogate.
    """
    if not isinstance(prefix, str):
        raise TypeError(f"{operation}: a prefix is a str, not {type(prefix).__name__}")
    if not prefix.isascii():
        check_unicode(prefix, operation)
    return prefix


def check_unicode(text: str, operation: str) -> None:
    """Raise InvalidKeyError if ``text`` cannot be encoded as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidKeyError(
            f"the character at index {error.start} is a lone surrogate and cannot be stored; encode the key as UTF-8",
            key=text,
            operation=operation,
        ) from None
