"""Append blobs: objects that grow on the service.

https://learn.microsoft.com/rest/api/storageservices/append-block
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Final

from aiostore._http.document import discard
from aiostore._http.request_headers import lower_case
from aiostore._http.status import unquote_etag
from aiostore.body import Body
from aiostore.drivers.azure_client import Client
from aiostore.drivers.azure_guard import Guarding
from aiostore.drivers.azure_headers import demand_of, encryption_headers, target_conditions, write_headers
from aiostore.drivers.base import BaseDriver
from aiostore.errors import AlreadyExistsError
from aiostore.types import ANY, PutOptions, PutResult

MAX_APPEND: Final = 100 * 1024**2
"""Bytes of one append."""


class AzureAppend(BaseDriver):
    """The half of the Azure driver that appends."""

    _client: Client
    _guarding: Guarding

    async def append(self, key: str, body: Body, offset: int, options: PutOptions) -> PutResult:
        """Create an append blob if ``offset`` is 0 and nothing is there, then append one block at ``offset``.

        An object that was created is empty until the block is there. What ``options`` say of an object that exists
        already is set after the bytes.

        Raises:
            NotSupportedError: if the object is no append blob.
        """
        with self.naming("append", key):
            creating = offset == 0 and options.if_match is None
            result = PutResult(size=offset)
            if creating:
                # If it is there, it may be what an earlier attempt has created; the position decides below.
                with suppress(AlreadyExistsError):
                    result = await self._create(key, options)
            if body.size:
                result = await self._append(key, body, offset, options)
            if not creating and (options.metadata or _has_content(options)):
                changes = replace(options, if_match=None, if_none_match=None)
                result = replace(await self.set_metadata(key, changes), size=result.size)
            return result

    async def _create(self, key: str, options: PutOptions) -> PutResult:
        headers = write_headers(replace(options, storage_class=None))
        headers["x-ms-blob-type"] = "AppendBlob"
        headers |= target_conditions(None, ANY) | lower_case(options.headers)
        response = await self._client.send("append", "PUT", key, headers, demand="absent")
        await discard(response)
        return _result(response.headers.get("etag"), response.headers.get("x-ms-version-id"), 0)

    async def _append(self, key: str, body: Body, offset: int, options: PutOptions) -> PutResult:
        headers = dict((await self._guarding.of(body)).headers)
        headers["x-ms-blob-condition-appendpos"] = str(offset)
        headers |= target_conditions(options.if_match, None)
        if options.encryption is not None:
            headers |= encryption_headers(options.encryption)
        query = (("comp", "appendblock"),)
        response = await self._client.send(
            "append", "PUT", key, headers, query, body, demand=demand_of(options.if_match, None)
        )
        if response.content_length != 0:
            await discard(response)
        answered = response.headers
        return _result(answered.get("etag"), answered.get("x-ms-version-id"), offset + body.size)


def _result(etag: str | None, version: str | None, size: int) -> PutResult:
    return PutResult(etag=unquote_etag(etag), version=version, size=size)


def _has_content(options: PutOptions) -> bool:
    return any((options.content_type, options.content_encoding, options.content_disposition,
                options.content_language, options.cache_control))  # fmt: skip
