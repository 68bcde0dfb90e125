"""Sessions of an assumed role on Ceph's gateway, which judges their tokens: valid, forged, and expired in mid-transfer.

The gateway grants no session of less than 15 minutes. Its tokens are encrypted with a key that the test configured, so
a granted one can be given another expiry, and it is the gateway that finds it expired.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from aiostore import Limits, PermissionDeniedError, S3Store, UnauthenticatedError
from aiostore.drivers.s3 import S3Driver
from aiostore.drivers.s3_settings import make_driver
from aiostore.drivers.sigv4 import Credentials
from aiostore.types import DeleteOptions, ListOptions, PutOptions, SignOptions
from tests.drivers.s3_buckets import MIB, WHOLE, body, fetch, get, put
from tests.faults.proxy import FaultProxy
from tests.faults.relay import Exchange
from tests.servers.ceph import CephEndpoint

PART = 5 * MIB
PARTS = 8
LIFETIME = 1.5
"""Seconds for which the first session lasts, less than it takes to notice that it does not."""

PATIENCE = 20.0

_KEY, _START = b"abcdefghijklmnop", b"cephsageyudagreg"
"""`rgw sts key` of the test's gateway, and the initialization vector of everything that Ceph encrypts."""

_EXPIRY = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")


@dataclass(frozen=True, kw_only=True)
class Role:
    """A role that may do everything with one bucket."""

    ceph: CephEndpoint
    arn: str
    bucket: str

    def session(self, **arguments: Any) -> Credentials:
        """Assume the role."""
        with closing(_client("sts", self.ceph)) as sts:
            found = sts.assume_role(RoleArn=self.arn, RoleSessionName="test", DurationSeconds=900, **arguments)
        keys = found["Credentials"]
        return Credentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])

    def driver(self, credentials: Credentials) -> S3Driver:
        return make_driver(self.bucket, endpoint=self.ceph.url, dialect="ceph", credentials=lambda: credentials)

    async def wait_for_the_end_of(self, credentials: Credentials) -> None:
        """Ask the gateway until it refuses a session."""
        driver = self.driver(credentials)
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    await driver.list_page(ListOptions(limit=1))
                    await asyncio.sleep(0.05)
        except UnauthenticatedError:
            pass
        finally:
            await driver.aclose()


def ending(credentials: Credentials, expires_at: float) -> Credentials:
    """The same session with another end."""
    assert credentials.session_token is not None
    plain = _aes("-d", base64.b64decode(credentials.session_token))
    moment = datetime.fromtimestamp(expires_at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z").encode()
    changed, count = _EXPIRY.subn(moment, plain, count=1)
    assert count == 1
    return replace(credentials, session_token=base64.b64encode(_aes("-e", changed)).decode())


def _aes(direction: str, data: bytes) -> bytes:
    command = ["openssl", "enc", direction, "-aes-128-cbc", "-K", _KEY.hex(), "-iv", _START.hex()]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


def _client(service: str, ceph: CephEndpoint) -> Any:
    return boto3.client(
        service,
        endpoint_url=ceph.url,
        aws_access_key_id=ceph.access_key_id,
        aws_secret_access_key=ceph.secret_access_key,
        region_name=ceph.region,
    )


def _policy(*actions: str, **rest: object) -> str:
    statement = {"Effect": "Allow", "Action": actions, **rest}
    # Without spaces: the gateway does not decode those of a form.
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, separators=(",", ":"))


@pytest.fixture
def role(on_ceph: S3Driver, ceph: CephEndpoint) -> Iterator[Role]:
    bucket = on_ceph.location.removeprefix("s3://")
    name = f"role-{uuid.uuid4().hex[:8]}"
    trust = _policy("sts:AssumeRole", Principal={"AWS": ["arn:aws:iam:::user/tester"]})
    resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    with closing(_client("iam", ceph)) as iam:
        arn = iam.create_role(RoleName=name, Path="/", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        try:
            iam.put_role_policy(RoleName=name, PolicyName="bucket", PolicyDocument=_policy("s3:*", Resource=resources))
            yield Role(ceph=ceph, arn=arn, bucket=bucket)
            iam.delete_role_policy(RoleName=name, PolicyName="bucket")
        finally:
            iam.delete_role(RoleName=name)


# --- a session --------------------------------------------------------------------------------------------------------


async def test_a_session_writes_reads_lists_signs_and_deletes(role: Role) -> None:
    driver = role.driver(role.session())
    try:
        await put(driver, "a b+é")
        assert await get(driver, "a b+é") == b"hello"
        assert (await driver.head("a b+é", WHOLE)).size == 5
        upload = await driver.create_multipart("parts", PutOptions())
        part = await driver.put_part(upload, 1, 0, body(b"part"))
        await driver.complete_multipart(upload, [part], PutOptions())
        assert [meta.key for meta in (await driver.list_page(ListOptions())).objects] == ["a b+é", "parts"]
        assert await fetch("GET", await driver.sign("parts", SignOptions())) == (200, b"part")
        await driver.delete("parts", DeleteOptions())
        assert [meta.key for meta in (await driver.list_page(ListOptions())).objects] == ["a b+é"]
    finally:
        await driver.aclose()


async def test_a_session_is_bound_by_the_policy_it_was_asked_for_with(role: Role) -> None:
    bound = role.session(Policy=_policy("s3:GetObject", Resource=f"arn:aws:s3:::{role.bucket}/*"))
    owner, reader = role.driver(role.session()), role.driver(bound)
    try:
        await put(owner, "key")
        assert await get(reader, "key") == b"hello"
        with pytest.raises(PermissionDeniedError):
            await put(reader, "key")
    finally:
        await owner.aclose()
        await reader.aclose()


def _forged(token: str) -> str:
    return "forged"


def _damaged(token: str) -> str:
    """One character in the middle is another, so that it cannot be decrypted to what it was."""
    middle = len(token) // 2
    return token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]


def _of_another_key(token: str) -> str:
    return base64.b64encode(bytes(len(base64.b64decode(token)))).decode()


@pytest.mark.parametrize("change", [_forged, _damaged, _of_another_key], ids=lambda change: change.__name__)
async def test_a_token_that_the_gateway_did_not_issue_is_refused(role: Role, change: Callable[[str], str]) -> None:
    session = role.session()
    assert session.session_token is not None
    token = change(session.session_token)
    driver = role.driver(replace(session, session_token=token))
    calls = (
        driver.head("key", WHOLE), driver.get("key", WHOLE), driver.list_page(ListOptions()), put(driver, "key"),
        driver.create_multipart("key", PutOptions()),
    )  # fmt: skip
    try:
        for call in calls:
            with pytest.raises(UnauthenticatedError) as raised:
                await call
            assert token not in str(raised.value)
    finally:
        await driver.aclose()


async def test_a_session_that_was_taken_from_another_key_is_refused(role: Role) -> None:
    one, other = role.session(), role.session()
    driver = role.driver(replace(one, session_token=other.session_token))
    try:
        with pytest.raises(UnauthenticatedError):
            await driver.list_page(ListOptions())
    finally:
        await driver.aclose()


async def test_an_expired_session_that_is_not_renewed_is_an_error(role: Role) -> None:
    driver = role.driver(ending(role.session(), time.time() - 1))
    try:
        for call in (driver.head("key", WHOLE), driver.list_page(ListOptions()), put(driver, "key")):
            with pytest.raises(UnauthenticatedError):
                await call
    finally:
        await driver.aclose()


# --- the end of a session in mid-transfer -----------------------------------------------------------------------------


@dataclass(kw_only=True)
class Transfer:
    """A store whose first session ends while it is used, and what went over the wire."""

    role: Role
    proxy: FaultProxy
    store: S3Store = field(init=False)
    first: Credentials = field(init=False, repr=False)
    sessions: int = 0

    async def fetch(self) -> Mapping[str, object]:
        """A session; the gateway alone knows when it ends."""
        self.sessions += 1
        if self.sessions > 1:
            # Only when several requests were refused, so that each of them could have asked for a session of its own.
            async with asyncio.timeout(PATIENCE):
                await self.proxy.wait_until(lambda: len(self.refused) > 1)
        session = await asyncio.to_thread(self.role.session)
        if self.sessions == 1:
            self.first = session = ending(session, time.time() + LIFETIME)
        return {
            "access_key_id": session.access_key_id,
            "secret_access_key": session.secret_access_key,
            "session_token": session.session_token,
        }

    @property
    def refused(self) -> list[Exchange]:
        return [exchange for exchange in self.proxy.exchanges if exchange.status == 403]

    def assert_renewed_once(self) -> None:
        assert self.sessions == 2
        assert len(self.refused) > 1
        tokens = [exchange.request.headers["x-amz-security-token"] for exchange in self.proxy.exchanges]
        assert len(set(tokens)) == 2
        assert {exchange.request.headers["x-amz-security-token"] for exchange in self.refused} == {tokens[0]}


@pytest.fixture
async def transfer(role: Role) -> AsyncIterator[Transfer]:
    async with _transfer(role) as found:
        yield found


@asynccontextmanager
async def _transfer(role: Role) -> AsyncIterator[Transfer]:
    async with FaultProxy(role.ceph.url) as proxy:
        found = Transfer(role=role, proxy=proxy)
        found.store = S3Store(
            role.bucket,
            endpoint=proxy.url,
            dialect="ceph",
            credentials=found.fetch,
            limits=Limits(part_size=PART, reads=3, writes=3, adaptive=False),
        )
        async with found.store:
            yield found


def part(number: int) -> bytes:
    return bytes([number]) * PART


async def test_a_session_that_ends_while_parts_are_written_is_renewed_once(
    transfer: Transfer, on_ceph: S3Driver
) -> None:
    async def source() -> AsyncIterator[bytes]:
        for number in range(PARTS):
            if number == PARTS // 2:
                await transfer.role.wait_for_the_end_of(transfer.first)
            yield part(number)

    result = await transfer.store.put("key", source(), part_size=PART)
    assert result.size == PARTS * PART
    transfer.assert_renewed_once()
    assert await get(on_ceph, "key") == b"".join(map(part, range(PARTS)))
    assert not (await on_ceph.list_multipart("")).uploads


async def test_a_session_that_ends_while_an_object_is_streamed_is_renewed_once(
    transfer: Transfer, on_ceph: S3Driver
) -> None:
    content = b"".join(map(part, range(PARTS)))
    await put(on_ceph, "key", content)
    received = bytearray()
    async for chunk in transfer.store.stream("key"):
        if not received:
            await transfer.role.wait_for_the_end_of(transfer.first)
        received += chunk
    assert received == content
    transfer.assert_renewed_once()
