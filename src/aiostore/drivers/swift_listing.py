"""What listings of a container say, which are JSON: objects, common prefixes and versions. Pure functions.

https://docs.openstack.org/api-ref/object-store/#show-container-details-and-list-objects
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from aiostore._http.status import unquote_etag
from aiostore.types import ObjectMeta, ObjectVersion, object_meta

_ROW: Final = re.compile(
    r'(?s)\{"bytes": ([0-9]{1,19}), "hash": "(.{32})", "name": "([^"]+)", "content_type": "([^"]*)", '
    r'"last_modified": "(.{26})"\}'
)
"""An object as OpenStack's Swift writes it; a page of nothing else is read in one go, faster than by a JSON parser."""

_MARKER: Final = "swift_versions_deleted"


class Listed(NamedTuple):
    """One page. ``last`` is the last name of all, with which the next page begins; None of an empty page."""

    objects: list[ObjectMeta]
    prefixes: list[str]
    last: str | None


def read_page(data: bytes) -> Listed:
    """Read one page of a listing.

    Raises:
        ValueError, LookupError, TypeError, AttributeError: if it is not what the service's documents say.
    """
    text = data.decode()
    if "\\" not in text and text.startswith("[{") and text.endswith("}]"):
        rows = _ROW.findall(text)
        # Without a backslash every quote ends or begins a string, so no row can hide in a name.
        if len(rows) == text.count("}, {") + 1:
            parsed = datetime.fromisoformat
            objects = [
                object_meta(name, int(size), parsed(time + "Z"), etag, None, kind)
                for size, etag, name, kind, time in rows
            ]
            return Listed(objects, [], objects[-1].key)
    entries = json.loads(text) if text else []
    if not isinstance(entries, list):
        raise TypeError("a listing is an array")
    objects, prefixes, name = [], [], None
    for entry in entries:
        if "subdir" in entry:
            name = str(entry["subdir"])
            prefixes.append(name)
        else:
            objects.append(_read_object(entry))
            name = objects[-1].key
    return Listed(objects, prefixes, name)


def _read_object(entry: Mapping[str, Any], version: str | None = None) -> ObjectMeta:
    get = entry.get
    large = get("slo_etag")
    return object_meta(
        str(entry["name"]),
        int(get("bytes") or 0),
        moment(get("last_modified")),
        get("hash") if large is None else unquote_etag(large),
        version,
        get("content_type"),
    )


def read_version(entry: Mapping[str, Any]) -> ObjectVersion:
    """Read one entry of a listing of versions; raises as :func:`read_page`."""
    version = entry.get("version_id")
    return ObjectVersion(
        meta=_read_object(entry, None if version is None else str(version)),
        is_latest=entry.get("is_latest") is not False,
        is_delete_marker=_MARKER in str(entry.get("content_type", "")),
    )


def moment(value: object) -> datetime | None:
    """The time in a listing, which is UTC without saying so; ValueError if it is none."""
    if not isinstance(value, str):
        return None
    # Without a zone on Swift, with a Z on a gateway.
    return datetime.fromisoformat(value if value.endswith("Z") else value + "Z")
