from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from aiobotocore.session import AioSession

from aiostore.drivers.aws_credentials import (
    ANONYMOUS,
    CallbackCredentials,
    ChainCredentials,
    EnvironmentCredentials,
    SessionCredentials,
    StaticCredentials,
)
from aiostore.drivers.s3 import S3Driver
from aiostore.drivers.s3_settings import driver_from_session, make_driver
from aiostore.drivers.sigv4 import Credentials
from aiostore.errors import ConfigurationError, NotSupportedError

KEYS: dict[str, Any] = {"access_key_id": "AKIA", "secret_access_key": "hidden"}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment in which AWS says nothing; the test adds to it."""
    for name in (
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION"),
        *("AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_CA_BUNDLE"),
        *("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_USE_DUALSTACK_ENDPOINT", "AWS_USE_FIPS_ENDPOINT"),
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    return monkeypatch


def url(driver: S3Driver) -> str:
    address = driver._client.address
    return address.base + address.root


def region(driver: S3Driver) -> str:
    return driver._client.address.region


def test_without_anything_it_is_aws() -> None:
    driver = make_driver("bucket", **KEYS)
    assert (url(driver), driver.location) == ("https://bucket.s3.us-east-1.amazonaws.com/", "s3://bucket")


def test_the_region_comes_from_the_argument_the_environment_the_profile(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text("[default]\nregion = eu-south-1\n[profile work]\nregion = eu-south-2\n")
    assert region(make_driver("bucket", **KEYS)) == "eu-south-1"
    assert region(make_driver("bucket", profile="work")) == "eu-south-2"
    environment.setenv("AWS_PROFILE", "work")
    assert region(make_driver("bucket", **KEYS)) == "eu-south-2"
    environment.setenv("AWS_DEFAULT_REGION", "eu-west-2")
    assert region(make_driver("bucket", **KEYS)) == "eu-west-2"
    environment.setenv("AWS_REGION", "eu-west-1")
    assert region(make_driver("bucket", **KEYS)) == "eu-west-1"
    assert region(make_driver("bucket", region="eu-west-3", **KEYS)) == "eu-west-3"


def test_r2_has_a_region_of_its_own() -> None:
    assert region(make_driver("bucket", endpoint="https://0123.r2.cloudflarestorage.com", **KEYS)) == "auto"


def test_the_endpoint_comes_from_the_argument_the_environment_the_profile(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text("[default]\nendpoint_url = http://profile:1\n")
    assert url(make_driver("bucket", **KEYS)) == "http://profile:1/bucket/"
    environment.setenv("AWS_ENDPOINT_URL", "http://all:2")
    assert url(make_driver("bucket", **KEYS)) == "http://all:2/bucket/"
    environment.setenv("AWS_ENDPOINT_URL_S3", "http://s3:3")
    assert url(make_driver("bucket", **KEYS)) == "http://s3:3/bucket/"
    assert url(make_driver("bucket", endpoint="http://argument:4", **KEYS)) == "http://argument:4/bucket/"
    environment.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    assert url(make_driver("bucket", **KEYS)) == "https://bucket.s3.us-east-1.amazonaws.com/"


def test_other_endpoints_of_aws(environment: pytest.MonkeyPatch) -> None:
    assert "s3-accelerate" in url(make_driver("bucket", accelerate=True, **KEYS))
    environment.setenv("AWS_USE_DUALSTACK_ENDPOINT", "true")
    environment.setenv("AWS_USE_FIPS_ENDPOINT", "TRUE")
    assert url(make_driver("bucket", **KEYS)) == "https://bucket.s3-fips.dualstack.us-east-1.amazonaws.com/"
    assert url(make_driver("bucket", fips=False, dualstack=False, **KEYS)).startswith("https://bucket.s3.us-east-1.")


def test_a_certificate_bundle_of_the_environment_is_used(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    options, _ = make_driver("bucket", **KEYS)._client.service.transport.__reduce__()[1]
    assert options.ca_bundle == str(tmp_path / "ca.pem")


def test_a_broken_configuration_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("region = eu-west-1\n")
    with pytest.raises(ConfigurationError, match="config"):
        make_driver("bucket", **KEYS)


# --- credentials ------------------------------------------------------------------------------------------------------


async def _callback() -> dict[str, str]:
    return KEYS


def test_where_credentials_come_from(environment: pytest.MonkeyPatch) -> None:
    def source(**arguments: Any) -> object:
        return make_driver("bucket", **arguments)._client.service.credentials

    assert source(**KEYS, session_token="t") == StaticCredentials(Credentials("AKIA", "hidden", "t"))
    assert source(skip_signature=True) == StaticCredentials(ANONYMOUS)
    assert isinstance(source(credentials=_callback), CallbackCredentials)
    provider = StaticCredentials(Credentials("AKIA", "hidden"))
    assert source(credentials=provider) is provider
    assert isinstance(source(), ChainCredentials)
    assert isinstance(source(profile="work"), ChainCredentials)
    environment.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    assert isinstance(source(), ChainCredentials)
    environment.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    assert isinstance(source(), EnvironmentCredentials)
    assert isinstance(source(profile="work"), ChainCredentials)
    assert isinstance(source(credentials=_callback), CallbackCredentials)


@pytest.mark.parametrize(
    "arguments",
    [
        {"access_key_id": "AKIA"},
        {"secret_access_key": "hidden"},
        {"session_token": "token"},
        {**KEYS, "skip_signature": True},
        {**KEYS, "credentials": _callback},
        {"credentials": _callback, "skip_signature": True},
        {"credentials": "AKIA:hidden"},
    ],
)
def test_credentials_that_contradict_each_other_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as raised:
        make_driver("bucket", **arguments)
    assert "hidden" not in str(raised.value)


@pytest.mark.parametrize("kind", ["boto3", "botocore", "aiobotocore"])
def test_a_session_gives_credentials_and_region(kind: str) -> None:
    session: Any
    if kind == "boto3":
        session = boto3.Session(region_name="eu-west-9")
    else:
        session = botocore.session.Session() if kind == "botocore" else AioSession()
        session.set_config_variable("region", "eu-west-9")
    driver = driver_from_session(session, "bucket")
    assert region(driver) == "eu-west-9"
    assert isinstance(driver._client.service.credentials, SessionCredentials)
    assert region(driver_from_session(session, "bucket", region="eu-west-8")) == "eu-west-8"


# --- what is wrong is told at once ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"endpoint": "127.0.0.1:9000"}, ConfigurationError),
        ({"region": "eu west"}, ConfigurationError),
        ({"dialect": "seph"}, ConfigurationError),
        ({"client_options": {"verify": False}}, ConfigurationError),
        ({"virtual_hosted": True, "bucket": "under_score"}, ConfigurationError),
        ({"bucket": ""}, ConfigurationError),
        ({"bucket": "b--use1-az1--x-s3"}, NotSupportedError),
        ({"accelerate": True, "fips": True}, ConfigurationError),
    ],
)
def test_what_cannot_work_is_refused_when_the_driver_is_made(arguments: dict[str, Any], kind: type[Exception]) -> None:
    with pytest.raises(kind):
        make_driver(**({"bucket": "bucket"} | KEYS | arguments))


def test_siblings_share_everything_but_the_bucket() -> None:
    driver = make_driver("bucket", endpoint="http://127.0.0.1:9000", **KEYS)
    sibling = driver.sibling("other")
    assert url(sibling) == "http://127.0.0.1:9000/other/"
    assert sibling.location == "s3://other"
    assert sibling._client.service is driver._client.service
