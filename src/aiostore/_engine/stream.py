"""Streamed reads: ranges of one object fetched ahead in parallel, handed out in order, in bounded memory.

The first request asks for the whole object, so that one answer brings its size, state and checksum; a large object's
body is then left where the second range begins. Each range is drained into memory by a plain task that knows only the
inner state here, so that a stream which is dropped can end them all.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from functools import partial

from aiostore._engine import proof, settle, verify
from aiostore._engine.context import Context
from aiostore._engine.drain import Drain
from aiostore._engine.pin import Pin
from aiostore._engine.proof import Proof
from aiostore.budget import BUDGET
from aiostore.errors import TransientError
from aiostore.types import GetResult, ObjectMeta

NEAR = 0.003
"""A service that has answered within so many seconds is near: there the processor is the limit, and one range after the
other stays in its caches."""

IDLE = 0.25
"""A range during which the processor was at work for less than this share of the time has waited for the link or the
service: several share these better."""

BRIEF, PATIENCE = 0.01, 0.05
"""Seconds of a range of which that is not asked, and after which it is asked in its middle."""

BLOCK = 4 * 1024**2
"""Bytes of such a range for a caller who takes blocks: it is received as one, which costs less than in chunks."""


class Range:
    """One range on its way: the chunks that have arrived and were not handed out yet."""

    __slots__ = ("_buffered", "_context", "_limit", "_pin", "_room", "_waiter", "checked", "chunks", "drain", "error",
                 "finished", "hasher", "held", "proofs", "size", "start", "waited", "whole")  # fmt: skip

    def __init__(self, context: Context, pin: Pin, start: int, stop: int, held: int) -> None:
        self._context = context
        self._pin = pin
        self.proofs: Sequence[Proof] = ()
        self.checked = self.waited = self.whole = False
        self.size = stop - start
        self.held = held
        self.start = start
        self.chunks: deque[bytes] = deque()
        self.hasher: verify.Hasher | None = None
        self.finished = False
        self.error: Exception | None = None
        self.drain = Drain(context, pin, start, stop, self._take)
        # A range fits, so its task never waits for the caller. Only a service without ranges sends more in one body.
        self._limit = 2 * context.limits.part_size
        self._buffered = 0
        self._room: asyncio.Future[None] | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def fill(self, result: GetResult | None, seed: Sequence[bytes]) -> None:
        """Drain the range, of which ``seed`` is there, into ``chunks``; an error is kept until the stream is here."""
        begun, used = time.monotonic(), time.process_time()
        try:
            if self.proofs:
                await self._fill_proven(result, seed)
            elif self.checked:
                await self._fill_checked(result)
            elif self.whole:
                await self._fill_whole()
            else:
                for chunk in seed:
                    self.drain.position += len(chunk)
                    self._take(chunk)
                if self.drain.position < self.drain.stop:
                    await self.drain.run(result)
        except asyncio.CancelledError:
            # By the end of its loop, for one: whoever goes on reading must not take it for the end of the range.
            self.error = settle.cut_off(self._pin.key, "read", self._context.driver)
            raise
        except Exception as error:
            self.error = error
        finally:
            took = time.monotonic() - begun
            self.waited = took > BRIEF and time.process_time() - used < IDLE * took
            self.finished = True
            self._wake()

    async def _fill_proven(self, result: GetResult | None, seed: Sequence[bytes]) -> None:
        """The same, but no byte is there before all of them are proven; corrupted ones are read again."""
        stop = self.drain.stop
        algorithm = ""
        for _ in range(verify.READS):
            chunks = [*seed]
            begin = self.start + sum(map(len, seed))
            if begin < stop:
                await Drain(self._context, self._pin, begin, stop, chunks.append).run(result)
            result, seed = None, ()
            data = b"".join(chunks)[: self.size]
            algorithm = await proof.failing(self.proofs, data)
            if not algorithm:
                self.drain.position = stop
                self._take(data)
                return
        raise verify.corrupted(algorithm, self._pin.key, "get", self._context.driver)

    async def _fill_whole(self) -> None:
        """The same in one chunk, unless the body is cut."""
        context, drain = self._context, self.drain
        answer = await self._pin.get(context.driver, self.start, drain.stop)
        if (answer.start, answer.stop) != (self.start, drain.stop):
            await drain.run(answer)
            return
        lost: TransientError | None = None
        try:
            data = await answer.stream.read()
        except TransientError as error:
            data, lost = error.received, error
        finally:
            await answer.stream.aclose()
        if data:
            data = data[: self.size]
            drain.position += len(data)
            self._take(data)
        if lost is not None:
            await context.backoff().wait(lost.locate(key=self._pin.key, operation="get", store=context.driver.location))
        if drain.position < drain.stop:
            await drain.run()

    async def _fill_checked(self, result: GetResult | None) -> None:
        """The same where each answer has the checksum of its own range, so that a cut one is asked for as a whole."""
        start, stop = self.start, self.drain.stop
        driver, backoff = self._context.driver, self._context.backoff()
        corrupted, algorithm = 0, ""
        while corrupted < verify.READS:
            answer, result = result or await self._pin.get(driver, start, stop), None
            if not answer.checksums or (answer.start, answer.stop) != (start, stop):
                self.checked = False
                if self._context.integrity == "require":
                    await answer.stream.aclose()
                    raise verify.unverifiable("an answer came without a checksum", self._pin.key, "get", driver)
                await self.drain.run(answer)
                return
            try:
                data = await answer.stream.read()
            except TransientError as error:
                lost = error.locate(key=self._pin.key, operation="get", store=driver.location)
            else:
                algorithm = await proof.contradicting(answer.checksums, data)
                if not algorithm:
                    self.drain.position = stop
                    self._take(data)
                    return
                corrupted += 1
                continue
            finally:
                await answer.stream.aclose()
            await backoff.wait(lost)
        raise verify.corrupted(algorithm, self._pin.key, "get", driver)

    def _take(self, chunk: bytes) -> asyncio.Future[None] | None:
        if self.hasher is not None:
            self.hasher.update(chunk)
        self.chunks.append(chunk)
        self._buffered += len(chunk)
        self._wake()
        if self._buffered <= self._limit:
            return None
        self._room = asyncio.get_running_loop().create_future()
        return self._room

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def arrival(self) -> None:
        """Wait until a chunk is there or the range has ended."""
        while not self.chunks and not self.finished:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    def pop(self) -> bytes:
        """The first chunk that was not handed out."""
        chunk = self.chunks.popleft()
        self._buffered -= len(chunk)
        if self._room is not None and self._buffered <= self._limit:
            if not self._room.done():
                self._room.set_result(None)
            self._room = None
        return chunk


class ReadAhead:
    """The ranges of one read, in order; the first of them is being handed out.

    ``result`` is the first answer, whose body begins at or before ``start``. ``concurrency`` is how many ranges move at
    once; None leaves that to what the store has learnt of its service. ``verifier`` is set if the bytes are to be
    compared with a checksum, ``proofs`` if each range is; ``result`` shows whether each answer is. ``seed`` are first
    bytes that were read before. With ``blocks``, few large chunks are better than an early first byte. ``aclose``
    ends every task and gives the budget back.
    """

    __slots__ = ("_alone", "_blocks", "_checked", "_concurrency", "_context", "_first", "_fixed", "_next", "_pin",
                 "_proofs", "_ranges", "_seed", "_size", "_stop", "_tasks", "_timer", "operation", "position",
                 "verifier")  # fmt: skip

    def __init__(
        self,
        context: Context,
        pin: Pin,
        result: GetResult,
        start: int,
        stop: int,
        concurrency: int | None,
        verifier: verify.Verifier | None,
        operation: str,
        proofs: Sequence[Proof] = (),
        seed: Sequence[bytes] = (),
        *,
        blocks: bool = False,
    ) -> None:
        self._context = context
        self._pin = pin
        self._blocks = blocks
        self._alone = concurrency is None and context.limits.adaptive and context.reads.nearest < NEAR
        self._timer: asyncio.TimerHandle | None = None
        self._proofs = proofs
        self._checked = next(iter(result.checksums), None)
        self._size = context.limits.part_size
        if self._checked is not None:
            self._size = min(self._size, context.driver.capabilities.range_checksum)
        self._fixed = concurrency is not None
        self._concurrency = concurrency or context.limits.reads
        self._stop = stop
        self._ranges: deque[Range] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self.operation = operation
        self.verifier = verifier
        self._first = result.stream
        self.position = self._next = start
        part_size = context.limits.part_size
        capabilities = context.driver.capabilities
        self._seed = seed
        extra = max(0, stop - start - part_size)
        if proofs or self._checked is not None:
            self._begin(self._end(), 0, result)
        elif not (result.ranges and capabilities.ranges and (capabilities.parallel_ranges or self._fixed)):
            self._begin(stop, 0, result)
        elif extra <= part_size and BUDGET.try_acquire(extra):
            # A second connection would cost more than it brings.
            self._begin(stop, extra, result)
        else:
            self._begin(min(start + part_size, stop), 0, result)
        self._top_up()

    @property
    def meta(self) -> ObjectMeta:
        """What the first answer said of the object."""
        return self._pin.meta

    @property
    def at_hand(self) -> bool:
        """Whether the next chunk has arrived."""
        return bool(self._ranges and self._ranges[0].chunks)

    @property
    def is_near(self) -> bool:
        """Whether the processor is the limit, so that bytes come as soon as somebody waits for them."""
        return self._alone

    @property
    def algorithm(self) -> str | None:
        """The checksum algorithm that proves the bytes; None if nothing does."""
        if self._proofs:
            return self._proofs[0][2]
        if self._checked is not None:
            return self._checked
        return None if self.verifier is None else self.verifier.algorithm

    def _end(self) -> int:
        """Where the next range ends."""
        if self._proofs:
            return proof.from_byte(self._proofs, self._next, self._size)[-1][1]
        size = min(self._size, BLOCK) if self._blocks and self._alone else self._size
        return min(self._next + size, self._stop)

    def _begin(self, stop: int, held: int, result: GetResult | None) -> None:
        part = Range(self._context, self._pin, self._next, stop, held)
        if self._proofs:
            part.proofs = proof.from_byte(self._proofs, self._next, stop - self._next)
        elif self._checked is not None:
            part.checked = True
        elif self.verifier is not None:
            part.hasher = self.verifier.hasher()
        part.whole = self._blocks and self._alone and result is None
        self._next = stop
        self._ranges.append(part)
        seed, self._seed = self._seed, ()
        loop = asyncio.get_running_loop()
        self._stop_timer()
        if self._alone and stop < self._stop:
            self._timer = loop.call_later(PATIENCE, self._consider, time.process_time() + PATIENCE * IDLE)
        task = loop.create_task(part.fill(None if seed else result, seed))
        self._tasks.add(task)
        self._context.reads.begin()
        task.add_done_callback(partial(self._ended, part))

    def _consider(self, busy: float) -> None:
        """The range that is alone takes its time: unless the processor has come past ``busy``, others join it."""
        if not self._ranges or self._ranges[-1].finished:
            return  # it is the caller who takes time
        used = time.process_time()
        if used < busy:
            self._alone = False
            self._top_up()
        else:
            self._timer = asyncio.get_running_loop().call_later(PATIENCE, self._consider, used + PATIENCE * IDLE)

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _ended(self, part: Range, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._context.reads.end(part.drain.position - part.start)
        if self._ranges:
            self._top_up()

    def _top_up(self) -> None:
        """Begin as many ranges as concurrency and byte budget allow; the only one of a stream needs no budget."""
        while self._next < self._stop and len(self._ranges) < self._concurrency:
            size = self._end() - self._next
            if not self._ranges:
                self._begin(self._next + size, 0, None)
                continue
            if self._alone or not (self._fixed or self._context.reads.has_room()) or not BUDGET.try_acquire(size):
                return
            self._begin(self._next + size, size, None)

    async def next_chunk(self) -> bytes:
        """The next bytes in order; ``b""`` at the end.

        Raises:
            CorruptedError: instead of the last chunk, if the bytes do not match the checksum.
            StoreError: if a range cannot be read.
        """
        while self._ranges:
            part = self._ranges[0]
            if not part.chunks:
                if part.error is not None:
                    raise part.error
                if part.finished:
                    self._advance()
                else:
                    await part.arrival()
                continue
            chunk = part.pop()
            self.position += len(chunk)
            if self.verifier is not None:
                await self.verifier.add_chunk(chunk)
                if self.position == self._stop:
                    self._check(self.verifier)
            self._top_up()
            return chunk
        if self.verifier is not None and self.position == self._stop == 0:
            self._check(self.verifier)
        return b""

    def _advance(self) -> None:
        part = self._ranges.popleft()
        BUDGET.release(part.held)
        if part.waited:
            self._alone = False
        if not part.checked:
            self._checked = None
        # At the end, _check() has added what was left.
        if self.verifier is not None and part.hasher is not None and self.position < self._stop:
            self.verifier.add_range(part.hasher, part.size)
        self._top_up()

    def _check(self, verifier: verify.Verifier) -> None:
        """All bytes have arrived, and the last of them are about to be handed out."""
        for part in self._ranges:
            if part.hasher is not None:
                verifier.add_range(part.hasher, part.size)
        if not verifier.holds():
            raise verify.corrupted(verifier.algorithm, self._pin.key, self.operation, self._context.driver)

    async def aclose(self) -> None:
        """End every task, and wait for their connections to be closed. Safe to repeat."""
        self._stop_timer()
        for part in self._ranges:
            BUDGET.release(part.held)
        self._ranges.clear()
        await settle.join(set(self._tasks))
        # A task that was cancelled before its first step has not closed the answer it was given.
        await self._first.aclose()
