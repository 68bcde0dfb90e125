"""Tells observers what each primitive did, for traces, metrics and cost counting."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar, TypeVarTuple

from aiostore.protocol import Driver
from aiostore.types import GetResult
from aiostore.wrappers.wrapper import Wrapper

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

logger = logging.getLogger("aiostore")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One finished primitive, retries included. ``seconds`` ends with the answer's head; a body may follow it.

    ``received`` is how many bytes of the object that body has, all of which arrive unless the reader leaves early.
    """

    store: str
    operation: str
    key: str | None
    seconds: float
    error: BaseException | None = None
    received: int = 0


Observer: TypeAlias = Callable[[Event], None]
"""Called in the event loop when a primitive has ended. It must return at once; what it raises is logged, not raised."""


class ObserveDriver(Wrapper):
    """Calls each observer with an :class:`Event` after every primitive, also when it failed or was cancelled."""

    __slots__ = ("_observers",)

    def __init__(self, inner: Driver, observers: Sequence[Observer]) -> None:
        super().__init__(inner)
        self._observers = tuple(observers)

    def rewrap(self, inner: Driver) -> Driver:
        return ObserveDriver(inner, self._observers)

    async def around(self, operation: str, key: str | None, call: Callable[[*Ts], Awaitable[T]], *arguments: *Ts) -> T:
        begun = time.perf_counter()
        try:
            result = await call(*arguments)
        except BaseException as error:
            self._tell(operation, key, begun, error)
            raise
        received = result.stop - result.start if isinstance(result, GetResult) else 0
        self._tell(operation, key, begun, None, received)
        return result

    def _tell(
        self, operation: str, key: str | None, begun: float, error: BaseException | None, received: int = 0
    ) -> None:
        event = Event(
            store=self.location,
            operation=operation,
            key=key,
            seconds=time.perf_counter() - begun,
            error=error,
            received=received,
        )
        for observer in self._observers:
            try:
                observer(event)
            except Exception:
                logger.exception("an observer failed")
