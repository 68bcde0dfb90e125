"""The values that travel between callers, engine, wrappers and drivers: frozen, slotted, keyword-only.

Sizes and offsets are bytes of the *stored* object, times are aware :class:`~datetime.datetime` in UTC, checksums are
mappings from the algorithm's name (``"md5"``, ``"crc32"``, ``"crc32c"``, ``"crc64nvme"``, ``"crc64"``, ``"sha1"``,
``"sha256"``) to lower-case hexadecimal digits, and always of the whole stored object.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Generic, Protocol, TypeAlias, TypeVar, cast, runtime_checkable

from aiostore.errors import StoreError

T = TypeVar("T")

Buffer: TypeAlias = bytes | bytearray | memoryview
"""What may be sent: any contiguous buffer of bytes."""

NOTHING: Final[Mapping[str, str]] = {}
"""The empty mapping that absent metadata, tags, headers and checksums share; nobody may write to it."""


def _nothing() -> Mapping[str, str]:
    return NOTHING


# --- what is known of an object -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectMeta:
    """What a service says of one object. Listings fill what the service lists; ``head`` and ``get`` fill the rest.

    ``etag`` is without quotes and without the weak mark; ``version`` is the version id or generation, ``None`` where
    the container keeps no versions. ``size`` is -1 where the service does not say it: a web server that makes an answer
    while it sends it, or rounds in its indexes. ``content_encoding`` is what the service stores. ``extra`` holds what
    only this service knows (restore state, lock mode, …) under the service's own names.
    """

    key: str
    size: int
    last_modified: datetime | None = None
    etag: str | None = None
    version: str | None = None
    content_type: str | None = None
    content_encoding: str | None = None
    content_disposition: str | None = None
    content_language: str | None = None
    cache_control: str | None = None
    storage_class: str | None = None
    metadata: Mapping[str, str] = field(default_factory=_nothing)
    checksums: Mapping[str, str] = field(default_factory=_nothing)
    extra: Mapping[str, str] = field(default_factory=_nothing)


class _Draft:
    """An ObjectMeta whose fields can still be set: it has the same slots, so it can become one."""

    __slots__ = ObjectMeta.__slots__


def object_meta(
    key: str,
    size: int,
    last_modified: datetime | None = None,
    etag: str | None = None,
    version: str | None = None,
    content_type: str | None = None,
    content_encoding: str | None = None,
    content_disposition: str | None = None,
    content_language: str | None = None,
    cache_control: str | None = None,
    storage_class: str | None = None,
    metadata: Mapping[str, str] = NOTHING,
    checksums: Mapping[str, str] = NOTHING,
    extra: Mapping[str, str] = NOTHING,
) -> ObjectMeta:
    """``ObjectMeta(...)`` at a sixth of the price, for listings and small requests.

    A frozen dataclass sets each field through ``object.__setattr__``; this sets them on a twin that is not frozen yet.
    """
    meta: Any = _Draft()
    meta.key = key
    meta.size = size
    meta.last_modified = last_modified
    meta.etag = etag
    meta.version = version
    meta.content_type = content_type
    meta.content_encoding = content_encoding
    meta.content_disposition = content_disposition
    meta.content_language = content_language
    meta.cache_control = cache_control
    meta.storage_class = storage_class
    meta.metadata = metadata
    meta.checksums = checksums
    meta.extra = extra
    meta.__class__ = ObjectMeta
    made: ObjectMeta = meta
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectVersion:
    """One entry of a version listing. A delete marker has size 0 and cannot be read."""

    meta: ObjectMeta
    is_latest: bool
    is_delete_marker: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A bucket or container, as the account's listing shows it."""

    name: str
    created: datetime | None = None
    region: str | None = None


# --- options of one call; wrappers hand them on unopened ------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The state of an object that a precondition demands: the driver uses the version (generation) or the ETag."""

    etag: str | None = None
    version: str | None = None


ANY: Final = Match(etag="*")
"""Matches whatever exists: ``if_none_match=ANY`` is create-only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encryption:
    """Server-side encryption.

    ``algorithm`` is the service's name (``"AES256"``, ``"aws:kms"``, …), ``kms_key`` names a key that the service
    holds, ``customer_key`` is a 32-byte key that it does not keep: it must be given again for every read.
    """

    algorithm: str | None = None
    kms_key: str | None = None
    customer_key: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class GetOptions:
    """Which bytes of which version, and on what condition.

    The range is half-open; ``start`` < 0 counts from the end (and ``stop`` is then None); ``stop=None`` is the end.
    ``meta`` of the answer describes the whole object whatever the range.
    """

    start: int | None = None
    stop: int | None = None
    if_match: Match | None = None
    if_none_match: Match | None = None
    if_modified_since: datetime | None = None
    version: str | None = None
    encryption: Encryption | None = None
    headers: Mapping[str, str] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True, kw_only=True)
class PutOptions:
    """What is stored with an object, and on what condition it is written.

    ``if_none_match=ANY`` is create-only. ``tags`` and ``acl`` are the service's own. ``checksums`` are of the whole
    body and known beforehand: a driver sends those that the service checks. ``headers`` are sent as they are, last.
    """

    content_type: str | None = None
    content_encoding: str | None = None
    content_disposition: str | None = None
    content_language: str | None = None
    cache_control: str | None = None
    metadata: Mapping[str, str] = field(default_factory=_nothing)
    tags: Mapping[str, str] = field(default_factory=_nothing)
    storage_class: str | None = None
    encryption: Encryption | None = None
    acl: str | None = None
    if_match: Match | None = None
    if_none_match: Match | None = None
    checksums: Mapping[str, str] = field(default_factory=_nothing)
    headers: Mapping[str, str] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteOptions:
    """Which version is deleted, and on what condition."""

    if_match: Match | None = None
    version: str | None = None
    headers: Mapping[str, str] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyOptions:
    """How a server-side copy is made.

    ``source_*`` speak of the object that is read, the rest of the one that is written. ``replace`` given: the copy
    takes these content headers and metadata instead of the source's. ``source_container`` of None is our own.
    """

    source_container: str | None = None
    source_version: str | None = None
    source_if_match: Match | None = None
    source_encryption: Encryption | None = None
    if_match: Match | None = None
    if_none_match: Match | None = None
    replace: PutOptions | None = None
    storage_class: str | None = None
    encryption: Encryption | None = None
    acl: str | None = None
    headers: Mapping[str, str] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOptions:
    """One page of a listing. ``page_token`` is the service's, ``start_after`` is exclusive, ``limit`` None its own."""

    prefix: str = ""
    delimiter: str | None = None
    start_after: str | None = None
    page_token: str | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOptions:
    """A signed URL: what it allows and for how many seconds. ``headers`` must be sent by whoever uses the URL."""

    method: str = "GET"
    expires_in: float = 3600
    params: Mapping[str, str] = field(default_factory=_nothing)
    headers: Mapping[str, str] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostOptions:
    """A signed form: for how many seconds it may be used, and what it may upload.

    ``min_size`` and ``max_size`` bound the file in bytes. A ``content_type`` that ends in ``/`` allows all types that
    begin so. ``fields`` are further fields of the form, such as metadata, which must arrive as they are.
    """

    expires_in: float = 3600
    min_size: int = 0
    max_size: int | None = None
    content_type: str | None = None
    fields: Mapping[str, str] = field(default_factory=_nothing)


# --- what primitives answer -----------------------------------------------------------------------------------------


@runtime_checkable
class ByteStream(Protocol):
    """The body of one answer. It owns a connection (or file) until it is read to its end or closed.

    Reads raise :class:`~aiostore.errors.TransientError` if the body is cut or ends early; the stream is closed then.
    """

    async def next_chunk(self) -> bytes:
        """The next bytes as they arrive, of any size; ``b""`` is the end, and every call after it."""
        ...

    async def read(self) -> bytes:
        """All bytes that are left, in one buffer; closes the stream.

        A ``TransientError`` may carry what came before the cut as ``received``: the read goes on behind it.
        """
        ...

    async def aclose(self) -> None:
        """Give the connection back, or drop it if bytes are left. Safe to repeat, and never raises."""
        ...


@dataclass(slots=True, kw_only=True)
class GetResult:
    """An answer to ``get``: ``stream`` holds exactly the bytes ``[start, stop)`` of the object that ``meta`` describes.

    Not a value but the owner of a connection, so wrappers may put their own stream around ``stream``. A service that
    ignores ranges shows in ``start`` and ``stop``; ``ranges`` is false where it is not worth asking for further ones.
    ``stop`` means nothing if the object's size is unknown. ``checksums`` are of just these bytes, where the service
    computes them for a range; ``range_checksums``: it keeps some of ranges, which ``list_ranges`` tells. Whoever
    receives this closes ``stream``.
    """

    meta: ObjectMeta
    start: int
    stop: int
    stream: ByteStream
    ranges: bool = True
    checksums: Mapping[str, str] = field(default_factory=_nothing)
    range_checksums: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PutResult:
    """What a write answered. ``checksums`` are those the service computed or checked, so they held."""

    etag: str | None = None
    version: str | None = None
    size: int = 0
    checksums: Mapping[str, str] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedPost:
    """A form that uploads one file: its ``action`` is ``url``, ``fields`` come before its ``file`` field."""

    url: str
    fields: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """Objects and common prefixes in the service's order; ``next_token`` is None on the last page."""

    objects: Sequence[ObjectMeta] = ()
    common_prefixes: Sequence[str] = ()
    next_token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListResult:
    """What ``list_with_delimiter`` answers: all pages of one level."""

    objects: Sequence[ObjectMeta]
    common_prefixes: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionPage:
    """One page of versions, newest first within a key."""

    versions: Sequence[ObjectVersion] = ()
    next_token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteResult:
    """What became of one key of a bulk delete: ``error`` is None where it is gone (also if it never was)."""

    key: str
    error: StoreError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemResult(Generic[T]):
    """What became of item number ``index`` (from 0) of a call on many: ``value``, or the ``error`` that it met."""

    index: int
    key: str
    value: T | None = None
    error: Exception | None = None

    def unwrap(self) -> T:
        """The value.

        Raises:
            Exception: the error, if there is one.
        """
        if self.error is not None:
            raise self.error
        return cast("T", self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyStep:
    """One step of a server-side copy; ``token`` continues one that is not ``done``, at best after ``wait`` seconds."""

    done: bool
    token: str | None = None
    result: PutResult | None = None
    wait: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A multipart upload under way. It can be pickled and continued elsewhere.

    ``options`` are those of its creation: some services apply them at completion. ``extra`` is the driver's own.
    ``leaves_parts``: they outlive the completion, until ``abort_multipart`` drops them.
    """

    key: str
    id: str
    options: PutOptions = field(default_factory=PutOptions)
    started: datetime | None = None
    extra: Mapping[str, str] = field(default_factory=_nothing)
    leaves_parts: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part that the service holds: numbers start at 1, ``size`` in bytes, ``checksums`` of this part alone."""

    number: int
    size: int
    etag: str | None = None
    checksums: Mapping[str, str] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartPage:
    """One page of the parts of an upload, or of an object that is stored in parts, by number."""

    parts: Sequence[Part] = ()
    next_token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadPage:
    """One page of the uploads under way."""

    uploads: Sequence[Upload] = ()
    next_token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerPage:
    """One page of the account's containers."""

    containers: Sequence[Container] = ()
    next_token: str | None = None


# --- what callers say of a call -------------------------------------------------------------------------------------

Condition: TypeAlias = str | ObjectMeta | PutResult
"""The state that a precondition demands: an ETag, or what a read or a write answered."""

Progress: TypeAlias = Callable[[int, int | None], None]
"""Called with (bytes done, bytes in all or None) as a transfer moves. It must return at once."""
