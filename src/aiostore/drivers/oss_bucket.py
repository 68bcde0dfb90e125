"""What concerns a bucket as a whole: its listings, bulk deletes, and the bucket itself."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from urllib.parse import unquote

from aiostore._http.bucket_xml import UNWRITABLE, parse_list, parse_versions, split_marker, write_delete
from aiostore._http.document import discard, read_document
from aiostore._http.request_headers import lower_case
from aiostore.drivers.base import BaseDriver
from aiostore.drivers.oss_client import Client, document
from aiostore.drivers.oss_xml import parse_containers, parse_deleted
from aiostore.errors import (
    AlreadyExistsError,
    NotFoundError,
    NotSupportedError,
    PermissionDeniedError,
    StoreError,
    UnavailableError,
)
from aiostore.types import ContainerPage, DeleteOptions, DeleteResult, ListOptions, ListPage, VersionPage


class OSSBucket(BaseDriver):
    """The half of the OSS driver that speaks of many objects, or of the bucket."""

    _client: Client

    async def list_page(self, options: ListOptions) -> ListPage:
        most = min(options.limit or 1000, 1000)
        query = [("list-type", "2"), ("encoding-type", "url"), ("max-keys", str(most))]
        for name, value in (
            ("prefix", options.prefix),
            ("delimiter", options.delimiter),
            ("start-after", options.start_after),
            ("continuation-token", options.page_token),
        ):
            if value:
                query.append((name, value))
        client = self._client
        response = await client.send("list_page", "GET", None, query=query)
        with self.naming("list_page", options.prefix):
            data = await read_document(response)
        return client.parse(partial(parse_list, decode=unquote), data, "list_page", options.prefix)

    async def list_versions(self, prefix: str, page_token: str | None = None) -> VersionPage:
        query = [("versions", ""), ("prefix", prefix), ("encoding-type", "url"), ("max-keys", "1000")]
        if page_token is not None:
            key, version = split_marker(page_token)
            query += [("key-marker", key), ("version-id-marker", version)]
        read = partial(parse_versions, decode=unquote)
        page, _ = await self._client.ask("list_versions", "GET", None, read, query=query)
        return page

    async def delete_many(self, keys: Sequence[str], options: DeleteOptions) -> Sequence[DeleteResult]:
        """Delete up to 1,000 objects in one request.

        A key that XML cannot hold is deleted by a request of its own. Each of the requests may be repeated.
        """
        if options.if_match is not None:
            raise NotSupportedError("OSS deletes without conditions; leave if_match out", store=self.location)
        failed: dict[str, StoreError] = {}
        writable = []
        for key in keys:
            if UNWRITABLE.search(key) is None:
                writable.append(key)
                continue
            try:
                await self.delete(key, options)
            except StoreError as error:
                failed[key] = error
        if writable:
            body, headers = document(write_delete(writable, options.version, quiet=False))
            headers |= lower_case(options.headers)
            query = (("delete", ""), ("encoding-type", "url"))
            gone, _ = await self._client.ask(
                "delete_many", "POST", None, parse_deleted, headers, query, body, slow=True
            )
            for key in set(writable) - gone:
                reason = "the service does not say that it has deleted this object"
                failed[key] = UnavailableError(reason, key=key, operation="delete_many", store=self.location)
        return [DeleteResult(key=key, error=failed.get(key)) for key in keys]

    # --- the bucket itself ------------------------------------------------------------------------------------------

    async def create_container(self) -> None:
        """Create the bucket, after a look whether it exists: OSS answers its owner's second creation with success."""
        client = self._client
        try:
            query = (("list-type", "2"), ("max-keys", "1"))
            response = await client.send("create_container", "GET", None, query=query)
        except (NotFoundError, PermissionDeniedError):
            # A bucket that we may not list may be another's: the service knows.
            pass
        else:
            await discard(response)
            raise AlreadyExistsError("the bucket exists already", operation="create_container", store=self.location)
        await discard(await client.send("create_container", "PUT", None, slow=True))

    async def delete_container(self) -> None:
        try:
            await discard(await self._client.send("delete_container", "DELETE", None, slow=True))
        except NotFoundError:
            return

    async def list_containers(self, page_token: str | None = None) -> ContainerPage:
        query = [("max-keys", "1000")]
        if page_token is not None:
            query.append(("marker", page_token))
        client = Client(self._client.service, "")
        page, _ = await client.ask("list_containers", "GET", None, parse_containers, query=query)
        return page
