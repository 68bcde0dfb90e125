"""Multipart uploads and appends.

https://www.alibabacloud.com/help/en/oss/developer-reference/multipart-upload-operations
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from urllib.parse import unquote

from aiostore import checksums
from aiostore._http import xml
from aiostore._http.bucket_xml import parse_uploads, split_marker
from aiostore._http.document import discard
from aiostore._http.path import encode_path
from aiostore._http.request_headers import lower_case
from aiostore._http.status import unquote_etag
from aiostore.body import Body
from aiostore.drivers.base import BaseDriver
from aiostore.drivers.oss_client import Client, document
from aiostore.drivers.oss_guard import Guarding
from aiostore.drivers.oss_headers import quoted, stored_crc64, target_conditions, version_of, write_headers
from aiostore.drivers.oss_xml import parse_parts, write_complete
from aiostore.errors import CorruptedError, NotSupportedError
from aiostore.types import (
    NOTHING,
    CopyOptions,
    DeleteOptions,
    Match,
    Part,
    PartPage,
    PutOptions,
    PutResult,
    Upload,
    UploadPage,
)


class OSSMultipart(BaseDriver):
    """The half of the OSS driver that writes in pieces."""

    _client: Client
    _guarding: Guarding

    async def create_multipart(self, key: str, options: PutOptions) -> Upload:
        with self.naming("create_multipart", key):
            # Refused now rather than after all parts were sent; the object may still come to be meanwhile.
            target_conditions(options.if_match, options.if_none_match)
            headers = write_headers(options) | lower_case(options.headers)
        upload_id, _ = await self._client.ask(
            "create_multipart", "POST", key, lambda root: xml.text(root, "UploadId"), headers, (("uploads", ""),)
        )
        return Upload(key=key, id=upload_id, options=options)

    async def put_part(self, upload: Upload, number: int, offset: int, body: Body) -> Part:
        with self.naming("put_part", upload.key):
            known = await self._guarding.of(body, published=False)
            query = (("partNumber", str(number)), ("uploadId", upload.id))
            headers = self._guarding.headers(known)
            response = await self._client.send("put_part", "PUT", upload.key, headers, query, body)
            await discard(response)
            held = self._guarding.held(known, response.headers)
        return Part(number=number, size=body.size, etag=unquote_etag(response.headers.get("ETag")), checksums=held)

    async def copy_part(
        self, upload: Upload, number: int, offset: int, source: str, start: int, stop: int, options: CopyOptions
    ) -> Part:
        headers = self._source_headers(source, options)
        headers["x-oss-copy-source-range"] = f"bytes={start}-{stop - 1}"
        query = (("partNumber", str(number)), ("uploadId", upload.id))
        etag, answered = await self._client.ask(
            "copy_part", "PUT", upload.key, lambda root: xml.text(root, "ETag"), headers, query, slow=True
        )
        crc = stored_crc64(answered)
        return Part(
            number=number,
            size=stop - start,
            etag=unquote_etag(etag),
            checksums=NOTHING if crc is None else {"crc64": crc},
        )

    async def list_parts(self, upload: Upload, page_token: str | None = None) -> PartPage:
        query = [("uploadId", upload.id), ("max-parts", "1000")]
        if page_token is not None:
            query.append(("part-number-marker", page_token))
        page, _ = await self._client.ask("list_parts", "GET", upload.key, parse_parts, query=query)
        return page

    async def complete_multipart(self, upload: Upload, parts: Sequence[Part], options: PutOptions) -> PutResult:
        with self.naming("complete_multipart", upload.key):
            body, headers = document(write_complete(parts))
            headers |= target_conditions(options.if_match, options.if_none_match)
            query = (("uploadId", upload.id),)
            etag, answered = await self._client.ask(
                "complete_multipart",
                "POST",
                upload.key,
                lambda root: xml.text(root, "ETag"),
                headers,
                query,
                body,
                slow=True,
            )
            await self._check_created(upload.key, options.if_none_match, answered)
            crc = stored_crc64(answered)
            if crc is not None and parts and all("crc64" in part.checksums for part in parts):
                whole = checksums.combine_digests("crc64", [(part.checksums["crc64"], part.size) for part in parts])
                if whole != crc:
                    raise CorruptedError("the service put other bytes together than were sent; write the object again")
        return PutResult(
            etag=unquote_etag(etag),
            version=version_of(answered),
            size=sum(part.size for part in parts),
            checksums=NOTHING if crc is None else {"crc64": crc},
        )

    async def abort_multipart(self, upload: Upload) -> None:
        query = (("uploadId", upload.id),)
        await discard(await self._client.send("abort_multipart", "DELETE", upload.key, query=query, absent_ok=True))

    async def list_multipart(self, prefix: str, page_token: str | None = None) -> UploadPage:
        query = [("uploads", ""), ("prefix", prefix), ("encoding-type", "url"), ("max-uploads", "1000")]
        if page_token is not None:
            key, upload_id = split_marker(page_token)
            query += [("key-marker", key), ("upload-id-marker", upload_id)]
        read = partial(parse_uploads, decode=unquote)
        page, _ = await self._client.ask("list_multipart", "GET", None, read, query=query)
        return page

    async def _check_created(self, key: str, if_none_match: Match | None, answered: Mapping[str, str]) -> None:
        """Take a create-only write back that the service has not kept to: it ignores that where it keeps versions.

        Raises:
            NotSupportedError: if the bucket keeps versions.
        """
        version = answered.get("x-oss-version-id")
        if if_none_match is None or version is None:
            return
        if version != "null":
            await self.delete(key, DeleteOptions(version=version))
        raise NotSupportedError(
            "OSS ignores create-only (if_absent) in buckets that keep versions, or have kept any; write without it"
        )

    def _source_headers(self, source: str, options: CopyOptions) -> dict[str, str]:
        """The headers that name the source of a copy and pin its state."""
        name = f"/{options.source_container or self._client.bucket}/{encode_path(source)}"
        if options.source_version is not None:
            name = f"{name}?versionId={encode_path(options.source_version)}"
        headers = {"x-oss-copy-source": name}
        if options.source_if_match is not None:
            headers["x-oss-copy-source-if-match"] = quoted(options.source_if_match)
        return headers

    async def append(self, key: str, body: Body, offset: int, options: PutOptions) -> PutResult:
        """Add bytes to an appendable object, or create one if ``offset`` is 0 and nothing is there.

        https://www.alibabacloud.com/help/en/oss/developer-reference/appendobject
        """
        with self.naming("append", key):
            known = await self._guarding.of(body, published=True)
            headers = (write_headers(options) if offset == 0 else {}) | lower_case(options.headers)
            headers |= self._guarding.headers(known)
            query = (("append", ""), ("position", str(offset)))
            response = await self._client.send("append", "POST", key, headers, query, body)
            await discard(response)
            answered = response.headers
            crc = stored_crc64(answered)
            return PutResult(
                etag=unquote_etag(answered.get("ETag")),
                version=version_of(answered),
                size=offset + body.size,
                checksums=NOTHING if crc is None else {"crc64": crc},
            )
