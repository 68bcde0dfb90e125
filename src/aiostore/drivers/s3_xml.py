"""The XML of S3, in both directions. Nothing here knows of requests.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from aiostore._http import xml
from aiostore._http.bucket_xml import escape, next_token, time_of
from aiostore._http.status import unquote_etag
from aiostore.drivers.s3_headers import checksum_from_hex, checksum_to_hex
from aiostore.types import (
    NOTHING,
    Container,
    ContainerPage,
    Part,
    PartPage,
)

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

NAMESPACE: Final = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


class ErrorBody(NamedTuple):
    """What an error document says; empty where it says nothing."""

    code: str = ""
    message: str = ""
    region: str = ""
    endpoint: str = ""


class Written(NamedTuple):
    """What a copy or a completion answers."""

    etag: str | None
    checksums: Mapping[str, str]


# --- answers --------------------------------------------------------------------------------------------------------


def parse_error(root: Element) -> ErrorBody:
    """Read an error document."""
    fields = xml.fields(root)
    get = fields.get
    return ErrorBody(get("Code", ""), get("Message", ""), get("Region", ""), get("Endpoint", ""))


def parse_parts(root: Element) -> PartPage:
    """Read a page of ListParts."""
    parts = [
        Part(
            number=int(fields["PartNumber"]),
            size=int(fields["Size"]),
            etag=unquote_etag(fields.get("ETag")),
            checksums=_checksums(fields),
        )
        for fields in map(xml.fields, xml.children(root, "Part"))
    ]
    return PartPage(parts=parts, next_token=next_token(root, "NextPartNumberMarker"))


def parse_object_parts(root: Element) -> tuple[str | None, PartPage]:
    """Read the ETag and a page of the parts of GetObjectAttributes."""
    page = next((parse_parts(parts) for parts in xml.children(root, "ObjectParts")), PartPage())
    return unquote_etag(xml.text(root, "ETag")), page


def parse_containers(root: Element) -> ContainerPage:
    """Read a page of ListBuckets."""
    containers = [
        Container(
            name=fields["Name"], created=time_of(fields.get("CreationDate")), region=fields.get("BucketRegion") or None
        )
        for fields in map(xml.fields, xml.children(root, "Buckets", "Bucket"))
    ]
    return ContainerPage(containers=containers, next_token=xml.text(root, "ContinuationToken") or None)


def parse_written(root: Element) -> Written:
    """Read what a copy, a part's copy or a completion answers."""
    fields = xml.fields(root)
    checksums = NOTHING if fields.get("ChecksumType") == "COMPOSITE" else _checksums(fields)
    return Written(unquote_etag(fields.get("ETag")) or None, checksums)


def parse_delete_errors(root: Element) -> list[tuple[str, ErrorBody]]:
    """Read which keys a bulk delete could not delete, and why."""
    return [(xml.text(error, "Key"), parse_error(error)) for error in xml.children(root, "Error")]


def _checksums(fields: Mapping[str, str]) -> Mapping[str, str]:
    found = {}
    for name, value in fields.items():
        if name.startswith("Checksum") and name != "ChecksumType" and (digest := checksum_to_hex(value)) is not None:
            found[name[8:].lower()] = digest
    return found or NOTHING


# --- requests -------------------------------------------------------------------------------------------------------


def write_complete(parts: Sequence[Part], algorithm: str | None) -> bytes:
    """Write the body of a completion; ``algorithm`` names the checksum that every part was sent with."""
    written = []
    for part in parts:
        checksum = ""
        if algorithm is not None:
            name = f"Checksum{algorithm.upper()}"
            checksum = f"<{name}>{checksum_from_hex(part.checksums[algorithm])}</{name}>"
        etag = escape(part.etag or "")
        written.append(f'<Part><PartNumber>{part.number}</PartNumber><ETag>"{etag}"</ETag>{checksum}</Part>')
    return f"<CompleteMultipartUpload{NAMESPACE}>{''.join(written)}</CompleteMultipartUpload>".encode()


def write_location(region: str) -> bytes:
    """Write the body of the creation of a bucket in ``region``."""
    return (
        f"<CreateBucketConfiguration{NAMESPACE}><LocationConstraint>{escape(region)}</LocationConstraint>"
        "</CreateBucketConfiguration>"
    ).encode()


def write_restore(days: int) -> bytes:
    """Write the body of the restoration of an archived object for ``days`` days."""
    return f"<RestoreRequest{NAMESPACE}><Days>{days}</Days></RestoreRequest>".encode()
