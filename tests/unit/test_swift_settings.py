"""From arguments and environment to who one is: what wins, what is not mixed, what is refused."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from aiostore import ConfigurationError, SwiftStore, connect
from aiostore._http.client import Transport
from aiostore.drivers.swift import SwiftDriver
from aiostore.drivers.swift_access import KeystoneAccess, ReadyAccess, TempAuth
from aiostore.drivers.swift_settings import _OS, _ST, Account, complete, make_access
from aiostore.policies import ClientOptions, Timeouts

TRANSPORT = Transport(ClientOptions(), Timeouts())

OPENRC = {
    "OS_AUTH_URL": "https://keystone.example/v3",
    "OS_USERNAME": "demo",
    "OS_PASSWORD": "secret",
    "OS_PROJECT_NAME": "project",
    "OS_USER_DOMAIN_NAME": "Users",
    "OS_PROJECT_DOMAIN_ID": "projects",
    "OS_REGION_NAME": "RegionOne",
}


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variables in (*_OS.values(), *_ST.values()):
        for variable in variables:
            monkeypatch.delenv(variable, raising=False)


def set_all(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def document(account: Account) -> object:
    access = make_access(complete(account), TRANSPORT)
    assert isinstance(access, KeystoneAccess)
    return access._identity.document()


def test_an_openrc_file_says_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, OPENRC)
    assert document(Account()) == {
        "auth": {
            "identity": {
                "methods": ["password"],
                "password": {"user": {"name": "demo", "domain": {"name": "Users"}, "password": "secret"}},
            },
            "scope": {"project": {"name": "project", "domain": {"id": "projects"}}},
        }
    }


def test_an_old_openrc_file_speaks_of_tenants(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, {**OPENRC, "OS_TENANT_NAME": "tenant", "OS_ENDPOINT_TYPE": "internalURL"})
    monkeypatch.delenv("OS_PROJECT_NAME")
    found = complete(Account())
    assert (found.project_name, found.interface) == ("tenant", "internalURL")


def test_an_argument_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, OPENRC)
    found = complete(Account(project_name="mine", region="Elsewhere"))
    assert (found.project_name, found.region, found.password) == ("mine", "Elsewhere", "secret")


def test_a_given_application_credential_is_not_joined_by_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, OPENRC)
    given = Account(application_credential_id="id", application_credential_secret="hidden")
    credential = {"id": "id", "secret": "hidden"}
    assert document(given) == {
        "auth": {"identity": {"methods": ["application_credential"], "application_credential": credential}}
    }


def test_the_project_of_the_environment_does_not_go_to_another_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, OPENRC)
    found = complete(Account(auth_url="https://other.example/v3", username="me", password="mine"))
    assert (found.project_name, found.user_domain_name) == (None, None)


@pytest.mark.parametrize(
    ("url", "version", "kind"),
    [
        ("http://swift.example/auth/v1.0", None, TempAuth),
        ("http://swift.example/auth/v1", None, TempAuth),
        ("http://swift.example/login", "1", TempAuth),
        ("http://keystone.example:5000", None, KeystoneAccess),
        ("http://keystone.example/identity/v3/", "3", KeystoneAccess),
    ],
)
def test_the_kind_of_authentication_is_told_by_url_or_version(url: str, version: str | None, kind: type) -> None:
    account = Account(auth_url=url, auth_version=version, username="demo", password="secret")
    assert type(make_access(account, TRANSPORT)) is kind


@pytest.mark.parametrize("url", ["http://k.example", "http://k.example/v3", "http://k.example/v2.0/"])
def test_tokens_are_asked_for_at_version_3(url: str) -> None:
    access = make_access(Account(auth_url=url, username="demo", password="secret"), TRANSPORT)
    assert isinstance(access, KeystoneAccess)
    assert access._url == "http://k.example/v3/auth/tokens"


def test_v1_variables_count_where_there_are_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, {"ST_AUTH": "http://swift.example/auth/v1.0", "ST_USER": "a:b", "ST_KEY": "secret"})
    assert complete(Account()).username == "a:b"
    set_all(monkeypatch, OPENRC)
    assert complete(Account()).username == "demo"


@pytest.mark.parametrize(
    ("account", "says"),
    [
        (Account(), "nowhere to authenticate"),
        (Account(auth_url="http://k.example/v3", password="secret"), "no username"),
        (Account(auth_url="http://k.example/v3", username="demo"), "no password"),
        (Account(auth_url="http://k.example/auth/v1.0", username="demo"), "username and password"),
        (Account(auth_url="http://k.example", auth_version="2", username="u", password="p"), "Keystone v2"),
        (Account(auth_url="ftp://k.example", username="u", password="p"), "auth_url"),
        (Account(auth_url="http://k.example", username="u", password="p", interface="secret"), "interface"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_sent(account: Account, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        make_access(account, TRANSPORT)


@pytest.mark.parametrize("options", [{"dialect": "glance"}, {"temp_url_digest": "md5"}, {"skip_auth": True}])
def test_an_option_that_does_not_exist_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError):
        SwiftStore("container", **options)  # type: ignore[arg-type]  # the point of this test


@pytest.mark.parametrize(
    ("url", "location", "dialect"),
    [
        ("https://swift.example/v1/AUTH_a/photos?token=t", "swift://photos", "swift"),
        ("https://swift.example/v1/AUTH_a/photos/2024?token=t", "swift://photos/2024/", "swift"),
        ("https://ceph.example/swift/v1/AUTH_a/photos?token=t", "swift://photos", "ceph"),
        ("swift://photos/2024?token=t&storage_url=https://swift.example/v1/AUTH_a", "swift://photos/2024/", "swift"),
    ],
)
def test_a_url_is_a_container(url: str, location: str, dialect: str) -> None:
    store = connect(url)
    driver = store._raw
    assert isinstance(driver, SwiftDriver)
    assert store.location == location
    service = driver._client.service
    assert service.dialect.name == dialect
    assert isinstance(service.access, ReadyAccess)
    assert service.access.ready(0).url.endswith("/v1/AUTH_a")
