"""Where Google's tokens come from, on the strict server: it verifies what is sent to it for a token."""

from __future__ import annotations

import asyncio
import json
import pickle
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from aiostore import ConfigurationError, GCSStore, RetryPolicy, UnauthenticatedError
from aiostore.drivers.gcs_credentials import GoogleToken, provider
from aiostore.drivers.gcs_settings import make_driver
from aiostore.types import PostOptions, SignOptions
from tests.servers.gcs import StrictGCSEndpoint
from tests.servers.gcs_server.accounts import EMAIL, SUBJECT_TOKEN, USER_REFRESH_TOKEN
from tests.unit.raw_http import Request, serve

ONCE = RetryPolicy(attempts=1)


@pytest.fixture(autouse=True)
def no_google_in_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "STORAGE_EMULATOR_HOST", "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    # Nothing listens there.
    monkeypatch.setenv("GCE_METADATA_HOST", "127.0.0.1:9")


def user(gcs: StrictGCSEndpoint, refresh_token: str = USER_REFRESH_TOKEN) -> dict[str, object]:
    return {
        "type": "authorized_user",
        "client_id": "c",
        "client_secret": "s",
        "refresh_token": refresh_token,
        "token_uri": f"{gcs.url}/token",
    }


async def lists(store: GCSStore) -> bool:
    """Whether the store may ask for its buckets; the error says it if not."""
    async with store:
        return [container async for container in store.list_containers()] == []


async def test_a_service_account_by_content_path_and_environment(
    gcs: StrictGCSEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "key.json"
    key.write_text(json.dumps(gcs.account))
    for credentials in (gcs.account, key, str(key)):
        assert await lists(GCSStore("b", endpoint=gcs.url, project="none", credentials=credentials))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    assert await lists(GCSStore("b", endpoint=gcs.url, project="none"))


async def test_what_gcloud_has_left(gcs: StrictGCSEndpoint, tmp_path: Path) -> None:
    (tmp_path / "gcloud").mkdir()
    (tmp_path / "gcloud" / "application_default_credentials.json").write_text(json.dumps(user(gcs)))
    assert await lists(GCSStore("b", endpoint=gcs.url, project="none"))


async def test_a_workload_that_impersonates(gcs: StrictGCSEndpoint, tmp_path: Path) -> None:
    subject = tmp_path / "subject"
    subject.write_text(SUBJECT_TOKEN)
    workload: Mapping[str, object] = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/pool",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{gcs.url}/sts/token",
        "credential_source": {"file": str(subject)},
        "service_account_impersonation_url": f"{gcs.url}/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken",
    }
    tokens = GoogleToken(workload)
    assert (await tokens.fetch()).startswith("Bearer ya29.")
    assert await tokens.email() == EMAIL


def impersonated(gcs: StrictGCSEndpoint) -> dict[str, object]:
    return {
        "type": "impersonated_service_account",
        "source_credentials": user(gcs),
        "token_uri": f"{gcs.url}/token",
        "service_account_impersonation_url": f"{gcs.url}/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken",
    }


async def test_a_user_who_impersonates(gcs: StrictGCSEndpoint) -> None:
    assert await lists(GCSStore("b", endpoint=gcs.url, project="none", credentials=impersonated(gcs)))


@pytest.mark.parametrize("way", ["metadata server", "impersonation"])
async def test_iam_signs_for_whom_no_key_is_at_hand(
    gcs: StrictGCSEndpoint, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setenv("GCE_METADATA_HOST", gcs.url.removeprefix("http://"))
    credentials = impersonated(gcs) if way == "impersonation" else None
    name = f"signed-{secrets.token_hex(4)}"
    driver = make_driver(name, endpoint=gcs.url, project="p", iam_endpoint=gcs.url, credentials=credentials)
    try:
        await driver.create_container()
        form = await driver.sign_post("a/${filename}", PostOptions(max_size=10))
        url = await driver.sign("a/b é", SignOptions())
    finally:
        await driver.aclose()

    def use() -> tuple[int, bytes]:
        posted = requests.post(form.url, form.fields, files={"file": ("b é", b"hello")}, timeout=5)
        return posted.status_code, requests.get(url, timeout=5).content

    assert await asyncio.to_thread(use) == (204, b"hello")


async def test_a_key_that_is_none_is_named_and_not_shown(gcs: StrictGCSEndpoint) -> None:
    account = {**gcs.account, "private_key": "hidden text that is no key"}
    async with GCSStore("b", endpoint=gcs.url, credentials=account, retry=ONCE) as store:
        with pytest.raises(ConfigurationError, match="private_key") as caught:
            await store.get("key")
    assert "hidden" not in str(caught.value)


async def test_nothing_to_be_found_says_what_to_do(gcs: StrictGCSEndpoint) -> None:
    store = GCSStore("bucket", endpoint=gcs.url, retry=ONCE)
    async with store:
        with pytest.raises(UnauthenticatedError, match="GOOGLE_APPLICATION_CREDENTIALS"):
            await store.get("key")


async def test_a_refused_user_is_told_so_and_nothing_is_shown(gcs: StrictGCSEndpoint) -> None:
    store = GCSStore("bucket", endpoint=gcs.url, retry=ONCE, credentials=user(gcs, "1//revoked-token"))
    async with store:
        with pytest.raises(UnauthenticatedError, match="400") as caught:
            await store.get("key")
    assert "revoked" not in repr(caught.value)
    assert caught.value.__cause__ is None


async def test_callbacks_sync_and_async_with_and_without_an_end(gcs: StrictGCSEndpoint) -> None:
    token = gcs.token()
    soon = datetime.now(UTC) + timedelta(hours=1)

    async def later() -> tuple[str, datetime]:
        await asyncio.sleep(0)
        return token, soon

    for callback in (lambda: token, later, lambda: {"access_token": token, "expires_at": soon.timestamp()}):
        assert await lists(GCSStore("b", endpoint=gcs.url, project="none", credentials=callback))


async def test_one_renewal_serves_all_who_were_refused(gcs: StrictGCSEndpoint) -> None:
    asked = 0

    async def callback() -> str:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        return "ended" if asked == 1 else gcs.token()

    store = GCSStore("b", endpoint=gcs.url, project="none", credentials=callback)
    async with store:
        await asyncio.gather(*(store.exists(str(number)) for number in range(10)), return_exceptions=True)
    assert asked == 2


async def test_an_emulator_of_the_environment_is_asked_without_credentials(
    gcs: StrictGCSEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in (gcs.url, gcs.url.removeprefix("http://")):
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", value)
        store = GCSStore("bucket", retry=ONCE)
        async with store:
            with pytest.raises(UnauthenticatedError):
                await store.get("key")


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"type": "unknown"}', '{"type": "service_account"}'], ids=["cut", "list", "kind", "empty"]
)
async def test_a_file_that_cannot_be_used_is_named_and_not_shown(
    gcs: StrictGCSEndpoint, tmp_path: Path, content: str
) -> None:
    path = tmp_path / "hidden.json"
    path.write_text(content)
    store = GCSStore("bucket", endpoint=gcs.url, credentials=path, retry=ONCE)
    async with store:
        with pytest.raises(ConfigurationError, match="credentials"):
            await store.get("key")


def test_what_contradicts_itself_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="choose one"):
        provider("key.json", skip_signature=True)
    with pytest.raises(ConfigurationError, match="function"):
        provider(7, skip_signature=False)  # type: ignore[arg-type]  # which is the point
    for bucket in ("", "a/b"):
        with pytest.raises(ConfigurationError, match="bucket"):
            GCSStore(bucket)
    for endpoint in ("ftp://x", "http://user:hidden@x", "http://x/path", "nothing"):
        with pytest.raises(ConfigurationError, match="endpoint") as caught:
            GCSStore("bucket", endpoint=endpoint)
        assert "hidden" not in str(caught.value)


async def test_a_store_is_pickled_with_its_account_and_without_tokens(gcs: StrictGCSEndpoint) -> None:
    store = GCSStore("b", endpoint=gcs.url, project="none", credentials=gcs.account)
    async with store:
        await store.exists("key")
        pickled = pickle.dumps(store)
    assert b"ya29." not in pickled
    assert await lists(pickle.loads(pickled))


@pytest.mark.parametrize("way", ["skip_signature", "callback", "user"])
async def test_who_cannot_sign_is_told_what_can(gcs: StrictGCSEndpoint, way: str) -> None:
    credentials = {"callback": lambda: "token", "user": user(gcs)}.get(way)
    store = GCSStore("bucket", endpoint=gcs.url, credentials=credentials, skip_signature=way == "skip_signature")  # type: ignore[arg-type]  # one of its forms
    async with store:
        with pytest.raises(ConfigurationError):
            await store.sign("key")


async def test_who_issues_tokens_is_reached_as_the_service_is(gcs: StrictGCSEndpoint) -> None:
    account = {**gcs.account, "token_uri": "http://tokens.example/token"}
    token = b'{"access_token": "ya29.x", "expires_in": 3600}'

    async def respond(request: Request) -> None:
        await request.body()
        answer = token if request.line.startswith("POST") else b"{}"
        request.send(
            f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(answer)}\r\n\r\n".encode()
            + answer
        )

    async with serve(respond) as proxy:
        assert await lists(
            GCSStore(
                "b",
                endpoint="http://storage.example",
                project="none",
                credentials=account,
                client_options={"proxy": proxy.url},
            )
        )
        lines = [request.line.partition("?")[0].removesuffix(" HTTP/1.1") for request in proxy.requests]
    assert lines == ["POST http://tokens.example/token", "GET http://storage.example/storage/v1/b"]


async def test_who_issues_tokens_must_be_known_to_the_given_authorities(gcs: StrictGCSEndpoint, tmp_path: Path) -> None:
    options = {"ca_bundle": str(tmp_path / "none.pem")}
    store = GCSStore("b", endpoint=gcs.url, credentials=gcs.account, retry=ONCE, client_options=options)
    async with store:
        with pytest.raises(ConfigurationError, match="ca_bundle"):
            await store.get("key")
