"""What a driver can do and promise."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Guarantee(IntEnum):
    """How a condition on a write holds against concurrent writers."""

    NONE = 0
    """The service ignores or refuses it."""
    BEST_EFFORT = 1
    """It is checked, but two writers may both win."""
    ATOMIC = 2
    """At most one of any number of concurrent writers wins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """The guarantees behind ``if_absent`` (create-only) and ``if_match`` (compare-and-swap) of one primitive."""

    if_absent: Guarantee = Guarantee.NONE
    if_match: Guarantee = Guarantee.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class PartLimits:
    """What multipart writes must keep to. The last part may be smaller than ``min_size``.

    ``equal`` services demand that all parts but the last have one size.
    """

    min_size: int = 5 * 1024**2
    max_size: int = 5 * 1024**3
    max_count: int = 10_000
    equal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a driver can do and promise. A value, so that it survives every wrapper.

    ``operations`` are the names of the primitives that do not merely refuse. ``checksums`` are the algorithms that the
    service verifies on upload, best first; reads are verified by whatever ``ObjectMeta.checksums`` holds.
    ``max_put``, ``max_append`` and ``max_copy`` are the largest bodies in bytes of one put, append and copy;
    ``delete_batch`` the most keys of one ``delete_many``. ``range_checksum`` is the largest range in bytes whose
    answer carries a checksum of its own; 0 if none does. ``parallel_ranges`` is false where several ranges at once
    bring no more than one answer does.
    """

    operations: frozenset[str]
    put: Conditions = Conditions()
    complete: Conditions = Conditions()
    copy: Conditions = Conditions()
    delete: Conditions = Conditions()
    ranges: bool = True
    parallel_ranges: bool = True
    suffix_range: bool = True
    ordered_listing: bool = True
    multipart: PartLimits | None = None
    max_put: int = 5 * 1024**3
    max_append: int = 2**62
    max_copy: int = 5 * 1024**3
    delete_batch: int = 1
    checksums: tuple[str, ...] = ()
    range_checksum: int = 0
    metadata: bool = True
