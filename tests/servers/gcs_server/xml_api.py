"""The XML API: objects, multipart uploads, forms, and listings as S3's clients ask for them.

https://docs.cloud.google.com/storage/docs/xml-api/reference-methods
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from urllib.parse import unquote
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from aiohttp import web

from tests.servers.gcs_server.accounts import Accounts
from tests.servers.gcs_server.asked import Asked
from tests.servers.gcs_server.reads import describe, media
from tests.servers.gcs_server.refusal import Refusal
from tests.servers.gcs_server.state import (
    Generation,
    Resource,
    State,
    check_conditions,
    check_digests,
    crc32c,
    md5,
    now,
)

_SPACE = "xmlns='http://s3.amazonaws.com/doc/2006-03-01/'"
SMALLEST_PART = 5 * 1024**2


@dataclass(slots=True)
class MultipartUpload:
    """A multipart upload under way; of each part its bytes and its ETag."""

    bucket: str
    name: str
    fields: Resource
    key_sha256: str | None
    kms_key: str | None
    public: bool
    started: str = field(default_factory=now)
    parts: dict[int, tuple[bytes, str]] = field(default_factory=dict)


class XMLAPI:
    """Its handlers."""

    def __init__(self, state: State, accounts: Accounts) -> None:
        self._state = state
        self._accounts = accounts
        self._uploads: dict[str, MultipartUpload] = {}

    # --- objects

    async def get_object(self, asked: Asked) -> web.Response:
        one = self._state.bucket(asked.bucket).find(asked.name, asked.query.get("generation"))
        response = media(asked, one, xml=True)
        for name, value in asked.query.items():
            if name.startswith("response-"):
                response.headers[name.removeprefix("response-").title()] = value
        return response

    async def put_object(self, asked: Asked) -> web.Response:
        bucket = self._state.bucket(asked.bucket)
        check_conditions(asked.xml_conditions(), bucket.live(asked.name))
        digests = {name: value for name, value in asked.xml_digests().items() if value}
        check_digests(asked.body, digests)
        made = self._state.write(
            bucket, asked.name, asked.body, asked.xml_fields(), key_sha256=asked.customer_key(),
            kms_key=asked.headers.get("x-goog-encryption-kms-key-name"),
            public=asked.headers.get("x-goog-acl") == "public-read",
        )  # fmt: skip
        return _written(made)

    async def copy_object(self, asked: Asked) -> web.Response:
        """https://docs.cloud.google.com/storage/docs/xml-api/put-object-copy"""
        bucket = self._state.bucket(asked.bucket)
        check_conditions(asked.xml_conditions(), bucket.live(asked.name))
        path = unquote(asked.headers["x-goog-copy-source"]).removeprefix("/")
        from_bucket, _, from_name = path.partition("/")
        source = self._state.bucket(from_bucket).find(from_name)
        made = self._state.write(bucket, asked.name, source.data, source.fields, with_md5=source.md5 is not None)
        etag, updated = escape(made.xml_etag), made.updated
        return _xml(f"<CopyObjectResult><ETag>{etag}</ETag><LastModified>{updated}</LastModified></CopyObjectResult>")

    async def delete_object(self, asked: Asked) -> web.Response:
        bucket = self._state.bucket(asked.bucket)
        generation = asked.query.get("generation")
        one = bucket.find(asked.name, generation)
        check_conditions(asked.xml_conditions(), one)
        bucket.end(one, for_good=generation is not None)
        return web.Response(status=204)

    async def list_objects(self, asked: Asked) -> web.Response:
        """https://docs.cloud.google.com/storage/docs/xml-api/get-bucket-list, version 2"""
        bucket = self._state.bucket(asked.bucket)
        query = asked.query
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        after = unquote(query.get("continuation-token", "")) or query.get("start-after", "")
        most = int(query.get("max-keys", "1000"))
        entries: list[str] = []
        last, more = "", False
        seen: set[str] = set()
        for name in sorted(bucket.objects, key=str.encode):
            one = bucket.live(name)
            if one is None or not name.startswith(prefix) or name.encode() <= after.encode():
                continue
            cut = name.find(delimiter, len(prefix)) if delimiter else -1
            common = name[: cut + len(delimiter)] if cut >= 0 else None
            if common is not None and (common in seen or common == after):
                continue
            if len(entries) == most:
                more = True
                break
            if common is not None:
                seen.add(common)
                entries.append(f"<CommonPrefixes><Prefix>{escape(common)}</Prefix></CommonPrefixes>")
            else:
                entries.append(
                    f"<Contents><Key>{escape(name)}</Key><Generation>{one.generation}</Generation>"
                    f"<MetaGeneration>{one.metageneration}</MetaGeneration><LastModified>{one.updated}</LastModified>"
                    f"<ETag>{escape(one.xml_etag)}</ETag><Size>{len(one.data)}</Size></Contents>"
                )
            last = common + "\U0010ffff" if common is not None else name
        token = f"<NextContinuationToken>{escape(last)}</NextContinuationToken>" if more else ""
        truncated = f"<IsTruncated>{str(more).lower()}</IsTruncated>"
        return _xml(
            f"<ListBucketResult><Name>{bucket.name}</Name>{truncated}{''.join(entries)}{token}</ListBucketResult>"
        )

    # --- multipart uploads: https://docs.cloud.google.com/storage/docs/multipart-uploads

    async def begin(self, asked: Asked) -> web.Response:
        self._state.bucket(asked.bucket)
        if asked.xml_conditions():
            raise Refusal(400, "invalid", "Preconditions are not supported by multipart uploads.")
        upload_id = secrets.token_urlsafe(40)
        self._uploads[upload_id] = MultipartUpload(
            asked.bucket, asked.name, asked.xml_fields(), asked.customer_key(),
            asked.headers.get("x-goog-encryption-kms-key-name"), asked.headers.get("x-goog-acl") == "public-read",
        )  # fmt: skip
        named = f"<Bucket>{asked.bucket}</Bucket><Key>{escape(asked.name)}</Key><UploadId>{upload_id}</UploadId>"
        return _xml(f"<InitiateMultipartUploadResult {_SPACE}>{named}</InitiateMultipartUploadResult>")

    def _upload(self, asked: Asked) -> MultipartUpload:
        upload = self._uploads.get(asked.query["uploadId"])
        if upload is None or (upload.bucket, upload.name) != (asked.bucket, asked.name):
            raise Refusal(404, "noSuchUpload", "The requested upload was not found.")
        return upload

    async def put_part(self, asked: Asked) -> web.Response:
        upload = self._upload(asked)
        check_digests(asked.body, asked.xml_digests())
        if asked.customer_key() != upload.key_sha256:
            raise Refusal(400, "customerEncryptionKeyIsIncorrect", "The provided encryption key is incorrect.")
        number = int(asked.query["partNumber"])
        if not 1 <= number <= 10_000:
            raise Refusal(400, "invalid", "A part number is 1 to 10000.")
        etag = f'"{md5(asked.body)}"'
        upload.parts[number] = (asked.body, etag)
        given = asked.xml_digests().get("crc32c") or crc32c(asked.body)
        return web.Response(status=200, headers={"ETag": etag, "x-goog-hash": f"crc32c={given}"})

    async def list_parts(self, asked: Asked) -> web.Response:
        upload = self._upload(asked)
        most = int(asked.query.get("max-parts", "1000"))
        numbers = [
            number for number in sorted(upload.parts) if number > int(asked.query.get("part-number-marker", "0"))
        ]
        listed = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(upload.parts[number][1])}</ETag>"
            f"<Size>{len(upload.parts[number][0])}</Size></Part>"
            for number in numbers[:most]
        )
        more = len(numbers) > most
        marker = f"<NextPartNumberMarker>{numbers[most - 1]}</NextPartNumberMarker>" if more else ""
        truncated = f"<IsTruncated>{str(more).lower()}</IsTruncated>"
        return _xml(f"<ListPartsResult {_SPACE}>{listed}{truncated}{marker}</ListPartsResult>")

    async def complete(self, asked: Asked) -> web.Response:
        upload = self._upload(asked)
        if asked.xml_conditions():
            raise Refusal(400, "invalid", "Preconditions are not supported by multipart uploads.")
        wanted = []
        for element in ET.fromstring(asked.body):  # noqa: S314  # from tests only
            fields = {child.tag.rpartition("}")[2]: child.text or "" for child in element}
            wanted.append((int(fields["PartNumber"]), fields["ETag"].strip('"')))
        if [number for number, _ in wanted] != sorted({number for number, _ in wanted}) or not wanted:
            raise Refusal(400, "invalidPart", "The list of parts is not in ascending order.")
        pieces = []
        for position, (number, etag) in enumerate(wanted, start=1):
            data, actual = upload.parts.get(number, (b"", ""))
            if actual.strip('"') != etag:
                raise Refusal(400, "invalidPart", f"Part {number} is not there, or has another ETag.")
            if position < len(wanted) and len(data) < SMALLEST_PART:
                raise Refusal(400, "entityTooSmall", f"Part {number} is smaller than 5 MiB.")
            pieces.append(data)
        made = self._state.write(
            self._state.bucket(asked.bucket), asked.name, b"".join(pieces), upload.fields,
            components=len(pieces), key_sha256=upload.key_sha256, kms_key=upload.kms_key, public=upload.public,
            with_md5=False,
        )  # fmt: skip
        del self._uploads[asked.query["uploadId"]]
        named = f"<Bucket>{asked.bucket}</Bucket><Key>{escape(asked.name)}</Key><ETag>{escape(made.xml_etag)}</ETag>"
        response = _xml(f"<CompleteMultipartUploadResult {_SPACE}>{named}</CompleteMultipartUploadResult>")
        response.headers["x-goog-hash"] = f"crc32c={made.crc32c}"
        return response

    async def abort(self, asked: Asked) -> web.Response:
        self._upload(asked)
        del self._uploads[asked.query["uploadId"]]
        return web.Response(status=204)

    async def list_uploads(self, asked: Asked) -> web.Response:
        self._state.bucket(asked.bucket)
        most = int(asked.query.get("max-uploads", "1000"))
        after = (asked.query.get("key-marker", ""), asked.query.get("upload-id-marker", ""))
        found = sorted(
            (upload.name, upload_id, upload.started)
            for upload_id, upload in self._uploads.items()
            if upload.bucket == asked.bucket and upload.name.startswith(asked.query.get("prefix", ""))
        )
        found = [entry for entry in found if (entry[0], entry[1]) > after]
        listed = "".join(
            f"<Upload><Key>{escape(name)}</Key><UploadId>{upload_id}</UploadId><Initiated>{started}</Initiated></Upload>"
            for name, upload_id, started in found[:most]
        )
        more = len(found) > most
        marker = ""
        if more:
            name, upload_id, _ = found[most - 1]
            marker = (
                f"<NextKeyMarker>{escape(name)}</NextKeyMarker><NextUploadIdMarker>{upload_id}</NextUploadIdMarker>"
            )
        truncated = f"<IsTruncated>{str(more).lower()}</IsTruncated>"
        return _xml(f"<ListMultipartUploadsResult {_SPACE}>{listed}{truncated}{marker}</ListMultipartUploadsResult>")

    # --- forms: https://docs.cloud.google.com/storage/docs/xml-api/post-object-forms

    async def post_form(self, asked: Asked) -> web.Response:
        bucket = self._state.bucket(asked.bucket)
        head = f"Content-Type: {asked.headers['Content-Type']}\r\n\r\n".encode()
        message = BytesParser(policy=HTTP).parsebytes(head + asked.body)
        fields: dict[str, str] = {}
        file, filename = b"", ""
        for part in message.iter_parts():
            name = str(part.get_param("name", header="content-disposition"))
            payload = part.get_payload(decode=True)
            if name.lower() == "file":
                file, filename = bytes(payload or b""), part.get_filename() or ""
                break
            fields[name.lower()] = bytes(payload or b"").decode()
        self._accounts.check_policy(asked.bucket, fields, len(file))
        key = fields["key"].replace("${filename}", filename)
        described: Resource = {"contentType": fields.get("content-type")}
        prefix = "x-goog-meta-"
        described["metadata"] = {
            name.removeprefix(prefix): value for name, value in fields.items() if name.startswith(prefix)
        }
        made = self._state.write(bucket, key, file, described)
        return web.Response(status=int(fields.get("success_action_status", "204")), headers={"ETag": made.xml_etag})


def _written(one: Generation) -> web.Response:
    headers = {
        name: value
        for name, value in describe(one, xml=True).items()
        if name.lower() == "etag" or name.lower().startswith("x-goog-")
    }
    return web.Response(status=200, headers=headers)


def _xml(text: str) -> web.Response:
    return web.Response(text=f"<?xml version='1.0' encoding='UTF-8'?>{text}", content_type="application/xml")


_KEY_IN_PATH = re.compile(r"/([^/?]+)/([^?]+)")


def public(state: State, raw_path: str) -> bool:
    """Whether anybody may read this object, by whichever API."""
    match = _KEY_IN_PATH.match(raw_path) or None
    if match is None or match[1] in {"storage", "upload", "download", "batch"}:
        match = re.match(r"/(?:download/)?storage/v1/b/([^/?]+)/o/([^?/]+)", raw_path)
    if match is None:
        return False
    bucket = state.buckets.get(unquote(match[1]))
    one = None if bucket is None else bucket.live(unquote(match[2]))
    return one is not None and one.public
