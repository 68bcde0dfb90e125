"""What a cell of the table may have to show, and rules that say so for many cells."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from aiostore.policies import Integrity


@dataclass(frozen=True, slots=True)
class Heals:
    """The caller notices nothing: the result is right, and what was done is done once and whole."""


@dataclass(frozen=True, slots=True)
class Raises:
    """This error, and everything is as it was before."""

    error: type[Exception]
    integrity: Integrity = "auto"


@dataclass(frozen=True, slots=True)
class NotApplicable:
    """It cannot happen; ``reason`` says why."""

    reason: str


Expectation = Heals | Raises | NotApplicable


@dataclass(frozen=True, slots=True)
class Rule:
    """What is expected of these faults in these operations; faults of None are all there are."""

    faults: frozenset[str] | None
    operations: frozenset[str]
    expectation: Expectation
    drivers: frozenset[str] = frozenset()

    def names(self, operation: str, fault: str) -> bool:
        """Whether it is about this cell of a driver that it holds for."""
        return operation in self.operations and (self.faults is None or fault in self.faults)


def rule(faults: Iterable[str], operations: Iterable[str], drivers: Iterable[str], expectation: Expectation) -> Rule:
    """A rule for several drivers."""
    return Rule(frozenset(faults), frozenset(operations), expectation, frozenset(drivers))


def here(faults: Iterable[str], operations: Iterable[str], expectation: Expectation) -> Rule:
    """A rule for the one backend whose module has it."""
    return Rule(frozenset(faults), frozenset(operations), expectation)


def lacks(operations: Iterable[str], reason: str) -> Rule:
    """The backend cannot do this at all, so that nothing can go wrong with it."""
    return Rule(None, frozenset(operations), NotApplicable(reason))


class NoRuleError(LookupError):
    """A blank cell."""
