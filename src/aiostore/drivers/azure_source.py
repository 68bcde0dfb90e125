"""The source of a copy: its URL, and what lets the service read it.

https://learn.microsoft.com/rest/api/storageservices/copy-blob-from-url
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final

from aiostore.drivers.azure_address import encode_query
from aiostore.drivers.azure_auth import Grant, service_sas
from aiostore.drivers.azure_client import Client
from aiostore.drivers.azure_credentials import KeyAuthorizer, SasAuthorizer, TokenAuthorizer
from aiostore.drivers.azure_headers import version_query
from aiostore.errors import NotSupportedError
from aiostore.types import CopyOptions

_LIFETIME: Final = 6 * 3600
"""Seconds that the service may read the source, which it does by itself."""


async def source_headers(client: Client, source: str, options: CopyOptions) -> dict[str, str]:
    """Return the headers that name the source of a copy and let the service read it.

    The source is read by a request of its own, also within one account: with the account's key it is signed for a few
    hours, a SAS token or a token of Entra goes along.

    Raises:
        NotSupportedError: if the source is encrypted with a customer's key, which the service cannot copy.
    """
    if options.source_encryption is not None and options.source_encryption.customer_key is not None:
        raise NotSupportedError("Azure cannot copy what is encrypted with a customer's key; read it and put it again")
    service = client.service
    container = client.container if options.source_container is None else options.source_container
    if options.source_container is not None:
        client = Client(service, options.source_container)
    query = encode_query(version_query(options.source_version))
    headers: dict[str, str] = {}
    authorizer = service.authorizer
    proof = ""
    if isinstance(authorizer, KeyAuthorizer):
        expiry = datetime.fromtimestamp(time.time() + service.skew + _LIFETIME, UTC)
        grant = Grant(service.address.account, container or "", source, "rt", expiry, service.address.is_tls)
        if options.source_version is not None:
            grant = grant._replace(version=options.source_version)
        proof = service_sas(grant, authorizer.key)
    elif isinstance(authorizer, SasAuthorizer):
        proof = authorizer.token
    elif isinstance(authorizer, TokenAuthorizer):
        if not authorizer.ready(time.time()):
            await authorizer.prepare()
        headers["x-ms-copy-source-authorization"] = authorizer.header
    url = "&".join(part for part in (query, proof) if part)
    headers["x-ms-copy-source"] = f"{client.url(source)}?{url}" if url else client.url(source)
    return headers
