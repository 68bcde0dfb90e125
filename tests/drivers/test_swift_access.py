"""Access to Swift by Keystone: every kind of credential, the environment, regions, tokens that are revoked or end."""

from __future__ import annotations

import asyncio
import pickle
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from aiostore import ConfigurationError, Limits, Store, SwiftStore, UnauthenticatedError, connect
from aiostore.drivers.swift_access import Access, KeystoneAccess
from aiostore.drivers.swift_settings import _OS, _ST
from aiostore.testing.conformance.suite import payload
from tests.drivers.test_swift import PART, driver_of
from tests.faults.faults import Answer
from tests.faults.proxy import FaultProxy
from tests.faults.relay import Request
from tests.servers.keystone import STRICT_REGION, TOKEN_LIFETIME, Identity, KeystoneEndpoint
from tests.servers.swift import SwiftEndpoint

PATIENCE = 60.0
"""Seconds that something which takes a token's lifetime gets."""


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variables in (*_OS.values(), *_ST.values()):
        for variable in variables:
            monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def demo(keystone: KeystoneEndpoint) -> Identity:
    """The user at Keystone's own API."""
    return Identity(keystone.auth_url, keystone.user, keystone.password, keystone.project)


def password_of(keystone: KeystoneEndpoint) -> dict[str, Any]:
    return {
        "auth_url": keystone.auth_url,
        "username": keystone.user,
        "password": keystone.password,
        "project_name": keystone.project,
        "region": keystone.region,
    }


@pytest.fixture
def application(demo: Identity) -> Iterator[dict[str, Any]]:
    """An application credential of the user's."""
    path = f"/users/{demo.user_id}/application_credentials"
    made = demo.call("POST", path, {"application_credential": {"name": secrets.token_hex(8)}})["application_credential"]
    yield {"application_credential_id": made["id"], "application_credential_secret": made["secret"]}
    Identity(demo.url, "demo", "demopass", "demo").call("DELETE", f"{path}/{made['id']}")


async def use(store: Store) -> None:
    """Write, read and delete in a container of the store's account."""
    container = store.sibling(f"access-{secrets.token_hex(8)}")
    await container.create_container()
    await container.put("key", b"value")
    assert await container.get("key") == b"value"
    await container.delete_container(force=True)


async def test_a_password_gives_access(keystone: KeystoneEndpoint) -> None:
    async with SwiftStore("any", **password_of(keystone)) as store:
        await use(store)


async def test_an_application_credential_gives_access_without_naming_a_project(
    keystone: KeystoneEndpoint, application: dict[str, Any]
) -> None:
    async with SwiftStore("any", auth_url=keystone.auth_url, region=keystone.region, **application) as store:
        await use(store)


async def test_a_token_gives_access(keystone: KeystoneEndpoint, demo: Identity) -> None:
    projects: tuple[dict[str, Any], ...] = ({}, {"project_id": demo.project_id})
    for project in projects:
        async with SwiftStore(
            "any", auth_url=keystone.auth_url, region=keystone.region, token=demo.token, **project
        ) as store:
            await use(store)


async def test_the_environment_of_an_openrc_file_gives_access(
    keystone: KeystoneEndpoint, application: dict[str, Any], demo: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OS_AUTH_URL", keystone.auth_url.removesuffix("/v3"))
    monkeypatch.setenv("OS_IDENTITY_API_VERSION", "3")
    monkeypatch.setenv("OS_REGION_NAME", keystone.region)
    monkeypatch.setenv("OS_INTERFACE", "internalURL")
    with monkeypatch.context() as password:
        password.setenv("OS_USERNAME", keystone.user)
        password.setenv("OS_PASSWORD", keystone.password)
        password.setenv("OS_TENANT_NAME", keystone.project)
        password.setenv("OS_USER_DOMAIN_NAME", "Default")
        async with connect("swift://any") as store:
            await use(store)
    monkeypatch.setenv("OS_APPLICATION_CREDENTIAL_ID", application["application_credential_id"])
    monkeypatch.setenv("OS_APPLICATION_CREDENTIAL_SECRET", application["application_credential_secret"])
    async with connect("swift://any") as store:
        await use(store)


async def test_a_ready_token_and_url_need_no_identity_service(
    keystone: KeystoneEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with SwiftStore("any", **password_of(keystone)) as store:
        access = await driver_of(store)._client.service.fetch()
    monkeypatch.setenv("OS_AUTH_TOKEN", access.token)
    monkeypatch.setenv("OS_STORAGE_URL", access.url)
    async with SwiftStore("any") as store:
        await use(store)
    async with connect(f"{access.url}/any/prefix", token=access.token) as store:
        assert store.location == "swift://any/prefix/"
        await use(store)


async def test_v1_authentication_by_its_environment(swift_s3: SwiftEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ST_AUTH", swift_s3.auth_url)
    monkeypatch.setenv("ST_USER", swift_s3.user)
    monkeypatch.setenv("ST_KEY", swift_s3.key)
    async with SwiftStore("any") as store:
        await use(store)


async def test_what_everybody_may_read_is_read_without_a_token(swift_s3: SwiftEndpoint) -> None:
    from tests.drivers.test_swift import make_store, raw

    async with make_store(swift_s3, f"public-{secrets.token_hex(8)}") as store:
        await store.create_container()
        await raw(store, "POST", None, {"x-container-read": ".r:*,.rlistings"})
        await store.put("key", b"value")
        access = await driver_of(store)._client.service.fetch()
        name = store.location.removeprefix("swift://")
        async with SwiftStore(name, storage_url=access.url, skip_auth=True) as public:
            assert await public.get("key") == b"value"
            assert [meta.key async for meta in public.list()] == ["key"]
            with pytest.raises(UnauthenticatedError):
                await public.put("other", b"value")
        await store.delete_container(force=True)


async def test_a_region_must_be_chosen_where_there_are_several(keystone: KeystoneEndpoint) -> None:
    settings = password_of(keystone)
    async with SwiftStore("any", **(settings | {"region": None})) as store:
        with pytest.raises(ConfigurationError, match=f"{keystone.region} or {STRICT_REGION}"):
            await store.get("key")
    async with SwiftStore("any", **(settings | {"region": "Elsewhere"})) as store:
        with pytest.raises(ConfigurationError, match="Elsewhere"):
            await store.get("key")


async def test_wrong_credentials_are_refused_without_being_repeated(keystone: KeystoneEndpoint) -> None:
    async with SwiftStore("any", **(password_of(keystone) | {"password": "wrong-password"})) as store:
        with pytest.raises(UnauthenticatedError) as caught:
            await store.get("key")
    assert "wrong-password" not in str(caught.value)


async def test_a_store_can_be_pickled_and_its_token_is_not(keystone: KeystoneEndpoint) -> None:
    async with SwiftStore("any", **password_of(keystone)) as store:
        token = (await driver_of(store)._client.service.fetch()).token
        data = pickle.dumps(store)
    assert token.encode() not in data
    async with pickle.loads(data) as store:
        await use(store)


# --- tokens that no longer hold -------------------------------------------------------------------------------------


class Counted:
    """A store over the proxy that asks Keystone about every token, and how often it authenticates."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = store
        self.loads = 0
        load = KeystoneAccess._load

        async def counted(access: KeystoneAccess) -> tuple[Access, float | None]:
            self.loads += 1
            return await load(access)

        monkeypatch.setattr(KeystoneAccess, "_load", counted)

    @property
    def access(self) -> Access:
        access = driver_of(self.store)._client.service.access.ready(time.time())
        assert access is not None
        return access


@pytest.fixture
async def strict(keystone: KeystoneEndpoint, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Counted]:
    settings = password_of(keystone) | {"region": STRICT_REGION, "limits": Limits(part_size=PART)}
    async with SwiftStore(f"strict-{secrets.token_hex(8)}", **settings) as store:
        await store.create_container()
        yield Counted(store, monkeypatch)
        await store.delete_container(force=True)


async def revoke(keystone: KeystoneEndpoint, counted: Counted) -> None:
    """Revoke the store's token, and have the store believe that it is good for long."""
    provider = driver_of(counted.store)._client.service.access
    assert isinstance(provider, KeystoneAccess)
    access = await provider.fetch()
    lease = provider._lease
    assert lease is not None
    lease.refresh_at = lease.expires_at = time.time() + 3600
    counted.loads = 0

    def send() -> None:
        admin = Identity(keystone.auth_url, keystone.admin_user, keystone.admin_password, "admin")
        admin.call("DELETE", "/auth/tokens", headers={"X-Subject-Token": access.token})

    await asyncio.to_thread(send)


async def test_a_revoked_token_is_renewed_once_for_all_who_meet_it(keystone: KeystoneEndpoint, strict: Counted) -> None:
    await strict.store.put("key", b"value")
    await revoke(keystone, strict)
    answers = await asyncio.gather(*(strict.store.get("key") for _ in range(8)))
    assert answers == [b"value"] * 8
    assert strict.loads == 1


async def test_a_token_that_is_revoked_in_the_midst_of_a_write_breaks_nothing(
    keystone: KeystoneEndpoint, strict: Counted
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for number in range(3):
            if number == 2:
                await revoke(keystone, strict)
            yield bytes([number]) * PART

    await strict.store.put("key", pieces(), part_size=PART)
    assert strict.loads >= 1
    assert await strict.store.get("key") == b"".join(bytes([number]) * PART for number in range(3))


async def test_a_token_that_is_revoked_in_the_midst_of_a_read_breaks_nothing(
    keystone: KeystoneEndpoint, strict: Counted
) -> None:
    data = payload(8 * PART)
    await strict.store.put("key", data, part_size=PART)
    read = b""
    async with strict.store.stream("key", concurrency=2, chunk_size=PART) as stream:
        async for chunk in stream:
            if not read:
                await revoke(keystone, strict)
            read += chunk
    assert read == data
    assert strict.loads >= 1


async def test_a_request_that_waits_longer_than_two_tokens_last_gets_a_third(keystone: KeystoneEndpoint) -> None:
    settings = password_of(keystone)
    async with SwiftStore("any", **settings) as known:
        direct = await driver_of(known)._client.service.fetch()
        async with FaultProxy(direct.url) as proxy:
            url = proxy.url + urlsplit(direct.url).path
            async with SwiftStore("any", **settings, storage_url=url) as store:
                provider = driver_of(store)._client.service.access
                assert isinstance(provider, KeystoneAccess)
                refused: list[str] = []

                def has_ended(request: Request) -> bool:
                    if len(refused) < 2:
                        assert provider._lease is not None
                        refused.append(request.headers["x-auth-token"])
                        provider._lease.refresh_at = 0
                        return True
                    return False

                proxy.inject(Answer(status=401), when=has_ended, times=None)
                assert not await store.sibling("missing").container_exists()
                assert len(set(refused)) == 2


async def test_a_service_that_refuses_every_token_is_asked_no_more_than_twice(keystone: KeystoneEndpoint) -> None:
    settings = password_of(keystone)
    async with SwiftStore("any", **settings) as known:
        direct = await driver_of(known)._client.service.fetch()
    async with FaultProxy(direct.url) as proxy:
        url = proxy.url + urlsplit(direct.url).path
        rule = proxy.inject(Answer(status=401), times=None)
        async with SwiftStore("any", **settings, storage_url=url) as store:
            with pytest.raises(UnauthenticatedError):
                await store.get("key")
        assert rule.applied == 2


async def test_tokens_are_renewed_before_they_end_and_those_that_cannot_be_end(keystone: KeystoneEndpoint) -> None:
    settings = password_of(keystone)
    async with SwiftStore(f"ends-{secrets.token_hex(8)}", **settings) as store:
        await store.create_container()
        await store.put("key", b"value")
        service = driver_of(store)._client.service
        first = await service.fetch()
        name = store.location.removeprefix("swift://")
        begun = time.monotonic()
        async with SwiftStore(name, token=first.token, storage_url=first.url) as ready:
            while True:
                assert await store.get("key") == b"value"
                try:
                    await ready.get("key")
                except UnauthenticatedError:
                    break
                assert time.monotonic() - begun < PATIENCE
                await asyncio.sleep(0.2)
        assert time.monotonic() - begun < TOKEN_LIFETIME + PATIENCE / 4
        assert (await service.fetch()).token != first.token
        await store.delete_container(force=True)
