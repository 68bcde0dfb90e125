"""What concerns a bucket as a whole: its listings, bulk deletes, what was deleted, and the bucket itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from aiostore._http.document import read_document
from aiostore._http.failure import Failure
from aiostore.drivers.gcs_client import encode_key, object_url
from aiostore.drivers.gcs_composite import HIDDEN
from aiostore.drivers.gcs_conditions import GCSConditions
from aiostore.drivers.gcs_errors import no_bucket, to_store_error
from aiostore.drivers.gcs_related import batch, parse_batch
from aiostore.drivers.gcs_resource import LISTED, kms_key, to_metas
from aiostore.errors import (
    AlreadyExistsError,
    ConfigurationError,
    NotFoundError,
    NotSupportedError,
    PreconditionFailedError,
    StoreError,
)
from aiostore.types import (
    Container,
    ContainerPage,
    CopyOptions,
    DeleteOptions,
    DeleteResult,
    Encryption,
    ListOptions,
    ListPage,
    ObjectVersion,
    VersionPage,
)

_LISTED: Final = f"items({LISTED}),prefixes,nextPageToken"


class GCSBucket(GCSConditions):
    """The half of the driver that speaks of many objects, or of the bucket."""

    async def list_page(self, options: ListOptions) -> ListPage:
        client = self._client
        query = f"fields={_LISTED}"
        if options.prefix:
            query += f"&prefix={encode_key(options.prefix)}"
        if options.delimiter:
            query += f"&delimiter={encode_key(options.delimiter)}"
        if options.start_after:
            # This one is included, and dropped below.
            query += f"&startOffset={encode_key(options.start_after)}"
        if options.page_token is not None:
            query += f"&pageToken={encode_key(options.page_token)}"
        if options.limit is not None:
            query += f"&maxResults={options.limit}"
        answer = await client.ask("list_page", "GET", f"{client.json}/o?{query}", options.prefix)
        objects = to_metas(answer.get("items", ()))
        prefixes: Sequence[str] = answer.get("prefixes", ())
        if options.start_after and objects and objects[0].key == options.start_after:
            del objects[0]
        if not options.prefix.startswith(HIDDEN):
            # Parts of uploads under way.
            if any(meta.key.startswith(HIDDEN) for meta in objects):
                objects = [meta for meta in objects if not meta.key.startswith(HIDDEN)]
            prefixes = [prefix for prefix in prefixes if not (prefix.startswith(HIDDEN) or prefix == HIDDEN)]
        return ListPage(objects=objects, common_prefixes=prefixes, next_token=answer.get("nextPageToken"))

    async def list_versions(self, prefix: str, page_token: str | None = None) -> VersionPage:
        """One page of generations, newest first within a key as far as they are on this page.

        There are no delete markers: a deleted object is one without a live generation.
        """
        client = self._client
        url = f"{client.json}/o?versions=true&fields={_LISTED}&prefix={encode_key(prefix)}"
        if page_token is not None:
            url += f"&pageToken={encode_key(page_token)}"
        answer = await client.ask("list_versions", "GET", url, prefix)
        items = [item for item in answer.get("items", ()) if prefix or not item["name"].startswith(HIDDEN)]
        items.sort(key=lambda item: -int(item["generation"]))
        items.sort(key=lambda item: item["name"].encode())
        versions = [
            ObjectVersion(meta=meta, is_latest="timeDeleted" not in item)
            for item, meta in zip(items, to_metas(items), strict=True)
        ]
        return VersionPage(versions=versions, next_token=answer.get("nextPageToken"))

    async def delete_many(self, keys: Sequence[str], options: DeleteOptions) -> Sequence[DeleteResult]:
        """Delete up to 100 objects by one batch request.

        https://docs.cloud.google.com/storage/docs/batch
        """
        if options.if_match is not None:
            raise NotSupportedError(
                "one condition cannot hold for many objects; delete them one by one", store=self.location
            )
        client = self._client
        path = client.json.removeprefix(client.service.endpoint)
        version = "" if options.version is None else f"?generation={encode_key(options.version)}"
        paths = [f"{path}/o/{encode_key(key)}{version}" for key in keys]
        with self.naming("delete_many"):
            outcomes = await self._batch(paths, options)
            if any(failure is not None and failure.status == 401 for failure in outcomes):
                # A batch is answered for each of its calls, also with a token that has ended.
                await client.renew()
                outcomes = await self._batch(paths, options)
        results = []
        for key, failure in zip(keys, outcomes, strict=True):
            error: StoreError | None = None
            if failure is not None and (failure.status != 404 or no_bucket(failure)):
                shown = failure._replace(message=client.hide(failure.message))
                error = to_store_error(shown, key=key, operation="delete_many", store=self.location)
            results.append(DeleteResult(key=key, error=error))
        return results

    async def _batch(self, paths: Sequence[str], options: DeleteOptions) -> Sequence[Failure | None]:
        client = self._client
        content_type, body = batch(paths)
        headers = {"content-type": content_type, **options.headers}
        url = f"{client.service.endpoint}/batch/storage/v1"
        response = await client.send("delete_many", "POST", url, None, headers, body, slow=True)
        return parse_batch(response.headers.get("Content-Type", ""), await read_document(response), len(paths))

    async def restore(self, key: str, version: str | None, days: int | None) -> None:
        """Make a generation current again: by a copy if it is there, else from what was softly deleted.

        Without a version it is the newest one, if there is no live object.
        https://docs.cloud.google.com/storage/docs/soft-delete
        """
        with self.naming("restore", key):
            if days is not None:
                raise NotSupportedError("objects of every storage class can be read at once: no restoration is needed")
            if version is None:
                version = await self._newest(key)
                if version is None:
                    return
            chosen = f"generation={encode_key(version)}"
            client = self._client
            try:
                asked = object_url(client, key, f"{chosen}&fields=generation,kmsKeyName")
                name = kms_key(await client.ask("restore", "GET", asked, key))
            except NotFoundError:
                url = f"{object_url(client, key)}/restore?{chosen}&fields=generation"
                await client.ask("restore", "POST", url, key)
                return
            encryption = None if name is None else Encryption(kms_key=name)
            copied = CopyOptions(source_version=version, encryption=encryption)
            step = await self.copy(key, key, copied)
            while not step.done:
                step = await self.copy(key, key, copied, step.token)

    async def _newest(self, key: str) -> str | None:
        """The newest generation of ``key``, kept or softly deleted; None if there is a live one."""
        client = self._client
        for kind in ("versions", "softDeleted"):
            url = f"{client.json}/o?{kind}=true&prefix={encode_key(key)}&endOffset={encode_key(key)}%00"
            url += "&fields=items(name,generation,timeDeleted)"
            try:
                answer = await client.ask("restore", "GET", url, key)
            except StoreError as error:
                if kind == "softDeleted" and not isinstance(error, NotFoundError):
                    # A bucket without soft deletion may refuse to be asked.
                    break
                raise
            items = [item for item in answer.get("items", ()) if item["name"] == key]
            if kind == "versions" and any("timeDeleted" not in item for item in items):
                return None
            if items:
                return str(max(int(item["generation"]) for item in items))
        raise NotFoundError("the object has no generation to restore")

    # --- the bucket itself ------------------------------------------------------------------------------------------

    def _project(self) -> str:
        project = self._client.service.project
        if project is None:
            raise ConfigurationError(
                "buckets belong to a project: give project=, or set GOOGLE_CLOUD_PROJECT", store=self.location
            )
        return encode_key(project)

    async def create_container(self) -> None:
        client = self._client
        url = f"{client.service.endpoint}/storage/v1/b?project={self._project()}&fields=name"
        try:
            await client.ask_with("create_container", "POST", url, None, {"name": client.bucket}, slow=True)
        except PreconditionFailedError as error:
            raise AlreadyExistsError(
                "the bucket exists already", operation="create_container", store=self.location,
                unanswered=error.unanswered,
            ) from error  # fmt: skip

    async def delete_container(self) -> None:
        client = self._client
        try:
            response = await client.send("delete_container", "DELETE", client.json, None, slow=True)
        except NotFoundError:
            return
        except PreconditionFailedError as error:
            error.message = f"the bucket is not empty; delete its objects and generations first: {error.message}"
            raise
        await response.aclose()

    async def list_containers(self, page_token: str | None = None) -> ContainerPage:
        client = self._client
        url = f"{client.service.endpoint}/storage/v1/b?project={self._project()}"
        url += "&fields=items(name,timeCreated,location),nextPageToken"
        if page_token is not None:
            url += f"&pageToken={encode_key(page_token)}"
        answer = await client.ask("list_containers", "GET", url, None)
        containers = [
            Container(
                name=item["name"], created=datetime.fromisoformat(item["timeCreated"]), region=item.get("location")
            )
            for item in answer.get("items", ())
        ]
        return ContainerPage(containers=containers, next_token=answer.get("nextPageToken"))
