"""What Swift's answers mean.

https://docs.openstack.org/api-ref/object-store/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, TypeAlias

from aiostore._http.redaction import redact
from aiostore._http.status import error_from_status, retry_after
from aiostore.errors import (
    AlreadyExistsError,
    ConfigurationError,
    InvalidKeyError,
    NotFoundError,
    NotSupportedError,
    PreconditionFailedError,
    RateLimitedError,
    RequestTimeoutError,
    StoreError,
    TransientError,
    UnavailableError,
)


class Failure(NamedTuple):
    """An answer that is no success."""

    status: int
    message: str
    headers: Mapping[str, str]


Demand: TypeAlias = Literal["", "absent"]
"""What a write demands of what is there: nothing, or that there is nothing."""

_MEANINGS: Final[Mapping[int, tuple[type[StoreError], str]]] = {
    401: (error_from_status(401).__class__, "the token is not valid and no other can be had; give new credentials"),
    408: (RequestTimeoutError, "the service waited too long for the request's bytes"),
    409: (PreconditionFailedError, "the request conflicts with what is there"),
    411: (StoreError, "the service wants to know the length of the body"),
    413: (NotSupportedError, "this is more than the service takes: too large a body, or a quota is used up"),
    422: (UnavailableError, "the bytes were damaged on the way"),
    498: (RateLimitedError, "the service asks for fewer requests"),
    499: (UnavailableError, "the service did not get the whole request"),
    507: (UnavailableError, "a disk of the service is full or out of order"),
}

_UNSURE: Final = frozenset({500, 502, 503, 504})
"""The answers after which a write may have been carried out: 503 is also what some replicas refused."""

_TAG: Final = re.compile(r"<[^>]{0,200}>")
_SPACE: Final = re.compile(r"\s+")
_TRANSACTION: Final = re.compile(r"[A-Za-z0-9-]{1,100}")


def to_store_error(
    failure: Failure, *, operation: str, key: str | None = None, store: str | None = None, demand: Demand = ""
) -> StoreError:
    """Return the error that ``failure`` means, as the answer to a request with this ``demand``."""
    status = failure.status
    known = error_from_status(status, headers=failure.headers)
    kind, meaning = _MEANINGS.get(status, (type(known), known.message))
    said = failure.message
    if status == 412 and demand == "absent":
        kind, meaning = AlreadyExistsError, "the object exists already"
    elif (
        key is not None and status in {400, 412} and ("\0" in key or len(key.encode()) > 1024 or "Invalid UTF8" in said)
    ):
        kind, meaning = InvalidKeyError, "the service cannot hold this key; 1,024 bytes of UTF-8 without NUL are common"
    elif status == 409 and operation == "delete_container":
        meaning = "the container is not empty, or the service has not yet seen that it is; delete its objects first"
    elif status == 409:
        kind, meaning = UnavailableError, "another request writes the same object at this moment"
    elif status == 400 and ("metadata" in said.lower() or "header" in said.lower()):
        kind, meaning = ConfigurationError, "the service does not keep metadata of this number or size"
    elif status == 400 and "404 Not Found" in said:
        kind, meaning = NotFoundError, "a segment of the upload is missing; begin the upload again"
    message = f"{meaning} ({_quote(failure)})"
    if not issubclass(kind, TransientError):
        return kind(message, key=key, operation=operation, store=store)
    wait = retry_after(failure.headers.get("Retry-After"))
    return kind(message, key=key, operation=operation, store=store, retry_after=wait, answered=status not in _UNSURE)


def plain_text(data: bytes) -> str:
    """What an error's body says, which is HTML, JSON or text, in one line."""
    return _SPACE.sub(" ", _TAG.sub(" ", data.decode("utf-8", "replace"))).strip()


def _quote(failure: Failure) -> str:
    """What the service said, for who must find out why."""
    said = str(failure.status)
    if failure.message:
        said = f"{said}: {redact(failure.message)[:300]}"
    transaction = failure.headers.get("x-trans-id", "")
    return f"{said}; transaction {transaction}" if _TRANSACTION.fullmatch(transaction) else said
