"""One signed request to OSS, and the resends that belong to it: to another region, with fresh credentials.

Each happens at most once per request, and what was learnt is kept: the next request is right at once.
"""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from aiostore._http.bucket_xml import parse
from aiostore._http.client import Transport
from aiostore._http.document import LONGEST_ERROR, read_some
from aiostore._http.failure import Failure
from aiostore._http.path import encode_path
from aiostore._http.redaction import HIDDEN, redact
from aiostore._http.status import http_date
from aiostore._http.xml_answers import XmlAnswers
from aiostore.body import Body, Buffers
from aiostore.drivers.oss_auth import (
    Credentials,
    Query,
    Request,
    SignatureVersion,
    encode_query,
    sign_form,
    sign_headers,
    sign_query,
)
from aiostore.drivers.oss_credentials import ANONYMOUS, CredentialsProvider
from aiostore.drivers.oss_endpoint import Endpoint, region_of
from aiostore.drivers.oss_errors import EXPIRED, SKEWED, is_signed_for_another_region, to_store_error
from aiostore.drivers.oss_xml import ErrorBody, parse_error
from aiostore.errors import ConfigurationError, NotFoundError, StoreError
from aiostore.types import NOTHING, SignedPost

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from aiostore._http.response import Response

_Input = TypeVar("_Input")
_Output = TypeVar("_Output")

_SECRET_HEADERS: Final = ("authorization", "-token", "-key")

_SIGNATURE: Final = re.compile(r"(OSS [\w.-]{1,128}:)[\w+/=%]+")
"""A signature of version 1, behind the key's id."""


class Service:
    """What the drivers of one service share, whatever their bucket.

    ``headers`` are sent and signed with every request, names in lower case. ``regions`` is what was learnt of buckets:
    where they are.
    """

    __slots__ = ("credentials", "endpoint", "headers", "region", "regions", "skew", "transport", "version")

    def __init__(
        self,
        endpoint: Endpoint,
        region: str,
        version: SignatureVersion,
        credentials: CredentialsProvider,
        transport: Transport,
        headers: Mapping[str, str] = NOTHING,
    ) -> None:
        self.endpoint = endpoint
        self.region = region
        self.version: SignatureVersion = version
        self.credentials = credentials
        self.transport = transport
        self.headers = headers
        self.regions: dict[str, str] = {}
        self.skew = 0.0

    def __reduce__(self) -> tuple[object, ...]:
        settings = (self.endpoint, self.region, self.version, self.credentials, self.transport, self.headers)
        return Service, settings


class _Site(NamedTuple):
    """Where the requests of one bucket go, and the region that they are signed for."""

    base: str
    region: str


class Client(XmlAnswers):
    """Sends the requests of one bucket, or of the account where ``bucket`` is empty."""

    __slots__ = ("_site", "bucket", "service", "store")

    def __init__(self, service: Service, bucket: str) -> None:
        self.service = service
        self.bucket = bucket
        self.store = f"oss://{bucket}"
        learnt = service.regions.get(bucket)
        place = service.endpoint if learnt is None else service.endpoint.within(learnt) or service.endpoint
        self._site = _Site(place.base(bucket), learnt or service.region)

    def __reduce__(self) -> tuple[object, ...]:
        return Client, (self.service, self.bucket)

    async def send(
        self,
        operation: str,
        method: str,
        key: str | None,
        headers: Mapping[str, str] = NOTHING,
        query: Query = (),
        body: Body | None = None,
        *,
        slow: bool = False,
        absent_ok: bool = False,
        done: str = "",
    ) -> Response:
        """Send one request; a successful answer is returned, any other is raised as what it means.

        ``key`` of None is the bucket itself. With ``absent_ok`` a missing object (not: bucket) is success, and so
        is a refusal whose code is ``done``.
        """
        service, site = self.service, self._site
        moved = renewed = False
        credentials: Credentials | None = None
        if service.headers:
            headers = {**service.headers, **headers}
        request = Request(method=method, bucket=self.bucket, key=key or "", query=query, headers=headers)
        rest = "" if key is None else encode_path(key)
        if query:
            rest = f"{rest}?{encode_query(query)}"
        try:
            while True:
                now = time.time() + service.skew
                if credentials is None:
                    credentials = service.credentials.ready(now) or await service.credentials.fetch()
                signed = headers
                if credentials is not ANONYMOUS:
                    signed = sign_headers(request, credentials, now, site.region, service.version)
                response = await service.transport.request(method, site.base + rest, signed, body, slow=slow)
                if response.status < 300 and response.status != 203:
                    return response
                failure = await _read_failure(response)
                if not moved and (elsewhere := self._elsewhere(failure, site)) is not None:
                    moved, site = True, elsewhere
                    continue
                if not renewed and failure.code in EXPIRED:
                    fresh = await service.credentials.fetch(credentials)
                    if fresh != credentials:
                        renewed, credentials = True, fresh
                        continue
                if failure.code == SKEWED and (date := http_date(failure.headers.get("Date", ""))) is not None:
                    service.skew = date.timestamp() - time.time()
                failure = failure._replace(message=self.hide(failure.message, signed))
                error = to_store_error(failure, key=key, operation=operation, store=self.store)
                if absent_ok and isinstance(error, NotFoundError) and failure.code != "NoSuchBucket":
                    return response
                if done and failure.code == done:
                    return response
                raise error
        except StoreError as failed:
            # From the connection or the credentials, which know nothing of what was being done.
            raise failed.locate(key=key, operation=operation, store=self.store) from failed.__cause__

    async def ask(
        self,
        operation: str,
        method: str,
        key: str | None,
        read: Callable[[Element], _Output],
        headers: Mapping[str, str] = NOTHING,
        query: Query = (),
        body: Body | None = None,
        *,
        slow: bool = False,
    ) -> tuple[_Output, Mapping[str, str]]:
        """Send a request that is answered with XML; returns what ``read`` makes of it, and the answer's headers."""
        response = await self.send(operation, method, key, headers, query, body, slow=slow)

        def refused(root: Element, answered: Mapping[str, str]) -> StoreError:
            said = parse_error(root)
            failure = Failure(500, said.code, self.hide(said.message, headers), answered)
            return to_store_error(failure, key=key, operation=operation, store=self.store)

        return await self.read(response, read, refused, operation, key, safe=method == "GET")

    def hide(self, text: str, headers: Mapping[str, str] = NOTHING) -> str:
        """What the service said, without the secrets that it was sent."""
        if not text:
            return text
        credentials = self.service.credentials.ready(time.time()) or ANONYMOUS
        sent = (value for name, value in headers.items() if name.endswith(_SECRET_HEADERS))
        secrets = (credentials.access_key_secret, credentials.security_token or "", *sent)
        return _SIGNATURE.sub(rf"\1{HIDDEN}", redact(text, (*secrets, *self.service.transport.secrets)))

    async def sign(self, method: str, key: str, query: Query, headers: Mapping[str, str], expires_in: float) -> str:
        """Return a signed URL."""
        service = self.service
        credentials, now = await self._signer()
        request = Request(method=method, bucket=self.bucket, key=key, query=query, headers=headers)
        site = self._site
        signed = sign_query(request, credentials, now, site.region, service.version, expires_in)
        return f"{site.base}{encode_path(key)}?{encode_query(signed)}"

    async def sign_post(
        self, key: str, conditions: list[list[object]], fields: Mapping[str, str], expires_in: float
    ) -> SignedPost:
        """Return a signed form."""
        service = self.service
        credentials, now = await self._signer()
        signed = sign_form(
            self.bucket, key, conditions, fields, credentials, now, self._site.region, service.version, expires_in
        )
        return SignedPost(url=self._site.base, fields=signed)

    async def _signer(self) -> tuple[Credentials, float]:
        service = self.service
        now = time.time() + service.skew
        credentials = service.credentials.ready(now) or await service.credentials.fetch()
        if credentials is ANONYMOUS:
            raise ConfigurationError(
                "a store without credentials cannot sign; give it some, or use the plain URL if the object is public"
            )
        return credentials, now

    def _elsewhere(self, failure: Failure, site: _Site) -> _Site | None:
        """Where the bucket is, if the answer says that it is not where we asked.

        Only the region is taken from the answer, never a host: signatures go to nobody else.
        """
        region = region_of(failure.home)
        if region is None and is_signed_for_another_region(failure):
            # The region that was given is not the one that the endpoint's name says.
            region = region_of(self.service.endpoint.host)
        if region is None or not self.bucket:
            return None
        place = self.service.endpoint.within(region)
        if place is None or (moved := _Site(place.base(self.bucket), region)) == site:
            return None
        self.service.regions[self.bucket] = region
        self._site = moved
        return moved


def document(data: bytes) -> tuple[Body, dict[str, str]]:
    """Return a small XML body, and the Content-MD5 that some requests demand."""
    md5 = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
    return Buffers((data,), len(data)), {"content-md5": md5}


async def _read_failure(response: Response) -> Failure:
    said = ErrorBody("", "", "")
    try:
        data = await read_some(response, LONGEST_ERROR)
        if not data and (told := response.headers.get("x-oss-err")) is not None:
            # The answer to HEAD has no body.
            data = base64.b64decode(told)
        if b"<Error" in data:
            said = parse_error(parse(data))
    except (StoreError, ValueError):
        # The status says enough.
        pass
    return Failure(response.status, said.code, said.message, response.headers, said.endpoint)
