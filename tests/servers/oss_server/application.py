"""Requests to handlers: which one it is, whether it may, and who asked, which tests look at."""

from __future__ import annotations

import base64
import json
import secrets
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from aiohttp import web

from tests.servers.oss_server.asked import Asked
from tests.servers.oss_server.buckets import Buckets
from tests.servers.oss_server.forms import Forms
from tests.servers.oss_server.objects import Objects, check_name
from tests.servers.oss_server.refusal import Refusal
from tests.servers.oss_server.signatures import ACCOUNTS, REGION, authenticate
from tests.servers.oss_server.uploads import Uploads

Handler = Callable[[Asked], Awaitable[web.Response]]

LARGEST = 1024**3


class Route(NamedTuple):
    """A handler, and what a request for it looks like: ``level`` is account, bucket or object."""

    name: str
    level: str
    method: str
    query: str
    handler: Handler
    header: str = ""


class Application:
    """The server: :meth:`handle` answers everything."""

    def __init__(self) -> None:
        self.buckets = buckets = Buckets()
        self.asked: defaultdict[str, set[str]] = defaultdict(set)
        objects, forms = Objects(buckets), Forms(buckets)
        uploads = Uploads(buckets, objects)
        self.routes = [
            Route("ListBuckets", "account", "GET", "", buckets.list_buckets),
            Route("GetBucketInfo", "bucket", "GET", "bucketInfo", buckets.bucket_info),
            Route("GetBucketLocation", "bucket", "GET", "location", buckets.location),
            Route("GetBucketAcl", "bucket", "GET", "acl", buckets.get_acl),
            Route("PutBucketAcl", "bucket", "PUT", "acl", buckets.put_acl),
            Route("GetBucketVersioning", "bucket", "GET", "versioning", buckets.get_versioning),
            Route("PutBucketVersioning", "bucket", "PUT", "versioning", buckets.put_versioning),
            Route("ListObjectVersions", "bucket", "GET", "versions", buckets.list_versions),
            Route("ListMultipartUploads", "bucket", "GET", "uploads", buckets.list_uploads),
            Route("ListObjectsV2", "bucket", "GET", "list-type", buckets.list_objects),
            Route("ListObjects", "bucket", "GET", "", buckets.list_objects),
            Route("DeleteMultipleObjects", "bucket", "POST", "delete", buckets.delete_multiple),
            Route("PostObject", "bucket", "POST", "", forms.post),
            Route("PutBucket", "bucket", "PUT", "", buckets.put_bucket),
            Route("DeleteBucket", "bucket", "DELETE", "", buckets.delete_bucket),
            Route("UploadPartCopy", "object", "PUT", "uploadId", uploads.copy_part, "x-oss-copy-source"),
            Route("UploadPart", "object", "PUT", "uploadId", uploads.upload_part),
            Route("ListParts", "object", "GET", "uploadId", uploads.list_parts),
            Route("AbortMultipartUpload", "object", "DELETE", "uploadId", uploads.abort),
            Route("CompleteMultipartUpload", "object", "POST", "uploadId", uploads.complete),
            Route("InitiateMultipartUpload", "object", "POST", "uploads", uploads.initiate),
            Route("GetObjectAcl", "object", "GET", "acl", objects.get_acl),
            Route("PutObjectAcl", "object", "PUT", "acl", objects.put_acl),
            Route("GetObjectTagging", "object", "GET", "tagging", objects.get_tagging),
            Route("PutObjectTagging", "object", "PUT", "tagging", objects.put_tagging),
            Route("DeleteObjectTagging", "object", "DELETE", "tagging", objects.delete_tagging),
            Route("PutSymlink", "object", "PUT", "symlink", objects.put_symlink),
            Route("GetSymlink", "object", "GET", "symlink", objects.get_symlink),
            Route("GetObjectMeta", "object", "HEAD", "objectMeta", objects.meta),
            Route("RestoreObject", "object", "POST", "restore", objects.restore),
            Route("AppendObject", "object", "POST", "append", objects.append),
            Route("CopyObject", "object", "PUT", "", objects.copy, "x-oss-copy-source"),
            Route("PutObject", "object", "PUT", "", objects.put),
            Route("GetObject", "object", "GET", "", objects.get),
            Route("HeadObject", "object", "HEAD", "", objects.head),
            Route("DeleteObject", "object", "DELETE", "", objects.delete),
        ]

    async def handle(self, request: web.Request) -> web.Response:
        if request.path == "/_tests":
            return self._about()
        request_id = secrets.token_hex(12).upper()
        asked = Asked(request, await request.read())
        try:
            response = await self._answer(asked)
        except Refusal as refusal:
            body = b"" if asked.method == "HEAD" or refusal.status == 304 else refusal.document(request_id, asked.host)
            response = web.Response(status=refusal.status, body=body, headers=refusal.headers)
            if body:
                response.content_type = "application/xml"
            elif asked.method == "HEAD" and refusal.status != 304:
                told = refusal.document(request_id, asked.host)
                response.headers["x-oss-err"] = base64.b64encode(told).decode()
        response.headers["x-oss-request-id"] = request_id
        response.headers["Server"] = "AliyunOSS"
        return response

    async def _answer(self, asked: Asked) -> web.Response:
        level = "object" if asked.key else "bucket" if asked.bucket else "account"
        route = next(
            (
                route
                for route in self.routes
                if (route.level, route.method) == (level, asked.method)
                and (not route.query or route.query in asked.query)
                and (not route.header or route.header in asked.headers)
            ),
            None,
        )
        if route is None:
            raise Refusal(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
        if asked.region not in {"", REGION} and asked.bucket in self.buckets.all:
            message = (
                "The bucket you are attempting to access must be addressed using the specified endpoint. Please send "
                "all future requests to this endpoint."
            )
            raise Refusal(403, "AccessDenied", message, fields={"Endpoint": f"oss-{REGION}.aliyuncs.com"})
        if route.name != "PostObject" and authenticate(asked) is None and not self._public(route, asked):
            raise Refusal(403, "AccessDenied", "Anonymous access is forbidden for this operation.")
        if level == "object":
            check_name(asked.key)
        self.asked[route.name].add(asked.headers.get("User-Agent", "").partition("/")[0])
        return await route.handler(asked)

    def _public(self, route: Route, asked: Asked) -> bool:
        """Whether everybody may do it."""
        bucket = self.buckets.all.get(asked.bucket)
        if bucket is None:
            return False
        version = bucket.current(asked.key)
        acl = version.acl if version is not None and version.acl != "default" else bucket.acl
        if route.name in {"GetObject", "HeadObject", "GetObjectMeta"}:
            return acl in {"public-read", "public-read-write"}
        return acl == "public-read-write" and route.name in {"PutObject", "DeleteObject"}

    def _about(self) -> web.Response:
        """For tests: the accounts, and which clients have asked for which route."""
        told = {
            "accounts": {name: list(account) for name, account in ACCOUNTS.items()},
            "region": REGION,
            "asked": {route.name: sorted(self.asked[route.name]) for route in self.routes},
        }
        return web.Response(text=json.dumps(told), content_type="application/json")
