"""Objects as plain files below a directory: the key ``a/b.txt`` is the file ``a/b.txt``.

Other programs may use the tree at the same time. They see whole objects only, and what they write are objects too:
a write of ours appears in one step (a rename or a link), a file of theirs is one as soon as it is there.

- **Durable**: with ``fsync`` (the default) an answered write, copy or delete survives a power failure.
- **Conditions** are atomic between threads and processes that use this driver: all of them take the lock of the
  object's directory (``flock``) for the few system calls of publishing. Create-only is atomic towards every program,
  because a link is only made where the name is free.
- **Keys** that no file can have raise InvalidKeyError: empty segments, ``.`` and ``..``, names longer than 255 bytes,
  names that begin with ``.aiostore``; and a key that continues another object, or is the beginning of others'.
- **Nothing leaves the root**: symbolic links below it are neither followed nor listed, however they are set in a race.
  Reading or writing one raises InvalidKeyError. Pipes, sockets and devices are no objects.
- **Directories** exist while they hold objects: the first object makes them, the last one's deletion removes them.
- **Containers** are the directories beside the root; the root's own name is this one's.
- Metadata, tags and checksums: :mod:`~aiostore.drivers.local_attributes`. Uploads:
  :mod:`~aiostore.drivers.local_upload`.

A copy or an append writes the whole object anew. Where case or Unicode forms do not count in file names (macOS,
Windows), keys that differ only in them are one object. Windows and macOS are untested; on Windows a link that is set in
a race is followed, and if_match is not supported; nor is it on NFS, whose directories cannot be locked.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

from aiostore.body import READ_BLOCK, Body
from aiostore.capabilities import Capabilities, Conditions, Guarantee
from aiostore.drivers import local_upload as uploads
from aiostore.drivers.base import BaseDriver
from aiostore.drivers.base_conditions import check_read, check_write, refuse_options, resolve_range
from aiostore.drivers.local_attributes import PLAIN, Attributes, etag_of, meta_of
from aiostore.drivers.local_container import create_root, delete_root, directories
from aiostore.drivers.local_file import CHECKSUM, read_at
from aiostore.drivers.local_keys import split_key
from aiostore.drivers.local_leftovers import remove_leftovers
from aiostore.drivers.local_listing import Listings
from aiostore.drivers.local_lock import LOCKS
from aiostore.drivers.local_object import (
    READ_OPTIONS,
    amend_object,
    copy_object,
    delete_objects,
    open_object,
    open_source,
    rename_object,
    tags_of,
)
from aiostore.drivers.local_spelling import EXACT, SUFFIXED
from aiostore.drivers.local_stream import BytesStream, FileStream
from aiostore.drivers.local_thread import Stop, run, run_briefly
from aiostore.drivers.local_write import ObjectWriting, PartWriting, check_of, creates, verified, write
from aiostore.errors import (
    ConfigurationError,
    InvalidKeyError,
    InvalidRangeError,
    NotFoundError,
    NotSupportedError,
    PreconditionFailedError,
    StoreError,
)
from aiostore.types import (
    Container,
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
)

PAGE = 1000
"""Keys, parts or uploads of one page, and keys of one ``delete_many``."""

_IF_MATCH = Guarantee.ATOMIC if LOCKS else Guarantee.NONE
_CONDITIONS = Conditions(if_absent=Guarantee.ATOMIC, if_match=_IF_MATCH)


class LocalDriver(BaseDriver):
    """The objects below ``root``, which need not exist yet: ``create_container`` makes it.

    ``fsync=False`` lets the operating system decide when what was written reaches the disk; writes are atomic all the
    same, but may be lost when the machine fails. ``checksum=False`` stores objects of one put without the checksum that
    lets readers notice rotten disks. Computing it costs 0.08 ms/MiB, nothing beside an fsync. ``encoding_suffixes``:
    see :mod:`~aiostore.drivers.local_spelling`.
    """

    advice: ClassVar[Mapping[str, str]] = {"sign": "files have no signed URLs: hand the bytes on yourself"}

    def __init__(self, root: str | os.PathLike[str], *, fsync: bool = True, checksum: bool = True,
        encoding_suffixes: bool = False,
    ) -> None:  # fmt: skip
        if not os.fspath(root):
            raise ConfigurationError("LocalDriver(root): an empty path; use '.' for the working directory")
        self._root = os.path.abspath(root)
        self._make = partial(LocalDriver, fsync=fsync, checksum=checksum, encoding_suffixes=encoding_suffixes)
        self._spelling = SUFFIXED if encoding_suffixes else EXACT
        self._fsync = fsync
        self._checksums = (CHECKSUM,) if checksum else ()
        self._location = Path(self._root).as_uri()
        self._listings = Listings(self._root, self._spelling)
        self._capabilities = Capabilities(
            operations=self.operations,
            put=_CONDITIONS,
            complete=_CONDITIONS,
            copy=_CONDITIONS,
            delete=Conditions(if_match=_IF_MATCH),
            parallel_ranges=False,
            multipart=uploads.LIMITS,
            max_put=2**62,
            max_copy=2**62,
            delete_batch=PAGE,
            checksums=(CHECKSUM,),
        )

    def __reduce__(self) -> tuple[Callable[[str], LocalDriver], tuple[str]]:
        return self._make, (self._root,)

    @property
    def location(self) -> str:
        return self._location

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    def sibling(self, container: str) -> LocalDriver:
        return self._make(self._beside(container))

    def _beside(self, container: str) -> str:
        """The root of another container.

        Raises:
            InvalidKeyError: if it is not the name of one directory: nobody else's input may lead elsewhere.
        """
        if len(split_key(container)) != 1 or (os.altsep and os.altsep in container) or os.sep in container:
            raise InvalidKeyError("a container is one directory beside this one; its name has no slash", key=container)
        return os.path.join(os.path.dirname(self._root), container)

    async def aclose(self) -> None:
        self._listings.forget()

    # --- reading --------------------------------------------------------------------------------------------------

    async def head(self, key: str, options: GetOptions) -> ObjectMeta:
        with self.naming("head", key):
            return await run_briefly(lambda: self._head(key, options))

    def _head(self, key: str, options: GetOptions) -> ObjectMeta:
        refuse_options(options, *READ_OPTIONS)
        descriptor, status, attributes = open_object(self._root, key, self._spelling)
        os.close(descriptor)
        meta = meta_of(key, status, attributes)
        check_read(options, meta)
        return meta

    async def get(self, key: str, options: GetOptions) -> GetResult:
        with self.naming("get", key):
            return await run_briefly(lambda: self._get(key, options), undo=_close)

    def _get(self, key: str, options: GetOptions) -> GetResult:
        refuse_options(options, *READ_OPTIONS)
        descriptor, status, attributes = open_object(self._root, key, self._spelling)
        try:
            meta = meta_of(key, status, attributes)
            check_read(options, meta)
            start, stop = resolve_range(options, status.st_size)
            if stop - start > READ_BLOCK:
                return GetResult(meta=meta, start=start, stop=stop, stream=FileStream(descriptor, start, stop))
            data = read_at(descriptor, stop - start, start)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return GetResult(meta=meta, start=start, stop=stop, stream=BytesStream(data))

    async def list_page(self, options: ListOptions) -> ListPage:
        size = PAGE if options.limit is None else max(1, min(options.limit, PAGE))
        with self.naming("list_page", options.prefix):
            return await run(lambda: self._listings.page(options, size))

    # --- writing --------------------------------------------------------------------------------------------------

    async def put(self, key: str, body: Body, options: PutOptions) -> PutResult:
        with self.naming("put", key):
            _check_options(options)
            names = split_key(key)
            self._spelling.file_name(names[-1], options.content_encoding, key)

            def finish(writing: ObjectWriting) -> PutResult:
                attributes = Attributes.of(options, verified(writing.writer, options))
                return writing.finish(attributes, check_of(key, options), create=creates(options))

            return await write(body, lambda stop: self._writing(names, stop, options), finish)

    def _writing(self, names: Sequence[str], stop: Stop, options: PutOptions) -> ObjectWriting:
        checksums = {*self._checksums, *options.checksums}
        return ObjectWriting(self._root, names, stop, checksums, self._spelling, sync=self._fsync)

    async def append(self, key: str, body: Body, offset: int, options: PutOptions) -> PutResult:
        with self.naming("append", key):
            _check_options(options)
            names = split_key(key)
            before: list[tuple[os.stat_result, Attributes]] = []

            def begin(stop: Stop) -> ObjectWriting:
                try:
                    descriptor, status, attributes = open_object(self._root, key, self._spelling)
                except NotFoundError:
                    if offset:
                        raise PreconditionFailedError(f"there is no object with {offset} bytes to append to") from None
                    return self._writing(names, stop, options)
                try:
                    if offset != status.st_size:
                        raise PreconditionFailedError(
                            f"offset {offset} is not the object's size {status.st_size}; read its size and append there"
                        )
                    before.append((status, attributes))
                    writing = self._writing(names, stop, options)
                    try:
                        writing.writer.copy(descriptor, 0, offset)
                    except BaseException:
                        writing.close()
                        raise
                    return writing
                finally:
                    os.close(descriptor)

            def check(current: os.stat_result | None) -> None:
                if (etag_of(current) if current else None) != (etag_of(before[0][0]) if before else None):
                    raise PreconditionFailedError("the object was changed meanwhile; read its size and append there")
                check_write(options.if_match, options.if_none_match, meta_of(key, current) if current else None)

            def finish(writing: ObjectWriting) -> PutResult:
                old = before[0][1] if before else PLAIN
                attributes = old.updated(options)._replace(checksum=verified(writing.writer, options))
                return writing.finish(attributes, check, create=not before)

            return await write(body, begin, finish)

    async def copy(self, source: str, target: str, options: CopyOptions, token: str | None = None) -> CopyStep:
        stop = Stop()
        with self.naming("copy", target):
            refuse_options(options, "encryption", "acl", "storage_class")
            root = self._root if options.source_container is None else self._beside(options.source_container)
            result = await run(
                lambda: copy_object(root, source, self._root, target, options, stop, self._spelling, sync=self._fsync),
                stop,
            )
            return CopyStep(done=True, result=result)

    async def rename(self, source: str, target: str, options: CopyOptions) -> PutResult:
        with self.naming("rename", source):
            if options.replace is not None or options.source_container is not None:
                raise NotSupportedError("a rename changes nothing but the key; copy the object and delete the source")
            return await run(
                lambda: rename_object(self._root, source, target, options, self._spelling, sync=self._fsync)
            )

    async def delete(self, key: str, options: DeleteOptions) -> None:
        with self.naming("delete", key):
            (result,) = await self._delete([key], options)
            if result.error is not None:
                raise result.error

    async def delete_many(self, keys: Sequence[str], options: DeleteOptions) -> Sequence[DeleteResult]:
        with self.naming("delete_many"):
            if len(keys) > PAGE:
                raise StoreError(f"{len(keys)} keys are more than the {PAGE} of one request; send fewer")
            results = await self._delete(keys, options)
        for result in results:
            if result.error is not None:
                result.error.locate(key=result.key, operation="delete_many", store=self._location)
        return results

    async def _delete(self, keys: Sequence[str], options: DeleteOptions) -> Sequence[DeleteResult]:
        refuse_options(options, "version")
        stop = Stop()
        return await run(
            lambda: delete_objects(self._root, keys, options, stop, self._spelling, sync=self._fsync), stop
        )

    async def set_metadata(self, key: str, options: PutOptions) -> PutResult:
        with self.naming("set_metadata", key):
            _check_options(options)
            return await self._amend(key, lambda old: old.updated(options), options.if_match)

    async def get_tags(self, key: str, version: str | None = None) -> Mapping[str, str]:
        with self.naming("get_tags", key):
            refuse_options(GetOptions(version=version), "version")
            return dict(await run_briefly(lambda: tags_of(self._root, key, self._spelling)))

    async def set_tags(self, key: str, tags: Mapping[str, str], version: str | None = None) -> None:
        with self.naming("set_tags", key):
            refuse_options(GetOptions(version=version), "version")
            await self._amend(key, lambda old: old._replace(tags=tags), None)

    async def _amend(self, key: str, change: Callable[[Attributes], Attributes], if_match: Match | None) -> PutResult:
        return await run(lambda: amend_object(self._root, key, change, if_match, self._spelling, sync=self._fsync))

    # --- multipart uploads ----------------------------------------------------------------------------------------

    async def create_multipart(self, key: str, options: PutOptions) -> Upload:
        with self.naming("create_multipart", key):
            _check_options(options)
            return await run(
                lambda: uploads.begin(self._root, key, options, self._spelling, sync=self._fsync),
                undo=lambda upload: uploads.drop(self._root, upload),
            )

    async def put_part(self, upload: Upload, number: int, offset: int, body: Body) -> Part:
        with self.naming("put_part", upload.key):
            uploads.check_number(number)
            return await write(
                body,
                lambda stop: PartWriting(*uploads.open_data(self._root, upload), offset, stop),
                lambda writing: uploads.record(self._root, upload, number, offset, writing.writer),
            )

    async def copy_part(
        self, upload: Upload, number: int, offset: int, source: str, start: int, stop: int, options: CopyOptions
    ) -> Part:
        ended = Stop()

        def work() -> Part:
            descriptor, status, _ = open_source(root, source, options, self._spelling)
            try:
                if not 0 <= start < stop <= status.st_size:
                    message = f"[{start}, {stop}) is no range of the source's {status.st_size} bytes"
                    raise InvalidRangeError(message, key=source)
                with PartWriting(*uploads.open_data(self._root, upload), offset, ended) as writing:
                    writing.writer.copy(descriptor, start, stop)
                    return uploads.record(self._root, upload, number, offset, writing.writer)
            finally:
                os.close(descriptor)

        with self.naming("copy_part", upload.key):
            uploads.check_number(number)
            root = self._root if options.source_container is None else self._beside(options.source_container)
            return await run(work, ended)

    async def list_parts(self, upload: Upload, page_token: str | None = None) -> PartPage:
        with self.naming("list_parts", upload.key):
            return await run(lambda: uploads.part_page(self._root, upload, page_token, PAGE))

    async def complete_multipart(self, upload: Upload, parts: Sequence[Part], options: PutOptions) -> PutResult:
        with self.naming("complete_multipart", upload.key):
            return await run(
                lambda: uploads.complete(self._root, upload, parts, options, self._spelling, sync=self._fsync)
            )

    async def abort_multipart(self, upload: Upload) -> None:
        with self.naming("abort_multipart", upload.key):
            await run(lambda: uploads.drop(self._root, upload))

    async def list_multipart(self, prefix: str, page_token: str | None = None) -> UploadPage:
        with self.naming("list_multipart", prefix):
            return await run(lambda: uploads.upload_page(self._root, prefix, page_token, PAGE))

    # --- containers -----------------------------------------------------------------------------------------------

    async def create_container(self) -> None:
        with self.naming("create_container"):
            await run(lambda: create_root(self._root))

    async def delete_container(self) -> None:
        with self.naming("delete_container"):
            await run(lambda: delete_root(self._root))

    async def list_containers(self, page_token: str | None = None) -> ContainerPage:
        with self.naming("list_containers"):
            names = await run(lambda: directories(os.path.dirname(self._root)))
        names = [name for name in names if name > (page_token or "")]
        page = [Container(name=name) for name in names[:PAGE]]
        return ContainerPage(containers=page, next_token=page[-1].name if len(page) < len(names) else None)

    async def remove_leftovers(self, older_than: float = 3600.0) -> int:
        """Remove what killed processes have left, if nobody has touched it for ``older_than`` seconds.

        That are hidden files whose writer is gone, files and states of uploads that lack the other one, and sidecars of
        files that are gone; none of them is ever listed or read. Returns how many. An upload that could still be
        continued is not among them: abort it.
        """
        stop = Stop()
        with self.naming("remove_leftovers"):
            return await run(lambda: remove_leftovers(self._root, older_than, stop), stop)


def _check_options(options: PutOptions) -> None:
    refuse_options(options, "encryption", "acl", "storage_class")


def _close(result: GetResult) -> None:
    if isinstance(result.stream, FileStream):
        result.stream.close()
