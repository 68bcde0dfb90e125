"""The segments of static large objects: where they are, which upload they belong to, and when they may go.

They lie in a container of their own, ``CONTAINER_segments``, as python-swiftclient has it:

- ``.aiostore/segments/ID/00000001`` and so on are the segments of one upload,
- ``.aiostore/uploads/ID`` is empty and there as long as they may be needless: while the upload is under way, and while
  the object that they make up is being replaced. Its content type names the object's key.

So whatever is interrupted can be found and be cleaned up later. Two objects never share segments.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

from aiostore._http.document import discard, read_document
from aiostore.body import Buffers
from aiostore.drivers.sigv4 import encode_path, encode_query
from aiostore.drivers.swift_bulk import delete_paths
from aiostore.drivers.swift_client import Client
from aiostore.drivers.swift_headers import own_upload
from aiostore.errors import NotFoundError, PermissionDeniedError, StoreError
from aiostore.types import NOTHING

UPLOADS: Final = ".aiostore/uploads/"
_SEGMENTS: Final = ".aiostore/segments/"
_TYPE: Final = "application/x-aiostore-upload"
_EMPTY: Final = Buffers((), 0)
_ARCHIVES: Final = ("x-versions-enabled", "x-versions-location", "x-history-location")


@dataclass(frozen=True, slots=True)
class Segments:
    """What makes up one large object: the encoded paths of its segments, and the upload of ours that made them."""

    paths: Sequence[str]
    upload_id: str | None = None


class SegmentContainer:
    """The container beside the one of ``client`` that holds the segments of its large objects."""

    __slots__ = ("_objects", "client")

    def __init__(self, client: Client) -> None:
        self._objects = client
        self.client = Client(client.service, f"{client.container}_segments")

    def key(self, upload_id: str, number: int) -> str:
        """The key of segment ``number``; the order of keys is that of numbers."""
        return f"{_SEGMENTS}{upload_id}/{number:08}"

    # --- uploads under way ------------------------------------------------------------------------------------------

    async def mark(self, operation: str, upload_id: str, key: str) -> None:
        """Note that the segments of ``upload_id`` may be needless; makes the container if it is missing.

        Raises:
            NotFoundError: if there is no container of objects either.
        """
        headers = {"content-type": f"{_TYPE};key={quote(key, safe='')}"}
        marker = UPLOADS + upload_id
        try:
            await discard(await self.client.send(operation, "PUT", marker, headers, body=_EMPTY))
        except NotFoundError:
            found = await self._objects.send(operation, "HEAD", None)
            policy = found.headers.get("x-storage-policy")
            await discard(
                await self.client.send(operation, "PUT", None, {"x-storage-policy": policy} if policy else NOTHING)
            )
            await discard(await self.client.send(operation, "PUT", marker, headers, body=_EMPTY))

    async def unmark(self, operation: str, upload_id: str) -> None:
        """Note that the segments of ``upload_id`` are needed, or gone."""
        await discard(await self.client.send(operation, "DELETE", UPLOADS + upload_id, absent_ok=True))

    async def is_marked(self, operation: str, upload_id: str) -> bool:
        """Whether the upload is under way."""
        return (await self.client.send(operation, "HEAD", UPLOADS + upload_id, absent_ok=True)).status != 404

    async def page(
        self, operation: str, prefix: str, marker: str | None, limit: int = 1000
    ) -> Sequence[Mapping[str, object]]:
        """One page of what the container holds; nothing if there is no such container."""
        return await self._page(self.client, operation, [("limit", str(limit)), ("prefix", prefix)], marker)

    async def _page(
        self, client: Client, operation: str, pairs: Sequence[tuple[str, str]], marker: str | None
    ) -> Sequence[Mapping[str, object]]:
        marked = [] if marker is None else [("marker", marker)]
        try:
            answer = await client.ask(operation, "GET", None, query=encode_query([("format", "json"), *pairs, *marked]))
        except NotFoundError:
            return ()
        if not isinstance(answer, list):
            raise client.unreadable(operation, None)
        return answer

    async def of_upload(
        self, operation: str, upload_id: str, marker: str | None = None
    ) -> Sequence[Mapping[str, object]]:
        """One page of the segments of an upload."""
        return await self.page(operation, f"{_SEGMENTS}{upload_id}/", marker)

    # --- segments of objects ----------------------------------------------------------------------------------------

    async def needless_after(self, operation: str, key: str, *, but: str | None = None) -> Segments | None:
        """The segments of the large object at ``key`` that nobody needs once it is replaced, which is noted first.

        None if it is no large object, if its container keeps what is replaced, or if it is of the upload ``but``.
        """
        try:
            head = await self._objects.send(operation, "HEAD", key, absent_ok=True)
        except PermissionDeniedError:
            # Whoever may write but not read cannot know.
            return None
        if not is_static(head.headers) or await self.are_kept(operation, head.headers):
            return None
        found = await self._read(operation, self._objects, key, head.headers)
        if found is None or (found.upload_id is not None and found.upload_id == but):
            return None
        if found.upload_id is not None:
            await self.mark(operation, found.upload_id, key)
        return found

    async def drop(self, operation: str, segments: Segments | None) -> None:
        """Delete what `needless_after` found. What cannot be deleted stays noted as an upload."""
        if segments is None:
            return
        with suppress(StoreError):
            await self._delete(operation, segments.paths)
            if segments.upload_id is not None:
                await self.unmark(operation, segments.upload_id)

    async def drop_upload(self, operation: str, upload_id: str) -> None:
        """Delete all segments of an upload, page by page, and the note of it."""
        while page := await self.of_upload(operation, upload_id):
            await self._delete(operation, [self.client.path(str(entry.get("name"))) for entry in page])
        await self.unmark(operation, upload_id)

    async def are_used(self, operation: str, key: str, upload_id: str) -> bool:
        """Whether any state of the object at ``key`` is made of the segments of ``upload_id``, or may be.

        Earlier states are those of the container's versions, also if no more are kept, and of its archive.
        """
        for client, name, query in await self._states(operation, key):
            head = await client.send(operation, "HEAD", name, query=query, absent_ok=True)
            if is_static(head.headers):
                found = await self._read(operation, client, name, head.headers, query)
                if found is None or found.upload_id == upload_id:
                    return True
        return False

    async def _states(self, operation: str, key: str) -> list[tuple[Client, str, str]]:
        """Where the states of an object are: the container, the key in it, and the query that chooses the state."""
        objects = self._objects
        found = [(objects, key, "")]
        headers = (await objects.send(operation, "HEAD", None, absent_ok=True)).headers
        if headers.get("x-versions-enabled"):
            found += [(objects, key, encode_query((("version-id", v),))) for v in await self._versions(operation, key)]
        if archive := headers.get("x-versions-location") or headers.get("x-history-location"):
            # https://docs.openstack.org/swift/latest/middleware.html#versioned-writes
            client = Client(objects.service, unquote(archive))
            prefix, marker = f"{len(key.encode()):03x}{key}/", None
            while page := await self._page(client, operation, [("prefix", prefix)], marker):
                marker = str(page[-1].get("name"))
                found += [(client, str(entry.get("name")), "") for entry in page]
        return found

    async def _versions(self, operation: str, key: str) -> list[str]:
        found: list[str] = []
        while True:
            after = [("version_marker", found[-1])] if found else []
            pairs = [("versions", ""), ("prefix", key), *after]
            page = await self._page(self._objects, operation, pairs, key if found else None)
            versions = [str(entry.get("version_id")) for entry in page if entry.get("name") == key]
            found += versions
            if not versions or len(versions) < len(page):
                # Longer keys that begin so come behind this one.
                return found

    async def are_kept(self, operation: str, head: Mapping[str, str]) -> bool:
        """Whether the container keeps earlier states, which need their segments; ``head`` is that of an object."""
        return "x-object-version-id" in head or await self._keeps(operation)

    async def may_try(self, operation: str) -> bool:
        """Whether a create-only write that is refused leaves nothing behind; a container that keeps versions keeps it.

        Asked once for each container.
        """
        objects = self._objects
        keeping = objects.service.keeping.get(objects.container)
        if keeping is None:
            try:
                keeping = await self._keeps(operation)
            except PermissionDeniedError:
                keeping = True
            objects.service.keeping[objects.container] = keeping
        return not keeping

    async def _keeps(self, operation: str) -> bool:
        container = await self._objects.send(operation, "HEAD", None)
        return any(container.headers.get(name, "").lower() not in {"", "false"} for name in _ARCHIVES)

    async def _read(
        self, operation: str, objects: Client, key: str, head: Mapping[str, str], query: str = ""
    ) -> Segments | None:
        """The segments of a large object; None if it is no longer one, or if the service does not tell."""
        upload_id = own_upload(head)
        if not self.client.service.dialect.manifests:
            if upload_id is None:
                return None
            paths = []
            marker = None
            while page := await self.of_upload(operation, upload_id, marker):
                marker = str(page[-1].get("name"))
                paths += [self.client.path(str(entry.get("name"))) for entry in page]
            return Segments(paths, upload_id)
        query = f"multipart-manifest=get&{query}" if query else "multipart-manifest=get"
        response = await objects.send(operation, "GET", key, query=query)
        if not is_static(response.headers):
            # Replaced meanwhile: this may be anything.
            await response.aclose()
            return None
        try:
            entries = json.loads(await read_document(response))
            paths = [encode_path(str(entry["name"])) for entry in entries]
        except (ValueError, KeyError, TypeError) as error:
            raise objects.unreadable(operation, key) from error
        return Segments(paths, self._upload_of(paths))

    def _upload_of(self, paths: Sequence[str]) -> str | None:
        """The upload of ours that all ``paths`` belong to."""
        root = self.client.path(_SEGMENTS)
        found = {path[len(root) :].partition("/")[0] for path in paths if path.startswith(root)}
        return found.pop() if len(found) == 1 and all(path.startswith(root) for path in paths) else None

    async def _delete(self, operation: str, paths: Sequence[str]) -> None:
        size = (await self.client.learn()).delete_batch
        for first in range(0, len(paths), size):
            for error in (await delete_paths(self.client, paths[first : first + size], operation)).values():
                raise error


def is_static(headers: Mapping[str, str]) -> bool:
    """Whether this is the head of a static large object."""
    return headers.get("x-static-large-object", "").lower() == "true"


def key_of(entry: Mapping[str, object]) -> str:
    """The key of the object that an upload is for, as its note in the listing says; empty if it is none."""
    kind, _, key = str(entry.get("content_type", "")).replace("; ", ";").partition(";key=")
    return unquote(key) if kind == _TYPE else ""
