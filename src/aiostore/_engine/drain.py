"""Reading one range to its end: over as many connections as it takes, no byte twice, none missing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiostore._engine.context import Context
from aiostore._engine.pin import Pin
from aiostore.errors import ConnectionLostError, InvalidRangeError, TransientError
from aiostore.types import GetResult
from aiostore.wrappers.limits import PermitStream


class Drain:
    """The range ``[start, stop)`` of a pinned object on its way to ``take``, which gets every byte once and in order.

    ``take`` may return an awaitable to hold the reading back. ``position`` is how far the reading came.
    """

    __slots__ = ("_begin", "_context", "_pin", "_take", "_unsized", "position", "stop")

    def __init__(
        self,
        context: Context,
        pin: Pin,
        start: int,
        stop: int,
        take: Callable[[bytes], Awaitable[None] | None],
    ) -> None:
        self._context = context
        self._pin = pin
        self._take = take
        self._unsized = pin.meta.size < 0
        self.position = self._begin = start
        self.stop = stop

    async def run(self, result: GetResult | None = None) -> None:
        """Read to the end. ``result`` is an answer that begins at or before ``position``, or None to ask for one.

        A body that is cut is continued at the byte it reached while the policy's attempts suffice; they count anew
        whenever bytes moved. What the service sends beyond ``stop`` is left unread. Every answer is closed when this
        returns or raises.

        Raises:
            ObjectChangedError: if the object is replaced or deleted meanwhile.
            TransientError: if the attempts are used up.
        """
        backoff = None
        while True:
            if result is None:
                result = await self._ask()
            begun = self.position
            try:
                await self._pour(result)
                return
            except TransientError as error:
                lost = error.locate(key=self._pin.key, operation="get", store=self._context.driver.location)
            finally:
                await result.stream.aclose()
            result = None
            if self._unsized and self._pin.unknown and self.position:
                # What came could not be told from the beginning of another state.
                raise lost
            if backoff is None:
                backoff = self._context.backoff()
            if self.position > begun:
                backoff.progressed()
            await backoff.wait(lost)

    async def _ask(self) -> GetResult:
        """The answer that goes on at ``position``; of an object of unknown size, all of it once more."""
        if self._unsized:
            return await self._pin.get(self._context.driver, None, None)
        return await self._pin.get(self._context.driver, self.position, self.stop)

    async def _pour(self, result: GetResult) -> None:
        next_chunk = result.stream.next_chunk
        ahead = self.position - result.start
        if ahead < 0:
            raise ConnectionLostError(f"the answer begins at byte {result.start}, behind byte {self.position}")
        while self.position < self.stop:
            chunk = await next_chunk()
            if not chunk:
                if self._unsized:
                    return self._end(ahead)
                raise ConnectionLostError(f"the body ended at byte {self.position} of {self.stop}")
            if ahead:
                # The service ignored the range (or begins earlier): what lies before it is not wanted.
                skipped = min(ahead, len(chunk))
                ahead -= skipped
                chunk = chunk[skipped:]
                if not chunk:
                    continue
            if len(chunk) > self.stop - self.position:
                if result.stop == self.stop:
                    raise ConnectionLostError(f"the body goes on behind byte {self.stop}, its announced end")
                chunk = chunk[: self.stop - self.position]
            self.position += len(chunk)
            held_back = self._take(chunk)
            if held_back is not None:
                # Nobody's permit may wait for the caller, who may wait for one before reading on.
                if isinstance(result.stream, PermitStream):
                    result.stream.release()
                await held_back

    def _end(self, ahead: int) -> None:
        """The body of unknown size is over, ``ahead`` bytes before the range."""
        if ahead or (self.position and self.position == self._begin):
            raise InvalidRangeError(
                "the range starts past the end of the object", key=self._pin.key, operation="get",
                store=self._context.driver.location,
            )  # fmt: skip
        self.stop = self.position
