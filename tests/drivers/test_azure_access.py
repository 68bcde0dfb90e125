"""Who may do what on Azurite: keys, SAS tokens, tokens of Entra, nobody; and URLs that are signed with each of them."""

from __future__ import annotations

import asyncio
import pickle
import ssl
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from azure.storage.blob import AccountSasPermissions, ContainerSasPermissions, ResourceTypes, generate_account_sas
from azure.storage.blob import generate_container_sas as container_sas
from yarl import URL

from aiostore import (
    AzureStore,
    ConfigurationError,
    NotFoundError,
    PermissionDeniedError,
    Store,
    UnauthenticatedError,
    connect,
)
from aiostore.errors import StoreError
from aiostore.testing.conformance.suite import payload
from tests.drivers.azure_containers import PART, Entra, new_name, sdk, with_key, with_token
from tests.servers.azurite import AzuriteEndpoint


def in_an_hour() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


@pytest.fixture
async def store(azurite: AzuriteEndpoint) -> AsyncIterator[Store]:
    """With the account's key, over HTTP."""
    async with with_key(azurite, new_name()) as store:
        await store.create_container()
        yield store
        await store.delete_container(force=True)


@pytest.fixture
async def entra(azurite: AzuriteEndpoint) -> AsyncIterator[Store]:
    """With a token, over HTTPS."""
    async with with_token(azurite, new_name()) as store:
        await store.create_container()
        yield store
        await store.delete_container(force=True)


def name_of(store: Store) -> str:
    return store.location.removeprefix("az://")


async def use(store: Store) -> None:
    """Everything that is authorized in a way of its own."""
    await store.put("a", b"value")
    await store.put("blocks", payload(3 * PART), part_size=PART)
    await store.copy("a", "b")
    assert await store.get("b") == b"value"
    assert await store.get("blocks") == payload(3 * PART)
    assert sorted([meta.key async for meta in store.list()]) == ["a", "b", "blocks"]
    assert [result.error for result in await store.delete_many(["a", "b", "blocks"])] == [None] * 3


async def request(method: str, url: str, ca_bundle: str | None = None) -> tuple[int, bytes]:
    context = ssl.create_default_context(cafile=ca_bundle) if ca_bundle else True
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, URL(url, encoded=True), ssl=context) as response,
    ):
        return response.status, await response.read()


# --- credentials ------------------------------------------------------------------------------------------------------


async def test_a_wrong_key_is_refused_and_not_shown(azurite: AzuriteEndpoint, store: Store) -> None:
    wrong = "d3Jvbmcga2V5IHdyb25nIGtleSB3cm9uZyBrZXk="
    async with AzureStore(name_of(store), endpoint=azurite.url, account_key=wrong) as other:
        for call in (other.get("key"), other.head("key"), other.put("key", b"")):
            with pytest.raises((UnauthenticatedError, PermissionDeniedError)) as caught:
                await call
            assert wrong not in str(caught.value)
        assert wrong not in repr(other)


async def test_a_sas_token_of_the_sdk_serves_a_store(azurite: AzuriteEndpoint, store: Store) -> None:
    token = container_sas(
        azurite.account,
        name_of(store),
        azurite.key,
        permission=ContainerSasPermissions.from_string("racwdltx"),
        expiry=in_an_hour(),
    )
    for given in (token, f"?{token}", {name: value[0] for name, value in parse_qs(token).items()}):
        async with AzureStore(name_of(store), endpoint=azurite.url, sas_token=given) as other:
            await use(other)


async def test_a_sas_token_allows_what_it_says_and_is_not_shown(azurite: AzuriteEndpoint, store: Store) -> None:
    await store.put("key", b"value")
    read = ContainerSasPermissions(read=True)
    token = container_sas(azurite.account, name_of(store), azurite.key, permission=read, expiry=in_an_hour())
    signature = parse_qs(token)["sig"][0]
    async with AzureStore(name_of(store), endpoint=azurite.url, sas_token=token) as other:
        assert await other.get("key") == b"value"
        for call in (other.put("key", b""), other.delete("key"), other.copy("key", "copy")):
            with pytest.raises(StoreError) as caught:
                await call
            assert isinstance(caught.value, (PermissionDeniedError, UnauthenticatedError))
            assert signature not in str(caught.value)
            assert token not in str(caught.value)
        with pytest.raises(ConfigurationError, match="cannot sign"):
            await other.sign("key")


async def test_an_accounts_sas_token_makes_containers(azurite: AzuriteEndpoint) -> None:
    token = generate_account_sas(
        azurite.account, azurite.key, ResourceTypes(service=True, container=True, object=True),
        AccountSasPermissions(read=True, write=True, delete=True, list=True, add=True, create=True), in_an_hour(),
    )  # fmt: skip
    async with AzureStore(new_name(), endpoint=azurite.url, sas_token=token) as store:
        await store.create_container()
        await store.put("key", b"value")
        assert name_of(store) in [container.name async for container in store.list_containers()]
        # One by one: Azurite breaks down at a batch with an account's signature.
        await store.delete("key")
        await store.delete_container()


async def test_a_token_of_entra_serves_a_store(entra: Store) -> None:
    await use(entra)


async def test_one_token_serves_many_requests_until_it_ends(azurite: AzuriteEndpoint, entra: Store) -> None:
    await entra.put("key", b"value")
    credential = Entra()
    async with with_token(azurite, name_of(entra), credential) as other:
        assert await asyncio.gather(*(other.get("key") for _ in range(20))) == [b"value"] * 20
    assert credential.asked == 1


async def test_a_token_that_the_service_refuses_is_renewed_once(azurite: AzuriteEndpoint, entra: Store) -> None:
    class Revoked(Entra):
        async def get_token(self, *scopes: str, **options: object) -> object:  # type: ignore[override]  # as above
            token = await super().get_token(*scopes, **options)
            return token if self.asked > 1 else type(token)("revoked", token.expires_on)

    await entra.put("key", b"value")
    credential = Revoked()
    async with with_token(azurite, name_of(entra), credential) as other:
        assert await other.get("key") == b"value"
    assert credential.asked == 2


async def test_a_token_that_ends_is_renewed_ahead(azurite: AzuriteEndpoint, entra: Store) -> None:
    await entra.put("key", b"value")
    credential = Entra(lifetime=2)
    async with with_token(azurite, name_of(entra), credential) as other:
        deadline = time.monotonic() + 10
        while credential.asked < 3 and time.monotonic() < deadline:
            assert await other.get("key") == b"value"
            await asyncio.sleep(0.05)
    assert credential.asked >= 3


async def test_a_credential_without_tokens_is_not_authenticated(azurite: AzuriteEndpoint) -> None:
    class Broken(Entra):
        async def get_token(self, *_scopes: str, **_options: object) -> object:  # type: ignore[override]  # as above
            raise ValueError("no such user; client_secret=very-secret-value")

    async with with_token(azurite, "container", Broken()) as store:
        with pytest.raises(UnauthenticatedError, match="no such user") as caught:
            await store.get("key")
    assert "very-secret-value" not in str(caught.value)


def test_a_token_is_never_sent_in_the_clear(azurite: AzuriteEndpoint) -> None:
    with pytest.raises(ConfigurationError, match="https"):
        AzureStore("container", endpoint=azurite.url, credential=Entra())


async def test_anonymous_requests_read_what_is_public(azurite: AzuriteEndpoint, store: Store) -> None:
    await store.put("key", b"value")
    async with AzureStore(name_of(store), endpoint=azurite.url, skip_signature=True) as public:
        with pytest.raises((UnauthenticatedError, PermissionDeniedError, NotFoundError)):
            await public.get("key")
        with sdk(azurite) as service:
            service.get_container_client(name_of(store)).set_container_access_policy({}, public_access="blob")
        assert await public.get("key") == b"value"
        with pytest.raises(StoreError):
            await public.put("key", b"new")


async def test_the_emulators_own_account_needs_no_key(azurite: AzuriteEndpoint, store: Store) -> None:
    await store.put("folder/key", b"value")
    container = name_of(store)
    connection = f"AccountName={azurite.account};AccountKey={azurite.key};BlobEndpoint={azurite.url};"
    for made in (
        AzureStore(container, endpoint=azurite.url),
        AzureStore(container, connection_string=connection),
        connect(f"az://{container}/?endpoint={azurite.url}"),
        connect(f"{azurite.url}/{container}"),
        connect(f"az://{container}", connection_string=connection),
    ):
        async with made as other:
            assert await other.get("folder/key") == b"value"
    async with connect(f"{azurite.url}/{container}/folder") as below:
        assert await below.get("key") == b"value"


async def test_a_store_that_was_pickled_works(store: Store) -> None:
    await store.put("key", b"value")
    async with pickle.loads(pickle.dumps(store)) as other:
        assert await other.get("key") == b"value"


# --- signed URLs ------------------------------------------------------------------------------------------------------


async def test_a_signed_url_is_for_one_method_and_one_key(store: Store) -> None:
    await store.put("key", b"value")
    await store.put("other", b"value")
    url = await store.sign("key")
    assert await request("GET", url) == (200, b"value")
    assert (await request("DELETE", url))[0] == 403
    assert (await request("GET", url.replace("/key?", "/other?")))[0] == 403


async def test_a_signed_url_ends(store: Store) -> None:
    await store.put("key", b"value")
    url = await store.sign("key", expires_in=1)
    deadline = time.monotonic() + 10
    while (await request("GET", url))[0] == 200:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    assert (await request("GET", url))[0] == 403


async def test_a_signed_url_can_replace_headers_of_the_answer(store: Store) -> None:
    await store.put("key", b"value", content_type="text/plain")
    url = await store.sign("key", params={"response-content-type": "text/x-other; charset=utf-8"})
    async with aiohttp.ClientSession() as session, session.get(URL(url, encoded=True)) as response:
        assert (response.status, response.headers["Content-Type"]) == (200, "text/x-other; charset=utf-8")


async def test_a_signed_url_can_be_for_a_snapshot(azurite: AzuriteEndpoint, store: Store) -> None:
    await store.put("key", b"old")
    with sdk(azurite) as service:
        snapshot = service.get_blob_client(name_of(store), "key").create_snapshot()["snapshot"]
    await store.put("key", b"new")
    url = await store.sign("key", params={"version": f"snapshot:{snapshot}"})
    assert await request("GET", url) == (200, b"old")


async def test_users_of_entra_sign_with_a_delegation_key(azurite: AzuriteEndpoint, entra: Store) -> None:
    await entra.put("a b/é", b"value")
    urls = [await entra.sign("a b/é") for _ in range(2)]
    assert await request("GET", urls[0], azurite.ca_bundle) == (200, b"value")
    assert (await request("DELETE", urls[0], azurite.ca_bundle))[0] == 403
    keys = [parse_qs(urlsplit(url).query)["skt"] for url in urls]
    assert keys[0] == keys[1]
    with pytest.raises(ConfigurationError, match="expires_in"):
        await entra.sign("key", expires_in=8 * 86_400)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"method": "POST"}, "POST"),
        ({"params": {"unknown": "1"}}, "unknown"),
        ({"headers": {"x-ms-blob-type": "BlockBlob"}}, "headers"),
    ],
)
async def test_what_cannot_be_signed_is_refused(store: Store, arguments: dict[str, object], reason: str) -> None:
    with pytest.raises(StoreError, match=reason):
        await store.sign("key", **arguments)  # type: ignore[arg-type]  # the table above
