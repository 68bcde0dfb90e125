"""What concerns a bucket as a whole: its listings, bulk deletes, and the bucket itself."""

from __future__ import annotations

from collections.abc import Sequence

from aiostore._http.bucket_xml import UNWRITABLE, parse_list, parse_versions, split_marker, write_delete
from aiostore._http.document import discard, read_document
from aiostore._http.failure import Failure
from aiostore._http.request_headers import lower_case
from aiostore.drivers.base import BaseDriver
from aiostore.drivers.s3_client import Client
from aiostore.drivers.s3_dialect import Dialect
from aiostore.drivers.s3_errors import to_store_error
from aiostore.drivers.s3_payload import document
from aiostore.drivers.s3_xml import NAMESPACE, parse_containers, parse_delete_errors, write_location
from aiostore.drivers.sigv4 import encode_query
from aiostore.errors import AlreadyExistsError, NotFoundError, NotSupportedError, PermissionDeniedError, StoreError
from aiostore.types import ContainerPage, DeleteOptions, DeleteResult, ListOptions, ListPage, VersionPage


class S3Bucket(BaseDriver):
    """The half of the S3 driver that speaks of many objects, or of the bucket."""

    _client: Client
    _dialect: Dialect

    async def list_page(self, options: ListOptions) -> ListPage:
        # In the order in which the signature wants them.
        pairs = []
        if options.page_token is not None:
            pairs.append(("continuation-token", options.page_token))
        if options.delimiter:
            pairs.append(("delimiter", options.delimiter))
        if self._dialect.encoded_listings:
            pairs.append(("encoding-type", "url"))
        pairs.append(("list-type", "2"))
        if options.limit is not None:
            pairs.append(("max-keys", str(options.limit)))
        if options.prefix:
            pairs.append(("prefix", options.prefix))
        if options.start_after:
            pairs.append(("start-after", options.start_after))
        client = self._client
        with self.naming("list_page", options.prefix):
            response = await client.send("list_page", "GET", None, query=encode_query(pairs))
            data = await read_document(response)
        return client.parse(parse_list, data, "list_page", options.prefix)

    async def list_versions(self, prefix: str, page_token: str | None = None) -> VersionPage:
        if "list_versions" in self._dialect.missing:
            raise self.refusal("list_versions", prefix)
        pairs = [("versions", ""), ("prefix", prefix), ("encoding-type", "url")]
        if page_token is not None:
            key, version = split_marker(page_token)
            pairs += [("key-marker", key), ("version-id-marker", version)]
        page, _ = await self._client.ask("list_versions", "GET", None, parse_versions, query=encode_query(pairs))
        return page

    async def delete_many(self, keys: Sequence[str], options: DeleteOptions) -> Sequence[DeleteResult]:
        """Delete up to 1,000 objects in one request.

        A key that XML cannot hold is deleted by a request of its own. Each of the requests may be repeated.
        """
        if options.if_match is not None:
            raise NotSupportedError(
                "one condition cannot hold for many objects; delete them one by one", store=self.location
            )
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
            failed |= await self._delete_batch(writable, options)
        return [DeleteResult(key=key, error=failed.get(key)) for key in keys]

    async def _delete_batch(self, keys: Sequence[str], options: DeleteOptions) -> dict[str, StoreError]:
        body, payload, headers = document(write_delete(keys, options.version, NAMESPACE))
        headers |= lower_case(options.headers)
        errors, answered = await self._client.ask(
            "delete_many", "POST", None, parse_delete_errors, headers, "delete=", body, payload, slow=True
        )
        failed: dict[str, StoreError] = {}
        asked = frozenset(keys)
        for key, said in errors:
            failure = Failure(500 if not said.code else 400, said.code, self._client.hide(said.message), answered)
            error = to_store_error(failure, key=key, operation="delete_many", store=self.location)
            if key not in asked:
                # Not one of ours, so it is not known which of ours it means.
                raise error
            if not isinstance(error, NotFoundError):
                failed[key] = error
        return failed

    # --- the bucket itself ------------------------------------------------------------------------------------------

    async def create_container(self) -> None:
        """Create the bucket, after a look whether it exists: some services answer a second creation with success."""
        client = self._client
        try:
            response = await client.send("create_container", "GET", None, query="list-type=2&max-keys=1")
        except (NotFoundError, PermissionDeniedError):
            # A bucket that we may not list may be another's, or not be there: the service knows.
            pass
        else:
            await discard(response)
            raise AlreadyExistsError("the bucket exists already", operation="create_container", store=self.location)
        region = client.address.region
        data = write_location(region) if self._dialect.locations and region != "us-east-1" else b""
        body, payload, headers = document(data)
        await discard(await client.send("create_container", "PUT", None, headers, "", body, payload, slow=True))

    async def delete_container(self) -> None:
        try:
            await discard(await self._client.send("delete_container", "DELETE", None, slow=True))
        except NotFoundError:
            return

    async def list_containers(self, page_token: str | None = None) -> ContainerPage:
        client = Client(self._client.service, None)
        query = "" if page_token is None else encode_query((("continuation-token", page_token),))
        page, _ = await client.ask("list_containers", "GET", None, parse_containers, query=query)
        return page
