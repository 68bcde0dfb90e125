"""From what users say to the requests that are sent: account, endpoint, container, credentials."""

from __future__ import annotations

import base64

import pytest

from aiostore import AzureStore, ConfigurationError, Store, connect
from aiostore.drivers.azure import AzureDriver
from aiostore.drivers.azure_credentials import Anonymous, KeyAuthorizer, SasAuthorizer, TokenAuthorizer

KEY = base64.b64encode(b"the key of an account").decode()
SAS = "sv=2024-11-04&sp=r&sig=c2lnbmF0dXJl%2B"


class Credential:
    async def get_token(self, *_scopes: str, **_options: object) -> object:
        raise AssertionError("nothing is sent")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONNECTION_STRING", "ACCOUNT", "ACCOUNT_NAME", "KEY", "SAS_TOKEN", "ENDPOINT"):
        monkeypatch.delenv(f"AZURE_STORAGE_{name}", raising=False)


def driver(store: Store) -> AzureDriver:
    raw = store._raw
    assert isinstance(raw, AzureDriver)
    return raw


def url(store: Store) -> str:
    return driver(store)._client.url("key")


def authorizer(store: Store) -> object:
    return driver(store)._client.service.authorizer


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (lambda: AzureStore("c-1", account="acc", account_key=KEY), "https://acc.blob.core.windows.net/c-1/key"),
        (
            lambda: AzureStore("c-1", endpoint="https://acc.dfs.core.windows.net", account_key=KEY),
            "https://acc.blob.core.windows.net/c-1/key",
        ),
        (
            lambda: AzureStore("c-1", endpoint="http://127.0.0.1:10000/acc", account_key=KEY),
            "http://127.0.0.1:10000/acc/c-1/key",
        ),
        (lambda: AzureStore("c-1", account="devstoreaccount1"), "http://127.0.0.1:10000/devstoreaccount1/c-1/key"),
        (
            lambda: AzureStore("c-1", connection_string="UseDevelopmentStorage=true"),
            "http://127.0.0.1:10000/devstoreaccount1/c-1/key",
        ),
        (
            lambda: AzureStore(
                "c-1",
                connection_string=f"DefaultEndpointsProtocol=https;AccountName=acc;AccountKey={KEY};"
                "EndpointSuffix=core.chinacloudapi.cn",
            ),
            "https://acc.blob.core.chinacloudapi.cn/c-1/key",
        ),
        (
            lambda: AzureStore(
                "c-1", connection_string=f"BlobEndpoint=https://acc.blob.core.windows.net/;SharedAccessSignature={SAS}"
            ),
            "https://acc.blob.core.windows.net/c-1/key",
        ),
        (lambda: connect("az://c-1", account="acc", account_key=KEY), "https://acc.blob.core.windows.net/c-1/key"),
        (
            lambda: connect(f"abfss://c-1@acc.dfs.core.windows.net/?account_key={KEY.replace('=', '%3D')}"),
            "https://acc.blob.core.windows.net/c-1/key",
        ),
        (
            lambda: connect(f"https://acc.blob.core.windows.net/c-1?{SAS}"),
            "https://acc.blob.core.windows.net/c-1/key",
        ),
        (
            lambda: connect(f"https://acc.z3.blob.storage.azure.net/c-1?{SAS}"),
            "https://acc.z3.blob.storage.azure.net/c-1/key",
        ),
    ],
)  # fmt: skip
def test_where_requests_go(made: object, expected: str) -> None:
    assert callable(made)
    assert url(made()) == expected


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        ("az://c-1/a/b", "a/b/"),
        ("abfss://c-1@acc.dfs.core.windows.net/a/b/", "a/b/"),
        ("https://acc.blob.core.windows.net/c-1/a%20b", "a b/"),
        ("http://127.0.0.1:10000/devstoreaccount1/c-1/a", "a/"),
    ],
)
def test_the_rest_of_a_url_is_a_prefix(text: str, prefix: str) -> None:
    store = connect(text, account_key=KEY, **({"account": "acc"} if text.startswith("az:") else {}))
    assert store.location.removeprefix("az://c-1") in {f"/{prefix}", prefix}


def test_the_secondary_endpoint_is_of_the_same_account() -> None:
    for store in (
        AzureStore("c-1", account="acc-secondary", account_key=KEY),
        AzureStore("c-1", endpoint="https://acc-secondary.blob.core.windows.net", account_key=KEY),
    ):
        assert url(store) == "https://acc-secondary.blob.core.windows.net/c-1/key"
        assert driver(store)._client.service.address.account == "acc"


def test_credentials_are_what_is_given() -> None:
    assert isinstance(authorizer(AzureStore("c-1", account="acc", account_key=KEY)), KeyAuthorizer)
    assert isinstance(authorizer(AzureStore("c-1", account="acc", sas_token=SAS)), SasAuthorizer)
    assert isinstance(authorizer(AzureStore("c-1", account="acc", credential=Credential())), TokenAuthorizer)  # type: ignore[arg-type]  # it answers with nothing
    assert isinstance(authorizer(AzureStore("c-1", account="acc", skip_signature=True)), Anonymous)
    assert isinstance(authorizer(AzureStore("c-1", account="acc")), TokenAuthorizer)
    assert isinstance(authorizer(connect(f"https://acc.blob.core.windows.net/c-1?{SAS}")), SasAuthorizer)


@pytest.mark.parametrize(
    ("variables", "kind"),
    [
        ({"ACCOUNT": "acc", "KEY": KEY}, KeyAuthorizer),
        ({"ACCOUNT": "acc", "SAS_TOKEN": SAS}, SasAuthorizer),
        ({"CONNECTION_STRING": f"AccountName=acc;AccountKey={KEY}"}, KeyAuthorizer),
        ({"ACCOUNT": "acc"}, TokenAuthorizer),
    ],
)
def test_the_environment_stands_in(
    variables: dict[str, str], kind: type[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"AZURE_STORAGE_{name}", value)
    for store in (
        AzureStore("c-1"),
        AzureStore("c-1", account="acc"),
        connect("https://acc.blob.core.windows.net/c-1"),
    ):
        assert url(store) == "https://acc.blob.core.windows.net/c-1/key"
        assert isinstance(authorizer(store), kind)


def test_the_environments_credentials_are_not_sent_to_another_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "acc")
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", SAS)
    for store in (
        AzureStore("c-1", account="other"),
        AzureStore("c-1", endpoint="https://other.blob.core.windows.net"),
    ):
        assert isinstance(authorizer(store), TokenAuthorizer)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({}, "account is not known"),
        ({"account": "acc", "account_key": KEY, "sas_token": SAS}, "choose one"),
        ({"account": "acc", "sas_token": "sv=1"}, "sas_token"),
        ({"account": "acc", "account_key": "no base64"}, "account_key"),
        ({"account": "Not an account"}, "not the name"),
        ({"endpoint": "ftp://acc"}, "not a URL"),
        ({"endpoint": "https://acc.blob.core.windows.net/c-1"}, "path"),
        ({"endpoint": "https://acc.blob.core.windows.net?sig=secretsecret"}, "query"),
        ({"connection_string": "nonsense"}, "pairs"),
        ({"connection_string": "EndpointSuffix=x"}, "names neither"),
        ({"account": "acc", "credential": object()}, "TokenCredential"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(arguments: dict[str, object], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason) as caught:
        AzureStore("c-1", **arguments)  # type: ignore[arg-type]  # the table above
    for secret in (KEY, SAS, "secretsecret"):
        assert secret not in str(caught.value)


@pytest.mark.parametrize("name", ["", "ab", "Upper", "a--b", "-ab", "a/b", "under_score", "a" * 64])
def test_a_name_that_no_container_has_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="container name"):
        AzureStore(name, account="acc", account_key=KEY)


def test_a_url_without_a_container_is_refused() -> None:
    for text in ("https://acc.blob.core.windows.net/", "http://127.0.0.1:10000/devstoreaccount1"):
        with pytest.raises(ConfigurationError, match="names no container"):
            connect(text)
