"""The JSON API's uploads: plain, with their description, and resumable.

https://docs.cloud.google.com/storage/docs/uploads-downloads and
https://docs.cloud.google.com/storage/docs/performing-resumable-uploads
"""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass, field

from aiohttp import web

from tests.servers.gcs_server.asked import Asked
from tests.servers.gcs_server.json_api import answer
from tests.servers.gcs_server.refusal import Refusal
from tests.servers.gcs_server.state import Resource, State, check_conditions, check_contexts, check_digests

_BOUNDARY = re.compile(r'boundary="?([^";]+)"?')
_CHUNK = 256 * 1024
"""Chunks of a resumable upload, but the last, are multiples of this."""


@dataclass(slots=True)
class Session:
    """A resumable upload under way."""

    bucket: str
    name: str
    fields: Resource
    query: dict[str, str]
    digests: dict[str, str | None]
    key_sha256: str | None
    data: bytearray = field(default_factory=bytearray)
    result: Resource | None = None


class Uploads:
    """Its handlers."""

    def __init__(self, state: State, url: str) -> None:
        self._state = state
        self._url = url
        self._sessions: dict[str, Session] = {}

    async def insert(self, asked: Asked) -> web.Response:
        kind = asked.query.get("uploadType")
        if kind == "media":
            fields: Resource = {"contentType": asked.headers.get("Content-Type")}
            fields["contentEncoding"] = asked.query.get("contentEncoding")
            return self._finish(asked, asked.query.get("name", ""), fields, asked.xml_digests(), asked.body)
        if kind == "multipart":
            described, data, content_type = _split(asked)
            fields = {"contentType": content_type, **described}
            name = asked.query.get("name") or described.get("name", "")
            digests = {"crc32c": described.get("crc32c"), "md5": described.get("md5Hash")}
            return self._finish(asked, name, fields, digests, data)
        if kind == "resumable":
            return self._begin(asked)
        raise Refusal(400, "invalid", f"Invalid uploadType {kind!r}.")

    def _finish(
        self, asked: Asked, name: str, fields: Resource, digests: dict[str, str | None], data: bytes
    ) -> web.Response:
        shown = self._write(asked.bucket, name, fields, asked.query, digests, asked.customer_key(), data)
        return answer(asked, shown)

    def _write(
        self,
        bucket_name: str,
        name: str,
        fields: Resource,
        query: dict[str, str],
        digests: dict[str, str | None],
        key_sha256: str | None,
        data: bytes,
    ) -> Resource:
        bucket = self._state.bucket(bucket_name)
        check_conditions(query, bucket.live(name))
        check_digests(data, digests)
        check_contexts(fields)
        public = query.get("predefinedAcl") == "publicRead"
        kms_key = query.get("kmsKeyName")
        written = self._state.write(bucket, name, data, fields, key_sha256=key_sha256, kms_key=kms_key, public=public)
        return written.resource()

    # --- resumable

    def _begin(self, asked: Asked) -> web.Response:
        described = asked.json()
        name = asked.query.get("name") or described.get("name", "")
        bucket = self._state.bucket(asked.bucket)
        check_conditions(asked.query, bucket.live(name))
        described.setdefault("contentType", asked.headers.get("X-Upload-Content-Type"))
        digests = {"crc32c": described.get("crc32c"), "md5": described.get("md5Hash")}
        session = Session(asked.bucket, name, described, asked.query, digests, asked.customer_key())
        upload_id = secrets.token_urlsafe(24)
        self._sessions[upload_id] = session
        path = f"/upload/storage/v1/b/{asked.bucket}/o?uploadType=resumable&upload_id={upload_id}"
        return web.Response(status=200, headers={"Location": self._url + path, "X-GUploader-UploadID": upload_id})

    def _session(self, asked: Asked) -> Session:
        session = self._sessions.get(asked.query.get("upload_id", ""))
        if session is None:
            raise Refusal(404, "notFound", "No such upload session.")
        return session

    async def resume(self, asked: Asked) -> web.Response:
        """The next chunk, or with ``bytes */…`` the question how far the upload has come."""
        session = self._session(asked)
        if session.result is not None:
            return answer(asked, session.result)
        content_range = asked.headers.get("Content-Range", f"bytes 0-{len(asked.body) - 1}/{len(asked.body)}")
        span, _, total = content_range.removeprefix("bytes ").partition("/")
        if span != "*":
            first, last = (int(number) for number in span.split("-")) if asked.body else (0, -1)
            if last - first + 1 != len(asked.body):
                raise Refusal(400, "invalid", "Content-Range does not fit the body.")
            if first > len(session.data):
                raise Refusal(503, "backendError", "A chunk is missing.")
            if total == "*" and len(asked.body) % _CHUNK:
                raise Refusal(400, "invalid", "Chunks are multiples of 256 KiB.")
            # What was received before is not taken twice.
            session.data += asked.body[len(session.data) - first :]
        if total != "*" and len(session.data) == int(total):
            session.digests.update({name: value for name, value in asked.xml_digests().items() if value})
            session.result = self._write(
                session.bucket, session.name, session.fields, session.query, session.digests,
                session.key_sha256, bytes(session.data),
            )  # fmt: skip
            return answer(asked, session.result)
        headers = {"Range": f"bytes=0-{len(session.data) - 1}"} if session.data else {}
        return web.Response(status=308, headers=headers)

    async def cancel(self, asked: Asked) -> web.Response:
        self._session(asked)
        del self._sessions[asked.query["upload_id"]]
        return web.Response(status=499)


def _split(asked: Asked) -> tuple[Resource, bytes, str | None]:
    """The description and the bytes of a multipart/related upload, and the type of the latter."""
    found = _BOUNDARY.search(asked.headers.get("Content-Type", ""))
    if found is None:
        raise Refusal(400, "invalid", "Missing multipart boundary.")
    # Lines may end without a carriage return, as those of one of the clients do.
    pieces = re.split(rb"(?:\r?\n|^)--" + re.escape(found[1].encode()), asked.body)
    if len(pieces) != 4 or not pieces[3].startswith(b"--"):
        raise Refusal(400, "invalid", "Malformed multipart body.")
    split = [re.split(rb"\r?\n\r?\n", piece, maxsplit=1) for piece in pieces[1:3]]
    if [len(part) for part in split] != [2, 2]:
        raise Refusal(400, "invalid", "Malformed multipart body.")
    (_, description), (head, data) = split
    content_type = None
    for line in head.decode().splitlines():
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-type":
            content_type = value.strip()
    try:
        described = json.loads(description)
    except ValueError:
        raise Refusal(400, "parseError", "Parse Error") from None
    return described, data, content_type
