"""The XML of buckets, shared by the services whose API is modelled on S3's: listings, uploads, tags, bulk deletes.

Nothing here knows of requests. Keys are decoded by ``decode``, for the services differ in what a "+" is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_plus
from xml.sax.saxutils import escape as _escape_xml

from aiostore._http import xml
from aiostore._http.status import unquote_etag
from aiostore.errors import UnavailableError
from aiostore.types import ListPage, ObjectMeta, ObjectVersion, Upload, UploadPage, VersionPage, object_meta

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

Decode = Callable[[str], str]
"""Makes a key of its encoded form. S3 writes a space as "+"."""

UNWRITABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""Characters that XML 1.0 cannot hold, not even escaped."""

_ILLEGAL: Final = re.compile(
    rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]|&#(?:x0*(?:[0-8bcefBCEF]|1[0-9a-fA-F])|0*(?:[0-8]|1[124-9]|2\d|3[01]));"
)
"""The same in the bytes of a document, also escaped."""


_ROW: Final = re.compile(
    r"<Contents>\s*<Key>([^<&]+)</Key>\s*<LastModified>([^<&]+)</LastModified>\s*"
    r"""<ETag>(?:&quot;|&#34;|")?([^<&"]*)(?:&quot;|&#34;|")?</ETag>\s*"""
    r"(?:<Checksum(?:Algorithm|Type)>\w+</Checksum(?:Algorithm|Type)>|<Type>\w+</Type>\s*)*"
    r"<Size>([0-9]+)</Size>\s*(?:<StorageClass>(\w+)</StorageClass>\s*)?(?:<Type>Normal</Type>)?</Contents>"
)
"""An object of a listing as most services write it. What does not look exactly like this is left to the parser."""


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


# --- answers ----------------------------------------------------------------------------------------------------------


def parse_list(data: bytes, decode: Decode = unquote_plus) -> ListPage:
    """Read a page of ListObjectsV2."""
    text = data.decode()
    rows = _ROW.findall(text)
    begin, end = text.find("<Contents>"), text.rfind("</Contents>")
    if rows and len(rows) == text.count("<Contents>") and text.find("<CommonPrefixes>", begin, end) < 0:
        # What is left is small and goes through the parser, which sees to it that the whole is a listing.
        root = parse((text[:begin] + text[end + len("</Contents>") :]).encode())
        read = decoder(root, decode)
        objects = [_row(row, read) for row in rows]
    else:
        root = parse(data)
        read = decoder(root, decode)
        objects = [_listed(fields, read) for fields in map(xml.fields, xml.children(root, "Contents"))]
    prefixes = [read(prefix.text or "") for prefix in xml.children(root, "CommonPrefixes", "Prefix")]
    return ListPage(objects=objects, common_prefixes=prefixes, next_token=next_token(root, "NextContinuationToken"))


def _row(row: tuple[str, str, str, str, str], read: Decode) -> ObjectMeta:  # called for every key
    key, modified, etag, size, storage_class = row
    if "%" in key or "+" in key:
        key = read(key)
    return object_meta(key, int(size), _modified(modified), etag or None, None, None, None, None, None, None,
                       storage_class or None)  # fmt: skip


_modified = lru_cache(maxsize=1024)(datetime.fromisoformat)
"""Objects that were written together were written in the same second."""


def _listed(fields: Mapping[str, str], read: Decode) -> ObjectMeta:
    get = fields.get
    version = get("VersionId")
    return ObjectMeta(
        key=read(fields["Key"]),
        size=int(get("Size") or 0),
        last_modified=time_of(get("LastModified")),
        etag=unquote_etag(get("ETag")) or None,
        version=None if version == "null" else version,
        storage_class=get("StorageClass") or None,
    )


def parse_versions(root: Element, decode: Decode = unquote_plus) -> VersionPage:
    """Read a page of ListObjectVersions; versions and delete markers come mixed, newest first within a key.

    The version called ``null``, which was written before versions were kept, keeps its name: it can be asked for.
    """
    read = decoder(root, decode)
    versions = []
    for element in xml.children(root):
        kind = xml.name(element)
        if kind in {"Version", "DeleteMarker"}:
            fields = xml.fields(element)
            meta = ObjectMeta(
                key=read(fields["Key"]),
                size=int(fields.get("Size") or 0),
                last_modified=time_of(fields.get("LastModified")),
                etag=unquote_etag(fields.get("ETag")) or None,
                version=fields.get("VersionId") or None,
                storage_class=fields.get("StorageClass") or None,
            )
            is_latest = fields.get("IsLatest") == "true"
            versions.append(ObjectVersion(meta=meta, is_latest=is_latest, is_delete_marker=kind == "DeleteMarker"))
    return VersionPage(versions=versions, next_token=next_marker(root, "NextVersionIdMarker", read))


def parse_uploads(root: Element, decode: Decode = unquote_plus, *, silently_encoded: bool = False) -> UploadPage:
    """Read a page of ListMultipartUploads; ``silently_encoded``: keys are encoded, markers not, and nothing says so."""
    said = decoder(root, decode)
    read = decode if silently_encoded else said
    uploads = [
        Upload(key=read(fields["Key"]), id=fields["UploadId"], started=time_of(fields.get("Initiated")))
        for fields in map(xml.fields, xml.children(root, "Upload"))
    ]
    return UploadPage(uploads=uploads, next_token=next_marker(root, "NextUploadIdMarker", said))


def parse_tags(root: Element) -> dict[str, str]:
    """Read the tags of an object."""
    return {fields["Key"]: fields.get("Value", "") for fields in map(xml.fields, xml.children(root, "TagSet", "Tag"))}


def next_token(root: Element, name: str) -> str | None:
    """The element ``name`` of an answer that says that there is more."""
    return (xml.text(root, name) or None) if xml.text(root, "IsTruncated") == "true" else None


def next_marker(root: Element, second: str, read: Decode) -> str | None:
    """Where the next page starts, as ``join_marker`` writes it."""
    if xml.text(root, "IsTruncated") != "true":
        return None
    return join_marker(read(xml.text(root, "NextKeyMarker")), xml.text(root, second))


def join_marker(key: str, second: str) -> str:
    """Make one token of a key and an id, which has no line break."""
    return f"{second}\n{key}"


def split_marker(token: str) -> tuple[str, str]:
    """Return the key and the id of a token."""
    second, _, key = token.partition("\n")
    return key, second


def decoder(root: Element, decode: Decode) -> Decode:
    """What reads the keys of an answer: ``decode`` where it says that they are encoded."""
    return decode if xml.text(root, "EncodingType") == "url" else str


def time_of(text: str | None) -> datetime | None:
    """A time in ISO 8601; None if there is none."""
    return datetime.fromisoformat(text) if text else None


# --- requests ---------------------------------------------------------------------------------------------------------


def write_delete(keys: Iterable[str], version: str | None, namespace: str = "", *, quiet: bool = True) -> bytes:
    """Write the body of a bulk delete; ``quiet``: only what could not be deleted is answered."""
    tail = f"<VersionId>{escape(version)}</VersionId></Object>" if version is not None else "</Object>"
    objects = "".join(f"<Object><Key>{escape(key)}</Key>{tail}" for key in keys)
    return f"<Delete{namespace}><Quiet>{str(quiet).lower()}</Quiet>{objects}</Delete>".encode()


def write_tags(tags: Mapping[str, str], namespace: str = "") -> bytes:
    """Write the tags of an object."""
    written = "".join(
        f"<Tag><Key>{escape(name)}</Key><Value>{escape(value)}</Value></Tag>" for name, value in tags.items()
    )
    return f"<Tagging{namespace}><TagSet>{written}</TagSet></Tagging>".encode()


def escape(text: str) -> str:
    """Text as the content of an element."""
    # A bare CR would be read as LF.
    return _escape_xml(text, {"\r": "&#13;"})
