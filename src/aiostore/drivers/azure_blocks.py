"""Multipart writes as blocks: Put Block for each part, Put Block List to publish them.

https://learn.microsoft.com/rest/api/storageservices/put-block
https://learn.microsoft.com/rest/api/storageservices/put-block-list

An upload begins without a request: its blocks belong to it by their ids. Nor is there an abort: blocks that nobody
publishes expire in a week, are not listed, and cost what they take until then. Publishing drops the blocks of all other
writers of the object, who then meet InvalidBlockList.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Sequence
from typing import Final

from aiostore._http.document import discard
from aiostore._http.request_headers import lower_case
from aiostore._http.status import unquote_etag
from aiostore.body import Body, Buffers
from aiostore.drivers.azure_client import Client
from aiostore.drivers.azure_guard import Guarding
from aiostore.drivers.azure_headers import (
    check_encrypted,
    demand_of,
    encryption_headers,
    quoted,
    target_conditions,
    to_base64,
    write_headers,
)
from aiostore.drivers.azure_source import source_headers
from aiostore.drivers.azure_xml import parse_blocks, write_blocks
from aiostore.drivers.base import BaseDriver
from aiostore.types import CopyOptions, Part, PartPage, PutOptions, PutResult, Upload

_ID: Final = re.compile(r"([0-9a-f]{24})-(\d{5})")
_ID_BYTES: Final = 12
"""Random bytes of an upload's id; with a hyphen and the part's number a block's id has 30 characters, always."""


class AzureBlocks(BaseDriver):
    """The multipart half of the Azure driver."""

    _client: Client
    _guarding: Guarding

    async def create_multipart(self, key: str, options: PutOptions) -> Upload:
        """Begin an upload, without a request: what is stored with the object is sent when it is published."""
        with self.naming("create_multipart", key):
            # Refused now rather than after all parts were sent.
            write_headers(options)
            target_conditions(options.if_match, options.if_none_match)
            lower_case(options.headers)
        return Upload(key=key, id=secrets.token_hex(_ID_BYTES), options=options)

    async def put_part(self, upload: Upload, number: int, offset: int, body: Body) -> Part:
        with self.naming("put_part", upload.key):
            guard = await self._guarding.of(body)
            encryption = upload.options.encryption
            headers = dict(guard.headers)
            if encryption is not None:
                headers |= encryption_headers(encryption)
            query = (("comp", "block"), ("blockid", block_id(upload.id, number)))
            response = await self._client.send("put_part", "PUT", upload.key, headers, query, body)
            if response.content_length != 0:
                await discard(response)
            check_encrypted(encryption, response.headers)
            return Part(number=number, size=body.size, checksums=guard.held)

    async def copy_part(
        self, upload: Upload, number: int, offset: int, source: str, start: int, stop: int, options: CopyOptions
    ) -> Part:
        if "copy_part" not in self.capabilities.operations:
            raise self.refusal("copy_part", upload.key)
        with self.naming("copy_part", upload.key):
            headers = await source_headers(self._client, source, options)
            if options.source_if_match is not None:
                headers["x-ms-source-if-match"] = quoted(options.source_if_match)
            headers["x-ms-source-range"] = f"bytes={start}-{stop - 1}"
            if upload.options.encryption is not None:
                headers |= encryption_headers(upload.options.encryption)
            query = (("comp", "block"), ("blockid", block_id(upload.id, number)))
            await discard(await self._client.send("copy_part", "PUT", upload.key, headers, query, slow=True))
            return Part(number=number, size=stop - start)

    async def list_parts(self, upload: Upload, page_token: str | None = None) -> PartPage:
        query = (("comp", "blocklist"), ("blocklisttype", "uncommitted"))
        blocks, _ = await self._client.ask("list_parts", "GET", upload.key, parse_blocks, query=query)
        parts = [
            Part(number=int(found[2]), size=size)
            for name, size in blocks
            if (found := _ID.fullmatch(_decoded(name))) is not None and found[1] == upload.id
        ]
        return PartPage(parts=sorted(parts, key=lambda part: part.number))

    async def complete_multipart(self, upload: Upload, parts: Sequence[Part], options: PutOptions) -> PutResult:
        """Publish the parts. It can be sent again: then the blocks are part of the object already."""
        with self.naming("complete_multipart", upload.key):
            headers = write_headers(upload.options)
            headers |= target_conditions(options.if_match, options.if_none_match)
            if (md5 := upload.options.checksums.get("md5")) is not None:
                headers["x-ms-blob-content-md5"] = to_base64(md5)
            headers |= lower_case(upload.options.headers)
            data = write_blocks(block_id(upload.id, part.number) for part in parts)
            body = Buffers((data,), len(data))
            headers |= (await self._guarding.of(body)).headers
            demand = demand_of(options.if_match, options.if_none_match)
            response = await self._client.send(
                "complete_multipart", "PUT", upload.key, headers, (("comp", "blocklist"),), body, slow=True,
                demand=demand,
            )  # fmt: skip
            if response.content_length != 0:
                await discard(response)
            return PutResult(
                etag=unquote_etag(response.headers.get("etag")),
                version=response.headers.get("x-ms-version-id"),
                size=sum(part.size for part in parts),
            )

    async def abort_multipart(self, upload: Upload) -> None:
        """Do nothing: the service has no abort, and what was sent expires in a week."""


def block_id(upload_id: str, number: int) -> str:
    """Return the id of a block, which the service wants in base64 and of one length within an object."""
    return base64.b64encode(f"{upload_id}-{number:05}".encode()).decode()


def _decoded(name: str) -> str:
    try:
        return base64.b64decode(name).decode()
    except ValueError:
        return ""
