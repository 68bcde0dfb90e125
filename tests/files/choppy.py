"""A driver whose bodies arrive in small pieces, as they may from any network."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from itertools import cycle
from typing import Any

from aiostore.protocol import Driver
from aiostore.types import ByteStream, GetOptions, GetResult
from aiostore.wrappers.wrapper import Wrapper


class ChoppyDriver(Wrapper):
    """Hands every body out in chunks of ``sizes``, in turn."""

    def __init__(self, inner: Driver, sizes: Sequence[int]) -> None:
        super().__init__(inner)
        self._sizes = sizes

    def rewrap(self, inner: Driver) -> Driver:
        return ChoppyDriver(inner, self._sizes)

    def get(self, key: str, options: GetOptions) -> Coroutine[Any, Any, GetResult]:
        return self._get(key, options)

    async def _get(self, key: str, options: GetOptions) -> GetResult:
        result = await self.inner.get(key, options)
        result.stream = _Choppy(result.stream, self._sizes)
        return result


class _Choppy:
    def __init__(self, stream: ByteStream, sizes: Sequence[int]) -> None:
        self._stream = stream
        self._sizes = cycle(sizes)
        self._left = b""

    async def next_chunk(self) -> bytes:
        if not self._left:
            self._left = await self._stream.next_chunk()
        size = next(self._sizes)
        chunk, self._left = self._left[:size], self._left[size:]
        return chunk

    async def read(self) -> bytes:
        return self._left + await self._stream.read()

    async def aclose(self) -> None:
        self._left = b""
        await self._stream.aclose()
