"""The stream that callers hold: opened on first use, safe to drop at any moment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

from aiostore._engine import codecs, dropped, own_write, proof, read
from aiostore._engine.context import Context
from aiostore._engine.decoding import Decoding, of_object
from aiostore._engine.pin import Pin
from aiostore._engine.stream import ReadAhead
from aiostore.errors import ConfigurationError, StoreClosedError
from aiostore.types import GetOptions, ObjectMeta


class Stream:
    """An :class:`~aiostore.protocol.ObjectStream` over one object."""

    __slots__ = (
        "__weakref__",
        "_ahead",
        "_chunk_size",
        "_closed",
        "_concurrency",
        "_context",
        "_decoding",
        "_held",
        "_key",
        "_loop",
        "_meta",
        "_options",
        "_raw",
        "_taken",
        "_verified",
    )  # fmt: skip

    def __init__(
        self,
        context: Context,
        key: str,
        options: GetOptions,
        *,
        chunk_size: int | None = None,
        concurrency: int | None = None,
        raw: bool = False,
    ) -> None:
        self._ahead: ReadAhead | None = None
        if chunk_size is not None and chunk_size <= 0:
            raise ConfigurationError(f"chunk_size={chunk_size!r}: must be greater than 0", key=key, operation="stream")
        if concurrency is not None and concurrency <= 0:
            raise ConfigurationError(
                f"concurrency={concurrency!r}: must be greater than 0", key=key, operation="stream"
            )
        self._context = context
        self._key = key
        self._options = options
        self._chunk_size = chunk_size
        self._concurrency = concurrency
        self._raw = raw
        self._decoding: Decoding | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._meta: ObjectMeta | None = None
        self._held = b""
        self._taken = 0
        self._verified: str | None = None
        self._closed = False

    @property
    def meta(self) -> ObjectMeta:
        """What the service says of the object.

        Raises:
            StoreClosedError: before the stream was entered or its first chunk was read.
        """
        if self._meta is None:
            raise StoreClosedError(
                "the stream was not opened yet: enter it with `async with`, or read its first chunk",
                key=self._key,
                operation="stream",
                store=self._context.driver.location,
            )
        return self._meta

    @property
    def verified(self) -> str | None:
        """The checksum algorithm that proved all bytes, once the last chunk was read; None if none could."""
        return self._verified

    @property
    def is_decoded(self) -> bool:
        """Whether the chunks are other bytes than those that are stored, so that their number is not known."""
        return self._decoding is not None

    async def _open(self) -> ReadAhead:
        if self._closed:
            raise StoreClosedError(
                "the stream is closed", key=self._key, operation="stream", store=self._context.driver.location
            )
        context, options = self._context, self._options
        begun = time.monotonic()
        result = await read.first_answer(context, self._key, options)
        context.reads.nearest = min(context.reads.nearest, time.monotonic() - begun)
        try:
            start, stop = read.bounds(options, result.meta, context.driver)
            pin = Pin(self._key, options, result.meta)
            proofs, seed = await proof.begin(context, pin, options, result) if read.is_whole(options) else ((), [])
            check = None
            if not proofs and not result.checksums:
                check = await read.verifier(context, options, result.meta, "stream")
        except BaseException:
            await result.stream.aclose()
            raise
        self._loop = asyncio.get_running_loop()
        self._ahead = ReadAhead(context, pin, result, start, stop, self._concurrency, check, "stream", proofs, seed)
        self._meta = own_write.hide(result.meta)
        if result.meta.content_encoding is not None and not self._raw and options.start is None is options.stop:
            undone = codecs.known(result.meta.content_encoding)
            if undone:
                self._decoding = of_object(context, self._key, "stream", self._ahead.next_chunk, undone)
        return self._ahead

    async def __aenter__(self) -> Self:
        if self._ahead is None:
            await self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._closed:
            raise StopAsyncIteration
        try:
            chunk = await self._next_chunk()
        except BaseException:
            await self.aclose()
            raise
        if chunk:
            return chunk
        if self._ahead is not None:
            self._verified = self._ahead.algorithm
        await self.aclose()
        raise StopAsyncIteration

    async def _next_chunk(self) -> bytes:
        ahead: ReadAhead | Decoding = self._ahead or await self._open()
        if self._decoding is not None:
            ahead = self._decoding
        size = self._chunk_size
        if size is None:
            return await ahead.next_chunk()
        rest = len(self._held) - self._taken
        if rest >= size:
            begin, self._taken = self._taken, self._taken + size
            return self._held[begin : self._taken]
        pieces = [self._held[self._taken :]] if rest else []
        while rest < size and (chunk := await ahead.next_chunk()):
            pieces.append(chunk)
            rest += len(chunk)
        self._held = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._taken = min(size, rest)
        return self._held if rest <= size else self._held[:size]

    async def aclose(self) -> None:
        """End every request of this stream. Safe to repeat."""
        self._closed = True
        self._held = b""
        self._decoding = None
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            await ahead.aclose()

    def __del__(self) -> None:
        # Left without aclose(), by `break` for one: its tasks would go on. This may run in any thread.
        if self._ahead is not None and self._loop is not None:
            dropped.end(self._loop, self._ahead.aclose)
