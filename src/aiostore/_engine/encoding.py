"""Compressing what is written, large blocks in worker threads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Iterator
from contextlib import aclosing
from functools import partial
from pathlib import Path

from aiostore._engine import codecs, source
from aiostore._engine.codecs import INLINE, Encoder
from aiostore._engine.settle import settle
from aiostore._engine.write import Writer
from aiostore.body import READ_BLOCK
from aiostore.errors import ConfigurationError
from aiostore.protocol import Source
from aiostore.types import Buffer, PutResult


def encoder(compress: str | None, level: int | None, content_encoding: str | None, key: str) -> Encoder:
    """The compressor that the keywords of ``put`` ask for.

    Raises:
        ConfigurationError: if there is none of that name or level, its library is not installed, or the caller says
            that the bytes are encoded already.
    """
    try:
        if compress is None:
            raise ConfigurationError(f"level={level!r} is of no use without compress")
        if content_encoding is not None:
            raise ConfigurationError("compress sets the content_encoding: give one of them")
        return codecs.encoder(compress, level)
    except ConfigurationError as error:
        raise error.locate(key=key, operation="put") from error.__cause__


def encoded(data: Source, encoder: Encoder, key: str) -> Source:
    """The source, compressed: at once if it is small, block by block as it is written otherwise.

    Raises:
        TypeError: if it cannot be written.
    """
    source.check(data, key)
    if isinstance(data, (bytes, bytearray, memoryview)) and len(data) <= INLINE:
        return encoder.encode(data) + encoder.finish()
    return _blocks(data, encoder, key)


async def _blocks(data: Source, encoder: Encoder, key: str) -> AsyncGenerator[bytes, None]:
    async with aclosing(_plain(data, key)) as blocks, aclosing(compress(blocks, encoder)) as compressed:
        async for block in compressed:
            yield block


async def compress(blocks: AsyncIterable[Buffer], encoder: Encoder) -> AsyncGenerator[bytes, None]:
    """The blocks, compressed; as many bytes as the compressor gives at a time."""
    async for block in blocks:
        view = source.flat(block)
        small = view.nbytes <= INLINE
        if compressed := encoder.encode(view) if small else await asyncio.to_thread(encoder.encode, view):
            yield compressed
    if rest := await asyncio.to_thread(encoder.finish):
        yield rest


async def _plain(data: Source, key: str) -> AsyncGenerator[Buffer, None]:
    """The bytes of any source, in blocks."""
    if isinstance(data, (bytes, bytearray, memoryview)):
        for view in _slices(source.flat(data)):
            yield view
    elif isinstance(data, Path):
        await source.file_size(data)
        with await asyncio.to_thread(data.open, "rb") as file:
            async with aclosing(source.buffers(file, key)) as blocks:
                async for block in blocks:
                    yield block
    else:
        async with aclosing(source.buffers(data, key)) as blocks:
            async for block in blocks:
                yield block


def _slices(view: memoryview) -> Iterator[memoryview]:
    for start in range(0, view.nbytes, READ_BLOCK):
        yield view[start : start + READ_BLOCK]


class EncodedWriter:
    """A write of which every block is compressed first."""

    def __init__(self, writer: Writer, encoder: Encoder) -> None:
        self._writer = writer
        self._encoder = encoder

    async def write(self, data: Buffer) -> None:
        """Take all of ``data``."""
        view = source.flat(data)
        small = view.nbytes <= INLINE
        # Joined although the caller is cancelled: the compressor must not be used by two threads.
        encode = partial(self._encoder.encode, view)
        if compressed := encode() if small else await settle(asyncio.to_thread(encode)):
            await self._writer.write(compressed)

    async def commit(self) -> PutResult:
        """Publish the object."""
        await self._writer.write(await settle(asyncio.to_thread(self._encoder.finish)))
        return await self._writer.commit()

    async def abort(self) -> None:
        """Publish nothing. Safe to repeat."""
        await self._writer.abort()
