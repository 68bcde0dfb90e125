"""What concerns a container as a whole: its listings, bulk deletes, and the container itself.

https://learn.microsoft.com/rest/api/storageservices/list-blobs
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import replace
from email.utils import formatdate

from aiostore._http.document import discard, read_document
from aiostore._http.failure import Failure
from aiostore._http.request_headers import lower_case
from aiostore.body import Buffers
from aiostore.drivers.azure_address import encode_key, encode_query
from aiostore.drivers.azure_batch import Request, read_batch, write_batch
from aiostore.drivers.azure_client import Client
from aiostore.drivers.azure_errors import NO_CONTAINER, to_store_error
from aiostore.drivers.azure_headers import version_query
from aiostore.drivers.azure_xml import parse_containers, parse_list, parse_versions
from aiostore.drivers.base import BaseDriver
from aiostore.errors import InvalidKeyError, NotFoundError, NotSupportedError, PreconditionFailedError, StoreError
from aiostore.types import ContainerPage, DeleteOptions, DeleteResult, ListOptions, ListPage, VersionPage

_LIST = (("restype", "container"), ("comp", "list"))
_KEPT = ("include", "snapshots,versions")


class AzureContainer(BaseDriver):
    """The half of the Azure driver that speaks of many objects, or of the container."""

    _client: Client

    async def list_page(self, options: ListOptions) -> ListPage:
        """One page. The service cannot begin behind a key: what comes before is listed, and dropped here."""
        query = list(_LIST)
        if options.delimiter:
            query.append(("delimiter", options.delimiter))
        if options.page_token is not None:
            query.append(("marker", options.page_token))
        if options.limit is not None:
            query.append(("maxresults", str(options.limit)))
        if options.prefix:
            query.append(("prefix", options.prefix))
        with self.naming("list_page", options.prefix):
            page, _ = await self._client.ask("list_page", "GET", None, parse_list, query=tuple(query))
        after = options.start_after
        if not after:
            return page
        return replace(
            page,
            objects=[meta for meta in page.objects if meta.key > after],
            common_prefixes=[name for name in page.common_prefixes if name > after or after.startswith(name)],
        )

    async def list_versions(self, prefix: str, page_token: str | None = None) -> VersionPage:
        """Versions and snapshots, whose version begins with ``snapshot:``; a page may end within a key."""
        query = [*_LIST, _KEPT]
        if page_token is not None:
            query.append(("marker", page_token))
        if prefix:
            query.append(("prefix", prefix))
        with self.naming("list_versions", prefix):
            page, _ = await self._client.ask("list_versions", "GET", None, parse_versions, query=tuple(query))
        return page

    async def delete_many(self, keys: Sequence[str], options: DeleteOptions) -> Sequence[DeleteResult]:
        """Delete up to 256 objects, with their snapshots, in one request; each request in it is authorized itself."""
        if options.if_match is not None:
            raise NotSupportedError(
                "one condition cannot hold for many objects; delete them one by one", store=self.location
            )
        failed: dict[str, StoreError | None] = {}
        possible = []
        for key in keys:
            try:
                encode_key(key)
            except InvalidKeyError as error:
                failed[key] = error.locate(operation="delete_many", store=self.location)
            else:
                possible.append(key)
        if possible:
            with self.naming("delete_many"):
                requests = await self._requests(possible, options)
                answers = await self._batch(requests)
            for key, request, answer in zip(possible, requests, answers, strict=True):
                failed[key] = self._error(key, request, answer)
        return [DeleteResult(key=key, error=failed[key]) for key in keys]

    async def _batch(self, requests: Sequence[Request]) -> Sequence[Failure]:
        boundary = f"batch_{secrets.token_hex(16)}"
        data = write_batch(boundary, requests)
        headers = {"content-type": f"multipart/mixed; boundary={boundary}"}
        query = (("restype", "container"), ("comp", "batch"))
        body = Buffers((data,), len(data))
        response = await self._client.send("delete_many", "POST", None, headers, query, body, slow=True)
        answered = await read_document(response)
        return read_batch(response.headers.get("content-type", ""), answered, len(requests))

    async def _requests(self, keys: Sequence[str], options: DeleteOptions) -> list[Request]:
        service, client = self._client.service, self._client
        now = time.time() + service.skew
        if not service.authorizer.ready(now):
            await service.authorizer.prepare()
        date = formatdate(int(now), usegmt=True)
        query = version_query(options.version)
        requests = []
        for key in keys:
            headers = {"x-ms-date": date, **self._delete_headers(options)}
            path = client.path(key)
            proof = service.authorizer.authorize("DELETE", path, query, headers, 0)
            tail = "&".join(part for part in (encode_query(query), proof) if part)
            requests.append(Request("DELETE", f"{path}?{tail}" if tail else path, headers))
        return requests

    def _delete_headers(self, options: DeleteOptions) -> dict[str, str]:
        # An object with snapshots cannot be deleted without them; a version or a snapshot has none.
        headers = {} if options.version is not None else {"x-ms-delete-snapshots": "include"}
        return headers | lower_case(options.headers)

    def _error(self, key: str, request: Request, answer: Failure) -> StoreError | None:
        if answer.status < 300:
            return None
        answer = answer._replace(message=self._client.service.hide(answer.message, request.headers))
        error = to_store_error(answer, key=key, operation="delete_many", store=self.location)
        return None if isinstance(error, NotFoundError) and answer.code not in NO_CONTAINER else error

    # --- the container itself ---------------------------------------------------------------------------------------

    async def create_container(self) -> None:
        query = (("restype", "container"),)
        await discard(await self._client.send("create_container", "PUT", None, {}, query))

    async def delete_container(self) -> None:
        """Delete the container, after a look whether it is empty: the service would delete its objects too.

        What is written between the look and the deletion is lost. Its name is free again half a minute later.
        """
        client = self._client
        look = (*_LIST, ("maxresults", "1"))
        try:
            try:
                page, _ = await client.ask("delete_container", "GET", None, parse_versions, query=(*look, _KEPT))
            except NotSupportedError:
                # A hierarchical account keeps no versions.
                page, _ = await client.ask("delete_container", "GET", None, parse_versions, query=look)
            if page.versions or page.next_token is not None:
                raise PreconditionFailedError(
                    "the container is not empty; delete its objects and their versions first, or pass force=True",
                    operation="delete_container",
                    store=self.location,
                )
            query = (("restype", "container"),)
            await discard(await client.send("delete_container", "DELETE", None, {}, query, slow=True))
        except NotFoundError:
            return

    async def list_containers(self, page_token: str | None = None) -> ContainerPage:
        query = (("comp", "list"),) if page_token is None else (("comp", "list"), ("marker", page_token))
        client = Client(self._client.service, None)
        page, _ = await client.ask("list_containers", "GET", None, parse_containers, query=query)
        return page
