"""Where keys come from: literals, the environment, or a callback.

https://www.alibabacloud.com/help/en/oss/developer-reference/oss-sdk-for-python-configure-access-credentials
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol, TypeAlias

from aiostore._http.renewal import Renewable, asked
from aiostore.drivers.oss_auth import Credentials
from aiostore.errors import ConfigurationError, UnauthenticatedError

ANONYMOUS: Final = Credentials("", "")
"""Stands for requests without a signature."""

_ID, _SECRET, _TOKEN = "OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_SESSION_TOKEN"

CredentialsCallback: TypeAlias = Callable[[], object | Awaitable[object]]
"""Answers with keys, as items or attributes, or an awaitable of them: ``access_key_id``, ``access_key_secret``,
optional ``security_token`` and ``expires_at``, an aware datetime or seconds since the epoch."""


class CredentialsProvider(Protocol):
    """Answers with the keys to sign with."""

    def ready(self, now: float) -> Credentials | None:
        """Keys that are valid at ``now`` without waiting, or None if :meth:`fetch` must be awaited."""
        ...

    async def fetch(self, stale: Credentials | None = None) -> Credentials:
        """Valid keys; others than ``stale``, which the service refused, if there are any."""
        ...


@dataclass(frozen=True, slots=True)
class StaticCredentials:
    """Keys that were given literally; a pickle holds them."""

    credentials: Credentials

    def ready(self, now: float) -> Credentials:
        return self.credentials

    async def fetch(self, stale: Credentials | None = None) -> Credentials:
        return self.credentials


class EnvironmentCredentials:
    """OSS_ACCESS_KEY_ID, OSS_ACCESS_KEY_SECRET and OSS_SESSION_TOKEN, read again when the service refuses them."""

    __slots__ = ("_credentials",)

    def __init__(self) -> None:
        self._credentials: Credentials | None = None

    def __reduce__(self) -> tuple[type[EnvironmentCredentials], tuple[()]]:
        return EnvironmentCredentials, ()

    def ready(self, now: float) -> Credentials | None:
        return self._credentials

    async def fetch(self, stale: Credentials | None = None) -> Credentials:
        if self._credentials is None or self._credentials is stale:
            key, secret = os.environ.get(_ID), os.environ.get(_SECRET)
            if not key or not secret:
                raise UnauthenticatedError(
                    f"there are no credentials: give access_key_id and access_key_secret, set {_ID} and {_SECRET}, or "
                    "use skip_signature=True for public data"
                )
            self._credentials = Credentials(key, secret, os.environ.get(_TOKEN) or None)
        return self._credentials


class CallbackCredentials(Renewable[Credentials]):
    """Keys from a function of the caller's, sync (called in a worker thread) or async."""

    __slots__ = ("_callback",)

    def __init__(self, callback: CredentialsCallback) -> None:
        super().__init__()
        self._callback = callback

    def __reduce__(self) -> tuple[type[CallbackCredentials], tuple[CredentialsCallback]]:
        return CallbackCredentials, (self._callback,)

    async def _load(self) -> tuple[Credentials, float | None]:
        return _parse(await asked(self._callback))


def _parse(value: object) -> tuple[Credentials, float | None]:
    if isinstance(value, Credentials):
        return value, None

    def item(name: str) -> object:
        return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)

    key, secret, token, until = map(item, ("access_key_id", "access_key_secret", "security_token", "expires_at"))
    if not (isinstance(key, str) and isinstance(secret, str) and key and secret and isinstance(token, str | None)):
        raise ConfigurationError("the credentials callback answers without access_key_id and access_key_secret")
    if isinstance(until, datetime):
        until = (until if until.tzinfo else until.replace(tzinfo=UTC)).timestamp()
    if not isinstance(until, float | int | None):
        raise ConfigurationError("expires_at is an aware datetime or seconds since the epoch")
    return Credentials(key, secret, token or None), until
