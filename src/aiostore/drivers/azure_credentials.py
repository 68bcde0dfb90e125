"""Who a request is from: the account's key, a SAS token, a user of Entra, or nobody.

An :class:`Authorizer` adds to a request what proves it. What ends is fetched anew ahead of its end, once for all who
wait for it in one event loop.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Protocol, runtime_checkable
from urllib.parse import parse_qsl, quote

from aiostore._http.redaction import redact
from aiostore._http.renewal import Renewable
from aiostore.drivers.azure_auth import SharedKey
from aiostore.errors import ConfigurationError, ConnectionLostError, StoreError, UnauthenticatedError

SCOPE: Final = "https://storage.azure.com/.default"
"""What a token for Azure Storage is asked for."""

_UNREACHABLE: Final = frozenset({"ServiceRequestError", "ServiceResponseError", "HttpResponseError"})
"""The errors of Azure's own libraries that mean that the token service could not be asked."""


class AccessToken(Protocol):
    """A token of Entra, and when it ends in seconds since the epoch."""

    @property
    def token(self) -> str:
        """The token itself."""
        ...

    @property
    def expires_on(self) -> int:
        """When it ends."""
        ...


@runtime_checkable
class TokenCredential(Protocol):
    """What azure-identity's async credentials are, and whatever else answers with tokens."""

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:  # their signatures differ in the options
        """Answer with a token for ``scopes``."""
        ...


class Authorizer(Protocol):
    """Proves who requests are from."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no message may repeat."""
        ...

    def ready(self, now: float) -> bool:
        """Whether requests can be authorized without waiting; else :meth:`prepare` must be awaited."""
        ...

    async def prepare(self) -> None:
        """Fetch what requests are authorized with.

        Raises:
            UnauthenticatedError, ConfigurationError: if there is none, or how to get it is not clear.
            TransientError: if asking again may help.
        """
        ...

    async def renew(self) -> bool:
        """Fetch anew what the service refused; False if there is nothing else."""
        ...

    def authorize(
        self,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]],
        headers: MutableMapping[str, str],
        size: int,
    ) -> str:
        """Add to ``headers`` what proves the request; returns what its encoded query must hold besides."""
        ...


class _Ready:
    """What never ends."""

    __slots__ = ()

    def ready(self, now: float) -> bool:
        return True

    async def prepare(self) -> None:
        return

    async def renew(self) -> bool:
        return False


class KeyAuthorizer(_Ready):
    """Signs every request with the account's key."""

    __slots__ = ("key",)

    def __init__(self, key: SharedKey) -> None:
        self.key = key

    def __reduce__(self) -> tuple[type[KeyAuthorizer], tuple[SharedKey]]:
        return KeyAuthorizer, (self.key,)

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self.key.text,)

    def authorize(
        self,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]],
        headers: MutableMapping[str, str],
        size: int,
    ) -> str:
        headers["authorization"] = self.key.authorize(method, path, query, headers, size)
        return ""


class SasAuthorizer(_Ready):
    """Sends a shared access signature with every request."""

    __slots__ = ("_token",)

    def __init__(self, token: str | Mapping[str, str]) -> None:
        """``token`` is the query of a signed URL, with or without its question mark, or its parameters.

        Raises:
            ConfigurationError: if it holds no signature.
        """
        if isinstance(token, str):
            token = dict(parse_qsl(token.strip().removeprefix("?"), keep_blank_values=True))
        if "sig" not in token:
            raise ConfigurationError("sas_token is not a shared access signature: it looks like 'sv=…&sig=…'")
        self._token = "&".join(f"{name}={quote(value, safe='')}" for name, value in token.items())

    def __reduce__(self) -> tuple[type[SasAuthorizer], tuple[str]]:
        return SasAuthorizer, (self._token,)

    @property
    def token(self) -> str:
        """The signature's query, encoded."""
        return self._token

    @property
    def secrets(self) -> tuple[str, ...]:
        signature = dict(parse_qsl(self._token))["sig"]
        return (self._token, signature, quote(signature, safe=""))

    def authorize(
        self,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]],
        headers: MutableMapping[str, str],
        size: int,
    ) -> str:
        return self._token


class Anonymous(_Ready):
    """Sends requests that prove nothing, for containers that are public."""

    __slots__ = ()

    @property
    def secrets(self) -> tuple[str, ...]:
        return ()

    def authorize(
        self,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]],
        headers: MutableMapping[str, str],
        size: int,
    ) -> str:
        return ""


class _Tokens(Renewable[str]):
    """Tokens of a given credential, or of azure-identity's whole chain, as the header that carries them.

    Credentials that are made here are closed after each token, so that nothing of theirs stays open.
    """

    __slots__ = ("_credential", "header")

    def __init__(self, credential: TokenCredential | None) -> None:
        super().__init__()
        self._credential = credential
        self.header = ""

    async def _load(self) -> tuple[str, float | None]:
        try:
            if self._credential is not None:
                token = await self._credential.get_token(SCOPE)
            else:
                async with _default_credential() as credential:
                    token = await credential.get_token(SCOPE)
        except StoreError:
            raise
        except OSError as error:
            raise ConnectionLostError(f"the token service cannot be reached: {type(error).__name__}") from error
        except Exception as error:  # whatever a credential raises
            raise _meaning(error) from error
        self.header = f"Bearer {token.token}"
        return self.header, float(token.expires_on)


class TokenAuthorizer:
    """Sends a token of Entra with every request. A pickle holds the credential, and never a token."""

    __slots__ = ("_credential", "_tokens")

    def __init__(self, credential: TokenCredential | None = None) -> None:
        """``credential`` of None is what azure-identity finds."""
        self._credential = credential
        self._tokens = _Tokens(credential)

    def __reduce__(self) -> tuple[type[TokenAuthorizer], tuple[TokenCredential | None]]:
        return TokenAuthorizer, (self._credential,)

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self._tokens.header.removeprefix("Bearer "),)

    @property
    def header(self) -> str:
        """The header of the token that was fetched last."""
        return self._tokens.header

    def ready(self, now: float) -> bool:
        return self._tokens.ready(now) is not None

    async def prepare(self) -> None:
        await self._tokens.fetch()

    async def renew(self) -> bool:
        before = self._tokens.header
        return await self._tokens.fetch(before) != before

    def authorize(
        self,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]],
        headers: MutableMapping[str, str],
        size: int,
    ) -> str:
        headers["authorization"] = self._tokens.header
        return ""


def _meaning(error: Exception) -> StoreError:
    said = redact(str(error).strip())[:500]
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if kinds & _UNREACHABLE and "ClientAuthenticationError" not in kinds:
        return ConnectionLostError(f"the token service did not answer: {said}")
    return UnauthenticatedError(f"no token for Azure Storage: {said}")


def _default_credential() -> AbstractAsyncContextManager[TokenCredential]:
    try:
        from azure.identity.aio import DefaultAzureCredential
    except ImportError:
        raise ConfigurationError(
            "there are no credentials: give account_key, sas_token, connection_string or credential, set "
            "AZURE_STORAGE_KEY, or install the extra that finds Entra's: pip install 'aiostore[azure]'"
        ) from None
    made: AbstractAsyncContextManager[TokenCredential] = DefaultAzureCredential()
    return made


_PAIR: Final = re.compile(r"\s*([A-Za-z]+)\s*=(.*)", re.DOTALL)


def parse_connection_string(text: str) -> Mapping[str, str]:
    """Return the settings of a connection string, names in lower case.

    https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string

    Raises:
        ConfigurationError: if it is not made of ``Name=value`` pairs.
    """
    settings: dict[str, str] = {}
    for part in text.strip().split(";"):
        if not part.strip():
            continue
        found = _PAIR.fullmatch(part)
        if found is None:
            raise ConfigurationError("the connection string is not made of Name=value pairs with ';' between them")
        settings[found[1].lower()] = found[2].strip()
    return settings
