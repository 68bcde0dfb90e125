"""What a store hands out: the stream of an object's bytes, and open files; protocols, for fakes in tests.

They cannot be asked for with ``isinstance``: that would read properties which an unopened stream or file does not have.
"""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Iterable, Mapping
from types import TracebackType
from typing import Literal, Protocol, Self, TypeAlias, TypedDict, TypeVar

from aiostore.types import Buffer, Condition, Encryption, ObjectMeta, Progress, PutResult

WritableBuffer: TypeAlias = bytearray | memoryview
"""What can be read into."""

TextMode: TypeAlias = Literal[
    "r", "rt", "tr", "w", "wt", "tw", "x", "xt", "tx", "a", "at", "ta",
    "r+", "+r", "rt+", "r+t", "w+", "+w", "wt+", "w+t", "x+", "+x", "xt+", "x+t", "a+", "+a", "at+", "a+t",
]  # fmt: skip
"""Modes of text; those with a ``+`` read and write."""

UpdateMode: TypeAlias = Literal[
    "r+b", "rb+", "br+", "w+b", "wb+", "bw+", "x+b", "xb+", "bx+", "a+b", "ab+", "ba+",
]  # fmt: skip
"""Modes that read and write."""

BinaryMode: TypeAlias = Literal["rb", "br", "wb", "bw", "xb", "bx", "ab", "ba"] | UpdateMode

T = TypeVar("T", bytes, str)


class ObjectStream(Protocol):
    """The bytes of one object, in order, as they arrive.

    ``async for chunk in stream`` may be left at any moment: what was read ahead is dropped in the background. As an
    async context manager, entering sends the first request, so that a missing object raises there and ``meta`` is
    known; leaving ends every request of this stream before it returns.
    """

    @property
    def meta(self) -> ObjectMeta:
        """What the service says of the object. Known once the stream was entered or the first chunk was read."""
        ...

    @property
    def verified(self) -> str | None:
        """The checksum algorithm that proved all bytes, once the last chunk was read; None if none could."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def __anext__(self) -> bytes:
        """The next bytes.

        Raises:
            NotFoundError: if there is no such object (first chunk only).
            ObjectChangedError: if the object was replaced or deleted while it was being read.
            CorruptedError: instead of the last chunk, if the bytes do not match the object's checksum.
        """
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def aclose(self) -> None:
        """End every request of this stream. Safe to repeat."""
        ...


class FileOptions(TypedDict, total=False):
    """The keywords of ``open`` beyond the standard library's.

    ``buffer_size`` is the bytes that a reader asks for at least with one request, and that a writer collects before
    they are handed on (64 KiB); ``concurrency`` the most ranges or parts that move at once. A reader takes ``version``,
    ``encryption``, ``if_match`` and ``raw``; a writer all but ``version`` and ``raw``, as ``put`` does.

    A compressed object is read decoded, unless ``raw``: from its beginning on, so that moving back, or to a place far
    behind, costs what lies before it. ``compress`` and ``level`` compress what is written.
    """

    buffer_size: int | None
    concurrency: int | None
    version: str | None
    encryption: Encryption | None
    if_match: Condition | None
    if_none_match: Condition | None
    if_absent: bool
    content_type: str | None
    content_encoding: str | None
    content_disposition: str | None
    content_language: str | None
    cache_control: str | None
    metadata: Mapping[str, str] | None
    tags: Mapping[str, str] | None
    storage_class: str | None
    acl: str | None
    headers: Mapping[str, str] | None
    compress: str | None
    level: int | None
    raw: bool
    part_size: int | None
    progress: Progress | None
    best_effort: bool


class AsyncFile(Protocol[T]):
    """What binary and text files have in common: names and semantics of :mod:`io`, with waiting methods awaited.

    A file is opened by ``async with``, or by its first operation; a missing object raises there. It reads or it writes:
    the other half of the methods raises :class:`io.UnsupportedOperation`; modes with a ``+`` have both. Every
    method but the properties, ``aclose`` and ``abort`` raises ``ValueError`` once the file is closed, and
    ``RuntimeError`` while another task is in the middle of one.

    All reads are of the object that was there when the file was opened. A writer publishes its object, atomically, when
    it is closed or its ``async with`` is left without an exception; ``abort``, an exception, a cancellation, or
    dropping the file publishes nothing and leaves nothing.
    """

    @property
    def name(self) -> str:
        """The key of the object."""
        ...

    @property
    def mode(self) -> str:
        """The mode as it was given."""
        ...

    @property
    def closed(self) -> bool:
        """Whether the file was closed or aborted."""
        ...

    @property
    def meta(self) -> ObjectMeta:
        """What the service said of the object that is read, when it was opened.

        Raises:
            StoreClosedError: if the file is not open yet.
            io.UnsupportedOperation: if it is a writer.
        """
        ...

    @property
    def result(self) -> PutResult:
        """What the service answered to the write.

        Raises:
            StoreClosedError: if nothing was published (yet).
            io.UnsupportedOperation: if it is a reader.
        """
        ...

    def readable(self) -> bool:
        """Whether it reads."""
        ...

    def writable(self) -> bool:
        """Whether it writes."""
        ...

    def seekable(self) -> bool:
        """Whether it can be moved in: every reader can."""
        ...

    async def read(self, size: int | None = -1) -> T:
        """The next ``size`` bytes or characters, fewer only at the end; all that are left without ``size``.

        Raises:
            ObjectChangedError: if the object was replaced or deleted since the file was opened.
            CorruptedError: if an object that was read from its beginning to its end, in order, does not match its
                checksum: instead of the last bytes.
        """
        ...

    async def readline(self, size: int | None = -1) -> T:
        """One line with its newline, at most ``size`` of it; empty at the end."""
        ...

    async def readlines(self, hint: int | None = -1) -> builtins.list[T]:
        """The lines that are left; no further one once they are longer than ``hint`` in all."""
        ...

    async def seek(self, offset: int, whence: int = 0) -> int:
        """Move a reader; returns the new position. Sends nothing: the next read asks for what it needs.

        Raises:
            ValueError: if the position would be negative.
        """
        ...

    def tell(self) -> int:
        """The position: of binary files and text writers in bytes, of text readers a number that ``seek`` takes."""
        ...

    async def truncate(self, size: int | None = None) -> int:
        """Make a file that reads and writes ``size`` bytes long, or end it at the position; returns the size."""
        ...

    async def flush(self) -> None:
        """Hand on what is buffered; a service publishes nothing before the file is closed."""
        ...

    async def aclose(self) -> None:
        """Close; a writer publishes its object. Safe to repeat.

        Raises:
            StoreError: if the object could not be published, or a write before failed: then nothing is published.
        """
        ...

    async def abort(self) -> None:
        """Close and publish nothing. Safe to repeat, and after ``aclose``, when it changes nothing."""
        ...

    def __aiter__(self) -> AsyncIterator[T]: ...
    async def __anext__(self) -> T:
        """The next line."""
        ...

    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class AsyncBinaryFile(AsyncFile[bytes], Protocol):
    """A buffered binary file over one object, as :class:`io.BufferedReader` or :class:`io.BufferedWriter`."""

    async def readall(self) -> bytes:
        """All bytes that are left."""
        ...

    async def read1(self, size: int = -1) -> bytes:
        """At most ``size`` bytes, with at most one wait for more: what is buffered, or what arrives next."""
        ...

    async def readinto(self, buffer: WritableBuffer) -> int:
        """Fill ``buffer``; returns the number of bytes, fewer than it holds only at the end."""
        ...

    async def peek(self, size: int = 0) -> bytes:
        """At least ``size`` bytes and at least one, unless the end is nearer, without moving on."""
        ...

    async def write(self, data: Buffer) -> int:
        """Take all of ``data``, waiting while too many parts before it are under way; returns its length in bytes.

        ``data`` may be changed as soon as this returns. A file in which a write was cancelled or failed is not
        published any more: nobody knows how much of it was taken.
        """
        ...

    async def writelines(self, lines: Iterable[Buffer]) -> None:
        """Write each item; newlines are not added."""
        ...


class AsyncTextFile(AsyncFile[str], Protocol):
    """A buffered text file over one object, as :class:`io.TextIOWrapper`."""

    @property
    def encoding(self) -> str:
        """The encoding: UTF-8 unless another was given, whatever the locale."""
        ...

    @property
    def errors(self) -> str:
        """What becomes of bytes or characters that cannot be decoded or encoded."""
        ...

    @property
    def newlines(self) -> str | tuple[str, ...] | None:
        """The kinds of newline read so far, where they are recognised."""
        ...

    @property
    def buffer(self) -> AsyncBinaryFile:
        """The binary file below."""
        ...

    async def write(self, text: str) -> int:
        """Take all of ``text``; returns its length in characters."""
        ...

    async def writelines(self, lines: Iterable[str]) -> None:
        """Write each item; newlines are not added."""
        ...
