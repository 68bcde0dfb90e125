"""Copies on the service's side.

https://learn.microsoft.com/rest/api/storageservices/copy-blob-from-url
https://learn.microsoft.com/rest/api/storageservices/copy-blob
"""

from __future__ import annotations

from typing import Final

from aiostore._http.document import discard
from aiostore._http.request_headers import lower_case, plain
from aiostore._http.response import Response
from aiostore._http.status import unquote_etag
from aiostore.drivers.azure_auth import SNAPSHOT
from aiostore.drivers.azure_client import Client
from aiostore.drivers.azure_headers import (
    demand_of,
    encryption_headers,
    metadata_headers,
    quoted,
    tags_header,
    target_conditions,
)
from aiostore.drivers.azure_source import source_headers
from aiostore.drivers.base import BaseDriver
from aiostore.drivers.base_conditions import refuse_options
from aiostore.errors import NotFoundError, NotSupportedError, PreconditionFailedError, StoreError
from aiostore.types import CopyOptions, CopyStep, PutResult

POLL: Final = 0.5
"""Seconds between two looks at a copy that the service makes by itself."""

AS_SNAPSHOT: Final = "x-ms-snapshot"
"""The header in the options of a copy that makes it a snapshot of the object; it is not sent."""

MAX_COPY: Final = 256 * 1024**2
"""The largest source in bytes of a copy that is done when it is answered."""


class AzureCopy(BaseDriver):
    """The half of the Azure driver that copies."""

    _client: Client

    async def copy(self, source: str, target: str, options: CopyOptions, token: str | None = None) -> CopyStep:
        """Copy at once what is of at most 256 MiB and a block blob; else have it copied, and look how far it is.

        The content headers are the source's, tags and metadata too unless ``options.replace`` gives others. A copy that
        the service makes by itself shows an empty object until it is done.
        """
        with self.naming("copy", source):
            if token is not None:
                return await self._look(target, token)
            if AS_SNAPSHOT in options.headers:
                return CopyStep(done=True, result=await self._snapshot(source, options))
            refuse_options(options, "acl")
            headers = await source_headers(self._client, source, options)
            headers |= self._headers(options)
            demand = demand_of(options.if_match, options.if_none_match)
            client = self._client
            try:
                at_once = {**headers, "x-ms-requires-sync": "true"}
                if options.replace is None or not options.replace.tags:
                    at_once["x-ms-copy-source-tag-option"] = "COPY"
                response = await client.send("copy", "PUT", target, at_once, slow=True, demand=demand)
            except NotFoundError as error:
                raise NotFoundError(error.message, key=source, operation="copy", store=self.location) from error
            except StoreError as error:
                if type(error) not in {StoreError, NotSupportedError}:
                    raise
                # Too large, of another kind, or with tags that the account does not know.
                headers.pop("x-ms-copy-source-authorization", None)
                response = await client.send("copy", "PUT", target, headers, slow=True, demand=demand)
            await discard(response)
            return self._step(response)

    async def _snapshot(self, key: str, options: CopyOptions) -> PutResult:
        """Keep the state of an object under a version of its own; what ``options.replace`` has is its metadata.

        https://learn.microsoft.com/rest/api/storageservices/snapshot-blob
        """
        headers = target_conditions(options.source_if_match, None)
        if options.replace is not None:
            headers |= metadata_headers(options.replace.metadata)
        if options.encryption is not None:
            headers |= encryption_headers(options.encryption)
        demand = demand_of(options.source_if_match, None)
        response = await self._client.send("copy", "PUT", key, headers, (("comp", "snapshot"),), demand=demand)
        await discard(response)
        answered = response.headers
        return PutResult(etag=unquote_etag(answered.get("etag")), version=SNAPSHOT + answered.get("x-ms-snapshot", ""))

    def _headers(self, options: CopyOptions) -> dict[str, str]:
        headers = target_conditions(options.if_match, options.if_none_match)
        if options.source_if_match is not None:
            headers["x-ms-source-if-match"] = quoted(options.source_if_match)
        if (new := options.replace) is not None:
            headers |= metadata_headers(new.metadata)
            if new.tags:
                headers["x-ms-tags"] = tags_header(new.tags)
        if options.storage_class is not None:
            headers["x-ms-access-tier"] = plain("storage_class", options.storage_class)
        if options.encryption is not None:
            headers |= encryption_headers(options.encryption)
        return headers | lower_case(options.headers)

    async def _look(self, target: str, copy_id: str) -> CopyStep:
        """Say how far a copy is that the service makes by itself."""
        response = await self._client.send("copy", "HEAD", target, {})
        if response.headers.get("x-ms-copy-id") != copy_id:
            raise PreconditionFailedError("the target was written by somebody else before the copy was done")
        return self._step(response)

    def _step(self, response: Response) -> CopyStep:
        headers = response.headers
        status = headers.get("x-ms-copy-status", "success")
        if status == "pending":
            return CopyStep(done=False, token=headers.get("x-ms-copy-id", ""), wait=POLL)
        if status != "success":
            said = f"{status} {headers.get('x-ms-copy-status-description', '')}".strip()
            why = self._client.service.hide(said)[:200]
            raise StoreError(f"the service has given the copy up ({why}); the target is empty, copy again")
        result = PutResult(etag=unquote_etag(headers.get("etag")), version=headers.get("x-ms-version-id"))
        return CopyStep(done=True, result=result)
