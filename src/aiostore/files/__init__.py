"""Objects as files, with the names and habits of :mod:`io`: binary and text, readers and writers.

An object is read by ranges or written as a whole, so a file is either a reader, which can seek, or a writer, which
cannot. What they promise is written at :class:`~aiostore.protocol.AsyncBinaryFile` and
:class:`~aiostore.protocol.AsyncTextFile`.
"""

from __future__ import annotations

from collections.abc import Callable

from aiostore._engine import options as _options
from aiostore._engine.append import Appender
from aiostore._engine.context import Context
from aiostore._engine.write import Writer
from aiostore.errors import ConfigurationError
from aiostore.files.mode import Action, check_options, check_text, parse
from aiostore.files.reader import BinaryReader
from aiostore.files.text import TextReader, TextWriter
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
    options: FileOptions,
) -> AsyncTextFile | AsyncBinaryFile:
    """A file over ``key``, not opened yet; see :meth:`aiostore.protocol.AsyncObjectStore.open`.

    ``context`` answers with the store's context of the moment.
    """
    asked = parse(mode, key)
    check_text(asked, encoding, errors, newline, key)
    check_options(asked, options, key)
    encoding, errors = encoding or "utf-8", errors or "strict"
    if asked.action == "r":
        reader = _reader(context, key, mode if asked.binary else "rb", options)
        return reader if asked.binary else TextReader(reader, mode, encoding, errors, newline)
    writer = _writer(context, key, mode if asked.binary else f"{asked.action}b", asked.action, options)
    return writer if asked.binary else TextWriter(writer, mode, encoding, errors, newline)


def _reader(context: Callable[[], Context], key: str, mode: str, options: FileOptions) -> BinaryReader:
    wanted = GetOptions(
        if_match=_options.match(options.get("if_match"), "if_match"),
        version=options.get("version"),
        encryption=options.get("encryption"),
    )
    return BinaryReader(
        context,
        key,
        mode,
        wanted,
        buffer_size=options.get("buffer_size") or BUFFER_SIZE,
        concurrency=options.get("concurrency"),
    )


def _writer(context: Callable[[], Context], key: str, mode: str, action: Action, options: FileOptions) -> BinaryWriter:
    stored = _stored_with(key, action, options)
    part_size, concurrency, progress = options.get("part_size"), options.get("concurrency"), options.get("progress")
    sink: Writer | Appender
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
            best_effort=options.get("best_effort", False),
        )
    return BinaryWriter(context, key, mode, sink, buffer_size=options.get("buffer_size") or BUFFER_SIZE)


def _stored_with(key: str, action: Action, options: FileOptions) -> PutOptions:
    if_none_match = options.get("if_none_match")
    if action == "x" or options.get("if_absent"):
        if if_none_match is not None:
            raise ConfigurationError(
                "create-only (mode x, if_absent) and if_none_match exclude each other", key=key, operation="open"
            )
        if_none_match = "*"
    content_type = options.get("content_type")
    if content_type is None and action != "a":
        content_type = _options.content_type(key)
    return PutOptions(
        content_type=content_type,
        content_encoding=options.get("content_encoding"),
        content_disposition=options.get("content_disposition"),
        content_language=options.get("content_language"),
        cache_control=options.get("cache_control"),
        metadata=_options.pairs("metadata", options.get("metadata"), key),
        tags=_options.pairs("tags", options.get("tags"), key),
        storage_class=options.get("storage_class"),
        encryption=options.get("encryption"),
        acl=options.get("acl"),
        if_match=_options.match(options.get("if_match"), "if_match"),
        if_none_match=_options.match(if_none_match, "if_none_match"),
        headers=_options.pairs("headers", options.get("headers"), key),
    )
