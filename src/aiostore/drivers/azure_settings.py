"""From what users say to an Azure driver: arguments, connection string, environment variables.

https://learn.microsoft.com/azure/storage/blobs/authorize-data-operations-cli#set-environment-variables-for-authorization-parameters
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from aiostore._http.client import Transport
from aiostore.drivers.azure import AzureDriver
from aiostore.drivers.azure_address import EMULATOR_ACCOUNT, EMULATOR_ENDPOINT, EMULATOR_KEY, SUFFIX, locate
from aiostore.drivers.azure_auth import SharedKey
from aiostore.drivers.azure_client import Client, Service
from aiostore.drivers.azure_credentials import (
    Anonymous,
    Authorizer,
    KeyAuthorizer,
    SasAuthorizer,
    TokenAuthorizer,
    TokenCredential,
    parse_connection_string,
)
from aiostore.drivers.azure_delegation import Signing
from aiostore.drivers.azure_guard import Guarding
from aiostore.errors import ConfigurationError
from aiostore.policies import ClientOptions, Integrity, Timeouts


@dataclass(frozen=True, slots=True)
class _Said:
    """What one place says of an account."""

    account: str | None = None
    endpoint: str | None = None
    account_key: str | None = field(default=None, repr=False)
    sas_token: str | Mapping[str, str] | None = field(default=None, repr=False)
    suffix: str = SUFFIX

    def has_credentials(self) -> bool:
        return self.account_key is not None or self.sas_token is not None


def make_driver(
    container: str,
    *,
    account: str | None = None,
    endpoint: str | None = None,
    account_key: str | None = None,
    sas_token: str | Mapping[str, str] | None = None,
    connection_string: str | None = None,
    credential: TokenCredential | None = None,
    skip_signature: bool = False,
    timeouts: Timeouts | None = None,
    integrity: Integrity = "auto",
    client_options: ClientOptions | Mapping[str, object] | None = None,
) -> AzureDriver:
    """Make a driver; sends nothing.

    The account is that of the arguments, of the connection string, or of the environment
    (AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_ACCOUNT, AZURE_STORAGE_ENDPOINT). Credentials are, in this order:
    none at all (``skip_signature``), literal ones (``account_key``, ``sas_token``, ``credential``), those of the
    connection string, AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN, and what azure-identity finds. The environment's
    are for the environment's account: another one that is named explicitly does not get them.

    Raises:
        ConfigurationError: if the arguments contradict each other or cannot be used.
    """
    literal = _Said(account, endpoint, account_key, sas_token)
    chosen = sum((account_key is not None, sas_token is not None, credential is not None, skip_signature))
    if chosen > 1:
        raise ConfigurationError("choose one of account_key, sas_token, credential and skip_signature")
    said = literal
    if connection_string is not None:
        said = _merged(literal, _of_connection_string(connection_string))
    else:
        said = _with_environment(literal)
    if said.account == EMULATOR_ACCOUNT and said.endpoint is None:
        said = replace(said, endpoint=EMULATOR_ENDPOINT)
    address = locate(said.account, said.endpoint, said.suffix)
    if address.account == EMULATOR_ACCOUNT and not chosen and not said.has_credentials():
        said = replace(said, account_key=EMULATOR_KEY)
    authorizer: Authorizer
    if skip_signature:
        authorizer = Anonymous()
    elif credential is not None:
        authorizer = _of_credential(credential, is_tls=address.is_tls)
    elif said.account_key is not None and (account_key is not None or sas_token is None):
        authorizer = KeyAuthorizer(SharedKey(address.account, said.account_key))
    elif said.sas_token is not None:
        authorizer = SasAuthorizer(said.sas_token)
    else:
        authorizer = _of_credential(None, is_tls=address.is_tls)
    transport = Transport(ClientOptions.of(client_options), Timeouts() if timeouts is None else timeouts)
    crc64 = not address.emulator
    service = Service(address, authorizer, transport, crc64=crc64)
    guarding = Guarding(crc64=crc64, wanted=integrity != "off")
    return AzureDriver(Client(service, container), guarding, Signing(Client(service, None)))


def _merged(first: _Said, second: _Said) -> _Said:
    """What ``first`` says, and ``second`` where it says nothing."""
    own = first.has_credentials()
    return _Said(
        first.account or second.account,
        first.endpoint or second.endpoint,
        first.account_key if own else second.account_key,
        first.sas_token if own else second.sas_token,
        second.suffix,
    )


def _with_environment(literal: _Said) -> _Said:
    """What is given, and what the environment says of the same account; credentials of another are never sent."""
    environment = _of_environment()
    if literal.account is None and literal.endpoint is None:
        return _merged(literal, environment)
    account = literal.account or locate(None, literal.endpoint).account
    if environment.account not in {None, account}:
        return literal
    return _merged(literal, environment if environment.account else replace(environment, endpoint=None))


def _of_credential(credential: TokenCredential | None, *, is_tls: bool) -> TokenAuthorizer:
    if not is_tls:
        raise ConfigurationError("tokens are sent over https only, for whoever reads one can use it; change endpoint")
    if credential is not None and not isinstance(credential, TokenCredential):
        raise ConfigurationError(
            f"credential is an async TokenCredential, as those of azure.identity.aio, not {type(credential).__name__}"
        )
    return TokenAuthorizer(credential)


def _of_connection_string(text: str) -> _Said:
    settings = parse_connection_string(text)
    if settings.get("usedevelopmentstorage", "").lower() == "true":
        return _Said(EMULATOR_ACCOUNT, EMULATOR_ENDPOINT, EMULATOR_KEY)
    account, endpoint = settings.get("accountname"), settings.get("blobendpoint")
    suffix = settings.get("endpointsuffix") or SUFFIX
    if endpoint is None and account is None:
        raise ConfigurationError("the connection string names neither AccountName nor BlobEndpoint")
    if endpoint is None and settings.get("defaultendpointsprotocol", "https").lower() == "http":
        endpoint = f"http://{account}.blob.{suffix}"
    return _Said(
        account,
        endpoint,
        settings.get("accountkey"),
        None if "accountkey" in settings else settings.get("sharedaccesssignature"),
        suffix,
    )


def _of_environment() -> _Said:
    if text := os.environ.get("AZURE_STORAGE_CONNECTION_STRING"):
        return _of_connection_string(text)
    key = _first("AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY")
    return _Said(
        _first("AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME"),
        _first("AZURE_STORAGE_ENDPOINT", "AZURE_STORAGE_SERVICE_ENDPOINT"),
        key,
        None if key else _first("AZURE_STORAGE_SAS_TOKEN"),
    )


def _first(*names: str) -> str | None:
    return next((value for name in names if (value := os.environ.get(name))), None)
