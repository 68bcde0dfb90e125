"""What S3's answers mean.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aiostore._http.failure import EXISTS, GONE, Demand, Failure, Meaning, Meanings
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
    UnauthenticatedError,
    UnavailableError,
)

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

_CODES: Final[Mapping[str, Meaning]] = {
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

_MEANINGS: Final = Meanings(
    codes=_CODES,
    statuses={
        301: _CODES["PermanentRedirect"],
        307: _CODES["TemporaryRedirect"],
        401: (UnauthenticatedError, "the service wants credentials"),
        403: _CODES["AccessDenied"],
        404: (NotFoundError, "there is no such object or bucket"),
    },
    says_too_much=frozenset({
        "SignatureDoesNotMatch", "AuthorizationHeaderMalformed", "InvalidAccessKeyId", "InvalidToken",
        "InvalidClientTokenId",
    }),
    request_id="x-amz-request-id",
)  # fmt: skip


def to_store_error(
    failure: Failure, *, operation: str, key: str | None = None, store: str | None = None, demand: Demand = ""
) -> StoreError:
    """Return the error that ``failure`` means, as the answer to a request with this ``demand``."""
    status, code = failure.status, failure.code
    meaning = _MEANINGS.of(failure)
    if code == "NoSuchKey" and operation in {"put_part", "list_parts", "complete_multipart"}:
        meaning = _CODES["NoSuchUpload"]
    if demand == "absent" and (status == 412 or code == "PreconditionFailed"):
        meaning = EXISTS
    elif demand == "match" and code == "NoSuchKey":
        meaning = GONE
    elif status == 400 and meaning[0] is StoreError and "invalid version" in failure.message.lower():
        meaning = _CODES["NoSuchVersion"]
    elif status == 400 and meaning[0] is StoreError and key is not None and "\0" in key:
        # What gateways answer that cannot hold such a key, in whatever words.
        meaning = _CODES["InvalidURI"]
    # A RADOS Gateway answers 500 with a code of its own to what it has refused.
    sure = True if code not in {"", "InternalError"} else None
    return _MEANINGS.error(failure, meaning, operation=operation, key=key, store=store, answered=sure)
