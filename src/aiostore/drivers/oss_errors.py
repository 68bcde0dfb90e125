"""What OSS's answers mean.

https://www.alibabacloud.com/help/en/oss/support/http-status-codes-error-codes-and-request-ids
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from aiostore._http.failure import Failure, Meaning, Meanings
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
    UnauthenticatedError,
    UnavailableError,
)

EXPIRED: Final = frozenset({"SecurityTokenExpired", "InvalidSecurityToken", "InvalidAccessKeyId"})
"""The codes that new credentials may cure."""

SKEWED: Final = "RequestTimeTooSkewed"
"""The code that the service's own clock cures."""

_SLOW: Final = (RateLimitedError, "the service asks for fewer requests")

_CODES: Final[Mapping[str, Meaning]] = {
    "NoSuchKey": (NotFoundError, "there is no such object"),
    "NoSuchBucket": (NotFoundError, "there is no such bucket; create it, or check its name and the endpoint"),
    "NoSuchUpload": (NotFoundError, "there is no such multipart upload: it was completed, aborted or expired"),
    "NoSuchVersion": (NotFoundError, "there is no such version of the object"),
    "SymlinkTargetNotExist": (NotFoundError, "the object is a symbolic link to nothing"),
    "FileAlreadyExists": (AlreadyExistsError, "the object exists already"),
    "ObjectAlreadyExists": (AlreadyExistsError, "the object exists already"),
    "BucketAlreadyExists": (AlreadyExistsError, "a bucket of this name exists and has another owner"),
    "PreconditionFailed": (PreconditionFailedError, "the object is not what the condition of the request demands"),
    "PositionNotEqualToLength": (PreconditionFailedError, "the object has another size than the one to append at"),
    "BucketNotEmpty": (PreconditionFailedError, "the bucket is not empty; delete its objects and versions first"),
    "NotModified": (NotModifiedError, "the object has not changed"),
    "InvalidRange": (InvalidRangeError, "the range starts past the end of the object"),
    "AccessDenied": (PermissionDeniedError, "the credentials do not allow this; check the policies of user and bucket"),
    "InvalidObjectState": (
        PermissionDeniedError,
        "the object is archived; restore it first, then read it when the restoration is done",
    ),
    "FileImmutable": (PermissionDeniedError, "the object is under retention and cannot be changed"),
    "InvalidAccessKeyId": (UnauthenticatedError, "the service does not know this access key id (any more)"),
    "SignatureDoesNotMatch": (UnauthenticatedError, "the signature is wrong; check access_key_secret"),
    "InvalidSecurityToken": (UnauthenticatedError, "the security token is wrong; check security_token"),
    "SecurityTokenExpired": (UnauthenticatedError, "the credentials have expired; give new ones"),
    "InvalidBucketName": (ConfigurationError, "the service does not accept this bucket name"),
    "InvalidTag": (ConfigurationError, "the service does not accept these tags"),
    "MetadataTooLarge": (ConfigurationError, "there is more metadata than the service keeps"),
    "InvalidObjectName": (InvalidKeyError, "the service cannot hold this key: 1,023 bytes, no leading slash"),
    "ObjectNotAppendable": (NotSupportedError, "the object was not made by appending, so nothing can be appended"),
    "InvalidTargetType": (NotSupportedError, "a symbolic link cannot point to another one"),
    "OperationNotSupported": (NotSupportedError, "the service cannot do this with the object"),
    "MethodNotAllowed": (NotSupportedError, "the service does not allow this here"),
    "NotImplemented": (NotSupportedError, "the service cannot do this"),
    "EntityTooLarge": (NotSupportedError, "one request cannot hold so many bytes; write in parts"),
    "InvalidDigest": (UnavailableError, "the bytes were damaged on the way"),
    # It comes with status 203.
    "CallbackFailed": (StoreError, "the object is written, but its callback has failed; see what was called"),
    "InvalidPart": (StoreError, "the parts are not those that the service holds; begin the upload again"),
    "InvalidPartOrder": (StoreError, "the parts are not in order"),
    "EntityTooSmall": (StoreError, "a part but the last is smaller than the service allows"),
    "QpsLimitExceeded": _SLOW,
    "TotalQpsLimitExceeded": _SLOW,
    "UploadTrafficRateLimitExceeded": _SLOW,
    "DownloadTrafficRateLimitExceeded": _SLOW,
    "RequestTimeout": (RequestTimeoutError, "the service waited too long for the request's bytes"),
    SKEWED: (UnavailableError, "this machine's clock is wrong; the service's is used from now on"),
    "InternalError": (UnavailableError, "the service failed"),
    "ServiceUnavailable": (UnavailableError, "the service is overloaded"),
    "OperationAborted": (UnavailableError, "another request changes the same thing at this moment"),
}

_MEANINGS: Final = Meanings(
    codes=_CODES,
    statuses={},
    says_too_much=frozenset({"SignatureDoesNotMatch", "InvalidAccessKeyId", "InvalidSecurityToken"}),
    request_id="x-oss-request-id",
)

_HOST: Final = re.compile(r"[a-z0-9.-]{1,200}")


def is_signed_for_another_region(failure: Failure) -> bool:
    """Whether the signature names a region that the endpoint is not in."""
    return failure.code == "InvalidArgument" and "signing region" in failure.message.lower()


def to_store_error(failure: Failure, *, operation: str, key: str | None = None, store: str | None = None) -> StoreError:
    """Return the error that ``failure`` means."""
    meaning = _MEANINGS.of(failure)
    if failure.home and _HOST.fullmatch(failure.home) and failure.status in {301, 307, 403}:
        meaning = ConfigurationError, f"the bucket is at {failure.home}; set endpoint and region to it"
    elif is_signed_for_another_region(failure):
        meaning = ConfigurationError, "the bucket is in another region than the one that was signed for; set region"
    return _MEANINGS.error(failure, meaning, operation=operation, key=key, store=store)
