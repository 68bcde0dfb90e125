"""The XML that is OSS's own; what it shares with others is in ``_http.bucket_xml``.

https://www.alibabacloud.com/help/en/oss/developer-reference/list-of-operations-by-function
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from aiostore._http import xml
from aiostore._http.bucket_xml import decoder, escape, next_token, time_of
from aiostore._http.status import unquote_etag
from aiostore.drivers.oss_headers import crc64_to_hex
from aiostore.types import NOTHING, Container, ContainerPage, Part, PartPage

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


class ErrorBody(NamedTuple):
    """What an error document says; empty where it says nothing."""

    code: str
    message: str
    endpoint: str


def parse_error(root: Element) -> ErrorBody:
    """Read an error document."""
    get = xml.fields(root).get
    return ErrorBody(get("Code", ""), get("Message", ""), get("Endpoint", ""))


def parse_parts(root: Element) -> PartPage:
    """Read a page of ListParts."""
    parts = []
    for fields in map(xml.fields, xml.children(root, "Part")):
        crc = crc64_to_hex(fields.get("HashCrc64ecma"))
        parts.append(
            Part(
                number=int(fields["PartNumber"]),
                size=int(fields["Size"]),
                etag=unquote_etag(fields.get("ETag")),
                checksums=NOTHING if crc is None else {"crc64": crc},
            )
        )
    return PartPage(parts=parts, next_token=next_token(root, "NextPartNumberMarker"))


def parse_containers(root: Element) -> ContainerPage:
    """Read a page of ListBuckets."""
    containers = [
        Container(name=fields["Name"], created=time_of(fields.get("CreationDate")), region=fields.get("Region") or None)
        for fields in map(xml.fields, xml.children(root, "Buckets", "Bucket"))
    ]
    return ContainerPage(containers=containers, next_token=next_token(root, "NextMarker"))


def parse_deleted(root: Element) -> frozenset[str]:
    """Read which keys a bulk delete has deleted."""
    read = decoder(root, unquote)
    return frozenset(read(xml.text(element, "Key")) for element in xml.children(root, "Deleted"))


def write_complete(parts: Sequence[Part]) -> bytes:
    """Write the body of a completion."""
    written = "".join(
        f'<Part><PartNumber>{part.number}</PartNumber><ETag>"{escape(part.etag or "")}"</ETag></Part>' for part in parts
    )
    return f"<CompleteMultipartUpload>{written}</CompleteMultipartUpload>".encode()


def write_restore(days: int) -> bytes:
    """Write the body of the restoration of an archived object for ``days`` days."""
    return f"<RestoreRequest><Days>{days}</Days></RestoreRequest>".encode()
