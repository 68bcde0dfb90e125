"""What the services that speak Swift's API really do, and what a cluster says of its limits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aiostore.capabilities import Conditions, Guarantee
from aiostore.errors import ConfigurationError

MAX_OBJECT: Final = 5 * 1024**3
"""Bytes of one object or segment, unless the cluster takes less."""


_NONE: Final = Conditions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One Swift.

    ``put`` and ``complete`` are the guarantees of conditions on the target. ``manifests``: the manifest of a static
    large object can be read. ``full_pages``: a page of a listing that is not full is the last.
    ``leading_slashes``: a listing of the top level shows the prefix "/". ``page_size`` is the most entries of one page.
    ``digest`` signs temporary URLs. ``missing`` names primitives that are refused.
    """

    name: str
    put: Conditions = _NONE
    complete: Conditions = _NONE
    manifests: bool = True
    full_pages: bool = True
    leading_slashes: bool = True
    page_size: int = 10_000
    digest: str = "sha256"
    missing: frozenset[str] = frozenset()


_DIALECTS: Final = (
    # Create-only is looked up at several replicas, so two creators may both win:
    # https://docs.openstack.org/api-ref/object-store/#create-or-replace-object
    Dialect(
        name="swift",
        put=Conditions(if_absent=Guarantee.BEST_EFFORT),
        complete=Conditions(if_absent=Guarantee.BEST_EFFORT),
    ),
    # A RADOS Gateway, up to Reef: conditions on writes are ignored; a copy of a large object shares its segments, and
    # a copy of a range is one of the whole; a manifest is not shown; versions are not listed; a form looks for the
    # container in the tenant of the account's name.
    Dialect(
        name="ceph",
        manifests=False,
        full_pages=False,
        leading_slashes=False,
        page_size=1000,
        digest="sha1",
        missing=frozenset({"copy", "copy_part", "list_ranges", "list_versions", "restore", "sign_post"}),
    ),
)

DIALECTS: Final = {dialect.name: dialect for dialect in _DIALECTS}


def choose(name: str | None) -> Dialect:
    """Return the dialect called ``name``; None is OpenStack's.

    Raises:
        ConfigurationError: if there is no such dialect.
    """
    try:
        return DIALECTS[name or "swift"]
    except KeyError:
        known = " and ".join(repr(known) for known in DIALECTS)
        raise ConfigurationError(f"there is no Swift dialect {name!r}; known are {known}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """What ``/info`` says, as far as it is less than what is common.

    https://docs.openstack.org/swift/latest/api/discoverability.html
    """

    max_object: int = MAX_OBJECT
    max_segments: int = 1000
    min_segment: int = 1
    page_size: int = 10_000
    delete_batch: int = 1000


def read_info(data: bytes) -> Info:
    """Read the answer to ``/info``; what it does not say is as common."""
    try:
        document = json.loads(data)
    except ValueError:
        document = None
    common = Info()

    def number(section: str, name: str, otherwise: int) -> int:
        part = document.get(section) if isinstance(document, Mapping) else None
        value = part.get(name) if isinstance(part, Mapping) else None
        return value if isinstance(value, int) and value > 0 else otherwise

    return Info(
        max_object=min(number("swift", "max_file_size", common.max_object), common.max_object),
        max_segments=min(number("slo", "max_manifest_segments", common.max_segments), common.max_segments),
        min_segment=number("slo", "min_segment_size", common.min_segment),
        page_size=min(number("swift", "container_listing_limit", common.page_size), common.page_size),
        delete_batch=min(number("bulk_delete", "max_deletes_per_request", common.delete_batch), common.delete_batch),
    )
