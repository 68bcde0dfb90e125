"""Objects in this process's memory: every primitive but signing, with atomic conditions.

It is the reference for what a driver does, and a store for tests and caches. Several drivers, threads and event loops
may share one account; nothing is written anywhere, and the objects end with the process. A forked child has a copy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import ClassVar, NoReturn

from aiostore.body import Body
from aiostore.capabilities import Capabilities, Conditions, Guarantee, PartLimits
from aiostore.drivers.base import BaseDriver
from aiostore.drivers.base_conditions import check_read, check_write, refuse_options, resolve_range
from aiostore.drivers.memory_container import LOCK, Account, Container, Pending, Stored, new_id
from aiostore.drivers.memory_content import (
    CHECKSUM,
    BytesStream,
    assemble,
    collect,
    digests,
    inherit,
    new_object,
    put_result,
    too_large,
    with_headers,
    without_headers,
)
from aiostore.errors import (
    AlreadyExistsError,
    ConfigurationError,
    InvalidRangeError,
    NotFoundError,
    NotSupportedError,
    PreconditionFailedError,
    StoreError,
)
from aiostore.types import Container as ContainerInfo
from aiostore.types import (
    ContainerPage,
    CopyOptions,
    CopyStep,
    DeleteOptions,
    DeleteResult,
    GetOptions,
    GetResult,
    ListOptions,
    ListPage,
    Match,
    ObjectMeta,
    Part,
    PartPage,
    PutOptions,
    PutResult,
    Upload,
    UploadPage,
    VersionPage,
)

_GUARANTEE = Conditions(if_absent=Guarantee.ATOMIC, if_match=Guarantee.ATOMIC)


class MemoryDriver(BaseDriver):
    """The objects of one container of an account in memory.

    Without ``account`` the driver has one of its own, in which ``container`` exists already. ``parts``, ``max_put``,
    ``max_copy`` and ``page_size`` are S3's limits; tests make them small. ETags are made as S3 makes them: the MD5 of
    the object, or the MD5 of the parts' MD5s and their number. A multipart object needs its parts' offsets to be
    contiguous. Appending copies the object.

    It cannot be pickled: the receiving process would work on a copy of its own, unnoticed.
    """

    advice: ClassVar[Mapping[str, str]] = {"sign": "objects in memory have no URL: hand the bytes on yourself"}

    def __init__(
        self,
        container: str = "memory",
        *,
        account: Account | None = None,
        versioning: bool = False,
        parts: PartLimits | None = None,
        max_put: int = 5 * 1024**3,
        max_copy: int = 5 * 1024**3,
        page_size: int = 1000,
        delete_batch: int = 1000,
    ) -> None:
        if not container:
            raise ConfigurationError("MemoryDriver(container): a container has a name")
        if page_size < 1:
            raise ConfigurationError(f"MemoryDriver(page_size={page_size!r}): must be greater than 0")
        self._container = container
        self._versioning = versioning
        self._page_size = page_size
        self._location = f"memory://{container}"
        self._limits = parts if parts is not None else PartLimits()
        operations = self.operations if versioning else self.operations - {"restore"}
        self._capabilities = Capabilities(
            operations=operations,
            put=_GUARANTEE,
            complete=_GUARANTEE,
            copy=_GUARANTEE,
            delete=Conditions(if_match=Guarantee.ATOMIC),
            multipart=self._limits,
            max_put=max_put,
            max_copy=max_copy,
            delete_batch=delete_batch,
            checksums=(CHECKSUM, "crc32c", "crc32", "sha256", "sha1", "md5"),
        )
        if account is None:
            account = Account()
            account.add(Container(container, versioning=versioning))
        self._account = account

    def __reduce__(self) -> NoReturn:
        raise NotSupportedError(
            "objects in memory cannot be sent to another process, which would only change a copy of its own; "
            "use a LocalStore on a directory that both can reach",
            operation="pickle",
            store=self._location,
        )

    @property
    def location(self) -> str:
        return self._location

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    def sibling(self, container: str) -> MemoryDriver:
        return MemoryDriver(
            container,
            account=self._account,
            versioning=self._versioning,
            parts=self._limits,
            max_put=self._capabilities.max_put,
            max_copy=self._capabilities.max_copy,
            page_size=self._page_size,
            delete_batch=self._capabilities.delete_batch,
        )

    async def aclose(self) -> None:
        """Does nothing: the objects stay."""

    # --- reading --------------------------------------------------------------------------------------------------

    async def head(self, key: str, options: GetOptions) -> ObjectMeta:
        with self.naming("head", key):
            return self._read(key, options).described

    async def get(self, key: str, options: GetOptions) -> GetResult:
        with self.naming("get", key):
            stored = self._read(key, options)
            data = stored.data or b""
            start, stop = resolve_range(options, len(data))
        return GetResult(
            meta=stored.described,
            start=start,
            stop=stop,
            stream=BytesStream(data, start, stop),
            range_checksums=bool(stored.ranges),
        )

    def _read(self, key: str, options: GetOptions) -> Stored:
        refuse_options(options, "encryption")
        stored = self._account.find(self._container).find(key, options.version)
        check_read(options, stored.meta)
        return stored

    async def list_page(self, options: ListOptions) -> ListPage:
        size = self._page_size if options.limit is None else max(1, min(options.limit, self._page_size))
        with self.naming("list_page", options.prefix), LOCK:
            return self._account.find(self._container).page(options, size)

    async def list_versions(self, prefix: str, page_token: str | None = None) -> VersionPage:
        with self.naming("list_versions", prefix), LOCK:
            return self._account.find(self._container).version_page(prefix, page_token, self._page_size)

    # --- writing --------------------------------------------------------------------------------------------------

    async def put(self, key: str, body: Body, options: PutOptions) -> PutResult:
        with self.naming("put", key):
            if body.size > self._capabilities.max_put:
                raise too_large(body.size, self._capabilities.max_put, "one put")
            data = await collect(body)
            stored = await new_object(key, data, options)
            with LOCK:
                return self._publish(key, options, stored)

    def _publish(self, key: str, options: PutOptions | CopyOptions, stored: Stored) -> PutResult:
        """Make ``stored`` the object if the conditions hold; the caller has the lock."""
        container = self._account.find(self._container)
        current = container.objects.get(key)
        check_write(options.if_match, options.if_none_match, current.meta if current else None)
        return put_result(container.add(key, stored))

    async def append(self, key: str, body: Body, offset: int, options: PutOptions) -> PutResult:
        with self.naming("append", key):
            more = await collect(body)
            old = self._account.find(self._container).objects.get(key)
            before = old.data or b"" if old else b""
            if offset != len(before):
                raise PreconditionFailedError(
                    f"offset {offset} is not the object's size {len(before)}; read its size and append there"
                )
            stored = await new_object(key, before + more, options)
            if old is not None:
                stored = inherit(stored, old, options)
            with LOCK:
                if self._account.find(self._container).objects.get(key) is not old:
                    raise PreconditionFailedError("the object was changed meanwhile; read its size and append there")
                return self._publish(key, options, stored)

    async def set_metadata(self, key: str, options: PutOptions) -> PutResult:
        with self.naming("set_metadata", key):
            refuse_options(options, "encryption", "acl")
            with LOCK:
                container = self._account.find(self._container)
                old = container.find(key)
                check_write(options.if_match, None, old.meta)
                new = replace(old, meta=with_headers(old.meta, options), tags=options.tags or old.tags)
                container.amend(key, old, new)
            return put_result(new.meta)

    async def get_tags(self, key: str, version: str | None = None) -> Mapping[str, str]:
        with self.naming("get_tags", key):
            return dict(self._account.find(self._container).find(key, version).tags)

    async def set_tags(self, key: str, tags: Mapping[str, str], version: str | None = None) -> None:
        with self.naming("set_tags", key), LOCK:
            container = self._account.find(self._container)
            old = container.find(key, version)
            container.amend(key, old, replace(old, tags=dict(tags)))

    async def copy(self, source: str, target: str, options: CopyOptions, token: str | None = None) -> CopyStep:
        with self.naming("copy", source):
            stored = self._source(source, options)
            size = stored.meta.size
            if size > self._capabilities.max_copy:
                raise too_large(size, self._capabilities.max_copy, "one copy")
            refuse_options(options, "encryption", "acl")
        meta = replace(stored.meta, key=target, version=None, last_modified=datetime.now(UTC))
        if options.replace is not None:
            meta = with_headers(without_headers(meta), options.replace)
            stored = replace(stored, tags=options.replace.tags or stored.tags)
        if options.storage_class is not None:
            meta = replace(meta, storage_class=options.storage_class)
        with self.naming("copy", target), LOCK:
            return CopyStep(done=True, result=self._publish(target, options, replace(stored, meta=meta)))

    async def rename(self, source: str, target: str, options: CopyOptions) -> PutResult:
        with self.naming("rename", source), LOCK:
            stored = self._source(source, options)
            if source == target and options.if_none_match is None:
                return put_result(stored.meta)
            stored = replace(stored, meta=replace(stored.meta, key=target))
            result = self._publish(target, options, stored)
            self._account.find(self._container).remove(source, None)
            return result

    def _source(self, key: str, options: CopyOptions) -> Stored:
        refuse_options(GetOptions(encryption=options.source_encryption), "encryption")
        container = self._account.find(options.source_container or self._container)
        stored = container.find(key, options.source_version)
        check_read(GetOptions(if_match=options.source_if_match), stored.meta)
        return stored

    async def delete(self, key: str, options: DeleteOptions) -> None:
        with self.naming("delete", key), LOCK:
            container = self._account.find(self._container)
            current = container.objects.get(key)
            if current is not None and options.if_match is not None:
                check_write(options.if_match, None, current.meta)
            container.remove(key, options.version)

    async def delete_many(self, keys: Sequence[str], options: DeleteOptions) -> Sequence[DeleteResult]:
        if len(keys) > self._capabilities.delete_batch:
            message = f"{len(keys)} keys are more than the {self._capabilities.delete_batch} of one request; send fewer"
            raise StoreError(message, operation="delete_many", store=self._location)
        with self.naming("delete_many"):
            self._account.find(self._container)
        return [await self._delete_one(key, options) for key in keys]

    async def _delete_one(self, key: str, options: DeleteOptions) -> DeleteResult:
        try:
            await self.delete(key, options)
        except StoreError as error:
            return DeleteResult(key=key, error=error)
        return DeleteResult(key=key)

    async def restore(self, key: str, version: str | None, days: int | None) -> None:
        if not self._versioning:
            raise self.refusal("restore", key)
        if days is not None:
            message = "there is no archive in memory; leave days out to make an older version current"
            raise NotSupportedError(message, key=key, operation="restore", store=self._location)
        with self.naming("restore", key), LOCK:
            container = self._account.find(self._container)
            if version is None:
                readable = [old for old in container.versions_of(key) if old.data is not None]
                if not readable:
                    raise NotFoundError("the object has no version that could be restored")
                old = readable[-1]
            else:
                old = container.find(key, version)
            container.add(key, replace(old, meta=replace(old.meta, last_modified=datetime.now(UTC))))

    # --- multipart uploads ----------------------------------------------------------------------------------------

    async def create_multipart(self, key: str, options: PutOptions) -> Upload:
        with self.naming("create_multipart", key):
            refuse_options(options, "encryption", "acl")
            upload = Upload(key=key, id=new_id(), options=options, started=datetime.now(UTC))
            with LOCK:
                self._account.find(self._container).uploads[upload.id] = Pending(upload)
            return upload

    async def put_part(self, upload: Upload, number: int, offset: int, body: Body) -> Part:
        with self.naming("put_part", upload.key):
            if body.size > self._limits.max_size:
                raise too_large(body.size, self._limits.max_size, "one part")
            return await self._keep_part(upload, number, offset, await collect(body))

    async def copy_part(
        self, upload: Upload, number: int, offset: int, source: str, start: int, stop: int, options: CopyOptions
    ) -> Part:
        with self.naming("copy_part", source):
            data = self._source(source, options).data or b""
            resolve_range(GetOptions(start=start, stop=stop), len(data))
            if stop > len(data):
                raise InvalidRangeError(f"the source has only {len(data)} bytes; copy a range that it has")
        with self.naming("copy_part", upload.key):
            return await self._keep_part(upload, number, offset, data[start:stop])

    async def _keep_part(self, upload: Upload, number: int, offset: int, data: bytes) -> Part:
        if not 1 <= number <= self._limits.max_count:
            raise StoreError(f"part {number} cannot be: parts have the numbers 1 to {self._limits.max_count}")
        sums = await digests(data, (CHECKSUM, "md5"))
        part = Part(number=number, size=len(data), etag=sums["md5"], checksums=sums)
        with LOCK:
            self._pending(upload).parts[number] = (part, offset, data)
        return part

    def _pending(self, upload: Upload) -> Pending:
        pending = self._account.find(self._container).uploads.get(upload.id)
        if pending is None or pending.upload.key != upload.key:
            raise NotFoundError("no such upload: it was completed or aborted; begin a new one")
        return pending

    async def list_parts(self, upload: Upload, page_token: str | None = None) -> PartPage:
        with self.naming("list_parts", upload.key), LOCK:
            held = self._pending(upload).parts
            numbers = sorted(number for number in held if number > int(page_token or 0))
        page = numbers[: self._page_size]
        more = len(page) < len(numbers)
        return PartPage(parts=[held[number][0] for number in page], next_token=str(page[-1]) if more else None)

    async def list_ranges(
        self, key: str, meta: ObjectMeta, options: GetOptions, page_token: str | None = None
    ) -> PartPage:
        with self.naming("list_ranges", key):
            stored = self._read(key, replace(options, if_match=Match(etag=meta.etag, version=meta.version)))
        begin = int(page_token or 0)
        end = begin + self._page_size
        return PartPage(parts=stored.ranges[begin:end], next_token=str(end) if end < len(stored.ranges) else None)

    async def complete_multipart(self, upload: Upload, parts: Sequence[Part], options: PutOptions) -> PutResult:
        with self.naming("complete_multipart", upload.key):
            stored = await assemble(self._pending(upload), parts, self._limits, options)
            with LOCK:
                self._pending(upload)
                result = self._publish(upload.key, options, stored)
                del self._account.find(self._container).uploads[upload.id]
            return result

    async def abort_multipart(self, upload: Upload) -> None:
        with self.naming("abort_multipart", upload.key), LOCK:
            self._account.find(self._container).uploads.pop(upload.id, None)

    async def list_multipart(self, prefix: str, page_token: str | None = None) -> UploadPage:
        with self.naming("list_multipart", prefix), LOCK:
            pending = self._account.find(self._container).uploads.values()
            found = {f"{item.upload.key}\0{item.upload.id}": item.upload for item in pending}
        tokens = sorted(token for token in found if token.startswith(prefix) and token > (page_token or ""))
        page = tokens[: self._page_size]
        more = len(page) < len(tokens)
        return UploadPage(uploads=[found[token] for token in page], next_token=page[-1] if more else None)

    # --- containers -----------------------------------------------------------------------------------------------

    async def create_container(self) -> None:
        with self.naming("create_container"), LOCK:
            if self._container in self._account:
                raise AlreadyExistsError(f"the container {self._container!r} exists already; use it as it is")
            self._account.add(Container(self._container, versioning=self._versioning))

    async def delete_container(self) -> None:
        with self.naming("delete_container"), LOCK:
            if self._container in self._account:
                if not self._account.find(self._container).empty:
                    raise PreconditionFailedError("the container is not empty; delete its objects and versions first")
                self._account.remove(self._container)

    async def list_containers(self, page_token: str | None = None) -> ContainerPage:
        with LOCK:
            containers = [item for item in self._account if item.name > (page_token or "")]
        page = [ContainerInfo(name=item.name, created=item.created) for item in containers[: self._page_size]]
        more = len(page) < len(containers)
        return ContainerPage(containers=page, next_token=page[-1].name if more else None)
