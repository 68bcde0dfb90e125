"""Writes of any size from any source: one request, or concurrent parts; published whole or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Final

from aiostore._engine import own_write, source
from aiostore._engine.context import Context
from aiostore._engine.multipart import Multipart, PartCall, Reservation, check_part_size, part_sizes
from aiostore._engine.spool import Spool
from aiostore.body import Body, Buffers, FileRegion
from aiostore.budget import BUDGET
from aiostore.capabilities import Conditions, Guarantee
from aiostore.errors import ConfigurationError, NotSupportedError, StoreError
from aiostore.protocol import Source
from aiostore.types import Buffer, Part, Progress, PutOptions, PutResult, Upload

SMALL_FILE: Final = 1024**2
"""Bytes of a file that is read when it is looked at."""


async def put(
    context: Context,
    key: str,
    data: Source,
    options: PutOptions,
    *,
    part_size: int | None = None,
    concurrency: int | None = None,
    progress: Progress | None = None,
    best_effort: bool = False,
) -> PutResult:
    """Write ``data`` to ``key``; see :meth:`aiostore.protocol.AsyncObjectStore.put`."""
    if (
        type(data) is bytes and part_size is None and concurrency is None and progress is None
        and options.if_match is None and options.if_none_match is None
        and len(data) <= min(2 * context.limits.part_size, context.driver.capabilities.max_put)
    ):  # fmt: skip
        # What most writes are: one request, for which nothing is kept.
        return await context.driver.put(key, Buffers((data,), len(data)), options)
    writer = Writer(
        context,
        key,
        options,
        part_size=part_size,
        concurrency=concurrency,
        progress=progress,
        best_effort=best_effort,
    )
    if isinstance(data, (bytes, bytearray, memoryview)):
        return await writer.put_buffer(data)
    source.check(data, key)
    if isinstance(data, Path):
        return await writer.put_file(data)
    try:
        async for block in source.buffers(data, key):
            await writer.write(block)
        return await writer.commit()
    except BaseException:
        await writer.abort()
        raise


class Writer:
    """One write. Either ``put_buffer`` or ``put_file``, or any number of ``write`` and then ``commit`` or ``abort``.

    What is written in pieces is held until it fills a part; a write that never fills one is a single request. Memory is
    one part, and further ones as far as the byte budget allows.
    """

    def __init__(
        self,
        context: Context,
        key: str,
        options: PutOptions,
        *,
        part_size: int | None = None,
        concurrency: int | None = None,
        progress: Progress | None = None,
        best_effort: bool = False,
    ) -> None:
        capabilities = context.driver.capabilities
        if part_size is not None:
            check_part_size(capabilities.multipart, part_size, key, context.driver.location)
        if concurrency is not None and concurrency <= 0:
            raise ConfigurationError(f"concurrency={concurrency!r}: must be greater than 0", key=key, operation="put")
        self._context = context
        self._key = key
        self._options = options
        self._part_size = part_size or context.limits.part_size
        self._single = part_size or 2 * context.limits.part_size
        self._concurrency = concurrency
        self._progress = progress
        self._best_effort = best_effort
        self._multipart: Multipart | None = None
        self._limits = limits = capabilities.multipart
        self._sizes = part_sizes(limits, self._part_size, None) if limits else None
        self._pending: list[Buffer] = []
        self._count = 0
        self._limit = self._part_size if self._sizes is None else next(self._sizes)
        self._reservation: Reservation | None = None
        # A service without multipart writes takes one body of known length, so the bytes wait on the local disk.
        self._spool = Spool() if self._sizes is None else None

    # --- sources of known size

    async def put_buffer(self, data: bytes | bytearray | memoryview) -> PutResult:
        """Write the caller's buffer, without copying it."""
        if isinstance(data, bytes):
            size = len(data)
        else:
            data = source.flat(data)
            size = data.nbytes
        if self._goes_at_once(size):
            return await self._put_once(Buffers((data,), size))
        view = memoryview(data)

        async def part(start: int, stop: int) -> Body:
            return Buffers((view[start:stop],), stop - start)

        return await self._put_parts(size, part, in_memory=True)

    async def put_file(self, path: Path) -> PutResult:
        """Write a local file."""
        found = await source.size_or_bytes(path, min(SMALL_FILE, self._part_size))
        if isinstance(found, bytes):
            return await self._put_once(Buffers((found,), len(found)))
        size = found
        if self._goes_at_once(size):
            return await self._put_file_once(path, size)

        async def part(start: int, stop: int) -> Body:
            data = await asyncio.to_thread(source.read_region, path, start, stop - start)
            return Buffers((data,), stop - start)

        return await self._put_parts(size, part, in_memory=False)

    async def _put_file_once(self, path: Path, size: int) -> PutResult:
        extra = max(0, size - self._part_size)
        if size > self._single or not BUDGET.try_acquire(extra):
            return await self._put_once(FileRegion(path, 0, size))
        try:
            data = await asyncio.to_thread(source.read_region, path, 0, size)
            return await self._put_once(Buffers((data,), size))
        finally:
            BUDGET.release(extra)

    def _goes_at_once(self, size: int) -> bool:
        capabilities = self._context.driver.capabilities
        if capabilities.multipart is None or size <= min(self._single, capabilities.max_put):
            return True
        # A condition that holds for one request but not for a completion is worth one long request.
        options = self._options
        conditional = options.if_match is not None or options.if_none_match is not None
        return (
            conditional
            and not self._best_effort
            and size <= capabilities.max_put
            and not holds(capabilities.complete, options)
            and holds(capabilities.put, options)
        )

    async def _put_parts(self, size: int, part: Callable[[int, int], Awaitable[Body]], *, in_memory: bool) -> PutResult:
        """Send ``part(start, stop)`` for all of ``size`` bytes; what lies ``in_memory`` already takes no budget."""
        limits = self._context.driver.capabilities.multipart
        assert limits is not None  # noqa: S101  # _goes_at_once() was asked
        try:
            multipart = await self._begin(size, next(part_sizes(limits, self._part_size, size)))
            # A service may tell its limits no sooner than the first upload begins.
            sizes = part_sizes(self._context.driver.capabilities.multipart or limits, self._part_size, size)
            while (start := multipart.offset) < size:
                count = min(next(sizes), size - start)
                reservation = None
                if in_memory:
                    await multipart.slot()
                else:
                    reservation = await multipart.reserve(count)
                multipart.send(count, self._request(partial(part, start, start + count)), reservation)
            return await multipart.complete()
        except BaseException:
            await self.abort()
            raise

    def _request(self, load: Callable[[], Awaitable[Body]]) -> PartCall:
        async def request(upload: Upload, number: int, offset: int) -> Part:
            return await self._context.driver.put_part(upload, number, offset, await load())

        return request

    async def _begin(self, total: int | None, part_size: int | None) -> Multipart:
        self._require(self._context.driver.capabilities.complete)
        self._multipart = Multipart(
            self._context,
            self._key,
            self._options,
            concurrency=self._concurrency,
            progress=self._progress,
            total=total,
            part_size=part_size,
        )
        await self._multipart.begin()
        return self._multipart

    async def _put_once(self, body: Body) -> PutResult:
        options = self._options
        if options.if_match is None and options.if_none_match is None:
            result = await self._context.driver.put(self._key, body, options)
        else:
            self._require(self._context.driver.capabilities.put)
            result = await self._put_conditionally(body, options)
        if self._progress is not None:
            self._progress(body.size, body.size)
        return result

    async def _put_conditionally(self, body: Body, options: PutOptions) -> PutResult:
        options, write_id = own_write.stamp(self._context, options)
        try:
            return await self._context.driver.put(self._key, body, options)
        except StoreError as error:
            return await own_write.judge(self._context, self._key, write_id, options, body.size, error)

    def _require(self, conditions: Conditions) -> None:
        """Refuse a condition that the service does not keep atomically, unless the caller takes what there is."""
        if self._best_effort or holds(conditions, self._options):
            return
        raise NotSupportedError(
            "this service does not keep the condition against concurrent writers, or not for an object of this size;"
            " pass best_effort=True to take what it does",
            key=self._key,
            operation="put",
            store=self._context.driver.location,
        )

    # --- sources of unknown length

    async def write(self, data: Buffer) -> None:
        """Take bytes that nobody changes any more; waits while earlier parts are under way and the budget is used up.

        Raises:
            BaseException: what made an earlier part fail. The caller aborts.
        """
        if self._spool is not None:
            await self._spool.write(data)
            return
        view: Buffer = data
        while (room := self._limit - self._count) < len(view):
            if room:
                view = memoryview(view)
                await self._hold(view[:room])
                view = view[room:]
            await self._flush()
        await self._hold(view)

    async def _hold(self, data: Buffer) -> None:
        if self._multipart is not None and self._reservation is None:
            self._reservation = await self._multipart.reserve(self._limit)
        self._pending.append(data)
        self._count += len(data)

    async def _flush(self) -> None:
        """Send what is pending as a part: more bytes are known to follow, or it is the last one."""
        if self._multipart is None:
            multipart = await self._begin(None, self._limit)
            if await self._cut_anew():
                return
            self._reservation = await multipart.reserve(self._limit)
        else:
            multipart = self._multipart
        body = Buffers(self._pending, self._count)
        reservation, self._reservation = self._reservation, None
        self._pending, self._count = [], 0

        async def load() -> Body:
            return body

        multipart.send(body.size, self._request(load), reservation)
        assert self._sizes is not None  # noqa: S101  # else it would be spooled
        self._limit = next(self._sizes)

    async def _cut_anew(self) -> bool:
        """Cut what is pending otherwise, if the service has told other limits now that the upload has begun."""
        limits = self._context.driver.capabilities.multipart
        if limits is None or limits == self._limits:
            return False
        self._limits, self._sizes = limits, part_sizes(limits, self._part_size, None)
        self._limit = next(self._sizes)
        pending, self._pending, self._count = self._pending, [], 0
        for data in pending:
            await self.write(data)
        return True

    async def commit(self) -> PutResult:
        """Publish the object. A cancelled call publishes all of it or nothing."""
        if self._spool is not None:
            try:
                return await self._put_once(await self._spool.body())
            finally:
                await self._spool.aclose()
        if self._multipart is None:
            return await self._put_once(Buffers(self._pending, self._count))
        if self._count:
            await self._flush()
        return await self._multipart.complete()

    async def abort(self) -> None:
        """Publish nothing, and leave nothing behind. Safe to repeat, and after ``commit``, when it changes nothing."""
        self._pending = []
        if self._spool is not None:
            await self._spool.aclose()
        if self._multipart is not None:
            self._multipart.drop(self._reservation)
            self._reservation = None
            await self._multipart.abort()


def holds(conditions: Conditions, options: PutOptions) -> bool:
    """Whether every condition of ``options`` is kept against concurrent writers."""
    if options.if_match is not None and conditions.if_match is not Guarantee.ATOMIC:
        return False
    return options.if_none_match is None or conditions.if_absent is Guarantee.ATOMIC
