"""Handlers of one object.

https://www.alibabacloud.com/help/en/oss/developer-reference/object-operations
"""

from __future__ import annotations

import re
import time
from dataclasses import replace
from email.utils import parsedate_to_datetime
from urllib.parse import quote, unquote

from aiohttp import web

from tests.servers.oss_server.answers import document, element, http_date, iso, quoted, versioned
from tests.servers.oss_server.asked import META, Asked, checked_tags
from tests.servers.oss_server.buckets import Buckets, source_of
from tests.servers.oss_server.refusal import Refusal, no_bucket, no_key
from tests.servers.oss_server.state import Bucket, Version

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_OWNER = "<Owner><ID>100000000000</ID><DisplayName>100000000000</DisplayName></Owner>"
LARGEST = 5 * 1024**3


def check_name(key: str) -> None:
    if not 1 <= len(key.encode()) <= 1023 or key[0] in "/\\":
        raise Refusal(400, "InvalidObjectName", "The specified object is not valid.", fields={"ObjectName": key})


def check_forbidden(asked: Asked, bucket: Bucket, key: str) -> None:
    """Create-only; a bucket that keeps versions ignores it, as the documents say."""
    wanted = asked.headers.get("x-oss-forbid-overwrite", "").lower() == "true"
    if wanted and not bucket.versioning and bucket.current(key) is not None:
        message = "The object you specified already exists and can not be overwritten."
        raise Refusal(409, "FileAlreadyExists", message)


def described(asked: Asked) -> Version:
    """What the headers say of an object that is going to be written."""
    return Version(
        content=asked.content(),
        metadata=asked.metadata(),
        tags=asked.tags(),
        encryption=asked.encryption(),
        storage_class=asked.storage_class(),
        acl=asked.acl(),
    )


def with_data(version: Version, data: bytes, **changes: str) -> Version:
    values = {"etag": "", "crc": "", "kind": "Normal", **changes}
    return replace(version, data=data, md5=None, **values)  # type: ignore[arg-type]  # they are all of them str


def written(bucket: Bucket, version: Version) -> dict[str, str]:
    """The headers that answer a write."""
    headers = {"ETag": quoted(version.etag), "x-oss-hash-crc64ecma": version.crc}
    return {**headers, **versioned(version, keeps_versions=bucket.versioning), **version.encryption}


class Objects:
    """What is done with single objects."""

    def __init__(self, buckets: Buckets) -> None:
        self.buckets = buckets

    def found(self, asked: Asked) -> Version:
        """The version that is asked for."""
        bucket = self.buckets.of(asked)
        version_id = asked.query.get("versionId")
        if version_id is None:
            version = bucket.current(asked.key)
            if version is None:
                refusal = no_key(asked.key)
                if asked.key in bucket.objects:
                    marker = bucket.objects[asked.key][0]
                    refusal.headers = {"x-oss-delete-marker": "true", "x-oss-version-id": marker.version_id}
                raise refusal
            return version
        version = bucket.version(asked.key, version_id)
        if version is None:
            raise Refusal(404, "NoSuchVersion", "The specified version does not exist.", fields={"Key": asked.key})
        if version.is_delete_marker:
            raise Refusal(
                405,
                "MethodNotAllowed",
                "The specified method is not allowed against this resource.",
                headers={"x-oss-delete-marker": "true"},
            )
        return version

    async def put(self, asked: Asked) -> web.Response:
        bucket = self.buckets.of(asked)
        asked.check_md5()
        check_forbidden(asked, bucket, asked.key)
        version = bucket.add(asked.key, with_data(described(asked), asked.body))
        return web.Response(headers={**written(bucket, version), "Content-MD5": version.md5 or ""})

    async def append(self, asked: Asked) -> web.Response:
        bucket = self.buckets.of(asked)
        asked.check_md5()
        position = asked.number("position", 0, LARGEST)
        old = bucket.current(asked.key)
        size = 0 if old is None else len(old.data)
        if old is not None and old.kind != "Appendable":
            raise Refusal(409, "ObjectNotAppendable", "The object is not appendable")
        if position != size:
            raise Refusal(
                409,
                "PositionNotEqualToLength",
                "Position is not equal to file length",
                headers={"x-oss-next-append-position": str(size)},
            )
        if old is None:
            version = bucket.add(asked.key, with_data(described(asked), asked.body, kind="Appendable"))
        else:
            version = with_data(old, old.data + asked.body, kind="Appendable")
            version.modified = int(time.time())
            bucket.objects[asked.key][0] = version
        position_now = {"x-oss-next-append-position": str(len(version.data))}
        return web.Response(headers={**written(bucket, version), **position_now})

    async def put_symlink(self, asked: Asked) -> web.Response:
        bucket = self.buckets.of(asked)
        check_forbidden(asked, bucket, asked.key)
        target = unquote(asked.headers.get("x-oss-symlink-target", ""))
        if not target:
            raise Refusal(400, "InvalidArgument", "The symlink target is empty.")
        version = bucket.add(asked.key, with_data(described(asked), b"", kind="Symlink", target=target))
        return web.Response(headers=written(bucket, version))

    async def get_symlink(self, asked: Asked) -> web.Response:
        version = self.found(asked)
        if version.kind != "Symlink":
            raise Refusal(400, "NotSymlink", "The object you specified is not a symlink.")
        headers = {"x-oss-symlink-target": quote(version.target), "ETag": quoted(version.etag)}
        return web.Response(headers={**headers, "Last-Modified": http_date(version.modified)})

    def followed(self, asked: Asked) -> Version:
        """The version that is read: of a link its own headers, and what the target's content says."""
        version = self.found(asked)
        if version.kind != "Symlink":
            return version
        target = self.buckets.of(asked).current(version.target)
        if target is None:
            raise Refusal(404, "SymlinkTargetNotExist", "The symlink target object does not exist.")
        modified = max(version.modified, target.modified)
        return replace(
            version, data=target.data, etag=target.etag, crc=target.crc, md5=target.md5, modified=modified,
            storage_class=target.storage_class, restored_until=target.restored_until,
        )  # fmt: skip

    async def get(self, asked: Asked) -> web.Response:
        version = self.followed(asked)
        _check_read(asked, version)
        if not version.readable:
            message = "The operation is not valid for the object's state"
            raise Refusal(403, "InvalidObjectState", message)
        headers = self._told(asked, version)
        for name, value in asked.query.items():
            if name.startswith("response-"):
                headers[name.removeprefix("response-").title()] = value
        size = len(version.data)
        chosen = _chosen(asked, size)
        if chosen is None:
            return web.Response(body=version.data, headers=headers)
        start, stop = chosen
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        return web.Response(body=version.data[start:stop], status=206, headers=headers)

    async def head(self, asked: Asked) -> web.Response:
        version = self.followed(asked)
        _check_read(asked, version)
        headers = {**self._told(asked, version), "Content-Length": str(len(version.data))}
        # What was asked for is there the next time.
        self.found(asked).restoring = False
        return web.Response(headers=headers)

    async def meta(self, asked: Asked) -> web.Response:
        """GetObjectMeta: little more than size and ETag."""
        version = self.found(asked)
        headers = {
            "ETag": quoted(version.etag),
            "Content-Length": str(len(version.data)),
            "Last-Modified": http_date(version.modified),
            "x-oss-hash-crc64ecma": version.crc,
        }
        return web.Response(headers={**headers, **self._version(asked, version)})

    def _version(self, asked: Asked, version: Version) -> dict[str, str]:
        return versioned(version, keeps_versions=self.buckets.of(asked).versioning)

    def _told(self, asked: Asked, version: Version) -> dict[str, str]:
        headers = {
            "Content-Type": "application/octet-stream",
            **version.content,
            "ETag": quoted(version.etag),
            "Last-Modified": http_date(version.modified),
            "Accept-Ranges": "bytes",
            "x-oss-object-type": version.kind,
            "x-oss-hash-crc64ecma": version.crc,
            "x-oss-storage-class": version.storage_class,
            **{META + name: value for name, value in version.metadata.items()},
            **version.encryption,
            **self._version(asked, version),
        }
        if version.md5 is not None:
            headers["Content-MD5"] = version.md5
        if version.kind == "Appendable":
            headers["x-oss-next-append-position"] = str(len(version.data))
        if version.tags:
            headers["x-oss-tagging-count"] = str(len(version.tags))
        if version.restoring:
            headers["x-oss-restore"] = 'ongoing-request="true"'
        elif version.restored_until:
            until = http_date(version.restored_until)
            headers["x-oss-restore"] = f'ongoing-request="false", expiry-date="{until}"'
        return headers

    async def delete(self, asked: Asked) -> web.Response:
        version, marked = self.buckets.of(asked).remove(asked.key, asked.query.get("versionId"))
        headers = {}
        if version is not None:
            headers["x-oss-version-id"] = version.version_id
            if marked or version.is_delete_marker:
                headers["x-oss-delete-marker"] = "true"
        return web.Response(status=204, headers=headers)

    # --- copies -----------------------------------------------------------------------------------------------------

    def source(self, asked: Asked) -> Version:
        """The version that a copy reads."""
        bucket_name, key, version_id = source_of(asked)
        check_name(key)
        if bucket_name not in self.buckets.all:
            raise no_bucket(bucket_name)
        bucket = self.buckets.all[bucket_name]
        version = bucket.current(key) if version_id is None else bucket.version(key, version_id)
        if version is None or version.is_delete_marker:
            raise no_key(key)
        _check_source(asked, version)
        if not version.readable:
            raise Refusal(403, "InvalidObjectState", "The operation is not valid for the object's state")
        return version

    async def copy(self, asked: Asked) -> web.Response:
        bucket = self.buckets.of(asked)
        version = self.source(asked)
        check_forbidden(asked, bucket, asked.key)
        new = described(asked)
        bucket_name, key, version_id = source_of(asked)
        in_place = (bucket_name, key, version_id) == (asked.bucket, asked.key, None)
        if not in_place and asked.headers.get("x-oss-metadata-directive", "COPY").upper() == "COPY":
            new.content, new.metadata = version.content, version.metadata
        if asked.headers.get("x-oss-tagging-directive", "COPY").upper() == "COPY":
            new.tags = version.tags
        copied = bucket.add(asked.key, with_data(new, version.data))
        told = element("LastModified", iso(copied.modified)) + element("ETag", quoted(copied.etag))
        return document(f"<CopyObjectResult>{told}</CopyObjectResult>", headers=written(bucket, copied))

    # --- access lists, tags, archive --------------------------------------------------------------------------------

    async def get_acl(self, asked: Asked) -> web.Response:
        grant = element("Grant", self.found(asked).acl)
        policy = f"{_OWNER}<AccessControlList>{grant}</AccessControlList>"
        return document(f"<AccessControlPolicy>{policy}</AccessControlPolicy>")

    async def put_acl(self, asked: Asked) -> web.Response:
        self.found(asked).acl = asked.acl()
        return web.Response()

    async def get_tagging(self, asked: Asked) -> web.Response:
        tags = "".join(
            f"<Tag>{element('Key', name)}{element('Value', value)}</Tag>"
            for name, value in self.found(asked).tags.items()
        )
        return document(f"<Tagging><TagSet>{tags}</TagSet></Tagging>")

    async def put_tagging(self, asked: Asked) -> web.Response:
        root = asked.document()
        pairs = [(one.findtext("Key") or "", one.findtext("Value") or "") for one in root.iter("Tag")]
        self.found(asked).tags = checked_tags(pairs)
        return web.Response()

    async def delete_tagging(self, asked: Asked) -> web.Response:
        self.found(asked).tags = {}
        return web.Response(status=204)

    async def restore(self, asked: Asked) -> web.Response:
        version = self.found(asked)
        if version.storage_class in {"Standard", "IA"}:
            raise Refusal(400, "OperationNotSupported", "The operation is not supported for this resource")
        if version.restoring:
            raise Refusal(409, "RestoreAlreadyInProgress", "The restore operation is in progress.")
        days = int(asked.document().findtext("Days") or 1) if asked.body else 1
        again = version.restored_until > time.time()
        version.restored_until = time.time() + days * 86_400
        version.restoring = not again
        return web.Response(status=200 if again else 202)


def _chosen(asked: Asked, size: int) -> tuple[int, int] | None:
    """The range to be answered; None is the whole object, also where no standard behaviour was asked for."""
    match = _RANGE.fullmatch(asked.headers.get("Range", ""))
    if match is None or not any(match.groups()):
        return None
    first, last = match.groups()
    start = int(first) if first else max(0, size - int(last))
    stop = int(last) + 1 if first and last else size
    if asked.headers.get("x-oss-range-behavior") == "standard":
        if start >= size or start >= stop:
            raise Refusal(416, "InvalidRange", "The requested range cannot be satisfied.")
        return start, min(stop, size)
    return (start, stop) if start < stop <= size else None


def _check_read(asked: Asked, version: Version) -> None:
    get = asked.headers.get
    match, unless = get("If-Match"), get("If-None-Match")
    unchanged, changed = get("If-Unmodified-Since"), get("If-Modified-Since")
    if (match is not None and not _matches(match, version)) or (
        unchanged is not None and version.modified > _time(unchanged)
    ):
        raise _failed()
    if (unless is not None and _matches(unless, version)) or (
        unless is None and changed is not None and version.modified <= _time(changed)
    ):
        raise Refusal(304, "NotModified", headers={"ETag": quoted(version.etag)})


def _check_source(asked: Asked, version: Version) -> None:
    get = asked.headers.get
    match, unless = get("x-oss-copy-source-if-match"), get("x-oss-copy-source-if-none-match")
    unchanged, changed = get("x-oss-copy-source-if-unmodified-since"), get("x-oss-copy-source-if-modified-since")
    if (match is not None and not _matches(match, version)) or (
        unchanged is not None and version.modified > _time(unchanged)
    ):
        raise _failed()
    if (unless is not None and _matches(unless, version)) or (
        changed is not None and version.modified <= _time(changed)
    ):
        raise Refusal(304, "NotModified")


def _failed() -> Refusal:
    return Refusal(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold.")


def _matches(given: str, version: Version) -> bool:
    return given.strip('"') in {version.etag, "*"}


def _time(text: str) -> float:
    try:
        return parsedate_to_datetime(text).timestamp()
    except ValueError:
        raise Refusal(400, "InvalidArgument", "The date is not valid.") from None
