"""What a driver need not write: every optional primitive, refused with an error that says what to do instead."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import ClassVar, Final

from aiostore.body import Body
from aiostore.capabilities import Capabilities
from aiostore.errors import NotSupportedError, StoreError
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

_ONE_PUT: Final = "write the object with one put"

ADVICE: Final[Mapping[str, str]] = {
    "sibling": "it has no containers beside its own: make another store",
    "put": "it can only be read: write to another store",
    "delete": "it can only be read: delete where the objects are written",
    "delete_many": "delete the objects one by one",
    "list_page": "read the keys that you know",
    "copy": "read the object and put it under the other key",
    "rename": "copy the object and delete the source",
    "create_multipart": _ONE_PUT,
    "put_part": _ONE_PUT,
    "copy_part": "read the bytes and put them as a part",
    "list_parts": _ONE_PUT,
    "list_ranges": "the object is verified as a whole",
    "complete_multipart": _ONE_PUT,
    "abort_multipart": _ONE_PUT,
    "list_multipart": _ONE_PUT,
    "append": "put the whole object again",
    "set_metadata": "put the object again with the new metadata",
    "get_tags": "keep the tags in the object's metadata",
    "set_tags": "keep the tags in the object's metadata",
    "list_versions": "it keeps no versions: write every version under a key of its own",
    "restore": "it keeps no versions or archive: put the object again",
    "sign": "there is no URL that others could use: hand the bytes on yourself",
    "sign_post": "take the file in your own service and put it",
    "create_container": "create the container with the service's own tools",
    "delete_container": "delete the container with the service's own tools",
    "list_containers": "name the container that you want",
}
"""The optional primitives, and what a caller can do where one is missing."""


class BaseDriver(ABC):
    """A driver that refuses everything optional; it satisfies :class:`~aiostore.protocol.Driver`.

    A subclass writes ``location``, ``capabilities``, ``head``, ``get``, ``aclose`` and the primitives that its service
    has. ``operations`` then names what it (or a mixin of it) has really written, for its ``Capabilities``; what depends
    on the configuration is subtracted there. ``advice`` replaces the advice of :data:`ADVICE` by better words.
    """

    operations: ClassVar[frozenset[str]] = frozenset({"head", "get"})
    advice: ClassVar[Mapping[str, str]] = {}

    def __init_subclass__(cls, **arguments: object) -> None:
        super().__init_subclass__(**arguments)
        written = (name for name in ADVICE if getattr(cls, name) is not getattr(BaseDriver, name))
        cls.operations = frozenset({"head", "get", *written})

    def refusal(self, operation: str, key: str | None = None) -> NotSupportedError:
        """The error that says that this store cannot do ``operation``, and what can be done instead."""
        advice = self.advice.get(operation) or ADVICE[operation]
        return NotSupportedError(
            f"this store does not support {operation}; {advice}", key=key, operation=operation, store=self.location
        )

    def naming(self, operation: str, key: str | None = None) -> _Naming:
        """A context in which every StoreError is told which operation, key and store it is about."""
        return _Naming(operation, key, self.location)

    @property
    @abstractmethod
    def location(self) -> str: ...

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities: ...

    @abstractmethod
    async def aclose(self) -> None: ...

    @abstractmethod
    async def head(self, key: str, options: GetOptions) -> ObjectMeta: ...

    @abstractmethod
    async def get(self, key: str, options: GetOptions) -> GetResult: ...

    def sibling(self, container: str) -> Driver:
        raise self.refusal("sibling")

    async def put(self, key: str, body: Body, options: PutOptions) -> PutResult:
        raise self.refusal("put", key)

    async def delete(self, key: str, options: DeleteOptions) -> None:
        raise self.refusal("delete", key)

    async def delete_many(self, keys: Sequence[str], options: DeleteOptions) -> Sequence[DeleteResult]:
        raise self.refusal("delete_many", keys[0] if keys else None)

    async def list_page(self, options: ListOptions) -> ListPage:
        raise self.refusal("list_page", options.prefix)

    async def copy(self, source: str, target: str, options: CopyOptions, token: str | None = None) -> CopyStep:
        raise self.refusal("copy", source)

    async def rename(self, source: str, target: str, options: CopyOptions) -> PutResult:
        raise self.refusal("rename", source)

    async def create_multipart(self, key: str, options: PutOptions) -> Upload:
        raise self.refusal("create_multipart", key)

    async def put_part(self, upload: Upload, number: int, offset: int, body: Body) -> Part:
        raise self.refusal("put_part", upload.key)

    async def copy_part(
        self, upload: Upload, number: int, offset: int, source: str, start: int, stop: int, options: CopyOptions
    ) -> Part:
        raise self.refusal("copy_part", upload.key)

    async def list_parts(self, upload: Upload, page_token: str | None = None) -> PartPage:
        raise self.refusal("list_parts", upload.key)

    async def list_ranges(
        self, key: str, meta: ObjectMeta, options: GetOptions, page_token: str | None = None
    ) -> PartPage:
        raise self.refusal("list_ranges", key)

    async def complete_multipart(self, upload: Upload, parts: Sequence[Part], options: PutOptions) -> PutResult:
        raise self.refusal("complete_multipart", upload.key)

    async def abort_multipart(self, upload: Upload) -> None:
        raise self.refusal("abort_multipart", upload.key)

    async def list_multipart(self, prefix: str, page_token: str | None = None) -> UploadPage:
        raise self.refusal("list_multipart", prefix)

    async def append(self, key: str, body: Body, offset: int, options: PutOptions) -> PutResult:
        raise self.refusal("append", key)

    async def set_metadata(self, key: str, options: PutOptions) -> PutResult:
        raise self.refusal("set_metadata", key)

    async def get_tags(self, key: str, version: str | None = None) -> Mapping[str, str]:
        raise self.refusal("get_tags", key)

    async def set_tags(self, key: str, tags: Mapping[str, str], version: str | None = None) -> None:
        raise self.refusal("set_tags", key)

    async def list_versions(self, prefix: str, page_token: str | None = None) -> VersionPage:
        raise self.refusal("list_versions", prefix)

    async def restore(self, key: str, version: str | None, days: int | None) -> None:
        raise self.refusal("restore", key)

    async def sign(self, key: str, options: SignOptions) -> str:
        raise self.refusal("sign", key)

    async def sign_post(self, key: str, options: PostOptions) -> SignedPost:
        raise self.refusal("sign_post", key)

    async def create_container(self) -> None:
        raise self.refusal("create_container")

    async def delete_container(self) -> None:
        raise self.refusal("delete_container")

    async def list_containers(self, page_token: str | None = None) -> ContainerPage:
        raise self.refusal("list_containers")


class _Naming:
    __slots__ = ("_key", "_operation", "_store")

    def __init__(self, operation: str, key: str | None, store: str) -> None:
        self._operation = operation
        self._key = key
        self._store = store

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, StoreError):
            error.locate(key=self._key, operation=self._operation, store=self._store)
