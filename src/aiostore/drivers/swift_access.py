"""What a request to Swift needs: a token and the account's URL, of Keystone, of v1 authentication, or ready-made."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Final, NamedTuple, NoReturn, Protocol
from urllib.parse import urljoin

from aiostore._http.client import Transport
from aiostore._http.redaction import redact
from aiostore._http.renewal import Renewable
from aiostore._http.response import Response
from aiostore._http.status import error_from_status
from aiostore.body import Buffers
from aiostore.drivers.keystone import Grant, Identity, endpoint_of, read_grant, tokens_url
from aiostore.errors import ConfigurationError, StoreError, UnauthenticatedError, UnavailableError

_LONGEST: Final = 4 * 1024**2
"""Bytes of an answer of the identity service; large clouds have catalogues of some hundred KiB."""


class Access(NamedTuple):
    """The token, empty for what everybody may read, and the account's URL without a slash at its end."""

    token: str
    url: str


class AccessProvider(Protocol):
    """Answers with the access to use; see :class:`aiostore._http.renewal.Renewable`."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no message may repeat."""
        ...

    def ready(self, now: float) -> Access | None:
        """The access that is valid at ``now`` without waiting, or None if :meth:`fetch` must be awaited."""
        ...

    async def fetch(self, stale: Access | None = None) -> Access:
        """A valid access; another than ``stale``, which the service refused, if there is one."""
        ...


class ReadyAccess:
    """A token and URL that were given literally; a pickle holds them."""

    __slots__ = ("_access",)

    def __init__(self, token: str, url: str) -> None:
        self._access = Access(token, url.rstrip("/"))

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self._access.token,)

    def ready(self, now: float) -> Access:
        return self._access

    async def fetch(self, stale: Access | None = None) -> Access:
        return self._access

    def __reduce__(self) -> tuple[type[ReadyAccess], tuple[str, str]]:
        return ReadyAccess, (self._access.token, self._access.url)


class TempAuth(Renewable[Access]):
    """The v1 authentication of Swift's TempAuth, of Ceph's gateway and of others.

    https://docs.openstack.org/swift/latest/overview_auth.html#tempauth
    """

    __slots__ = ("_key", "_storage_url", "_transport", "_url", "_user")

    def __init__(self, url: str, user: str, key: str, storage_url: str | None, transport: Transport) -> None:
        super().__init__()
        self._url = url
        self._user = user
        self._key = key
        self._storage_url = storage_url
        self._transport = transport

    def __reduce__(self) -> tuple[object, ...]:
        return TempAuth, (self._url, self._user, self._key, self._storage_url, self._transport)

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self._key, *_tokens(self._lease))

    async def _load(self) -> tuple[Access, float | None]:
        headers = {"x-auth-user": self._user, "x-auth-key": self._key}
        response = await self._transport.request("GET", self._url, headers)
        data = await _read(response)
        if response.status not in {200, 204}:
            _refuse(response, data, self.secrets)
        token, url = response.headers.get("x-auth-token"), response.headers.get("x-storage-url")
        if not token or not (url or self._storage_url):
            raise UnavailableError("the authentication's answer holds no token or no storage URL; is auth_url right?")
        lifetime = response.headers.get("x-auth-token-expires", "")
        expires_at = time.time() + int(lifetime) if lifetime.isdecimal() else None
        return Access(token, (self._storage_url or urljoin(self._url, url or "")).rstrip("/")), expires_at


class KeystoneAccess(Renewable[Access]):
    """A token of Keystone, and the object store that its catalogue names."""

    __slots__ = ("_identity", "_interface", "_region", "_storage_url", "_transport", "_url")

    def __init__(
        self,
        auth_url: str,
        identity: Identity,
        interface: str,
        region: str | None,
        storage_url: str | None,
        transport: Transport,
    ) -> None:
        super().__init__()
        self._url = tokens_url(auth_url)
        self._identity = identity
        self._interface = interface
        self._region = region
        self._storage_url = storage_url
        self._transport = transport

    def __reduce__(self) -> tuple[object, ...]:
        settings = (self._url, self._identity, self._interface, self._region, self._storage_url, self._transport)
        return KeystoneAccess, settings

    @property
    def secrets(self) -> tuple[str, ...]:
        return (*self._identity.secrets, *_tokens(self._lease))

    async def _load(self) -> tuple[Access, float | None]:
        grant = await self._look_up() if self._identity.validates else await self._ask()
        url = self._storage_url or endpoint_of(grant.catalog, self._interface, self._region)
        return Access(grant.token, url.rstrip("/")), grant.expires_at

    async def _ask(self) -> Grant:
        data = json.dumps(self._identity.document()).encode()
        headers = {"content-type": "application/json", "accept": "application/json"}
        response = await self._transport.request("POST", self._url, headers, Buffers((data,), len(data)))
        return await self._grant(response, response.headers.get("x-subject-token", ""))

    async def _look_up(self) -> Grant:
        token = self._identity.token or ""
        headers = {"x-auth-token": token, "x-subject-token": token, "accept": "application/json"}
        return await self._grant(await self._transport.request("GET", self._url, headers), token)

    async def _grant(self, response: Response, token: str) -> Grant:
        data = await _read(response)
        if response.status not in {200, 201}:
            _refuse(response, data, self.secrets)
        try:
            document = json.loads(data)
        except ValueError:
            raise UnavailableError("the identity service's answer is not JSON; is auth_url right?") from None
        return read_grant(token, document)


def _tokens(lease: object) -> tuple[str, ...]:
    value = getattr(lease, "value", None)
    return (value.token,) if isinstance(value, Access) else ()


async def _read(response: Response) -> bytes:
    chunks, size = [], 0
    try:
        while size < _LONGEST and (chunk := await response.next_chunk()):
            chunks.append(chunk)
            size += len(chunk)
    finally:
        await response.aclose()
    return b"".join(chunks)


def _refuse(response: Response, data: bytes, secrets: tuple[str, ...]) -> NoReturn:
    """Raise what an answer means that grants nothing."""
    said = _message(data)
    detail = f": {redact(said, secrets)[:300]}" if said else ""
    status = response.status
    if status == 401:
        raise UnauthenticatedError(f"the identity service refuses the credentials; they are wrong or expired{detail}")
    error: StoreError = error_from_status(status, headers=response.headers)
    if status == 404:
        raise ConfigurationError(f"there is no identity service at auth_url (404){detail}")
    if 300 <= status < 400:
        raise error
    raise type(error)(f"the identity service answered with HTTP status {status}{detail}") from None


def _message(data: bytes) -> str:
    """What Keystone says of an error; nothing else is shown."""
    try:
        document = json.loads(data)
    except ValueError:
        return ""
    error = document.get("error") if isinstance(document, Mapping) else None
    message = error.get("message") if isinstance(error, Mapping) else None
    return message if isinstance(message, str) else ""
