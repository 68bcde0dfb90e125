"""Azure's signatures: shared key, service SAS and user-delegation SAS. Pure functions of what is signed.

https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
https://learn.microsoft.com/rest/api/storageservices/create-service-sas
https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from operator import itemgetter
from typing import Final, NamedTuple
from urllib.parse import quote

from aiostore.errors import ConfigurationError

VERSION: Final = "2024-11-04"
"""The version of the service that is spoken, in requests and in signatures."""

MAX_DELEGATED: Final = 7 * 86_400
"""Seconds that a user-delegation key, and what it signs, may live."""

MAX_EXPIRES_IN: Final = 3650 * 86_400
"""Seconds that a signature with the account's key may live: ours, for the service knows no limit."""

_STANDARD: Final = (
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)
"""The headers that are signed by their place, behind Content-Encoding, Content-Language and Content-Length."""

OVERRIDES: Final = {
    "response-cache-control": "rscc",
    "response-content-disposition": "rscd",
    "response-content-encoding": "rsce",
    "response-content-language": "rscl",
    "response-content-type": "rsct",
}
"""The parameters of a signed URL that replace headers of the answer, by the name that other services give them."""


class _Layout(NamedTuple):
    template: str
    in_order: Callable[[Mapping[str, str]], tuple[str, ...]]


@lru_cache(maxsize=1024)
def _lay_out(names: tuple[str, ...]) -> _Layout:
    """How requests with headers of these names are signed; ``x-ms-date`` and ``x-ms-version`` are among them."""
    own = sorted((name for name in names if name.startswith("x-ms-")), key=_place)
    standard = [name for name in _STANDARD if name in names]
    lines = ["%s\n" if name in names else "\n" for name in _STANDARD]
    lines += [f"{name}:%s\n" for name in own]
    return _Layout("".join(lines), itemgetter(*standard, *own))


def _place(name: str) -> str:
    # The service sorts as people do: an underscore comes before digits and letters, not between them.
    return name.replace("_", "!")


class SharedKey:
    """The key of an account; signs requests. Threads and event loops may share it, and its repr shows the account."""

    __slots__ = ("_inner", "_name", "_outer", "_secret", "account")

    def __init__(self, account: str, key: str) -> None:
        """``key`` is in base64, as the portal shows it.

        Raises:
            ConfigurationError: if it is not.
        """
        try:
            secret = base64.b64decode(key, validate=True)
        except (binascii.Error, ValueError):
            raise ConfigurationError("account_key is not base64; copy it from the account's access keys") from None
        if not secret:
            raise ConfigurationError("account_key is empty; copy it from the account's access keys")
        self.account = account
        self._name = f"SharedKey {account}:"
        self._secret = secret
        block = (sha256(secret).digest() if len(secret) > 64 else secret).ljust(64, b"\0")
        # HMAC written out (RFC 2104): copies of two hash states take half the time of hmac.digest().
        self._inner = sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = sha256(bytes(byte ^ 0x5C for byte in block))

    def __reduce__(self) -> tuple[type[SharedKey], tuple[str, str]]:
        return SharedKey, (self.account, self.text)

    def __repr__(self) -> str:
        return f"SharedKey({self.account!r})"

    @property
    def text(self) -> str:
        """The key as it was given."""
        return base64.b64encode(self._secret).decode()

    def authorize(
        self, method: str, path: str, query: Sequence[tuple[str, str]], headers: Mapping[str, str], size: int
    ) -> str:
        """Return the Authorization header.

        ``path`` is as it is sent, ``query`` is not encoded, names of ``headers`` are in lower case, and ``size`` is the
        Content-Length, 0 if there is no body.
        """
        template, in_order = _lay_out(tuple(headers))
        get = headers.get
        text = (
            f"{method}\n{get('content-encoding', '')}\n{get('content-language', '')}\n{size or ''}\n"
            f"{template % in_order(headers)}/{self.account}{path}"
        )
        if query:
            text += "".join(f"\n{name}:{value}" for name, value in sorted(query))
        inner = self._inner.copy()
        inner.update(text.encode())
        outer = self._outer.copy()
        outer.update(inner.digest())
        return self._name + base64.b64encode(outer.digest()).decode()

    def sign(self, text: str) -> str:
        """Return the signature of ``text``, in base64."""
        return _sign(self._secret, text)


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegationKey:
    """What Entra's users sign with: a key that the service has given them for a while.

    https://learn.microsoft.com/rest/api/storageservices/get-user-delegation-key
    """

    object_id: str
    tenant_id: str
    start: str
    expiry: str
    service: str
    version: str
    value: str = field(repr=False)


class Grant(NamedTuple):
    """What a signed URL allows: ``permissions`` on one object until ``expiry``, its snapshot or version if named."""

    account: str
    container: str
    key: str
    permissions: str
    expiry: datetime
    https_only: bool
    version: str | None = None
    overrides: Mapping[str, str] = {}
    scope: str = ""

    @property
    def resource(self) -> str:
        """The kind of what is granted."""
        if self.version is None:
            return "b"
        return "bs" if self.version.startswith(SNAPSHOT) else "bv"


SNAPSHOT: Final = "snapshot:"
"""What the version of a snapshot begins with here: its time alone would look like the version of a blob."""


def service_sas(grant: Grant, key: SharedKey) -> str:
    """Return the query that grants, signed with the account's key."""
    fields = _fields(grant)
    text = "\n".join([*_head(fields, grant), "", *_tail(fields, grant)])
    return _query({**fields, "sig": key.sign(text)})


def delegation_sas(grant: Grant, key: DelegationKey) -> str:
    """Return the query that grants what a user may, signed with the user's delegation key."""
    fields = _fields(grant)
    delegated = {
        "skoid": key.object_id,
        "sktid": key.tenant_id,
        "skt": key.start,
        "ske": key.expiry,
        "sks": key.service,
        "skv": key.version,
    }
    text = "\n".join([*_head(fields, grant), *delegated.values(), "", "", "", *_tail(fields, grant)])
    return _query({**fields, **delegated, "sig": _sign(base64.b64decode(key.value), text)})


def timestamp(moment: datetime) -> str:
    """Return a time as signatures hold it, fractions of seconds dropped."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _fields(grant: Grant) -> dict[str, str]:
    fields = {
        "sp": grant.permissions,
        "se": timestamp(grant.expiry),
        "spr": "https" if grant.https_only else "",
        "sv": VERSION,
        "sr": grant.resource,
        "ses": grant.scope,
    }
    return fields | {short: grant.overrides.get(short, "") for short in OVERRIDES.values()}


def _head(fields: Mapping[str, str], grant: Grant) -> list[str]:
    return [fields["sp"], "", fields["se"], f"/blob/{grant.account}/{grant.container}/{grant.key}"]


def _tail(fields: Mapping[str, str], grant: Grant) -> list[str]:
    version = (grant.version or "").removeprefix(SNAPSHOT)
    tail = ["", fields["spr"], fields["sv"], fields["sr"], version, fields["ses"]]
    return tail + [fields[short] for short in OVERRIDES.values()]


def _query(fields: Mapping[str, str]) -> str:
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items() if value)


def _sign(secret: bytes, text: str) -> str:
    return base64.b64encode(hmac.digest(secret, text.encode(), "sha256")).decode()
