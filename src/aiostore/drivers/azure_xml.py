"""The XML of Azure's Blob service, in both directions. Nothing here knows of requests.

https://learn.microsoft.com/rest/api/storageservices/list-blobs
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote
from xml.sax.saxutils import escape

from aiostore._http import xml
from aiostore._http.status import http_date, unquote_etag
from aiostore.drivers.azure_auth import SNAPSHOT, DelegationKey
from aiostore.types import (
    NOTHING,
    Container,
    ContainerPage,
    ListPage,
    ObjectMeta,
    ObjectVersion,
    VersionPage,
    object_meta,
)

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_HEAD: Final = b'<?xml version="1.0" encoding="utf-8"?>'

_ENDS: Final = frozenset({"</Blob>", "<OrMetadata /></Blob>", "<OrMetadata/></Blob>"})

_PLAIN: Final = re.compile(
    r"(?:<Creation-Time>[^<]*</Creation-Time>)?<Last-Modified>([^<]*)</Last-Modified><Etag>([^<\"]*)</Etag>"
    r"(?:<ResourceType>file</ResourceType>)?<Content-Length>([0-9]+)</Content-Length>"
    r"<Content-Type>([^<]*)</Content-Type>(?:<Content-(?:Encoding|Language|CRC64) ?/>)*"
    r"(?:<Content-MD5>([^<]*)</Content-MD5>|<Content-MD5 ?/>)?(?:<Cache-Control ?/><Content-Disposition ?/>)?"
    r"<BlobType>BlockBlob</BlobType>(?:<LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState>"
    r"<ServerEncrypted>true</ServerEncrypted>)?(?:<AccessTier>(\w+)</AccessTier>)?"
    r"(?:<AccessTierInferred>true</AccessTierInferred>)?(?:<AccessTierChangeTime>[^<]*</AccessTierChangeTime>)?"
    r"(?:<LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState>)?"
    r"(?:<ServerEncrypted>true</ServerEncrypted>)?"
)
"""The properties of an object that has no more than most have, as Azure and Azurite write them."""

_TELLING: Final = (
    "ArchiveStatus",
    "CopyStatus",
    "CustomerProvidedKeySha256",
    "EncryptionScope",
    "RehydratePriority",
)
_USUAL: Final = (("BlobType", "BlockBlob"), ("LeaseState", "available"))
"""What a listing tells besides what fields of an object hold: always, or if it is not the usual."""


def parse(data: bytes) -> Element:
    """Return the root element of an answer, which may begin with a byte order mark."""
    return xml.parse(data.removeprefix(b"\xef\xbb\xbf"))


# --- answers --------------------------------------------------------------------------------------------------------


def parse_error(data: bytes) -> tuple[str, str]:
    """Read an error document: its code and its message, empty where it says nothing.

    The request's id and time, on lines of their own, are left out; which parameter was wrong is not.
    """
    fields = xml.fields(parse(data))
    message = fields.get("Message", "").partition("\n")[0]
    if name := fields.get("QueryParameterName", ""):
        message = f"{message} ({name})"
    return fields.get("Code", ""), message


def parse_list(data: bytes) -> ListPage:
    """Read a page of List Blobs; directories of hierarchical accounts are left out."""
    text = data.decode("utf-8-sig")
    begin, end = text.find("<Blob>"), text.rfind("</Blob>") + len("</Blob>")
    rows = _rows(text[begin:end]) if begin >= 0 else []
    if rows:
        # What is left is small and goes through the parser, which sees to it that the whole is a listing.
        root = parse((text[:begin] + text[end:]).encode())
        objects = [meta for key, fields in rows if (meta := _row(key, fields)) is not None]
    else:
        root = parse(data)
        objects = [meta for blob in xml.children(root, "Blobs", "Blob") if (meta := _object(blob)) is not None]
    prefixes = [_name(prefix) for prefix in xml.children(root, "Blobs", "BlobPrefix")]
    return ListPage(objects=objects, common_prefixes=prefixes, next_token=xml.text(root, "NextMarker") or None)


def _rows(text: str) -> list[tuple[str, str]]:
    """The name and the properties of each object; none if one does not look exactly as the service writes them.

    Then it is left to the parser.
    """
    rows = []
    for blob in text.split("<Blob><Name>")[1:]:
        key, _, rest = blob.partition("</Name><Properties>")
        fields, _, tail = rest.partition("</Properties>")
        if tail not in _ENDS or "&" in blob or "<" in key:
            return []
        rows.append((key, fields))
    return rows


def _row(key: str, fields: str) -> ObjectMeta | None:  # called for every key
    found = _PLAIN.fullmatch(fields)
    if found is None:
        return _listed(key, partial(_field, fields))
    modified, etag, size, content_type, md5, tier = found.groups()
    return object_meta(
        key, int(size), http_date(modified), etag, None, content_type or None, None, None, None, None, tier, NOTHING,
        {"md5": a2b_base64(md5).hex()} if md5 else NOTHING,
    )  # fmt: skip


def _field(fields: str, name: str) -> str | None:
    """The text of one of the properties of a row."""
    begin = fields.find(f"<{name}>")
    if begin < 0:
        return None
    begin += len(name) + 2
    return fields[begin : fields.index("<", begin)]


def _object(blob: Element, version: str | None = None) -> ObjectMeta | None:
    fields = next(map(xml.fields, xml.children(blob, "Properties")), {})
    return _listed(_name(blob), fields.get, version)


def _listed(key: str, get: Callable[[str], str | None], version: str | None = None) -> ObjectMeta | None:
    """What a listing says of an object; None if it is a directory."""
    if get("ResourceType") == "directory":
        return None
    modified = get("Last-Modified")
    md5 = get("Content-MD5")
    extra = {name: value for name in _TELLING if (value := get(name))}
    for name, usual in _USUAL:
        if (value := get(name)) and value != usual:
            extra[name] = value
    return object_meta(
        key,
        int(get("Content-Length") or 0),
        None if not modified else http_date(modified),
        unquote_etag(get("Etag")) or None,
        version,
        get("Content-Type") or None,
        get("Content-Encoding") or None,
        get("Content-Disposition") or None,
        get("Content-Language") or None,
        get("Cache-Control") or None,
        get("AccessTier") or None,
        checksums={"md5": a2b_base64(md5).hex()} if md5 else NOTHING,
        extra=extra or NOTHING,
    )


def _name(element: Element) -> str:
    """The name of a blob or prefix; one that XML cannot hold comes percent-encoded."""
    for child in xml.children(element, "Name"):
        name = child.text or ""
        return unquote(name) if child.get("Encoded") == "true" else name
    raise KeyError("Name")


def parse_versions(data: bytes) -> VersionPage:
    """Read a page of List Blobs with snapshots and versions; within a key the newest comes first, as far as it goes."""
    root = parse(data)
    found: dict[str, list[ObjectVersion]] = {}
    for blob in xml.children(root, "Blobs", "Blob"):
        fields = xml.fields(blob)
        snapshot = fields.get("Snapshot")
        version = f"{SNAPSHOT}{snapshot}" if snapshot else fields.get("VersionId") or None
        meta = _object(blob, version)
        if meta is not None:
            is_latest = not snapshot and (version is None or fields.get("IsCurrentVersion") == "true")
            found.setdefault(meta.key, []).append(ObjectVersion(meta=meta, is_latest=is_latest))
    versions = [entry for entries in found.values() for entry in sorted(entries, key=_age, reverse=True)]
    return VersionPage(versions=versions, next_token=xml.text(root, "NextMarker") or None)


def _age(entry: ObjectVersion) -> tuple[bool, str]:
    return entry.is_latest, (entry.meta.version or "").removeprefix(SNAPSHOT)


def parse_containers(data: bytes) -> ContainerPage:
    """Read a page of List Containers, which tells when a container was last changed, not made."""
    root = parse(data)
    containers = [Container(name=xml.text(found, "Name")) for found in xml.children(root, "Containers", "Container")]
    return ContainerPage(containers=containers, next_token=xml.text(root, "NextMarker") or None)


def parse_blocks(data: bytes) -> list[tuple[str, int]]:
    """Read the ids and sizes of the blocks that are not part of the object yet."""
    fields = map(xml.fields, xml.children(parse(data), "UncommittedBlocks", "Block"))
    return [(block["Name"], int(block["Size"])) for block in fields]


def parse_tags(data: bytes) -> dict[str, str]:
    """Read the tags of an object."""
    return {
        fields["Key"]: fields.get("Value", "") for fields in map(xml.fields, xml.children(parse(data), "TagSet", "Tag"))
    }


def parse_delegation_key(data: bytes) -> DelegationKey:
    """Read what users of Entra sign with."""
    fields = xml.fields(parse(data))
    return DelegationKey(
        object_id=fields["SignedOid"],
        tenant_id=fields["SignedTid"],
        start=fields["SignedStart"],
        expiry=fields["SignedExpiry"],
        service=fields["SignedService"],
        version=fields["SignedVersion"],
        value=fields["Value"],
    )


# --- requests -------------------------------------------------------------------------------------------------------


def write_blocks(ids: Iterable[str]) -> bytes:
    """Write the body of Put Block List. ``Latest`` lets it be repeated: then the blocks are committed already."""
    return b"".join([_HEAD, b"<BlockList>", *(f"<Latest>{block}</Latest>".encode() for block in ids), b"</BlockList>"])


def write_tags(tags: Mapping[str, str]) -> bytes:
    """Write the tags of an object."""
    written = "".join(
        f"<Tag><Key>{escape(name)}</Key><Value>{escape(value)}</Value></Tag>" for name, value in tags.items()
    )
    return _HEAD + f"<Tags><TagSet>{written}</TagSet></Tags>".encode()


def write_key_info(start: str, expiry: str) -> bytes:
    """Write the body of Get User Delegation Key."""
    return _HEAD + f"<KeyInfo><Start>{start}</Start><Expiry>{expiry}</Expiry></KeyInfo>".encode()
