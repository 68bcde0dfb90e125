"""What services of buckets share in the table, whose API is modelled on S3's: requests, errors, identity and place."""

from __future__ import annotations

import asyncio
import email.utils
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar
from unittest import mock

from aiostore.drivers import oss_auth, sigv4
from tests.faults import faults as wire
from tests.faults.proxy import Rule as Injected
from tests.faults.relay import Request
from tests.faults.table.backend import Backend, Bucket, Scene, Settings
from tests.faults.table.cells import Cell
from tests.faults.table.expectation import NotApplicable, here


def error_document(code: str, endpoint: str = "") -> bytes:
    where = f"<Endpoint>{endpoint}</Endpoint>" if endpoint else ""
    return f"<Error><Code>{code}</Code><Message>Injected.</Message>{where}</Error>".encode()


def primitive_of_request(request: Request) -> str:
    """The primitive of a driver of buckets that sends such a request."""
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
            return "copy" if any(name.endswith("-copy-source") for name in headers) else "put"
        case "POST":
            known = {"uploads": "create_multipart", "delete": "delete_many", "append": "append"}
            return next((primitive for name, primitive in known.items() if name in query), "complete_multipart")
        case _:
            return "abort_multipart" if "uploadId" in query else "delete"


class BucketBackend(Backend):
    """A service of buckets: how it words what all of them say."""

    header: ClassVar[str]
    """What the names of its own headers begin with."""

    product: ClassVar[str]
    """Its name in the scope of a signature."""

    client: ClassVar[str]
    """The module that dates requests."""

    credentials: ClassVar[type[sigv4.Credentials] | type[oss_auth.Credentials]]

    secret: ClassVar[str]
    """The argument of the store that is the secret beside ``access_key_id``."""

    expired: ClassVar[wire.Answer]
    """What is said of keys that have ended."""

    home: ClassVar[str]
    abroad: ClassVar[str]
    """The region of the bucket, and another one."""

    conflicting: ClassVar[str]
    """The code of a conflict with another write."""

    errors_in_200: ClassVar[Mapping[str, bytes]] = dict.fromkeys(
        ("copy", "complete_multipart", "delete_many"), error_document("InternalError")
    )

    @abstractmethod
    def keys(self, bucket: Bucket) -> tuple[str, str]:
        """The keys that the service accepts."""

    @abstractmethod
    def refusal(self, code: str) -> wire.Answer:
        """An answer of 403 with this code, to HEAD too."""

    @abstractmethod
    def elsewhere(self, status: int, code: str, region: str) -> wire.Answer:
        """What is said of a bucket that is in this region."""

    def primitive_of(self, request: Request) -> str:
        return primitive_of_request(request)

    def error(self, status: int, headers: Mapping[str, str] | None = None) -> wire.Answer:
        codes = {500: "InternalError", 408: "RequestTimeout", 409: self.conflicting}
        body = error_document(codes[status]) if status in codes else b""
        return wire.Answer(status=status, headers=headers or {}, body=body)


XML_BODIES = here(
    {"byte flipped in the request's body"}, {"delete_many", "set_tags"},
    NotApplicable("its body is XML, whose damage the service sees as an error of ours"),
)  # fmt: skip


class BucketScene(Scene):
    """What any of them acts out."""

    def settings(self, bucket: Bucket) -> Settings:
        return Settings()

    @staticmethod
    def service(cell: Cell) -> BucketBackend:
        assert isinstance(cell.backend, BucketBackend)
        return cell.backend

    def answer(self, cell: Cell, answer: wire.Answer, when: Callable[[Request], bool]) -> Injected:
        """Have every such request answered so."""
        assert cell.proxy is not None
        return cell.proxy.inject(answer, when=when, times=None)


class CredentialsExpired(BucketScene):
    """Requests that are signed with the first keys are refused: one refresh must do, however many they are."""

    def __init__(self) -> None:
        self.fetched = 0

    def settings(self, bucket: Bucket) -> Settings:
        backend = bucket.backend
        assert isinstance(backend, BucketBackend)
        expired, fresh = backend.credentials("EXPIRED", "expired"), backend.credentials(*backend.keys(bucket))

        async def fetch() -> sigv4.Credentials | oss_auth.Credentials:
            self.fetched += 1
            await asyncio.sleep(0)
            return expired if self.fetched == 1 else fresh

        return Settings(options={"credentials": fetch, "access_key_id": None, backend.secret: None})

    def begin(self, cell: Cell) -> None:
        self.answer(
            cell, self.service(cell).expired, lambda request: "Credential=EXPIRED/" in request.headers["authorization"]
        )

    def assert_struck(self, cell: Cell) -> None:
        assert self.fetched == 2


class _LateClock:
    """Stands in for the module time where requests are dated."""

    @staticmethod
    def time() -> float:
        return time.time() - 3600


class ClockWrong(BucketScene):
    """This machine's clock is an hour late, and the service does not accept that."""

    def begin(self, cell: Cell) -> None:
        service = self.service(cell)
        answer = service.refusal("RequestTimeTooSkewed")
        dated = {**answer.headers, "Date": email.utils.formatdate(usegmt=True)}
        answer = wire.Answer(status=answer.status, headers=dated, body=answer.body)
        self.rule = self.answer(cell, answer, lambda request: _is_late(request.headers[f"{service.header}date"]))
        cell.patches.enter_context(mock.patch(f"{service.client}.time", _LateClock))

    def assert_struck(self, cell: Cell) -> None:
        assert self.rule.applied >= 1


def _is_late(date: str) -> bool:
    dated = time.strptime(date, "%Y%m%dT%H%M%SZ")
    return abs(time.time() - (time.mktime(dated) - time.timezone)) > 900


class Redirected(BucketScene):
    """The bucket is in another region than the store believes."""

    def __init__(self, status: int, code: str) -> None:
        self.status, self.code = status, code

    def settings(self, bucket: Bucket) -> Settings:
        assert isinstance(bucket.backend, BucketBackend)
        return Settings(options={"region": bucket.backend.abroad})

    def begin(self, cell: Cell) -> None:
        service = self.service(cell)
        self.rule = self.sent_from(cell, service.abroad, to=service.home)

    def sent_from(self, cell: Cell, region: str, *, to: str) -> Injected:
        service = self.service(cell)
        signed_for = f"/{region}/{service.product}/"
        answer = service.elsewhere(self.status, self.code, to)
        return self.answer(cell, answer, lambda request: signed_for in request.headers["authorization"])

    def assert_struck(self, cell: Cell) -> None:
        assert self.rule.applied >= 1


class RedirectLoop(Redirected):
    """Each of two regions sends to the other."""

    def __init__(self, status: int, code: str, requests: int) -> None:
        super().__init__(status, code)
        self.requests = requests

    def begin(self, cell: Cell) -> None:
        service = self.service(cell)
        self.sent_from(cell, service.home, to=service.abroad)
        super().begin(cell)

    def assert_struck(self, cell: Cell) -> None:
        assert cell.proxy is not None
        assert 2 <= len(cell.proxy.requests) <= self.requests
