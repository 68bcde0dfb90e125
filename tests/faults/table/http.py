"""Web servers in the table: WebDAV on Apache, whose ETags tell states apart that follow each other within a second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from aiostore import HTTPStore, Limits, NotSupportedError, Store
from tests.faults.relay import Request
from tests.faults.table.backend import PART, RETRY, Backend, Bucket, Settings
from tests.faults.table.expectation import NotApplicable, Raises, Rule, here, lacks
from tests.servers.apache import ApacheEndpoint

READS = {"get small", "get large", "stream", "download"}
PUTS = {"put small", "put large", "put from an async iterator", "put from a file"}
SENDING = READS | PUTS | {
    "get_range", "get_ranges", "head", "exists", "list", "list_with_delimiter", "delete", "delete_many", "copy",
    "rename",
}  # fmt: skip

ONE_PUT = frozenset({"put"})


@dataclass(frozen=True, slots=True, kw_only=True)
class WebBucket(Bucket):
    endpoint: ApacheEndpoint


class WebDAV(Backend):
    name = "apache"
    part_size = PART
    etags_written = False
    request_bodies: ClassVar[frozenset[str]] = frozenset({"put", "find", "list_page"})
    answer_bodies: ClassVar[frozenset[str]] = frozenset({"get", "get_range", "list_page", "find"})
    primitives: ClassVar[Mapping[str, frozenset[str]]] = {
        "put large": ONE_PUT,
        "put from an async iterator": ONE_PUT,
        "put from a file": ONE_PUT,
        "delete": frozenset({"find", "delete"}),
        "delete_many": frozenset({"find", "delete"}),
        "copy": frozenset({"find", "copy", "head"}),
        "rename": frozenset({"find", "rename", "head"}),
    }
    rules: ClassVar[Sequence[Rule]] = (
        lacks({"get_tags", "set_tags", "set_metadata"}, "web servers keep neither metadata nor tags"),
        lacks({"sign"}, "there are no signed URLs"),
        lacks({"put if_absent", "put if_match", "put large if_absent"}, "web servers ignore conditions of a PUT"),
        here(
            {"credentials expired", "clock wrong"}, SENDING,
            NotApplicable("credentials are sent as they are, without an end or a date"),
        ),
        here(
            {"301 to another region", "307 to another region", "301 in a loop", "307 in a loop"}, SENDING,
            NotApplicable("there are no regions; where redirects lead is tested with the driver"),
        ),
        here(
            {"byte flipped in the request's body"}, PUTS,
            NotApplicable("there is no checksum that a web server would compare it with"),
        ),
        here(
            {"byte flipped in the request's body"},
            {"list", "list_with_delimiter", "delete", "delete_many", "copy", "rename"},
            NotApplicable("its body is XML, whose damage the server sees as an error of ours"),
        ),
        here({"byte flipped in the answer's body"}, READS, Raises(NotSupportedError, integrity="require")),
        here(
            {"Content-Length too small", "Content-Length too large"}, READS | {"get_range", "get_ranges"},
            Raises(NotSupportedError, integrity="require"),
        ),
    )  # fmt: skip

    def url(self, bucket: Bucket) -> str:
        assert isinstance(bucket, WebBucket)
        return bucket.endpoint.url

    def store(
        self, bucket: Bucket, prefix: str, settings: Settings, url: str | None = None, limits: Limits | None = None
    ) -> Store:
        return HTTPStore(
            f"{url or self.url(bucket)}/strong/{bucket.name}",
            prefix=prefix,
            webdav=True,
            integrity=settings.integrity,
            retry=RETRY,
            limits=limits or settings.limits,
            timeouts=settings.timeouts,
        )

    def primitive_of(self, request: Request) -> str:
        match request.method:
            case "GET":
                return "get_range" if "range" in request.headers else "get"
            case "PROPFIND":
                return "find" if request.headers["depth"] == "0" else "list_page"
            case "MOVE":
                return "rename"
            case method:
                return method.lower()

    async def leftovers(self, store: Store) -> list[str]:
        """Nothing that could be told: an unfinished PUT is the server's own matter."""
        return []


APACHE = WebDAV()
