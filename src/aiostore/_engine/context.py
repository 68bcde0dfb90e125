"""What every engine function needs to know: the driver it works over and the policies of the store."""

from __future__ import annotations

from dataclasses import dataclass

from aiostore._engine.window import Window
from aiostore.policies import Integrity, Limits, RetryPolicy
from aiostore.protocol import Driver
from aiostore.wrappers.retry import Backoff, RetryBudget


@dataclass(slots=True, kw_only=True, eq=False)
class Context:
    """The whole stack of wrappers as ``driver``, and the policies that transfers of several requests follow.

    ``reads`` and ``writes`` are what the store has learnt of its service, shared with its prefixes and siblings. When
    the store is closed, ``driver`` becomes one that says so, to whoever still reads with this.
    """

    driver: Driver
    retry: RetryPolicy
    retry_budget: RetryBudget
    limits: Limits
    integrity: Integrity
    reads: Window
    writes: Window

    def backoff(self) -> Backoff:
        """The waits of one transfer that goes on where it was cut."""
        return Backoff(self.retry, self.retry_budget)
