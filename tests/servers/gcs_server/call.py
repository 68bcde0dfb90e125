"""The head of one call: a request of its own, or one of a batch."""

from __future__ import annotations

from dataclasses import dataclass

from multidict import CIMultiDictProxy


@dataclass(frozen=True, slots=True)
class Call:
    """Its method, its path and query as they were sent, and its headers; those of the whole batch in a batch."""

    method: str
    raw_path: str
    headers: CIMultiDictProxy[str]
