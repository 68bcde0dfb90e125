"""Decompressing what is read, large blocks in worker threads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from aiostore._engine import codecs
from aiostore._engine.codecs import INLINE, Codec, Decoder
from aiostore._engine.context import Context
from aiostore.errors import CorruptedError, StoreError
from aiostore.types import ObjectMeta


class Decoding:
    """Decompressed chunks of what ``pull`` brings, ``b""`` at its end; one chunk is at most about a megabyte.

    Raises (from ``next_chunk``):
        CorruptedError: if the bytes are not of the encoding, or end too early.
        StoreError: if there are more than ``limit`` of them.
    """

    __slots__ = ("_decoders", "_done", "_key", "_limit", "_name", "_operation", "_pull", "_store")

    def __init__(
        self,
        pull: Callable[[], Awaitable[bytes]],
        undone: Sequence[Codec],
        *,
        limit: int,
        key: str = "",
        operation: str = "",
        store: str = "",
    ) -> None:
        self._pull = pull
        self._limit = limit
        self._key = key
        self._operation = operation
        self._store = store
        self._decoders: list[Decoder] = [codec.decoder() for codec in undone]
        self._name = ", ".join(codec.name for codec in reversed(undone))
        self._done = 0

    async def next_chunk(self) -> bytes:
        chunk = await self._next(len(self._decoders) - 1)
        self._done += len(chunk)
        if self._done > self._limit:
            message = (
                f"the object decodes to more than {self._limit} bytes; read it with raw=True, or raise"
                " Limits(max_decompressed_size)"
            )
            raise self._located(StoreError(message))
        return chunk

    async def _next(self, stage: int) -> bytes:
        """The next chunk behind the decoder number ``stage``, which is fed by the one before it."""
        if stage < 0:
            return await self._pull()
        decoder = self._decoders[stage]
        while True:
            data = await self._next(stage - 1) if decoder.hungry else b""
            if decoder.hungry and not data:
                if not decoder.complete:
                    raise self._located(CorruptedError(f"the {self._name} data end too early; see them with raw=True"))
                return b""
            try:
                if len(data) <= INLINE and decoder.hungry:
                    decoded = decoder.decode(data)
                else:
                    decoded = await asyncio.to_thread(decoder.decode, data)
            except codecs.failures() as error:
                message = (
                    f"the bytes are not {self._name}, as the object's Content-Encoding says ({error}); read them with"
                    " raw=True"
                )
                raise self._located(CorruptedError(message)) from error
            if decoded:
                return decoded

    def _located(self, error: StoreError) -> StoreError:
        return error.locate(key=self._key, operation=self._operation, store=self._store)


def of_object(
    context: Context, key: str, operation: str, pull: Callable[[], Awaitable[bytes]], undone: Sequence[Codec]
) -> Decoding:
    """The decompressed chunks of an object, whose stored bytes ``pull`` brings."""
    limit, store = context.limits.max_decompressed_size, context.driver.location
    return Decoding(pull, undone, limit=limit, key=key, operation=operation, store=store)


async def decoded(context: Context, meta: ObjectMeta, data: bytes) -> bytes:
    """A whole object's bytes, decompressed as its Content-Encoding says; as they are if that is not known here."""
    undone = codecs.known(meta.content_encoding)
    if not undone:
        return data
    blocks = iter((data,))

    async def pull() -> bytes:
        return next(blocks, b"")

    decoding = of_object(context, meta.key, "get", pull, undone)
    chunks = []
    while chunk := await decoding.next_chunk():
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
