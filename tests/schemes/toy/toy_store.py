"""A driver as somebody else would publish it: objects in a dictionary, and nothing of aiostore's but what is public."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from datetime import UTC, datetime

from aiostore import AlreadyExistsError, Capabilities, NotFoundError, ObjectMeta, PutResult, Store
from aiostore.body import Body
from aiostore.drivers.base import BaseDriver
from aiostore.drivers.base_conditions import check_read, refuse_options, resolve_range
from aiostore.location import Location
from aiostore.schemes import Place, Scheme
from aiostore.types import DeleteOptions, GetOptions, GetResult, ListOptions, ListPage, PutOptions


class Chunks:
    """A body in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def next_chunk(self) -> bytes:
        data, self._data = self._data, b""
        return data

    async def read(self) -> bytes:
        return await self.next_chunk()

    async def aclose(self) -> None:
        self._data = b""


class ToyDriver(BaseDriver):
    """One box of toys."""

    def __init__(self, box: str, page: int) -> None:
        self._box = box
        self._page = page
        self._objects: dict[str, tuple[ObjectMeta, bytes]] = {}

    @property
    def location(self) -> str:
        return f"toy://{self._box}"

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(operations=self.operations, checksums=("md5",))

    async def aclose(self) -> None:
        """Nothing is open."""

    def _find(self, key: str, options: GetOptions) -> tuple[ObjectMeta, bytes]:
        refuse_options(options, "version", "encryption")
        if key not in self._objects:
            raise NotFoundError("there is no such toy")
        check_read(options, self._objects[key][0])
        return self._objects[key]

    async def head(self, key: str, options: GetOptions) -> ObjectMeta:
        with self.naming("head", key):
            return self._find(key, options)[0]

    async def get(self, key: str, options: GetOptions) -> GetResult:
        with self.naming("get", key):
            await asyncio.sleep(0)
            meta, data = self._find(key, options)
            start, stop = resolve_range(options, meta.size)
            return GetResult(meta=meta, start=start, stop=stop, stream=Chunks(data[start:stop]))

    async def put(self, key: str, body: Body, options: PutOptions) -> PutResult:
        with self.naming("put", key):
            refuse_options(options, "if_match", "encryption", "acl", "storage_class")
            if options.if_none_match is not None and key in self._objects:
                raise AlreadyExistsError("there is such a toy")
            data = b"".join([bytes(chunk) async for chunk in body.chunks()])
            await asyncio.sleep(0)  # as a request would let others run
            md5 = hashlib.md5(data).hexdigest()
            meta = ObjectMeta(
                key=key,
                size=len(data),
                last_modified=datetime.now(UTC),
                etag=md5,
                content_type=options.content_type,
                content_encoding=options.content_encoding,
                content_disposition=options.content_disposition,
                content_language=options.content_language,
                cache_control=options.cache_control,
                metadata=dict(options.metadata),
                checksums={"md5": md5},
            )
            self._objects[key] = meta, data
            return PutResult(etag=md5, size=len(data), checksums=meta.checksums)

    async def delete(self, key: str, options: DeleteOptions) -> None:
        with self.naming("delete", key):
            self._objects.pop(key, None)

    async def list_page(self, options: ListOptions) -> ListPage:
        objects: list[ObjectMeta] = []
        prefixes: list[str] = []
        after = last = options.page_token or options.start_after or ""
        for key in sorted(self._objects):
            if not key.startswith(options.prefix) or key <= after:
                continue
            end = key.find(options.delimiter, len(options.prefix)) if options.delimiter else -1
            common = key[: end + len(options.delimiter or "")] if end >= 0 else ""
            if common and (after.startswith(common) or prefixes[-1:] == [common]):
                continue
            if len(objects) + len(prefixes) == self._page:
                return ListPage(objects=objects, common_prefixes=prefixes, next_token=last)
            if common:
                prefixes.append(common)
                last = common
            else:
                objects.append(replace(self._objects[key][0]))
                last = key
        return ListPage(objects=objects, common_prefixes=prefixes)


class ToyStore(Store):
    """A box of toys, ``page`` of which are listed at a time."""

    def __init__(self, box: str, *, prefix: str = "", page: int = 100, key: str | None = None) -> None:
        super().__init__(ToyDriver(box, page), prefix=prefix)
        self.page = page
        self.key = key


def place(location: Location) -> Place:
    """``toy://host/box/prefix``: the box is the first segment of the path."""
    return Place(names=(location.segments[0],), depth=1)


SCHEME = Scheme(
    store=ToyStore,
    place=place,
    userinfo=("page", "key"),
    credentials=frozenset({"key"}),
    service="toy",
    secret_options={"TOY_KEY": "key"},
)
