"""OpenStack Swift, and what speaks its protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiostore.location import Location
from aiostore.policies import ClientOptions, Integrity, Limits, RetryPolicy, Timeouts
from aiostore.schemes import Place, Scheme, named_by_host
from aiostore.store import Store
from aiostore.wrappers.observe import Observer


class SwiftStore(Store):
    """A container of OpenStack Swift, or of a Ceph gateway.

    What is not given comes from the environment: OS_* as an openrc file sets it (also in the older spellings with
    TENANT), else ST_AUTH, ST_USER and ST_KEY.

    Args:
        container: the container's name.
        prefix: is put before every key, as it is.
        auth_url: the identity service: Keystone's URL, with or without ``/v3``, or that of v1 authentication, which
            ends in ``/auth/v1.0``.
        username, password: who one is; ``user_id`` stands in for the name. For v1 the name is ``account:user``.
        user_domain_name, user_domain_id: the user's domain, ``Default`` if nothing is said.
        project_name, project_id: the project (once: tenant) whose containers are meant.
        project_domain_name, project_domain_id: the project's domain, the user's if nothing is said.
        application_credential_id, application_credential_secret: instead of name and password; without an id,
            ``application_credential_name`` with the user.
        token: a ready token of Keystone; with ``storage_url`` nothing is asked for at all.
        storage_url: the account's URL, such as ``https://host/v1/AUTH_project``, instead of the catalogue's.
        region: one of the catalogue's regions; needed where it names several.
        interface: ``"public"``, ``"internal"`` or ``"admin"``.
        auth_version: ``"1"`` or ``"3"``, where the URL does not tell.
        temp_url_key: the account's or container's key for temporary URLs; without one the store cannot sign.
        temp_url_digest: ``"sha256"``, ``"sha1"`` or ``"sha512"``.
        skip_auth: read what everybody may read, at ``storage_url``.
        dialect: ``"swift"``, or ``"ceph"`` for a RADOS Gateway.
        client_options: TLS, proxy and connections.
    """

    def __init__(
        self,
        container: str,
        *,
        prefix: str = "",
        auth_url: str | None = None,
        username: str | None = None,
        password: str | None = None,
        user_id: str | None = None,
        user_domain_name: str | None = None,
        user_domain_id: str | None = None,
        project_name: str | None = None,
        project_id: str | None = None,
        project_domain_name: str | None = None,
        project_domain_id: str | None = None,
        application_credential_id: str | None = None,
        application_credential_name: str | None = None,
        application_credential_secret: str | None = None,
        token: str | None = None,
        storage_url: str | None = None,
        region: str | None = None,
        interface: str | None = None,
        auth_version: str | None = None,
        temp_url_key: str | None = None,
        temp_url_digest: str | None = None,
        skip_auth: bool = False,
        dialect: str | None = None,
        retry: RetryPolicy | None = None,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        integrity: Integrity = "auto",
        client_options: ClientOptions | Mapping[str, object] | None = None,
        observers: Sequence[Observer] = (),
    ) -> None:
        from aiostore.drivers.swift_settings import Account, make_driver

        account = Account(
            auth_url=auth_url,
            auth_version=auth_version,
            username=username,
            user_id=user_id,
            password=password,
            user_domain_name=user_domain_name,
            user_domain_id=user_domain_id,
            project_name=project_name,
            project_id=project_id,
            project_domain_name=project_domain_name,
            project_domain_id=project_domain_id,
            application_credential_id=application_credential_id,
            application_credential_name=application_credential_name,
            application_credential_secret=application_credential_secret,
            token=token,
            storage_url=storage_url,
            region=region,
            interface=interface,
        )
        super().__init__(
            make_driver(
                container,
                account,
                temp_url_key=temp_url_key,
                temp_url_digest=temp_url_digest,
                dialect=dialect,
                skip_auth=skip_auth,
                timeouts=timeouts,
                integrity=integrity,
                client_options=client_options,
            ),
            prefix=prefix,
            retry=retry,
            limits=limits,
            integrity=integrity,
            observers=observers,
        )


def place(location: Location) -> Place:
    """``swift://container/prefix``, or the storage URL ``https://host/v1/AUTH_project/container/prefix``."""
    if location.scheme == "swift":
        return named_by_host(location)
    depth = location.segments.index("v1") + 2
    options: dict[str, object] = {"storage_url": f"{location.scheme}://{location.host_part}{_head(location, depth)}"}
    if location.segments[0] == "swift":
        # Where a RADOS Gateway has its Swift API.
        options["dialect"] = "ceph"
    return Place(names=(location.segments[depth],), depth=depth + 1, options=options)


def _head(location: Location, depth: int) -> str:
    return "/" + "/".join(location.path.removeprefix("/").split("/")[:depth])


_NAMES = {
    "auth_url": ("OS_AUTH_URL", "ST_AUTH"),
    "username": ("OS_USERNAME", "ST_USER"),
    "password": ("OS_PASSWORD", "ST_KEY"),
    "user_id": ("OS_USER_ID",),
    "user_domain_name": ("OS_USER_DOMAIN_NAME",),
    "user_domain_id": ("OS_USER_DOMAIN_ID",),
    "project_name": ("OS_PROJECT_NAME", "OS_TENANT_NAME"),
    "project_id": ("OS_PROJECT_ID", "OS_TENANT_ID"),
    "project_domain_name": ("OS_PROJECT_DOMAIN_NAME",),
    "project_domain_id": ("OS_PROJECT_DOMAIN_ID",),
    "application_credential_id": ("OS_APPLICATION_CREDENTIAL_ID",),
    "application_credential_name": ("OS_APPLICATION_CREDENTIAL_NAME",),
    "application_credential_secret": ("OS_APPLICATION_CREDENTIAL_SECRET",),
    "token": ("OS_AUTH_TOKEN",),
    "storage_url": ("OS_STORAGE_URL",),
    "region": ("OS_REGION_NAME",),
    "interface": ("OS_INTERFACE",),
}
"""What a file of secrets may call the options."""

_NO_CREDENTIALS = {"auth_url", "storage_url", "region", "interface"}

SCHEME = Scheme(
    store=SwiftStore,
    place=place,
    userinfo=("username", "password"),
    credentials=frozenset({*_NAMES, "skip_auth"} - _NO_CREDENTIALS),
    service="swift",
    secret_options={name: option for option, names in _NAMES.items() for name in names},
)
