"""The S3 driver against real services: encryption, signatures, credentials, addresses."""

from __future__ import annotations

import asyncio
import os
import socket
import urllib.error
import urllib.request

import boto3
import pytest

from aiostore.drivers.s3 import S3Driver
from aiostore.drivers.s3_settings import driver_from_session, make_driver
from aiostore.errors import (
    ConfigurationError,
    NotFoundError,
    PermissionDeniedError,
    StoreError,
    UnauthenticatedError,
    UnavailableError,
)
from aiostore.types import Encryption, GetOptions, ListOptions, PutOptions, SignOptions
from tests.drivers.s3_buckets import (
    WHOLE,
    body,
    connect,
    fetch,
    get,
    put,
)
from tests.servers.ceph import CephEndpoint
from tests.servers.server import S3Endpoint

# --- encryption, access -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("s3", ["ceph", "localstack"], indirect=True)
async def test_a_customer_key_encrypts_and_is_needed_to_read(s3: S3Driver) -> None:
    encryption = Encryption(customer_key=os.urandom(32))
    await put(s3, "key", encryption=encryption)
    with pytest.raises(StoreError):
        await s3.get("key", WHOLE)
    with pytest.raises(StoreError):
        await s3.head("key", WHOLE)
    assert await get(s3, "key", GetOptions(encryption=encryption)) == b"hello"
    upload = await s3.create_multipart("parts", PutOptions(encryption=encryption))
    part = await s3.put_part(upload, 1, 0, body(b"hello"))
    await s3.complete_multipart(upload, [part], PutOptions())
    assert await get(s3, "parts", GetOptions(start=1, stop=3, encryption=encryption)) == b"el"


async def test_a_key_of_the_service_encrypts(on_ceph: S3Driver) -> None:
    await put(on_ceph, "key", encryption=Encryption(kms_key="testkey-1"))
    meta = await on_ceph.head("key", WHOLE)
    assert meta.extra["x-amz-server-side-encryption-aws-kms-key-id"] == "testkey-1"
    assert meta.checksums == {}, "the ETag of an encrypted object is not its MD5"
    assert await get(on_ceph, "key") == b"hello"


async def test_what_is_public_can_be_read_without_credentials(on_ceph: S3Driver, ceph: CephEndpoint) -> None:
    await put(on_ceph, "public", acl="public-read")
    await put(on_ceph, "private")
    bucket = on_ceph.location.removeprefix("s3://")
    anonymous = make_driver(bucket, endpoint=ceph.url, dialect="ceph", skip_signature=True)
    try:
        assert await get(anonymous, "public") == b"hello"
        with pytest.raises(PermissionDeniedError):
            await get(anonymous, "private")
        with pytest.raises(PermissionDeniedError):
            await put(anonymous, "key")
    finally:
        await anonymous.aclose()


# --- signatures, on services that check them --------------------------------------------------------------------------


on_services_that_check_signatures = pytest.mark.parametrize("s3", ["ceph", "swift"], indirect=True)


@pytest.mark.parametrize("method", ["HEAD", "GET", "PUT", "DELETE"])
@on_services_that_check_signatures
async def test_a_signed_url_allows_one_method_on_one_key(s3: S3Driver, method: str) -> None:
    key = "a b+ü/c"
    await put(s3, key)
    url = await s3.sign(key, SignOptions(method=method))
    data = b"other" if method == "PUT" else None
    other = "GET" if method != "GET" else "DELETE"
    assert (await fetch(other, url))[0] == 403
    assert (await fetch(method, url.replace("/c?", "/d?"), data))[0] == 403
    status, content = await fetch(method, url, data)
    assert status in {200, 204}
    if method == "GET":
        assert content == b"hello"
    if method == "PUT":
        assert await get(s3, key) == b"other"
    if method == "DELETE":
        with pytest.raises(NotFoundError):
            await s3.head(key, WHOLE)


@on_services_that_check_signatures
async def test_a_signed_url_carries_parameters_and_demands_headers(s3: S3Driver) -> None:
    await put(s3, "key")
    url = await s3.sign("key", SignOptions(params={"response-content-type": "text/x y"}))
    with await asyncio.to_thread(urllib.request.urlopen, url) as answer:
        assert answer.headers["Content-Type"] == "text/x y"
    url = await s3.sign("key", SignOptions(method="PUT", headers={"Content-Type": "text/y"}))
    assert (await fetch("PUT", url, b"x", {"Content-Type": "text/z"}))[0] == 403
    assert (await fetch("PUT", url, b"x", {"Content-Type": "text/y"}))[0] == 200
    assert (await s3.head("key", WHOLE)).content_type == "text/y"


@pytest.mark.parametrize("expires_in", [0, 604_801])
@on_services_that_check_signatures
async def test_a_lifetime_that_s3_does_not_allow_is_refused(s3: S3Driver, expires_in: float) -> None:
    with pytest.raises(ConfigurationError, match="expires_in"):
        await s3.sign("key", SignOptions(expires_in=expires_in))


@pytest.mark.parametrize("wrong", ["access_key_id", "secret_access_key"])
async def test_wrong_credentials_are_told_from_missing_permissions(
    on_ceph: S3Driver, ceph: CephEndpoint, wrong: str
) -> None:
    await put(on_ceph, "key")
    driver = connect(ceph, "ceph", on_ceph.location.removeprefix("s3://"), **{wrong: "wrong-and-hidden"})
    calls = (driver.head("key", WHOLE), driver.get("key", WHOLE), driver.list_page(ListOptions()), put(driver, "key"))
    for call in calls:
        with pytest.raises(UnauthenticatedError) as raised:
            await call
        assert "wrong-and-hidden" not in str(raised.value)
    await driver.aclose()


@on_services_that_check_signatures
async def test_a_clock_that_is_wrong_is_set_by_the_service(s3: S3Driver) -> None:
    await put(s3, "key")
    s3._client.service.skew = -3600
    with pytest.raises(UnavailableError, match="clock"):
        await s3.head("key", WHOLE)
    assert (await s3.head("key", WHOLE)).size == 5


async def test_the_region_is_learnt_from_a_service_that_insists_on_it(on_swift: S3Driver, swift_s3: S3Endpoint) -> None:
    await put(on_swift, "key")
    bucket = on_swift.location.removeprefix("s3://")
    for first in ("head", "get", "put"):
        driver = connect(swift_s3, "swift", bucket, region="eu-west-7")
        if first == "head":
            assert (await driver.head("key", WHOLE)).size == 5
        elif first == "get":
            assert await get(driver, "key") == b"hello"
        else:
            await put(driver, "key")
        assert driver._client.address.region == "us-east-1"
        await driver.aclose()


async def test_tls_with_a_private_authority(on_ceph: S3Driver, ceph: CephEndpoint) -> None:
    bucket = on_ceph.location.removeprefix("s3://")
    driver = connect(ceph, "ceph", bucket, endpoint=ceph.https_url, client_options={"ca_bundle": ceph.ca_bundle})
    try:
        await put(driver, "key")
        assert await get(driver, "key") == b"hello"
        with pytest.raises(UnavailableError, match="damaged"):
            await put(driver, "key", checksums={"sha256": "0" * 64})
    finally:
        await driver.aclose()


async def test_buckets_as_host_names(on_ceph: S3Driver, ceph: CephEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = socket.getaddrinfo
    # Not every resolver knows that all names below "localhost" are this machine.
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **names: resolve("127.0.0.1", *rest, **names))
    bucket = on_ceph.location.removeprefix("s3://")
    driver = connect(ceph, "ceph", bucket, endpoint=ceph.virtual_host_url, virtual_hosted=True)
    try:
        await put(driver, "a b+é")
        assert await get(driver, "a b+é") == b"hello"
        assert [meta.key for meta in (await driver.list_page(ListOptions())).objects] == ["a b+é"]
        assert bucket in [container.name for container in (await driver.list_containers()).containers]
    finally:
        await driver.aclose()


async def test_keys_that_a_session_of_boto3_holds(on_ceph: S3Driver, ceph: CephEndpoint) -> None:
    session = boto3.Session(ceph.access_key_id, ceph.secret_access_key, region_name=ceph.region)
    driver = driver_from_session(session, on_ceph.location.removeprefix("s3://"), endpoint=ceph.url, dialect="ceph")
    try:
        await put(driver, "key")
        assert await get(driver, "key") == b"hello"
    finally:
        await driver.aclose()
