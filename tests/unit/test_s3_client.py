"""What the S3 driver sends and resends, against a server that says byte for byte what AWS and others say."""

from __future__ import annotations

import asyncio
import calendar
import pickle
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from email.utils import formatdate
from typing import Any

import pytest

from aiostore.body import Buffers
from aiostore.drivers.aws_credentials import CallbackCredentials, CredentialsProvider
from aiostore.drivers.s3 import S3Driver
from aiostore.drivers.s3_settings import make_driver
from aiostore.errors import (
    AlreadyExistsError,
    ConfigurationError,
    ConnectionLostError,
    NotFoundError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionFailedError,
    RateLimitedError,
    StoreError,
    UnauthenticatedError,
    UnavailableError,
)
from aiostore.types import (
    ANY,
    CopyOptions,
    DeleteOptions,
    Encryption,
    GetOptions,
    ListOptions,
    Match,
    Part,
    PutOptions,
    SignOptions,
    Upload,
)
from tests.unit.raw_http import Request, Server, serve

WHOLE = GetOptions()
KEYS: dict[str, Any] = {"access_key_id": "AKIAEXAMPLE", "secret_access_key": "hidden"}


def answer(status: int, body: str = "", headers: Mapping[str, str] | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status} x", f"Content-Length: {len(body.encode())}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def refusal(status: int, code: str, extra: str = "", headers: Mapping[str, str] | None = None) -> bytes:
    body = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>M</Message>{extra}</Error>'
    return answer(status, body, headers)


FOUND = answer(200, "hello", {"ETag": '"e"'})
STORED = answer(200, "", {"ETag": '"e"'})


@asynccontextmanager
async def s3(
    *answers: bytes | Callable[[Request], bytes],
    dialect: str = "aws",
    region: str = "us-east-1",
    credentials: CredentialsProvider | None = None,
    skip_signature: bool = False,
) -> AsyncIterator[tuple[S3Driver, Server]]:
    """A driver on a server that gives one answer after the other; more requests than answers are an error."""
    left = list(answers)

    async def reply(request: Request) -> None:
        await request.body()
        assert left, f"one request too many: {request.line}"
        next_answer = left.pop(0)
        data = next_answer if isinstance(next_answer, bytes) else next_answer(request)
        if request.line.startswith("HEAD"):
            data = data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        request.send(data)

    keys = KEYS if credentials is None and not skip_signature else {}
    async with serve(reply) as server:
        driver = make_driver(
            "bucket",
            endpoint=server.url,
            region=region,
            dialect=dialect,
            credentials=credentials,
            skip_signature=skip_signature,
            virtual_hosted=False,
            **keys,
        )
        try:
            yield driver, server
            assert not left, "not all answers were asked for"
        finally:
            await driver.aclose()


def header(request: Request, name: str) -> str | None:
    return next((value for key, value in request.headers if key.lower() == name), None)


def lines(server: Server) -> list[str]:
    return [request.line.removesuffix(" HTTP/1.1") for request in server.requests]


def scope_region(request: Request) -> str:
    authorization = header(request, "authorization") or ""
    return authorization.split("/")[2]


async def read(driver: S3Driver, options: GetOptions = WHOLE) -> bytes:
    return await (await driver.get("key", options)).stream.read()


# --- regions --------------------------------------------------------------------------------------------------------

REDIRECTS = {
    "header of a permanent redirect": refusal(301, "PermanentRedirect", headers={"x-amz-bucket-region": "eu-west-7"}),
    "header of a temporary redirect": refusal(307, "TemporaryRedirect", headers={"x-amz-bucket-region": "eu-west-7"}),
    "host of a temporary redirect": refusal(
        307, "TemporaryRedirect", "<Endpoint>bucket.s3.eu-west-7.amazonaws.com</Endpoint>"
    ),
    "old host of a permanent redirect": refusal(
        301, "PermanentRedirect", "<Endpoint>bucket.s3-eu-west-7.amazonaws.com</Endpoint>"
    ),
    "malformed authorization": refusal(400, "AuthorizationHeaderMalformed", "<Region>eu-west-7</Region>"),
    "illegal location": refusal(
        400, "IllegalLocationConstraintException", headers={"x-amz-bucket-region": "eu-west-7"}
    ),
}


@pytest.mark.parametrize("how", REDIRECTS)
async def test_the_bucket_is_asked_in_its_own_region_from_then_on(how: str) -> None:
    async with s3(REDIRECTS[how], FOUND, FOUND) as (driver, server):
        assert await read(driver) == b"hello"
        assert await read(driver) == b"hello"
        assert [scope_region(request) for request in server.requests] == ["us-east-1", "eu-west-7", "eu-west-7"]


async def test_a_sibling_of_the_same_name_knows_the_region_too() -> None:
    async with s3(REDIRECTS["malformed authorization"], FOUND, FOUND) as (driver, server):
        await read(driver)
        await read(driver.sibling("bucket"))
        assert scope_region(server.requests[2]) == "eu-west-7"


async def test_a_head_learns_the_region_too() -> None:
    moved = answer(301, headers={"x-amz-bucket-region": "eu-west-7"})
    async with s3(moved, FOUND) as (driver, server):
        assert (await driver.head("key", WHOLE)).size == 5
        assert scope_region(server.requests[1]) == "eu-west-7"


async def test_a_head_that_is_refused_without_a_body_asks_for_one_byte_to_learn_the_region() -> None:
    async with s3(answer(400), REDIRECTS["malformed authorization"], FOUND) as (driver, server):
        assert (await driver.head("key", WHOLE)).size == 5
        assert lines(server) == ["HEAD /bucket/key", "GET /bucket/key", "HEAD /bucket/key"]
        assert header(server.requests[1], "range") == "bytes=0-0"


async def test_regions_that_point_at_each_other_end_at_once() -> None:
    there = refusal(301, "PermanentRedirect", headers={"x-amz-bucket-region": "eu-west-7"})
    back = refusal(301, "PermanentRedirect", headers={"x-amz-bucket-region": "us-east-1"})
    async with s3(there, back) as (driver, _):
        with pytest.raises(ConfigurationError, match="region and endpoint"):
            await read(driver)


async def test_a_redirect_to_another_host_is_not_followed() -> None:
    moved = answer(307, headers={"Location": "http://127.0.0.1:1/bucket/key"})
    async with s3(moved) as (driver, _):
        with pytest.raises(UnavailableError):
            await read(driver)


async def test_a_region_that_is_none_is_not_taken() -> None:
    moved = refusal(301, "PermanentRedirect", headers={"x-amz-bucket-region": "eu.example.com/"})
    async with s3(moved) as (driver, _):
        with pytest.raises(ConfigurationError, match="region"):
            await read(driver)


async def test_a_body_is_sent_again_to_the_other_region() -> None:
    bodies: list[bytes] = []

    async def reply(request: Request) -> None:
        bodies.append(await request.body())
        request.send(REDIRECTS["malformed authorization"] if len(bodies) == 1 else STORED)

    async with serve(reply) as server:
        driver = make_driver("bucket", endpoint=server.url, **KEYS)
        assert (await driver.put("key", Buffers((b"he", b"llo")), PutOptions())).etag == "e"
        await driver.aclose()
    assert bodies == [b"hello", b"hello"]


# --- credentials ----------------------------------------------------------------------------------------------------

EXPIRED = refusal(400, "ExpiredToken")


def counted(*keys: str) -> tuple[CallbackCredentials, list[str]]:
    """A provider that answers with one key after the other, the last for ever, and what it was asked for."""
    asked: list[str] = []

    async def callback() -> dict[str, str]:
        await asyncio.sleep(0)
        asked.append(keys[min(len(asked), len(keys) - 1)])
        return {"access_key_id": asked[-1], "secret_access_key": "hidden"}

    return CallbackCredentials(callback), asked


@pytest.mark.parametrize(("status", "code"), [(400, "ExpiredToken"), (403, "InvalidAccessKeyId")])
async def test_expired_credentials_are_renewed_once_and_the_request_is_sent_again(status: int, code: str) -> None:
    provider, asked = counted("OLD", "NEW")
    async with s3(refusal(status, code), FOUND, FOUND, credentials=provider) as (driver, server):
        assert await read(driver) == b"hello"
        assert await read(driver) == b"hello"
        used = [(header(request, "authorization") or "").split("Credential=")[1][:3] for request in server.requests]
        assert (used, asked) == (["OLD", "NEW", "NEW"], ["OLD", "NEW"])


async def test_a_head_renews_expired_credentials_too() -> None:
    provider, asked = counted("OLD", "NEW")
    async with s3(answer(400), EXPIRED, FOUND, credentials=provider) as (driver, _):
        assert (await driver.head("key", WHOLE)).size == 5
        assert asked == ["OLD", "NEW"]


async def test_credentials_that_stay_expired_are_an_error() -> None:
    provider, _ = counted("OLD", "OLDER")
    async with s3(EXPIRED, EXPIRED, credentials=provider) as (driver, _):
        with pytest.raises(UnauthenticatedError, match="expired"):
            await read(driver)


async def test_literal_credentials_that_expired_are_not_sent_again() -> None:
    async with s3(EXPIRED) as (driver, _):
        with pytest.raises(UnauthenticatedError, match="expired"):
            await read(driver)


async def test_many_requests_that_meet_expired_credentials_renew_them_once() -> None:
    provider, asked = counted("OLD", "NEW")

    def reply(request: Request) -> bytes:
        return EXPIRED if "Credential=OLD" in (header(request, "authorization") or "") else FOUND

    async with s3(*[reply] * 16, credentials=provider) as (driver, _):
        assert await asyncio.gather(*(read(driver) for _ in range(8))) == [b"hello"] * 8
        assert asked == ["OLD", "NEW"]


async def test_without_credentials_nothing_is_signed() -> None:
    async with s3(FOUND, skip_signature=True) as (driver, server):
        await read(driver)
        sent = {name.lower() for name, _ in server.requests[0].headers}
        assert not sent & {"authorization", "x-amz-date", "x-amz-content-sha256"}
        with pytest.raises(ConfigurationError, match="without credentials"):
            await driver.sign("key", SignOptions())


# --- clocks ---------------------------------------------------------------------------------------------------------


async def test_the_clock_of_the_service_is_used_after_it_complained() -> None:
    service_time = time.time() + 3600
    skewed = refusal(403, "RequestTimeTooSkewed", headers={"Date": formatdate(service_time, usegmt=True)})
    async with s3(skewed, FOUND) as (driver, server):
        with pytest.raises(UnavailableError, match="clock"):
            await read(driver)
        assert await read(driver) == b"hello"
        signed = time.strptime((header(server.requests[1], "x-amz-date") or "") + "UTC", "%Y%m%dT%H%M%SZ%Z")
        assert abs(calendar.timegm(signed) - service_time) < 10


# --- HEAD has no body to say why --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "kind"), [("InvalidAccessKeyId", UnauthenticatedError), ("AccessDenied", PermissionDeniedError)]
)
async def test_a_refused_head_says_why(code: str, kind: type[StoreError]) -> None:
    async with s3(answer(403), refusal(403, code)) as (driver, _):
        with pytest.raises(kind, match=code):
            await driver.head("key", WHOLE)


async def test_a_refused_head_whose_object_can_be_read_stays_refused() -> None:
    async with s3(answer(403), FOUND) as (driver, _):
        with pytest.raises(PermissionDeniedError):
            await driver.head("key", WHOLE)


async def test_a_missing_object_costs_a_head_one_request() -> None:
    async with s3(answer(404)) as (driver, _):
        with pytest.raises(NotFoundError):
            await driver.head("key", WHOLE)


# --- answers ----------------------------------------------------------------------------------------------------------


async def test_an_answer_that_is_no_xml_is_judged_by_its_status() -> None:
    async with s3(answer(503, "<!DOCTYPE html><html>Error</html>", {"Retry-After": "3"})) as (driver, _):
        with pytest.raises(UnavailableError) as raised:
            await read(driver)
        assert raised.value.retry_after == 3


async def test_an_error_of_any_length_is_read_up_to_a_bound() -> None:
    async with s3(answer(500, "<Error>" + "x" * 10_000_000)) as (driver, _):
        with pytest.raises(UnavailableError):
            await read(driver)


async def test_errors_show_neither_keys_nor_signatures() -> None:
    extra = "<AWSAccessKeyId>AKIAEXAMPLE</AWSAccessKeyId><SignatureProvided>0123</SignatureProvided>"
    async with s3(refusal(403, "SignatureDoesNotMatch", extra)) as (driver, server):
        with pytest.raises(UnauthenticatedError) as raised:
            await read(driver)
        shown = f"{raised.value!r} {raised.value} {driver!r}"
        for secret in ("AKIAEXAMPLE", "hidden", "0123", (header(server.requests[0], "authorization") or "")[-64:]):
            assert secret not in shown


COMPLETED = "<CompleteMultipartUploadResult><ETag>&quot;e-1&quot;</ETag></CompleteMultipartUploadResult>"
UPLOAD = Upload(key="key", id="u")
PARTS = [Part(number=1, size=5, etag="5d41402abc4b2a76b9719d911017c592")]


async def test_an_error_in_a_successful_answer_is_an_error() -> None:
    body = "\n\n<Error><Code>InternalError</Code><Message>M</Message></Error>"
    async with s3(answer(200, body), answer(200, body)) as (driver, _):
        for call in (
            driver.complete_multipart(UPLOAD, PARTS, PutOptions()),
            driver.copy("key", "target", CopyOptions()),
        ):
            with pytest.raises(UnavailableError) as raised:
                await call
            assert not raised.value.answered


async def test_a_refused_condition_in_a_successful_answer_is_a_refusal() -> None:
    body = "<Error><Code>PreconditionFailed</Code><Message>M</Message></Error>"
    async with s3(answer(200, body)) as (driver, _):
        with pytest.raises(AlreadyExistsError):
            await driver.complete_multipart(UPLOAD, PARTS, PutOptions(if_none_match=ANY))


@pytest.mark.parametrize("body", ["", "<CompleteMultipart", "not xml"])
async def test_a_successful_answer_without_its_proof_leaves_the_outcome_open(body: str) -> None:
    async with s3(answer(200, body)) as (driver, _):
        with pytest.raises(UnavailableError) as raised:
            await driver.complete_multipart(UPLOAD, PARTS, PutOptions())
        assert not raised.value.answered


async def test_a_completion_that_is_cut_leaves_the_outcome_open() -> None:
    async def reply(request: Request) -> None:
        await request.body()
        request.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<Complete")
        request.writer.close()

    async with serve(reply) as server:
        driver = make_driver("bucket", endpoint=server.url, **KEYS)
        with pytest.raises(ConnectionLostError) as raised:
            await driver.complete_multipart(UPLOAD, PARTS, PutOptions())
        assert not raised.value.answered
        assert (raised.value.operation, raised.value.key) == ("complete_multipart", "key")
        await driver.aclose()


async def test_a_completion_without_an_etag_gets_the_one_that_its_parts_make() -> None:
    async with s3(answer(200, "<R><ETag></ETag></R>"), dialect="ceph") as (driver, _):
        result = await driver.complete_multipart(UPLOAD, PARTS, PutOptions())
        assert result.etag == "62109206880d38a4010a98e11243924a-1"


async def test_a_range_that_is_not_the_one_asked_for_is_refused_and_its_connection_dropped() -> None:
    wrong = answer(206, "hello", {"Content-Range": "bytes 0-4/9"})
    async with s3(wrong) as (driver, _):
        with pytest.raises(UnavailableError, match="wrong range"):
            await driver.get("key", GetOptions(start=1, stop=6))


async def test_a_service_without_ranges_shows_in_the_result() -> None:
    async with s3(answer(200, "hello")) as (driver, _):
        result = await driver.get("key", GetOptions(start=1, stop=3))
        assert (result.start, result.stop, await result.stream.read()) == (0, 5, b"hello")


async def test_a_slow_service_is_told_from_a_broken_one() -> None:
    async with s3(refusal(503, "SlowDown", headers={"Retry-After": "9"})) as (driver, _):
        with pytest.raises(RateLimitedError) as raised:
            await driver.put("key", Buffers((b"",)), PutOptions())
        assert (raised.value.retry_after, raised.value.answered) == (9, True)


async def test_nothing_is_sent_twice_by_itself() -> None:
    async with s3(refusal(500, "InternalError")) as (driver, server):
        with pytest.raises(UnavailableError):
            await read(driver)
        assert len(server.requests) == 1


# --- writes -----------------------------------------------------------------------------------------------------------


async def test_a_service_that_ignores_encryption_is_found_out() -> None:
    async with s3(STORED, dialect="") as (driver, _):
        with pytest.raises(NotSupportedError, match="ignored"):
            await driver.put("key", Buffers((b"x",)), PutOptions(encryption=Encryption(customer_key=bytes(32))))


async def test_an_upload_that_would_not_be_encrypted_is_dropped() -> None:
    created = answer(200, "<R><UploadId>u</UploadId></R>")
    async with s3(created, answer(204), dialect="") as (driver, server):
        with pytest.raises(NotSupportedError, match="ignored"):
            await driver.create_multipart("key", PutOptions(encryption=Encryption()))
        assert lines(server)[1] == "DELETE /bucket/key?uploadId=u"


async def test_a_condition_that_completion_would_ignore_is_refused_before_anything_is_sent() -> None:
    async with s3(dialect="ceph") as (driver, _):
        with pytest.raises(NotSupportedError):
            await driver.create_multipart("key", PutOptions(if_none_match=ANY))


async def test_an_etag_that_is_not_the_md5_that_was_sent_means_damage() -> None:
    other = answer(200, "", {"ETag": '"00000000000000000000000000000000"'})
    options = PutOptions(checksums={"md5": "5d41402abc4b2a76b9719d911017c592"})
    async with s3(other, other, dialect="ceph") as (driver, _):
        with pytest.raises(UnavailableError, match="other bytes"):
            await driver.put("key", Buffers((b"hello",)), options)
        # Without a word on its MD5 the ETag may be anything.
        assert (await driver.put("key", Buffers((b"hello",)), PutOptions())).etag == "0" * 32


async def test_a_copy_is_pinned_by_a_look_where_the_service_ignores_its_condition() -> None:
    pinned = CopyOptions(source_if_match=Match(etag="a"))
    async with s3(answer(412), dialect="ceph") as (driver, server):
        with pytest.raises(StoreError, match="condition"):
            await driver.copy("key", "target", pinned)
        assert (lines(server), header(server.requests[0], "if-match")) == (["HEAD /bucket/key"], '"a"')
    async with s3(answer(200, "<R><ETag>e</ETag></R>")) as (driver, server):
        await driver.copy("key", "target", pinned)
        assert header(server.requests[0], "x-amz-copy-source-if-match") == '"a"'


async def test_the_payer_and_headers_of_ones_own_are_signed_with_every_request() -> None:
    async with serve(FOUND) as server:
        driver = make_driver(
            "bucket",
            endpoint=server.url,
            request_payer="requester",
            client_options={"headers": {"X-Amz-Expected-Bucket-Owner": "1234", "X-Other": "x"}},
            **KEYS,
        )
        await read(driver)
        await driver.aclose()
    (request,) = server.requests
    assert header(request, "x-amz-request-payer") == "requester"
    signed = (header(request, "authorization") or "").split("SignedHeaders=")[1].split(",")[0]
    assert {"x-amz-request-payer", "x-amz-expected-bucket-owner"} <= set(signed.split(";"))
    assert [value for name, value in request.headers if name.lower() == "x-amz-expected-bucket-owner"] == ["1234"]


# --- deletes, listings ------------------------------------------------------------------------------------------------


async def test_deleting_what_is_not_there_succeeds_unless_the_bucket_is_not_there() -> None:
    async with s3(refusal(404, "NoSuchKey"), refusal(404, "NoSuchBucket")) as (driver, _):
        await driver.delete("key", DeleteOptions())
        with pytest.raises(NotFoundError, match="NoSuchBucket"):
            await driver.delete("key", DeleteOptions())


async def test_a_bulk_delete_says_which_keys_stayed() -> None:
    body = "<DeleteResult><Error><Key>b</Key><Code>AccessDenied</Code><Message>M</Message></Error></DeleteResult>"
    async with s3(answer(200, body)) as (driver, server):
        results = await driver.delete_many(["a", "b"], DeleteOptions())
        assert [(result.key, type(result.error)) for result in results] == [
            ("a", type(None)),
            ("b", PermissionDeniedError),
        ]
        assert header(server.requests[0], "content-md5") is not None


async def test_a_key_that_xml_cannot_hold_is_deleted_by_itself() -> None:
    async with s3(answer(204), answer(200, "<DeleteResult/>")) as (driver, server):
        results = await driver.delete_many(["a", "b\x01"], DeleteOptions())
        assert [result.error for result in results] == [None, None]
        assert lines(server) == ["DELETE /bucket/b%01", "POST /bucket?delete="]


async def test_a_failure_that_names_a_key_nobody_asked_for_is_not_taken_for_success() -> None:
    body = "<DeleteResult><Error><Key>other</Key><Code>AccessDenied</Code></Error></DeleteResult>"
    async with s3(answer(200, body)) as (driver, _):
        with pytest.raises(PermissionDeniedError):
            await driver.delete_many(["a"], DeleteOptions())


async def test_one_condition_cannot_hold_for_many_objects() -> None:
    async with s3() as (driver, _):
        with pytest.raises(NotSupportedError):
            await driver.delete_many(["a", "b"], DeleteOptions(if_match=Match(etag="e")))


async def test_a_listing_asks_for_all_that_was_given() -> None:
    async with s3(answer(200, "<ListBucketResult/>")) as (driver, server):
        await driver.list_page(ListOptions(prefix="a b", delimiter="/", start_after="a b/é", page_token="t+=", limit=7))
        assert lines(server) == [
            "GET /bucket?continuation-token=t%2B%3D&delimiter=%2F&encoding-type=url&list-type=2&max-keys=7"
            "&prefix=a%20b&start-after=a%20b%2F%C3%A9"
        ]


@pytest.mark.parametrize("row", ["<Key>a</Key><Size>many</Size>", "<Size>1</Size>"])
async def test_a_listing_that_makes_no_sense_is_the_services_error(row: str) -> None:
    async with s3(answer(200, f"<ListBucketResult><Contents>{row}</Contents></ListBucketResult>")) as (driver, _):
        with pytest.raises(UnavailableError, match="cannot be read"):
            await driver.list_page(ListOptions(prefix="p"))


async def test_a_restoration_that_is_under_way_is_not_asked_for_in_vain() -> None:
    said = "<Error><Code>{}</Code></Error>"
    async with s3(answer(409, said.format("RestoreAlreadyInProgress")), answer(409, said.format("Other"))) as (
        driver,
        _,
    ):
        await driver.restore("key", None, 1)
        with pytest.raises(PreconditionFailedError):
            await driver.restore("key", None, 1)


# --- the driver itself ------------------------------------------------------------------------------------------------


def test_a_driver_travels_as_its_settings() -> None:
    driver = make_driver("bucket", endpoint="http://127.0.0.1:9000", region="eu-west-7", dialect="ceph", **KEYS)
    driver._client.service.regions["bucket"] = "elsewhere"
    again = pickle.loads(pickle.dumps(driver))  # made here
    assert (again.location, again.capabilities) == (driver.location, driver.capabilities)
    assert again._client.address == driver._client.address


def test_a_dialect_takes_away_what_its_service_cannot_do() -> None:
    names: Sequence[str] = ("get_tags", "set_tags", "list_versions", "restore")
    driver = make_driver("bucket", endpoint="https://0123.r2.cloudflarestorage.com", **KEYS)
    assert not driver.capabilities.operations & set(names)
    assert driver.capabilities.multipart is not None
    assert driver.capabilities.multipart.equal


async def test_what_a_dialect_takes_away_is_refused() -> None:
    driver = make_driver("bucket", endpoint="https://0123.r2.cloudflarestorage.com", **KEYS)
    calls: list[Awaitable[object]] = [
        driver.get_tags("key"),
        driver.set_tags("key", {}),
        driver.list_versions(""),
        driver.restore("key", None, 1),
    ]
    for call in calls:
        with pytest.raises(NotSupportedError):
            await call
