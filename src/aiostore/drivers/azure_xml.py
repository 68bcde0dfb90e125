"""The XML of Azure's Blob service, in both directions. Nothing here knows of requests.

https://learn.microsoft.com/rest/api/storageservices/list-blobs
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
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

_PROPERTIES: Final = frozenset({
    "ArchiveStatus",
    "BlobType",
    "CopyStatus",
    "CustomerProvidedKeySha256",
    "EncryptionScope",
    "LeaseState",
    "RehydratePriority",
})  # fmt: skip
"""What a listing tells besides what fields of an object hold."""

_ROW: Final = re.compile(
    r"<Blob><Name>([^<&]+)</Name><Properties>((?:<[A-Za-z0-9-]+>[^<&]*</[A-Za-z0-9-]+>|<[A-Za-z0-9-]+ ?/>)*)"
    r"</Properties>(?:<OrMetadata ?/>)?</Blob>"
)
"""An object of a listing as the service writes it. What does not look exactly like this is left to the parser."""

_FIELD: Final = re.compile(r"<([A-Za-z0-9-]+)>([^<]*)</")


def parse(data: bytes) -> Element:
    """Return the root element of an answer, which may begin with a byte order mark."""
    return xml.parse(data.removeprefix(b"\xef\xbb\xbf"))


# --- answers --------------------------------------------------------------------------------------------------------


def parse_error(data: bytes) -> tuple[str, str]:
    """Read an error document: its code and its message, empty where it says nothing."""
    fields = xml.fields(parse(data))
    return fields.get("Code", ""), fields.get("Message", "")


def parse_list(data: bytes) -> ListPage:
    """Read a page of List Blobs; directories of hierarchical accounts are left out."""
    text = data.decode("utf-8-sig")
    rows = _ROW.findall(text)
    begin, end = text.find("<Blob>"), text.rfind("</Blob>")
    if rows and len(rows) == text.count("<Blob>") and text.find("<BlobPrefix>", begin, end) < 0:
        # What is left is small and goes through the parser, which sees to it that the whole is a listing.
        root = parse((text[:begin] + text[end + len("</Blob>") :]).encode())
        objects = [meta for key, fields in rows if (meta := _listed(key, dict(_FIELD.findall(fields)))) is not None]
    else:
        root = parse(data)
        objects = [meta for blob in xml.children(root, "Blobs", "Blob") if (meta := _object(blob)) is not None]
    prefixes = [_name(prefix) for prefix in xml.children(root, "Blobs", "BlobPrefix")]
    return ListPage(objects=objects, common_prefixes=prefixes, next_token=xml.text(root, "NextMarker") or None)


def _object(blob: Element, version: str | None = None) -> ObjectMeta | None:
    return _listed(_name(blob), next(map(xml.fields, xml.children(blob, "Properties")), {}), version)


def _listed(key: str, fields: Mapping[str, str], version: str | None = None) -> ObjectMeta | None:
    get = fields.get
    if get("ResourceType") == "directory":
        return None
    modified = get("Last-Modified")
    extra = {name: fields[name] for name in _PROPERTIES & fields.keys() if fields[name]}
    md5 = get("Content-MD5")
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
        checksums={"md5": base64.b64decode(md5).hex()} if md5 else NOTHING,
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
