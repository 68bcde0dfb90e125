"""What Google Cloud Storage's answers mean.

https://docs.cloud.google.com/storage/docs/json_api/v1/status-codes and
https://docs.cloud.google.com/storage/docs/xml-api/reference-status
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, TypeAlias

from aiostore._http import xml
from aiostore._http.redaction import redact
from aiostore._http.status import retry_after
from aiostore.errors import (
    AlreadyExistsError,
    ConfigurationError,
    InvalidKeyError,
    InvalidRangeError,
    NotFoundError,
    NotModifiedError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionFailedError,
    RateLimitedError,
    RequestTimeoutError,
    StoreError,
    TransientError,
    UnauthenticatedError,
    UnavailableError,
)


class Failure(NamedTuple):
    """An answer that is no success. ``reason`` is the JSON API's word or the XML API's code, ``""`` if unknown."""

    status: int
    reason: str
    message: str
    headers: Mapping[str, str]

    @property
    def no_bucket(self) -> bool:
        """Whether it is the bucket that is missing, which the JSON API tells in words only."""
        text = self.message.lower()
        return self.reason == "NoSuchBucket" or ("bucket" in text and "not exist" in text)


Demand: TypeAlias = Literal["", "absent", "match"]
"""What a write demands of the object that it replaces: nothing, that there is none, or that it is a certain one."""

_Meaning = tuple[type[StoreError], str]

_SLOWER: Final[_Meaning] = (RateLimitedError, "the service asks for fewer requests")
_DENIED: Final[_Meaning] = (
    PermissionDeniedError,
    "the credentials do not allow this; check the roles of the account on the bucket",
)
_DAMAGED: Final[_Meaning] = (UnavailableError, "the bytes were damaged on the way")
_NO_UPLOAD: Final[_Meaning] = (
    NotFoundError,
    "there is no such multipart upload: it was completed, aborted or expired",
)

_REASONS: Final[Mapping[str, _Meaning]] = {
    # The JSON API's reasons.
    "rateLimitExceeded": _SLOWER,
    "userRateLimitExceeded": _SLOWER,
    "quotaExceeded": _SLOWER,
    "userProjectMissing": (
        ConfigurationError,
        "the bucket's readers pay; name the project that is billed with user_project",
    ),
    "uploadBrokenConnection": (UnavailableError, "the service received fewer bytes than were sent"),
    "resourceIsEncryptedWithCustomerEncryptionKey": (
        PermissionDeniedError,
        "the object is encrypted with a customer's key; give it as encryption=Encryption(customer_key=...)",
    ),
    "customerEncryptionKeyIsIncorrect": (PermissionDeniedError, "the object is encrypted with another customer_key"),
    "accountDisabled": (PermissionDeniedError, "the account is disabled; its provider knows more"),
    # The XML API's codes.
    "NoSuchBucket": (NotFoundError, "there is no such bucket; create it, or check its name"),
    "NoSuchKey": (NotFoundError, "there is no such object"),
    "NoSuchUpload": _NO_UPLOAD,
    "InvalidRange": (InvalidRangeError, "the range starts past the end of the object"),
    "BadDigest": _DAMAGED,
    "IncompleteBody": (UnavailableError, "the service received fewer bytes than were sent"),
    "SlowDown": _SLOWER,
    "UserProjectMissing": (
        ConfigurationError,
        "the bucket's readers pay; name the project that is billed with user_project",
    ),
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

_STATUS: Final[Mapping[int, _Meaning]] = {
    304: (NotModifiedError, "the object has not changed"),
    400: (StoreError, "the service does not accept the request"),
    401: (UnauthenticatedError, "the credentials are missing, wrong or expired; give valid ones"),
    403: _DENIED,
    404: (NotFoundError, "there is no such object or bucket"),
    405: (NotSupportedError, "the service does not allow this here"),
    408: (RequestTimeoutError, "the service waited too long for the request's bytes"),
    409: (PreconditionFailedError, "the request conflicts with the state of the object or bucket"),
    411: (StoreError, "the service wants to know the length of the request"),
    412: (PreconditionFailedError, "the object is not what the condition of the request demands"),
    413: (NotSupportedError, "one request cannot hold so many bytes; write in parts"),
    416: (InvalidRangeError, "the range starts past the end of the object"),
    429: _SLOWER,
    500: (UnavailableError, "the service failed"),
    501: (NotSupportedError, "the service cannot do this"),
    502: (UnavailableError, "the service's gateway failed"),
    503: (UnavailableError, "the service is overloaded"),
    504: (UnavailableError, "the service's gateway waited too long"),
}

_UNSURE: Final = frozenset({500, 502, 504})
"""The answers of a service that broke down, or of a gateway before it: the request may have been carried out."""

_WRONG_HASH: Final = re.compile(r"(?i)(crc32c|md5|hash|digest).{0,200}(match|incorrect)")
_BROKEN_FRAME: Final = re.compile(r"(?i)malformed multipart|missing multipart|parse error")
"""What is said of a request that we did not send like that."""
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9.]{0,63}")
_UPLOAD_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,200}")


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


def to_store_error(
    failure: Failure, *, operation: str, key: str | None = None, store: str | None = None, demand: Demand = ""
) -> StoreError:
    """Return the error that ``failure`` means, as the answer to a request with this ``demand``."""
    status = failure.status
    kind, meaning = _meaning(failure, operation, key)
    if status == 412 and demand == "absent":
        kind, meaning = AlreadyExistsError, "the object exists already"
    elif demand == "match" and kind is NotFoundError and not failure.no_bucket:
        kind, meaning = PreconditionFailedError, "there is no object that could be what the condition demands"
    message = f"{meaning} ({_quote(failure)})"
    if not issubclass(kind, TransientError):
        return kind(message, key=key, operation=operation, store=store)
    wait = retry_after(failure.headers.get("Retry-After"))
    return kind(message, key=key, operation=operation, store=store, retry_after=wait, answered=status not in _UNSURE)


def _meaning(failure: Failure, operation: str, key: str | None) -> _Meaning:
    status = failure.status
    if (known := _REASONS.get(failure.reason)) is not None:
        return known
    if status == 400 and (_WRONG_HASH.search(failure.message) or _BROKEN_FRAME.search(failure.message)):
        return _DAMAGED
    if status == 400 and key is not None and (key in {".", ".."} or not {"\r", "\n", "\0"}.isdisjoint(key)):
        return InvalidKeyError, "the service does not hold such a key"
    if status == 400 and key is not None and len(key) * 4 > 1024 and len(key.encode()) > 1024:
        return _REASONS["KeyTooLongError"]
    if status == 404 and failure.no_bucket:
        return _REASONS["NoSuchBucket"]
    if status == 404 and operation in {"put_part", "list_parts", "complete_multipart"}:
        return _NO_UPLOAD
    if (plain := _STATUS.get(status)) is not None:
        return plain
    if 300 <= status < 400:
        return ConfigurationError, "the service redirects; set the endpoint to where the bucket is"
    return _STATUS[500] if status >= 500 else _STATUS[400]


def _quote(failure: Failure) -> str:
    """What the service said, for who must find out why."""
    said = f"{failure.status} {failure.reason}" if _NAME.fullmatch(failure.reason) else str(failure.status)
    if failure.message and failure.status != 401:
        said = f"{said}: {redact(failure.message)[:500].strip()}"
    upload = failure.headers.get("x-guploader-uploadid", "")
    return f"{said}; request {upload}" if _UPLOAD_ID.fullmatch(upload) else said
