"""Where Google's access tokens come from: nowhere, a callback, or whatever gcloud-aio-auth finds.

Service accounts, users, impersonation, workload identity and the metadata server are gcloud-aio-auth's
(https://docs.cloud.google.com/docs/authentication/application-default-credentials). A token is what goes into the
Authorization header, with its scheme.
"""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, cast, runtime_checkable

from aiostore._http.renewal import Renewable, asked
from aiostore._http.tls import tls_context
from aiostore.drivers.gcs_signing import load_key
from aiostore.errors import (
    ConfigurationError,
    ConnectionLostError,
    StoreError,
    UnauthenticatedError,
    UnavailableError,
)
from aiostore.policies import ClientOptions

if TYPE_CHECKING:
    from gcloud.aio.auth import Token

SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
"""What tokens are asked for; what they may do is decided by the roles of the account."""

TIMEOUT: Final = 10
"""Seconds that one request for a token may take."""


@runtime_checkable
class TokenProvider(Protocol):
    """Answers with the value of the Authorization header, ``""`` for none. Pickled as configuration."""

    def ready(self, now: float) -> str | None:
        """What is valid at ``now`` without waiting, or None if :meth:`fetch` must be awaited."""
        ...

    async def fetch(self, stale: str | None = None) -> str:
        """A valid one, fetched if necessary; another than ``stale``, which the service refused, if there is any.

        Raises:
            UnauthenticatedError, ConfigurationError: if there is none, or how to get it is not clear.
            TransientError: if asking again may help.
        """
        ...


TokenValue: TypeAlias = str | tuple[str, datetime | float | None] | Mapping[str, object]
"""A token; or a token and when it ends, as a pair or as ``access_token`` and ``expires_at``."""

TokenCallback: TypeAlias = Callable[[], TokenValue | Awaitable[TokenValue]]
"""Answers with a token or an awaitable of one; the end is an aware datetime or seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Anonymous:
    """Requests without a token."""

    def ready(self, now: float) -> str:
        return ""

    async def fetch(self, stale: str | None = None) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """The key of a service account, which also signs URLs."""

    email: str
    private_key: str = field(repr=False)


class CallbackToken(Renewable[str]):
    """Tokens from a function of the caller's, sync (called in a worker thread) or async."""

    __slots__ = ("_callback",)

    def __init__(self, callback: TokenCallback) -> None:
        super().__init__()
        self._callback = callback

    async def _load(self) -> tuple[str, float | None]:
        return _parse_token(await asked(self._callback))

    def __reduce__(self) -> tuple[type[CallbackToken], tuple[TokenCallback]]:
        return CallbackToken, (self._callback,)


def _typed(info: Mapping[str, object]) -> Mapping[str, object]:
    """A workload's credentials with the type of their source, which files leave to be guessed.

    gcloud-aio-auth guesses it as of 5.6, which does not run on the first releases of Python 3.11.
    """
    source = info.get("credential_source")
    if not isinstance(source, Mapping) or "type" in source:
        return info
    kind = next((name for name in ("file", "url") if name in source), None)
    return info if kind is None else {**info, "credential_source": {**source, "type": kind}}


class GoogleToken(Renewable[str]):
    """Tokens from gcloud-aio-auth, one request (or two, to impersonate) for each.

    ``source`` is the content of a credentials file, or its path, or None for application default credentials, which
    are looked for when the first token is needed. ``options`` say which authorities and which proxy lead to who issues
    the tokens. Pickled without tokens; with ``source`` as it was given.
    """

    __slots__ = ("_info", "_options", "_source")

    def __init__(self, source: Mapping[str, object] | Path | None = None, options: ClientOptions | None = None) -> None:
        super().__init__()
        self._source = source
        self._options = ClientOptions() if options is None else options
        self._info: Mapping[str, object] | None = None

    def __reduce__(self) -> tuple[type[GoogleToken], tuple[Mapping[str, object] | Path | None, ClientOptions]]:
        return GoogleToken, (self._source, self._options)

    @property
    def info(self) -> Mapping[str, object]:
        """The content of the credentials file; empty if there is none, for then the metadata server is asked.

        Raises:
            ConfigurationError: if there is one that cannot be used.
        """
        if self._info is None:
            self._info = _typed(_read(self._source))
        return self._info

    @property
    def account(self) -> ServiceAccount | None:
        """The service account whose private key is at hand."""
        email, key = self.info.get("client_email"), self.info.get("private_key")
        if isinstance(email, str) and isinstance(key, str):
            return ServiceAccount(email, key)
        return None

    async def email(self) -> str:
        """The e-mail address of the service account that the tokens are for.

        Raises:
            ConfigurationError: if they are for no service account.
        """
        if (account := self.account) is not None:
            return account.email
        uri = self.info.get("service_account_impersonation_url")
        if isinstance(uri, str):
            return uri.rpartition("/serviceAccounts/")[2].partition(":")[0]
        if self.info:
            raise ConfigurationError(
                "only service accounts can sign: use the key of one, or impersonate one "
                "(gcloud auth application-default login --impersonate-service-account=...)"
            )
        url = f"{_metadata_server()}/computeMetadata/v1/instance/service-accounts/default/email"
        email: str = await self._ask(lambda token: _email(token, url))
        return email.strip()

    async def _load(self) -> tuple[str, float | None]:
        value, seconds = await self._ask(_refresh)
        return f"Bearer {value}", time.time() + seconds

    async def _ask(self, question: Callable[[Token], Awaitable[Any]]) -> Any:
        """Put a question to gcloud-aio-auth, over a session of its own that ends with it."""
        try:
            from gcloud.aio.auth import Token
        except ImportError as error:
            raise ConfigurationError(
                "Google's credentials need gcloud-aio-auth: pip install 'aiostore[gcs]'; or give a callback that "
                "returns tokens, or use skip_signature=True for public data"
            ) from error
        import aiohttp

        info, account = self.info, self.account
        # Or it would be read, and its numbers be checked, for every token, which holds the event loop up.
        key = None if account is None else load_key(account.private_key)
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls_context(self._options)),
            # The metadata server is no farther than the machine.
            proxy=self._options.proxy if info else None,
            trust_env=bool(info),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT),
        ) as session:
            try:
                # Without a file gcloud-aio-auth would look for one itself, and take one that it cannot read for none.
                file = io.StringIO(json.dumps(info))
                # The cast: gcloud-aio-auth's own type is that of its twin for requests.
                token = Token(service_file=file, session=cast("Any", session), scopes=[SCOPE])
                if key is not None:
                    token.service_data["private_key"] = key
                if not info:
                    path = "/computeMetadata/v1/instance/service-accounts/default/token?recursive=true"
                    token.token_uri = _metadata_server() + path
                return await question(token)
            except (KeyError, ValueError) as error:
                # The message may hold what it could not read.
                raise ConfigurationError(
                    f"the credentials cannot be used: {type(error).__name__}; check the file they come from"
                ) from None
            except (aiohttp.ClientError, OSError) as error:
                # Nothing of the error itself: it holds the request, with its tokens.
                raise _token_error(error, asked=bool(info)) from None


async def _refresh(token: Token) -> tuple[str, int]:
    # Not acquire_access_token(), which sends again by its own rules: retries are the store's.
    answer = await token.refresh(timeout=TIMEOUT)
    return answer.value, answer.expires_in


async def _email(token: Token, url: str) -> str:
    answer = await token.session.get(url, headers={"metadata-flavor": "Google"}, timeout=TIMEOUT)
    text: str = await answer.text()
    return text


def _metadata_server() -> str:
    host = os.environ.get("GCE_METADATA_HOST") or os.environ.get("GCE_METADATA_ROOT") or "metadata.google.internal"
    return f"http://{host}"


def _token_error(error: Exception, *, asked: bool) -> StoreError:
    status = getattr(error, "status", None)
    if isinstance(status, int):
        if status in {408, 429} or status >= 500:
            return UnavailableError(f"the service that issues tokens answered with HTTP status {status}")
        return UnauthenticatedError(
            f"the service that issues tokens refused the credentials (HTTP status {status}); renew them"
        )
    if asked:
        return ConnectionLostError(f"the service that issues tokens cannot be reached: {type(error).__name__}")
    return UnauthenticatedError(
        "there are no credentials: give credentials=, set GOOGLE_APPLICATION_CREDENTIALS, run 'gcloud auth "
        "application-default login', or use skip_signature=True for public data; and no metadata server answers "
        f"({type(error).__name__})"
    )


def _read(source: Mapping[str, object] | Path | None) -> Mapping[str, object]:
    if isinstance(source, Mapping):
        return _check(source, "credentials")
    named = source
    if named is None and (variable := os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")):
        named = Path(variable)
    path = named or _well_known()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if named is None:
            return {}
        raise ConfigurationError(f"there is no credentials file {path}") from None
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"the credentials file {path} cannot be read: {type(error).__name__}") from None
    if not isinstance(content, dict):
        raise ConfigurationError(f"the credentials file {path} holds no JSON object")
    return _check(content, f"the credentials file {path}")


def _well_known() -> Path:
    """Where gcloud keeps the user's application default credentials."""
    if directory := os.environ.get("CLOUDSDK_CONFIG"):
        return Path(directory) / "application_default_credentials.json"
    if os.name == "nt":
        return Path(os.environ.get("APPDATA", "C:\\")) / "gcloud" / "application_default_credentials.json"
    home = os.environ.get("HOME") or "/"
    return Path(home) / ".config" / "gcloud" / "application_default_credentials.json"


_TYPES: Final = ("authorized_user", "external_account", "impersonated_service_account", "service_account")


def _check(info: Mapping[str, object], what: str) -> Mapping[str, object]:
    if info.get("type") not in _TYPES:
        raise ConfigurationError(f"{what}: 'type' is one of {', '.join(_TYPES)}")
    return info


def _parse_token(value: object) -> tuple[str, float | None]:
    """What a callback answered as the header's value, and when it ends."""
    expires_at: object = None
    if isinstance(value, Mapping):
        token, expires_at = value.get("access_token"), value.get("expires_at")
    elif isinstance(value, tuple) and len(value) == 2:
        token, expires_at = value
    else:
        token = value
    if not isinstance(token, str) or not token:
        raise ConfigurationError("the credentials callback answers without a token")
    if isinstance(expires_at, datetime):
        expires_at = (expires_at if expires_at.tzinfo else expires_at.replace(tzinfo=UTC)).timestamp()
    if not isinstance(expires_at, int | float | None):
        raise ConfigurationError("expires_at is an aware datetime or seconds since the epoch")
    return f"Bearer {token}", expires_at


def provider(
    credentials: TokenProvider | TokenCallback | Mapping[str, object] | str | Path | None,
    *,
    skip_signature: bool,
    options: ClientOptions | None = None,
) -> TokenProvider:
    """The provider that a store's arguments mean.

    Raises:
        ConfigurationError: if they contradict each other, or are none of what they can be.
    """
    if skip_signature:
        if credentials is not None:
            raise ConfigurationError("choose one of credentials and skip_signature")
        return Anonymous()
    if credentials is None:
        return GoogleToken(None, options)
    if isinstance(credentials, str | Path):
        return GoogleToken(Path(credentials), options)
    if isinstance(credentials, Mapping):
        return GoogleToken(_check(credentials, "credentials"), options)
    if isinstance(credentials, TokenProvider):
        return credentials
    if callable(credentials):
        return CallbackToken(credentials)
    raise ConfigurationError(
        "credentials is the path or the content of a credentials file, or a function, sync or async, that returns a "
        "token, or a token and when it ends"
    )
