"""Where AWS keys come from: literals, the environment, a callback, a session, or the whole chain of aiobotocore.

A provider is asked once per request, so what is still valid is answered without waiting. A refresh is shared by all who
wait for it in one event loop, starts ahead of the expiry, and may fail as long as the old keys are valid.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NoReturn, Protocol, TypeAlias, runtime_checkable

from aiostore._http.renewal import Renewable, asked
from aiostore.drivers.sigv4 import Credentials
from aiostore.errors import ConfigurationError, StoreError, TransientError, UnauthenticatedError, UnavailableError

if TYPE_CHECKING:
    from aiobotocore.session import AioSession

ANONYMOUS: Final = Credentials("", "")
"""Stands for requests without a signature."""


@runtime_checkable
class CredentialsProvider(Protocol):
    """Answers with the keys to sign with. Pickled with the store: as configuration, never with fetched keys."""

    def ready(self, now: float) -> Credentials | None:
        """Keys that are valid at ``now`` without waiting, or None if :meth:`fetch` must be awaited."""
        ...

    async def fetch(self, stale: Credentials | None = None) -> Credentials:
        """Valid keys, fetched if necessary; others than ``stale``, which the service refused, if there are any.

        Raises:
            UnauthenticatedError, ConfigurationError: if there are none, or how to get them is not clear.
            TransientError: if asking again may help.
        """
        ...


CredentialsValue: TypeAlias = Credentials | Mapping[str, object] | object
"""Keys as items or attributes: ``access_key_id``, ``secret_access_key``, optional ``session_token``, ``expires_at``."""

CredentialsCallback: TypeAlias = Callable[[], CredentialsValue | Awaitable[CredentialsValue]]
"""Answers with keys, or an awaitable of keys; ``expires_at`` is an aware datetime or seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class StaticCredentials:
    """Keys that were given literally; a pickle holds them."""

    credentials: Credentials

    def ready(self, now: float) -> Credentials:
        return self.credentials

    async def fetch(self, stale: Credentials | None = None) -> Credentials:
        return self.credentials


class EnvironmentCredentials:
    """AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, read again when the service refuses them."""

    __slots__ = ("_credentials",)

    def __init__(self) -> None:
        self._credentials: Credentials | None = None

    @staticmethod
    def present() -> bool:
        """Whether the environment has keys."""
        return bool(os.environ.get("AWS_ACCESS_KEY_ID") and os.environ.get("AWS_SECRET_ACCESS_KEY"))

    def ready(self, now: float) -> Credentials | None:
        return self._credentials

    async def fetch(self, stale: Credentials | None = None) -> Credentials:
        if self._credentials is None or self._credentials is stale:
            if not self.present():
                raise UnauthenticatedError(
                    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set; set them, or give the keys to the store"
                )
            environment = os.environ
            self._credentials = Credentials(
                environment["AWS_ACCESS_KEY_ID"],
                environment["AWS_SECRET_ACCESS_KEY"],
                environment.get("AWS_SESSION_TOKEN") or None,
            )
        return self._credentials

    def __reduce__(self) -> tuple[type[EnvironmentCredentials], tuple[()]]:
        return EnvironmentCredentials, ()


class CallbackCredentials(Renewable[Credentials]):
    """Keys from a function of the caller's, sync (called in a worker thread) or async."""

    __slots__ = ("_callback",)

    def __init__(self, callback: CredentialsCallback) -> None:
        super().__init__()
        if not callable(callback):
            raise ConfigurationError(
                "credentials is a function, sync or async, that returns access_key_id, secret_access_key and, if they "
                "have any, session_token and expires_at"
            )
        self._callback = callback

    async def _load(self) -> tuple[Credentials, float | None]:
        return parse_credentials(await asked(self._callback))

    def __reduce__(self) -> tuple[type[CallbackCredentials], tuple[CredentialsCallback]]:
        return CallbackCredentials, (self._callback,)


class ChainCredentials(Renewable[Credentials]):
    """Whatever aiobotocore finds: profiles, SSO, assume-role, web identity, container, instance metadata, process.

    Every fetch walks the chain anew, so that no state of one event loop is used in another.
    """

    __slots__ = ("_profile",)

    def __init__(self, profile: str | None = None) -> None:
        super().__init__()
        self._profile = profile

    async def _load(self) -> tuple[Credentials, float | None]:
        session = self._session()
        return await _from_botocore(session)

    def _session(self) -> AioSession:
        try:
            from aiobotocore.session import AioSession
        except ImportError as error:
            raise ConfigurationError(
                "there are no credentials: give access_key_id and secret_access_key, set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or use skip_signature=True for public data. Profiles, SSO, roles, web identity "
                "and instance metadata need aiobotocore: pip install 'aiostore[aws]'"
            ) from error
        return AioSession(profile=self._profile)

    def __reduce__(self) -> tuple[type[ChainCredentials], tuple[str | None]]:
        return ChainCredentials, (self._profile,)


class SessionCredentials(Renewable[Credentials]):
    """The keys of a session of boto3, botocore or aiobotocore, which refreshes them by its own rules."""

    __slots__ = ("_session",)

    def __init__(self, session: object) -> None:
        super().__init__()
        self._session = session

    async def _load(self) -> tuple[Credentials, float | None]:
        return await _from_botocore(self._session)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a session of boto3 or aiobotocore cannot be pickled; give a profile or a callback instead")


# --- reading what others answer -------------------------------------------------------------------------------------


def parse_credentials(value: CredentialsValue) -> tuple[Credentials, float | None]:
    """Return the keys that a callback answered, and when they expire in seconds since the epoch.

    Raises:
        ConfigurationError: if there are none in ``value``.
    """
    if isinstance(value, Credentials):
        return value, None

    def item(name: str) -> object:
        return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)

    access_key_id, secret, token = item("access_key_id"), item("secret_access_key"), item("session_token")
    if not (isinstance(access_key_id, str) and isinstance(secret, str) and access_key_id and secret):
        raise ConfigurationError("the credentials callback answers without access_key_id and secret_access_key")
    if not isinstance(token, str | None):
        raise ConfigurationError("the credentials callback answers with a session_token that is no str")
    return Credentials(access_key_id, secret, token or None), _parse_expiry(item("expires_at"))


def _parse_expiry(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, int | float):
        return float(value)
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        raise ConfigurationError("expires_at is an aware datetime, ISO 8601 text or seconds since the epoch") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


async def _from_botocore(session: object) -> tuple[Credentials, float | None]:
    """Ask a session; boto3's and botocore's may wait on the network, so they are asked in a worker thread."""
    get_credentials = getattr(session, "get_credentials", None)
    if get_credentials is None:
        raise ConfigurationError(
            f"a session of boto3, botocore or aiobotocore was expected, not {type(session).__name__}"
        )
    try:
        if inspect.iscoroutinefunction(get_credentials):
            found = await get_credentials()
            frozen = None if found is None else await found.get_frozen_credentials()
        else:
            found = await asyncio.to_thread(get_credentials)
            frozen = None if found is None else await asyncio.to_thread(found.get_frozen_credentials)
    except Exception as error:
        raise _botocore_error(error) from error
    if found is None or frozen is None or not frozen.access_key:
        raise UnauthenticatedError(
            "no credentials were found by AWS's chain; configure a profile, set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or use skip_signature=True for public data"
        )
    # botocore has no public name for the expiry.
    expiry = getattr(found, "_expiry_time", None)
    credentials = Credentials(frozen.access_key, frozen.secret_key, frozen.token or None)
    return credentials, expiry.timestamp() if isinstance(expiry, datetime) else None


def _botocore_error(error: Exception) -> StoreError:
    name = type(error).__name__
    if name in {"ProfileNotFound", "InvalidConfigError", "PartialCredentialsError", "ConfigParseError"}:
        return ConfigurationError(f"AWS's configuration cannot be used: {error}")
    if name in {"SSOTokenLoadError", "UnauthorizedSSOTokenError", "TokenRetrievalError", "SSOError"}:
        return UnauthenticatedError(f"the single sign-on session has ended; run 'aws sso login' ({name})")
    kind: type[TransientError | UnauthenticatedError] = UnavailableError
    if name == "ClientError":
        kind = UnauthenticatedError
    return kind(f"AWS's chain of credentials failed: {name}")
