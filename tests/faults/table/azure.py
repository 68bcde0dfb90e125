"""Azure in the table: Azurite."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar
from unittest import mock

from aiostore import AzureStore, Limits, Store
from tests.faults import faults as wire
from tests.faults.relay import Request
from tests.faults.table.backend import PART, RETRY, Backend, Bucket, Scene, Settings
from tests.faults.table.cells import Cell
from tests.faults.table.expectation import Heals, NotApplicable, Rule, here
from tests.servers.azurite import AzuriteEndpoint

WRITES = {
    "put small", "put if_absent", "put if_match", "put large", "put from an async iterator", "put from a file",
    "put large if_absent", "copy", "rename", "set_metadata",
}  # fmt: skip

EVERYTHING = WRITES | {
    "get small", "get large", "stream", "download", "get_range", "get_ranges", "head", "exists", "list",
    "list_with_delimiter", "get_tags", "delete", "delete_many", "set_tags",
}  # fmt: skip

MOVES = {"301 to another region", "307 to another region", "301 in a loop", "307 in a loop"}

BLOCKS = frozenset({"put_part", "complete_multipart"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureBucket(Bucket):
    endpoint: AzuriteEndpoint


def error_document(code: str) -> bytes:
    return (
        f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>Injected.</Message></Error>'.encode()
    )


class _LateClock:
    """Stands in for the module time where requests are dated."""

    @staticmethod
    def time() -> float:
        return time.time() - 3600


class ClockWrong(Scene):
    """This machine's clock is an hour late, and the service does not accept that."""

    def settings(self, bucket: Bucket) -> Settings:
        return Settings()

    def begin(self, cell: Cell) -> None:
        assert cell.proxy is not None
        self.rule = cell.proxy.inject(
            wire.Answer(
                status=403,
                headers={"Date": email.utils.formatdate(usegmt=True), "x-ms-error-code": "AuthenticationFailed"},
                body=error_document("AuthenticationFailed"),
            ),
            when=_is_late,
            times=None,
        )
        cell.patches.enter_context(mock.patch("aiostore.drivers.azure_client.time", _LateClock))

    def assert_struck(self, cell: Cell) -> None:
        assert self.rule.applied >= 1


def _is_late(request: Request) -> bool:
    return abs(time.time() - parsedate_to_datetime(request.headers["x-ms-date"]).timestamp()) > 900


class Azure(Backend):
    name = "azurite"
    part_size = PART
    answer_bodies: ClassVar[frozenset[str]] = frozenset({"get", "get_range", "list_page", "get_tags", "delete_many"})
    primitives: ClassVar[Mapping[str, frozenset[str]]] = {
        # All reads are of ranges, for these carry a checksum.
        **dict.fromkeys(("get small", "get large", "stream", "download"), frozenset({"get_range"})),
        "put large": BLOCKS,
        "put from an async iterator": BLOCKS,
        "put from a file": BLOCKS,
        "put large if_absent": BLOCKS,
        **dict.fromkeys(("update", "lease"), frozenset({"get_range", "put"})),
        "rename": frozenset({"copy", "delete"}),
        "set_metadata": frozenset({"head", "set_metadata"}),
    }
    scenes: ClassVar[Mapping[str, Callable[[], Scene]]] = {"clock wrong": ClockWrong}
    rules: ClassVar[Sequence[Rule]] = (
        here(
            {"credentials expired"}, EVERYTHING,
            NotApplicable("the account's key does not end, and tokens are sent over TLS alone"),
        ),
        here(MOVES, EVERYTHING, NotApplicable("an account's host never says that it is elsewhere")),
        # Every range has a checksum, and is read again if it does not match.
        here(
            {"byte flipped in the answer's body", "Content-Length too small", "Content-Length too large"},
            {"stream", "get_range", "get_ranges"}, Heals(),
        ),
        here(
            {"Range ignored", "another range answered", "Content-Range wrong", "Content-Range missing"},
            {"get small"}, Heals(),
        ),
        here({"409 conflict"}, WRITES, NotApplicable("writes of one object are carried out one after the other")),
        here(
            {"byte flipped in the request's body"}, {"delete_many", "set_tags"},
            NotApplicable("its body is text, whose damage the service sees as an error of ours"),
        ),
    )  # fmt: skip

    def url(self, bucket: Bucket) -> str:
        assert isinstance(bucket, AzureBucket)
        return bucket.endpoint.url.rpartition("/")[0]

    def store(
        self, bucket: Bucket, prefix: str, settings: Settings, url: str | None = None, limits: Limits | None = None
    ) -> Store:
        assert isinstance(bucket, AzureBucket)
        options: dict[str, Any] = {"account_key": bucket.endpoint.key} | dict(settings.options)
        return AzureStore(
            bucket.name,
            prefix=prefix,
            endpoint=f"{url or self.url(bucket)}/{bucket.endpoint.account}",
            integrity=settings.integrity,
            retry=RETRY,
            limits=limits or settings.limits,
            timeouts=settings.timeouts,
            **options,
        )

    def primitive_of(self, request: Request) -> str:
        kind = request.query.get("comp", "")
        match request.method:
            case "HEAD":
                return "head"
            case "GET":
                known = {"list": "list_page", "tags": "get_tags"}
                return known.get(kind) or ("get_range" if "range" in request.headers else "get")
            case "PUT":
                known = {
                    "block": "put_part",
                    "blocklist": "complete_multipart",
                    "tags": "set_tags",
                    "properties": "set_metadata",
                    "metadata": "set_metadata",
                }
                return known.get(kind) or ("copy" if "x-ms-copy-source" in request.headers else "put")
            case "POST":
                return "delete_many"
            case _:
                return "delete"

    def error(self, status: int, headers: Mapping[str, str] | None = None) -> wire.Answer:
        body = error_document("InternalError") if status == 500 else b""
        return wire.Answer(status=status, headers=headers or {}, body=body)

    def throttled(self) -> wire.Answer:
        return wire.Answer(status=503, body=error_document("ServerBusy"))

    async def leftovers(self, store: Store) -> list[str]:
        """Nothing that could be told: blocks that nobody publishes are not listed, and expire by themselves."""
        return []


AZURITE = Azure()
