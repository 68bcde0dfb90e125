"""From what users say to a Swift driver: arguments, and the environment that an openrc file or ``ST_AUTH`` sets.

https://docs.openstack.org/python-openstackclient/latest/cli/man/openstack.html#environment-variables
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Final

from aiostore._http.client import Transport
from aiostore.drivers.keystone import Domain, Identity, interface_of
from aiostore.drivers.swift import SwiftDriver
from aiostore.drivers.swift_access import AccessProvider, KeystoneAccess, ReadyAccess, TempAuth
from aiostore.drivers.swift_client import Client, Service
from aiostore.drivers.swift_dialect import choose
from aiostore.drivers.swift_tempurl import DIGESTS
from aiostore.errors import ConfigurationError
from aiostore.policies import ClientOptions, Integrity, Timeouts

_V1: Final = re.compile(r"/(?:auth/)?v1(?:\.0)?/?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who one is, and where: the options of :class:`aiostore.SwiftStore` of the same names."""

    auth_url: str | None = None
    auth_version: str | None = None
    username: str | None = None
    user_id: str | None = None
    password: str | None = None
    user_domain_name: str | None = None
    user_domain_id: str | None = None
    project_name: str | None = None
    project_id: str | None = None
    project_domain_name: str | None = None
    project_domain_id: str | None = None
    application_credential_id: str | None = None
    application_credential_name: str | None = None
    application_credential_secret: str | None = None
    token: str | None = None
    storage_url: str | None = None
    region: str | None = None
    interface: str | None = None


_WHO: Final = ("username", "user_id", "password", "user_domain_name", "user_domain_id")
_SCOPE: Final = ("project_name", "project_id", "project_domain_name", "project_domain_id")
_APPLICATION: Final = (
    "application_credential_id",
    "application_credential_name",
    "application_credential_secret",
)
_PROOFS: Final = ("password", "application_credential_secret", "token")

_OS: Final[Mapping[str, tuple[str, ...]]] = {
    "auth_url": ("OS_AUTH_URL",),
    "auth_version": ("OS_IDENTITY_API_VERSION",),
    "username": ("OS_USERNAME",),
    "user_id": ("OS_USER_ID",),
    "password": ("OS_PASSWORD",),
    "user_domain_name": ("OS_USER_DOMAIN_NAME", "OS_DEFAULT_DOMAIN"),
    "user_domain_id": ("OS_USER_DOMAIN_ID",),
    "project_name": ("OS_PROJECT_NAME", "OS_TENANT_NAME"),
    "project_id": ("OS_PROJECT_ID", "OS_TENANT_ID"),
    "project_domain_name": ("OS_PROJECT_DOMAIN_NAME", "OS_DEFAULT_DOMAIN"),
    "project_domain_id": ("OS_PROJECT_DOMAIN_ID",),
    "application_credential_id": ("OS_APPLICATION_CREDENTIAL_ID",),
    "application_credential_name": ("OS_APPLICATION_CREDENTIAL_NAME",),
    "application_credential_secret": ("OS_APPLICATION_CREDENTIAL_SECRET",),
    "token": ("OS_AUTH_TOKEN", "OS_TOKEN"),
    "storage_url": ("OS_STORAGE_URL",),
    "region": ("OS_REGION_NAME",),
    "interface": ("OS_INTERFACE", "OS_ENDPOINT_TYPE"),
}
"""The variables of an openrc file; the second spelling is that of older ones."""

_ST: Final[Mapping[str, tuple[str, ...]]] = {
    "auth_url": ("ST_AUTH",),
    "auth_version": ("ST_AUTH_VERSION",),
    "username": ("ST_USER",),
    "password": ("ST_KEY",),
}
"""The variables of v1 authentication."""


def make_driver(
    container: str,
    account: Account,
    *,
    temp_url_key: str | None = None,
    temp_url_digest: str | None = None,
    dialect: str | None = None,
    skip_auth: bool = False,
    timeouts: Timeouts | None = None,
    integrity: Integrity = "auto",
    client_options: ClientOptions | Mapping[str, object] | None = None,
) -> SwiftDriver:
    """Make a driver; sends nothing.

    What ``account`` leaves out comes from the environment: OS_* as an openrc file sets it, else ST_AUTH, ST_USER and
    ST_KEY. OS_CACERT is the bundle of certificate authorities.

    Raises:
        ConfigurationError: if the arguments contradict each other, or say too little.
    """
    if not container or "/" in container:
        raise ConfigurationError(f"{container!r} cannot be the name of a container: it is not empty and has no slash")
    if temp_url_digest is not None and temp_url_digest not in DIGESTS:
        raise ConfigurationError(f"temp_url_digest={temp_url_digest!r}: there are {', '.join(DIGESTS)}")
    spoken = choose(dialect)
    options = ClientOptions.of(client_options)
    if options.ca_bundle is None and (bundle := os.environ.get("OS_CACERT")):
        options = replace(options, ca_bundle=bundle)
    transport = Transport(options, Timeouts() if timeouts is None else timeouts)
    if skip_auth:
        if account.storage_url is None:
            raise ConfigurationError("skip_auth needs storage_url: without authentication nobody tells where to go")
        access: AccessProvider = ReadyAccess("", account.storage_url)
    else:
        access = make_access(complete(account), transport)
    return SwiftDriver(
        Client(Service(access, spoken, transport), container),
        verified=integrity != "off",
        temp_url_key=temp_url_key,
        temp_url_digest=temp_url_digest,
    )


def complete(account: Account) -> Account:
    """``account`` with what the environment says beside it.

    Of what proves who one is, the environment adds nothing to what is given: a password beside an application
    credential would contradict it.
    """
    given = {item.name: value for item in fields(Account) if (value := getattr(account, item.name)) is not None}
    variables = _OS
    stated = given.keys() & {"auth_url", "storage_url", *_PROOFS}
    if not stated and not _found(_OS, "auth_url") and not _found(_OS, "storage_url") and _found(_ST, "auth_url"):
        variables = _ST
    found = {name: value for name in variables if (value := _found(variables, name))}
    proofs = [name for name in _PROOFS if name in given]
    if proofs or given.keys() & {*_WHO, *_APPLICATION}:
        kept = {"auth_url", "auth_version", "region", "interface", "storage_url"}
        if "application_credential_secret" in given or given.keys() & set(_APPLICATION):
            kept |= {*_APPLICATION, "username", "user_id", "user_domain_name", "user_domain_id"} - {"password"}
        elif "token" in given:
            kept |= set(_SCOPE)
        else:
            kept |= {*_WHO, *_SCOPE}
        if "auth_url" in given:
            # The project of one cloud says nothing in another.
            kept -= {*_SCOPE, *_WHO, "storage_url"}
        found = {name: value for name, value in found.items() if name in kept}
    return Account(**{**found, **given})


def _found(variables: Mapping[str, tuple[str, ...]], name: str) -> str | None:
    return next((value for variable in variables[name] if (value := os.environ.get(variable))), None)


def make_access(account: Account, transport: Transport) -> AccessProvider:
    """Choose how the account is accessed: ready-made, by v1 authentication, or by Keystone.

    Raises:
        ConfigurationError: if too little or too much is known.
    """
    if account.token is not None and account.storage_url is not None:
        return ReadyAccess(account.token, account.storage_url)
    if account.auth_url is None:
        raise ConfigurationError(
            "there is nowhere to authenticate: give auth_url with username and password, or an application credential,"
            " or token with storage_url; or set OS_AUTH_URL and so on, as openrc files do, or ST_AUTH, ST_USER, ST_KEY"
        )
    version = (account.auth_version or "").removeprefix("v")
    if version.startswith("1") or (not version and _V1.search(account.auth_url)):
        if account.username is None or account.password is None:
            raise ConfigurationError("v1 authentication needs username and password (ST_USER and ST_KEY)")
        return TempAuth(account.auth_url, account.username, account.password, account.storage_url, transport)
    if version and not version.startswith("3"):
        raise ConfigurationError(f"auth_version={version!r}: there are 1 and 3; Keystone v2 is no more")
    identity = _identity(account)
    identity.document()
    return KeystoneAccess(
        account.auth_url,
        identity,
        interface_of(account.interface or "public"),
        account.region,
        account.storage_url,
        transport,
    )


def _identity(account: Account) -> Identity:
    application = account.application_credential_secret is not None
    return Identity(
        username=account.username,
        user_id=account.user_id,
        user_domain=Domain(id=account.user_domain_id, name=account.user_domain_name),
        password=None if application or account.token is not None else account.password,
        application_credential_id=account.application_credential_id,
        application_credential_name=account.application_credential_name,
        application_credential_secret=account.application_credential_secret,
        token=None if application else account.token,
        project_id=account.project_id,
        project_name=account.project_name,
        project_domain=Domain(id=account.project_domain_id, name=account.project_domain_name),
    )
