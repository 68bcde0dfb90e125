"""For whoever writes a driver or tests an application: the conformance suite, and a driver that injects faults.

``aiostore.testing.conformance`` needs pytest, pytest-asyncio and Hypothesis; it is imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiostore.testing.faults import EVERY, Call, Cut, Delay, Fail, FailRandomly, Fault, FaultyDriver, Flip, Hold

if TYPE_CHECKING:
    from aiostore.testing.conformance import StoreConformance

__all__ = [
    "EVERY",
    "Call",
    "Cut",
    "Delay",
    "Fail",
    "FailRandomly",
    "Fault",
    "FaultyDriver",
    "Flip",
    "Hold",
    "StoreConformance",
]


def __getattr__(name: str) -> object:
    if name == "StoreConformance":
        from aiostore.testing.conformance import StoreConformance

        return StoreConformance
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
