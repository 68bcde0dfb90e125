"""How a body is guarded on its way to Azure: by its CRC64 where the service checks it, by its MD5 elsewhere.

The CRC costs a fortieth of the MD5. https://learn.microsoft.com/rest/api/storageservices/put-block
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Final, NamedTuple, cast

from aiostore import checksums
from aiostore.body import Body
from aiostore.drivers.azure_headers import crc64_header, to_base64
from aiostore.types import NOTHING, Buffer


class Guard(NamedTuple):
    """``headers`` go with the body; ``held`` are the checksums that held once the service has accepted it."""

    headers: Mapping[str, str]
    held: Mapping[str, str]


_NONE: Final = Guard(NOTHING, NOTHING)

_AT_ONCE: Final = 1024 * 1024
"""Bytes of one buffer whose CRC is computed in the event loop, 0.03 ms."""


class Guarding:
    """How the bodies of one driver are guarded, whatever they are."""

    __slots__ = ("algorithm", "range_header", "wanted")

    def __init__(self, *, crc64: bool, wanted: bool) -> None:
        self.algorithm = "crc64nvme" if crc64 else "md5"
        # Asks for the checksum of the range that is answered.
        self.range_header = f"x-ms-range-get-content-{'crc64' if crc64 else 'md5'}"
        self.wanted = wanted

    def __reduce__(self) -> tuple[object, ...]:
        return _guarding, (self.algorithm == "crc64nvme", self.wanted)

    async def of(self, body: Body, given: Mapping[str, str] = NOTHING) -> Guard:
        """Return what guards ``body``, whose checksums are known as far as they are ``given``."""
        if (quick := self.at_once(body, given)) is not None:
            return quick
        algorithm = self.algorithm
        if (buffers := body.buffers) is None:
            return _guard(algorithm, await _digest(algorithm, body))
        return _guard(algorithm, await checksums.digest(algorithm, buffers))

    def at_once(self, body: Body, given: Mapping[str, str] = NOTHING) -> Guard | None:
        """The same as far as it takes no time worth a thread; None if it does."""
        if not self.wanted or not body.size:
            return _NONE
        algorithm = "md5" if "md5" in given else self.algorithm
        digest = given.get(algorithm)
        if digest is None:
            buffers = body.buffers
            if buffers is None or body.size > _AT_ONCE or algorithm == "md5":
                return None
            hasher = checksums.new(algorithm)
            for buffer in buffers:
                hasher.update(buffer)
            digest = hasher.hexdigest()
        return _guard(algorithm, digest)


def _guard(algorithm: str, digest: str) -> Guard:
    if algorithm == "md5":
        return Guard({"content-md5": to_base64(digest)}, {algorithm: digest})
    return Guard({"x-ms-content-crc64": crc64_header(digest)}, {algorithm: digest})


def _guarding(crc64: bool, wanted: bool) -> Guarding:
    return Guarding(crc64=crc64, wanted=wanted)


async def _digest(algorithm: str, body: Body) -> str:
    hasher = checksums.new(algorithm)
    # The cast: a generator must be closed, which the type AsyncIterator does not tell.
    async with aclosing(cast("AsyncGenerator[Buffer, None]", body.chunks())) as chunks:
        async for chunk in chunks:
            await asyncio.to_thread(hasher.update, chunk)
    return hasher.hexdigest()
