"""Files of ``io`` over objects: the buffers and the text layer of the standard library, which publish with care.

They differ from their bases in two things: a ``with`` that is left by an exception publishes nothing, and ``abort()``
does the same. Everything else is ``io``'s own.
"""

from __future__ import annotations

import io
import warnings
from types import TracebackType
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from aiostore.blocking import portal
from aiostore.blocking.raw import Ending, RawFile, RawReader, RawUpdater, RawWriter
from aiostore.errors import AlreadyExistsError, ConfigurationError, StoreError
from aiostore.files.mode import Mode, check_options, check_text, parse
from aiostore.files.reader import BinaryReader
from aiostore.files.updater import BinaryUpdater
from aiostore.files.writer import BinaryWriter
from aiostore.handles import BinaryMode, FileOptions
from aiostore.store import Store
from aiostore.types import ObjectMeta, PutResult

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

ReadMode: TypeAlias = Literal["rb", "br"]
WriteMode: TypeAlias = Literal["wb", "bw", "xb", "bx", "ab", "ba"]
READ_BUFFER = 64 * 1024
"""Bytes of a reader's buffer, and that a read which jumps asks for at least."""

WRITE_BUFFER = 1024**2
"""Bytes that a writer collects."""


class Reader(io.BufferedReader):
    """An object that is read; an :class:`io.BufferedReader`."""

    raw: RawReader

    @property
    def meta(self) -> ObjectMeta:
        """What the service said of the object when the file was opened."""
        return self.raw.meta

    def read(self, size: int | None = -1, /) -> bytes:
        """The next ``size`` bytes, fewer only at the end; all that are left without ``size``."""
        # io reads whole buffers and then the rest, which would be a request each.
        if size is not None and size > READ_BUFFER:
            self.raw.expect(size)
        return super().read(size)

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill ``buffer``; returns the number of bytes, fewer than it holds only at the end."""
        size = memoryview(buffer).nbytes
        if size > READ_BUFFER:
            self.raw.expect(size)
        return super().readinto(buffer)


class Writer(io.BufferedWriter):
    """An object that is being written; an :class:`io.BufferedWriter`. ``close`` publishes."""

    raw: RawWriter

    @property
    def result(self) -> PutResult:
        """What the service answered, once the object was published."""
        return self.raw.result

    def write(self, data: ReadableBuffer, /) -> int:
        """Take all of ``data``; returns its length in bytes."""
        # io would copy it, and what it hands on is copied once more, since it uses its buffer again.
        if (len(data) if isinstance(data, bytes) else memoryview(data).nbytes) < WRITE_BUFFER:
            return super().write(data)
        self.flush()
        return self.raw.write(data)

    def abort(self) -> None:
        """Close and publish nothing. Safe to repeat, and after ``close``, when it changes nothing."""
        self.raw.abort()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.abort()
        super().__exit__(kind, error, trace)


class Random(io.BufferedRandom):
    """An object that is read and written in place; an :class:`io.BufferedRandom` over a private copy.

    ``close`` publishes what was changed, provided that the object is still what was copied.
    """

    raw: RawUpdater

    @property
    def meta(self) -> ObjectMeta | None:
        """What the service said of the object that was copied; None if there was none."""
        return self.raw.meta

    @property
    def result(self) -> PutResult | None:
        """What the service answered, once the object was published."""
        return self.raw.result

    def abort(self) -> None:
        """Close and publish nothing. Safe to repeat, and after ``close``, when it changes nothing."""
        self.raw.abort()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.abort()
        super().__exit__(kind, error, trace)


class Text(io.TextIOWrapper):
    """An object as text; an :class:`io.TextIOWrapper` over one of the binary files."""

    def abort(self) -> None:
        """Close and publish nothing. Safe to repeat, and after ``close``, when it changes nothing."""
        _raw(self.buffer).abort()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.abort()
        super().__exit__(kind, error, trace)


def _raw(buffer: object) -> Ending:
    return cast("Ending", cast("io.BufferedReader", buffer).raw)


def open_file(
    store: Store,
    key: str,
    mode: str,
    buffering: int,
    encoding: str | None,
    errors: str | None,
    newline: str | None,
    given: FileOptions,
    name: str | None = None,
) -> Text | Reader | Writer | Random | RawFile | RawUpdater:
    """A file over the object ``key``, open; ``name`` is what it is called, unless that is the key.

    ``buffering`` is as in :func:`open`: 0 for none, 1 for text that is handed on line by line, else a number of bytes.
    """
    asked = check_open(key, mode, buffering, encoding, errors, newline, given)
    if buffering == 1 and asked.binary:
        warnings.warn(
            "line buffering (buffering=1) isn't supported in binary mode, the default buffer size will be used",
            RuntimeWarning,
            stacklevel=3,
        )
    raw = _open_raw(store, key, asked, given, key if name is None else name)
    if buffering == 0:
        return raw
    buffer = _buffered(raw, buffering if buffering > 1 else None)
    if asked.binary:
        return buffer
    if newline is None and not raw.readable():
        newline = "\n"  # whoever writes an object, it is the same
    if isinstance(raw, RawWriter):
        raw.tells = True
    text = Text(buffer, encoding or "utf-8", errors, newline, line_buffering=buffering == 1)
    if isinstance(raw, RawWriter):
        raw.tells = False
    text.mode = mode  # type: ignore[misc]  # as io.open() does
    return text


def check_open(
    key: str,
    mode: str,
    buffering: int,
    encoding: str | None,
    errors: str | None,
    newline: str | None,
    given: FileOptions,
) -> Mode:
    """What the mode means, after a look at all arguments; errors are those of :func:`open`."""
    asked = parse(mode, key)
    check_text(asked, encoding, errors, newline, key)
    check_options(asked, given, key)
    if not isinstance(buffering, int):
        raise TypeError(f"open() argument 'buffering' must be int, not {type(buffering).__name__}")
    if buffering == 0 and not asked.binary:
        raise ConfigurationError("can't have unbuffered text I/O", key=key, operation="open")
    return asked


def _open_raw(store: Store, key: str, asked: Mode, given: FileOptions, name: str) -> RawReader | RawWriter | RawUpdater:
    mode = f"{asked.action}b"
    if asked.updating:
        mode += "+"
    if asked.action == "x":
        portal.run(_refuse_existing(store, key))
    file: object = store.open(key, cast("BinaryMode", mode), **given)
    if isinstance(file, BinaryReader):
        return RawReader(file, name, mode)
    if isinstance(file, BinaryUpdater):
        return RawUpdater(file, name, mode)
    return RawWriter(cast("BinaryWriter", file), name, mode)


def _buffered(raw: RawReader | RawWriter | RawUpdater, size: int | None) -> Reader | Writer | Random:
    if isinstance(raw, RawReader):
        return Reader(raw, size or READ_BUFFER)
    if isinstance(raw, RawUpdater):
        return Random(raw, size or READ_BUFFER)
    return Writer(raw, size or WRITE_BUFFER)


async def _refuse_existing(store: Store, key: str) -> None:
    """Tell early what the service will tell when the file is closed; that alone is certain."""
    try:
        await store.head(key)
    except StoreError:
        return
    raise AlreadyExistsError(
        "the object exists already; choose another key, or mode w", key=key, operation="open", store=store.location
    )
