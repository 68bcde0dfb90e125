"""The XML of S3, in both directions. Nothing here knows of requests.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote_plus
from xml.sax.saxutils import escape

from aiostore._http import xml
from aiostore._http.status import unquote_etag
from aiostore.drivers.s3_headers import checksum_from_hex, checksum_to_hex
from aiostore.errors import UnavailableError
from aiostore.types import (
    NOTHING,
    Container,
    ContainerPage,
    ListPage,
    ObjectMeta,
    ObjectVersion,
    Part,
    PartPage,
    Upload,
    UploadPage,
    VersionPage,
    object_meta,
)

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_NAMESPACE: Final = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'

UNWRITABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""Characters that XML 1.0 cannot hold, not even escaped."""

_ILLEGAL: Final = re.compile(
    rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]|&#(?:x0*(?:[0-8bcefBCEF]|1[0-9a-fA-F])|0*(?:[0-8]|1[124-9]|2\d|3[01]));"
)
"""The same in the bytes of a document, also escaped."""

_ROW: Final = re.compile(
    r"<Contents><Key>([^<&]+)</Key><LastModified>([^<&]+)</LastModified>"
    r"""<ETag>(?:&quot;|&#34;|")?([^<&"]*)(?:&quot;|&#34;|")?</ETag>"""
    r"(?:<Checksum(?:Algorithm|Type)>\w+</Checksum(?:Algorithm|Type)>)*<Size>([0-9]+)</Size>"
    r"(?:<StorageClass>(\w+)</StorageClass>)?(?:<Type>Normal</Type>)?</Contents>"
)
"""An object of a listing as most services write it. What does not look exactly like this is left to the parser."""


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


def parse(data: bytes) -> Element:
    """Return the root element of an answer.

    Gateways repeat what they were asked, also characters that XML cannot hold: they are replaced, nobody reads them.

    Raises:
        UnavailableError: if it is not XML.
        StoreError: if it is more than can be meant.
    """
    try:
        return xml.parse(data)
    except UnavailableError:
        cleaned = _ILLEGAL.sub("\ufffd".encode(), data.decode(errors="replace").encode())
        if cleaned == data:
            raise
    return xml.parse(cleaned)


# --- answers --------------------------------------------------------------------------------------------------------


def parse_error(root: Element) -> ErrorBody:
    """Read an error document."""
    fields = xml.fields(root)
    get = fields.get
    return ErrorBody(get("Code", ""), get("Message", ""), get("Region", ""), get("Endpoint", ""))


def parse_list(data: bytes) -> ListPage:
    """Read a page of ListObjectsV2."""
    text = data.decode()
    rows = _ROW.findall(text)
    begin, end = text.find("<Contents>"), text.rfind("</Contents>")
    if rows and len(rows) == text.count("<Contents>") and text.find("<CommonPrefixes>", begin, end) < 0:
        # What is left is small and goes through the parser, which sees to it that the whole is a listing.
        root = parse((text[:begin] + text[end + len("</Contents>") :]).encode())
        encoded = xml.text(root, "EncodingType") == "url"
        objects = [_row(row, encoded) for row in rows]
    else:
        root = parse(data)
        encoded = xml.text(root, "EncodingType") == "url"
        objects = [_listed(fields, encoded=encoded) for fields in map(xml.fields, xml.children(root, "Contents"))]
    prefixes = [
        _decode(prefix.text or "", encoded=encoded) for prefix in xml.children(root, "CommonPrefixes", "Prefix")
    ]
    return ListPage(objects=objects, common_prefixes=prefixes, next_token=_token(root, "NextContinuationToken"))


def _row(row: tuple[str, str, str, str, str], encoded: bool) -> ObjectMeta:  # called for every key
    key, modified, etag, size, storage_class = row
    if encoded and ("%" in key or "+" in key):
        key = unquote_plus(key)
    return object_meta(key, int(size), _modified(modified), etag or None, None, None, None, None, None, None,
                       storage_class or None)  # fmt: skip


_modified = lru_cache(maxsize=1024)(datetime.fromisoformat)
"""Objects that were written together were written in the same second."""


def _listed(fields: Mapping[str, str], *, encoded: bool) -> ObjectMeta:
    get = fields.get
    version = get("VersionId")
    return ObjectMeta(
        key=_decode(fields["Key"], encoded=encoded),
        size=int(get("Size") or 0),
        last_modified=_time(get("LastModified")),
        etag=unquote_etag(get("ETag")) or None,
        version=None if version == "null" else version,
        storage_class=get("StorageClass") or None,
    )


def parse_versions(root: Element) -> VersionPage:
    """Read a page of ListObjectVersions; versions and delete markers come mixed, newest first within a key.

    The version called ``null``, which was written before versions were kept, keeps its name: it can be asked for.
    """
    encoded = xml.text(root, "EncodingType") == "url"
    versions = []
    for element in xml.children(root):
        kind = xml.name(element)
        if kind in {"Version", "DeleteMarker"}:
            fields = xml.fields(element)
            meta = ObjectMeta(
                key=_decode(fields["Key"], encoded=encoded),
                size=int(fields.get("Size") or 0),
                last_modified=_time(fields.get("LastModified")),
                etag=unquote_etag(fields.get("ETag")) or None,
                version=fields.get("VersionId") or None,
                storage_class=fields.get("StorageClass") or None,
            )
            is_latest = fields.get("IsLatest") == "true"
            versions.append(ObjectVersion(meta=meta, is_latest=is_latest, is_delete_marker=kind == "DeleteMarker"))
    return VersionPage(versions=versions, next_token=_marker(root, "NextVersionIdMarker", encoded=encoded))


def parse_uploads(root: Element, *, silently_encoded: bool) -> UploadPage:
    """Read a page of ListMultipartUploads; ``silently_encoded``: keys are encoded, markers not, and nothing says so."""
    says_encoded = xml.text(root, "EncodingType") == "url"
    encoded = silently_encoded or says_encoded
    uploads = [
        Upload(
            key=_decode(fields["Key"], encoded=encoded), id=fields["UploadId"], started=_time(fields.get("Initiated"))
        )
        for fields in map(xml.fields, xml.children(root, "Upload"))
    ]
    return UploadPage(uploads=uploads, next_token=_marker(root, "NextUploadIdMarker", encoded=says_encoded))


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
    return PartPage(parts=parts, next_token=_token(root, "NextPartNumberMarker"))


def parse_object_parts(root: Element) -> tuple[str | None, PartPage]:
    """Read the ETag and a page of the parts of GetObjectAttributes."""
    page = next((parse_parts(parts) for parts in xml.children(root, "ObjectParts")), PartPage())
    return unquote_etag(xml.text(root, "ETag")), page


def parse_containers(root: Element) -> ContainerPage:
    """Read a page of ListBuckets."""
    containers = [
        Container(
            name=fields["Name"], created=_time(fields.get("CreationDate")), region=fields.get("BucketRegion") or None
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


def parse_tags(root: Element) -> dict[str, str]:
    """Read the tags of an object."""
    return {fields["Key"]: fields.get("Value", "") for fields in map(xml.fields, xml.children(root, "TagSet", "Tag"))}


def _checksums(fields: Mapping[str, str]) -> Mapping[str, str]:
    found = {}
    for name, value in fields.items():
        if name.startswith("Checksum") and name != "ChecksumType" and (digest := checksum_to_hex(value)) is not None:
            found[name[8:].lower()] = digest
    return found or NOTHING


def _token(root: Element, name: str) -> str | None:
    return (xml.text(root, name) or None) if xml.text(root, "IsTruncated") == "true" else None


def _marker(root: Element, second: str, *, encoded: bool) -> str | None:
    """Where the next page starts, as ``join_marker`` writes it."""
    if xml.text(root, "IsTruncated") != "true":
        return None
    return join_marker(_decode(xml.text(root, "NextKeyMarker"), encoded=encoded), xml.text(root, second))


def join_marker(key: str, second: str) -> str:
    """Make one token of a key and an id, which has no line break."""
    return f"{second}\n{key}"


def split_marker(token: str) -> tuple[str, str]:
    """Return the key and the id of a token."""
    second, _, key = token.partition("\n")
    return key, second


def _decode(text: str, *, encoded: bool) -> str:
    # S3 writes a space as "+" here.
    return unquote_plus(text) if encoded else text


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


# --- requests -------------------------------------------------------------------------------------------------------


def write_delete(keys: Iterable[str], version: str | None) -> bytes:
    """Write the body of a bulk delete; only what could not be deleted is answered."""
    tail = f"<VersionId>{_escape(version)}</VersionId></Object>" if version is not None else "</Object>"
    objects = "".join(f"<Object><Key>{_escape(key)}</Key>{tail}" for key in keys)
    return f"<Delete {_NAMESPACE}><Quiet>true</Quiet>{objects}</Delete>".encode()


def write_complete(parts: Sequence[Part], algorithm: str | None) -> bytes:
    """Write the body of a completion; ``algorithm`` names the checksum that every part was sent with."""
    written = []
    for part in parts:
        checksum = ""
        if algorithm is not None:
            name = f"Checksum{algorithm.upper()}"
            checksum = f"<{name}>{checksum_from_hex(part.checksums[algorithm])}</{name}>"
        etag = _escape(part.etag or "")
        written.append(f'<Part><PartNumber>{part.number}</PartNumber><ETag>"{etag}"</ETag>{checksum}</Part>')
    return f"<CompleteMultipartUpload {_NAMESPACE}>{''.join(written)}</CompleteMultipartUpload>".encode()


def write_tags(tags: Mapping[str, str]) -> bytes:
    """Write the tags of an object."""
    written = "".join(
        f"<Tag><Key>{_escape(name)}</Key><Value>{_escape(value)}</Value></Tag>" for name, value in tags.items()
    )
    return f"<Tagging {_NAMESPACE}><TagSet>{written}</TagSet></Tagging>".encode()


def write_location(region: str) -> bytes:
    """Write the body of the creation of a bucket in ``region``."""
    return (
        f"<CreateBucketConfiguration {_NAMESPACE}><LocationConstraint>{_escape(region)}</LocationConstraint>"
        "</CreateBucketConfiguration>"
    ).encode()


def write_restore(days: int) -> bytes:
    """Write the body of the restoration of an archived object for ``days`` days."""
    return f"<RestoreRequest {_NAMESPACE}><Days>{days}</Days></RestoreRequest>".encode()


def _escape(text: str) -> str:
    # A bare CR would be read as LF.
    return escape(text, {"\r": "&#13;"})
