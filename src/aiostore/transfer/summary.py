"""What a transfer did."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiostore.transfer.plan import Action

FAILURES = 1000
"""Failures that a summary lists; all are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What became of a key that could not be transferred or deleted: it is as it was."""

    key: str
    error: Exception


@dataclass(slots=True, kw_only=True)
class Summary:
    """What a transfer did, or with ``dry_run`` would do. ``bytes`` are those of the objects copied.

    ``kept`` are those that were to be deleted and were not, because something else had failed.
    """

    copied: int = 0
    replaced: int = 0
    skipped: int = 0
    deleted: int = 0
    kept: int = 0
    failed: int = 0
    bytes: int = 0
    failures: list[Failure] = field(default_factory=list)
    dry_run: bool = False

    def add(self, action: Action) -> None:
        """Count one action."""
        name = {"copy": "copied", "replace": "replaced", "skip": "skipped", "delete": "deleted"}[action.kind]
        setattr(self, name, getattr(self, name) + 1)
        if action.kind in {"copy", "replace"}:
            self.bytes += action.size

    def fail(self, key: str, error: Exception) -> None:
        """Count what could not be done."""
        self.failed += 1
        if len(self.failures) < FAILURES:
            self.failures.append(Failure(key=key, error=error))
