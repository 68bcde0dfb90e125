"""A multipart write under way: parts sent concurrently, then published together or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

from aiostore._engine import own_write
from aiostore._engine.context import Context
from aiostore._engine.settle import cut_off, join, settle
from aiostore.budget import BUDGET
from aiostore.capabilities import PartLimits
from aiostore.errors import ConfigurationError, CorruptedError, StoreError, TransientError
from aiostore.types import GetOptions, Part, Progress, PutOptions, PutResult, Upload

STEPS = 10
"""How often the part size of a write of unknown length doubles: 10,000 parts from 8 MiB on reach 8 TiB."""


def part_sizes(limits: PartLimits, part_size: int, total: int | None) -> Iterator[int]:
    """The sizes of the parts to send, without end; the last part takes what is left.

    A known total is cut into equal parts, larger than asked where the service's number of parts would not suffice.
    """
    size = min(max(part_size, limits.min_size), limits.max_size)
    if total is not None:
        size = min(max(size, -(-total // limits.max_count)), limits.max_size)
    number = 0
    while True:
        yield size
        number += 1
        if total is None and not limits.equal and number % max(1, limits.max_count // STEPS) == 0:
            size = min(size * 2, limits.max_size)


def check_part_size(limits: PartLimits | None, part_size: int | None, key: str, location: str) -> None:
    """Raise ConfigurationError if the caller asks for parts that the service does not take."""
    if part_size is None or limits is None or limits.min_size <= part_size <= limits.max_size:
        return
    raise ConfigurationError(
        f"part_size={part_size}: this service takes parts of {limits.min_size} to {limits.max_size} bytes",
        key=key,
        operation="put",
        store=location,
    )


PartCall: TypeAlias = Callable[[Upload, int, int], Awaitable[Part]]
"""Makes one part: called with the upload, the part's number and the offset of its first byte."""


@dataclass(slots=True)
class Reservation:
    """The right to hold one part in memory: ``held`` bytes of the budget, or the writer's own part."""

    held: int
    own: bool


class Multipart:
    """Sends parts, at most ``concurrency`` at a time (None: as many as the service has shown to be worth it).

    ``part_size`` is given if all parts are cut by `part_sizes`, whose first size it is. Whoever begins one (or goes on
    with one) ends it with ``complete``, ``abort`` or ``leave``. ``abort`` joins the parts under way first, so that none
    arrives after the upload was dropped.
    """

    def __init__(
        self,
        context: Context,
        key: str,
        options: PutOptions,
        *,
        concurrency: int | None,
        progress: Progress | None,
        total: int | None,
        part_size: int | None = None,
    ) -> None:
        self._context = context
        self._key = key
        self._fixed = concurrency is not None
        self._concurrency = concurrency or context.limits.writes
        self._progress = progress
        self._total = total
        self._options, self._write_id = own_write.stamp(context, options)
        if part_size is not None and self._write_id is not None:
            # With it the ETag of an object made of parts can be computed again, which is all that some services keep.
            sized = {**self._options.metadata, own_write.PART_SIZE: f"{part_size}{'+' if total is None else ''}"}
            self._options = replace(self._options, metadata=sized)
        self._upload: Upload | None = None
        # Of a store that was closed meanwhile, too, no upload is left.
        self._driver = context.driver
        self._tasks: set[asyncio.Task[None]] = set()
        self._parts: list[Part] = []
        self._own_taken = False
        self._failure: BaseException | None = None
        self._done = 0
        self.offset = 0
        self.number = 0

    async def begin(self) -> None:
        """Create the upload. A cancelled call waits for the answer, so that the upload can be dropped."""
        await settle(self._create())

    async def _create(self) -> None:
        self._upload = await self._context.driver.create_multipart(self._key, self._options)

    def go_on(self, upload: Upload) -> None:
        """Instead of ``begin``: send the parts of an upload that is under way, and that nobody else continues."""
        self._upload, self._options = upload, upload.options
        self._write_id = upload.options.metadata.get(own_write.WRITE_ID)

    @property
    def upload(self) -> Upload:
        """The upload, once it was begun."""
        assert self._upload is not None  # noqa: S101  # begin() comes first
        return self._upload

    async def reserve(self, size: int) -> Reservation:
        """Wait for the right to hold one more part of ``size`` bytes, which is sent or dropped.

        Raises:
            BaseException: what made an earlier part fail.
        """
        while True:
            await self.slot()
            if not self._own_taken:
                self._own_taken = True
                return Reservation(0, own=True)
            if BUDGET.try_acquire(size):
                return Reservation(size, own=False)
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)

    async def slot(self) -> None:
        """Wait until a further part may be sent; raises what made an earlier one fail."""
        while True:
            if self._failure is not None:
                raise self._failure
            if not self._tasks or (
                len(self._tasks) < self._concurrency and (self._fixed or self._context.writes.has_room())
            ):
                return
            patience = None if self._fixed else self._context.writes.patience
            await asyncio.wait(self._tasks, timeout=patience, return_when=asyncio.FIRST_COMPLETED)

    def drop(self, reservation: Reservation | None) -> None:
        """Give back a reservation whose part is not sent."""
        if reservation is None:
            return
        if reservation.own:
            self._own_taken = False
        BUDGET.release(reservation.held)
        reservation.held, reservation.own = 0, False

    def send(self, size: int, call: PartCall, reservation: Reservation | None) -> None:
        """Make the next part of ``size`` bytes in the background; ``call`` is the request that does it."""
        self.number += 1
        task = asyncio.get_running_loop().create_task(self._send(self.number, self.offset, size, call, reservation))
        self.offset += size
        self._tasks.add(task)
        self._context.writes.begin()
        task.add_done_callback(partial(self._ended, size))

    def pass_over(self, part: Part) -> None:
        """Take the next part as it is: the service holds it already."""
        self.number += 1
        self.offset += part.size
        self._parts.append(part)
        self._report(part.size)

    def _report(self, size: int) -> None:
        self._done += size
        if self._progress is not None:
            self._progress(self._done, self._total)

    def _ended(self, size: int, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._context.writes.end(size)

    async def _send(self, number: int, offset: int, size: int, call: PartCall, reservation: Reservation | None) -> None:
        try:
            self._parts.append(await call(self.upload, number, offset))
            self._report(size)
        except asyncio.CancelledError:
            # By the end of its loop, for one: an upload that lacks a part must not be completed.
            self._failure = self._failure or cut_off(self._key, "put", self._driver)
            raise
        except Exception as error:
            if self._failure is None:
                self._failure = error
        finally:
            self.drop(reservation)

    async def complete(self) -> PutResult:
        """Wait for all parts, then publish the object.

        Once the request is sent it is seen through, also by a cancelled caller. An error has dropped the upload.
        """
        while self._tasks:
            if self._failure is not None:
                raise self._failure
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        if self._failure is not None:
            raise self._failure
        result = await settle(self._complete())
        self._upload = None
        return result

    async def _complete(self) -> PutResult:
        driver, upload = self._context.driver, self.upload
        parts = sorted(self._parts, key=lambda part: part.number)
        try:
            result = await driver.complete_multipart(upload, parts, self._options)
        except StoreError as error:
            result = await self._judge(error)
        if upload.leaves_parts:
            # The object is written whatever comes of this; uploads() lists what is left.
            with suppress(StoreError):
                await driver.abort_multipart(upload)
        if result.etag is None and self._write_id is not None:
            result = await self._described(result)
        return replace(result, size=self.offset)

    async def _described(self, result: PutResult) -> PutResult:
        """``result`` with what a service does not answer to a completion, and the caller needs for the next condition.

        Raises:
            CorruptedError: if the service made the object of other bytes than were sent.
        """
        driver = self._context.driver
        try:
            meta = await driver.head(self._key, GetOptions(encryption=self._options.encryption))
        except StoreError:
            # The object is written whatever comes of this.
            return result
        if meta.metadata.get(own_write.WRITE_ID) != self._write_id:
            # By now it is somebody else's.
            return result
        for algorithm in result.checksums.keys() & meta.checksums.keys():
            if result.checksums[algorithm] != meta.checksums[algorithm]:
                raise CorruptedError(
                    f"the service made the object of other bytes than were sent: their {algorithm} differs; write it"
                    " again",
                    key=self._key,
                    operation="put",
                    store=driver.location,
                )
        return replace(result, etag=meta.etag, version=meta.version, checksums={**meta.checksums, **result.checksums})

    async def _judge(self, error: StoreError) -> PutResult:
        conditional = self._options.if_match is not None or self._options.if_none_match is not None
        try:
            return await own_write.judge(self._context, self._key, self._write_id, self._options, self.offset, error)
        except StoreError as judged:
            if isinstance(error, TransientError) and not conditional:
                raise error from judged.__cause__
            raise

    async def leave(self) -> None:
        """End the parts under way, and leave the upload to whoever goes on with it. Safe to repeat."""
        await join(set(self._tasks))
        self._upload = None

    async def abort(self) -> None:
        """End the parts under way, then drop the upload. Waits for both, also when cancelled. Safe to repeat."""
        await settle(self._abort())

    async def _abort(self) -> None:
        await join(set(self._tasks))
        upload, self._upload = self._upload, None
        if upload is not None:
            try:
                await self._driver.abort_multipart(upload)
            except StoreError as error:
                error.add_note(f"the parts of upload {upload.id!r} may be left on the service; uploads() lists them")
                raise
