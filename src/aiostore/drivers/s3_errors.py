"""What S3's answers mean.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, TypeAlias

from aiostore._http.redaction import redact
from aiostore._http.status import retry_after
from aiostore.errors import (
    AlreadyExistsError,
    ConfigurationError,
    CorruptedError,
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
    """An answer that is no success: what its status line, headers and body say. ``region`` is where the bucket is."""

    status: int
    code: str
    message: str
    headers: Mapping[str, str]
    region: str = ""


Demand: TypeAlias = Literal["", "absent", "match"]
"""What a write demands of the object that it replaces: nothing, that there is none, or that it is a certain one."""

EXPIRED: Final = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
"""The codes of credentials that were valid once."""

RENEWABLE: Final = EXPIRED | {"InvalidAccessKeyId"}
"""The codes that new credentials may cure: Ceph and MinIO do not know the key of a session that has expired."""

SKEWED: Final = frozenset({"RequestTimeTooSkewed"})
"""The codes that the service's own clock cures."""

WRONG_REGION: Final = frozenset({
    "AuthorizationHeaderMalformed",
    "PermanentRedirect",
    "Redirect",
    "TemporaryRedirect",
    "IllegalLocationConstraintException",
})  # fmt: skip
"""The codes that come with the region to ask instead."""

_Meaning = tuple[type[StoreError], str]

_CODES: Final[Mapping[str, _Meaning]] = {
    "NoSuchKey": (NotFoundError, "there is no such object"),
    "NoSuchBucket": (NotFoundError, "there is no such bucket; create it, or check its name and the endpoint"),
    "NoSuchUpload": (NotFoundError, "there is no such multipart upload: it was completed, aborted or expired"),
    "NoSuchVersion": (NotFoundError, "there is no such version of the object"),
    "NoSuchTagSet": (NotFoundError, "there are no tags"),
    "PreconditionFailed": (PreconditionFailedError, "the object is not what the condition of the request demands"),
    "NotModified": (NotModifiedError, "the object has not changed"),
    "InvalidRange": (InvalidRangeError, "the range starts past the end of the object"),
    "AccessDenied": (PermissionDeniedError, "the credentials do not allow this; check the policies of user and bucket"),
    "AllAccessDisabled": (PermissionDeniedError, "all access to this object is disabled"),
    "AccountProblem": (PermissionDeniedError, "the account has a problem; its provider knows more"),
    "InvalidObjectState": (
        PermissionDeniedError,
        "the object is archived; restore it first, then read it when the restoration is done",
    ),
    "InvalidAccessKeyId": (UnauthenticatedError, "the service does not know this access key id (any more)"),
    "SignatureDoesNotMatch": (UnauthenticatedError, "the signature is wrong; check secret_access_key"),
    "InvalidToken": (UnauthenticatedError, "the session token is wrong; check session_token"),
    "InvalidClientTokenId": (UnauthenticatedError, "the session token is wrong; check session_token"),
    "InvalidSecurity": (UnauthenticatedError, "the credentials are not valid"),
    "NotSignedUp": (UnauthenticatedError, "the account is not signed up for this service"),
    "AuthorizationHeaderMalformed": (UnauthenticatedError, "the signature is for another region; check region"),
    "MissingSecurityHeader": (UnauthenticatedError, "the request lacks a header that the service demands"),
    "PermanentRedirect": (ConfigurationError, "the bucket is elsewhere; check region and endpoint"),
    "MovedPermanently": (ConfigurationError, "the bucket is elsewhere; check region and endpoint"),
    "InvalidBucketName": (ConfigurationError, "the service does not accept this bucket name"),
    "InvalidLocationConstraint": (ConfigurationError, "the service does not accept this region; check region"),
    "IllegalLocationConstraintException": (ConfigurationError, "the endpoint is of another region; check region"),
    "InvalidStorageClass": (ConfigurationError, "the service does not have this storage class"),
    "InvalidTag": (ConfigurationError, "the service does not accept these tags"),
    "MetadataTooLarge": (ConfigurationError, "there is more metadata than the service keeps"),
    "BadDigest": (UnavailableError, "the bytes were damaged on the way"),
    "InvalidDigest": (CorruptedError, "the service does not accept the checksum that was sent"),
    "XAmzContentSHA256Mismatch": (UnavailableError, "the bytes were damaged on the way"),
    "IncompleteBody": (UnavailableError, "the service received fewer bytes than were sent"),
    "KeyTooLongError": (InvalidKeyError, "the key is longer than the service stores; 1,024 bytes of UTF-8 are common"),
    "KeyTooLong": (InvalidKeyError, "the key is longer than the service stores; 1,024 bytes of UTF-8 are common"),
    "InvalidURI": (InvalidKeyError, "the service cannot read this key"),
    "BucketAlreadyExists": (AlreadyExistsError, "a bucket of this name exists and has another owner"),
    "BucketAlreadyOwnedByYou": (AlreadyExistsError, "the bucket exists already"),
    "BucketNotEmpty": (PreconditionFailedError, "the bucket is not empty; delete its objects and versions first"),
    "NotImplemented": (NotSupportedError, "this service, or this endpoint's dialect, cannot do this"),
    "MethodNotAllowed": (NotSupportedError, "the service does not allow this here"),
    "EntityTooLarge": (NotSupportedError, "one request cannot hold so many bytes; write in parts"),
    "InvalidPart": (StoreError, "the parts are not those that the service holds; begin the upload again"),
    "InvalidPartOrder": (StoreError, "the parts are not in order"),
    "EntityTooSmall": (StoreError, "a part but the last is smaller than the service allows"),
    "SlowDown": (RateLimitedError, "the service asks for fewer requests"),
    "RequestLimitExceeded": (RateLimitedError, "the service asks for fewer requests"),
    "Throttling": (RateLimitedError, "the service asks for fewer requests"),
    "ThrottlingException": (RateLimitedError, "the service asks for fewer requests"),
    "TooManyRequests": (RateLimitedError, "the service asks for fewer requests"),
    "RequestTimeout": (RequestTimeoutError, "the service waited too long for the request's bytes"),
    "RequestTimeTooSkewed": (UnavailableError, "this machine's clock is wrong; the service's is used from now on"),
    "InternalError": (UnavailableError, "the service failed"),
    # What a RADOS Gateway calls the defeat by another writer of the same object.
    "UnknownError": (UnavailableError, "the service failed, or another request writes the same object"),
    "ServiceUnavailable": (UnavailableError, "the service is overloaded"),
    "OperationAborted": (UnavailableError, "another request changes the same thing at this moment"),
    "ConditionalRequestConflict": (UnavailableError, "another request writes the same object at this moment"),
    "TemporaryRedirect": (UnavailableError, "the bucket's address is not yet known everywhere"),
    **dict.fromkeys(EXPIRED, (UnauthenticatedError, "the credentials have expired; give new ones")),
}

_STATUS: Final[Mapping[int, _Meaning]] = {
    301: _CODES["PermanentRedirect"],
    304: _CODES["NotModified"],
    307: _CODES["TemporaryRedirect"],
    400: (StoreError, "the service does not accept the request"),
    401: (UnauthenticatedError, "the service wants credentials"),
    403: _CODES["AccessDenied"],
    404: (NotFoundError, "there is no such object or bucket"),
    405: _CODES["MethodNotAllowed"],
    408: _CODES["RequestTimeout"],
    409: (PreconditionFailedError, "the request conflicts with the state of the object"),
    412: _CODES["PreconditionFailed"],
    413: _CODES["EntityTooLarge"],
    416: _CODES["InvalidRange"],
    429: _CODES["TooManyRequests"],
    500: _CODES["InternalError"],
    501: _CODES["NotImplemented"],
    502: (UnavailableError, "the service's gateway failed"),
    503: _CODES["ServiceUnavailable"],
    504: (UnavailableError, "the service's gateway waited too long"),
}

_UNSURE: Final = frozenset({500, 502, 504})
"""The answers of a service that broke down, or of a gateway before it: the request may have been carried out."""

_SAYS_TOO_MUCH: Final = frozenset({
    "SignatureDoesNotMatch", "AuthorizationHeaderMalformed", "InvalidAccessKeyId", "InvalidToken",
    "InvalidClientTokenId",
})  # fmt: skip
"""The codes whose message may repeat keys or the signature."""

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9.]{0,63}")
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9_.:/+=-]{1,100}")


def to_store_error(
    failure: Failure, *, operation: str, key: str | None = None, store: str | None = None, demand: Demand = ""
) -> StoreError:
    """Return the error that ``failure`` means, as the answer to a request with this ``demand``."""
    status, code = failure.status, failure.code
    kind, meaning = _meaning(status, code)
    if code == "NoSuchKey" and operation in {"put_part", "list_parts", "complete_multipart"}:
        meaning = _CODES["NoSuchUpload"][1]
    if demand == "absent" and (status == 412 or code == "PreconditionFailed"):
        kind, meaning = AlreadyExistsError, "the object exists already"
    elif demand == "match" and code == "NoSuchKey":
        kind, meaning = PreconditionFailedError, "there is no object that could be what the condition demands"
    elif status == 400 and kind is StoreError and "invalid version" in failure.message.lower():
        kind, meaning = _CODES["NoSuchVersion"]
    elif status == 400 and kind is StoreError and key is not None and "\0" in key:
        # What gateways answer that cannot hold such a key, in whatever words.
        kind, meaning = _CODES["InvalidURI"]
    message = f"{meaning} ({_quote(failure)})"
    if not issubclass(kind, TransientError):
        return kind(message, key=key, operation=operation, store=store)
    wait = retry_after(failure.headers.get("Retry-After"))
    answered = status not in _UNSURE or code not in {"", "InternalError"}
    return kind(message, key=key, operation=operation, store=store, retry_after=wait, answered=answered)


def _meaning(status: int, code: str) -> _Meaning:
    if (known := _CODES.get(code) or _STATUS.get(status)) is not None:
        return known
    if status >= 500:
        return _CODES["InternalError"]
    return StoreError, "the service does not accept the request"


def _quote(failure: Failure) -> str:
    """What the service said, for who must find out why."""
    said = f"{failure.status} {failure.code}" if _NAME.fullmatch(failure.code) else str(failure.status)
    if failure.message and failure.code not in _SAYS_TOO_MUCH:
        said = f"{said}: {redact(failure.message)[:500].strip()}"
    request = failure.headers.get("x-amz-request-id", "")
    return f"{said}; request {request}" if _REQUEST_ID.fullmatch(request) else said
