"""What the service holds: buckets, the versions of their objects, and uploads."""

from __future__ import annotations

import base64
import hashlib
import itertools
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import fastcrc

_numbers = itertools.count(1)
_crc64 = cast("Any", fastcrc).crc64.xz


def etag_of(data: bytes) -> str:
    return hashlib.md5(data).hexdigest().upper()


def crc64(data: bytes) -> str:
    return str(_crc64(data))


@dataclass(slots=True, kw_only=True)
class Version:
    """One version of an object, or a delete marker."""

    data: bytes = b""
    etag: str = ""
    kind: str = "Normal"
    content: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    encryption: dict[str, str] = field(default_factory=dict)
    storage_class: str = "Standard"
    acl: str = "default"
    version_id: str = "null"
    is_delete_marker: bool = False
    modified: int = field(default_factory=lambda: int(time.time()))
    crc: str = ""
    md5: str | None = None
    restoring: bool = False
    restored_until: float = 0.0
    target: str = ""
    """The key that a symbolic link points to."""

    def __post_init__(self) -> None:
        self.etag = self.etag or etag_of(self.data)
        self.crc = self.crc or crc64(self.data)
        if self.kind == "Normal" and self.md5 is None:
            self.md5 = base64.b64encode(hashlib.md5(self.data).digest()).decode()

    @property
    def readable(self) -> bool:
        return self.storage_class in {"Standard", "IA"} or (not self.restoring and self.restored_until > time.time())


@dataclass(slots=True, kw_only=True)
class StoredPart:
    """A part of an upload."""

    data: bytes
    etag: str
    crc: str
    modified: float = field(default_factory=time.time)


@dataclass(slots=True, kw_only=True)
class Uploading:
    """A multipart upload, and what its object will be."""

    key: str
    id: str
    target: Version
    parts: dict[int, StoredPart] = field(default_factory=dict)
    initiated: float = field(default_factory=time.time)


@dataclass(slots=True)
class Bucket:
    """A bucket: the versions of each key, newest first."""

    name: str
    acl: str = "private"
    storage_class: str = "Standard"
    versioning: str = ""
    created: float = field(default_factory=time.time)
    objects: dict[str, list[Version]] = field(default_factory=dict)
    uploads: dict[str, Uploading] = field(default_factory=dict)

    def current(self, key: str) -> Version | None:
        """The newest version, unless it is a delete marker."""
        versions = self.objects.get(key)
        return versions[0] if versions and not versions[0].is_delete_marker else None

    def version(self, key: str, version_id: str) -> Version | None:
        return next((one for one in self.objects.get(key, ()) if one.version_id == version_id), None)

    def add(self, key: str, version: Version) -> Version:
        """Make it the newest; what it replaces is kept as far as the bucket keeps versions."""
        version.version_id = "null" if self.versioning != "Enabled" else _version_id()
        kept = self.objects.get(key, [])
        if self.versioning != "Enabled":
            kept = [one for one in kept if one.version_id != "null"]
        self.objects[key] = [version, *kept]
        return version

    def remove(self, key: str, version_id: str | None) -> tuple[Version | None, bool]:
        """Delete; return the version or marker that it is about, and whether a marker was added."""
        if version_id is not None:
            found = self.version(key, version_id)
            if found is not None:
                self.objects[key].remove(found)
                if not self.objects[key]:
                    del self.objects[key]
            return found, False
        if not self.versioning:
            self.objects.pop(key, None)
            return None, False
        return self.add(key, Version(is_delete_marker=True)), True

    def listed(self, prefix: str) -> Iterator[tuple[str, Version]]:
        """The objects of a listing, in order."""
        for key in sorted(self.objects):
            if key.startswith(prefix) and (found := self.current(key)) is not None:
                yield key, found


def _version_id() -> str:
    # As the service does: opaque, and told in listings.
    return f"CAE{next(_numbers):08d}{secrets.token_hex(12)}"
