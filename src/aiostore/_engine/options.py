"""The keywords of a call, checked and made into the options that a driver gets."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache

from aiostore.errors import ConfigurationError, InvalidRangeError
from aiostore.types import ANY, NOTHING, Condition, Encryption, GetOptions, Match, ObjectMeta, PutOptions, PutResult

WHOLE = GetOptions()
"""Nothing but the object itself: what most reads ask for."""


def get_options(
    key: str,
    operation: str,
    start: int | None,
    stop: int | None,
    if_match: Condition | None,
    if_none_match: Condition | None,
    if_modified_since: datetime | None,
    version: str | None,
    encryption: Encryption | None,
) -> GetOptions:
    """What a read asks for, out of the keywords of a call.

    Raises:
        TypeError: if an offset or a condition has the wrong type.
        InvalidRangeError: if ``start`` and ``stop`` are no range.
        ConfigurationError: if a time has no zone, or a condition names no state.
    """
    if (
        start is None and stop is None and if_match is None and if_none_match is None and if_modified_since is None
        and version is None and encryption is None
    ):  # fmt: skip
        return WHOLE
    for name, offset in (("start", start), ("stop", stop)):
        if offset is not None:
            check_offset(f"{operation} {key!r}: {name}", offset)
    if stop is not None and (stop < 0 or stop < (start or 0) or (start or 0) < 0):
        raise InvalidRangeError(
            f"[{start}, {stop}) is not a range: give 0 <= start <= stop, or a negative start alone",
            key=key,
            operation=operation,
        )
    if if_modified_since is not None and if_modified_since.tzinfo is None:
        raise ConfigurationError(
            "if_modified_since has no time zone: use an aware datetime", key=key, operation=operation
        )
    return GetOptions(
        start=start,
        stop=stop,
        if_match=match(if_match, "if_match"),
        if_none_match=match(if_none_match, "if_none_match"),
        if_modified_since=if_modified_since,
        version=version,
        encryption=encryption,
    )


def put_options(
    key: str,
    operation: str,
    *,
    content_type: str | None = None,
    content_encoding: str | None = None,
    content_disposition: str | None = None,
    content_language: str | None = None,
    cache_control: str | None = None,
    metadata: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    storage_class: str | None = None,
    encryption: Encryption | None = None,
    acl: str | None = None,
    if_match: Condition | None = None,
    if_none_match: Condition | None = None,
    if_absent: bool = False,
    headers: Mapping[str, str] | None = None,
) -> PutOptions:
    """What a write stores and demands, out of the keywords of a call.

    Raises:
        TypeError: if a value has the wrong type.
        ConfigurationError: if the conditions exclude each other, or one names no state.
    """
    if if_absent:
        if if_none_match is not None:
            raise ConfigurationError(
                "create-only (if_absent, mode x) and if_none_match exclude each other", key=key, operation=operation
            )
        if_none_match = "*"
    return PutOptions(
        content_type=content_type,
        content_encoding=content_encoding,
        content_disposition=content_disposition,
        content_language=content_language,
        cache_control=cache_control,
        metadata=pairs("metadata", metadata, key),
        tags=pairs("tags", tags, key),
        storage_class=storage_class,
        encryption=encryption,
        acl=acl,
        if_match=match(if_match, "if_match"),
        if_none_match=match(if_none_match, "if_none_match"),
        headers=pairs("headers", headers, key),
    )


def check_offset(what: str, offset: object) -> None:
    """Raise TypeError if ``offset`` is no whole number."""
    if not isinstance(offset, int) or isinstance(offset, bool):
        raise TypeError(f"{what} is a number of bytes, not {type(offset).__name__}")


def match(condition: Condition | None, name: str) -> Match | None:
    """The state that a precondition demands.

    Raises:
        TypeError: if it is neither an ETag nor an answer.
        ConfigurationError: if the answer has neither ETag nor version.
    """
    if condition is None:
        return None
    if isinstance(condition, str):
        return ANY if condition == "*" else Match(etag=condition.removeprefix("W/").strip('"'))
    if isinstance(condition, (ObjectMeta, PutResult)):
        if condition.etag is None and condition.version is None:
            raise ConfigurationError(f"{name}: the {type(condition).__name__} has neither an ETag nor a version")
        return Match(etag=condition.etag, version=condition.version)
    raise TypeError(f"{name} is an ETag, an ObjectMeta or a PutResult, not {type(condition).__name__}")


def pairs(name: str, given: Mapping[str, str] | None, key: str) -> Mapping[str, str]:
    """A copy of ``given``, which the caller may go on using.

    Raises:
        TypeError: if it holds anything but strings.
    """
    if not given:
        return NOTHING
    for item, value in given.items():
        check_text(f"{key!r}: a name in {name}", item)
        check_text(f"{key!r}: {name}[{item!r}]", value)
    return dict(given)


def check_text(what: str, value: object) -> None:
    """Raise TypeError if ``value`` is no str."""
    if not isinstance(value, str):
        raise TypeError(f"{what} is a str, not {type(value).__name__}")


@lru_cache(maxsize=256)
def typed(content_type: str | None) -> PutOptions:
    """The options of a plain put, made once for each type."""
    return PutOptions(content_type=content_type)


_types = mimetypes.MimeTypes()
"""The standard library's own table: the same on every machine, whatever mime.types files lie there."""

_ENCODED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}
"""A compressed file that is stored as it is is of the type of its container, not of what is inside."""


@lru_cache(maxsize=1024)
def _suffix_type(suffix: str) -> str | None:
    found, encoding = _types.guess_type("x" + suffix)
    return found if encoding is None else _ENCODED.get(encoding)


def content_type(key: str) -> str | None:
    """The media type that the suffix of ``key`` stands for; None if it stands for none."""
    dot = key.rfind(".")
    return None if dot < 0 or len(key) - dot > 16 else _suffix_type(key[dot:].lower())
