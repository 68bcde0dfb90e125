"""The first bytes of an object that is opened: often all that is read of it."""

from __future__ import annotations

from dataclasses import replace

from aiostore._engine import read, verify
from aiostore._engine.context import Context
from aiostore._engine.drain import Drain
from aiostore._engine.pin import Pin
from aiostore.errors import CorruptedError
from aiostore.types import GetOptions, GetResult


async def head(context: Context, key: str, options: GetOptions, size: int) -> tuple[Pin, bytes]:
    """What the object is, and its first ``size`` bytes. If they are all, they are verified, and read again if wrong.

    Raises:
        CorruptedError: if they stay wrong.
    """
    for _ in range(verify.READS - 1):
        try:
            return await _head_once(context, key, options, size)
        except CorruptedError:
            continue
    return await _head_once(context, key, options, size)


async def _head_once(context: Context, key: str, options: GetOptions, size: int) -> tuple[Pin, bytes]:
    result = await read.first_answer(context, key, replace(options, start=0, stop=size))
    pin = Pin(key, options, result.meta)
    if result.meta.size < 0:
        # Only its end tells how long it is: all of it is read.
        data = await drained(context, pin, result, 0, read.ENDLESS)
        return Pin(key, options, replace(result.meta, size=len(data))), data
    data = await drained(context, pin, result, 0, min(size, result.meta.size))
    if len(data) == result.meta.size:
        check = await read.verifier(context, options, result.meta, "read")
        if check is not None and not await _holds(check, data):
            raise verify.corrupted(check.algorithm, key, "read", context.driver)
    return pin, data


async def drained(context: Context, pin: Pin, result: GetResult, start: int, stop: int) -> bytes:
    """The bytes ``[start, stop)``, the first of which ``result`` brings."""
    chunks: list[bytes] = []
    await Drain(context, pin, start, stop, chunks.append).run(result)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def compared(context: Context, key: str, early: bytes, chunk: bytes, begin: int) -> bytes:
    """What of the first bytes, handed out before all could be verified, is still to be compared with later chunks.

    Raises:
        CorruptedError: if ``chunk``, which begins at ``begin``, brings others.
    """
    if not chunk.startswith(early[begin : begin + len(chunk)]):
        raise CorruptedError(
            "the first bytes were read twice and came differently; open the file again",
            key=key,
            operation="read",
            store=context.driver.location,
        )
    return b"" if begin + len(chunk) >= len(early) else early


async def _holds(check: verify.Verifier, data: bytes) -> bool:
    hasher = check.hasher()
    if hasher is None:
        await check.add_chunk(data)
    else:
        hasher.update(data)
        check.add_range(hasher, len(data))
    return check.holds()
