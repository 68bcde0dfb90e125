"""The bytes of an object: ranges, preconditions, and objects that are stored as gzip.

https://docs.cloud.google.com/storage/docs/xml-api/get-object-download and
https://docs.cloud.google.com/storage/docs/transcoding
"""

from __future__ import annotations

import gzip
import re
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime

from aiohttp import web
from multidict import CIMultiDict

from tests.servers.gcs_server.asked import Asked
from tests.servers.gcs_server.refusal import Refusal
from tests.servers.gcs_server.state import Generation, check_conditions

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def media(asked: Asked, one: Generation, *, xml: bool) -> web.Response:
    """The answer to a download; of HEAD only its head is sent."""
    conditions = asked.xml_conditions() if xml else asked.query
    check_conditions(conditions, one, read=True)
    _check_http_conditions(asked, one)
    asked.check_key(one)
    headers = describe(one, xml=xml)
    stored = one.fields.get("contentEncoding", "")
    accepts = "gzip" in asked.headers.get("Accept-Encoding", "")
    transform = "no-transform" not in one.fields.get("cacheControl", "")
    if stored == "gzip" and not accepts and transform:
        # Decompressive transcoding: the whole, whatever range was asked for, without a length.
        del headers["Content-Encoding"]
        headers["Warning"] = "214 UploadServer gunzipped"
        headers["Transfer-Encoding"] = "chunked"
        try:
            return _response(200, headers, gzip.decompress(one.data))
        except OSError:
            raise Refusal(503, "backendError", "The object is not gzip.") from None
    size = len(one.data)
    wanted = _RANGE.fullmatch(asked.headers.get("Range", ""))
    if wanted is None or wanted.groups() == ("", ""):
        return _response(200, headers, one.data)
    first, last = wanted.groups()
    if first:
        start, stop = int(first), min(int(last) + 1, size) if last else size
    else:
        start, stop = max(0, size - int(last)), size
    if start >= size or start >= stop:
        raise Refusal(416, "requestedRangeNotSatisfiable", "The requested range cannot be satisfied.")
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    return _response(206, headers, one.data[start:stop])


def describe(one: Generation, *, xml: bool) -> CIMultiDict[str]:
    """The headers of an object. Only the XML API shows its metadata."""
    headers: CIMultiDict[str] = CIMultiDict()
    headers["ETag"] = one.xml_etag if xml else one.etag
    headers["Last-Modified"] = format_datetime(datetime.fromisoformat(one.updated), usegmt=True)
    headers["x-goog-generation"] = str(one.generation)
    headers["x-goog-metageneration"] = str(one.metageneration)
    headers["x-goog-stored-content-encoding"] = one.fields.get("contentEncoding", "identity")
    headers["x-goog-stored-content-length"] = str(len(one.data))
    headers.add("x-goog-hash", f"crc32c={one.crc32c}")
    if one.md5 is not None:
        headers.add("x-goog-hash", f"md5={one.md5}")
    headers["x-goog-storage-class"] = one.fields.get("storageClass", "STANDARD")
    for field, name in (
        ("contentType", "Content-Type"),
        ("contentEncoding", "Content-Encoding"),
        ("contentDisposition", "Content-Disposition"),
        ("contentLanguage", "Content-Language"),
        ("cacheControl", "Cache-Control"),
        ("customTime", "x-goog-custom-time"),
    ):
        if (value := one.fields.get(field)) is not None:
            headers[name] = value
    headers.setdefault("Content-Type", "application/octet-stream")
    if one.components is not None:
        headers["x-goog-component-count"] = str(one.components)
    if one.kms_key is not None:
        headers["x-goog-encryption-kms-key-name"] = one.kms_key
    if one.key_sha256 is not None:
        headers["x-goog-encryption-algorithm"] = "AES256"
        headers["x-goog-encryption-key-sha256"] = one.key_sha256
    if xml:
        for name, value in (one.fields.get("metadata") or {}).items():
            headers[f"x-goog-meta-{name}"] = value
    return headers


def _response(status: int, headers: CIMultiDict[str], data: bytes) -> web.Response:
    chunked = headers.pop("Transfer-Encoding", None)
    response = web.Response(status=status, headers=headers, body=data)
    if chunked:
        response.enable_chunked_encoding()
    return response


def _check_http_conditions(asked: Asked, one: Generation) -> None:
    """RFC 9110 section 13.2.2."""
    match = asked.headers.get("If-Match")
    if match is not None and match != "*" and one.xml_etag not in match:
        raise Refusal(412, "conditionNotMet", "If-Match does not hold.")
    unwanted = asked.headers.get("If-None-Match")
    if unwanted is not None:
        if unwanted == "*" or one.xml_etag in unwanted:
            raise Refusal(304, "notModified", "")
    elif (since := asked.headers.get("If-Modified-Since")) is not None and (
        datetime.fromisoformat(one.updated).replace(microsecond=0) <= parsedate_to_datetime(since)
    ):
        raise Refusal(304, "notModified", "")
