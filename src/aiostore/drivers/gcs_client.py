"""One authorized request to Google Cloud Storage, and the resend that belongs to it: with a fresh token.

That happens at most once per request, and concurrent requests share the renewal.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from aiostore._http.client import Transport
from aiostore._http.document import LONGEST_ERROR, read_document, read_some
from aiostore._http.failure import Demand
from aiostore._http.redaction import redact
from aiostore.body import Body, Buffers
from aiostore.drivers.gcs_credentials import TokenProvider
from aiostore.drivers.gcs_errors import no_bucket, read_failure, to_store_error
from aiostore.drivers.gcs_resource import Resource
from aiostore.errors import StoreError, TransientError, UnavailableError
from aiostore.types import NOTHING

if TYPE_CHECKING:
    from aiostore._http.response import Response

_JSON: Final = {"content-type": "application/json"}


@lru_cache(maxsize=1024)
def encode_key(key: str) -> str:
    """A key as a single segment of a path, in both APIs; so no ``..`` or ``//`` of it is ever resolved."""
    return quote(key, safe="")


class Service:
    """What the drivers of one service share, whatever their bucket: connections, tokens, and who pays.

    ``endpoint`` is the beginning of every URL, ``headers`` go with every request. ``project`` is the one whose buckets
    are listed and made. ``iam`` is where bytes are signed for accounts whose key is not at hand.
    """

    __slots__ = ("endpoint", "headers", "iam", "project", "tokens", "transport", "user_project")

    def __init__(
        self,
        endpoint: str,
        tokens: TokenProvider,
        transport: Transport,
        project: str | None,
        user_project: str | None,
        iam: str,
    ) -> None:
        self.endpoint = endpoint
        self.tokens = tokens
        self.transport = transport
        self.project = project
        self.user_project = user_project
        self.iam = iam
        self.headers: Mapping[str, str] = {} if user_project is None else {"x-goog-user-project": user_project}

    def __reduce__(self) -> tuple[object, ...]:
        return Service, (self.endpoint, self.tokens, self.transport, self.project, self.user_project, self.iam)


class Client:
    """Sends the requests of one bucket."""

    __slots__ = ("bucket", "json", "media", "service", "store", "xml")

    def __init__(self, service: Service, bucket: str) -> None:
        self.service = service
        self.bucket = bucket
        self.store = f"gs://{bucket}"
        name = quote(bucket, safe="")
        self.json = f"{service.endpoint}/storage/v1/b/{name}"
        """The bucket in the JSON API; ``/o/`` and an encoded key behind it are an object."""
        self.media = f"{service.endpoint}/upload/storage/v1/b/{name}/o"
        """Where the JSON API takes objects."""
        self.xml = f"{service.endpoint}/{name}"
        """The bucket in the XML API; ``/`` and an encoded key behind it are an object."""

    def __reduce__(self) -> tuple[object, ...]:
        return Client, (self.service, self.bucket)

    async def send(
        self,
        operation: str,
        method: str,
        url: str,
        key: str | None,
        headers: Mapping[str, str] = NOTHING,
        body: Body | None = None,
        *,
        slow: bool = False,
        demand: Demand = "",
        absent_ok: bool = False,
    ) -> Response:
        """Send one request; a successful answer is returned, any other is raised as what it means.

        With ``absent_ok`` a missing object (not: bucket) is success.
        """
        service = self.service
        tokens = service.tokens
        renewed = False
        try:
            token = tokens.ready(time.time())
            if token is None:
                token = await tokens.fetch()
            while True:
                sent = (
                    {"authorization": token, **service.headers, **headers} if token else {**service.headers, **headers}
                )
                response = await service.transport.request(method, url, sent, body, slow=slow)
                if response.status < 300:
                    return response
                data = await read_some(response, LONGEST_ERROR)
                if response.status == 401 and token and not renewed:
                    fresh = await tokens.fetch(token)
                    if fresh != token:
                        renewed, token = True, fresh
                        continue
                failure = read_failure(response.status, response.headers, data)
                failure = failure._replace(message=self.hide(failure.message, sent))
                if absent_ok and response.status == 404 and not no_bucket(failure):
                    return response
                raise to_store_error(failure, operation=operation, key=key, store=self.store, demand=demand)
        except StoreError as failed:
            # From the connection or the credentials, which know nothing of what was being done.
            raise failed.locate(key=key, operation=operation, store=self.store) from failed.__cause__

    async def renew(self) -> None:
        """Have the next requests sent with another token than the one of now, which was refused."""
        tokens = self.service.tokens
        await tokens.fetch(tokens.ready(time.time()))

    async def ask(
        self,
        operation: str,
        method: str,
        url: str,
        key: str | None,
        headers: Mapping[str, str] = NOTHING,
        body: Body | None = None,
        *,
        slow: bool = False,
        demand: Demand = "",
    ) -> Resource:
        """Send a request that is answered with a JSON object, and return that."""
        response = await self.send(operation, method, url, key, headers, body, slow=slow, demand=demand)
        try:
            return parse(await read_document(response))
        except TransientError as error:
            # Success was announced and its proof is missing.
            error.answered = method == "GET"
            raise error.locate(key=key, operation=operation, store=self.store) from error.__cause__

    async def ask_with(
        self,
        operation: str,
        method: str,
        url: str,
        key: str | None,
        content: Resource,
        headers: Mapping[str, str] = NOTHING,
        *,
        slow: bool = False,
        demand: Demand = "",
    ) -> Resource:
        """The same, with a JSON object as the body."""
        return await self.ask(
            operation, method, url, key, {**_JSON, **headers}, encode(content), slow=slow, demand=demand
        )

    def hide(self, text: str, headers: Mapping[str, str] = NOTHING) -> str:
        """What the service said in answer to a request with these headers, without the secrets that it was sent."""
        if not text:
            return text
        token = headers.get("authorization", "").partition(" ")[2]
        keys = (value for name, value in headers.items() if name.endswith("-key"))
        return redact(text, (token, *keys, *self.service.transport.secrets))


def object_url(client: Client, key: str, query: str = "") -> str:
    """The object in the JSON API; ``query`` is complete, and begins without ``?``."""
    url = f"{client.json}/o/{encode_key(key)}"
    return f"{url}?{query}" if query else url


def encode(content: Resource) -> Body:
    """A JSON object as a body."""
    data = json.dumps(content, ensure_ascii=False).encode()
    return Buffers((data,), len(data))


def parse(data: bytes) -> Resource:
    """The JSON object that an answer holds.

    Raises:
        UnavailableError: if it holds none, such as one that was cut off.
    """
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UnavailableError(f"the service's answer cannot be read: {type(error).__name__}") from None
    if not isinstance(content, dict):
        raise UnavailableError("the service's answer is no JSON object")
    return content
