"""What Azure does and Azurite does not, as its REST documents describe it: played by a server that says so."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import pytest

from aiostore import (
    AlreadyExistsError,
    Encryption,
    InvalidKeyError,
    Limits,
    NotFoundError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionFailedError,
    RetryPolicy,
    Store,
    UnavailableError,
)
from aiostore._http.client import Transport
from aiostore._http.failure import Demand, Failure
from aiostore.drivers.azure import AzureDriver
from aiostore.drivers.azure_address import Address
from aiostore.drivers.azure_auth import SharedKey
from aiostore.drivers.azure_client import Client, Service
from aiostore.drivers.azure_credentials import KeyAuthorizer
from aiostore.drivers.azure_delegation import Signing
from aiostore.drivers.azure_errors import to_store_error
from aiostore.drivers.azure_guard import Guarding
from aiostore.errors import StoreError
from aiostore.policies import ClientOptions, Timeouts
from tests.unit.raw_http import Request, serve

MIB = 1024**2
CRC = base64.b64encode(bytes.fromhex("8898790a86148bae")).decode()
"""Of 123456789, lowest byte first: the check value of CRC-64/NVME, which is Azure's polynomial, is ae8b14860a799888."""

KEY = base64.b64encode(b"k" * 32).decode()

Says = Callable[[Request, bytes], str]


def answer(status: str, *headers: str, body: str = "") -> str:
    lines = (*headers, f"Content-Length: {len(body.encode())}")
    return f"HTTP/1.1 {status}\r\n" + "".join(f"{line}\r\n" for line in lines) + f"\r\n{body}"


@asynccontextmanager
async def azure(says: Says) -> AsyncIterator[tuple[Store, list[Request]]]:
    """A store over a service of this account that answers so."""

    async def respond(request: Request) -> None:
        text = says(request, await request.body())
        request.send((text.partition("\r\n\r\n")[0] + "\r\n\r\n" if request.line[:4] == "HEAD" else text).encode())

    async with serve(respond) as server:
        authorizer = KeyAuthorizer(SharedKey("account", KEY))
        address = Address("account", server.url, "/", emulator=False)
        service = Service(address, authorizer, Transport(ClientOptions(), Timeouts()), crc64=True)
        client, guarding = Client(service, "container"), Guarding(crc64=True, wanted=True)
        driver = AzureDriver(client, guarding, Signing(Client(service, None)))
        retry = RetryPolicy(attempts=3, first_delay=0, max_delay=0.001)
        async with Store(driver, retry=retry, limits=Limits(part_size=MIB)) as store:
            yield store, server.requests


def header(request: Request, name: str) -> str:
    return {key.lower(): value for key, value in request.headers}[name]


# --- checksums --------------------------------------------------------------------------------------------------------


async def test_what_is_put_goes_with_its_crc_lowest_byte_first() -> None:
    async with azure(lambda *_: answer("201 Created", 'ETag: "0x1"')) as (store, requests):
        result = await store.put("key", b"123456789")
    assert header(requests[0], "x-ms-content-crc64") == CRC
    assert dict(result.checksums) == {"crc64nvme": "ae8b14860a799888"}
    assert store.capabilities.checksums == ("crc64nvme", "md5")


async def test_bytes_that_were_damaged_on_the_way_are_sent_again() -> None:
    statuses = iter(["400 Crc64Mismatch", "201 Created"])

    def says(_request: Request, _body: bytes) -> str:
        status = next(statuses)
        return answer(status, f"x-ms-error-code: {status.split()[1]}", 'ETag: "0x1"')

    async with azure(says) as (store, requests):
        await store.put("key", b"value")
    assert len(requests) == 2


async def test_a_range_that_does_not_match_its_crc_is_read_again() -> None:
    bodies = iter([b"123456780", b"123456789"])

    def says(request: Request, _body: bytes) -> str:
        assert header(request, "x-ms-range-get-content-crc64") == "true"
        body = next(bodies).decode()
        return answer(
            "206 Partial", "Content-Range: bytes 0-8/9", 'ETag: "0x1"', f"x-ms-content-crc64: {CRC}", body=body
        )

    async with azure(says) as (store, requests):
        async with store.stream("key") as stream:
            assert [chunk async for chunk in stream] == [b"123456789"]
        assert len(requests) == 2


# --- copies -----------------------------------------------------------------------------------------------------------


def _copies(*statuses: str) -> Says:
    left = list(statuses)

    def says(request: Request, _body: bytes) -> str:
        if request.line.startswith("HEAD") and "source" in request.line:
            return answer("200 OK", 'ETag: "0x1"')
        if any(name == "x-ms-requires-sync" for name, _ in request.headers):
            return answer("400 Too large", "x-ms-error-code: InvalidInput")
        return answer("202 Accepted", "x-ms-copy-id: 7", f"x-ms-copy-status: {left.pop(0)}", 'ETag: "0x2"')

    return says


async def test_a_copy_that_takes_its_time_is_looked_at_until_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiostore.drivers.azure_copy.POLL", 0.001)
    async with azure(_copies("pending", "pending", "success")) as (store, requests):
        result = await store.copy("source", "target")
    assert result.etag == "0x2"
    assert [request.line.split()[0] for request in requests[1:]] == ["PUT", "PUT", "HEAD", "HEAD"]


@pytest.mark.parametrize("status", ["failed", "aborted"])
async def test_a_copy_that_the_service_gives_up_is_an_error(status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiostore.drivers.azure_copy.POLL", 0.001)
    async with azure(_copies("pending", status)) as (store, _):
        with pytest.raises(StoreError, match=status):
            await store.copy("source", "target")


async def test_a_target_that_somebody_else_has_written_is_no_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiostore.drivers.azure_copy.POLL", 0.001)

    def says(request: Request, body: bytes) -> str:
        if request.line.startswith("HEAD") and "target" in request.line:
            return answer("200 OK", 'ETag: "0x3"')
        return _copies("pending")(request, body)

    async with azure(says) as (store, _):
        with pytest.raises(PreconditionFailedError, match="somebody else"):
            await store.copy("source", "target")


async def test_a_large_object_is_copied_in_parts_that_the_service_reads_itself() -> None:
    size = 257 * MIB

    def says(request: Request, _body: bytes) -> str:
        if request.line.startswith("HEAD"):
            return answer("200 OK", 'ETag: "0x1"').replace("Content-Length: 0", f"Content-Length: {size}")
        return answer("201 Created", 'ETag: "0x2"')

    async with azure(says) as (store, requests):
        await store.copy("source", "target")
    parts = [request for request in requests if "comp=block&" in request.line]
    assert sorted(header(part, "x-ms-source-range") for part in parts) == [
        f"bytes=0-{256 * MIB - 1}",
        f"bytes={256 * MIB}-{size - 1}",
    ]
    assert {header(part, "x-ms-source-if-match") for part in parts} == {'"0x1"'}
    # The source is read by a request of its own, for which it is signed.
    source = urlsplit(header(parts[0], "x-ms-copy-source"))
    assert source.path == "/container/source"
    assert parse_qs(source.query)["sp"] == ["rt"]


# --- encryption -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encryption", "repeated"),
    [
        (
            Encryption(customer_key=bytes(32)),
            "x-ms-encryption-key-sha256: Zmh6rfhivXdsj8GLjp+OIAiXFIVu4jOzkCpZHQ1fKSU=",
        ),
        (Encryption(kms_key="scope"), "x-ms-encryption-scope: scope"),
    ],
    ids=["customer's key", "scope"],
)
async def test_encryption_is_asked_for_and_must_be_confirmed(encryption: Encryption, repeated: str) -> None:
    async with azure(lambda *_: answer("201 Created", 'ETag: "0x1"', repeated)) as (store, requests):
        await store.put("key", b"value", encryption=encryption)
        await store.put("key", bytes(3 * MIB), encryption=encryption, part_size=MIB)
    name, _, value = repeated.partition(": ")
    assert {header(request, name) for request in requests} == {value}
    async with azure(lambda *_: answer("201 Created", 'ETag: "0x1"')) as (store, _):
        with pytest.raises(NotSupportedError, match="ignored the encryption"):
            await store.put("key", b"value", encryption=encryption)


async def test_a_customers_key_goes_with_every_request_for_the_object() -> None:
    key = Encryption(customer_key=bytes(32))
    digest = "x-ms-encryption-key-sha256: Zmh6rfhivXdsj8GLjp+OIAiXFIVu4jOzkCpZHQ1fKSU="

    def says(request: Request, _body: bytes) -> str:
        if request.line.startswith("GET"):
            return answer("206 Partial", "Content-Range: bytes 0-8/9", 'ETag: "0x1"', digest, body="123456789")
        if request.line.startswith("HEAD"):
            return answer("200 OK", 'ETag: "0x1"', "x-ms-blob-type: AppendBlob", digest)
        return answer("201 Created", 'ETag: "0x1"', digest)

    async with azure(says) as (store, requests):
        await store.put("key", b"value", encryption=key)
        assert await store.get("key", encryption=key) == b"123456789"
        await store.head("key", encryption=key)
        async with store.open("key", "ab", encryption=key) as file:
            await file.write(b"more")
    secrets = {header(request, "x-ms-encryption-key") for request in requests}
    assert (secrets, len(requests)) == ({base64.b64encode(bytes(32)).decode()}, 5)


# --- hierarchical accounts --------------------------------------------------------------------------------------------

LISTING = """\ufeff<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="container"><Blobs>
<Blob><Name>directory</Name><Properties><Etag>0x1</Etag><ResourceType>directory</ResourceType>\
<Content-Length>0</Content-Length></Properties><OrMetadata /></Blob>
<Blob><Name>directory/file</Name><Properties><Last-Modified>Sat, 21 Nov 2026 11:00:00 GMT</Last-Modified>\
<Etag>0x2</Etag><ResourceType>file</ResourceType><Content-Length>5</Content-Length><AccessTier>Cool</AccessTier>\
<Content-MD5>XUFAKrxLKna5cZ2REBfFkg==</Content-MD5></Properties><OrMetadata /></Blob>
<Blob><Name Encoded="true">a%EF%BF%BFb</Name><Properties><Etag>0x3</Etag><Content-Length>1</Content-Length>\
</Properties></Blob></Blobs><NextMarker /></EnumerationResults>"""


async def test_directories_of_hierarchical_accounts_are_not_listed() -> None:
    async with azure(lambda *_: answer("200 OK", body=LISTING)) as (store, _):
        listed = [meta async for meta in store.list()]
    assert [(meta.key, meta.size, meta.etag) for meta in listed] == [
        ("directory/file", 5, "0x2"),
        ("a\uffffb", 1, "0x3"),
    ]
    assert listed[0].storage_class == "Cool"
    assert dict(listed[0].checksums) == {"md5": "5d41402abc4b2a76b9719d911017c592"}


@pytest.mark.parametrize("mark", ["x-ms-resource-type: directory", "x-ms-meta-hdi_isfolder: true"])
async def test_a_directory_is_no_object(mark: str) -> None:
    async with azure(lambda *_: answer("200 OK", 'ETag: "0x1"', mark)) as (store, _):
        assert not await store.exists("directory")
        with pytest.raises(NotFoundError, match="directory"):
            await store.get("directory")


# --- versions ---------------------------------------------------------------------------------------------------------

VERSIONS = """<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs>
<Blob><Name>key</Name><VersionId>2026-11-21T10:00:00.0000000Z</VersionId><Properties><Content-Length>1</Content-Length>\
</Properties></Blob>
<Blob><Name>key</Name><VersionId>2026-11-21T11:00:00.0000000Z</VersionId><Properties><Content-Length>2</Content-Length>\
</Properties></Blob>
<Blob><Name>other</Name><VersionId>2026-11-21T09:00:00.0000000Z</VersionId><IsCurrentVersion>true</IsCurrentVersion>\
<Properties><Content-Length>3</Content-Length></Properties></Blob></Blobs><NextMarker /></EnumerationResults>"""


async def test_versions_come_newest_first_and_an_undone_deletion_copies_the_latest() -> None:
    def says(request: Request, _body: bytes) -> str:
        if request.line.startswith("GET"):
            return answer("200 OK", body=VERSIONS)
        if request.line.startswith("HEAD"):
            return answer("404 Not Found", "x-ms-error-code: BlobNotFound")
        return answer("200 OK", 'ETag: "0x1"')

    async with azure(says) as (store, requests):
        versions = [(entry.meta.key, entry.meta.size, entry.is_latest) async for entry in store.list_versions()]
        assert versions == [("key", 2, False), ("key", 1, False), ("other", 3, True)]
        await store.restore("key")
    assert "comp=undelete" in requests[1].line
    assert "versionid=2026-11-21T11%3A00%3A00.0000000Z" in header(requests[-1], "x-ms-copy-source")


async def test_a_version_that_takes_its_time_is_there_when_it_was_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiostore.drivers.azure_copy.POLL", 0.001)
    async with azure(_copies("pending", "pending", "success")) as (store, requests):
        await store.restore("target", version="2026-11-21T10:00:00.0000000Z")
    assert [request.line.split()[0] for request in requests] == ["PUT", "PUT", "HEAD", "HEAD"]


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        ("409 Conflict", "BlobAlreadyExists", "AlreadyExistsError"),
        ("412 Precondition Failed", "ConditionNotMet", "PreconditionFailedError"),
        ("409 Conflict", "BlobArchived", "PermissionDeniedError"),
        ("403 Forbidden", "AuthorizationPermissionMismatch", "PermissionDeniedError"),
        ("403 Forbidden", "AuthenticationFailed", "UnauthenticatedError"),
        ("409 Conflict", "PublicAccessNotPermitted", "PermissionDeniedError"),
        ("404 Not Found", "ContainerNotFound", "NotFoundError"),
        ("503 Server Busy", "ServerBusy", "RateLimitedError"),
        ("500 Error", "OperationTimedOut", "UnavailableError"),
        ("400 Bad Request", "InvalidMetadata", "ConfigurationError"),
        ("413 Too Large", "RequestBodyTooLarge", "NotSupportedError"),
        ("301 Moved", "", "ConfigurationError"),
        ("418 Teapot", "Teapot", "StoreError"),
    ],
)
async def test_refusals_are_typed(status: str, code: str, error: str) -> None:
    async with azure(lambda *_: answer(status, f"x-ms-error-code: {code}", "x-ms-request-id: 1-2")) as (store, _):
        with pytest.raises(StoreError) as caught:
            await store.put("key", b"value")
    assert type(caught.value).__name__ == error
    assert (caught.value.key, caught.value.operation) == ("key", "put")


def error_of(status: int, code: str = "", message: str = "", demand: Demand = "") -> StoreError:
    return to_store_error(Failure(status, code, message), operation="put", key="key", demand=demand)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (409, "BlobAlreadyExists"),
        (409, "InvalidBlockList"),
        (412, "ConditionNotMet"),
        (412, "LeaseIdMissing"),
        (403, "UnauthorizedBlobOverwrite"),
        (412, ""),
        (409, ""),
    ],
)
def test_what_a_creation_meets_where_there_is_an_object(status: int, code: str) -> None:
    assert type(error_of(status, code, demand="absent")) is AlreadyExistsError


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (409, "InvalidBlobOrBlock", PreconditionFailedError),
        (409, "SnapshotsPresent", PreconditionFailedError),
        (409, "SomethingNew", PreconditionFailedError),
        (409, "ContainerBeingDeleted", UnavailableError),
        (409, "PendingCopyOperation", UnavailableError),
        (404, "ContainerNotFound", NotFoundError),
    ],
)
def test_what_a_creation_meets_besides(status: int, code: str, kind: type[StoreError]) -> None:
    assert type(error_of(status, code, demand="absent")) is kind


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [(404, "BlobNotFound", PreconditionFailedError), (404, "ContainerNotFound", NotFoundError)],
)
def test_what_a_comparison_meets_where_there_is_no_object(status: int, code: str, kind: type[StoreError]) -> None:
    assert type(error_of(status, code, demand="match")) is kind


@pytest.mark.parametrize(
    ("status", "kind"),
    [(404, NotFoundError), (403, PermissionDeniedError), (409, PermissionDeniedError), (500, UnavailableError)],
)
def test_a_source_that_cannot_be_read_is_what_its_own_service_says(status: int, kind: type[StoreError]) -> None:
    assert type(error_of(status, "CannotVerifyCopySource")) is kind


def test_a_name_that_is_too_long_is_an_invalid_key() -> None:
    said = "The specified resource name length is not within the permissible limits."
    assert type(error_of(400, "OutOfRangeInput", said)) is InvalidKeyError


@pytest.mark.parametrize(
    "code", ["FeatureNotYetSupportedForHierarchicalNamespaceAccounts", "FeatureNotSupportedForAccount"]
)
async def test_a_container_without_versions_is_looked_at_for_objects_before_it_is_deleted(code: str) -> None:
    def says(request: Request, _body: bytes) -> str:
        if "include=" in request.line:
            return answer("409 Conflict", f"x-ms-error-code: {code}")
        return answer("200 OK", body=LISTING) if request.line.startswith("GET") else answer("202 Accepted")

    async with azure(says) as (store, requests):
        with pytest.raises(PreconditionFailedError, match="not empty"):
            await store.delete_container()
    assert [request.line.split()[0] for request in requests] == ["GET", "GET"]


async def test_a_restoration_that_is_under_way_is_not_asked_for_in_vain() -> None:
    archived = ("x-ms-access-tier: Archive", "x-ms-archive-status: rehydrate-pending-to-hot")
    async with azure(lambda *_: answer("200 OK", 'ETag: "0x1"', *archived)) as (store, requests):
        await store.restore("key", days=1)
    assert [request.line.split()[0] for request in requests] == ["HEAD"]


@pytest.mark.parametrize(
    ("parameter", "kind"),
    [("versionid", NotFoundError), ("snapshot", NotFoundError), ("comp", NotSupportedError), ("marker", StoreError)],
)
async def test_a_parameter_that_is_refused_is_told_by_its_name(parameter: str, kind: type[StoreError]) -> None:
    body = (
        "<?xml version='1.0' encoding='utf-8'?><Error><Code>InvalidQueryParameterValue</Code><Message>Value for one of "
        "the query parameters specified in the request URI is invalid.\nRequestId:1\nTime:2</Message>"
        f"<QueryParameterName>{parameter}</QueryParameterName><QueryParameterValue>x</QueryParameterValue></Error>"
    )
    said = answer("400 Bad Request", "x-ms-error-code: InvalidQueryParameterValue", body=body)
    async with azure(lambda *_: said) as (store, _):
        with pytest.raises(StoreError, match=parameter) as caught:
            await store.get("key", version="nonsense")
    assert type(caught.value) is kind


async def test_an_answer_to_a_batch_that_lacks_one_is_sent_for_again() -> None:
    body = "--b\r\nContent-Type: application/http\r\nContent-ID: 0\r\n\r\nHTTP/1.1 202 Accepted\r\n\r\n--b--\r\n"
    async with azure(lambda *_: answer("202 Accepted", "Content-Type: multipart/mixed; boundary=b", body=body)) as (
        store,
        requests,
    ):
        results = await store.delete_many(["a", "b"])
    assert [type(result.error).__name__ for result in results] == ["UnavailableError"] * 2
    assert len(requests) == 3
