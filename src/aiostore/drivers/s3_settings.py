"""From what users say to an S3 driver: arguments, environment variables, AWS's configuration file.

https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from configparser import Error, RawConfigParser
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Final

from aiostore._http.client import Transport
from aiostore.drivers.aws_credentials import (
    ANONYMOUS,
    CallbackCredentials,
    ChainCredentials,
    CredentialsCallback,
    CredentialsProvider,
    EnvironmentCredentials,
    SessionCredentials,
    StaticCredentials,
)
from aiostore.drivers.s3 import S3Driver
from aiostore.drivers.s3_address import Endpoint
from aiostore.drivers.s3_client import Client, Service
from aiostore.drivers.s3_dialect import choose
from aiostore.drivers.s3_payload import Guarding
from aiostore.drivers.sigv4 import Credentials
from aiostore.errors import ConfigurationError
from aiostore.policies import ClientOptions, Integrity, Timeouts

DEFAULT_REGION: Final = "us-east-1"
"""What AWS's own buckets are asked in first, and what most other services expect in a signature."""


def make_driver(
    bucket: str,
    *,
    endpoint: str | None = None,
    region: str | None = None,
    access_key_id: str | None = None,
    secret_access_key: str | None = None,
    session_token: str | None = None,
    credentials: CredentialsProvider | CredentialsCallback | None = None,
    skip_signature: bool = False,
    profile: str | None = None,
    virtual_hosted: bool | None = None,
    dialect: str | None = None,
    request_payer: str | None = None,
    timeouts: Timeouts | None = None,
    integrity: Integrity = "auto",
    client_options: ClientOptions | Mapping[str, object] | None = None,
    dualstack: bool | None = None,
    fips: bool | None = None,
    accelerate: bool = False,
) -> S3Driver:
    """Make a driver; sends nothing.

    What is not given comes from the environment (AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_REGION,
    AWS_DEFAULT_REGION, AWS_PROFILE, AWS_USE_DUALSTACK_ENDPOINT, AWS_USE_FIPS_ENDPOINT, AWS_CA_BUNDLE), then from the
    profile in AWS's configuration file. Credentials are, in this order: none at all (``skip_signature``), literal ones,
    ``credentials``, those of ``profile``, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and AWS's whole chain.

    Raises:
        ConfigurationError: if the arguments contradict each other or cannot be used.
        NotSupportedError: if the bucket is of a kind that is not supported.
    """
    environment = os.environ
    settings = _profile_settings(profile or environment.get("AWS_PROFILE") or "default")
    if endpoint is None and environment.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() != "true":
        endpoint = (
            environment.get("AWS_ENDPOINT_URL_S3")
            or environment.get("AWS_ENDPOINT_URL")
            or settings.get("endpoint_url")
            or None
        )
    place = Endpoint(
        url=endpoint,
        virtual_hosted=virtual_hosted,
        dualstack=_flag("AWS_USE_DUALSTACK_ENDPOINT") if dualstack is None else dualstack,
        fips=_flag("AWS_USE_FIPS_ENDPOINT") if fips is None else fips,
        accelerate=accelerate,
    )
    spoken = choose(dialect, place)
    region = (
        region
        or environment.get("AWS_REGION")
        or environment.get("AWS_DEFAULT_REGION")
        or settings.get("region")
        or ("auto" if spoken.name == "r2" else DEFAULT_REGION)
    )
    options = ClientOptions.of(client_options)
    if options.ca_bundle is None and (bundle := environment.get("AWS_CA_BUNDLE")):
        options = replace(options, ca_bundle=bundle)
    # S3 wants every header of its own in the signature, so these cannot be left to the transport.
    headers = {name.lower(): value for name, value in options.headers.items() if name.lower().startswith("x-amz-")}
    if request_payer is not None:
        headers["x-amz-request-payer"] = request_payer
    provider = _provider(
        _literal(access_key_id, secret_access_key, session_token), credentials, profile, skip_signature=skip_signature
    )
    transport = Transport(options, Timeouts() if timeouts is None else timeouts)
    client = Client(Service(place, region, spoken, provider, transport, headers), bucket)
    tls = client.address.base.startswith("https:")
    guarding = Guarding(
        spoken,
        tls=tls,
        anonymous=skip_signature,
        wanted=integrity != "off",
        required=integrity == "require",
    )
    return S3Driver(client, guarding, f"s3://{bucket}")


def driver_from_session(
    session: object,
    bucket: str,
    *,
    endpoint: str | None = None,
    region: str | None = None,
    virtual_hosted: bool | None = None,
    dialect: str | None = None,
    request_payer: str | None = None,
    timeouts: Timeouts | None = None,
    integrity: Integrity = "auto",
    client_options: ClientOptions | Mapping[str, object] | None = None,
) -> S3Driver:
    """Make a driver with the credentials and the region of a session of boto3, botocore or aiobotocore.

    Raises:
        ConfigurationError: if it is no such session, or another argument cannot be used.
    """
    return make_driver(
        bucket,
        endpoint=endpoint,
        region=region or _session_region(session),
        credentials=SessionCredentials(session),
        virtual_hosted=virtual_hosted,
        dialect=dialect,
        request_payer=request_payer,
        timeouts=timeouts,
        integrity=integrity,
        client_options=client_options,
    )


def _literal(access_key_id: str | None, secret: str | None, session_token: str | None) -> Credentials | None:
    if access_key_id and secret:
        return Credentials(access_key_id, secret, session_token or None)
    if access_key_id or secret or session_token:
        raise ConfigurationError("access_key_id and secret_access_key belong together; give both, or neither")
    return None


def _provider(
    literal: Credentials | None,
    credentials: CredentialsProvider | CredentialsCallback | None,
    profile: str | None,
    *,
    skip_signature: bool,
) -> CredentialsProvider:
    if (literal is not None) + (credentials is not None) + skip_signature > 1:
        raise ConfigurationError("choose one of access_key_id with secret_access_key, credentials, and skip_signature")
    if skip_signature:
        return StaticCredentials(ANONYMOUS)
    if literal is not None:
        return StaticCredentials(literal)
    if isinstance(credentials, CredentialsProvider):
        return credentials
    if credentials is not None:
        return CallbackCredentials(credentials)
    if profile is None and EnvironmentCredentials.present():
        return EnvironmentCredentials()
    return ChainCredentials(profile)


def _flag(name: str) -> bool:
    return os.environ.get(name, "").lower() == "true"


def _session_region(session: object) -> str | None:
    region = getattr(session, "region_name", None)
    if region is None and callable(ask := getattr(session, "get_config_variable", None)):
        region = ask("region")
    return region if isinstance(region, str) else None


def _profile_settings(profile: str) -> Mapping[str, str]:
    """Region and endpoint of a profile; empty if there is no file or profile, for the profile may be of other use."""
    path = Path(os.environ.get("AWS_CONFIG_FILE") or "~/.aws/config")
    try:
        path = path.expanduser()
        return _read_profile(path, path.stat().st_mtime_ns, profile)
    except (OSError, RuntimeError):
        return {}


@lru_cache(maxsize=16)
def _read_profile(path: Path, _modified: int, profile: str) -> Mapping[str, str]:
    parser = RawConfigParser(strict=False)
    try:
        parser.read(path, encoding="utf-8")
        section = profile if profile == "default" and parser.has_section("default") else f"profile {profile}"
        return dict(parser.items(section)) if parser.has_section(section) else {}
    except (Error, UnicodeDecodeError) as error:
        raise ConfigurationError(f"AWS's configuration file {path} cannot be read: {error}") from error
