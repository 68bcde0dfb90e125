"""Where the requests of an account go, and how containers and keys become paths.

https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import quote, urlsplit

from aiostore._http.path import encode_path
from aiostore.errors import ConfigurationError, InvalidKeyError

EMULATOR_ACCOUNT: Final = "devstoreaccount1"
EMULATOR_KEY: Final = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The account that every Azurite has, and its key, which is no secret.

https://learn.microsoft.com/azure/storage/common/storage-connect-azurite#well-known-storage-account-and-key
"""

EMULATOR_ENDPOINT: Final = f"http://127.0.0.1:10000/{EMULATOR_ACCOUNT}"
SUFFIX: Final = "core.windows.net"

_CONTAINER: Final = re.compile(r"\$root|\$web|\$logs|(?=.{3,63}$)[a-z0-9](?:-?[a-z0-9])*")
_ACCOUNT: Final = re.compile(r"[a-z0-9]{3,24}(?:-secondary)?")
_IP: Final = re.compile(r"[0-9.]+|\[.*\]|localhost")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class Address(NamedTuple):
    """An account's Blob service: ``base`` + ``root`` + container is a URL. ``named``: its host begins with the account.

    ``emulator``: it is Azurite, for the account stands in the path.
    """

    account: str
    base: str
    root: str
    emulator: bool

    @property
    def is_tls(self) -> bool:
        """Whether requests are encrypted on their way."""
        return self.base.startswith("https:")


def locate(account: str | None, endpoint: str | None, suffix: str = SUFFIX) -> Address:
    """Return the address of an account, at an endpoint or where Azure has it.

    Raises:
        ConfigurationError: if neither names the account, or the endpoint is not a URL.
    """
    if endpoint is None:
        if account is None:
            raise ConfigurationError(
                "the storage account is not known; give account=, endpoint= or connection_string=, or set "
                "AZURE_STORAGE_ACCOUNT"
            )
        if _ACCOUNT.fullmatch(account) is None:
            raise ConfigurationError(f"{account!r} is not the name of a storage account: 3 to 24 letters and digits")
        return Address(_primary(account), f"https://{account}.blob.{suffix}", "/", emulator=False)
    scheme, host, path = _split(endpoint)
    if _IP.fullmatch(host.partition(":")[0] if host[0] != "[" else host.partition("]")[0] + "]") is not None:
        # An address has no room for the account's name, so it stands in the path.
        account = path or account or EMULATOR_ACCOUNT
        return Address(account.partition("/")[0], f"{scheme}://{host}", f"/{quote(account)}/", emulator=True)
    if path:
        raise ConfigurationError(f"the endpoint {_shown(endpoint)!r} has a path; containers have their own argument")
    label, _, rest = host.partition(".")
    if rest.startswith("dfs."):
        host = f"{label}.blob.{rest.removeprefix('dfs.')}"
    return Address(account or _primary(label), f"{scheme}://{host}", "/", emulator=False)


def _primary(account: str) -> str:
    """The name that signatures hold: the secondary endpoint, for reads, is of the same account."""
    return account.removesuffix("-secondary")


def check_container(container: str) -> str:
    """Return ``container`` if it can be the name of one.

    Raises:
        ConfigurationError: if it cannot.
    """
    if _CONTAINER.fullmatch(container) is None:
        raise ConfigurationError(
            f"{container!r} is not a container name: 3 to 63 lower-case letters, digits and single hyphens; prefixes "
            "have their own option"
        )
    return container


def encode_key(key: str) -> str:
    r"""Return a key as it stands in a path.

    Raises:
        InvalidKeyError: if the service would take it for another key: it turns ``\`` into ``/``, drops a full stop at
            the end, and resolves segments of ``.`` and ``..``, however they are encoded.
    """
    if "\\" in key or ("." in key and (key[-1] == "." or not {".", ".."}.isdisjoint(key.split("/")))):
        raise InvalidKeyError(
            "Azure would take this for another key: a key has no backslash, no segment '.' or '..', and does not end "
            "with a full stop",
            key=key,
        )
    return encode_path(key)


def encode_query(pairs: list[tuple[str, str]] | tuple[tuple[str, str], ...]) -> str:
    """Return the parameters as they stand in a URL."""
    return "&".join(f"{name}={quote(value, safe='~')}" for name, value in pairs)


def _split(url: str) -> tuple[str, str, str]:
    """Return scheme, host with its port, and the path without its slashes."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigurationError(f"the endpoint {_shown(url)!r} is not a URL; check its host and port") from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ConfigurationError(
            f"the endpoint {_shown(url)!r} is not a URL; it looks like 'https://account.blob.core.windows.net' or "
            f"{EMULATOR_ENDPOINT!r}"
        )
    if "@" in parts.netloc:
        raise ConfigurationError("the endpoint holds credentials; give them as account_key or sas_token")
    if parts.query or parts.fragment:
        raise ConfigurationError(f"the endpoint {_shown(url)!r} cannot have a query or a fragment; see sas_token")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    if port is not None and port != _DEFAULT_PORTS[parts.scheme]:
        host = f"{host}:{port}"
    return parts.scheme, host, parts.path.strip("/")


def _shown(url: str) -> str:
    """The URL without what may be secret: its user and its query."""
    return re.sub(r"//.*@", "//***@", re.sub(r"[?#].*", "", url, flags=re.DOTALL), flags=re.DOTALL)
