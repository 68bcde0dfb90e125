"""Handlers of multipart uploads.

https://www.alibabacloud.com/help/en/oss/developer-reference/multipart-upload-operations
"""

from __future__ import annotations

import hashlib
import re
import secrets

from aiohttp import web

from tests.servers.oss_server.answers import document, element, encoding, iso, quoted, shown
from tests.servers.oss_server.asked import Asked
from tests.servers.oss_server.buckets import Buckets
from tests.servers.oss_server.objects import Objects, check_forbidden, described, with_data, written
from tests.servers.oss_server.refusal import Refusal, no_upload
from tests.servers.oss_server.state import StoredPart, Uploading, crc64, etag_of

SMALLEST_PART = 100 * 1024
_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


class Uploads:
    """What is done with uploads."""

    def __init__(self, buckets: Buckets, objects: Objects) -> None:
        self.buckets = buckets
        self.objects = objects

    def of(self, asked: Asked) -> Uploading:
        bucket, upload_id = self.buckets.of(asked), asked.query["uploadId"]
        upload = bucket.uploads.get(upload_id)
        if upload is None or upload.key != asked.key:
            raise no_upload(upload_id)
        return upload

    async def initiate(self, asked: Asked) -> web.Response:
        bucket = self.buckets.of(asked)
        check_forbidden(asked, bucket, asked.key)
        upload = Uploading(key=asked.key, id=secrets.token_hex(16).upper(), target=described(asked))
        bucket.uploads[upload.id] = upload
        told = encoding(asked) + element("Bucket", bucket.name) + element("Key", shown(asked, asked.key))
        told += element("UploadId", upload.id)
        return document(f"<InitiateMultipartUploadResult>{told}</InitiateMultipartUploadResult>")

    def _number(self, asked: Asked) -> int:
        number = asked.number("partNumber", 0, 10_000)
        if not number:
            raise Refusal(400, "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive.")
        return number

    async def upload_part(self, asked: Asked) -> web.Response:
        upload, number = self.of(asked), self._number(asked)
        asked.check_md5()
        part = upload.parts[number] = StoredPart(data=asked.body, etag=etag_of(asked.body), crc=crc64(asked.body))
        return web.Response(headers={"ETag": quoted(part.etag), "x-oss-hash-crc64ecma": part.crc})

    async def copy_part(self, asked: Asked) -> web.Response:
        upload, number = self.of(asked), self._number(asked)
        data = self.objects.source(asked).data
        given = asked.headers.get("x-oss-copy-source-range")
        if given is not None:
            match = _RANGE.fullmatch(given)
            if match is None or not int(match[1]) <= int(match[2]) < len(data):
                raise Refusal(400, "InvalidArgument", "The x-oss-copy-source-range is not valid.")
            data = data[int(match[1]) : int(match[2]) + 1]
        part = upload.parts[number] = StoredPart(data=data, etag=etag_of(data), crc=crc64(data))
        told = element("LastModified", iso(part.modified)) + element("ETag", quoted(part.etag))
        headers = {"ETag": quoted(part.etag), "x-oss-hash-crc64ecma": part.crc}
        return document(f"<CopyPartResult>{told}</CopyPartResult>", headers=headers)

    async def list_parts(self, asked: Asked) -> web.Response:
        upload = self.of(asked)
        marker = asked.number("part-number-marker", 0, 10_000)
        most = asked.number("max-parts", 1000, 1000)
        numbers = sorted(number for number in upload.parts if number > marker)
        page, more = numbers[:most], len(numbers) > most
        told = encoding(asked) + element("Bucket", asked.bucket) + element("Key", shown(asked, asked.key))
        told += element("UploadId", upload.id) + element("PartNumberMarker", marker)
        told += element("NextPartNumberMarker", page[-1] if page else marker) + element("MaxParts", most)
        told += element("IsTruncated", str(more).lower())
        for number in page:
            part = upload.parts[number]
            fields = element("PartNumber", number) + element("LastModified", iso(part.modified))
            fields += element("ETag", quoted(part.etag)) + element("HashCrc64ecma", part.crc)
            told += f"<Part>{fields}{element('Size', len(part.data))}</Part>"
        return document(f"<ListPartsResult>{told}</ListPartsResult>")

    async def complete(self, asked: Asked) -> web.Response:
        upload, bucket = self.of(asked), self.buckets.of(asked)
        asked.check_md5()
        if asked.headers.get("x-oss-complete-all", "").lower() == "yes":
            wanted = [(number, part.etag) for number, part in sorted(upload.parts.items())]
        else:
            listed = asked.document().iter("Part")
            wanted = [(int(one.findtext("PartNumber") or 0), (one.findtext("ETag") or "").strip('"')) for one in listed]
        numbers = [number for number, _ in wanted]
        if not numbers:
            raise Refusal(400, "MalformedXML", "The XML you provided was not well-formed.")
        if numbers != sorted(set(numbers)):
            raise Refusal(400, "InvalidPartOrder", "The list of parts was not in ascending order.")
        parts = []
        for number, etag in wanted:
            part = upload.parts.get(number)
            if part is None or part.etag != etag:
                message = "One or more of the specified parts could not be found or the specified entity tag is wrong."
                raise Refusal(400, "InvalidPart", message, fields={"PartNumber": str(number)})
            parts.append(part)
        if any(len(part.data) < SMALLEST_PART for part in parts[:-1]):
            message = "Your proposed upload smaller than the minimum allowed size."
            raise Refusal(400, "EntityTooSmall", message)
        check_forbidden(asked, bucket, asked.key)
        digest = hashlib.md5(b"".join(bytes.fromhex(part.etag) for part in parts)).hexdigest().upper()
        data = b"".join(part.data for part in parts)
        version = with_data(upload.target, data, etag=f"{digest}-{len(parts)}", kind="Multipart")
        bucket.add(asked.key, version)
        del bucket.uploads[upload.id]
        told = encoding(asked) + element("Location", f"http://{asked.host}/{shown(asked, asked.key)}")
        told += element("Bucket", bucket.name) + element("Key", shown(asked, asked.key))
        told += element("ETag", quoted(version.etag))
        return document(
            f"<CompleteMultipartUploadResult>{told}</CompleteMultipartUploadResult>", headers=written(bucket, version)
        )

    async def abort(self, asked: Asked) -> web.Response:
        upload = self.of(asked)
        del self.buckets.of(asked).uploads[upload.id]
        return web.Response(status=204)
