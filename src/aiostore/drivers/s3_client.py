"""One signed request to S3, and the resends that belong to it: to another region, with fresh credentials.

Each happens at most once per request, and what was learnt is kept: the next request is right at once.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from aiostore._http.bucket_xml import parse
from aiostore._http.client import Transport
from aiostore._http.document import LONGEST_ERROR, read_some
from aiostore._http.failure import Demand, Failure
from aiostore._http.redaction import redact
from aiostore._http.status import http_date
from aiostore._http.xml_answers import XmlAnswers
from aiostore.body import Body
from aiostore.drivers.aws_credentials import ANONYMOUS, CredentialsProvider
from aiostore.drivers.s3_address import Address, Endpoint, locate
from aiostore.drivers.s3_dialect import Dialect
from aiostore.drivers.s3_errors import RENEWABLE, SKEWED, WRONG_REGION, to_store_error
from aiostore.drivers.s3_xml import ErrorBody, parse_error
from aiostore.drivers.sigv4 import (
    EMPTY_PAYLOAD,
    Credentials,
    PostCondition,
    Signer,
    encode_path,
    presign,
    presigned_post,
)
from aiostore.errors import ConfigurationError, NotFoundError, StoreError
from aiostore.types import NOTHING, SignedPost

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from aiostore._http.response import Response

_Input = TypeVar("_Input")
_Output = TypeVar("_Output")

_SECRET_HEADERS: Final = ("authorization", "-token", "-key")
"""The ends of the names of headers that hold what nobody may read; names are in lower case."""

_REGION_IN_HOST: Final = re.compile(r"(?:^|\.)s3[.-](?:dualstack\.)?([a-z]{2}(?:-[a-z]+)+-\d)\.amazonaws\.com")


class Service:
    """What the drivers of one service share, whatever their bucket: connections, credentials, and what was learnt.

    ``headers`` are sent and signed with every request, names in lower case. ``regions`` and ``learnt`` are what was
    learnt of buckets: where they are, and what an unknown dialect says of their ETags.
    """

    __slots__ = ("credentials", "dialect", "endpoint", "headers", "learnt", "region", "regions", "skew", "transport")

    def __init__(
        self,
        endpoint: Endpoint,
        region: str,
        dialect: Dialect,
        credentials: CredentialsProvider,
        transport: Transport,
        headers: Mapping[str, str] = NOTHING,
    ) -> None:
        self.endpoint = endpoint
        self.region = region
        self.dialect = dialect
        self.credentials = credentials
        self.transport = transport
        self.headers = headers
        self.regions: dict[str, str] = {}
        self.learnt: dict[str | None, Dialect] = {}
        self.skew = 0.0

    def __reduce__(self) -> tuple[object, ...]:
        settings = (self.endpoint, self.region, self.dialect, self.credentials, self.transport, self.headers)
        return Service, settings


class _Site(NamedTuple):
    """Where the requests of one bucket go, and who signs them."""

    address: Address
    signer: Signer


class Client(XmlAnswers):
    """Sends the requests of one bucket, or of the account where ``bucket`` is None."""

    __slots__ = ("_site", "bucket", "service", "store")

    def __init__(self, service: Service, bucket: str | None) -> None:
        self.service = service
        self.bucket = bucket
        self.store = "s3:" if bucket is None else f"s3://{bucket}"
        self._site = self._locate(service.regions.get(bucket or "", service.region))

    def __reduce__(self) -> tuple[object, ...]:
        return Client, (self.service, self.bucket)

    @property
    def address(self) -> Address:
        """Where requests go, as far as it is known by now."""
        return self._site.address

    def _locate(self, region: str) -> _Site:
        address = locate(self.bucket, self.service.endpoint, region)
        return _Site(address, Signer(address.region, address.service))

    async def send(
        self,
        operation: str,
        method: str,
        key: str | None,
        headers: Mapping[str, str] = NOTHING,
        query: str = "",
        body: Body | None = None,
        payload: str = EMPTY_PAYLOAD,
        *,
        slow: bool = False,
        demand: Demand = "",
        absent_ok: bool = False,
        done: str = "",
    ) -> Response:
        """Send one request; a successful answer is returned, any other is raised as what it means.

        ``key`` of None is the bucket itself. ``headers`` have names in lower case, ``query`` is canonical, ``payload``
        is the hash of the body or a literal in its stead. With ``absent_ok`` a missing object (not: bucket) is success,
        and so is a refusal whose code is ``done``.
        """
        service, site = self.service, self._site
        moved = renewed = False
        credentials: Credentials | None = None
        if service.headers:
            headers = {**service.headers, **headers}
        try:
            while True:
                address = site.address
                path = address.path if key is None else address.root + encode_path(key)
                now = time.time() + service.skew
                if credentials is None:
                    credentials = service.credentials.ready(now) or await service.credentials.fetch()
                signed = headers
                if credentials is not ANONYMOUS:
                    signed = site.signer.sign(method, address.host, path, query, headers, payload, credentials, now)
                    signed.update(headers)
                url = f"{address.base}{path}?{query}" if query else address.base + path
                response = await service.transport.request(method, url, signed, body, slow=slow)
                if response.status < 300:
                    return response
                if method == "HEAD" and response.status in {400, 401, 403}:
                    response = await self._ask_why(response, site, credentials, path, query, headers)
                failure = await _read_failure(response)
                if not moved and (elsewhere := self._elsewhere(failure, site)) is not None:
                    moved, site = True, elsewhere
                    continue
                if not renewed and failure.code in RENEWABLE:
                    fresh = await service.credentials.fetch(credentials)
                    if fresh != credentials:
                        renewed, credentials = True, fresh
                        continue
                if failure.code in SKEWED and (date := http_date(failure.headers.get("Date", ""))) is not None:
                    service.skew = date.timestamp() - time.time()
                failure = failure._replace(message=self.hide(failure.message, signed))
                error = to_store_error(failure, key=key, operation=operation, store=self.store, demand=demand)
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
        query: str = "",
        body: Body | None = None,
        payload: str = EMPTY_PAYLOAD,
        *,
        slow: bool = False,
        demand: Demand = "",
    ) -> tuple[_Output, Mapping[str, str]]:
        """Send a request that is answered with XML; returns what ``read`` makes of it, and the answer's headers.

        A service that works before it answers may say 200 first, and put the error into the body.
        """
        response = await self.send(operation, method, key, headers, query, body, payload, slow=slow, demand=demand)

        def refused(root: Element, answered: Mapping[str, str]) -> StoreError:
            said = parse_error(root)
            # An error without a code is what a service that broke down says.
            failure = Failure(500, said.code, self.hide(said.message, headers), answered)
            return to_store_error(failure, key=key, operation=operation, store=self.store, demand=demand)

        return await self.read(response, read, refused, operation, key, safe=method == "GET")

    def hide(self, text: str, headers: Mapping[str, str] = NOTHING) -> str:
        """What the service said in answer to a request with these headers, without the secrets that it was sent."""
        if not text:
            return text
        service = self.service
        credentials = service.credentials.ready(time.time()) or ANONYMOUS
        sent = (value for name, value in headers.items() if name.endswith(_SECRET_HEADERS))
        secrets = (credentials.secret_access_key, credentials.session_token or "", *sent, *service.transport.secrets)
        return redact(text, secrets)

    async def sign(self, method: str, key: str, query: str, headers: Mapping[str, str], expires_in: float) -> str:
        """Return a signed URL.

        Raises:
            ConfigurationError: if there are no credentials to sign with, or ``expires_in`` is not what S3 allows.
        """
        address = self._site.address
        credentials, now = await self._signer()
        scheme, path = address.base.partition(":")[0], address.root + encode_path(key)
        return presign(
            method, scheme, address.host, path, query, headers, credentials, address.region, expires_in, now,
            address.service,
        )  # fmt: skip

    async def sign_post(
        self, key: str, conditions: Sequence[PostCondition], fields: Mapping[str, str], expires_in: float
    ) -> SignedPost:
        """Return a signed form.

        Raises:
            ConfigurationError: if there are no credentials to sign with, or ``expires_in`` is not what S3 allows.
        """
        address = self._site.address
        credentials, now = await self._signer()
        url, signed = presigned_post(
            address.base + address.root, self.bucket or "", key, conditions, fields, expires_in, credentials,
            address.region, now, address.service,
        )  # fmt: skip
        return SignedPost(url=url, fields=signed)

    async def _signer(self) -> tuple[Credentials, float]:
        """Return who signs a URL, and the service's time."""
        service = self.service
        now = time.time() + service.skew
        credentials = service.credentials.ready(now) or await service.credentials.fetch()
        if credentials is ANONYMOUS:
            raise ConfigurationError(
                "a store without credentials cannot sign; give it some, or use the plain URL if the object is public"
            )
        return credentials, now

    async def _ask_why(
        self,
        response: Response,
        site: _Site,
        credentials: Credentials,
        path: str,
        query: str,
        headers: Mapping[str, str],
    ) -> Response:
        """Return an answer like ``response``, which is one to HEAD, with a body.

        The status alone does not tell a wrong secret, an expired token or another region from a missing permission.
        """
        headers = {**headers, "range": "bytes=0-0"}
        signed: Mapping[str, str] = headers
        if credentials is not ANONYMOUS:
            host, now = site.address.host, time.time() + self.service.skew
            signed = site.signer.sign("GET", host, path, query, headers, EMPTY_PAYLOAD, credentials, now) | headers
        url = f"{site.address.base}{path}?{query}" if query else site.address.base + path
        answer = await self.service.transport.request("GET", url, signed)
        if answer.status == response.status:
            return answer
        await answer.aclose()
        return response

    def _elsewhere(self, failure: Failure, site: _Site) -> _Site | None:
        """Where the bucket is, if the answer says that it is not where we asked.

        Only the region is taken from the answer, never a host: signatures go to nobody else.
        """
        if self.bucket is None or failure.home in {"", site.address.region}:
            return None
        if failure.status not in {301, 302, 307, 308} and failure.code not in WRONG_REGION:
            return None
        moved = self._locate(failure.home)
        if moved.address == site.address:
            return None
        self.service.regions[self.bucket] = failure.home
        self._site = moved
        return moved


async def _read_failure(response: Response) -> Failure:
    body = ErrorBody()
    try:
        data = await read_some(response, LONGEST_ERROR)
        if b"<Error" in data:
            body = parse_error(parse(data))
    except StoreError:
        # The status says enough.
        pass
    headers = response.headers
    region = headers.get("x-amz-bucket-region") or body.region
    if not region and (match := _REGION_IN_HOST.search(body.endpoint)) is not None:
        region = match[1]
    return Failure(response.status, body.code, body.message, headers, region)
