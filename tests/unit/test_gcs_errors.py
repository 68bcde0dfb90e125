"""What Google Cloud Storage's answers mean, in both APIs' forms."""

from __future__ import annotations

import json

import pytest

from aiostore._http.failure import Demand
from aiostore.drivers.gcs_errors import no_bucket, read_failure, to_store_error
from aiostore.errors import (
    AlreadyExistsError,
    ConfigurationError,
    InvalidKeyError,
    InvalidRangeError,
    NotFoundError,
    NotModifiedError,
    PermissionDeniedError,
    PreconditionFailedError,
    RateLimitedError,
    StoreError,
    TransientError,
    UnauthenticatedError,
    UnavailableError,
)


def in_json(status: int, reason: str, message: str) -> bytes:
    error = {"code": status, "message": message, "errors": [{"domain": "global", "reason": reason, "message": message}]}
    return json.dumps({"error": error}).encode()


def in_xml(code: str, message: str) -> bytes:
    return (
        f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    )


def meaning(
    status: int, body: bytes = b"", *, operation: str = "get", key: str = "k", demand: Demand = "", after: str = ""
) -> StoreError:
    failure = read_failure(status, {"Retry-After": after} if after else {}, body)
    return to_store_error(failure, operation=operation, key=key, store="gs://b", demand=demand)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (304, b"", NotModifiedError),
        (400, in_json(400, "required", "Bucket is a requester pays bucket."), ConfigurationError),
        (400, in_xml("UserProjectMissing", "Bucket is a requester pays bucket."), ConfigurationError),
        (401, in_json(401, "authError", "Invalid Credentials"), UnauthenticatedError),
        (403, in_json(403, "forbidden", "x@y does not have storage.objects.get access."), PermissionDeniedError),
        (403, in_json(403, "rateLimitExceeded", "Slow down."), RateLimitedError),
        (404, in_json(404, "notFound", "No such object: b/k"), NotFoundError),
        (408, b"", TransientError),
        (412, in_json(412, "conditionNotMet", "A pre-condition did not hold."), PreconditionFailedError),
        (416, in_xml("InvalidRange", "The requested range cannot be satisfied."), InvalidRangeError),
        (429, in_json(429, "rateLimitExceeded", "The object exceeded the rate limit."), RateLimitedError),
        (503, in_json(503, "backendError", "We encountered an internal error."), UnavailableError),
    ],
)
def test_an_answer_means_one_thing(status: int, body: bytes, expected: type[StoreError]) -> None:
    assert isinstance(meaning(status, body), expected)


@pytest.mark.parametrize(
    "body",
    [
        in_json(403, "accountDisabled", "The billing account for the owning project is disabled in state absent"),
        in_json(403, "userProjectAccountProblem", "The project to be billed has a problem."),
        in_xml("AccountProblem", "There is a problem with your project."),
        in_xml("UserProjectAccountProblem", "There is a problem with the project to be billed."),
    ],
)
def test_who_has_no_billing_account_is_told_so(body: bytes) -> None:
    error = meaning(403, body)
    assert isinstance(error, PermissionDeniedError)
    assert "billing account" in str(error)


@pytest.mark.parametrize(
    "body",
    [
        in_json(404, "notFound", "No such object: b/the bucket does not exist"),
        in_json(404, "notFound", "No such object: b/the specified bucket does not exist"),
        in_xml("NoSuchKey", "The specified key does not exist. No such object: bucket/k"),
    ],
)
def test_a_missing_object_whose_name_speaks_of_buckets_is_no_missing_bucket(body: bytes) -> None:
    assert not no_bucket(read_failure(404, {}, body))


@pytest.mark.parametrize(
    "body",
    [
        in_json(404, "notFound", "The specified bucket does not exist."),
        in_xml("NoSuchBucket", "The specified bucket does not exist."),
    ],
)
def test_a_missing_bucket_is_known_in_both_apis(body: bytes) -> None:
    assert no_bucket(read_failure(404, {}, body))


@pytest.mark.parametrize("operation", ["delete", "set_metadata", "append"])
def test_a_missing_object_is_not_what_its_condition_demands(operation: str) -> None:
    body = in_json(404, "notFound", "No such object: b/k")
    assert isinstance(meaning(404, body, operation=operation, demand="match"), PreconditionFailedError)


def test_a_missing_source_of_a_conditional_copy_is_missing() -> None:
    body = in_json(404, "notFound", "No such object: b/source")
    assert isinstance(meaning(404, body, operation="copy", demand="match"), NotFoundError)


def test_a_missing_part_of_a_conditional_completion_ends_the_upload() -> None:
    body = in_json(404, "notFound", "No such object: b/aiostore-uploads/x/00001")
    error = meaning(404, body, operation="complete_multipart", demand="match")
    assert isinstance(error, NotFoundError)
    assert "no such multipart upload" in str(error)


def test_a_copy_that_took_too_long_is_not_taken_for_a_missing_object() -> None:
    assert not isinstance(meaning(410, operation="copy"), NotFoundError)


def test_what_exists_already_is_told_from_another_condition() -> None:
    assert isinstance(meaning(412, demand="absent"), AlreadyExistsError)
    assert not isinstance(meaning(412, demand="match"), AlreadyExistsError)


@pytest.mark.parametrize(("status", "answered"), [(429, True), (500, False), (502, False), (503, False), (504, False)])
def test_only_an_answer_that_says_so_was_not_carried_out(status: int, answered: bool) -> None:
    error = meaning(status, after="7")
    assert isinstance(error, TransientError)
    assert (error.answered, error.retry_after) == (answered, 7.0)


@pytest.mark.parametrize("key", [".", "..", "a\nb", "a\rb", ".well-known/acme-challenge/x", "k" * 1025])
def test_a_key_that_the_service_does_not_hold_is_named_as_such(key: str) -> None:
    assert isinstance(meaning(400, in_json(400, "invalid", "Invalid."), key=key), InvalidKeyError)


@pytest.mark.parametrize("status", [301, 307, 308])
def test_a_redirection_is_no_answer(status: int) -> None:
    assert isinstance(meaning(status), ConfigurationError)
