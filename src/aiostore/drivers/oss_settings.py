"""From what users say to an OSS driver: arguments and environment variables.

https://www.alibabacloud.com/help/en/oss/user-guide/regions-and-endpoints
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Final

from aiostore._http.client import Transport
from aiostore.drivers.oss import OSSDriver
from aiostore.drivers.oss_auth import Credentials, SignatureVersion
from aiostore.drivers.oss_client import Client, Service
from aiostore.drivers.oss_credentials import (
    ANONYMOUS,
    CallbackCredentials,
    CredentialsCallback,
    CredentialsProvider,
    EnvironmentCredentials,
    StaticCredentials,
)
from aiostore.drivers.oss_endpoint import parse_endpoint, public_endpoint, region_of
from aiostore.errors import ConfigurationError
from aiostore.policies import ClientOptions, Integrity, Timeouts

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]*")


def make_driver(
    bucket: str,
    *,
    endpoint: str | None = None,
    region: str | None = None,
    access_key_id: str | None = None,
    access_key_secret: str | None = None,
    security_token: str | None = None,
    credentials: CredentialsCallback | None = None,
    skip_signature: bool = False,
    signature_version: SignatureVersion = "v4",
    virtual_hosted: bool | None = None,
    cname: bool = False,
    internal: bool = False,
    accelerate: bool = False,
    timeouts: Timeouts | None = None,
    integrity: Integrity = "auto",
    client_options: ClientOptions | Mapping[str, object] | None = None,
) -> OSSDriver:
    """Make a driver; sends nothing.

    What is not given comes from the environment: OSS_ENDPOINT, OSS_REGION, OSS_ACCESS_KEY_ID, OSS_ACCESS_KEY_SECRET and
    OSS_SESSION_TOKEN.

    Raises:
        ConfigurationError: if the arguments contradict each other or cannot be used.
    """
    if _BUCKET.fullmatch(bucket) is None:
        raise ConfigurationError("a bucket of OSS is named with lower-case letters, digits and '-'")
    if signature_version not in {"v1", "v4"}:
        raise ConfigurationError("signature_version is 'v4' or 'v1'")
    endpoint = endpoint or os.environ.get("OSS_ENDPOINT") or None
    region = region or os.environ.get("OSS_REGION") or None
    if region is not None:
        region = region.removeprefix("oss-")
    if endpoint is None:
        endpoint = public_endpoint(region, internal=internal, accelerate=accelerate)
    elif internal or accelerate:
        raise ConfigurationError("endpoint says already which one it is; leave internal and accelerate out")
    place = parse_endpoint(endpoint, virtual_hosted=virtual_hosted, cname=cname)
    if region is None:
        region = region_of(place.host)
    if region is None and signature_version == "v4" and not skip_signature:
        raise ConfigurationError("signatures of version 4 name the region: give region, or set OSS_REGION")
    provider = _provider(access_key_id, access_key_secret, security_token, credentials, skip_signature=skip_signature)
    options = ClientOptions.of(client_options)
    transport = Transport(options, Timeouts() if timeouts is None else timeouts)
    # OSS wants every header of its own in the signature, so these cannot be left to the transport.
    headers = {name.lower(): value for name, value in options.headers.items() if name.lower().startswith("x-oss-")}
    service = Service(place, region or "", signature_version, provider, transport, headers)
    return OSSDriver(Client(service, bucket), verify=integrity != "off")


def _provider(
    key: str | None,
    secret: str | None,
    token: str | None,
    credentials: CredentialsCallback | None,
    *,
    skip_signature: bool,
) -> CredentialsProvider:
    given = any((key, secret, token))
    if given + (credentials is not None) + skip_signature > 1:
        raise ConfigurationError("choose one of access_key_id with access_key_secret, credentials, and skip_signature")
    if skip_signature:
        return StaticCredentials(ANONYMOUS)
    if credentials is not None:
        if not callable(credentials):
            raise ConfigurationError(
                "credentials is a function, sync or async, that returns access_key_id, access_key_secret and, if they "
                "have any, security_token and expires_at"
            )
        return CallbackCredentials(credentials)
    if not given:
        return EnvironmentCredentials()
    if not key or not secret:
        raise ConfigurationError("access_key_id and access_key_secret belong together; give both, or neither")
    return StaticCredentials(Credentials(key, secret, token or None))
