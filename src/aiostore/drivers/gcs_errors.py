"""What Google Cloud Storage's answers mean.

https://docs.cloud.google.com/storage/docs/json_api/v1/status-codes and
https://docs.cloud.google.com/storage/docs/xml-api/reference-status
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

from aiostore._http import xml
from aiostore._http.failure import EXISTS, GONE, Demand, Failure, Meaning, Meanings
from aiostore.errors import (
    ConfigurationError,
    InvalidKeyError,
    InvalidRangeError,
    NotFoundError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionFailedError,
    RateLimitedError,
    RequestTimeoutError,
    StoreError,
    UnauthenticatedError,
    UnavailableError,
)

_SLOWER: Final[Meaning] = (RateLimitedError, "the service asks for fewer requests")
_DENIED: Final[Meaning] = (
    PermissionDeniedError,
    "the credentials do not allow this; check the roles of the account on the bucket",
)
_DAMAGED: Final[Meaning] = (UnavailableError, "the bytes were damaged on the way")
_NO_UPLOAD: Final[Meaning] = (
    NotFoundError,
    "there is no such multipart upload: it was completed, aborted or expired",
)

_PAYER: Final[Meaning] = (
    ConfigurationError,
    "the bucket's readers pay; name the project that is billed with user_project",
)
_NO_BILLING: Final[Meaning] = (
    PermissionDeniedError,
    "the project has no working billing account; its owner must set that right",
)
_CHANGED: Final[Meaning] = (UnavailableError, "somebody changed the object in between")
_BAD_KEY: Final[Meaning] = (InvalidKeyError, "the service does not hold such a key")

_REASONS: Final[Mapping[str, Meaning]] = {
    # The JSON API's reasons.
    "rateLimitExceeded": _SLOWER,
    "userRateLimitExceeded": _SLOWER,
    "quotaExceeded": _SLOWER,
    "userProjectMissing": _PAYER,
    "userProjectAccountProblem": _NO_BILLING,
    "uploadBrokenConnection": (UnavailableError, "the service received fewer bytes than were sent"),
    "resourceIsEncryptedWithCustomerEncryptionKey": (
        PermissionDeniedError,
        "the object is encrypted with a customer's key; give it as encryption=Encryption(customer_key=...)",
    ),
    "customerEncryptionKeyIsIncorrect": (PermissionDeniedError, "the object is encrypted with another customer_key"),
    "accountDisabled": _NO_BILLING,
    # The XML API's codes.
    "NoSuchBucket": (NotFoundError, "there is no such bucket; create it, or check its name"),
    "NoSuchKey": (NotFoundError, "there is no such object"),
    "NoSuchUpload": _NO_UPLOAD,
    "InvalidRange": (InvalidRangeError, "the range starts past the end of the object"),
    "BadDigest": _DAMAGED,
    "IncompleteBody": (UnavailableError, "the service received fewer bytes than were sent"),
    "SlowDown": _SLOWER,
    "UserProjectMissing": _PAYER,
    "AccountProblem": _NO_BILLING,
    "UserProjectAccountProblem": _NO_BILLING,
    "ResourceIsEncryptedWithCustomerEncryptionKey": (
        PermissionDeniedError,
        "the object is encrypted with a customer's key; give it as encryption=Encryption(customer_key=...)",
    ),
    "CustomerEncryptionKeyIsIncorrect": (PermissionDeniedError, "the object is encrypted with another customer_key"),
    "EntityTooLarge": (NotSupportedError, "one request cannot hold so many bytes; write in parts"),
    "EntityTooSmall": (StoreError, "a part but the last is smaller than the service allows"),
    "InvalidPart": (StoreError, "the parts are not those that the service holds; begin the upload again"),
    "InvalidBucketName": (ConfigurationError, "the service does not accept this bucket name"),
    "KeyTooLongError": (
        InvalidKeyError,
        "the key is longer than 1,024 bytes of UTF-8, the most that the service stores",
    ),
    "RequestTimeout": (RequestTimeoutError, "the service waited too long for the request's bytes"),
}

_MEANINGS: Final = Meanings(
    codes=_REASONS,
    statuses={
        401: (UnauthenticatedError, "the credentials are missing, wrong or expired; give valid ones"),
        403: _DENIED,
        404: (NotFoundError, "there is no such object or bucket"),
        409: (PreconditionFailedError, "the request conflicts with the state of the object or bucket"),
    },
    request_id="x-guploader-uploadid",
    # Of a 503 it is not said that nothing was done.
    unsure=frozenset({500, 502, 503, 504}),
)

_ITSELF: Final = frozenset({"append", "delete", "head", "set_metadata", "set_tags"})
"""What asks for the object that its condition is about: others are told of a source or a part that is missing."""

RESERVED: Final = ".well-known/acme-challenge/"
"""What no key can begin with: https://docs.cloud.google.com/storage/docs/objects#naming"""

_NO_BUCKET: Final = re.compile(r"(?i)the (specified|requested) bucket (does not|doesn't) exist|no such bucket")

_WRONG_HASH: Final = re.compile(r"(?i)(crc32c|md5|hash|digest).{0,200}(match|incorrect)")
_BROKEN_FRAME: Final = re.compile(r"(?i)malformed multipart|missing multipart|parse error")
"""What is said of a request that we did not send like that."""


def read_failure(status: int, headers: Mapping[str, str], data: bytes) -> Failure:
    """What an answer says of its failure, in either API's form; a body that is neither says nothing."""
    try:
        if data.lstrip()[:1] == b"{":
            return _read_json(status, headers, data)
        if b"<Error" in data:
            fields = xml.fields(xml.parse(data))
            text = " ".join(filter(None, (fields.get("Message"), fields.get("Details"))))
            return Failure(status, fields.get("Code", ""), text, headers)
    except (StoreError, ValueError):
        # The status says enough.
        pass
    return Failure(status, "", "", headers)


def _read_json(status: int, headers: Mapping[str, str], data: bytes) -> Failure:
    error = json.loads(data).get("error")
    if not isinstance(error, dict):
        return Failure(status, "", "", headers)
    details = error.get("errors")
    first = details[0] if isinstance(details, list) and details and isinstance(details[0], dict) else {}
    return Failure(status, str(first.get("reason") or ""), str(error.get("message") or ""), headers)


def no_bucket(failure: Failure) -> bool:
    """Whether it is the bucket that is missing, which the JSON API tells in words only.

    What it says of a missing object repeats the object's name, which may hold any words.
    """
    return failure.code == "NoSuchBucket" or (
        failure.code != "NoSuchKey" and _NO_BUCKET.match(failure.message) is not None
    )


def to_store_error(
    failure: Failure, *, operation: str, key: str | None = None, store: str | None = None, demand: Demand = ""
) -> StoreError:
    """Return the error that ``failure`` means, as the answer to a request with this ``demand``."""
    meaning = _meaning(failure, operation, key)
    if failure.status == 412 and demand == "absent":
        meaning = EXISTS
    elif failure.status == 412 and demand == "same":
        meaning = _CHANGED
    elif demand == "match" and meaning[0] is NotFoundError and operation in _ITSELF and not no_bucket(failure):
        meaning = GONE
    if failure.status == 401:
        # The message may repeat the token.
        failure = failure._replace(message="")
    # An append looks for itself what a 503 has done.
    answered = True if failure.status == 503 and operation == "append" else None
    return _MEANINGS.error(failure, meaning, operation=operation, key=key, store=store, answered=answered)


def _meaning(failure: Failure, operation: str, key: str | None) -> Meaning:
    status = failure.status
    if failure.code in _REASONS:
        return _REASONS[failure.code]
    if status == 400 and (_WRONG_HASH.search(failure.message) or _BROKEN_FRAME.search(failure.message)):
        return _DAMAGED
    if status == 400 and "requester pays bucket" in failure.message.lower():
        return _PAYER
    if status == 400 and key is not None and (key in {".", ".."} or not {"\r", "\n", "\0"}.isdisjoint(key)):
        return _BAD_KEY
    if status in {400, 403} and key is not None and key.startswith(RESERVED):
        return _BAD_KEY
    if status == 400 and key is not None and len(key) * 4 > 1024 and len(key.encode()) > 1024:
        return _REASONS["KeyTooLongError"]
    if status == 410 and operation == "copy":
        return StoreError, "the service keeps what a copy has reached for a week, which is over; begin it again"
    if status == 404 and no_bucket(failure):
        return _REASONS["NoSuchBucket"]
    if status == 404 and operation in {"put_part", "list_parts", "complete_multipart"}:
        return _NO_UPLOAD
    return _MEANINGS.of(failure)
