"""OpenStack's identity service, Keystone v3: who one is, and what its answer grants. Pure functions and values.

https://docs.openstack.org/api-ref/identity/v3/#authentication-and-token-management
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from aiostore.errors import ConfigurationError, UnavailableError

_INTERFACES: Final = {
    "public": "public",
    "publicurl": "public",
    "internal": "internal",
    "internalurl": "internal",
    "admin": "admin",
    "adminurl": "admin",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A domain by id or by name; the id wins."""

    id: str | None = None
    name: str | None = None

    def __bool__(self) -> bool:
        return self.id is not None or self.name is not None

    def document(self) -> dict[str, str]:
        """As Keystone wants it; a name alone is that of the default domain, as in every openrc file."""
        return {"id": self.id} if self.id is not None else {"name": self.name or "Default"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who asks for a token, and for which project. Exactly one of password, application credential and token is set."""

    username: str | None = None
    user_id: str | None = None
    user_domain: Domain = Domain()
    password: str | None = field(default=None, repr=False)
    application_credential_id: str | None = None
    application_credential_name: str | None = None
    application_credential_secret: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    project_id: str | None = None
    project_name: str | None = None
    project_domain: Domain = Domain()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no message may repeat."""
        return tuple(filter(None, (self.password, self.application_credential_secret, self.token)))

    @property
    def validates(self) -> bool:
        """Whether a ready token is only to be looked up, not exchanged for one of another project."""
        return self.token is not None and self.project_id is None and self.project_name is None

    def document(self) -> dict[str, object]:
        """The body of the request for a token.

        Raises:
            ConfigurationError: if what is given identifies nobody.
        """
        identity: dict[str, object]
        if self.application_credential_secret is not None:
            credential: dict[str, object] = {"secret": self.application_credential_secret}
            if self.application_credential_id is not None:
                credential["id"] = self.application_credential_id
            elif self.application_credential_name is not None:
                credential |= {"name": self.application_credential_name, "user": self._user()}
            else:
                raise ConfigurationError("application_credential_secret needs application_credential_id")
            # It is bound to its project, and Keystone refuses a scope beside it.
            return {"auth": {"identity": {"methods": ["application_credential"], "application_credential": credential}}}
        if self.token is not None:
            identity = {"methods": ["token"], "token": {"id": self.token}}
        elif self.password is not None:
            identity = {"methods": ["password"], "password": {"user": {**self._user(), "password": self.password}}}
        else:
            raise ConfigurationError("there is no password, application credential or token to authenticate with")
        request: dict[str, object] = {"identity": identity}
        if self.project_id is not None:
            request["scope"] = {"project": {"id": self.project_id}}
        elif self.project_name is not None:
            domain = (self.project_domain or self.user_domain).document()
            request["scope"] = {"project": {"name": self.project_name, "domain": domain}}
        return {"auth": request}

    def _user(self) -> dict[str, object]:
        if self.user_id is not None:
            return {"id": self.user_id}
        if self.username is None:
            raise ConfigurationError("there is a password and no username; give username or user_id")
        return {"name": self.username, "domain": self.user_domain.document()}


class Grant(NamedTuple):
    """What Keystone answers: a token, its expiry in seconds since the epoch, and the services it is good for."""

    token: str
    expires_at: float | None
    catalog: Sequence[object]


def tokens_url(auth_url: str) -> str:
    """Where tokens are asked for. ``auth_url`` may end in ``/v3``, in a version before it, or in none.

    Raises:
        ConfigurationError: if it is no URL.
    """
    parts = urlsplit(auth_url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise ConfigurationError("auth_url is not an http or https URL")
    path = parts.path.rstrip("/")
    path = path.removesuffix("/auth/tokens")
    for version in ("/v3", "/v2.0"):
        path = path.removesuffix(version)
    return f"{parts.scheme}://{parts.netloc}{path}/v3/auth/tokens"


def read_grant(token: str, document: object) -> Grant:
    """Read the answer to a request for a token.

    Raises:
        UnavailableError: if it is something else.
    """
    body = document.get("token") if isinstance(document, Mapping) else None
    if not token or not isinstance(body, Mapping):
        raise UnavailableError("the identity service's answer holds no token")
    catalog = body.get("catalog")
    return Grant(token, _moment(body.get("expires_at")), catalog if isinstance(catalog, list) else [])


def _moment(value: object) -> float | None:
    if not isinstance(value, str):
        return None
    try:
        return datetime.fromisoformat(value).timestamp()
    except ValueError:
        raise UnavailableError("the identity service's answer says no readable time of expiry") from None


def interface_of(name: str) -> str:
    """``public``, ``internal`` or ``admin``, of these names and of their older forms such as ``publicURL``.

    Raises:
        ConfigurationError: if it is another.
    """
    try:
        return _INTERFACES[name.lower()]
    except KeyError:
        raise ConfigurationError(f"interface={name!r}: there are public, internal and admin") from None


def endpoint_of(catalog: Sequence[object], interface: str, region: str | None) -> str:
    """The URL of the object store in a catalogue.

    Raises:
        ConfigurationError: if there is none for this interface and region, or several regions and none was chosen.
    """
    found: dict[str, str] = {}
    for service in catalog:
        if not isinstance(service, Mapping) or service.get("type") != "object-store":
            continue
        for endpoint in service.get("endpoints") or ():
            if isinstance(endpoint, Mapping) and endpoint.get("interface") == interface:
                name, url = endpoint.get("region_id") or endpoint.get("region") or "", endpoint.get("url")
                if isinstance(url, str) and url:
                    found.setdefault(str(name), url)
    if region is not None:
        found = {name: url for name, url in found.items() if name == region}
    if not found:
        where = f" in region {region!r}" if region is not None else ""
        raise ConfigurationError(
            f"the catalogue names no {interface} endpoint of an object store{where}; choose another region or"
            " interface, give project_name if the token has no project, or give storage_url"
        )
    if len(found) > 1:
        raise ConfigurationError(
            f"the catalogue names several regions, choose one: region={' or '.join(sorted(found))}"
        )
    return next(iter(found.values()))
