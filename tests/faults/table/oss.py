"""Alibaba Cloud OSS in the table: the server that speaks as it is documented."""

from __future__ import annotations

import asyncio
import base64
import email.utils
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from unittest import mock

from aiostore import Limits, OSSStore, Store
from aiostore.drivers.oss_auth import Credentials
from tests.faults import faults as wire
from tests.faults.relay import Request
from tests.faults.table.azure import EVERYTHING, MOVES
from tests.faults.table.backend import RETRY, Backend, Bucket, Scene, Settings
from tests.faults.table.cells import Cell
from tests.faults.table.expectation import NotApplicable, Rule, here, lacks
from tests.faults.table.s3 import error_document
from tests.servers.oss import OSSEndpoint

EXPIRED = Credentials("EXPIRED", "expired")


@dataclass(frozen=True, slots=True, kw_only=True)
class OSSBucket(Bucket):
    endpoint: OSSEndpoint


def refusal(code: str) -> wire.Answer:
    """What is told in the body is told to HEAD in a header."""
    body = error_document(code)
    told = {"Date": email.utils.formatdate(usegmt=True), "x-oss-err": base64.b64encode(body).decode()}
    return wire.Answer(status=403, headers=told, body=body)


class CredentialsExpired(Scene):
    """Requests that are signed with the first keys are refused: one refresh must do, however many they are."""

    def __init__(self) -> None:
        self.fetched = 0

    def settings(self, bucket: Bucket) -> Settings:
        assert isinstance(bucket, OSSBucket)
        fresh = Credentials(bucket.endpoint.access_key_id, bucket.endpoint.access_key_secret)

        async def fetch() -> Credentials:
            self.fetched += 1
            await asyncio.sleep(0)
            return EXPIRED if self.fetched == 1 else fresh

        return Settings(options={"credentials": fetch, "access_key_id": None, "access_key_secret": None})

    def begin(self, cell: Cell) -> None:
        assert cell.proxy is not None
        cell.proxy.inject(
            refusal("SecurityTokenExpired"),
            when=lambda request: "Credential=EXPIRED/" in request.headers["authorization"],
            times=None,
        )

    def assert_struck(self, cell: Cell) -> None:
        assert self.fetched == 2


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
            refusal("RequestTimeTooSkewed"),
            when=_is_late,
            times=None,
        )
        cell.patches.enter_context(mock.patch("aiostore.drivers.oss_client.time", _LateClock))

    def assert_struck(self, cell: Cell) -> None:
        assert self.rule.applied >= 1


def _is_late(request: Request) -> bool:
    dated = time.strptime(request.headers["x-oss-date"], "%Y%m%dT%H%M%SZ")
    return abs(time.time() - (time.mktime(dated) - time.timezone)) > 900


class OSS(Backend):
    name = "oss"
    part_size = 100 * 1024
    errors_in_200: ClassVar[Mapping[str, bytes]] = dict.fromkeys(
        ("copy", "complete_multipart", "delete_many"), error_document("InternalError")
    )
    scenes: ClassVar[Mapping[str, Callable[[], Scene]]] = {
        "credentials expired": CredentialsExpired,
        "clock wrong": ClockWrong,
    }
    rules: ClassVar[Sequence[Rule]] = (
        lacks({"put if_match"}, "the state of an object that is overwritten is not compared there"),
        here(MOVES, EVERYTHING, NotApplicable("signed requests go to no other host than the one that was given")),
        here(
            {"byte flipped in the request's body"}, {"delete_many", "set_tags"},
            NotApplicable("its body is XML, whose damage the service sees as an error of ours"),
        ),
    )  # fmt: skip

    def url(self, bucket: Bucket) -> str:
        assert isinstance(bucket, OSSBucket)
        return bucket.endpoint.url

    def store(
        self, bucket: Bucket, prefix: str, settings: Settings, url: str | None = None, limits: Limits | None = None
    ) -> Store:
        assert isinstance(bucket, OSSBucket)
        endpoint = bucket.endpoint
        options: dict[str, Any] = {
            "access_key_id": endpoint.access_key_id,
            "access_key_secret": endpoint.access_key_secret,
        } | dict(settings.options)
        return OSSStore(
            bucket.name,
            prefix=prefix,
            endpoint=url or endpoint.url,
            region=endpoint.region,
            virtual_hosted=False,
            integrity=settings.integrity,
            retry=RETRY,
            limits=limits or settings.limits,
            timeouts=settings.timeouts,
            **options,
        )

    def primitive_of(self, request: Request) -> str:
        query, headers = request.query, request.headers
        match request.method:
            case "HEAD":
                return "head"
            case "GET":
                known = {"list-type": "list_page", "uploads": "list_multipart", "tagging": "get_tags"}
                found = next((primitive for name, primitive in known.items() if name in query), None)
                return found or ("get_range" if "range" in headers else "get")
            case "PUT":
                if "partNumber" in query:
                    return "put_part"
                if "tagging" in query:
                    return "set_tags"
                return "copy" if "x-oss-copy-source" in headers else "put"
            case "POST":
                known = {"uploads": "create_multipart", "delete": "delete_many", "append": "append"}
                return next((primitive for name, primitive in known.items() if name in query), "complete_multipart")
            case _:
                return "abort_multipart" if "uploadId" in query else "delete"

    def error(self, status: int, headers: Mapping[str, str] | None = None) -> wire.Answer:
        codes = {500: "InternalError", 408: "RequestTimeout", 409: "OperationAborted"}
        body = error_document(codes[status]) if status in codes else b""
        return wire.Answer(status=status, headers=headers or {}, body=body)

    def throttled(self) -> wire.Answer:
        return wire.Answer(status=503, body=error_document("QpsLimitExceeded"))


OSS_SERVER = OSS()
