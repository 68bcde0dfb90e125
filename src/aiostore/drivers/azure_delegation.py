"""Signed URLs: with the account's key, or with a key that a user of Entra gets for a while.

https://learn.microsoft.com/azure/storage/common/storage-sas-overview
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from aiostore._http.renewal import Renewable
from aiostore.body import Buffers
from aiostore.drivers.azure_auth import (
    MAX_DELEGATED,
    MAX_EXPIRES_IN,
    OVERRIDES,
    DelegationKey,
    Grant,
    delegation_sas,
    service_sas,
    timestamp,
)
from aiostore.drivers.azure_client import Client
from aiostore.drivers.azure_credentials import KeyAuthorizer, TokenAuthorizer
from aiostore.drivers.azure_xml import parse_delegation_key, write_key_info
from aiostore.errors import ConfigurationError, NotSupportedError
from aiostore.types import SignOptions

_PERMISSIONS: Final = {"GET": "r", "HEAD": "r", "PUT": "cw", "DELETE": "d"}

_SKEW: Final = timedelta(minutes=15)
"""How far before now a delegation key begins: clocks differ."""


class DelegationKeys(Renewable[DelegationKey]):
    """The delegation key of one account's user, fetched when something is to be signed, for seven days."""

    __slots__ = ("_client",)

    def __init__(self, client: Client) -> None:
        super().__init__()
        self._client = client

    async def _load(self) -> tuple[DelegationKey, float | None]:
        now = datetime.fromtimestamp(time.time() + self._client.service.skew, UTC)
        expiry = now + timedelta(seconds=MAX_DELEGATED) - _SKEW
        data = write_key_info(timestamp(now - _SKEW), timestamp(expiry))
        query = (("restype", "service"), ("comp", "userdelegationkey"))
        key, _ = await self._client.ask(
            "sign", "POST", None, parse_delegation_key, {"content-type": "application/xml"}, query,
            Buffers((data,), len(data)),
        )  # fmt: skip
        return key, datetime.fromisoformat(key.expiry).timestamp()


class Signing:
    """Signs URLs for the objects of an account."""

    __slots__ = ("_client", "_keys")

    def __init__(self, client: Client) -> None:
        """``client`` is the account's."""
        self._client = client
        self._keys = DelegationKeys(client)

    def __reduce__(self) -> tuple[type[Signing], tuple[Client]]:
        return Signing, (self._client,)

    async def url(self, client: Client, key: str, options: SignOptions) -> str:
        """Return a URL that allows ``options.method`` on one object of ``client``'s container.

        Raises:
            ConfigurationError: if method, lifetime or a parameter is none that a URL can be signed for, or the store
                has no credentials to sign with.
            NotSupportedError: if ``options.headers`` demands headers, which Azure's signatures do not cover.
        """
        service = self._client.service
        authorizer = service.authorizer
        delegated = isinstance(authorizer, TokenAuthorizer)
        most = MAX_DELEGATED if delegated else MAX_EXPIRES_IN
        if not 1 <= options.expires_in <= most:
            raise ConfigurationError(f"expires_in={options.expires_in!r}: must be 1 to {most} seconds")
        permissions = _PERMISSIONS.get(options.method.upper())
        if permissions is None:
            raise ConfigurationError(f"method={options.method!r}: Azure signs for {', '.join(_PERMISSIONS)}")
        if options.headers:
            raise NotSupportedError("Azure's signatures cannot demand headers of who uses the URL; leave them out")
        version, overrides = _parameters(options.params)
        expiry = datetime.fromtimestamp(time.time() + service.skew + int(options.expires_in), UTC)
        grant = Grant(
            service.address.account, client.container or "", key, permissions, expiry, service.address.is_tls, version,
            overrides,
        )  # fmt: skip
        query = ""
        if version is not None:
            name = "snapshot" if grant.resource == "bs" else "versionid"
            query = f"{name}={version.removeprefix('snapshot:').replace(':', '%3A')}&"
        if isinstance(authorizer, KeyAuthorizer):
            return f"{client.url(key)}?{query}{service_sas(grant, authorizer.key)}"
        if not delegated:
            raise ConfigurationError(
                "a store with a SAS token or without credentials cannot sign; give it account_key or credential"
            )
        return f"{client.url(key)}?{query}{delegation_sas(grant, await self._key(expiry))}"

    async def _key(self, expiry: datetime) -> DelegationKey:
        """Return a key that lives until ``expiry``."""
        key = self._keys.ready(time.time()) or await self._keys.fetch()
        if datetime.fromisoformat(key.expiry) < expiry:
            key = await self._keys.fetch(key)
        return key


def _parameters(params: Mapping[str, str]) -> tuple[str | None, dict[str, str]]:
    """The version that is signed for, and what replaces headers of the answer."""
    version: str | None = None
    overrides: dict[str, str] = {}
    for name, value in params.items():
        if name == "version":
            version = value
        elif name in OVERRIDES:
            overrides[OVERRIDES[name]] = value
        elif name in OVERRIDES.values():
            overrides[name] = value
        else:
            raise ConfigurationError(f"params: {name!r} cannot be signed; there are version, {', '.join(OVERRIDES)}")
    return version, overrides
