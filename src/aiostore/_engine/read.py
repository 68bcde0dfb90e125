"""Reads that return bytes: whole objects, ranges, several ranges; resumed, pinned to one state, verified."""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from aiostore import checksums
from aiostore._engine import proof, verify
from aiostore._engine.context import Context
from aiostore._engine.drain import Drain
from aiostore._engine.gather import gather
from aiostore._engine.options import WHOLE
from aiostore._engine.pin import Pin, is_another, state_of
from aiostore._engine.stream import ReadAhead
from aiostore.budget import BUDGET
from aiostore.errors import (
    ConnectionLostError,
    CorruptedError,
    InvalidRangeError,
    NotFoundError,
    NotSupportedError,
    ObjectChangedError,
    PreconditionFailedError,
    TransientError,
)
from aiostore.protocol import Driver
from aiostore.types import GetOptions, GetResult, Match, ObjectMeta

ENDLESS = sys.maxsize
"""Where a read of an object of unknown size stops unless it ends before."""


def is_whole(options: GetOptions) -> bool:
    """Whether the whole object is asked for."""
    return options.stop is None and (options.start is None or options.start == 0)


def bounds(options: GetOptions, meta: ObjectMeta, driver: Driver) -> tuple[int, int]:
    """The range asked for as offsets into an object of this size; ENDLESS is the end of one of unknown size.

    Raises:
        InvalidRangeError: if it starts past the end.
    """
    size = meta.size
    start = options.start or 0
    if size < 0:
        if start < 0:
            raise NotSupportedError(
                "the service does not say how long the object is, so nothing counts from its end; read the whole",
                key=meta.key,
                operation="get",
                store=driver.location,
            )
        return start, ENDLESS if options.stop is None else options.stop
    if start < 0:
        return max(0, size + start), size
    if start > 0 and start >= size:
        raise InvalidRangeError(
            f"the range starts at byte {start}, past the end of the object, which has {size} bytes",
            key=meta.key,
            operation="get",
            store=driver.location,
        )
    return start, size if options.stop is None else min(options.stop, size)


class _Nothing:
    """The body of an empty range, which no request can ask for."""

    __slots__ = ()

    async def next_chunk(self) -> bytes:
        return b""

    async def read(self) -> bytes:
        return b""

    async def aclose(self) -> None:
        return


async def first_answer(context: Context, key: str, options: GetOptions) -> GetResult:
    """The first answer of a read, whose body begins at or before the range.

    An empty range is answered by a head. So is the place where a suffix begins, if the service lacks suffix ranges.
    Where the answer for a range carries its checksum, the first one is for the largest such range.
    """
    driver = context.driver
    start, stop = options.start, options.stop
    largest = min(driver.capabilities.range_checksum, context.limits.part_size)
    if largest and context.integrity != "off" and (start is None or start >= 0):
        if options is WHOLE:
            options = _beginning(largest)
            start, stop = options.start, options.stop
        else:
            start = start or 0
            stop = start + largest if stop is None else min(stop, start + largest)
            options = replace(options, start=start, stop=stop)
    if start is not None and (start == stop or (start < 0 and not driver.capabilities.suffix_range)):
        meta = await driver.head(key, replace(options, start=None, stop=None))
        start, stop = bounds(options, meta, driver)
        if start == stop:
            return GetResult(meta=meta, start=start, stop=stop, stream=_Nothing())
        match = options.if_match or (Match(etag=meta.etag, version=meta.version) if meta.etag else None)
        options = replace(options, start=start, if_match=match)
    try:
        return await driver.get(key, options)
    except InvalidRangeError:
        if start is not None and start > 0:
            raise
        # Services answer any range of an empty object so; its bytes are all there is.
        return await driver.get(key, replace(options, start=None, stop=None))


@lru_cache(maxsize=16)
def _beginning(size: int) -> GetOptions:
    return GetOptions(start=0, stop=size)


def expected(
    context: Context, options: GetOptions, meta: ObjectMeta, operation: str, sizes: Sequence[int] = ()
) -> verify.Expected | None:
    """What the bytes of this read are compared with; None if there is no such checksum.

    Raises:
        NotSupportedError: if integrity is ``"require"`` and the bytes cannot be verified.
    """
    if is_whole(options):
        return verify.expected(meta, context.integrity, operation, context.driver, sizes)
    if context.integrity == "require":
        raise verify.unverifiable("the service holds no checksum of a range", meta.key, operation, context.driver)
    return None


async def verifier(context: Context, options: GetOptions, meta: ObjectMeta, operation: str) -> verify.Verifier | None:
    """What the chunks of this read go through to be compared; raises as ``expected``.

    It may have to ask the service, for which whoever calls it holds no connection: see `proof.begin`.
    """
    sizes = await proof.sizes(context, meta, options) if is_whole(options) else ()
    found = expected(context, options, meta, operation, sizes)
    return None if found is None else verify.Verifier(found)


async def read(context: Context, key: str, options: GetOptions) -> bytes:
    """The bytes that ``options`` asks for; corrupted ones are read again, and never returned."""
    return (await read_with_meta(context, key, options))[1]


async def read_with_meta(context: Context, key: str, options: GetOptions) -> tuple[ObjectMeta, bytes]:
    """What the service says of the object, and the bytes that ``options`` asks for."""
    for _ in range(verify.READS - 1):
        try:
            return await _read_once(context, key, options)
        except CorruptedError:
            continue
    return await _read_once(context, key, options)


async def _read_once(context: Context, key: str, options: GetOptions) -> tuple[ObjectMeta, bytes]:
    result = await first_answer(context, key, options)
    meta = result.meta
    try:
        start, stop = bounds(options, meta, context.driver)
        if result.checksums:
            algorithm = checksums.best(result.checksums)
            wanted = None if algorithm is None else verify.Expected(algorithm, result.checksums[algorithm])
        elif (
            (checksums.MD5_OF_PARTS in meta.checksums or result.range_checksums or context.integrity == "require")
            and checksums.best(meta.checksums) is None
            and is_whole(options)
        ):
            return meta, await _read_in_ranges(context, key, options, result)
        else:
            wanted = expected(context, options, meta, "get")
        extra = max(0, stop - start - context.limits.part_size) if context.driver.capabilities.parallel_ranges else 0
        if result.start != start or result.stop != stop or not _fits(context, extra):
            return meta, await _read_ahead(context, key, options, result, start, stop, wanted)
        try:
            data = await result.stream.read()
            if len(data) != stop - start:
                raise _other_length(data, stop - start)
        except TransientError as error:
            await result.stream.aclose()
            data = await _go_on(context, Pin(key, options, meta), start, stop, error)
        finally:
            if extra:
                BUDGET.release(extra)
    except BaseException:
        await result.stream.aclose()
        raise
    if wanted is not None and not (
        verify.matches(wanted, data) if len(data) <= verify.SMALL else await verify.matches_soon(wanted, data)
    ):
        raise verify.corrupted(wanted.algorithm, key, "get", context.driver)
    return meta, data


def _other_length(data: bytes, size: int) -> ConnectionLostError:
    """The error for a body that is not as long as its head said: the transport knows it only by Content-Length."""
    error = ConnectionLostError(f"the body has {len(data)} bytes, and its head announced {size}")
    if len(data) < size:
        error.received = data
    return error


def _fits(context: Context, extra: int) -> bool:
    """Whether ``extra`` bytes beyond one part are read in one body, and have taken their place in the budget.

    A second connection would cost more than it brings.
    """
    return extra <= context.limits.part_size and (not extra or BUDGET.try_acquire(extra))


async def _read_ahead(
    context: Context,
    key: str,
    options: GetOptions,
    result: GetResult,
    start: int,
    stop: int,
    wanted: verify.Expected | None,
) -> bytes:
    check = None if wanted is None or result.checksums else verify.Verifier(wanted)
    return await _all_of(ReadAhead(context, Pin(key, options, result.meta), result, start, stop, None, check, "get"))


async def _read_in_ranges(context: Context, key: str, options: GetOptions, result: GetResult) -> bytes:
    """An object that has no checksum of the whole, but may have some of its ranges, or one that is made of theirs."""
    pin = Pin(key, options, result.meta)
    proofs, seed = await proof.begin(context, pin, options, result)
    check = None if proofs else await verifier(context, options, result.meta, "get")
    size = result.meta.size
    return await _all_of(ReadAhead(context, pin, result, 0, size, None, check, "get", proofs, seed))


async def _all_of(ahead: ReadAhead) -> bytes:
    try:
        chunks = []
        while chunk := await ahead.next_chunk():
            chunks.append(chunk)
    finally:
        await ahead.aclose()
    return b"".join(chunks)


async def _go_on(context: Context, pin: Pin, start: int, stop: int, error: TransientError) -> bytes:
    """The bytes ``[start, stop)``, of which the error brings the first: the rest is read from where they were cut."""
    await context.backoff().wait(error.locate(key=pin.key, operation="get", store=context.driver.location))
    chunks = [error.received]
    await Drain(context, pin, start + len(error.received), stop, chunks.append).run()
    return b"".join(chunks)


async def read_ranges(context: Context, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
    """The bytes of each ``(start, stop)``, in the order asked, all of one state of the object.

    Ranges with at most ``limits.gap`` bytes between them are read in one request; the requests run concurrently.

    Raises:
        InvalidRangeError: if a range is not one, or starts past the end.
        ObjectChangedError: if the object was replaced between two of the requests.
    """
    location = context.driver.location
    for start, stop in ranges:
        if start < 0 or stop < start:
            raise InvalidRangeError(
                f"({start}, {stop}) is not a range: 0 <= start <= stop", key=key, operation="get_ranges", store=location
            )
    spans = coalesce(ranges, context.limits.gap)

    states: list[ObjectMeta] = []

    def changed(how: str) -> ObjectChangedError:
        return ObjectChangedError(
            f"the object was {how} while its ranges were being read; begin again",
            key=key,
            operation="get_ranges",
            store=location,
        )

    async def fetch(span: tuple[int, int]) -> tuple[ObjectMeta, bytes]:
        options = GetOptions(start=span[0], stop=span[1], if_match=state_of(states[0]) if states else None)
        try:
            answer = await read_with_meta(context, key, options)
        except (NotFoundError, PreconditionFailedError) as error:
            if not states:
                raise
            raise changed("replaced or deleted") from error
        states.append(answer[0])
        return answer

    answers = await gather(fetch, spans, context.limits.reads)
    # The first ranges were asked for without If-Match.
    if any(is_another(meta, states[0]) for meta in states[1:]):
        raise changed("replaced")
    begins = [first for first, _ in spans]
    results = []
    for start, stop in ranges:
        if start == stop:
            results.append(b"")
            continue
        index = bisect_right(begins, start) - 1
        (first, _), (meta, data) = spans[index], answers[index]
        bounds(GetOptions(start=start, stop=stop), meta, context.driver)
        results.append(data[start - first : stop - first])
    return results


def coalesce(ranges: Sequence[tuple[int, int]], gap: int) -> list[tuple[int, int]]:
    """The fewest spans that cover all non-empty ranges, joined where at most ``gap`` bytes lie between."""
    spans: list[tuple[int, int]] = []
    for start, stop in sorted(ranges):
        if start == stop:
            continue
        if spans and start <= spans[-1][1] + gap:
            spans[-1] = spans[-1][0], max(spans[-1][1], stop)
        else:
            spans.append((start, stop))
    return spans


async def exists(context: Context, key: str) -> bool:
    """Whether there is such an object."""
    try:
        await context.driver.head(key, GetOptions())
    except NotFoundError:
        return False
    return True
