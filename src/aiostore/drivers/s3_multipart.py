"""Multipart uploads.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import partial
from typing import Final

from aiostore import checksums
from aiostore._http import xml
from aiostore._http.bucket_xml import parse_uploads, split_marker
from aiostore._http.document import discard
from aiostore._http.request_headers import lower_case
from aiostore._http.status import unquote_etag
from aiostore.body import Body
from aiostore.drivers import s3_etags
from aiostore.drivers.base import BaseDriver
from aiostore.drivers.s3_client import Client
from aiostore.drivers.s3_dialect import Dialect
from aiostore.drivers.s3_headers import (
    check_encrypted,
    checksum_from_hex,
    customer_key,
    demand_of,
    read_headers,
    source_conditions,
    target_conditions,
    write_headers,
)
from aiostore.drivers.s3_payload import Guarding, document
from aiostore.drivers.s3_xml import parse_object_parts, parse_parts, parse_written, write_complete
from aiostore.drivers.sigv4 import encode_path, encode_query
from aiostore.errors import NotSupportedError
from aiostore.types import (
    NOTHING,
    CopyOptions,
    GetOptions,
    ObjectMeta,
    Part,
    PartPage,
    PutOptions,
    PutResult,
    Upload,
    UploadPage,
)

_MD5: Final = re.compile(r"[0-9a-f]{32}")

_PART: Final = "part "
"""Begins the token of a page of parts that are asked for one by one."""

_MOST_PARTS: Final = 10_000
"""Parts that an object may have: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html"""


class S3Multipart(BaseDriver):
    """The multipart half of the S3 driver."""

    _client: Client
    _dialect: Dialect
    _guarding: Guarding

    def _learn(self, told: Dialect) -> None:
        """Settle for this bucket what its ETags are; that they are no MD5s is final."""
        raise NotImplementedError

    async def create_multipart(self, key: str, options: PutOptions) -> Upload:
        with self.naming("create_multipart", key):
            # Refused now rather than after all parts were sent.
            target_conditions(options.if_match, options.if_none_match, self._dialect.complete, self._dialect)
            headers = write_headers(options, self._dialect)
        if (algorithm := self._guarding.algorithm) is not None:
            headers["x-amz-checksum-algorithm"] = algorithm.upper()
            headers["x-amz-checksum-type"] = "FULL_OBJECT"
        headers.update(lower_case(options.headers))
        upload_id, answered = await self._client.ask(
            "create_multipart", "POST", key, lambda root: xml.text(root, "UploadId"), headers, "uploads="
        )
        upload = Upload(key=key, id=upload_id, options=options)
        if options.encryption is not None:
            try:
                with self.naming("create_multipart", key):
                    check_encrypted(options.encryption, answered)
            except NotSupportedError:
                await self.abort_multipart(upload)
                raise
        return upload

    async def put_part(self, upload: Upload, number: int, offset: int, body: Body) -> Part:
        guard = await self._guarding.of(body)
        headers = dict(guard.headers)
        if upload.options.encryption is not None:
            headers.update(customer_key(upload.options.encryption))
        query = encode_query((("partNumber", str(number)), ("uploadId", upload.id)))
        response = await self._client.send("put_part", "PUT", upload.key, headers, query, body, guard.payload)
        await discard(response)
        return Part(
            number=number, size=body.size, etag=unquote_etag(response.headers.get("ETag")), checksums=guard.held
        )

    async def copy_part(
        self, upload: Upload, number: int, offset: int, source: str, start: int, stop: int, options: CopyOptions
    ) -> Part:
        headers = await self._source_headers("copy_part", source, options)
        headers["x-amz-copy-source-range"] = f"bytes={start}-{stop - 1}"
        if upload.options.encryption is not None:
            headers.update(customer_key(upload.options.encryption))
        query = encode_query((("partNumber", str(number)), ("uploadId", upload.id)))
        written, _ = await self._client.ask("copy_part", "PUT", upload.key, parse_written, headers, query, slow=True)
        return Part(number=number, size=stop - start, etag=written.etag, checksums=written.checksums)

    async def list_parts(self, upload: Upload, page_token: str | None = None) -> PartPage:
        pairs = [("uploadId", upload.id)]
        if page_token is not None:
            pairs.append(("part-number-marker", page_token))
        page, _ = await self._client.ask("list_parts", "GET", upload.key, parse_parts, query=encode_query(pairs))
        return page

    async def list_ranges(
        self, key: str, meta: ObjectMeta, options: GetOptions, page_token: str | None = None
    ) -> PartPage:
        """The parts of an object, with their checksums if it has a composite one; else their sizes, if they are told.

        https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html
        """
        if self._dialect.checksums and (page_token is None or page_token.isdecimal()):
            page = await self._checked_parts(key, meta, options, page_token)
            if page.parts or page_token is not None:
                return page
        return await self._sized_parts(key, meta, options, page_token)

    async def _checked_parts(self, key: str, meta: ObjectMeta, options: GetOptions, page_token: str | None) -> PartPage:
        headers = {"x-amz-object-attributes": "ETag,ObjectParts"} | lower_case(options.headers)
        if page_token is not None:
            headers["x-amz-part-number-marker"] = page_token
        if options.encryption is not None:
            headers.update(customer_key(options.encryption))
        pairs = [("attributes", "")] + ([] if meta.version is None else [("versionId", meta.version)])
        query = encode_query(pairs)
        (etag, page), _ = await self._client.ask("list_ranges", "GET", key, parse_object_parts, headers, query)
        return page if etag == meta.etag else PartPage()

    async def _sized_parts(self, key: str, meta: ObjectMeta, options: GetOptions, page_token: str | None) -> PartPage:
        """One part on a page; all of them if the first and the last are what they are where all but the last are equal.

        https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html#API_HeadObject_RequestSyntax (partNumber)
        """
        number = int((page_token or _PART + "1").removeprefix(_PART))
        size, count = await self._sized_part(key, meta, options, number)
        if not number <= count <= _MOST_PARTS:
            return PartPage()
        if number == 1 and count > 1 and 0 < (rest := meta.size - size * (count - 1)) <= size:
            last, _ = (rest, count) if count == 2 else await self._sized_part(key, meta, options, count)
            if last == rest:
                sizes = [size] * (count - 1) + [rest]
                return PartPage(parts=[Part(number=at, size=size) for at, size in enumerate(sizes, 1)])
        following = f"{_PART}{number + 1}" if number < count else None
        return PartPage(parts=[Part(number=number, size=size)], next_token=following)

    async def _sized_part(self, key: str, meta: ObjectMeta, options: GetOptions, number: int) -> tuple[int, int]:
        """The size of a part of the object ``meta``, and how many there are; 0 if the service does not tell."""
        headers = lower_case(options.headers)
        if options.encryption is not None:
            headers.update(customer_key(options.encryption))
        pairs = [("partNumber", str(number))] + ([] if meta.version is None else [("versionId", meta.version)])
        response = await self._client.send("list_ranges", "HEAD", key, headers, encode_query(pairs))
        count = response.headers.get("x-amz-mp-parts-count", "")
        if not count.isdecimal() or unquote_etag(response.headers.get("ETag")) != meta.etag:
            return 0, 0
        return response.content_length or 0, int(count)

    async def complete_multipart(self, upload: Upload, parts: Sequence[Part], options: PutOptions) -> PutResult:
        headers = target_conditions(options.if_match, options.if_none_match, self._dialect.complete, self._dialect)
        if upload.options.encryption is not None:
            headers.update(customer_key(upload.options.encryption))
        algorithm, whole = self._guarding.algorithm, None
        if algorithm is not None:
            headers["x-amz-checksum-type"] = "FULL_OBJECT"
            if checksums.combinable(algorithm) and all(algorithm in part.checksums for part in parts):
                whole = checksums.combine_digests(algorithm, [(part.checksums[algorithm], part.size) for part in parts])
                headers[f"x-amz-checksum-{algorithm}"] = checksum_from_hex(whole)
            else:
                algorithm = None
        body, payload, _ = document(write_complete(parts, algorithm))
        written, answered = await self._client.ask(
            "complete_multipart",
            "POST",
            upload.key,
            parse_written,
            headers,
            encode_query((("uploadId", upload.id),)),
            body,
            payload,
            slow=True,
            demand=demand_of(options.if_match, options.if_none_match),
        )
        if not self._dialect.name and s3_etags.are_mistakable(written.etag):
            self._learn(self._dialect)
        return PutResult(
            etag=written.etag or (_etag(parts) if self._dialect.md5_etags else None),
            version=answered.get("x-amz-version-id"),
            size=sum(part.size for part in parts),
            checksums=written.checksums or ({algorithm: whole} if algorithm and whole else NOTHING),
        )

    async def abort_multipart(self, upload: Upload) -> None:
        query = encode_query((("uploadId", upload.id),))
        response = await self._client.send("abort_multipart", "DELETE", upload.key, query=query, absent_ok=True)
        await discard(response)

    async def list_multipart(self, prefix: str, page_token: str | None = None) -> UploadPage:
        pairs = [("uploads", ""), ("prefix", prefix), ("encoding-type", "url")]
        if page_token is not None:
            key, upload_id = split_marker(page_token)
            pairs += [("key-marker", key), ("upload-id-marker", upload_id)]
        read = partial(parse_uploads, silently_encoded=self._dialect.silently_encoded_uploads)
        page, _ = await self._client.ask("list_multipart", "GET", None, read, query=encode_query(pairs))
        return page

    async def _source_headers(self, operation: str, source: str, options: CopyOptions) -> dict[str, str]:
        """Return the headers that name the source of a copy and pin its state.

        Where the service ignores the condition, the source is asked for its state first: better than nothing, and not
        safe from who writes in between.
        """
        container = options.source_container
        client = self._client if container is None else Client(self._client.service, container)
        name = client.address.source + encode_path(source)
        if options.source_version is not None:
            name = f"{name}?{encode_query((('versionId', options.source_version),))}"
        headers = {"x-amz-copy-source": name}
        if options.source_encryption is not None:
            headers.update(customer_key(options.source_encryption, source=True))
        if options.source_if_match is None:
            return headers
        if self._dialect.source_conditions:
            return headers | source_conditions(options.source_if_match)
        asked: dict[str, str] = {}
        read_headers(GetOptions(if_match=options.source_if_match, encryption=options.source_encryption), asked)
        query = "" if options.source_version is None else encode_query((("versionId", options.source_version),))
        await discard(await client.send(operation, "HEAD", source, asked, query))
        return headers


def _etag(parts: Sequence[Part]) -> str | None:
    """The ETag that S3 gives an object of ``parts``, for the gateway that does not tell it."""
    etags = [part.etag or "" for part in parts]
    if not all(map(_MD5.fullmatch, etags)):
        return None
    digest = hashlib.md5(bytes.fromhex("".join(etags)), usedforsecurity=False).hexdigest()
    return f"{digest}-{len(parts)}"
