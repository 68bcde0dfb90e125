"""Azure Blob Storage."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from aiostore._engine import options
from aiostore.errors import ConfigurationError
from aiostore.keys import check_key
from aiostore.location import Location
from aiostore.policies import ClientOptions, Integrity, Limits, RetryPolicy, Timeouts
from aiostore.schemes import Place, Scheme, named_by_host
from aiostore.store import Store
from aiostore.types import Condition, CopyOptions, PutOptions, PutResult
from aiostore.wrappers.observe import Observer

if TYPE_CHECKING:
    from aiostore.drivers.azure_credentials import TokenCredential


class AzureStore(Store):
    """A container of Azure Blob Storage, or of Azurite at ``endpoint``.

    Args:
        container: the container's name.
        account: the storage account; ``AZURE_STORAGE_ACCOUNT`` stands in for it.
        prefix: is put before every key, as it is.
        endpoint: the URL of the account's Blob service; ``AZURE_STORAGE_ENDPOINT`` stands in for it. Plain ``http`` is
            accepted. At an address instead of a name the account is the first part of the path, as with Azurite, whose
            own account ``devstoreaccount1`` needs neither endpoint nor key.
        account_key: the account's key, in base64; ``AZURE_STORAGE_KEY`` stands in for it.
        sas_token: a shared access signature, or its parameters; ``AZURE_STORAGE_SAS_TOKEN`` stands in for it.
        connection_string: account, endpoint and credentials in one; ``AZURE_STORAGE_CONNECTION_STRING`` stands in for
            it.
        credential: an async token credential, as those of ``azure.identity.aio``. Without any credentials (and with the
            ``azure`` extra) the whole chain of ``DefaultAzureCredential`` is used. It is never closed here.
        skip_signature: send anonymous requests.
        client_options: TLS, proxy and connections.
    """

    def __init__(
        self,
        container: str,
        *,
        account: str | None = None,
        prefix: str = "",
        endpoint: str | None = None,
        account_key: str | None = None,
        sas_token: str | Mapping[str, str] | None = None,
        connection_string: str | None = None,
        credential: TokenCredential | None = None,
        skip_signature: bool = False,
        retry: RetryPolicy | None = None,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        integrity: Integrity = "auto",
        client_options: ClientOptions | Mapping[str, object] | None = None,
        observers: Sequence[Observer] = (),
    ) -> None:
        from aiostore.drivers.azure_settings import make_driver

        super().__init__(
            make_driver(
                container,
                account=account,
                endpoint=endpoint,
                account_key=account_key,
                sas_token=sas_token,
                connection_string=connection_string,
                credential=credential,
                skip_signature=skip_signature,
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

    async def create_snapshot(
        self, key: str, *, metadata: Mapping[str, str] | None = None, if_match: Condition | None = None
    ) -> PutResult:
        """Keep the object's state of now, whatever is written to it later; only Azure does this.

        The result's ``version`` is what ``get``, ``head``, ``restore``, ``delete`` and ``sign`` take. ``list_versions``
        lists it. ``metadata`` replaces that of the object, in the snapshot alone. A snapshot costs what differs from
        the object, and is deleted with it.

        Raises:
            NotFoundError: if there is no such object.
            PreconditionFailedError: if ``if_match`` does not hold.
        """
        from aiostore.drivers.azure_copy import AS_SNAPSHOT

        replaced = None if metadata is None else PutOptions(metadata=options.pairs("metadata", metadata, key))
        wanted = CopyOptions(
            source_if_match=options.match(if_match, "if_match"), replace=replaced, headers={AS_SNAPSHOT: ""}
        )
        check_key(key, "create_snapshot")
        step = await self._context.driver.copy(key, key, wanted)
        assert step.result is not None  # noqa: S101  # it is done at once
        return step.result


_EMULATED: Final = re.compile(r"https?://[^/]+/devstoreaccount1(?:/|$)")


def _place(location: Location) -> Place:
    """``az://container/…``, ``abfss://container@account.dfs.core.windows.net/…``, ``https://account.blob…/container/…``.

    Raises:
        ConfigurationError: if the URL names no container.
    """
    base = f"{location.scheme}://{location.host}"
    if location.scheme in {"http", "https"}:
        depth = 2 if _EMULATED.match(base + location.path) else 1
        segments = location.segments[:depth]
        if len(segments) < depth or not segments[-1]:
            raise ConfigurationError(f"the URL names no container; write {base}/container/prefix")
        endpoint = "/".join([base, *segments[:-1]])
        return Place(names=(segments[-1],), depth=depth, options={"endpoint": endpoint})
    if not location.userinfo:
        return named_by_host(location)
    if "." in location.host:
        return Place(names=(unquote(location.userinfo),), options={"endpoint": f"https://{location.host}"})
    return Place(names=(unquote(location.userinfo),), options={"account": location.host})


SCHEME = Scheme(
    store=AzureStore,
    place=_place,
    userinfo=(),
    credentials=frozenset({"account_key", "sas_token", "connection_string", "credential", "skip_signature"}),
    service="azure",
    secret_options={
        "AZURE_STORAGE_ACCOUNT": "account",
        "AZURE_STORAGE_KEY": "account_key",
        "AZURE_STORAGE_SAS_TOKEN": "sas_token",
        "AZURE_STORAGE_CONNECTION_STRING": "connection_string",
        "AZURE_STORAGE_ENDPOINT": "endpoint",
    },
    rest="sas_token",
)
