"""The shape every wrapper has: a driver around a driver, with one hook that all primitives pass through."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar, TypeVarTuple

from aiostore.body import Body
from aiostore.capabilities import Capabilities
from aiostore.protocol import Driver
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

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Wrapper:
    """Hands every primitive to the driver inside, through :meth:`around`.

    The methods are plain functions that return the hook's coroutine: one coroutine less on the path of each request.
    A subclass overrides ``around``, or the primitives that it treats differently.
    """

    __slots__ = ("inner",)

    def __init__(self, inner: Driver) -> None:
        self.inner = inner

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.inner!r})"

    async def around(self, operation: str, key: str | None, call: Callable[[*Ts], Awaitable[T]], *arguments: *Ts) -> T:
        """Carry out ``call(*arguments)``, which is the primitive ``operation`` on ``key``."""
        return await call(*arguments)

    def rewrap(self, inner: Driver) -> Driver:
        """This wrapper, with the same shared state, around another driver."""
        raise NotImplementedError

    @property
    def location(self) -> str:
        return self.inner.location

    @property
    def capabilities(self) -> Capabilities:
        return self.inner.capabilities

    def sibling(self, container: str) -> Driver:
        return self.rewrap(self.inner.sibling(container))

    async def aclose(self) -> None:
        await self.inner.aclose()

    def head(self, key: str, options: GetOptions) -> Coroutine[Any, Any, ObjectMeta]:
        return self.around("head", key, self.inner.head, key, options)

    def get(self, key: str, options: GetOptions) -> Coroutine[Any, Any, GetResult]:
        return self.around("get", key, self.inner.get, key, options)

    def put(self, key: str, body: Body, options: PutOptions) -> Coroutine[Any, Any, PutResult]:
        return self.around("put", key, self.inner.put, key, body, options)

    def delete(self, key: str, options: DeleteOptions) -> Coroutine[Any, Any, None]:
        return self.around("delete", key, self.inner.delete, key, options)

    def delete_many(self, keys: Sequence[str], options: DeleteOptions) -> Coroutine[Any, Any, Sequence[DeleteResult]]:
        return self.around("delete_many", None, self.inner.delete_many, keys, options)

    def list_page(self, options: ListOptions) -> Coroutine[Any, Any, ListPage]:
        return self.around("list_page", None, self.inner.list_page, options)

    def copy(
        self, source: str, target: str, options: CopyOptions, token: str | None = None
    ) -> Coroutine[Any, Any, CopyStep]:
        return self.around("copy", target, self.inner.copy, source, target, options, token)

    def rename(self, source: str, target: str, options: CopyOptions) -> Coroutine[Any, Any, PutResult]:
        return self.around("rename", target, self.inner.rename, source, target, options)

    def create_multipart(self, key: str, options: PutOptions) -> Coroutine[Any, Any, Upload]:
        return self.around("create_multipart", key, self.inner.create_multipart, key, options)

    def put_part(self, upload: Upload, number: int, offset: int, body: Body) -> Coroutine[Any, Any, Part]:
        return self.around("put_part", upload.key, self.inner.put_part, upload, number, offset, body)

    def copy_part(
        self, upload: Upload, number: int, offset: int, source: str, start: int, stop: int, options: CopyOptions
    ) -> Coroutine[Any, Any, Part]:
        return self.around(
            "copy_part", upload.key, self.inner.copy_part, upload, number, offset, source, start, stop, options
        )

    def list_parts(self, upload: Upload, page_token: str | None = None) -> Coroutine[Any, Any, PartPage]:
        return self.around("list_parts", upload.key, self.inner.list_parts, upload, page_token)

    def list_ranges(
        self, key: str, meta: ObjectMeta, options: GetOptions, page_token: str | None = None
    ) -> Coroutine[Any, Any, PartPage]:
        return self.around("list_ranges", key, self.inner.list_ranges, key, meta, options, page_token)

    def complete_multipart(
        self, upload: Upload, parts: Sequence[Part], options: PutOptions
    ) -> Coroutine[Any, Any, PutResult]:
        return self.around("complete_multipart", upload.key, self.inner.complete_multipart, upload, parts, options)

    def abort_multipart(self, upload: Upload) -> Coroutine[Any, Any, None]:
        return self.around("abort_multipart", upload.key, self.inner.abort_multipart, upload)

    def list_multipart(self, prefix: str, page_token: str | None = None) -> Coroutine[Any, Any, UploadPage]:
        return self.around("list_multipart", None, self.inner.list_multipart, prefix, page_token)

    def append(self, key: str, body: Body, offset: int, options: PutOptions) -> Coroutine[Any, Any, PutResult]:
        return self.around("append", key, self.inner.append, key, body, offset, options)

    def set_metadata(self, key: str, options: PutOptions) -> Coroutine[Any, Any, PutResult]:
        return self.around("set_metadata", key, self.inner.set_metadata, key, options)

    def get_tags(self, key: str, version: str | None = None) -> Coroutine[Any, Any, Mapping[str, str]]:
        return self.around("get_tags", key, self.inner.get_tags, key, version)

    def set_tags(self, key: str, tags: Mapping[str, str], version: str | None = None) -> Coroutine[Any, Any, None]:
        return self.around("set_tags", key, self.inner.set_tags, key, tags, version)

    def list_versions(self, prefix: str, page_token: str | None = None) -> Coroutine[Any, Any, VersionPage]:
        return self.around("list_versions", None, self.inner.list_versions, prefix, page_token)

    def restore(self, key: str, version: str | None, days: int | None) -> Coroutine[Any, Any, None]:
        return self.around("restore", key, self.inner.restore, key, version, days)

    def sign(self, key: str, options: SignOptions) -> Coroutine[Any, Any, str]:
        return self.around("sign", key, self.inner.sign, key, options)

    def sign_post(self, key: str, options: PostOptions) -> Coroutine[Any, Any, SignedPost]:
        return self.around("sign_post", key, self.inner.sign_post, key, options)

    def create_container(self) -> Coroutine[Any, Any, None]:
        return self.around("create_container", None, self.inner.create_container)

    def delete_container(self) -> Coroutine[Any, Any, None]:
        return self.around("delete_container", None, self.inner.delete_container)

    def list_containers(self, page_token: str | None = None) -> Coroutine[Any, Any, ContainerPage]:
        return self.around("list_containers", None, self.inner.list_containers, page_token)
