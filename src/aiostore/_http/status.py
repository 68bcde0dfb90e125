"""What an HTTP answer means: as an error, as an object's metadata, as a range.

Semantics are those of RFC 9110. Services refine them: a driver looks at its service's error code first and asks
`error_from_status` for the rest.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from urllib.parse import urlsplit

from aiostore.errors import (
    ConfigurationError,
    InvalidRangeError,
    NotFoundError,
    NotModifiedError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionFailedError,
    RateLimitedError,
    StoreError,
    TransientError,
    UnauthenticatedError,
    UnavailableError,
)
from aiostore.types import NOTHING, ObjectMeta, object_meta

# --- errors -----------------------------------------------------------------------------------------------------------

_REFUSALS: Mapping[int, type[StoreError]] = {
    304: NotModifiedError,
    400: StoreError,
    401: UnauthenticatedError,
    403: PermissionDeniedError,
    404: NotFoundError,
    405: NotSupportedError,
    407: ConfigurationError,
    410: NotFoundError,
    412: PreconditionFailedError,
    416: InvalidRangeError,
    501: NotSupportedError,
    505: NotSupportedError,
}
_TRANSIENT: Mapping[int, type[TransientError]] = {
    408: UnavailableError,
    429: RateLimitedError,
    500: UnavailableError,
    502: UnavailableError,
    503: UnavailableError,
    504: UnavailableError,
}
_MEANINGS: Mapping[int, str] = {
    304: "the object has not changed",
    401: "the credentials are missing, wrong or expired",
    403: "the credentials do not allow this",
    404: "there is no such object or container",
    405: "the service does not allow this method here",
    407: "the proxy asks for credentials: put them into its URL",
    408: "the service waited too long for the request",
    410: "the object is gone for good",
    412: "a precondition does not hold",
    416: "the range starts past the end of the object",
    429: "the service asks for fewer requests",
    501: "the service cannot do this",
    503: "the service is overloaded or down for maintenance",
}
_CONTENT_RANGE = re.compile(r"bytes (?:(\d{1,19})-(\d{1,19})|(\*))/(?:(\d{1,19})|(\*))", re.ASCII)


def error_from_status(
    status: int,
    message: str | None = None,
    *,
    headers: Mapping[str, str] = NOTHING,
    key: str | None = None,
    operation: str | None = None,
    store: str | None = None,
) -> StoreError:
    """The error that an answer with ``status`` is, if it is no success.

    ``message`` is what the service says; without it there is a sentence for the status. ``headers`` give Retry-After
    and where a redirect points to.
    """
    text = message or _MEANINGS.get(status) or f"the service answered with HTTP status {status}"
    if (transient := _TRANSIENT.get(status)) is not None:
        return transient(
            text, key=key, operation=operation, store=store, retry_after=retry_after(headers.get("Retry-After"))
        )
    if (refusal := _REFUSALS.get(status)) is not None:
        return refusal(text, key=key, operation=operation, store=store)
    if 300 <= status < 400:
        text = f"{message or 'the service redirects'} (HTTP {status}{_destination(headers)}); set the endpoint to it"
        return ConfigurationError(text, key=key, operation=operation, store=store)
    if status >= 500:
        return UnavailableError(text, key=key, operation=operation, store=store)
    return StoreError(text, key=key, operation=operation, store=store)


def _destination(headers: Mapping[str, str]) -> str:
    # Without path and query: they may be signed.
    try:
        parts = urlsplit(headers.get("Location", ""))
        host = parts.hostname
    except ValueError:
        return ""
    return f" to {parts.scheme}://{host}" if host else ""


def retry_after(value: str | None, now: float | None = None) -> float | None:
    """The seconds that a Retry-After header asks for (RFC 9110 section 10.2.3); None if there is none or it is wrong.

    ``now`` is the time in seconds since the epoch, for a header that holds a date.
    """
    value = (value or "").strip()
    if not value:
        return None
    if value.isascii() and value.isdecimal():
        return float(value)
    date = http_date(value)
    if date is None:
        return None
    return max(0.0, date.timestamp() - (time.time() if now is None else now))


# --- metadata ---------------------------------------------------------------------------------------------------------

_MONTHS = {
    name: month
    for month, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}


@lru_cache(maxsize=1024)
def http_date(value: str) -> datetime | None:
    """The time that an HTTP date (RFC 9110 section 5.6.7) names, in UTC; None if it names none."""
    try:
        if len(value) == 29 and value.endswith(" GMT"):
            # Sun, 06 Nov 1994 08:49:37 GMT
            return datetime(
                int(value[12:16]), _MONTHS[value[8:11]], int(value[5:7]),
                int(value[17:19]), int(value[20:22]), int(value[23:25]), tzinfo=UTC,
            )  # fmt: skip
        date = parsedate_to_datetime(value)
    except (ValueError, KeyError, TypeError, OverflowError):
        return None
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)


def unquote_etag(value: str | None) -> str | None:
    """An ETag without its quotes and without the mark of a weak one."""
    if value is None:
        return None
    if value.startswith("W/"):
        value = value[2:]
    return value[1:-1] if len(value) >= 2 and value[0] == value[-1] == '"' else value


def meta_from_headers(
    key: str,
    headers: Mapping[str, str],
    *,
    metadata_prefix: str,
    size: int | None = None,
    version: str | None = None,
    storage_class: str | None = None,
    checksums: Mapping[str, str] = NOTHING,
    extra: Mapping[str, str] = NOTHING,
) -> ObjectMeta:
    """What the headers of an answer say of the object; ``headers`` finds names in any case.

    ``metadata_prefix`` is in lower case, such as ``"x-amz-meta-"``. ``size`` is the whole object's: it must be given
    where Content-Length is that of a range. What no header of HTTP says, the driver adds.
    """
    get = headers.get
    if size is None:
        length = get("Content-Length")
        size = int(length) if length and length.isdecimal() else 0
    modified = get("Last-Modified")
    metadata: dict[str, str] | None = None
    cut = len(metadata_prefix)
    for name in headers:
        if len(name) > cut and name[:cut].lower() == metadata_prefix:
            if metadata is None:
                metadata = {}
            metadata[name[cut:].lower()] = headers[name]
    return object_meta(
        key=key,
        size=size,
        last_modified=http_date(modified) if modified else None,
        etag=unquote_etag(get("ETag")),
        version=version,
        content_type=get("Content-Type"),
        content_encoding=get("Content-Encoding"),
        content_disposition=get("Content-Disposition"),
        content_language=get("Content-Language"),
        cache_control=get("Cache-Control"),
        storage_class=storage_class,
        metadata=metadata or NOTHING,
        checksums=checksums,
        extra=extra,
    )


# --- ranges -----------------------------------------------------------------------------------------------------------


def range_header(start: int | None, stop: int | None) -> str | None:
    """The Range header for the half-open ``[start, stop)``; None if it is the whole object.

    ``start`` < 0 asks for the last bytes, and ``stop`` is then None.

    Raises:
        InvalidRangeError: if the range is empty or not a range: HTTP cannot ask for it.
    """
    start = start or 0
    if start < 0:
        if stop is not None:
            raise InvalidRangeError(f"a range that counts from the end has no stop, not [{start}, {stop})")
        return f"bytes={start}"
    if stop is None:
        return f"bytes={start}-" if start else None
    if stop <= start:
        raise InvalidRangeError(f"the range [{start}, {stop}) is empty")
    return f"bytes={start}-{stop - 1}"


def content_range(value: str) -> tuple[int | None, int | None, int | None]:
    """The ``(start, stop, total)`` of a Content-Range header, half-open (RFC 9110 section 14.4).

    ``start`` and ``stop`` are None in the answer to a range that cannot be satisfied, ``total`` where it is unknown.

    Raises:
        ValueError: if it is not a valid Content-Range of bytes.
    """
    match = _CONTENT_RANGE.fullmatch(value)
    if match is None:
        raise ValueError(f"not a Content-Range: {_plain(value)}")
    first, last, none, size, unknown = match.groups()
    total = None if unknown else int(size)
    if none:
        if total is None:
            raise ValueError(f"a Content-Range without any number: {value!r}")
        return None, None, total
    start, stop = int(first), int(last) + 1
    if stop <= start or (total is not None and stop > total):
        raise ValueError(f"a Content-Range that contradicts itself: {value!r}")
    return start, stop, total


def check_range(
    status: int,
    headers: Mapping[str, str],
    start: int | None,
    stop: int | None,
    *,
    key: str | None = None,
) -> tuple[int, int, int]:
    """The ``(start, stop, size)`` of the bytes that an answer to a read really holds, and of the whole object.

    ``start`` and ``stop`` are what was asked for, as in :class:`~aiostore.types.GetOptions`. A range that runs past the
    end is cut; a service that ignores ranges answers with status 200, and then this is the whole object.

    Raises:
        UnavailableError: if the answer is not the range that was asked for, or does not say which it is: its bytes
            must not be used, and another attempt may meet a better server.
    """
    length = headers.get("Content-Length")
    announced = int(length) if length and length.isdecimal() else None
    if status != 206:
        if announced is None:
            raise _lie("it does not say how long the object is", key)
        return 0, announced, announced
    value = headers.get("Content-Range", "")
    try:
        first, end, total = content_range(value)
    except ValueError as error:
        raise _lie(str(error), key) from None
    if first is None or end is None or total is None:
        raise _lie(f"its Content-Range is {_plain(value)}", key)
    wanted = max(0, total + start) if start is not None and start < 0 else start or 0
    wanted_end = total if stop is None else min(stop, total)
    if (first, end) != (wanted, wanted_end):
        raise _lie(f"bytes [{wanted}, {wanted_end}) were asked for and it says {value!r}", key)
    if announced is not None and announced != end - first:
        raise _lie(f"its Content-Range is {value!r} and its Content-Length {announced}", key)
    return first, end, total


def _plain(value: str) -> str:
    """A Content-Range for a message: not what else a server may have put there, such as what it was sent."""
    return repr(value) if re.fullmatch(r"[A-Za-z]{0,8}[ 0-9*/=-]{0,60}", value) else "something else"


def _lie(reason: str, key: str | None) -> UnavailableError:
    return UnavailableError(f"the service answered with a wrong range: {reason}", key=key, operation="get")
