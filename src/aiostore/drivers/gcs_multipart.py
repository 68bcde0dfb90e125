"""Uploads in parts: by the XML API's multipart uploads, or as parallel composite uploads.

https://docs.cloud.google.com/storage/docs/multipart-uploads
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Literal, TypeAlias

from aiostore._http.document import discard, read_document
from aiostore._http.status import unquote_etag
from aiostore.body import Body, Buffers
from aiostore.drivers.gcs_client import encode_key
from aiostore.drivers.gcs_composite import GCSComposite, combined
from aiostore.drivers.gcs_resource import customer_key, encode_digest, headers_to_meta, to_headers
from aiostore.drivers.gcs_xml import parse_completed, parse_parts, parse_upload_id, parse_uploads, write_complete
from aiostore.errors import TransientError
from aiostore.types import Part, PartPage, PutOptions, PutResult, Upload, UploadPage

MultipartStyle: TypeAlias = Literal["xml", "composite"]
"""How parts are sent: by the XML API where it can, or always as objects that are composed."""

_COMPOSITE: Final = "composite-"
"""What the ids of composite uploads begin with; the XML API's are its own."""


class GCSMultipart(GCSComposite):
    """The multipart half of the driver. The XML API knows no conditions and no tags: with these parts are composed."""

    _style: MultipartStyle

    async def create_multipart(self, key: str, options: PutOptions) -> Upload:
        with self.naming("create_multipart", key):
            if options.if_match is not None or options.if_none_match is not None or options.tags:
                return self._begin_composite(key, options)
            if self._style == "composite":
                return self._begin_composite(key, options)
            headers = {**to_headers(options), **customer_key(options.encryption), **options.headers}
            url = f"{self._client.xml}/{encode_key(key)}?uploads"
            response = await self._client.send("create_multipart", "POST", url, key, headers)
            upload_id = parse_upload_id(await read_document(response))
            return Upload(key=key, id=upload_id, options=options)

    async def put_part(self, upload: Upload, number: int, offset: int, body: Body) -> Part:
        with self.naming("put_part", upload.key):
            if _is_composite(upload):
                return await self._put_composite_part(upload, number, body)
            digests = await self._digests(body, {})
            headers = customer_key(upload.options.encryption)
            if (crc32c := digests.get("crc32c")) is not None:
                headers["x-goog-hash"] = f"crc32c={encode_digest(crc32c)}"
            url = f"{self._url(upload)}&partNumber={number}"
            response = await self._client.send("put_part", "PUT", url, upload.key, headers, body)
            await discard(response)
            etag = unquote_etag(response.headers.get("ETag"))
            return Part(number=number, size=body.size, etag=etag, checksums=digests)

    async def list_parts(self, upload: Upload, page_token: str | None = None) -> PartPage:
        with self.naming("list_parts", upload.key):
            if _is_composite(upload):
                return await self._list_composite_parts(upload, page_token)
            url = self._url(upload)
            if page_token is not None:
                url += f"&part-number-marker={encode_key(page_token)}"
            response = await self._client.send("list_parts", "GET", url, upload.key)
            return parse_parts(await read_document(response))

    async def complete_multipart(self, upload: Upload, parts: Sequence[Part], options: PutOptions) -> PutResult:
        """Of the XML API: one request, whose answer does not tell the generation.

        Of a composite upload: a request for every 32 parts, level by level, of which the last publishes. The parts are
        left, and :meth:`list_multipart` still knows of them.
        """
        with self.naming("complete_multipart", upload.key):
            if _is_composite(upload):
                return await self._compose_parts(upload, parts, options)
            data = write_complete(parts)
            headers = {"content-type": "application/xml", **customer_key(upload.options.encryption)}
            response = await self._client.send(
                "complete_multipart",
                "POST",
                self._url(upload),
                upload.key,
                headers,
                Buffers((data,), len(data)),
                slow=True,
            )
            try:
                parse_completed(await read_document(response))
            except TransientError as error:
                # Success was announced and its proof is missing.
                error.answered = False
                raise
            size = sum(part.size for part in parts)
            told = headers_to_meta(upload.key, response.headers, size)
            # Without the generation the ETag is kept back too: who needs one of them asks for both.
            etag = None if told.version is None else told.etag
            checksums = {**combined(parts), **told.checksums}
            result = PutResult(etag=etag, version=told.version, size=size, checksums=checksums)
            self._compare(upload.key, parts, result)
            return result

    async def abort_multipart(self, upload: Upload) -> None:
        with self.naming("abort_multipart", upload.key):
            if _is_composite(upload):
                await self._drop_composite(upload)
                return
            await discard(
                await self._client.send("abort_multipart", "DELETE", self._url(upload), upload.key, absent_ok=True)
            )

    async def list_multipart(self, prefix: str, page_token: str | None = None) -> UploadPage:
        """The pages of the XML API, then those of composite uploads."""
        with self.naming("list_multipart", prefix):
            kind, _, token = (page_token or ("composite:" if self._style == "composite" else "xml:")).partition(":")
            if kind == "composite":
                page = await self._list_composites(prefix, token or None)
                following = None if page.next_token is None else f"composite:{page.next_token}"
                return replace(page, next_token=following)
            url = f"{self._client.xml}?uploads&prefix={encode_key(prefix)}"
            if token:
                key, _, upload_id = token.partition("\n")
                url += f"&key-marker={encode_key(key)}&upload-id-marker={encode_key(upload_id)}"
            response = await self._client.send("list_multipart", "GET", url, prefix)
            page = parse_uploads(await read_document(response))
            return replace(page, next_token="composite:" if page.next_token is None else f"xml:{page.next_token}")

    def _url(self, upload: Upload) -> str:
        return f"{self._client.xml}/{encode_key(upload.key)}?uploadId={encode_key(upload.id)}"


def _is_composite(upload: Upload) -> bool:
    return upload.id.startswith(_COMPOSITE)
