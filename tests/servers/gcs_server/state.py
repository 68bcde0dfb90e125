"""Buckets and the generations of their objects.

https://docs.cloud.google.com/storage/docs/json_api/v1/objects#resource
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import google_crc32c

from tests.servers.gcs_server.refusal import Refusal, no_bucket, not_found, unmet

Resource = dict[str, Any]

WRITABLE = (
    "contentType", "contentEncoding", "contentDisposition", "contentLanguage", "cacheControl", "storageClass",
    "metadata", "customTime", "contexts", "temporaryHold", "eventBasedHold",
)  # fmt: skip


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def crc32c(data: bytes) -> str:
    return base64.b64encode(int(google_crc32c.value(data)).to_bytes(4, "big")).decode()


def md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data).digest()).decode()


@dataclass(slots=True, kw_only=True)
class Generation:
    """One state of one object; ``url`` is the server's."""

    url: str
    bucket: str
    name: str
    generation: int
    data: bytes
    fields: Resource
    crc32c: str
    md5: str | None
    components: int | None = None
    key_sha256: str | None = None
    kms_key: str | None = None
    public: bool = False
    metageneration: int = 1
    created: str = field(default_factory=now)
    updated: str = field(default_factory=now)
    deleted: str | None = None
    softly: bool = False

    @property
    def etag(self) -> str:
        """Opaque, of both numbers; that it is base64 of a protobuf message is how Google's look."""
        return base64.b64encode(f"{self.generation}/{self.metageneration}".encode()).decode()

    @property
    def xml_etag(self) -> str:
        """The MD5 of what was put in one request; the other one behind a dash of everything else."""
        if self.md5 is None or self.key_sha256 or self.kms_key:
            return f'"-{self.etag}"'
        return f'"{base64.b64decode(self.md5).hex()}"'

    def resource(self, *, hashes: bool = True) -> Resource:
        place = f"storage/v1/b/{self.bucket}/o/{quote(self.name, safe='')}"
        shown: Resource = {
            "kind": "storage#object",
            "id": f"{self.bucket}/{self.name}/{self.generation}",
            "selfLink": f"{self.url}/{place}",
            "mediaLink": f"{self.url}/download/{place}?generation={self.generation}&alt=media",
            "bucket": self.bucket,
            "name": self.name,
            "generation": str(self.generation),
            "metageneration": str(self.metageneration),
            "size": str(len(self.data)),
            "etag": self.etag,
            "timeCreated": self.created,
            "updated": self.updated,
            "timeStorageClassUpdated": self.created,
            "timeFinalized": self.created,
            "storageClass": "STANDARD",
            **{name: value for name, value in self.fields.items() if value not in (None, {})},
        }
        if hashes:
            shown["crc32c"] = self.crc32c
            if self.md5 is not None:
                shown["md5Hash"] = self.md5
        if self.components is not None:
            shown["componentCount"] = self.components
        if self.key_sha256 is not None:
            shown["customerEncryption"] = {"encryptionAlgorithm": "AES256", "keySha256": self.key_sha256}
        if self.kms_key is not None:
            shown["kmsKeyName"] = f"{self.kms_key}/cryptoKeyVersions/1"
        if self.deleted is not None:
            shown["softDeleteTime" if self.softly else "timeDeleted"] = self.deleted
        return shown


@dataclass(slots=True)
class Bucket:
    """A bucket; the last generation of a name is the live one, if it was not deleted."""

    name: str
    project: str
    settings: Resource
    created: str = field(default_factory=now)
    metageneration: int = 1
    objects: dict[str, list[Generation]] = field(default_factory=dict)

    @property
    def versioned(self) -> bool:
        return bool(self.settings.get("versioning", {}).get("enabled"))

    @property
    def deletes_softly(self) -> bool:
        return int(self.settings.get("softDeletePolicy", {}).get("retentionDurationSeconds", 0)) > 0

    @property
    def requester_pays(self) -> bool:
        return bool(self.settings.get("billing", {}).get("requesterPays"))

    def resource(self) -> Resource:
        return {
            "kind": "storage#bucket", "id": self.name, "name": self.name, "projectNumber": "1", "location": "US",
            "storageClass": "STANDARD", "timeCreated": self.created, "updated": self.created,
            "metageneration": str(self.metageneration), "etag": "CAE=", **self.settings,
        }  # fmt: skip

    def live(self, name: str) -> Generation | None:
        found = self.objects.get(name)
        return found[-1] if found and found[-1].deleted is None else None

    def find(self, name: str, generation: str | None = None) -> Generation:
        """The live generation, or the one that is named; never one that was softly deleted."""
        check_name(name)
        if generation is None:
            if (live := self.live(name)) is None:
                raise not_found(self.name, name)
            return live
        for one in self.objects.get(name, ()):
            if str(one.generation) == generation and not one.softly:
                return one
        raise not_found(self.name, f"{name}#{generation}")

    def add(self, one: Generation) -> None:
        if (before := self.live(one.name)) is not None:
            self.end(before)
        self.objects.setdefault(one.name, []).append(one)

    def end(self, one: Generation, *, for_good: bool = False) -> None:
        """Delete the live generation, or drop another one."""
        versions = self.objects[one.name]
        if one.deleted is None and not for_good and (self.versioned or self.deletes_softly):
            one.deleted = now()
            one.softly = not self.versioned
        elif self.deletes_softly and not one.softly:
            one.deleted, one.softly = now(), True
        else:
            versions.remove(one)
            if not versions:
                del self.objects[one.name]


class State:
    """All buckets, and a clock that never shows the same time twice."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.buckets: dict[str, Bucket] = {}
        self._last = 0

    def bucket(self, name: str) -> Bucket:
        try:
            return self.buckets[name]
        except KeyError:
            raise no_bucket() from None

    def generation(self) -> int:
        self._last = max(self._last + 1, time.time_ns() // 1000)
        return self._last

    def write(
        self,
        bucket: Bucket,
        name: str,
        data: bytes,
        fields: Resource,
        *,
        components: int | None = None,
        key_sha256: str | None = None,
        kms_key: str | None = None,
        public: bool = False,
        with_md5: bool = True,
    ) -> Generation:
        """Make a new generation the live one."""
        check_name(name)
        one = Generation(
            url=self.url,
            bucket=bucket.name,
            name=name,
            generation=self.generation(),
            data=data,
            fields={name: value for name, value in fields.items() if name in WRITABLE and value is not None},
            crc32c=crc32c(data),
            md5=md5(data) if with_md5 else None,
            components=components,
            key_sha256=key_sha256,
            kms_key=kms_key,
            public=public,
        )
        bucket.add(one)
        return one


def check_name(name: str) -> None:
    """https://docs.cloud.google.com/storage/docs/objects#naming"""
    if not name or len(name.encode()) > 1024:
        raise Refusal(400, "invalid", "The specified object name is not valid: it has 1 to 1024 bytes.")
    if name in {".", ".."} or name.startswith(".well-known/acme-challenge/") or not {"\r", "\n"}.isdisjoint(name):
        raise Refusal(400, "invalid", f"Disallowed unicode characters present in object name {name!r}")


def check_conditions(
    query: Mapping[str, str], one: Generation | None, prefix: str = "if", *, read: bool = False
) -> None:
    """https://docs.cloud.google.com/storage/docs/request-preconditions"""
    generation = 0 if one is None else one.generation
    metageneration = 0 if one is None else one.metageneration
    for name, actual in (("Generation", generation), ("Metageneration", metageneration)):
        wanted = query.get(f"{prefix}{name}Match")
        if wanted is not None and int(wanted) != actual:
            raise unmet(f"{prefix}{name}Match {wanted}")
        unwanted = query.get(f"{prefix}{name}NotMatch")
        if unwanted is not None and int(unwanted) == actual:
            raise Refusal(304, "notModified", "") if read else unmet(f"{prefix}{name}NotMatch {unwanted}")


def check_digests(data: bytes, stated: Mapping[str, str | None]) -> None:
    for name, compute in (("crc32c", crc32c), ("md5", md5)):
        given = stated.get(name)
        if given and given != (actual := compute(data)):
            raise Refusal(400, "badDigest", f'Provided {name.upper()} "{given}" doesn\'t match calculated "{actual}".')


def check_contexts(fields: Resource) -> None:
    """https://docs.cloud.google.com/storage/docs/object-contexts"""
    custom = (fields.get("contexts") or {}).get("custom") or {}
    if len(custom) > 50:
        raise Refusal(400, "invalid", "An object has at most 50 contexts.")
    for key, payload in custom.items():
        for text in (key, (payload or {}).get("value", "x")):
            if not text or len(text.encode()) > 256 or not text[0].isalnum() or set(text) & set("'\"\\/"):
                raise Refusal(400, "invalid", f"Invalid context {text!r}.")


def project(shown: Resource, fields: str | None) -> Resource:
    """What a partial response shows of a resource: ``fields=items(name,size),nextPageToken``.

    https://docs.cloud.google.com/storage/docs/json_api#partial-response
    """
    if not fields or fields == "*":
        return shown
    result: Resource = {}
    for name, inner in _selected(fields):
        if name not in shown:
            continue
        value = shown[name]
        if inner and isinstance(value, list):
            result[name] = [project(item, inner) for item in value]
        elif inner and isinstance(value, dict):
            result[name] = project(value, inner)
        else:
            result[name] = value
    return result


def _selected(fields: str) -> Iterator[tuple[str, str]]:
    depth, start = 0, 0
    for position, letter in enumerate(fields + ","):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and not depth:
            name, _, inner = fields[start:position].partition("(")
            yield name.strip(), inner.removesuffix(")")
            start = position + 1


def merge(fields: Resource, patch: Resource) -> Resource:
    """JSON merge patch, RFC 7396."""
    merged = json.loads(json.dumps(fields))
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict):
            merged[name] = merge(merged.get(name) or {}, value)
        else:
            merged[name] = value
    return dict(merged)
