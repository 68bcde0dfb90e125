"""What Swift's answers mean.

https://docs.openstack.org/api-ref/object-store/
"""

from __future__ import annotations

import re
from typing import Final

from aiostore._http.failure import EXISTS, Demand, Failure, Meanings
from aiostore.errors import (
    ConfigurationError,
    CorruptedError,
    InvalidKeyError,
    NotFoundError,
    NotSupportedError,
    PreconditionFailedError,
    RateLimitedError,
    StoreError,
    UnauthenticatedError,
    UnavailableError,
)

_MEANINGS: Final = Meanings(
    statuses={
        401: (UnauthenticatedError, "the token is not valid and no other can be had; give new credentials"),
        409: (PreconditionFailedError, "the request conflicts with what is there"),
        413: (NotSupportedError, "this is more than the service takes: too large a body, or a quota is used up"),
        422: (UnavailableError, "the bytes were damaged on the way"),
        498: (RateLimitedError, "the service asks for fewer requests"),
        499: (UnavailableError, "the service did not get the whole request"),
        507: (UnavailableError, "a disk of the service is full or out of order"),
    },
    request_id="x-trans-id",
    # 503 is also what some replicas refused.
    unsure=frozenset({500, 502, 503, 504}),
)

_TAG: Final = re.compile(r"<[^>]{0,200}>")
_SPACE: Final = re.compile(r"\s+")


def to_store_error(
    failure: Failure, *, operation: str, key: str | None = None, store: str | None = None, demand: Demand = ""
) -> StoreError:
    """Return the error that ``failure`` means, as the answer to a request with this ``demand``."""
    status, said = failure.status, failure.message
    kind, meaning = _MEANINGS.of(failure)
    if status == 412 and demand == "absent":
        kind, meaning = EXISTS
    elif (
        key is not None and status in {400, 412} and ("\0" in key or len(key.encode()) > 1024 or "Invalid UTF8" in said)
    ):
        kind, meaning = InvalidKeyError, "the service cannot hold this key; 1,024 bytes of UTF-8 without NUL are common"
    elif status == 409 and operation == "delete_container":
        meaning = "the container is not empty, or the service has not yet seen that it is; delete its objects first"
    elif status == 409 and operation == "get":
        kind, meaning = CorruptedError, "a segment of this large object is gone or is not what the manifest says"
    elif status == 409:
        kind, meaning = UnavailableError, "another request writes the same object at this moment"
    elif status == 400 and ("metadata" in said.lower() or "header" in said.lower()):
        kind, meaning = ConfigurationError, "the service does not keep metadata of this number or size"
    elif status == 400 and "404 Not Found" in said:
        kind, meaning = NotFoundError, "a segment of the upload is missing; begin the upload again"
    return _MEANINGS.error(failure, (kind, meaning), operation=operation, key=key, store=store)


def plain_text(data: bytes) -> str:
    """What an error's body says, which is HTML, JSON or text, in one line."""
    return _SPACE.sub(" ", _TAG.sub(" ", data.decode("utf-8", "replace"))).strip()
