"""From what users say to an OSS driver: arguments and environment variables.

https://www.alibabacloud.com/help/en/oss/user-guide/regions-and-endpoints
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from aiostore._http.client import Transport
from aiostore.drivers.oss import OSSDriver
from aiostore.drivers.oss_auth import Credentials, SignatureVersion
from aiostore.drivers.oss_client import Client, Endpoint, Service
from aiostore.drivers.oss_credentials import (
    ANONYMOUS,
    CallbackCredentials,
    CredentialsCallback,
    CredentialsProvider,
    EnvironmentCredentials,
    StaticCredentials,
)
from aiostore.errors import ConfigurationError
from aiostore.policies import ClientOptions, Integrity, Timeouts

_REGION_IN_HOST: Final = re.compile(r"oss-([a-z]{2}-[a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com(?:\.cn)?")
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
        endpoint = _public(region, internal=internal, accelerate=accelerate)
    elif internal or accelerate:
        raise ConfigurationError("endpoint says already which one it is; leave internal and accelerate out")
    place = _endpoint(endpoint, virtual_hosted=virtual_hosted, cname=cname)
    if region is None and (found := _REGION_IN_HOST.fullmatch(place.host)) is not None:
        region = found[1]
    if region is None and signature_version == "v4" and not skip_signature:
        raise ConfigurationError("signatures of version 4 name the region: give region, or set OSS_REGION")
    provider = _provider(access_key_id, access_key_secret, security_token, credentials, skip_signature=skip_signature)
    options = ClientOptions.of(client_options)
    transport = Transport(options, Timeouts() if timeouts is None else timeouts)
    # OSS wants every header of its own in the signature, so these cannot be left to the transport.
    headers = {name.lower(): value for name, value in options.headers.items() if name.lower().startswith("x-oss-")}
    service = Service(place, region or "", signature_version, provider, transport, headers)
    return OSSDriver(Client(service, bucket), verify=integrity != "off")


def _public(region: str | None, *, internal: bool, accelerate: bool) -> str:
    if internal and accelerate:
        raise ConfigurationError("choose one of internal and accelerate")
    if accelerate:
        return "https://oss-accelerate.aliyuncs.com"
    if region is None:
        raise ConfigurationError("give region or endpoint, or set OSS_REGION or OSS_ENDPOINT")
    if re.fullmatch(r"[a-z0-9-]+", region) is None:
        raise ConfigurationError(f"{region!r} is no region of OSS, such as 'cn-hangzhou'")
    return f"https://oss-{region}{'-internal' if internal else ''}.aliyuncs.com"


def _endpoint(url: str, *, virtual_hosted: bool | None, cname: bool) -> Endpoint:
    parts = urlsplit(url if "://" in url else f"https://{url}")
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ConfigurationError(
            "endpoint is a URL of scheme, host and port, such as https://oss-cn-hangzhou.aliyuncs.com"
        )
    if parts.username is not None:
        raise ConfigurationError("endpoint holds credentials; give access_key_id and access_key_secret instead")
    if cname:
        if virtual_hosted is False:
            raise ConfigurationError("a cname names the bucket; leave virtual_hosted out")
        return Endpoint(scheme=parts.scheme, host=parts.netloc, style="cname")
    if virtual_hosted is None:
        virtual_hosted = not _is_address(parts.hostname)
    return Endpoint(scheme=parts.scheme, host=parts.netloc, style="virtual" if virtual_hosted else "path")


def _is_address(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


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
