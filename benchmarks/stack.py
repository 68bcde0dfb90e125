"""What the policy stack costs: a small request through `Store`, less the same request on the bare driver.

    python -m benchmarks.stack

The driver answers from memory at once, so that nothing but the library's own code is measured.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

from aiostore import Capabilities, Store
from aiostore.drivers.base import BaseDriver
from aiostore.types import Body, Buffers, GetOptions, GetResult, ObjectMeta, PutOptions, PutResult

DATA = bytes(1024)
COUNT = 20_000
ROUNDS = 9


class Nothing:
    """A body that is there."""

    __slots__ = ()

    async def next_chunk(self) -> bytes:
        return b""

    async def read(self) -> bytes:
        return DATA

    async def aclose(self) -> None:
        return


class Instant(BaseDriver):
    """Answers every request at once."""

    META = ObjectMeta(key="k", size=1024, etag="e")
    RESULT = PutResult(etag="e", size=1024)
    BODY = Nothing()

    @property
    def location(self) -> str:
        return "instant://"

    @property
    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    async def aclose(self) -> None:
        return

    async def head(self, key: str, options: GetOptions) -> ObjectMeta:
        return self.META

    async def get(self, key: str, options: GetOptions) -> GetResult:
        return GetResult(meta=self.META, start=0, stop=1024, stream=self.BODY)

    async def put(self, key: str, body: Body, options: PutOptions) -> PutResult:
        return self.RESULT


CAPABILITIES = Capabilities(operations=Instant.operations)


async def microseconds(call: Callable[[], Awaitable[object]]) -> float:
    begun = time.perf_counter()
    for _ in range(COUNT):
        await call()
    return (time.perf_counter() - begun) / COUNT * 1e6


async def main() -> None:
    driver = Instant()
    store = Store(driver)
    get, put = GetOptions(), PutOptions()

    async def bare_get() -> bytes:
        return await (await driver.get("k", get)).stream.read()

    rows: dict[str, tuple[Callable[[], Awaitable[object]], Callable[[], Awaitable[object]]]] = {
        "get": (bare_get, lambda: store.get("k")),
        "head": (lambda: driver.head("k", get), lambda: store.head("k")),
        "put": (lambda: driver.put("k", Buffers((DATA,), 1024), put), lambda: store.put("k", DATA)),
    }
    print("| request | bare driver, us | through Store, us | the stack, us |")
    print("|---|---|---|---|")
    for name, (bare, whole) in rows.items():
        pairs = [(await microseconds(bare), await microseconds(whole)) for _ in range(ROUNDS)]
        bares, wholes = (statistics.median(column) for column in zip(*pairs, strict=True))
        print(f"| {name} | {bares:.2f} | {wholes:.2f} | {wholes - bares:.2f} |")
    await store.aclose()


if __name__ == "__main__":
    asyncio.run(main())
