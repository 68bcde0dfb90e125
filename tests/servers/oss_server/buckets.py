"""Handlers of the account and of buckets.

https://www.alibabacloud.com/help/en/oss/developer-reference/bucket-operations
"""

from __future__ import annotations

import base64
import re
from bisect import bisect_right
from collections.abc import Iterable
from urllib.parse import unquote

from aiohttp import web

from tests.servers.oss_server.answers import document, element, encoding, iso, quoted, shown
from tests.servers.oss_server.asked import Asked
from tests.servers.oss_server.refusal import Refusal, no_bucket
from tests.servers.oss_server.signatures import REGION
from tests.servers.oss_server.state import Bucket, Version

_OWNER = "<Owner><ID>100000000000</ID><DisplayName>100000000000</DisplayName></Owner>"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_LOCATION = f"oss-{REGION}"


class Buckets:
    """The account's buckets, and what is done with one of them as a whole."""

    def __init__(self) -> None:
        self.all: dict[str, Bucket] = {}

    def of(self, asked: Asked) -> Bucket:
        if asked.bucket not in self.all:
            raise no_bucket(asked.bucket)
        return self.all[asked.bucket]

    async def list_buckets(self, asked: Asked) -> web.Response:
        marker, most = asked.query.get("marker", ""), asked.number("max-keys", 100, 1000)
        prefix = asked.query.get("prefix", "")
        names = sorted(name for name in self.all if name > marker and name.startswith(prefix))
        page = names[:most]
        listed = "".join(f"<Bucket>{self._told(self.all[name])}</Bucket>" for name in page)
        head = ""
        if len(names) > len(page):
            head = element("Prefix", prefix) + element("Marker", marker) + element("MaxKeys", most)
            head += element("IsTruncated", "true") + element("NextMarker", page[-1])
        return document(f"<ListAllMyBucketsResult>{head}{_OWNER}<Buckets>{listed}</Buckets></ListAllMyBucketsResult>")

    def _told(self, bucket: Bucket) -> str:
        told = {
            "CreationDate": iso(bucket.created),
            "ExtranetEndpoint": f"{_LOCATION}.aliyuncs.com",
            "IntranetEndpoint": f"{_LOCATION}-internal.aliyuncs.com",
            "Location": _LOCATION,
            "Name": bucket.name,
            "Region": REGION,
            "StorageClass": bucket.storage_class,
        }
        return "".join(element(name, value) for name, value in told.items())

    async def put_bucket(self, asked: Asked) -> web.Response:
        if _NAME.fullmatch(asked.bucket) is None:
            raise Refusal(400, "InvalidBucketName", "The specified bucket is not valid.")
        bucket = self.all.setdefault(asked.bucket, Bucket(asked.bucket))
        if "x-oss-acl" in asked.headers:
            bucket.acl = asked.acl("x-oss-acl")
        if asked.body:
            bucket.storage_class = asked.document().findtext("StorageClass") or "Standard"
        return web.Response(headers={"Location": f"/{asked.bucket}"})

    async def delete_bucket(self, asked: Asked) -> web.Response:
        bucket = self.of(asked)
        if bucket.objects or bucket.uploads:
            raise Refusal(409, "BucketNotEmpty", "The bucket you tried to delete is not empty.")
        del self.all[asked.bucket]
        return web.Response(status=204)

    async def bucket_info(self, asked: Asked) -> web.Response:
        bucket = self.of(asked)
        told = self._told(bucket) + _OWNER
        told += f"<AccessControlList>{element('Grant', bucket.acl)}</AccessControlList>"
        if bucket.versioning:
            told += element("Versioning", bucket.versioning)
        return document(f"<BucketInfo><Bucket>{told}</Bucket></BucketInfo>")

    async def location(self, asked: Asked) -> web.Response:
        self.of(asked)
        return document(element("LocationConstraint", _LOCATION))

    async def get_acl(self, asked: Asked) -> web.Response:
        grant = element("Grant", self.of(asked).acl)
        return document(
            f"<AccessControlPolicy>{_OWNER}<AccessControlList>{grant}</AccessControlList></AccessControlPolicy>"
        )

    async def put_acl(self, asked: Asked) -> web.Response:
        self.of(asked).acl = asked.acl("x-oss-acl")
        return web.Response()

    async def get_versioning(self, asked: Asked) -> web.Response:
        bucket = self.of(asked)
        status = element("Status", bucket.versioning) if bucket.versioning else ""
        return document(f"<VersioningConfiguration>{status}</VersioningConfiguration>")

    async def put_versioning(self, asked: Asked) -> web.Response:
        status = asked.document().findtext("Status") or ""
        if status not in {"Enabled", "Suspended"}:
            raise Refusal(400, "MalformedXML")
        self.of(asked).versioning = status
        return web.Response()

    # --- listings ---------------------------------------------------------------------------------------------------

    async def list_objects(self, asked: Asked) -> web.Response:
        """ListObjects and ListObjectsV2."""
        bucket, query = self.of(asked), asked.query
        second = query.get("list-type") == "2"
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        most = asked.number("max-keys", 100, 1000)
        after = query.get("start-after" if second else "marker", "")
        if token := query.get("continuation-token"):
            try:
                after = base64.urlsafe_b64decode(token).decode()
            except ValueError:
                raise Refusal(400, "InvalidArgument", "The continuation token provided is incorrect.") from None
        rows, prefixes, last, more = _page(bucket.listed(prefix), prefix, delimiter, after, most)
        told = element("Name", bucket.name) + element("Prefix", shown(asked, prefix)) + element("MaxKeys", most)
        told += element("Delimiter", shown(asked, delimiter)) + encoding(asked)
        told += element("IsTruncated", str(more).lower())
        if second:
            told += element("KeyCount", len(rows) + len(prefixes))
            if "start-after" in query:
                told += element("StartAfter", shown(asked, query["start-after"]))
            if more:
                told += element("NextContinuationToken", base64.urlsafe_b64encode(last.encode()).decode())
        else:
            told += element("Marker", shown(asked, after))
            if more:
                told += element("NextMarker", shown(asked, last))
        owner = _OWNER if not second or query.get("fetch-owner") == "true" else ""
        told += "".join(f"<Contents>{_row(asked, key, one)}{owner}</Contents>" for key, one in rows)
        told += "".join(f"<CommonPrefixes>{element('Prefix', shown(asked, one))}</CommonPrefixes>" for one in prefixes)
        return document(f"<ListBucketResult>{told}</ListBucketResult>")

    async def list_versions(self, asked: Asked) -> web.Response:
        bucket, query = self.of(asked), asked.query
        prefix, most = query.get("prefix", ""), asked.number("max-keys", 100, 1000)
        marker, version_marker = query.get("key-marker", ""), query.get("version-id-marker", "")
        rows: list[tuple[str, Version, bool]] = []
        for key in sorted(bucket.objects):
            versions = bucket.objects[key]
            if not key.startswith(prefix) or key < marker or (key == marker and not version_marker):
                continue
            begin = 0
            if key == marker:
                ids = [one.version_id for one in versions]
                begin = ids.index(version_marker) + 1 if version_marker in ids else len(ids)
            rows += [(key, one, one is versions[0]) for one in versions[begin:]]
        page, more = rows[:most], len(rows) > most
        told = element("Name", bucket.name) + element("Prefix", shown(asked, prefix)) + encoding(asked)
        told += element("KeyMarker", shown(asked, marker)) + element("VersionIdMarker", version_marker)
        told += element("Delimiter", "")
        told += element("MaxKeys", most) + element("IsTruncated", str(more).lower())
        if more:
            told += element("NextKeyMarker", shown(asked, page[-1][0]))
            told += element("NextVersionIdMarker", page[-1][1].version_id)
        for key, one, latest in page:
            common = element("VersionId", one.version_id) + element("IsLatest", str(latest).lower())
            if one.is_delete_marker:
                fields = element("Key", shown(asked, key)) + element("LastModified", iso(one.modified))
                told += f"<DeleteMarker>{fields}{common}{_OWNER}</DeleteMarker>"
            else:
                told += f"<Version>{_row(asked, key, one)}{common}{_OWNER}</Version>"
        return document(f"<ListVersionsResult>{told}</ListVersionsResult>")

    async def delete_multiple(self, asked: Asked) -> web.Response:
        bucket = self.of(asked)
        if "Content-MD5" not in asked.headers:
            raise Refusal(
                400, "MissingArgument", "Missing Some Required Arguments.", fields={"ArgumentName": "Content-MD5"}
            )
        asked.check_md5()
        root = asked.document()
        wanted = [(one.findtext("Key") or "", one.findtext("VersionId")) for one in root.iter("Object")]
        if not 1 <= len(wanted) <= 1000:
            raise Refusal(400, "MalformedXML", "The XML you provided was not well-formed.")
        told = encoding(asked)
        for key, version_id in wanted:
            version, _ = bucket.remove(key, version_id)
            fields = element("Key", shown(asked, key))
            if version_id is not None:
                fields += element("VersionId", version_id)
            if version is not None and version.is_delete_marker:
                fields += element("DeleteMarker", "true") + element("DeleteMarkerVersionId", version.version_id)
            told += f"<Deleted>{fields}</Deleted>"
        if (root.findtext("Quiet") or "").lower() == "true":
            told = encoding(asked)
        return document(f"<DeleteResult>{told}</DeleteResult>")

    async def list_uploads(self, asked: Asked) -> web.Response:
        bucket, query = self.of(asked), asked.query
        prefix, most = query.get("prefix", ""), asked.number("max-uploads", 1000, 1000)
        marker, id_marker = query.get("key-marker", ""), query.get("upload-id-marker", "")
        after = (marker, id_marker if id_marker else "\U0010ffff") if marker else ("", "")
        found = sorted((one.key, one.id) for one in bucket.uploads.values() if one.key.startswith(prefix))
        found = found[bisect_right(found, after) :]
        page, more = found[:most], len(found) > most
        told = element("Bucket", bucket.name) + encoding(asked) + element("Prefix", shown(asked, prefix))
        told += element("KeyMarker", shown(asked, marker)) + element("UploadIdMarker", id_marker)
        key, upload_id = page[-1] if more else ("", "")
        told += element("NextKeyMarker", shown(asked, key)) + element("NextUploadIdMarker", upload_id)
        told += element("MaxUploads", most) + element("IsTruncated", str(more).lower())
        for key, upload_id in page:
            fields = element("Key", shown(asked, key)) + element("UploadId", upload_id)
            fields += element("Initiated", iso(bucket.uploads[upload_id].initiated))
            told += f"<Upload>{fields}</Upload>"
        return document(f"<ListMultipartUploadsResult>{told}</ListMultipartUploadsResult>")


def _page(
    rows: Iterable[tuple[str, Version]], prefix: str, delimiter: str, after: str, most: int
) -> tuple[list[tuple[str, Version]], list[str], str, bool]:
    """The objects and common prefixes of one page, where it ends, and whether there is more."""
    objects: list[tuple[str, Version]] = []
    prefixes: list[str] = []
    last = ""
    for key, version in rows:
        at = key.find(delimiter, len(prefix)) if delimiter else -1
        name = key if at < 0 else key[: at + len(delimiter)]
        if name <= after or (prefixes and name == prefixes[-1]):
            continue
        if len(objects) + len(prefixes) == most:
            return objects, prefixes, last, True
        if at < 0:
            objects.append((key, version))
        else:
            prefixes.append(name)
        last = name
    return objects, prefixes, last, False


def _row(asked: Asked, key: str, version: Version) -> str:
    told = {
        "Key": shown(asked, key),
        "LastModified": iso(version.modified),
        "ETag": quoted(version.etag),
        "Type": version.kind,
        "Size": str(len(version.data)),
        "StorageClass": version.storage_class,
    }
    return "".join(element(name, value) for name, value in told.items())


def source_of(asked: Asked) -> tuple[str, str, str | None]:
    """The bucket, key and version that ``x-oss-copy-source`` names."""
    path, _, query = asked.headers["x-oss-copy-source"].partition("?")
    bucket, _, key = unquote(path).removeprefix("/").partition("/")
    version = unquote(query.partition("versionId=")[2]) or None
    if not bucket or not key:
        raise Refusal(400, "InvalidArgument", "Copy Source must mention the source bucket and key.")
    return bucket, key, version
