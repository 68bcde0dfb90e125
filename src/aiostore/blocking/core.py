"""The core verbs of a store, for code that does not await; ``BlockingStore`` adds the rest."""

from __future__ import annotations

import builtins
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Literal, Self, Unpack, overload

from aiostore.blocking import portal
from aiostore.blocking.files import Random, Reader, ReadMode, Text, WriteMode, Writer, open_file
from aiostore.blocking.stream import BlockingStream
from aiostore.capabilities import Capabilities
from aiostore.handles import BinaryMode, FileOptions, TextMode, UpdateMode
from aiostore.protocol import Source
from aiostore.store import Store
from aiostore.types import Condition, Encryption, ListResult, ObjectMeta, Progress, PutResult

LISTED_AHEAD = 999
"""Entries of a listing that one way through the loop brings beyond the one asked for: a page, at most."""


class BlockingCoreStore:
    """The verbs of :class:`~aiostore.protocol.AsyncObjectStore`; each waits for that of the store below.

    Arguments, results and errors are the same. Callbacks (``progress``, credential callbacks) are called in the
    bridge's thread, and must not call the blocking API themselves.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._store.location}>"

    @property
    def store(self) -> Store:
        """The asynchronous store below."""
        return self._store

    @property
    def location(self) -> str:
        """The store's URL, without credentials."""
        return self._store.location

    @property
    def capabilities(self) -> Capabilities:
        """What the service can do and promise."""
        return self._store.capabilities

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections of the bridge, and the store below for good. Safe to repeat.

        A store that is never closed delays nothing and warns of nothing.
        """
        portal.run(self._store.aclose())

    # --- reading

    def get(
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
        """Read an object, or the bytes ``[start, stop)`` of it."""
        return portal.run(
            self._store.get(
                key,
                start=start,
                stop=stop,
                if_match=if_match,
                if_none_match=if_none_match,
                if_modified_since=if_modified_since,
                version=version,
                encryption=encryption,
                raw=raw,
            )
        )

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
    ) -> BlockingStream:
        """Read an object in chunks, ahead and in order; an iterator and context manager."""
        stream = self._store.stream(
            key,
            start=start,
            stop=stop,
            if_match=if_match,
            if_none_match=if_none_match,
            if_modified_since=if_modified_since,
            version=version,
            encryption=encryption,
            raw=raw,
            chunk_size=chunk_size,
            concurrency=concurrency,
        )
        return BlockingStream(stream, chunk_size)

    def get_range(self, key: str, start: int, stop: int | None = None) -> bytes:
        """The bytes ``[start, stop)`` of the stored object; a negative ``start`` counts from the end."""
        return portal.run(self._store.get_range(key, start, stop))

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> builtins.list[bytes]:
        """Several ranges ``(start, stop)`` of one state of the object, in the order asked, near ones in one request."""
        return portal.run(self._store.get_ranges(key, ranges))

    def head(self, key: str, *, version: str | None = None, encryption: Encryption | None = None) -> ObjectMeta:
        """What the service says of the object, without its bytes."""
        return portal.run(self._store.head(key, version=version, encryption=encryption))

    def exists(self, key: str) -> bool:
        """Whether the object exists. Errors other than "not found" are raised."""
        return portal.run(self._store.exists(key))

    # --- files

    @overload
    def open(
        self, key: str, mode: TextMode = "r", buffering: int = -1, encoding: str | None = None,
        errors: str | None = None, newline: str | None = None, **options: Unpack[FileOptions],
    ) -> Text: ...  # fmt: skip
    @overload
    def open(  # type: ignore[overload-overlap]  # 0 is an int, and the first that fits is meant
        self, key: str, mode: BinaryMode, buffering: Literal[0], **options: Unpack[FileOptions]
    ) -> io.RawIOBase: ...
    @overload
    def open(self, key: str, mode: ReadMode, buffering: int = -1, **options: Unpack[FileOptions]) -> Reader: ...
    @overload
    def open(self, key: str, mode: WriteMode, buffering: int = -1, **options: Unpack[FileOptions]) -> Writer: ...
    @overload
    def open(self, key: str, mode: UpdateMode, buffering: int = -1, **options: Unpack[FileOptions]) -> Random: ...
    def open(
        self, key: str, mode: str = "r", buffering: int = -1, encoding: str | None = None,
        errors: str | None = None, newline: str | None = None, **options: Unpack[FileOptions],
    ) -> io.IOBase:  # fmt: skip
        """Open an object as :func:`open` does a local file; the file is one of :mod:`io`'s classes.

        A writer publishes its object, atomically, when it is closed, or its ``with`` is left without an exception;
        ``abort()``, an exception there, or dropping the file publishes nothing. Modes with a ``+`` read and write a
        private copy on the local disk, which replaces the object if this is still what was copied. ``encoding`` is
        UTF-8 unless given.
        ``options`` are those of :class:`~aiostore.handles.FileOptions`.
        """
        return open_file(self._store, key, mode, buffering, encoding, errors, newline, options)

    # --- writing

    def put(
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
        """Write one object of any size, atomically.

        Files and iterables are read in a worker thread while this waits, streams of other stores where they are.
        """
        return portal.run(
            self._store.put(
                key,
                data.below if isinstance(data, BlockingStream) else data,
                content_type=content_type,
                content_encoding=content_encoding,
                content_disposition=content_disposition,
                content_language=content_language,
                cache_control=cache_control,
                metadata=metadata,
                tags=tags,
                storage_class=storage_class,
                encryption=encryption,
                acl=acl,
                if_match=if_match,
                if_none_match=if_none_match,
                if_absent=if_absent,
                compress=compress,
                level=level,
                part_size=part_size,
                concurrency=concurrency,
                progress=progress,
                headers=headers,
                best_effort=best_effort,
            )
        )

    def delete(
        self, key: str, *, version: str | None = None, if_match: Condition | None = None, best_effort: bool = False
    ) -> None:
        """Delete the object. A missing one is no error, so that a delete can be repeated."""
        portal.run(self._store.delete(key, version=version, if_match=if_match, best_effort=best_effort))

    def copy(
        self,
        source: str,
        target: str,
        *,
        source_container: str | None = None,
        if_absent: bool = False,
        best_effort: bool = False,
    ) -> PutResult:
        """Copy within the store, on the service's side, with metadata, whatever the size."""
        return portal.run(
            self._store.copy(
                source, target, source_container=source_container, if_absent=if_absent, best_effort=best_effort
            )
        )

    def rename(self, source: str, target: str, *, if_absent: bool = False, best_effort: bool = False) -> PutResult:
        """Copy, then delete the source; where the service renames, one atomic step."""
        return portal.run(self._store.rename(source, target, if_absent=if_absent, best_effort=best_effort))

    # --- listing

    def list(self, prefix: str = "", *, start_after: str | None = None) -> Iterator[ObjectMeta]:
        """Every object whose key starts with ``prefix`` and sorts after ``start_after``, page by page."""
        return portal.iterate(self._store.list(prefix, start_after=start_after), ahead=LISTED_AHEAD)

    def list_with_delimiter(self, prefix: str = "", *, delimiter: str = "/") -> ListResult:
        """One level: the objects below ``prefix`` up to the next ``delimiter``, and the common prefixes."""
        return portal.run(self._store.list_with_delimiter(prefix, delimiter=delimiter))

    def sign(
        self,
        key: str,
        *,
        method: str = "GET",
        expires_in: float = 3600,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """A URL that allows ``method`` on this object to whoever holds it, for ``expires_in`` seconds."""
        return portal.run(self._store.sign(key, method=method, expires_in=expires_in, params=params, headers=headers))
