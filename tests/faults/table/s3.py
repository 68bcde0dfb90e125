"""S3 in the table: Ceph's gateway and LocalStack."""

from __future__ import annotations

import asyncio
import email.utils
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from unittest import mock

from aiostore import Limits, S3Store, Store
from aiostore.drivers.sigv4 import Credentials
from tests.faults import faults as wire
from tests.faults.proxy import Rule as Injected
from tests.faults.relay import Request
from tests.faults.table.backend import RETRY, Backend, Bucket, Scene, Settings
from tests.faults.table.cells import Cell
from tests.faults.table.expectation import NotApplicable, Rule, here, lacks
from tests.servers.server import S3Endpoint

S3_PART = 5 * 1024**2

HOME, ABROAD = "us-east-1", "eu-central-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Bucket(Bucket):
    endpoint: S3Endpoint


def error_document(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>Injected.</Message></Error>".encode()


def primitive_of_request(request: Request) -> str:
    """The primitive of an S3 driver that sends such a request."""
    query, headers = request.query, request.headers
    match request.method:
        case "HEAD":
            return "head"
        case "GET":
            for name, primitive in (
                ("list-type", "list_page"),
                ("uploads", "list_multipart"),
                ("tagging", "get_tags"),
            ):
                if name in query:
                    return primitive
            return "get_range" if "range" in headers else "get"
        case "PUT":
            if "partNumber" in query:
                return "put_part"
            if "tagging" in query:
                return "set_tags"
            return "copy" if "x-amz-copy-source" in headers else "put"
        case "POST":
            if "uploads" in query:
                return "create_multipart"
            return "delete_many" if "delete" in query else "complete_multipart"
        case _:
            return "abort_multipart" if "uploadId" in query else "delete"


# --- identity and place -----------------------------------------------------------------------------------------------

EXPIRED = Credentials("EXPIRED", "expired")


class CredentialsExpired(Scene):
    """Requests that are signed with the first keys are refused: one refresh must do, however many they are."""

    def __init__(self) -> None:
        self.fetched = 0

    def settings(self, bucket: Bucket) -> Settings:
        assert isinstance(bucket, S3Bucket)
        fresh = Credentials(bucket.endpoint.access_key_id, bucket.endpoint.secret_access_key)

        async def fetch() -> Credentials:
            self.fetched += 1
            await asyncio.sleep(0)
            return EXPIRED if self.fetched == 1 else fresh

        return Settings(options={"credentials": fetch, "access_key_id": None, "secret_access_key": None})

    def begin(self, cell: Cell) -> None:
        assert cell.proxy is not None
        cell.proxy.inject(
            wire.Answer(status=400, body=error_document("ExpiredToken")),
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
            wire.Answer(
                status=403,
                headers={"Date": email.utils.formatdate(usegmt=True)},
                body=error_document("RequestTimeTooSkewed"),
            ),
            when=_is_late,
            times=None,
        )
        cell.patches.enter_context(mock.patch("aiostore.drivers.s3_client.time", _LateClock))

    def assert_struck(self, cell: Cell) -> None:
        assert self.rule.applied >= 1


def _is_late(request: Request) -> bool:
    dated = time.strptime(request.headers["x-amz-date"], "%Y%m%dT%H%M%SZ")
    return abs(time.time() - (time.mktime(dated) - time.timezone)) > 900


class Redirected(Scene):
    """The bucket is in another region than the store believes."""

    def __init__(self, status: int, code: str) -> None:
        self.status, self.code = status, code

    def settings(self, bucket: Bucket) -> Settings:
        return Settings(options={"region": ABROAD})

    def begin(self, cell: Cell) -> None:
        self.rule = self.sent_from(cell, ABROAD, to=HOME)

    def sent_from(self, cell: Cell, region: str, *, to: str) -> Injected:
        assert cell.proxy is not None
        answer = wire.Answer(status=self.status, headers={"x-amz-bucket-region": to}, body=error_document(self.code))
        return cell.proxy.inject(answer, when=_signed_for(region), times=None)

    def assert_struck(self, cell: Cell) -> None:
        assert self.rule.applied >= 1


class RedirectLoop(Redirected):
    """Each of two regions sends to the other."""

    def __init__(self, status: int, code: str, requests: int) -> None:
        super().__init__(status, code)
        self.requests = requests

    def begin(self, cell: Cell) -> None:
        self.sent_from(cell, HOME, to=ABROAD)
        super().begin(cell)

    def assert_struck(self, cell: Cell) -> None:
        assert cell.proxy is not None
        assert 2 <= len(cell.proxy.requests) <= self.requests


def _signed_for(region: str) -> Callable[[Request], bool]:
    return lambda request: f"/{region}/s3/" in request.headers["authorization"]


# --- the backends -----------------------------------------------------------------------------------------------------


class S3(Backend):
    """Their names are those of their dialects."""

    part_size = S3_PART
    errors_in_200: ClassVar[Mapping[str, bytes]] = dict.fromkeys(
        ("copy", "complete_multipart", "delete_many"), error_document("InternalError")
    )
    scenes: ClassVar[Mapping[str, Callable[[], Scene]]] = {
        "credentials expired": CredentialsExpired,
        "clock wrong": ClockWrong,
        "301 to another region": lambda: Redirected(301, "PermanentRedirect"),
        "307 to another region": lambda: Redirected(307, "TemporaryRedirect"),
        "301 in a loop": lambda: RedirectLoop(301, "PermanentRedirect", requests=6),
        "307 in a loop": lambda: RedirectLoop(307, "TemporaryRedirect", requests=80),
    }
    rules: ClassVar[Sequence[Rule]] = (
        here(
            {"byte flipped in the request's body"}, {"delete_many", "set_tags"},
            NotApplicable("its body is XML, whose damage the service sees as an error of ours"),
        ),
    )  # fmt: skip

    def url(self, bucket: Bucket) -> str:
        assert isinstance(bucket, S3Bucket)
        return bucket.endpoint.url

    def store(
        self, bucket: Bucket, prefix: str, settings: Settings, url: str | None = None, limits: Limits | None = None
    ) -> Store:
        assert isinstance(bucket, S3Bucket)
        endpoint = bucket.endpoint
        options: dict[str, Any] = {
            "region": endpoint.region,
            "access_key_id": endpoint.access_key_id,
            "secret_access_key": endpoint.secret_access_key,
        } | dict(settings.options)
        return S3Store(
            bucket.name,
            prefix=prefix,
            endpoint=url or endpoint.url,
            dialect=self.name,
            integrity=settings.integrity,
            retry=RETRY,
            limits=limits or settings.limits,
            timeouts=settings.timeouts,
            **options,
        )

    def primitive_of(self, request: Request) -> str:
        return primitive_of_request(request)

    def error(self, status: int, headers: Mapping[str, str] | None = None) -> wire.Answer:
        codes = {500: "InternalError", 408: "RequestTimeout", 409: "ConditionalRequestConflict"}
        body = error_document(codes[status]) if status in codes else b""
        return wire.Answer(status=status, headers=headers or {}, body=body)

    def throttled(self) -> wire.Answer:
        return wire.slow_down()


class Ceph(S3):
    name = "ceph"
    rules: ClassVar[Sequence[Rule]] = (
        lacks(
            {"put large if_absent"},
            "conditions of a completion are ignored there, so it is refused before anything is sent",
        ),
        *S3.rules,
    )


class LocalStack(S3):
    name = "localstack"


CEPH = Ceph()
LOCALSTACK = LocalStack()
