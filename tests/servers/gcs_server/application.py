"""Requests to handlers: which one it is, whether it may, and who asked, which tests look at."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Awaitable, Callable
from email.parser import BytesParser
from email.policy import HTTP
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

from aiohttp import web

from tests.servers.gcs_server.accounts import Accounts
from tests.servers.gcs_server.asked import Asked
from tests.servers.gcs_server.call import Call
from tests.servers.gcs_server.json_api import JSONAPI
from tests.servers.gcs_server.refusal import Refusal, no_bucket
from tests.servers.gcs_server.state import State
from tests.servers.gcs_server.uploads import Uploads
from tests.servers.gcs_server.xml_api import XMLAPI, public

Handler = Callable[[Asked], Awaitable[web.Response]]

LARGEST = 1024**3

_BOUNDARY = re.compile(r'boundary="?([^";]+)"?')


class Route(NamedTuple):
    """A handler, and what a request for it looks like. Queries that are demanded choose among those of one path."""

    name: str
    methods: str
    path: re.Pattern[str]
    handler: Handler
    query: tuple[str, ...] = ()
    header: str = ""


class Application:
    """The server: :meth:`handle` answers everything."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.state = State(url)
        self.accounts = Accounts(url)
        self.asked: defaultdict[str, set[str]] = defaultdict(set)
        json_api, uploads = JSONAPI(self.state), Uploads(self.state, url)
        xml_api = XMLAPI(self.state, self.accounts)
        bucket, name = "(?P<bucket>[^/?]+)", "(?P<name>[^/?]+)"
        one = f"/(?:download/)?storage/v1/b/{bucket}/o/{name}"
        in_xml = f"/{bucket}/(?P<name>[^?]+)"
        into = f"/(?:resumable/)?upload/storage/v1/b/{bucket}/o"

        def route(label: str, methods: str, path: str, handler: Handler, *query: str, header: str = "") -> Route:
            return Route(label, methods, re.compile(path), handler, query, header)

        self._open = [
            ("token", "POST", re.compile("/token|/sts/token"), self.accounts.token),
            ("metadata server", "GET", re.compile("/computeMetadata/v1/.*"), self.accounts.metadata),
            ("signBlob", "POST", re.compile("/v1/projects/-/serviceAccounts/[^/]+:signBlob"), self.accounts.sign_blob),
            (
                "generateAccessToken",
                "POST",
                re.compile("/v1/projects/-/serviceAccounts/[^/]+:generateAccessToken"),
                self.accounts.impersonate,
            ),
        ]
        self._json = [
            route("list buckets", "GET", "/storage/v1/b", json_api.list_buckets),
            route("insert bucket", "POST", "/storage/v1/b", json_api.insert_bucket),
            route("get bucket", "GET", f"/storage/v1/b/{bucket}", json_api.get_bucket),
            route("patch bucket", "PATCH", f"/storage/v1/b/{bucket}", json_api.patch_bucket),
            route("delete bucket", "DELETE", f"/storage/v1/b/{bucket}", json_api.delete_bucket),
            route("list objects", "GET", f"/storage/v1/b/{bucket}/o/?", json_api.list_objects),
            route("download", "GET", one, json_api.get_object, "alt=media"),
            route("get object", "GET", one, json_api.get_object),
            route("patch object", "PATCH", one, json_api.patch_object),
            route("update object", "PUT", one, json_api.update_object),
            route("delete object", "DELETE", one, json_api.delete_object),
            route(
                "rewrite",
                "POST",
                f"{one}/rewriteTo/b/(?P<to_bucket>[^/?]+)/o/(?P<to_name>[^/?]+)",
                json_api.rewrite,
            ),
            route("compose", "POST", f"{one}/compose", json_api.compose),
            route("restore object", "POST", f"{one}/restore", json_api.restore_object),
            route("upload", "POST", into, uploads.insert, "uploadType=media"),
            route(
                "upload with description",
                "POST",
                into,
                uploads.insert,
                "uploadType=multipart",
            ),
            route("begin resumable", "POST", into, uploads.insert, "uploadType=resumable"),
            route("resume", "PUT", into, uploads.resume, "upload_id"),
            route("cancel resumable", "DELETE", into, uploads.cancel, "upload_id"),
            route("batch", "POST", "/batch(?:/storage/v1)?", self._batch),
        ]
        self._xml = [
            route("XML: list uploads", "GET", f"/{bucket}/?", xml_api.list_uploads, "uploads"),
            route("XML: list objects", "GET", f"/{bucket}/?", xml_api.list_objects, "list-type"),
            route("XML: form", "POST", f"/{bucket}/?", xml_api.post_form),
            route("XML: begin upload", "POST", in_xml, xml_api.begin, "uploads"),
            route("XML: complete upload", "POST", in_xml, xml_api.complete, "uploadId"),
            route("XML: abort upload", "DELETE", in_xml, xml_api.abort, "uploadId"),
            route("XML: list parts", "GET", in_xml, xml_api.list_parts, "uploadId"),
            route("XML: put part", "PUT", in_xml, xml_api.put_part, "partNumber"),
            route("XML: copy", "PUT", in_xml, xml_api.copy_object, header="x-goog-copy-source"),
            route("XML: put", "PUT", in_xml, xml_api.put_object),
            route("XML: get", "GET", in_xml, xml_api.get_object),
            route("XML: head", "HEAD", in_xml, xml_api.get_object),
            route("XML: delete", "DELETE", in_xml, xml_api.delete_object),
        ]

    @property
    def routes(self) -> list[str]:
        return [name for name, *_ in self._open] + [route.name for route in (*self._json, *self._xml)]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        raw = request.raw_path
        path = raw.partition("?")[0]
        if path == "/_tests":
            asked = {name: sorted(self.asked[name]) for name in self.routes}
            if "forget" in request.query:
                self.asked.clear()
            return web.json_response({"asked": asked, "account": self.accounts.info})
        try:
            for name, method, pattern, answer in self._open:
                if method == request.method and pattern.fullmatch(path):
                    self._note(name, request)
                    return await answer(request)
        except Refusal as refusal:
            return refusal.as_json()
        xml = not path.startswith(("/storage/v1/", "/upload/", "/resumable/upload/", "/download/", "/batch"))
        try:
            call = Call(request.method, raw, request.headers)
            return await self._answer(call, self._xml if xml else self._json, await request.read())
        except Refusal as refusal:
            return refusal.as_xml() if xml else refusal.as_json()

    async def _answer(self, request: Call, routes: list[Route], body: bytes) -> web.Response:
        path, _, query = request.raw_path.partition("?")
        given = dict(parse_qsl(query, keep_blank_values=True))
        for route in routes:
            if route.methods != request.method or not _has(given, route.query):
                continue
            if route.header and route.header not in request.headers:
                continue
            if (match := route.path.fullmatch(path)) is None:
                continue
            if route.name != "batch":
                self._check(request, given, route)
            self._note(route.name, request)
            parts = {name: unquote(value) for name, value in match.groupdict().items()}
            return await route.handler(Asked(request, parts, body))
        raise Refusal(404, "notFound", f"There is no such resource: {request.method} {path}")

    def _check(self, request: Call, query: dict[str, str], route: Route) -> None:
        if "X-Goog-Signature" in query:
            self.accounts.check_signed_url(request)
        elif route.name not in {"resume", "cancel resumable", "XML: form"} and not (
            request.method in {"GET", "HEAD"}
            and "Authorization" not in request.headers
            and public(self.state, request.raw_path)
        ):
            # The location of a resumable upload is as good as a token.
            self.accounts.check_token(request)
        match = route.path.fullmatch(request.raw_path.partition("?")[0])
        name = unquote(match.groupdict().get("bucket") or "") if match else ""
        if not name or route.name in {"insert bucket", "get bucket", "patch bucket"}:
            return
        bucket = self.state.buckets.get(name)
        if bucket is None:
            raise no_bucket()
        if bucket.requester_pays and not (request.headers.get("x-goog-user-project") or query.get("userProject")):
            raise Refusal(400, "userProjectMissing", "Bucket is a requester pays bucket but no user project provided.")

    def _note(self, name: str, request: Call | web.Request) -> None:
        self.asked[name].add(request.headers.get("User-Agent", "").partition("/")[0])

    # --- https://docs.cloud.google.com/storage/docs/batch

    async def _batch(self, asked: Asked) -> web.Response:
        found = _BOUNDARY.search(asked.headers.get("Content-Type", ""))
        if found is None:
            raise Refusal(400, "invalid", "Missing multipart boundary.")
        message = BytesParser(policy=HTTP).parsebytes(
            f"Content-Type: {asked.headers['Content-Type']}\r\n\r\n".encode() + asked.body
        )
        parts = list(message.iter_parts())
        if len(parts) > 100:
            raise Refusal(400, "invalid", "A batch has at most 100 calls.")
        boundary = "batch_of_answers"
        answers = []
        for part in parts:
            payload = part.get_payload(decode=True)
            answer = await self._one_of_batch(asked.call, bytes(payload or b""))
            text = answer.text or ""
            content_id = str(part.get("Content-ID", "")).replace("<", "<response-")
            answers.append(
                f"--{boundary}\r\nContent-Type: application/http\r\nContent-ID: {content_id}\r\n\r\n"
                f"HTTP/1.1 {answer.status} {answer.reason}\r\nContent-Type: {answer.content_type}\r\n"
                f"Content-Length: {len(text.encode())}\r\n\r\n{text}\r\n"
            )
        body = "".join([*answers, f"--{boundary}--\r\n"])
        return web.Response(text=body, headers={"Content-Type": f"multipart/mixed; boundary={boundary}"})

    async def _one_of_batch(self, request: Call, payload: bytes) -> web.Response:
        head, _, body = payload.replace(b"\r\n", b"\n").partition(b"\n\n")
        method, target, *_ = head.decode().splitlines()[0].split(" ")
        target = "/" + target.split("/", 3)[3] if target.startswith("http") else target
        inner = Call(method, target, request.headers)
        try:
            if not inner.raw_path.startswith(("/storage/v1/", "/download/")):
                raise Refusal(400, "invalid", "Not a call of the JSON API.")
            return await self._answer(inner, self._json, body)
        except Refusal as refusal:
            return refusal.as_json()


def _has(given: dict[str, str], wanted: tuple[str, ...]) -> bool:
    for item in wanted:
        name, separator, value = item.partition("=")
        if name not in given or (separator and given[name] != value):
            return False
    return True
