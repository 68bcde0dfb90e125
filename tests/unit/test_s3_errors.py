from __future__ import annotations

import pickle
from collections.abc import Mapping

import pytest

from aiostore._http.failure import Demand, Failure
from aiostore.drivers.s3_errors import to_store_error
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
from aiostore.types import NOTHING


def error_of(
    status: int,
    code: str = "",
    message: str = "",
    headers: Mapping[str, str] = NOTHING,
    *,
    key: str = "key",
    demand: Demand = "",
) -> StoreError:
    failure = Failure(status, code, message, headers)
    return to_store_error(failure, operation="get", key=key, store="s3://bucket", demand=demand)


@pytest.mark.parametrize(
    ("status", "code", "kind", "says"),
    [
        (404, "NoSuchKey", NotFoundError, "no such object"),
        (404, "NoSuchBucket", NotFoundError, "no such bucket; create it"),
        (404, "NoSuchUpload", NotFoundError, "no such multipart upload"),
        (404, "NoSuchVersion", NotFoundError, "no such version"),
        (404, "", NotFoundError, "no such object or bucket"),
        (304, "", NotModifiedError, "not changed"),
        (412, "PreconditionFailed", PreconditionFailedError, "condition"),
        (412, "", PreconditionFailedError, "condition"),
        (416, "InvalidRange", InvalidRangeError, "starts past the end"),
        (416, "", InvalidRangeError, "starts past the end"),
        (403, "AccessDenied", PermissionDeniedError, "policies"),
        (403, "", PermissionDeniedError, "policies"),
        (403, "InvalidObjectState", PermissionDeniedError, "restor"),
        (403, "InvalidAccessKeyId", UnauthenticatedError, "access key id"),
        (403, "SignatureDoesNotMatch", UnauthenticatedError, "secret_access_key"),
        (400, "InvalidToken", UnauthenticatedError, "session_token"),
        (400, "ExpiredToken", UnauthenticatedError, "expired"),
        (401, "", UnauthenticatedError, "credentials"),
        (400, "AuthorizationHeaderMalformed", UnauthenticatedError, "region"),
        (301, "PermanentRedirect", ConfigurationError, "region and endpoint"),
        (400, "KeyTooLongError", InvalidKeyError, "longer"),
        (400, "InvalidURI", InvalidKeyError, "key"),
        (400, "InvalidBucketName", ConfigurationError, "bucket name"),
        (409, "BucketAlreadyOwnedByYou", AlreadyExistsError, "exists already"),
        (409, "BucketNotEmpty", PreconditionFailedError, "not empty"),
        (501, "NotImplemented", NotSupportedError, "cannot do this"),
        (405, "MethodNotAllowed", NotSupportedError, "does not allow"),
        (400, "EntityTooLarge", NotSupportedError, "write in parts"),
        (400, "InvalidPart", StoreError, "parts"),
        (400, "InvalidArgument", StoreError, "does not accept"),
        (418, "", StoreError, "does not accept"),
    ],
)
def test_what_an_answer_means(status: int, code: str, kind: type[StoreError], says: str) -> None:
    error = error_of(status, code)
    assert type(error) is kind
    assert says in error.message
    assert (error.key, error.operation, error.store) == ("key", "get", "s3://bucket")


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (503, "SlowDown", RateLimitedError),
        (429, "", RateLimitedError),
        (503, "", UnavailableError),
        (500, "InternalError", UnavailableError),
        (500, "", UnavailableError),
        (502, "", UnavailableError),
        (599, "", UnavailableError),
        (400, "RequestTimeout", RequestTimeoutError),
        (408, "", RequestTimeoutError),
        (409, "ConditionalRequestConflict", UnavailableError),
        (409, "OperationAborted", UnavailableError),
        (400, "BadDigest", UnavailableError),
        (400, "XAmzContentSHA256Mismatch", UnavailableError),
        (400, "IncompleteBody", UnavailableError),
        (403, "RequestTimeTooSkewed", UnavailableError),
        (307, "TemporaryRedirect", UnavailableError),
    ],
)
def test_what_may_be_sent_again(status: int, code: str, kind: type[TransientError]) -> None:
    assert type(error_of(status, code)) is kind


@pytest.mark.parametrize(
    ("status", "code", "answered"),
    [
        (500, "InternalError", False),
        (502, "", False),
        (504, "", False),
        (500, "UnknownError", True),
        (503, "SlowDown", True),
        (409, "ConditionalRequestConflict", True),
    ],
)
def test_an_answer_that_leaves_the_outcome_open_counts_as_none(status: int, code: str, answered: bool) -> None:
    error = error_of(status, code)
    assert isinstance(error, TransientError)
    assert error.answered is answered


def test_the_service_says_how_long_to_wait() -> None:
    error = error_of(503, "SlowDown", headers={"Retry-After": "7"})
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == 7


@pytest.mark.parametrize("status", [412, 200])
def test_a_refused_creation_says_that_the_object_exists(status: int) -> None:
    assert type(error_of(status, "PreconditionFailed", demand="absent")) is AlreadyExistsError


def test_a_missing_object_is_not_the_one_that_a_write_demands() -> None:
    assert type(error_of(404, "NoSuchKey", demand="match")) is PreconditionFailedError
    assert type(error_of(404, "NoSuchBucket", demand="match")) is NotFoundError


def test_a_conflict_with_another_creator_is_no_refusal_yet() -> None:
    assert isinstance(error_of(409, "ConditionalRequestConflict", demand="absent"), TransientError)


def test_a_version_that_cannot_be_is_not_found() -> None:
    assert type(error_of(400, "InvalidArgument", "Invalid version id specified")) is NotFoundError


def test_a_key_with_nul_that_is_refused_in_whatever_words_is_an_invalid_key() -> None:
    assert type(error_of(400, key="nul\0")) is InvalidKeyError


@pytest.mark.parametrize(
    "code", ["SignatureDoesNotMatch", "AuthorizationHeaderMalformed", "InvalidAccessKeyId", "InvalidToken"]
)
def test_what_may_repeat_a_signature_or_a_key_is_not_shown(code: str) -> None:
    error = error_of(403, code, "you sent AKIAEXAMPLE and 0123456789abcdef")
    assert "AKIAEXAMPLE" not in str(error)
    assert "0123456789abcdef" not in str(error)


def test_the_service_is_quoted_with_the_id_of_the_request() -> None:
    error = error_of(400, "InvalidArgument", "max-keys is wrong", {"x-amz-request-id": "R1"})
    assert str(error) == (
        "get 'key' on s3://bucket: the service does not accept the request "
        "(400 InvalidArgument: max-keys is wrong; request R1)"
    )


def test_a_long_message_is_cut() -> None:
    assert len(error_of(400, "InvalidArgument", "x" * 10_000).message) < 1000


def test_errors_travel_between_processes() -> None:
    error = error_of(503, "SlowDown", headers={"Retry-After": "7"})
    again = pickle.loads(pickle.dumps(error))  # made here
    assert (type(again), str(again), again.retry_after) == (RateLimitedError, str(error), 7)
