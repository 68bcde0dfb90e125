"""What concerns a container as a whole: its listings, bulk deletes, versions, and the container itself.

https://docs.openstack.org/api-ref/object-store/#containers
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from aiostore._http.document import discard
from aiostore.body import Buffers
from aiostore.drivers.base import BaseDriver
from aiostore.drivers.sigv4 import encode_query
from aiostore.drivers.swift_bulk import delete_paths
from aiostore.drivers.swift_client import Client
from aiostore.drivers.swift_dialect import Dialect
from aiostore.drivers.swift_listing import Listed, read_page, read_version
from aiostore.drivers.swift_segments import SegmentContainer, is_static
from aiostore.errors import (
    AlreadyExistsError,
    NotFoundError,
    NotSupportedError,
    PreconditionFailedError,
    StoreError,
)
from aiostore.types import (
    Container,
    ContainerPage,
    DeleteOptions,
    DeleteResult,
    ListOptions,
    ListPage,
    VersionPage,
)

_AT_ONCE: Final = 32
"""Objects whose heads are asked for at a time, before a bulk delete that may meet large ones."""


class SwiftContainer(BaseDriver):
    """The half of the Swift driver that speaks of many objects, or of the container."""

    _client: Client
    _dialect: Dialect
    _segments: SegmentContainer

    async def list_page(self, options: ListOptions) -> ListPage:
        with self.naming("list_page", options.prefix):
            info = self._client.service.info
            most = self._dialect.page_size if info is None else min(info.page_size, self._dialect.page_size)
            limit = min(options.limit or most, most)
            try:
                found = await self._list(options, limit)
            except PreconditionFailedError:
                # This cluster's pages are smaller than usual.
                limit = min(limit, (await self._client.learn()).page_size)
                found = await self._list(options, limit)
            objects, prefixes, last = found
            # A gateway may cut a page short, and says nowhere that there is more.
            full = len(objects) + len(prefixes) >= limit if self._dialect.full_pages else last is not None
            if options.delimiter and not (options.prefix or options.page_token or self._dialect.leading_slashes):
                hidden = ListOptions(prefix=options.delimiter)
                if options.delimiter not in prefixes and (await self._list(hidden, 1)).last is not None:
                    prefixes = sorted([options.delimiter, *prefixes])
        return ListPage(objects=objects, common_prefixes=prefixes, next_token=last if full else None)

    async def _list(self, options: ListOptions, limit: int) -> Listed:
        pairs = [("format", "json"), ("limit", str(limit))]
        if options.prefix:
            pairs.append(("prefix", options.prefix))
        if options.delimiter:
            pairs.append(("delimiter", options.delimiter))
        if marker := options.page_token or options.start_after:
            pairs.append(("marker", marker))
        data = await self._client.fetch("list_page", "GET", None, query=encode_query(pairs))
        try:
            return read_page(data)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise self._client.unreadable("list_page", None) from error

    def _entries(self, answer: object, operation: str) -> Sequence[Mapping[str, object]]:
        if not isinstance(answer, list):
            raise self._client.unreadable(operation, None)
        return answer

    # --- bulk deletes -----------------------------------------------------------------------------------------------

    async def delete_many(self, keys: Sequence[str], options: DeleteOptions) -> Sequence[DeleteResult]:
        """Delete up to 1,000 objects: one request where there are no segments of large objects.

        Where there are any, each object's head is asked for first, and large ones are deleted one by one, with their
        segments. Each of the requests may be repeated.
        """
        if options.if_match is not None:
            raise NotSupportedError("Swift has no conditions on deletes", store=self.location)
        failed: dict[str, StoreError] = {}
        with self.naming("delete_many"):
            large = await self._large(keys) if await self._segments.page("delete_many", "", None, limit=1) else set()
            for key in large:
                try:
                    await self.delete(key, DeleteOptions())
                except StoreError as error:
                    failed[key] = error
            paths = {self._client.path(key): key for key in keys if key not in large}
            if paths:
                errors = await delete_paths(self._client, list(paths), "delete_many")
                failed |= {
                    paths[path]: error.locate(key=paths[path], operation="delete_many", store=self.location)
                    for path, error in errors.items()
                }
        return [DeleteResult(key=key, error=failed.get(key)) for key in keys]

    async def _large(self, keys: Sequence[str]) -> set[str]:
        """Which of ``keys`` are static large objects."""
        found: set[str] = set()

        async def look(key: str) -> None:
            if is_static((await self._client.send("delete_many", "HEAD", key, absent_ok=True)).headers):
                found.add(key)

        for first in range(0, len(keys), _AT_ONCE):
            try:
                async with asyncio.TaskGroup() as group:
                    for key in keys[first : first + _AT_ONCE]:
                        group.create_task(look(key))
            except BaseExceptionGroup as errors:
                raise errors.exceptions[0] from errors.exceptions[0].__cause__
        return found

    # --- versions ---------------------------------------------------------------------------------------------------

    async def list_versions(self, prefix: str, page_token: str | None = None) -> VersionPage:
        """Versions of a container that has ``X-Versions-Enabled``; of any other, its objects."""
        if "list_versions" in self._dialect.missing:
            raise self.refusal("list_versions", prefix)
        pairs = [("format", "json"), ("versions", ""), ("prefix", prefix)]
        if page_token is not None:
            key, _, version = page_token.partition("\0")
            pairs += [("marker", key), ("version_marker", version)]
        with self.naming("list_versions", prefix):
            answer = await self._client.ask("list_versions", "GET", None, query=encode_query(pairs))
            try:
                versions = [read_version(entry) for entry in self._entries(answer, "list_versions")]
            except (ValueError, LookupError, TypeError, AttributeError) as error:
                raise self._client.unreadable("list_versions", None) from error
        if not versions:
            return VersionPage()
        last = versions[-1].meta
        return VersionPage(versions=versions, next_token=f"{last.key}\0{last.version or ''}")

    async def restore(self, key: str, version: str | None, days: int | None) -> None:
        """Make an older version current again; without one, the newest that is no delete marker."""
        if "restore" in self._dialect.missing:
            raise self.refusal("restore", key)
        if days is not None:
            raise NotSupportedError("Swift has no archive to fetch objects from", key=key, operation="restore")
        with self.naming("restore", key):
            if version is None:
                version = await self._newest(key)
                if version is None:
                    return
            query = encode_query((("version-id", version),))
            await discard(await self._client.send("restore", "PUT", key, query=query, body=Buffers((), 0)))

    async def _newest(self, key: str) -> str | None:
        """The version that a delete marker hides; None if nothing is hidden."""
        token: str | None = None
        while True:
            page = await self.list_versions(key, token)
            for entry in page.versions:
                if entry.meta.key == key and not entry.is_delete_marker:
                    return None if entry.is_latest else entry.meta.version
            token = page.next_token
            if token is None:
                raise NotFoundError("the object has no version to restore")

    # --- the container itself ---------------------------------------------------------------------------------------

    async def create_container(self) -> None:
        response = await self._client.send("create_container", "PUT", None)
        await discard(response)
        if response.status == 202:
            raise AlreadyExistsError("the container exists already", operation="create_container", store=self.location)

    async def delete_container(self) -> None:
        """Delete the container, then that of its segments if it is empty."""
        await discard(await self._client.send("delete_container", "DELETE", None, absent_ok=True))
        try:
            await discard(await self._segments.client.send("delete_container", "DELETE", None, absent_ok=True))
        except PreconditionFailedError:
            # Somebody's segments are in it.
            return

    async def list_containers(self, page_token: str | None = None) -> ContainerPage:
        client = Client(self._client.service, None)
        pairs = [("format", "json")]
        if page_token is not None:
            pairs.append(("marker", page_token))
        answer = await client.ask("list_containers", "GET", None, query=encode_query(pairs))
        names = [str(entry["name"]) for entry in self._entries(answer, "list_containers") if "name" in entry]
        return ContainerPage(
            containers=[Container(name=name) for name in names], next_token=names[-1] if names else None
        )
