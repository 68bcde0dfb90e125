"""Ranges, preconditions and stated checksums, for drivers that decide on them themselves, as services do.

They are decided as a web server decides them: https://www.rfc-editor.org/rfc/rfc9110#section-13.2.2.
"""

from __future__ import annotations

from collections.abc import Mapping

from aiostore.errors import (
    AlreadyExistsError,
    CorruptedError,
    InvalidRangeError,
    NotModifiedError,
    NotSupportedError,
    PreconditionFailedError,
)
from aiostore.types import CopyOptions, DeleteOptions, GetOptions, Match, ObjectMeta, PutOptions


def resolve_range(options: GetOptions, size: int) -> tuple[int, int]:
    """The bytes ``[start, stop)`` that are asked of an object of ``size`` bytes; a range past the end is cut.

    Raises:
        InvalidRangeError: if the range is empty, or starts past the last byte. A whole read is never refused.
    """
    start, stop = options.start or 0, options.stop
    if start < 0 and stop is None:
        start = max(0, size + start)
    if stop is None:
        if start < size or not options.start:
            return start, size
    elif 0 <= start < stop and start < size:
        return start, min(stop, size)
    raise InvalidRangeError(
        f"the range [{options.start}, {options.stop}) holds no byte of an object of {size} bytes; read the size first"
    )


def check_read(options: GetOptions, meta: ObjectMeta) -> None:
    """Raise NotModifiedError or PreconditionFailedError if the conditions of a read do not hold."""
    if options.if_match is not None and not _is(options.if_match, meta):
        raise PreconditionFailedError("the object is another one than if_match demands; read it anew")
    if options.if_none_match is not None:
        if _is(options.if_none_match, meta):
            raise NotModifiedError("the object is still the one that if_none_match describes")
    elif (
        options.if_modified_since is not None
        and meta.last_modified is not None
        and meta.last_modified <= options.if_modified_since
    ):
        raise NotModifiedError(f"the object was not modified since {options.if_modified_since.isoformat()}")


def check_write(if_match: Match | None, if_none_match: Match | None, meta: ObjectMeta | None) -> None:
    """Raise AlreadyExistsError or PreconditionFailedError if ``meta``, None if there is no object, forbids a write."""
    if if_match is not None and (meta is None or not _is(if_match, meta)):
        now = "there is no object" if meta is None else "the object is another one"
        raise PreconditionFailedError(f"if_match does not hold: {now}; read it and decide again")
    if if_none_match is not None and meta is not None:
        if if_none_match.etag == "*":
            raise AlreadyExistsError("the object exists already; choose another key, or write without if_absent")
        if _is(if_none_match, meta):
            raise PreconditionFailedError("if_none_match does not hold: the object is the one that it describes")


def refuse_options(options: PutOptions | GetOptions | CopyOptions | DeleteOptions, *names: str) -> None:
    """Raise NotSupportedError if one of the options ``names`` is given, which this store does not know."""
    for name in names:
        if getattr(options, name) is not None:
            raise NotSupportedError(f"this store knows no {name}; leave the option out")


def check_checksums(stated: Mapping[str, str], computed: Mapping[str, str]) -> None:
    """Raise CorruptedError if the bytes that arrived do not have the checksums that were stated beforehand."""
    for algorithm, expected in stated.items():
        if computed[algorithm] != expected.lower():
            raise CorruptedError(
                f"the bytes have the {algorithm} {computed[algorithm]}, not {expected} as stated; nothing was written"
            )


def _is(match: Match, meta: ObjectMeta) -> bool:
    """Whether ``meta`` is what ``match`` describes; a version says more than an ETag, which may come back."""
    if match.etag == "*":
        return True
    if match.version is not None and meta.version is not None:
        return match.version == meta.version
    return match.etag is not None and match.etag == meta.etag
