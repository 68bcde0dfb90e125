"""Objects as files, with the names and habits of :mod:`io`: binary and text, readers and writers.

An object is read by ranges or written as a whole, so a file is either a reader, which can seek, or a writer, which
cannot. Modes with a ``+``, which do both, work on a private local copy. What they promise is written at
:class:`~aiostore.protocol.AsyncBinaryFile` and :class:`~aiostore.protocol.AsyncTextFile`.
"""

from __future__ import annotations

from collections.abc import Callable

from aiostore._engine import encoding as _encoding
from aiostore._engine import options
from aiostore._engine.append import Appender
from aiostore._engine.context import Context
from aiostore._engine.encoding import EncodedWriter
from aiostore._engine.revision import Revision
from aiostore._engine.write import Writer
from aiostore.files.mode import Action, Mode, check_options, check_text, parse
from aiostore.files.reader import BinaryReader
from aiostore.files.text import TextReader, TextWriter
from aiostore.files.updater import BinaryUpdater, TextUpdater
from aiostore.files.writer import BinaryWriter
from aiostore.handles import AsyncBinaryFile, AsyncTextFile, FileOptions
from aiostore.types import GetOptions, PutOptions

BUFFER_SIZE = 64 * 1024
"""Bytes that a reader asks for at least, and that a writer collects."""


def open_file(
    context: Callable[[], Context],
    key: str,
    mode: str,
    encoding: str | None,
    errors: str | None,
    newline: str | None,
    given: FileOptions,
) -> AsyncTextFile | AsyncBinaryFile:
    """A file over ``key``, not opened yet; see :meth:`aiostore.protocol.AsyncObjectStore.open`.

    ``context`` answers with the store's context of the moment.
    """
    asked = parse(mode, key)
    check_text(asked, encoding, errors, newline, key)
    check_options(asked, given, key)
    encoding, errors = encoding or "utf-8", errors or "strict"
    if asked.updating:
        changed, location = revision(context, key, asked, given), context().driver.location
        if asked.binary:
            return BinaryUpdater(key, mode, changed, location)
        return TextUpdater(key, mode, changed, location, encoding, errors, newline)
    if asked.action == "r":
        reader = _reader(context, key, mode if asked.binary else "rb", given)
        return reader if asked.binary else TextReader(reader, mode, encoding, errors, newline)
    writer = _writer(context, key, mode if asked.binary else f"{asked.action}b", asked.action, given)
    return writer if asked.binary else TextWriter(writer, mode, encoding, errors, newline)


def _reader(context: Callable[[], Context], key: str, mode: str, given: FileOptions) -> BinaryReader:
    wanted = GetOptions(
        if_match=options.match(given.get("if_match"), "if_match"),
        version=given.get("version"),
        encryption=given.get("encryption"),
    )
    return BinaryReader(
        context,
        key,
        mode,
        wanted,
        buffer_size=given.get("buffer_size") or BUFFER_SIZE,
        concurrency=given.get("concurrency"),
        raw=given.get("raw", False),
    )


def _writer(context: Callable[[], Context], key: str, mode: str, action: Action, given: FileOptions) -> BinaryWriter:
    encoder = None
    if (compress := given.get("compress")) is not None or given.get("level") is not None:
        encoder = _encoding.encoder(compress, given.get("level"), given.get("content_encoding"), key)
        given = {**given, "content_encoding": compress}
    stored = _stored_with(key, action, given)
    part_size, concurrency, progress = given.get("part_size"), given.get("concurrency"), given.get("progress")
    sink: Writer | EncodedWriter | Appender
    if action == "a":
        sink = Appender(context(), key, stored, part_size=part_size, concurrency=concurrency, progress=progress)
    else:
        sink = Writer(
            context(),
            key,
            stored,
            part_size=part_size,
            concurrency=concurrency,
            progress=progress,
            best_effort=given.get("best_effort", False),
        )
    if encoder is not None and isinstance(sink, Writer):
        sink = EncodedWriter(sink, encoder)
    return BinaryWriter(context, key, mode, sink, buffer_size=given.get("buffer_size") or BUFFER_SIZE)


def revision(context: Callable[[], Context], key: str, asked: Mode, given: FileOptions) -> Revision:
    """A change of the object in place, for a mode with a ``+``."""
    return Revision(
        context,
        key,
        asked.action,
        _stored_with(key, "a" if asked.action == "r" else asked.action, given),
        part_size=given.get("part_size"),
        concurrency=given.get("concurrency"),
        progress=given.get("progress"),
        best_effort=given.get("best_effort", False),
    )


def _stored_with(key: str, action: Action, given: FileOptions) -> PutOptions:
    content_type = given.get("content_type")
    if content_type is None and action != "a":
        content_type = options.content_type(key)
    return options.put_options(
        key,
        "open",
        content_type=content_type,
        content_encoding=given.get("content_encoding"),
        content_disposition=given.get("content_disposition"),
        content_language=given.get("content_language"),
        cache_control=given.get("cache_control"),
        metadata=given.get("metadata"),
        tags=given.get("tags"),
        storage_class=given.get("storage_class"),
        encryption=given.get("encryption"),
        acl=given.get("acl"),
        if_match=given.get("if_match"),
        if_none_match=given.get("if_none_match"),
        if_absent=action == "x" or given.get("if_absent", False),
        headers=given.get("headers"),
    )
