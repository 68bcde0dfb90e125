"""One authorized request to Azure, and the one resend that belongs to it: with a new token.

https://learn.microsoft.com/rest/api/storageservices/blob-service-rest-api
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from email.utils import formatdate
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeVar

from aiostore._http.client import Transport
from aiostore._http.document import LONGEST_ERROR, read_document, read_some
from aiostore._http.failure import Demand, Failure
from aiostore._http.redaction import redact
from aiostore._http.status import http_date
from aiostore.body import Body
from aiostore.drivers.azure_address import Address, check_container, encode_key, encode_query
from aiostore.drivers.azure_auth import VERSION
from aiostore.drivers.azure_credentials import Authorizer
from aiostore.drivers.azure_errors import NO_CONTAINER, RENEWABLE, to_store_error
from aiostore.drivers.azure_xml import parse_error
from aiostore.errors import NotFoundError, StoreError, TransientError, UnavailableError
from aiostore.types import NOTHING

if TYPE_CHECKING:
    from aiostore._http.response import Response

_Output = TypeVar("_Output")

Query = tuple[tuple[str, str], ...]
"""Parameters of a request, not encoded, names in lower case."""

_SECRET_HEADERS: Final = (
    "authorization",
    "x-ms-copy-source",
    "x-ms-copy-source-authorization",
    "x-ms-encryption-key",
)
"""The headers that hold what nobody may read."""

_SKEW: Final = 300.0
"""Seconds by which a clock must be wrong to be the reason of a refusal; the service grants fifteen minutes."""

_date = lru_cache(maxsize=2)(formatdate)
"""The date of a request, made once a second."""


class Service:
    """What the drivers of one account share, whatever their container: connections, credentials, the clock's error.

    ``crc64`` says that the service checks ``x-ms-content-crc64``.
    """

    __slots__ = ("address", "authorizer", "crc64", "skew", "transport")

    def __init__(self, address: Address, authorizer: Authorizer, transport: Transport, *, crc64: bool) -> None:
        self.address = address
        self.authorizer = authorizer
        self.transport = transport
        self.crc64 = crc64
        self.skew = 0.0

    def __reduce__(self) -> tuple[object, ...]:
        return _service, (self.address, self.authorizer, self.transport, self.crc64)

    def hide(self, text: str, headers: Mapping[str, str] = NOTHING) -> str:
        """What the service said in answer to a request with these headers, without the secrets that it was sent."""
        if not text:
            return text
        sent = [value for name in _SECRET_HEADERS if (value := headers.get(name)) is not None]
        # A signature stands behind the account's name, or in the query of a URL.
        parts = [part for value in sent for part in (value, value.rpartition(":")[2], value.partition("?")[2])]
        return redact(text, (*self.authorizer.secrets, *self.transport.secrets, *parts))


def _service(address: Address, authorizer: Authorizer, transport: Transport, crc64: bool) -> Service:
    return Service(address, authorizer, transport, crc64=crc64)


class Client:
    """Sends the requests of one container, or of the account where ``container`` is None."""

    __slots__ = ("_base", "_path", "_root", "container", "service", "store")

    def __init__(self, service: Service, container: str | None) -> None:
        self.service = service
        self.container = container
        address = service.address
        self.store = f"az://{address.account}" if container is None else f"az://{check_container(container)}"
        self._base = address.base
        self._path = address.root + (container or "")
        self._root = f"{self._path}/"

    def __reduce__(self) -> tuple[object, ...]:
        return Client, (self.service, self.container)

    def path(self, key: str | None) -> str:
        """The path of an object's URL, of the container's for None; it is encoded."""
        return self._path if key is None else self._root + encode_key(key)

    def url(self, key: str) -> str:
        """The URL of an object, without a query."""
        return self._base + self._root + encode_key(key)

    async def send(
        self,
        operation: str,
        method: str,
        key: str | None,
        headers: dict[str, str],
        query: Query = (),
        body: Body | None = None,
        *,
        slow: bool = False,
        demand: Demand = "",
        absent_ok: bool = False,
    ) -> Response:
        """Send one request; a successful answer is returned, any other is raised as what it means.

        ``key`` of None is the container itself. ``headers`` have names in lower case, and are added to. With
        ``absent_ok`` a missing object (not: container) is success.
        """
        service = self.service
        authorizer = service.authorizer
        path = self._path if key is None else self._root + encode_key(key)
        size = 0 if body is None else body.size
        headers["x-ms-version"] = VERSION
        renewed = False
        try:
            while True:
                now = time.time() + service.skew
                if not authorizer.ready(now):
                    await authorizer.prepare()
                headers["x-ms-date"] = _date(int(now), usegmt=True)
                proof = authorizer.authorize(method, path, query, headers, size)
                url = self._base + path
                if query:
                    url = f"{url}?{encode_query(query)}&{proof}" if proof else f"{url}?{encode_query(query)}"
                elif proof:
                    url = f"{url}?{proof}"
                response = await service.transport.request(method, url, headers, body, slow=slow)
                if response.status < 300:
                    return response
                failure = await read_failure(response)
                if not renewed and failure.status in {401, 403} and failure.code in RENEWABLE:
                    renewed = True
                    headers.pop("authorization", None)
                    if await authorizer.renew():
                        continue
                if failure.status == 403 and (skewed := self._skewed(failure, now)) is not None:
                    raise skewed.locate(key=key, operation=operation, store=self.store)
                failure = failure._replace(message=service.hide(failure.message, headers))
                error = to_store_error(failure, key=key, operation=operation, store=self.store, demand=demand)
                if absent_ok and isinstance(error, NotFoundError) and failure.code not in NO_CONTAINER:
                    return response
                raise error
        except StoreError as failed:
            # From the connection or the credentials, which know nothing of what was being done.
            raise failed.locate(key=key, operation=operation, store=self.store) from failed.__cause__

    def _skewed(self, failure: Failure, now: float) -> UnavailableError | None:
        """What a refusal means of a request that was dated ``now``, where the service says that it is another time."""
        if failure.code != "AuthenticationFailed" or (date := http_date(failure.headers.get("Date", ""))) is None:
            return None
        if abs(date.timestamp() - now) < _SKEW:
            return None
        self.service.skew = date.timestamp() - time.time()
        return UnavailableError("this machine's clock is wrong; the service's is used from now on")

    async def ask(
        self,
        operation: str,
        method: str,
        key: str | None,
        read: Callable[[bytes], _Output],
        headers: dict[str, str] | None = None,
        query: Query = (),
        body: Body | None = None,
        *,
        slow: bool = False,
    ) -> tuple[_Output, Mapping[str, str]]:
        """Send a request that is answered with XML; returns what ``read`` makes of it, and the answer's headers."""
        response = await self.send(operation, method, key, {} if headers is None else headers, query, body, slow=slow)
        try:
            data = await read_document(response)
            return read(data), response.headers
        except StoreError as error:
            if isinstance(error, TransientError):
                # Success was announced and its proof is missing.
                error.answered = method == "GET"
            raise error.locate(key=key, operation=operation, store=self.store) from error.__cause__
        except (KeyError, ValueError) as error:
            reason = f"the service's answer cannot be read: {type(error).__name__} {error}"
            raise UnavailableError(reason, key=key, operation=operation, store=self.store) from error


async def read_failure(response: Response) -> Failure:
    """Return what an answer that is no success says."""
    code = message = ""
    try:
        data = await read_some(response, LONGEST_ERROR)
        if b"<Error" in data:
            code, message = parse_error(data)
    except StoreError:
        # The status says enough.
        pass
    headers = response.headers
    return Failure(response.status, headers.get("x-ms-error-code") or code, message, headers or NOTHING)
