"""Swift in the table: its API on Ceph's gateway, which takes a tenth of the CPU that Swift's own servers take."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from aiostore import Limits, Store, SwiftStore
from tests.faults import faults as wire
from tests.faults.relay import Request
from tests.faults.table.backend import PART, RETRY, Backend, Bucket, Scene, Settings
from tests.faults.table.cells import Cell
from tests.faults.table.expectation import NotApplicable, Rule, here, lacks
from tests.servers.ceph import CephEndpoint

ACCOUNT = "/swift/v1/AUTH_tester"

WRITES = {"put small", "put large", "put from an async iterator", "put from a file"}

EVERYTHING = WRITES | {
    "get small", "get large", "stream", "download", "get_range", "get_ranges", "head", "exists", "list",
    "list_with_delimiter", "delete", "delete_many", "set_metadata",
}  # fmt: skip

MOVES = {"301 to another region", "307 to another region", "301 in a loop", "307 in a loop"}

IN_PARTS = frozenset({"info", "create_multipart", "put_part", "complete_multipart", "head", "forget_upload"})
"""With what the driver asks and notes beside; no fault strikes that alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwiftBucket(Bucket):
    endpoint: CephEndpoint


class TokenEnded(Scene):
    """The first token is refused from now on: another one must do, for all requests that meet this."""

    def __init__(self) -> None:
        self.ended: str | None = None

    def settings(self, bucket: Bucket) -> Settings:
        return Settings()

    def begin(self, cell: Cell) -> None:
        assert cell.proxy is not None
        self.rule = cell.proxy.inject(wire.Answer(status=401), when=self._is_ended, times=None)

    def _is_ended(self, request: Request) -> bool:
        token = request.headers.get("x-auth-token")
        if self.ended is None:
            self.ended = token
        return token is not None and token == self.ended

    def assert_struck(self, cell: Cell) -> None:
        assert self.rule.applied >= 1


class Swift(Backend):
    name = "swift"
    part_size = PART
    request_bodies: ClassVar[frozenset[str]] = frozenset({"put", "put_part", "complete_multipart", "delete_many"})
    answer_bodies: ClassVar[frozenset[str]] = frozenset({"info", "get", "get_range", "list_page", "delete_many"})
    primitives: ClassVar[Mapping[str, frozenset[str]]] = {
        "put small": frozenset({"head", "put"}),
        "put large": IN_PARTS,
        "put from an async iterator": IN_PARTS,
        "put from a file": IN_PARTS,
        "delete": frozenset({"head", "delete"}),
        # The bucket always has a large object, so each object's head is asked for.
        "delete_many": frozenset({"list_page", "head", "delete_many"}),
        "set_metadata": frozenset({"head", "set_metadata"}),
    }
    scenes: ClassVar[Mapping[str, Callable[[], Scene]]] = {"credentials expired": TokenEnded}
    rules: ClassVar[Sequence[Rule]] = (
        lacks({"put if_absent", "put large if_absent", "put if_match"}, "its gateway ignores conditions on writes"),
        lacks({"copy", "rename"}, "a copy is a read and a write here, which meet the fault by themselves"),
        lacks({"get_tags", "set_tags"}, "the service has no tags"),
        here({"clock wrong"}, EVERYTHING, NotApplicable("nothing is dated here, tokens end by the service's clock")),
        here(MOVES, EVERYTHING, NotApplicable("an account's URL never says that it is elsewhere")),
        here(
            {"byte flipped in the request's body"}, {"delete_many"},
            NotApplicable("its body is text, whose damage the service sees as another key"),
        ),
    )  # fmt: skip

    def url(self, bucket: Bucket) -> str:
        assert isinstance(bucket, SwiftBucket)
        return bucket.endpoint.url

    def store(
        self, bucket: Bucket, prefix: str, settings: Settings, url: str | None = None, limits: Limits | None = None
    ) -> Store:
        assert isinstance(bucket, SwiftBucket)
        endpoint = bucket.endpoint
        options: dict[str, Any] = {
            # The token comes past the proxy, and the faults with it.
            "auth_url": endpoint.swift_auth_url,
            "username": endpoint.swift_user,
            "password": endpoint.swift_key,
            "storage_url": f"{url or endpoint.url}{ACCOUNT}",
            "temp_url_key": "key",
        } | dict(settings.options)
        return SwiftStore(
            bucket.name,
            prefix=prefix,
            dialect="ceph",
            integrity=settings.integrity,
            retry=RETRY,
            limits=limits or settings.limits,
            timeouts=settings.timeouts,
            **options,
        )

    def primitive_of(self, request: Request) -> str:
        _, _, key = request.path.removeprefix(f"{ACCOUNT}/").partition("/")
        beside = key.startswith(".aiostore/")
        match request.method:
            case "HEAD":
                return "head"
            case "GET":
                if request.path.endswith("/info"):
                    return "info"
                if not key:
                    return "list_page"
                return "get_range" if "range" in request.headers else "get"
            case "PUT":
                if beside:
                    return "create_multipart" if key.startswith(".aiostore/uploads/") else "put_part"
                return "complete_multipart" if "multipart-manifest" in request.query else "put"
            case "POST":
                return "delete_many" if "bulk-delete" in request.query else "set_metadata"
            case _:
                return "forget_upload" if beside else "delete"

    def conflict(self) -> wire.Answer:
        return wire.Answer(status=409)


SWIFT = Swift()
