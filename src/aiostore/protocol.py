"""The two contracts: :class:`AsyncObjectStore` for application code, :class:`Driver` for services.

An application asks for an ``AsyncObjectStore``, so that a fake of fourteen methods stands in for it in tests. A service
implements ``Driver``, about two dozen request-shaped primitives; everything else (whole, streamed, ranged, resumed and
verified reads, part sizes, concurrent multipart writes, paging, retries, limits) is derived from them, once.
"""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import (
    BinaryIO,
    Protocol,
    TypeAlias,
    Unpack,
    overload,
    runtime_checkable,
)

from aiostore.body import Body
from aiostore.capabilities import Capabilities
from aiostore.handles import AsyncBinaryFile, AsyncTextFile, BinaryMode, FileOptions, ObjectStream, TextMode
from aiostore.policies import Timeouts
from aiostore.types import (
    Buffer,
    Condition,
    ContainerPage,
    CopyOptions,
    CopyStep,
    DeleteOptions,
    DeleteResult,
    Encryption,
    GetOptions,
    GetResult,
    ListOptions,
    ListPage,
    ListResult,
    ObjectMeta,
    Part,
    PartPage,
    PostOptions,
    Progress,
    PutOptions,
    PutResult,
    SignedPost,
    SignOptions,
    Upload,
    UploadPage,
    VersionPage,
)

Source: TypeAlias = Buffer | Path | BinaryIO | Iterable[Buffer] | AsyncIterable[Buffer]
"""What can be written: bytes, a local file, an open binary file, or an iterable of buffers of any number and size."""


@runtime_checkable
class AsyncObjectStore(Protocol):
    """What application code asks for: the fourteen core verbs over one container and prefix.

    Keys are opaque strings, sent as they are. Every method raises a :class:`~aiostore.errors.StoreError` that names
    key, operation and store; ``NotFoundError`` if the object or container is missing, ``PermissionDeniedError`` and
    ``UnauthenticatedError`` if the service says so, ``TransientError`` once the retries are used up. A cancelled call
    leaves no request, connection, part or temporary file behind; a cancelled write has published nothing unless its
    final request had been sent, and then either all or nothing.
    """

    async def put(
        self,
        key: str,
        data: Source,
        *,
        content_type: str | None = None,
        content_encoding: str | None = None,
        content_disposition: str | None = None,
        content_language: str | None = None,
        cache_control: str | None = None,
        metadata: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        storage_class: str | None = None,
        encryption: Encryption | None = None,
        acl: str | None = None,
        if_match: Condition | None = None,
        if_none_match: Condition | None = None,
        if_absent: bool = False,
        compress: str | None = None,
        level: int | None = None,
        part_size: int | None = None,
        concurrency: int | None = None,
        progress: Progress | None = None,
        headers: Mapping[str, str] | None = None,
        best_effort: bool = False,
    ) -> PutResult:
        """Write one object of any size, atomically: readers see the old object or all of the new one.

        Large and unknown sizes go as concurrent multipart writes; memory is bounded by the process's byte budget. The
        caller's buffers are not copied and must not be changed until the call returns.

        Raises:
            TypeError: if ``data`` is a ``str`` (which could be text or a path: encode it, or wrap it in ``Path``).
            AlreadyExistsError: if ``if_absent`` and the object exists.
            PreconditionFailedError: if ``if_match`` or ``if_none_match`` does not hold.
            WriteOutcomeUnknownError: if a conditional write's answer was lost and the service no longer tells.
            NotSupportedError: if a condition is not atomic on this service and ``best_effort`` is false, or an option
                does not exist there.
        """
        ...

    async def get(
        self,
        key: str,
        *,
        start: int | None = None,
        stop: int | None = None,
        if_match: Condition | None = None,
        if_none_match: Condition | None = None,
        if_modified_since: datetime | None = None,
        version: str | None = None,
        encryption: Encryption | None = None,
        raw: bool = False,
    ) -> bytes:
        """Read an object, or the bytes ``[start, stop)`` of it as it is stored, verified as far as the service allows.

        A negative ``start`` counts from the end. A range that runs past the end gives what there is.

        Raises:
            NotModifiedError: if ``if_none_match`` or ``if_modified_since`` says that the caller has it.
            InvalidRangeError: if the range starts past the end.
            CorruptedError: if the bytes do not match their checksum, also after they were read again.
        """
        ...

    def stream(
        self,
        key: str,
        *,
        start: int | None = None,
        stop: int | None = None,
        if_match: Condition | None = None,
        if_none_match: Condition | None = None,
        if_modified_since: datetime | None = None,
        version: str | None = None,
        encryption: Encryption | None = None,
        raw: bool = False,
        chunk_size: int | None = None,
        concurrency: int | None = None,
    ) -> ObjectStream:
        """Read as ``get`` does, in chunks, with parallel read-ahead in bounded memory; safe to leave at any moment.

        ``chunk_size`` makes every chunk but the last exactly this long; without it chunks come as they arrive.
        ``concurrency`` is the most ranges in flight.
        """
        ...

    @overload
    def open(
        self, key: str, mode: TextMode = "r", *, encoding: str | None = None, errors: str | None = None,
        newline: str | None = None, **options: Unpack[FileOptions],
    ) -> AsyncTextFile: ...  # fmt: skip
    @overload
    def open(self, key: str, mode: BinaryMode, **options: Unpack[FileOptions]) -> AsyncBinaryFile: ...
    def open(
        self, key: str, mode: str = "r", *, encoding: str | None = None, errors: str | None = None,
        newline: str | None = None, **options: Unpack[FileOptions],
    ) -> AsyncTextFile | AsyncBinaryFile:  # fmt: skip
        """A buffered file over one object; nothing is sent before it is entered or used.

        Modes are ``r``, ``w``, ``x`` (create only, decided by the service) and ``a`` (what is written goes behind what
        is there), each with ``t`` for text (the default) or ``b`` for bytes. ``encoding`` is UTF-8 unless given.
        ``newline`` is as in :func:`open`, but None writes plain newlines on every platform, so that an object is the
        same whoever writes it. ``options`` are those of :class:`FileOptions`.

        Appending keeps content headers and metadata, and fails rather than lose bytes if the object changes meanwhile,
        as far as the service's conditions go. The service does it by itself, or copies what is there into a multipart
        upload; only where it can do neither, or the object is smaller than a part, are the old bytes read and sent
        again. What was written is on the service in one step, as with ``w``, unless it is more than the service appends
        at a time (``Capabilities.max_append``).

        Modes with a ``+`` read and write a private copy on the local disk, which replaces the object when the file is
        closed, provided that this is still what was copied.

        Raises:
            ConfigurationError: if mode or options are wrong or do not fit together; it is a ``ValueError``.
            NotSupportedError: (on entering) if the mode has a ``+``, the service cannot tell whether the object was
                changed meanwhile, and ``best_effort`` is false; or if a compressed object is to be changed in place or
                appended to.
            LookupError: if encoding or error handler are unknown.
        """
        ...

    async def head(self, key: str, *, version: str | None = None, encryption: Encryption | None = None) -> ObjectMeta:
        """What the service says of the object, without its bytes."""
        ...

    async def exists(self, key: str) -> bool:
        """Whether the object exists. Errors other than "not found" are raised."""
        ...

    def list(self, prefix: str = "", *, start_after: str | None = None) -> AsyncIterator[ObjectMeta]:
        """Every object whose key starts with ``prefix`` and sorts after ``start_after``, page by page."""
        ...

    async def list_with_delimiter(self, prefix: str = "", *, delimiter: str = "/") -> ListResult:
        """One level: the objects below ``prefix`` up to the next ``delimiter``, and the common prefixes."""
        ...

    async def get_range(self, key: str, start: int, stop: int | None = None) -> bytes:
        """The bytes ``[start, stop)`` of the stored object; a negative ``start`` counts from the end."""
        ...

    async def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> builtins.list[bytes]:
        """Several ranges ``(start, stop)`` of one state of the object, in the order asked, near ones in one request."""
        ...

    async def delete(
        self, key: str, *, version: str | None = None, if_match: Condition | None = None, best_effort: bool = False
    ) -> None:
        """Delete the object. A missing one is no error, so that a delete can be repeated."""
        ...

    async def copy(self, source: str, target: str, *, if_absent: bool = False, best_effort: bool = False) -> PutResult:
        """Copy within the store, on the service's side, with metadata, whatever the size."""
        ...

    async def rename(
        self, source: str, target: str, *, if_absent: bool = False, best_effort: bool = False
    ) -> PutResult:
        """Copy, then delete the source; where the service renames, one atomic step.

        If it is cancelled or fails between the two, both objects exist: it can be repeated.
        """
        ...

    async def sign(
        self,
        key: str,
        *,
        method: str = "GET",
        expires_in: float = 3600,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """A URL that allows ``method`` on this object to whoever holds it, for ``expires_in`` seconds."""
        ...


@runtime_checkable
class Driver(Protocol):
    """All that differs between services.

    A primitive is one request, or a documented sequence of requests each of which can be sent again by itself. It does
    not retry, page, split, cache or wait. It raises the :class:`~aiostore.errors.StoreError` that the answer means;
    a ``TransientError`` says that the same call may be made again, with ``answered=False`` where the request may have
    been carried out although no answer came. Methods may be called concurrently, from one event loop per (process,
    loop); what belongs to a loop is opened on first use there. Only ``head``, ``get`` and ``aclose`` are mandatory:
    ``drivers.base.BaseDriver`` refuses the others with ``NotSupportedError``.
    """

    @property
    def location(self) -> str:
        """The store's URL for messages and traces, such as ``"s3://bucket"``; never with credentials."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What this service can do and promise. Constant once the driver is made.

        Only limits may turn out to be narrower, when ``create_multipart`` has begun the first upload.
        """
        ...

    def sibling(self, container: str) -> Driver:
        """The same service with another container; session, credentials and limits are shared. Sends nothing."""
        ...

    async def aclose(self) -> None:
        """Release what this process and event loop hold. Safe to repeat; the driver opens again when it is used."""
        ...

    async def head(self, key: str, options: GetOptions) -> ObjectMeta:
        """What is known of the object, with its checksums where the service stores any.

        Raises:
            NotFoundError: if there is no such object.
            NotModifiedError, PreconditionFailedError: as the conditions of ``options`` say.
        """
        ...

    async def get(self, key: str, options: GetOptions) -> GetResult:
        """Send the request and read the answer's head; the body is in ``GetResult.stream``, which the caller closes.

        A range is honoured or shows as not honoured in ``start`` and ``stop``, which are checked against the answer's
        Content-Range. A range past the end is cut; the body is as stored, never decoded. A whole read of an empty
        object is an empty body.

        Raises:
            NotFoundError, NotModifiedError, PreconditionFailedError: as for ``head``.
            InvalidRangeError: if the range starts past the end.
        """
        ...

    async def put(self, key: str, body: Body, options: PutOptions) -> PutResult:
        """Write the object in one request, atomically, with a checksum that the service checks where it can.

        Raises:
            AlreadyExistsError: if ``if_none_match=ANY`` and it exists.
            PreconditionFailedError: if another condition does not hold.
            CorruptedError: if the service says that it received other bytes (TransientError where that may pass).
        """
        ...

    async def delete(self, key: str, options: DeleteOptions) -> None:
        """Delete the object; a missing one is no error, a missing container is ``NotFoundError``."""
        ...

    async def delete_many(self, keys: Sequence[str], options: DeleteOptions) -> Sequence[DeleteResult]:
        """Delete up to ``capabilities.delete_batch`` objects in one request; results are in the order of ``keys``."""
        ...

    async def list_page(self, options: ListOptions) -> ListPage:
        """One page of keys that start with ``options.prefix``."""
        ...

    async def copy(self, source: str, target: str, options: CopyOptions, token: str | None = None) -> CopyStep:
        """One step of a copy on the service's side; the engine repeats it with the step's token until it is done."""
        ...

    async def rename(self, source: str, target: str, options: CopyOptions) -> PutResult:
        """Move in one atomic step, where the service can; elsewhere the engine copies and deletes."""
        ...

    async def create_multipart(self, key: str, options: PutOptions) -> Upload:
        """Begin a multipart upload. Nothing is visible until it is completed."""
        ...

    async def put_part(self, upload: Upload, number: int, offset: int, body: Body) -> Part:
        """Send part ``number`` (from 1), whose first byte is at ``offset``; concurrent, in any order, repeatable."""
        ...

    async def copy_part(
        self, upload: Upload, number: int, offset: int, source: str, start: int, stop: int, options: CopyOptions
    ) -> Part:
        """Make part ``number`` of the bytes ``[start, stop)`` of an existing object, on the service's side."""
        ...

    async def list_parts(self, upload: Upload, page_token: str | None = None) -> PartPage:
        """One page of the parts that the service holds.

        Raises:
            NotFoundError: if there is no such upload.
        """
        ...

    async def list_ranges(
        self, key: str, meta: ObjectMeta, options: GetOptions, page_token: str | None = None
    ) -> PartPage:
        """One page of the parts that the object ``meta`` is stored in, with their checksums if the service keeps any.

        It lets a stream heal a range that arrives corrupted, and is asked where ``GetResult.range_checksums`` says so.
        It also tells the sizes that the checksum ``md5-of-parts`` is computed with; none if the service does not.
        """
        ...

    async def complete_multipart(self, upload: Upload, parts: Sequence[Part], options: PutOptions) -> PutResult:
        """Make the object of ``parts`` (in order) visible atomically, under the conditions of ``options``.

        Raises:
            NotFoundError: if there is no such upload, which is also what a repeated completion may meet.
        """
        ...

    async def abort_multipart(self, upload: Upload) -> None:
        """Drop the upload and its parts; a missing one is no error. Join parts under way first, or they may survive.

        Of an upload that ``leaves_parts`` it is called after the completion, too, and leaves the object alone.
        """
        ...

    async def list_multipart(self, prefix: str, page_token: str | None = None) -> UploadPage:
        """One page of uploads under way whose keys start with ``prefix``."""
        ...

    async def append(self, key: str, body: Body, offset: int, options: PutOptions) -> PutResult:
        """Add bytes at ``offset``, which must be the object's size (0 creates it); only for appendable objects."""
        ...

    async def set_metadata(self, key: str, options: PutOptions) -> PutResult:
        """Replace content headers and metadata in place; what ``options`` leaves out is kept."""
        ...

    async def get_tags(self, key: str, version: str | None = None) -> Mapping[str, str]:
        """The object's tags."""
        ...

    async def set_tags(self, key: str, tags: Mapping[str, str], version: str | None = None) -> None:
        """Replace the object's tags; an empty mapping removes them."""
        ...

    async def list_versions(self, prefix: str, page_token: str | None = None) -> VersionPage:
        """One page of versions and delete markers."""
        ...

    async def restore(self, key: str, version: str | None, days: int | None) -> None:
        """Make a deleted or an older version current again, or fetch an archived object back for ``days`` days."""
        ...

    async def sign(self, key: str, options: SignOptions) -> str:
        """A signed URL; no request is sent (a credential refresh may be)."""
        ...

    async def sign_post(self, key: str, options: PostOptions) -> SignedPost:
        """A signed form that uploads one file under ``key``, as a browser sends it; no request is sent."""
        ...

    async def create_container(self) -> None:
        """Create the container of this driver.

        Raises:
            AlreadyExistsError: if it exists, whoever owns it.
        """
        ...

    async def delete_container(self) -> None:
        """Delete the container, which must be empty; a missing one is no error."""
        ...

    async def list_containers(self, page_token: str | None = None) -> ContainerPage:
        """One page of the account's containers."""
        ...


@runtime_checkable
class TimedDriver(Protocol):
    """A driver with a transport of its own, which ``Store(driver, timeouts=...)`` hands its timeouts to."""

    def use_timeouts(self, timeouts: Timeouts) -> None:
        """Keep to ``timeouts`` on every connection that is opened from now on."""
        ...
