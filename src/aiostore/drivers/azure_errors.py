"""What Azure's answers mean.

https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aiostore._http.failure import EXISTS, GONE, Demand, Failure, Meaning, Meanings
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
    StoreError,
    UnauthenticatedError,
    UnavailableError,
)

NO_CONTAINER: Final = frozenset({"ContainerNotFound", "ContainerBeingDeleted", "ContainerDisabled"})
"""The codes of a container that is missing, not of an object."""

_THERE: Final = frozenset({
    "BlobAlreadyExists", "ConditionNotMet", "InvalidBlockList", "LeaseIdMissing", "TargetConditionNotMet",
    "UnauthorizedBlobOverwrite",
})  # fmt: skip
"""The codes that a creation meets only where there is an object."""

RENEWABLE: Final = frozenset({"InvalidAuthenticationInfo", "AuthenticationFailed"})
"""The codes that a new token may cure."""

_ARCHIVED: Final = "the object is archived; restore it first, then read it when the restoration is done"
_LEASED: Final = "somebody holds a lease on the object or container; wait until it is released, or break it"
_NO_OBJECT: Final = "there is no such object"
_CHANGED: Final = "the object is not what the condition of the request demands"
_DAMAGED: Final = "the bytes were damaged on the way"
_RIVAL: Final = (
    "another writer has published this object while its parts were sent, which drops all others' parts; write it again"
)

_CODES: Final[Mapping[str, Meaning]] = {
    "BlobNotFound": (NotFoundError, _NO_OBJECT),
    "ResourceNotFound": (NotFoundError, "there is no such object, container or account"),
    "ContainerNotFound": (NotFoundError, "there is no such container; create it, or check its name and the endpoint"),
    "ContainerDisabled": (NotFoundError, "the container is disabled"),
    "BlobAlreadyExists": (AlreadyExistsError, "the object exists already"),
    "ContainerAlreadyExists": (AlreadyExistsError, "the container exists already"),
    "ConditionNotMet": (PreconditionFailedError, _CHANGED),
    "TargetConditionNotMet": (PreconditionFailedError, _CHANGED),
    "SourceConditionNotMet": (PreconditionFailedError, "the source is not what the condition of the request demands"),
    "CannotVerifyCopySourceConditionNotMet": (PreconditionFailedError, "the source has changed"),
    "AppendPositionConditionNotMet": (PreconditionFailedError, "others have appended meanwhile; read and decide again"),
    "MaxBlobSizeConditionNotMet": (PreconditionFailedError, "the object would become larger than the request allows"),
    "LeaseIdMissing": (PreconditionFailedError, _LEASED),
    "LeaseAlreadyPresent": (PreconditionFailedError, _LEASED),
    "LeaseLost": (PreconditionFailedError, "the lease of the request is no longer valid"),
    "SnapshotsPresent": (PreconditionFailedError, "the object has snapshots; delete them first"),
    "InvalidBlockList": (PreconditionFailedError, _RIVAL),
    "BlobNotArchived": (PreconditionFailedError, "the object is not archived"),
    "InvalidBlobOrBlock": (
        PreconditionFailedError,
        "other parts of this object are under way whose ids have another length, as another program gives them; write "
        "it with one put (a larger part_size), or wait a week until they expire",
    ),
    "InvalidBlobType": (
        NotSupportedError,
        "the object is of another kind than the request is for: append blobs are appended to and cannot be replaced in "
        "parts (delete it first, or write with a larger part_size), block blobs are replaced and cannot be appended to",
    ),
    "InvalidRange": (InvalidRangeError, "the range starts past the end of the object"),
    "BlobArchived": (PermissionDeniedError, _ARCHIVED),
    "BlobBeingRehydrated": (PermissionDeniedError, "the object is being restored; read it when that is done"),
    "AuthorizationFailure": (PermissionDeniedError, "the credentials, or the account's firewall, do not allow this"),
    "AuthorizationPermissionMismatch": (
        PermissionDeniedError,
        "the credentials do not allow this; check the roles of the user, such as Storage Blob Data Contributor, or the "
        "permissions of the SAS token",
    ),
    "AuthorizationProtocolMismatch": (PermissionDeniedError, "the SAS token does not allow this protocol; use https"),
    "AuthorizationResourceTypeMismatch": (PermissionDeniedError, "the SAS token is for resources of another type"),
    "AuthorizationServiceMismatch": (PermissionDeniedError, "the SAS token is for another service"),
    "AuthorizationSourceIPMismatch": (PermissionDeniedError, "the SAS token does not allow this network address"),
    "InsufficientAccountPermissions": (PermissionDeniedError, "the account does not allow this"),
    "AccountIsDisabled": (PermissionDeniedError, "the account is disabled"),
    "PublicAccessNotPermitted": (PermissionDeniedError, "the account allows no public access; give credentials"),
    "KeyBasedAuthenticationNotPermitted": (PermissionDeniedError, "the account refuses its keys; use a credential"),
    "UnauthorizedBlobOverwrite": (PermissionDeniedError, "the SAS token creates objects, and does not replace them"),
    "BlobImmutableDueToPolicy": (PermissionDeniedError, "a policy forbids to change or delete the object"),
    "AuthenticationFailed": (
        UnauthenticatedError,
        "the service does not accept the credentials; check account_key, or whether the token has expired",
    ),
    "InvalidAuthenticationInfo": (UnauthenticatedError, "the service cannot read the credentials, or they expired"),
    "NoAuthenticationInformation": (UnauthenticatedError, "the service wants credentials"),
    "BlobUsesCustomerSpecifiedEncryption": (
        ConfigurationError,
        "the object is encrypted with a customer's key or a scope; give the encryption that it was written with",
    ),
    "CustomerProvidedKeyInvalidOrMissing": (ConfigurationError, "the customer_key is not that of the object"),
    "InvalidMetadata": (ConfigurationError, "the service does not accept the metadata"),
    "EmptyMetadataKey": (ConfigurationError, "metadata needs a name"),
    "MetadataTooLarge": (ConfigurationError, "there is more metadata than the service keeps, 8 KiB"),
    "InvalidTag": (ConfigurationError, "the service does not accept these tags"),
    "InvalidTags": (ConfigurationError, "the service does not accept these tags"),
    "InvalidBlobTier": (ConfigurationError, "the service does not have this storage class; it has Hot, Cool, Archive"),
    "AccessTierNotSupportedForBlobType": (ConfigurationError, "objects of this kind have no storage class"),
    "UnsupportedRehydratePriority": (ConfigurationError, "the object cannot be restored"),
    "InvalidUri": (InvalidKeyError, "the service cannot read this key"),
    "InvalidResourceName": (InvalidKeyError, "the service cannot hold this name"),
    "OutOfRangeInput": (InvalidKeyError, "the key is longer than the service stores, 1,024 characters"),
    "BlobNameTooLong": (InvalidKeyError, "the key is longer than the service stores, 1,024 characters"),
    "BlobApiNotYetSupportedForHierarchicalNamespaceAccounts": (NotSupportedError, "the account cannot do this"),
    "FeatureNotYetSupportedForHierarchicalNamespaceAccounts": (NotSupportedError, "the account cannot do this"),
    "FeatureNotSupportedForAccount": (NotSupportedError, "the account cannot do this"),
    "UnsupportedHeader": (NotSupportedError, "the service does not know an option of the request"),
    "UnsupportedQueryParameter": (NotSupportedError, "the service does not know an option of the request"),
    "UnsupportedHttpVerb": (NotSupportedError, "the service does not allow this here"),
    "NotImplemented": (NotSupportedError, "this service cannot do this"),
    "APINotImplemented": (NotSupportedError, "this service cannot do this"),
    "FeatureVersionMismatch": (NotSupportedError, "the object was written with a feature that cannot be used here"),
    "RequestBodyTooLarge": (NotSupportedError, "one request cannot hold so many bytes; write in parts"),
    "BlockCountExceedsLimit": (NotSupportedError, "the object has as many blocks as one can have, 50,000; write anew"),
    "Md5Mismatch": (UnavailableError, _DAMAGED),
    "Crc64Mismatch": (UnavailableError, _DAMAGED),
    "IncompleteBody": (UnavailableError, "the service received fewer bytes than were sent"),
    "ContainerBeingDeleted": (UnavailableError, "a container of this name is being deleted; it takes half a minute"),
    "PendingCopyOperation": (UnavailableError, "the object is the target of a copy that is not done"),
    "InternalError": (UnavailableError, "the service failed"),
    "OperationTimedOut": (UnavailableError, "the service could not do it in time"),
    "AccountBeingCreated": (UnavailableError, "the account is being created"),
    "ServerBusy": (RateLimitedError, "the service asks for fewer requests"),
    "TooManyRequests": (RateLimitedError, "the service asks for fewer requests"),
}

_REFUSED: Final[Meaning] = (StoreError, "the service does not accept the request")

_PARAMETERS: Final[Mapping[str, Meaning]] = {
    "versionid": (NotFoundError, "there is no such version of the object"),
    "snapshot": (NotFoundError, "there is no such version of the object"),
    "comp": (NotSupportedError, "the account cannot do this; hierarchical ones have no tags"),
    "include": (NotSupportedError, "the account cannot do this; hierarchical ones have no versions"),
}
"""What it means that a parameter of the request has no value that the service knows."""

_NOT_MODIFIED: Final = (NotModifiedError, "the object has not changed")

_MEANINGS: Final = Meanings(
    codes=_CODES,
    statuses={
        401: _CODES["NoAuthenticationInformation"],
        404: _CODES["ResourceNotFound"],
        410: (NotFoundError, _NO_OBJECT),
        503: _CODES["ServerBusy"],
    },
    says_too_much=frozenset({"AuthenticationFailed", "InvalidAuthenticationInfo", "CannotVerifyCopySource"}),
    request_id="x-ms-request-id",
)


def to_store_error(
    failure: Failure, *, operation: str, key: str | None = None, store: str | None = None, demand: Demand = ""
) -> StoreError:
    """Return the error that ``failure`` means, as the answer to a request with this ``demand``."""
    code = failure.code
    meaning = _meaning(failure)
    if demand == "absent" and (code in _THERE or (not code and failure.status in {409, 412})):
        meaning = EXISTS
    elif demand == "match" and meaning[0] is NotFoundError and code not in NO_CONTAINER:
        meaning = GONE
    return _MEANINGS.error(failure, meaning, operation=operation, key=key, store=store)


def _meaning(failure: Failure) -> Meaning:
    status, code = failure.status, failure.code
    if status == 304:
        # The code of a condition that does not hold is the same.
        return _NOT_MODIFIED
    if code == "CannotVerifyCopySource":
        # The status is what the source's own service has answered; a conflict there is that nobody may read it.
        kind = PermissionDeniedError if status == 409 else _MEANINGS.of(failure._replace(code=""))[0]
        return kind, "the source of the copy cannot be read"
    if code == "InvalidQueryParameterValue":
        return next((meaning for name, meaning in _PARAMETERS.items() if f"({name})" in failure.message), _REFUSED)
    if code not in _CODES and status == 400 and "contentmd5" in failure.message.lower():
        return _CODES["Md5Mismatch"]
    return _MEANINGS.of(failure)
