"""A driver that sees only the keys below a prefix, without the prefix."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar, TypeVarTuple

from aiostore.body import Body
from aiostore.errors import StoreError
from aiostore.protocol import Driver
from aiostore.types import (
    CopyOptions,
    CopyStep,
    DeleteOptions,
    DeleteResult,
    GetOptions,
    GetResult,
    ListOptions,
    ListPage,
    ObjectMeta,
    Part,
    PartPage,
    PostOptions,
    PutOptions,
    PutResult,
    SignedPost,
    SignOptions,
    Upload,
    UploadPage,
    VersionPage,
)
from aiostore.wrappers.wrapper import Wrapper

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class PrefixDriver(Wrapper):
    """Puts a prefix before every key on the way in and takes it off on the way out, from errors too.

    The prefix is a plain string: ``PrefixDriver(driver, "a")`` shows ``ab`` as ``b``. Siblings keep it.
    """

    __slots__ = ("_length", "prefix")

    def __init__(self, inner: Driver, prefix: str) -> None:
        super().__init__(inner)
        self.prefix = prefix
        self._length = len(prefix)

    def rewrap(self, inner: Driver) -> Driver:
        return PrefixDriver(inner, self.prefix)

    @property
    def location(self) -> str:
        return f"{self.inner.location}/{self.prefix}"

    def _outer_meta(self, meta: ObjectMeta) -> ObjectMeta:
        return replace(meta, key=meta.key[self._length :])

    def _outer_upload(self, upload: Upload) -> Upload:
        return replace(upload, key=upload.key[self._length :])

    def _inner_upload(self, upload: Upload) -> Upload:
        return replace(upload, key=self.prefix + upload.key)

    async def around(self, operation: str, key: str | None, call: Callable[[*Ts], Awaitable[T]], *arguments: *Ts) -> T:
        try:
            return await call(*arguments)
        except StoreError as error:
            self._outer_error(error)
            raise

    def _outer_error(self, error: StoreError) -> None:
        if error.key is not None and error.key.startswith(self.prefix):
            key, error.key = error.key[self._length :], None
            error.store = None
            error.locate(key=key, store=self.location)

    def head(self, key: str, options: GetOptions) -> Coroutine[Any, Any, ObjectMeta]:
        return self._head(key, options)

    async def _head(self, key: str, options: GetOptions) -> ObjectMeta:
        return self._outer_meta(await super().head(self.prefix + key, options))

    def get(self, key: str, options: GetOptions) -> Coroutine[Any, Any, GetResult]:
        return self._get(key, options)

    async def _get(self, key: str, options: GetOptions) -> GetResult:
        result = await super().get(self.prefix + key, options)
        result.meta = self._outer_meta(result.meta)
        return result

    def put(self, key: str, body: Body, options: PutOptions) -> Coroutine[Any, Any, PutResult]:
        return super().put(self.prefix + key, body, options)

    def delete(self, key: str, options: DeleteOptions) -> Coroutine[Any, Any, None]:
        return super().delete(self.prefix + key, options)

    def delete_many(self, keys: Sequence[str], options: DeleteOptions) -> Coroutine[Any, Any, Sequence[DeleteResult]]:
        return self._delete_many(keys, options)

    async def _delete_many(self, keys: Sequence[str], options: DeleteOptions) -> Sequence[DeleteResult]:
        results = await super().delete_many([self.prefix + key for key in keys], options)
        for result in results:
            if result.error is not None:
                self._outer_error(result.error)
        return [DeleteResult(key=key, error=result.error) for key, result in zip(keys, results, strict=True)]

    def list_page(self, options: ListOptions) -> Coroutine[Any, Any, ListPage]:
        return self._list_page(options)

    async def _list_page(self, options: ListOptions) -> ListPage:
        start_after = None if options.start_after is None else self.prefix + options.start_after
        page = await super().list_page(replace(options, prefix=self.prefix + options.prefix, start_after=start_after))
        return ListPage(
            objects=[self._outer_meta(meta) for meta in page.objects],
            common_prefixes=[prefix[self._length :] for prefix in page.common_prefixes],
            next_token=page.next_token,
        )

    def copy(
        self, source: str, target: str, options: CopyOptions, token: str | None = None
    ) -> Coroutine[Any, Any, CopyStep]:
        return super().copy(self.prefix + source, self.prefix + target, options, token)

    def rename(self, source: str, target: str, options: CopyOptions) -> Coroutine[Any, Any, PutResult]:
        return super().rename(self.prefix + source, self.prefix + target, options)

    def create_multipart(self, key: str, options: PutOptions) -> Coroutine[Any, Any, Upload]:
        return self._create_multipart(key, options)

    async def _create_multipart(self, key: str, options: PutOptions) -> Upload:
        return self._outer_upload(await super().create_multipart(self.prefix + key, options))

    def put_part(self, upload: Upload, number: int, offset: int, body: Body) -> Coroutine[Any, Any, Part]:
        return super().put_part(self._inner_upload(upload), number, offset, body)

    def copy_part(
        self, upload: Upload, number: int, offset: int, source: str, start: int, stop: int, options: CopyOptions
    ) -> Coroutine[Any, Any, Part]:
        return super().copy_part(self._inner_upload(upload), number, offset, self.prefix + source, start, stop, options)

    def list_parts(self, upload: Upload, page_token: str | None = None) -> Coroutine[Any, Any, PartPage]:
        return super().list_parts(self._inner_upload(upload), page_token)

    def list_ranges(
        self, key: str, meta: ObjectMeta, options: GetOptions, page_token: str | None = None
    ) -> Coroutine[Any, Any, PartPage]:
        return super().list_ranges(self.prefix + key, meta, options, page_token)

    def complete_multipart(
        self, upload: Upload, parts: Sequence[Part], options: PutOptions
    ) -> Coroutine[Any, Any, PutResult]:
        return super().complete_multipart(self._inner_upload(upload), parts, options)

    def abort_multipart(self, upload: Upload) -> Coroutine[Any, Any, None]:
        return super().abort_multipart(self._inner_upload(upload))

    def list_multipart(self, prefix: str, page_token: str | None = None) -> Coroutine[Any, Any, UploadPage]:
        return self._list_multipart(prefix, page_token)

    async def _list_multipart(self, prefix: str, page_token: str | None) -> UploadPage:
        page = await super().list_multipart(self.prefix + prefix, page_token)
        return replace(page, uploads=[self._outer_upload(upload) for upload in page.uploads])

    def append(self, key: str, body: Body, offset: int, options: PutOptions) -> Coroutine[Any, Any, PutResult]:
        return super().append(self.prefix + key, body, offset, options)

    def set_metadata(self, key: str, options: PutOptions) -> Coroutine[Any, Any, PutResult]:
        return super().set_metadata(self.prefix + key, options)

    def get_tags(self, key: str, version: str | None = None) -> Coroutine[Any, Any, Mapping[str, str]]:
        return super().get_tags(self.prefix + key, version)

    def set_tags(self, key: str, tags: Mapping[str, str], version: str | None = None) -> Coroutine[Any, Any, None]:
        return super().set_tags(self.prefix + key, tags, version)

    def list_versions(self, prefix: str, page_token: str | None = None) -> Coroutine[Any, Any, VersionPage]:
        return self._list_versions(prefix, page_token)

    async def _list_versions(self, prefix: str, page_token: str | None) -> VersionPage:
        page = await super().list_versions(self.prefix + prefix, page_token)
        return replace(page, versions=[replace(item, meta=self._outer_meta(item.meta)) for item in page.versions])

    def restore(self, key: str, version: str | None, days: int | None) -> Coroutine[Any, Any, None]:
        return super().restore(self.prefix + key, version, days)

    def sign(self, key: str, options: SignOptions) -> Coroutine[Any, Any, str]:
        return super().sign(self.prefix + key, options)

    def sign_post(self, key: str, options: PostOptions) -> Coroutine[Any, Any, SignedPost]:
        return super().sign_post(self.prefix + key, options)
