"""One request to Swift with a token, and its resend with a fresh one if the service refuses that.

https://docs.openstack.org/api-ref/object-store/
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from aiostore._http.client import Transport
from aiostore._http.document import LONGEST_ERROR, discard, read_document, read_some
from aiostore._http.failure import Demand, Failure
from aiostore._http.redaction import redact
from aiostore.body import Body
from aiostore.drivers.sigv4 import encode_path
from aiostore.drivers.swift_access import Access, AccessProvider
from aiostore.drivers.swift_dialect import Dialect, Info, read_info
from aiostore.drivers.swift_errors import plain_text, to_store_error
from aiostore.errors import ConfigurationError, StoreError, UnavailableError
from aiostore.types import NOTHING

if TYPE_CHECKING:
    from aiostore._http.response import Response

_CEPH_TOKEN: Final = "AUTH_rgwtk"  # noqa: S105  # how the tokens of a RADOS Gateway begin
_MOST_RENEWALS: Final = 4
"""Tokens that one request may use up."""

_CEPH_PATH: Final = "/swift/v1"


class Service:
    """What the drivers of one account share, whatever their container: connections, access, and what was learnt.

    ``info`` is what the cluster says of its limits, once something has asked for it. ``keeping`` says of containers
    whether they keep what is replaced.
    """

    __slots__ = ("access", "dialect", "info", "keeping", "transport")

    def __init__(self, access: AccessProvider, dialect: Dialect, transport: Transport) -> None:
        self.access = access
        self.dialect = dialect
        self.transport = transport
        self.info: Info | None = None
        self.keeping: dict[str | None, bool] = {}

    def __reduce__(self) -> tuple[object, ...]:
        return Service, (self.access, self.dialect, self.transport)

    async def fetch(self, stale: Access | None = None) -> Access:
        """A valid access.

        Raises:
            ConfigurationError: if it is a Ceph gateway's, and that was not said: it would ignore conditions.
        """
        access = await self.access.fetch(stale)
        if self.dialect.name == "swift" and (
            access.token.startswith(_CEPH_TOKEN) or urlsplit(access.url).path.startswith(_CEPH_PATH)
        ):
            raise ConfigurationError("this is a Ceph gateway's Swift API: say so with dialect='ceph'")
        return access


class Client:
    """Sends the requests of one container, or of the account where ``container`` is None."""

    __slots__ = ("_root", "container", "service", "store")

    def __init__(self, service: Service, container: str | None) -> None:
        self.service = service
        self.container = container
        self.store = "swift:" if container is None else f"swift://{container}"
        self._root = "" if container is None else "/" + encode_path(container).replace("/", "%2F")

    def __reduce__(self) -> tuple[object, ...]:
        return Client, (self.service, self.container)

    def path(self, key: str) -> str:
        """The object as headers and documents name it: encoded, with its container, and a slash before it."""
        return f"{self._root}/{encode_path(key)}"

    async def url(self, key: str) -> str:
        """The object's URL, with what access is needed to know it."""
        service = self.service
        access = service.access.ready(time.time()) or await service.fetch()
        return access.url + self.path(key)

    async def send(
        self,
        operation: str,
        method: str,
        key: str | None,
        headers: Mapping[str, str] = NOTHING,
        query: str = "",
        body: Body | None = None,
        *,
        slow: bool = False,
        demand: Demand = "",
        absent_ok: bool = False,
    ) -> Response:
        """Send one request; a successful answer is returned, any other is raised as what it means.

        ``key`` of None is the container itself. ``headers`` have names in lower case. With ``absent_ok`` an answer of
        404 is returned too.
        """
        service = self.service
        path = self._root if key is None else f"{self._root}/{encode_path(key)}"
        if query:
            path = f"{path}?{query}"
        renewals = 0
        access = service.access.ready(time.time())
        try:
            if access is None:
                access = await service.fetch()
            while True:
                sent = {"x-auth-token": access.token, **headers} if access.token else headers
                response = await service.transport.request(method, access.url + path, sent, body, slow=slow)
                status = response.status
                if status < 300:
                    return response
                # A second time only if that token has ended as well, while the request waited its turn at the service.
                if status == 401 and (
                    not renewals or (renewals < _MOST_RENEWALS and service.access.ready(time.time()) != access)
                ):
                    fresh = await service.fetch(access)
                    if fresh != access:
                        await discard(response)
                        renewals, access = renewals + 1, fresh
                        continue
                if status == 404 and absent_ok:
                    await discard(response)
                    return response
                raise to_store_error(
                    await self._read_failure(response), key=key, operation=operation, store=self.store, demand=demand
                )
        except StoreError as failed:
            # From the connection or the identity service, which know nothing of what was being done.
            raise failed.locate(key=key, operation=operation, store=self.store) from failed.__cause__

    async def ask(
        self,
        operation: str,
        method: str,
        key: str | None,
        headers: Mapping[str, str] = NOTHING,
        query: str = "",
        body: Body | None = None,
        *,
        slow: bool = False,
    ) -> object:
        """Send a request that is answered with JSON, and return what that says; None if the body is empty.

        Raises:
            UnavailableError: if it is not JSON.
        """
        data = await self.fetch(operation, method, key, headers, query, body, slow=slow)
        try:
            return json.loads(data) if data else None
        except ValueError as error:
            raise self.unreadable(operation, key) from error

    async def fetch(
        self,
        operation: str,
        method: str,
        key: str | None,
        headers: Mapping[str, str] = NOTHING,
        query: str = "",
        body: Body | None = None,
        *,
        slow: bool = False,
    ) -> bytes:
        """The same, as it was sent."""
        headers = {"accept": "application/json", **headers}
        response = await self.send(operation, method, key, headers, query, body, slow=slow)
        try:
            return await read_document(response)
        except StoreError as failed:
            raise failed.locate(key=key, operation=operation, store=self.store) from failed.__cause__

    def unreadable(self, operation: str, key: str | None) -> UnavailableError:
        """The error for an answer that is not what the service's documents say."""
        return UnavailableError("the service's answer cannot be read", key=key, operation=operation, store=self.store)

    async def learn(self) -> Info:
        """What the cluster says of its limits; asked until it has answered, and what it answers is never an error."""
        service = self.service
        if service.info is None:
            access = service.access.ready(time.time()) or await service.fetch()
            root, version, _ = access.url.rpartition("/v1")
            # What a token in this request could be used for is nobody's business: /info is public.
            response = await service.transport.request("GET", f"{root if version else access.url}/info", {})
            data = await read_some(response, LONGEST_ERROR)
            info = read_info(data if response.status == 200 else b"")
            if response.status >= 500:
                return info
            service.info = info
        return service.info

    def hide(self, text: str) -> str:
        """What the service said, without the secrets that it was sent."""
        service = self.service
        return redact(text, (*service.access.secrets, *service.transport.secrets)) if text else text

    async def _read_failure(self, response: Response) -> Failure:
        text = ""
        # The status says enough.
        with suppress(StoreError):
            text = plain_text(await read_some(response, LONGEST_ERROR))
        return Failure(response.status, "", self.hide(text), response.headers)
