"""Google Cloud Storage in the table: the strict server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from aiostore import GCSStore, Limits, Store
from aiostore.types import ObjectMeta
from tests.faults import faults as wire
from tests.faults.relay import Request
from tests.faults.table.backend import RETRY, Backend, Bucket, Scene, Settings
from tests.faults.table.cells import Cell
from tests.faults.table.expectation import Heals, NotApplicable, Rule, here
from tests.servers.fake_gcs import NamedAccount
from tests.servers.gcs import StrictGCSEndpoint

WRITES = {
    "put small", "put if_absent", "put if_match", "put large", "put from an async iterator", "put from a file",
    "put large if_absent", "copy", "rename", "set_metadata",
}  # fmt: skip

EVERYTHING = WRITES | {
    "get small", "get large", "stream", "download", "get_range", "get_ranges", "head", "exists", "list",
    "list_with_delimiter", "get_tags", "delete", "delete_many", "set_tags",
}  # fmt: skip

MOVES = {"301 to another region", "307 to another region", "301 in a loop", "307 in a loop"}

PARTS = frozenset({"create_multipart", "put_part", "complete_multipart", "head"})
"""The answer to a completion does not tell the generation, which is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GCSBucket(Bucket):
    endpoint: StrictGCSEndpoint
    token: str


class Signer(NamedAccount):
    """The bucket's own token, and a key to sign with, so that no token is asked for on the way."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self._token = token

    async def _load(self) -> tuple[str, float | None]:
        return f"Bearer {self._token}", None


class CredentialsExpired(Scene):
    """The first token has ended: one refresh must do, however many requests find out."""

    def __init__(self) -> None:
        self.fetched = 0

    def settings(self, bucket: Bucket) -> Settings:
        assert isinstance(bucket, GCSBucket)

        async def fetch() -> str:
            self.fetched += 1
            await asyncio.sleep(0)
            return "expired" if self.fetched == 1 else bucket.token

        return Settings(options={"credentials": fetch})

    def begin(self, cell: Cell) -> None:
        """Nothing: the server does not know that token."""

    def assert_struck(self, cell: Cell) -> None:
        assert self.fetched == 2


class GCS(Backend):
    name = "gcs"
    part_size = 5 * 1024**2
    request_bodies: ClassVar[frozenset[str]] = frozenset(
        {"put", "put_part", "complete_multipart", "delete_many", "set_tags", "set_metadata"}
    )
    answer_bodies: ClassVar[frozenset[str]] = frozenset(
        {
            *("get", "get_range", "head", "put", "list_page", "get_tags", "set_tags", "set_metadata", "copy"),
            *("create_multipart", "complete_multipart", "delete_many"),
        }
    )
    primitives: ClassVar[Mapping[str, frozenset[str]]] = {
        "put large": PARTS,
        "put from an async iterator": PARTS,
        "put from a file": PARTS,
        "put large if_absent": frozenset({"put", "complete_multipart", "list_page", "delete_many"}),
        "copy": frozenset({"copy"}),
        "rename": frozenset({"copy", "delete"}),
        "set_metadata": frozenset({"head", "set_metadata"}),
        "set_tags": frozenset({"get_tags", "set_tags"}),
    }
    scenes: ClassVar[Mapping[str, Callable[[], Scene]]] = {"credentials expired": CredentialsExpired}
    rules: ClassVar[Sequence[Rule]] = (
        # Each answer says how many bytes are stored, so that another length is known for what it is.
        here({"Content-Length too small", "Content-Length too large"}, {"stream"}, Heals()),
        here({"clock wrong"}, EVERYTHING, NotApplicable("a token holds no time of this machine's")),
        here(MOVES, EVERYTHING, NotApplicable("the service never says that a bucket is elsewhere")),
        here({"409 conflict"}, WRITES, NotApplicable("writes of one object are carried out one after the other")),
        here(
            {"byte flipped in the request's body"}, {"delete_many", "set_tags", "set_metadata", "copy", "rename"},
            NotApplicable("its body is text, whose damage the service sees as an error of ours"),
        ),
    )  # fmt: skip

    def url(self, bucket: Bucket) -> str:
        assert isinstance(bucket, GCSBucket)
        return bucket.endpoint.url

    def store(
        self, bucket: Bucket, prefix: str, settings: Settings, url: str | None = None, limits: Limits | None = None
    ) -> Store:
        assert isinstance(bucket, GCSBucket)
        options: dict[str, Any] = {"credentials": Signer(bucket.token)} | dict(settings.options)
        return GCSStore(
            bucket.name,
            prefix=prefix,
            endpoint=url or bucket.endpoint.url,
            project=bucket.endpoint.project,
            integrity=settings.integrity,
            retry=RETRY,
            limits=limits or settings.limits,
            timeouts=settings.timeouts,
            **options,
        )

    def primitive_of(self, request: Request) -> str:
        path, query, method = request.path.partition("?")[0], request.query, request.method
        if path.startswith("/batch/"):
            return "delete_many"
        if path.startswith("/upload/"):
            return "put"
        if not path.startswith("/storage/"):
            return _of_xml(method, query, request.headers)
        ending = path.rpartition("/")[2]
        if method == "POST":
            return "copy" if "/rewriteTo/" in path else "complete_multipart" if ending == "compose" else ending
        tags = query.get("fields", "").startswith("contexts")
        if method == "PATCH":
            return "set_tags" if tags else "set_metadata"
        if method == "DELETE":
            return "delete"
        if path.endswith("/o"):
            return "list_page"
        return "get_tags" if tags else "head"

    def error(self, status: int, headers: Mapping[str, str] | None = None) -> wire.Answer:
        error = {"code": status, "message": "Injected.", "errors": [{"reason": "injected", "message": "Injected."}]}
        return wire.Answer(status=status, headers=headers or {}, body=json.dumps({"error": error}).encode())

    def throttled(self) -> wire.Answer:
        return self.error(429)

    def headers(self, meta: ObjectMeta) -> dict[str, str]:
        return {"ETag": f'"{meta.etag}"', "x-goog-generation": meta.version or ""}


def _of_xml(method: str, query: Mapping[str, str], headers: Mapping[str, str]) -> str:
    if method == "POST":
        return "create_multipart" if "uploads" in query else "complete_multipart"
    if method == "PUT":
        return "put_part"
    if method == "DELETE":
        return "abort_multipart"
    if "uploads" in query:
        return "list_multipart"
    return "get_range" if "range" in headers else "get"


STRICT_GCS = GCS()
