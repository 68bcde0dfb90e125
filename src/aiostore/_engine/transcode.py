"""From one content encoding to another, block by block."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing

from aiostore._engine import codecs, encoding
from aiostore._engine.decoding import Decoding
from aiostore.errors import NotSupportedError
from aiostore.policies import Limits


async def transcode(
    chunks: AsyncIterable[bytes],
    source: str | None,
    target: str | None,
    *,
    level: int | None = None,
    max_decompressed_size: int = Limits().max_decompressed_size,
) -> AsyncGenerator[bytes, None]:
    """The chunks, which have the content encoding ``source``, in the content encoding ``target``.

    None (or ``"identity"``) is no encoding. Chunks of which both are the same are passed through as they are. Memory is
    constant. Whoever leaves early closes this generator (``contextlib.aclosing``), and the chunks' own source.

    Raises:
        ConfigurationError: if there is no encoding ``target``, or its library is not installed.
        NotSupportedError: if ``source`` is not known here.
        CorruptedError: if the chunks are not of the encoding ``source``, or end too early.
        StoreError: if they decode to more than ``max_decompressed_size`` bytes.
    """
    undone = codecs.known(source)
    wanted = [] if target is None or target.lower() in codecs.IDENTITY else [codecs.codec(target)]
    if undone == wanted:
        async for chunk in chunks:
            yield chunk
        return
    if undone is None:
        raise NotSupportedError(f"the content encoding {source!r} is not known here; pass the bytes on as they are")
    plain = _decoded(chunks, undone, max_decompressed_size)
    blocks = encoding.compress(plain, codecs.encoder(wanted[0].name, level)) if wanted else plain
    async with aclosing(plain), aclosing(blocks):
        async for block in blocks:
            yield block


async def _decoded(chunks: AsyncIterable[bytes], undone: list[codecs.Codec], limit: int) -> AsyncGenerator[bytes, None]:
    iterator = aiter(chunks)

    async def pull() -> bytes:
        return await anext(iterator, b"")

    decoding = Decoding(pull, undone, limit=limit, operation="transcode")
    while chunk := await decoding.next_chunk():
        yield chunk
