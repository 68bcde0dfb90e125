"""Options to request headers, and response headers to what is known of an object. Names are in lower case.

https://docs.openstack.org/api-ref/object-store/#objects
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import format_datetime
from typing import Final

from aiostore._http.status import meta_from_headers, range_header, unquote_etag
from aiostore.drivers.base_conditions import refuse_options
from aiostore.errors import ConfigurationError, InvalidKeyError, NotSupportedError
from aiostore.types import ANY, NOTHING, GetOptions, Match, ObjectMeta, PutOptions

METADATA: Final = "x-object-meta-"

SEGMENTS: Final = "aiostore-segments"
"""The name of hidden metadata of a large object of ours: the upload's id, the ETag, and the CRC32C of the whole."""

_CONTENT: Final = ("content-type", "content-encoding", "content-disposition", "content-language", "cache-control")
_KEPT: Final = ("x-delete-at", "x-object-manifest", "expires", "x-robots-tag")
"""Beside metadata and content headers, what a POST drops unless it is sent again."""

_EXTRA: Final = ("x-delete-at", "x-object-manifest", "x-static-large-object", "x-manifest-etag")
_NAME: Final = re.compile(r"[!#$%&'*+.^`|~0-9A-Za-z-]+")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")
_MD5: Final = re.compile(r"[0-9a-f]{32}")


def check_name(key: str) -> None:
    """Raise InvalidKeyError if no object can be called ``key``: a NUL is refused, by Ceph's gateway without HTTP."""
    if "\0" in key:
        raise InvalidKeyError("Swift keeps no key with a NUL in it; encode the key", key=key)


# --- what is sent ---------------------------------------------------------------------------------------------------


def read_headers(options: GetOptions, *, ranged: bool) -> dict[str, str]:
    """Return what ``options`` ask of a HEAD or, ``ranged``, of a GET.

    The caller compares the answer with ``if_match`` itself: Swift refuses the ETag that it shows for what was once
    copied from a large object, and Ceph's gateway those of all large objects. An answer says what its bytes are of.

    Raises:
        NotSupportedError: if they ask for what Swift has not.
    """
    headers: dict[str, str] = {}
    if ranged and (options.start is not None or options.stop is not None):
        wanted = range_header(options.start, options.stop)
        if wanted is not None:
            headers["range"] = wanted
    if options.if_none_match is not None:
        headers["if-none-match"] = quoted(options.if_none_match)
    if options.if_modified_since is not None:
        headers["if-modified-since"] = format_datetime(options.if_modified_since.astimezone(UTC), usegmt=True)
    if options.encryption is not None:
        refuse_options(options, "encryption")
    if options.headers:
        headers |= lower_case(options.headers)
    return headers


def write_headers(options: PutOptions) -> dict[str, str]:
    """Return the headers of a write, but for its conditions, its checksum and the caller's own.

    Raises:
        ConfigurationError: if a header cannot hold what is given.
        NotSupportedError: if the options ask for what Swift has not.
    """
    if options.tags or options.storage_class is not None or options.encryption is not None or options.acl is not None:
        _refuse(options)
    headers: dict[str, str] = {}
    if options.content_type is not None:
        headers["content-type"] = options.content_type
    if options.content_encoding is not None:
        headers["content-encoding"] = options.content_encoding
    if options.content_disposition is not None:
        headers["content-disposition"] = options.content_disposition
    if options.content_language is not None:
        headers["content-language"] = options.content_language
    if options.cache_control is not None:
        headers["cache-control"] = options.cache_control
    if options.metadata:
        headers |= metadata_headers(options.metadata)
    return headers


def _refuse(options: PutOptions) -> None:
    if options.tags:
        raise NotSupportedError("Swift has no tags; keep them in the object's metadata")
    if options.storage_class is not None:
        raise NotSupportedError(
            "Swift stores by the policy of the container; choose another container instead of a storage_class"
        )
    refuse_options(options, "encryption", "acl")


def metadata_headers(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of an object's metadata; values go as UTF-8, as python-swiftclient sends them.

    Raises:
        ConfigurationError: if the service would lose or change a name or a value.
    """
    headers = {}
    for name, value in metadata.items():
        if _NAME.fullmatch(name) is None:
            raise ConfigurationError(f"{name!r} cannot name metadata on Swift: use letters, digits, and '-'")
        if _CONTROL.search(value) is not None or value.strip() != value or value.startswith("=?"):
            raise ConfigurationError(
                f"the metadata {name!r} holds control characters, spaces at an end, or begins as an encoded word,"
                " which the service would change; encode it"
            )
        headers[METADATA + name.lower()] = value
    return headers


def lower_case(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the caller's own headers.

    Raises:
        ConfigurationError: if a name cannot be one.
    """
    for name in headers:
        if _TOKEN.fullmatch(name) is None:
            raise ConfigurationError(f"{name!r} cannot be the name of a header")
    return {name.lower(): value for name, value in headers.items()}


def edited_headers(options: PutOptions, current: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a POST that changes what ``options`` name and keeps the rest of ``current``.

    https://docs.openstack.org/api-ref/object-store/#create-or-update-object-metadata: whatever it leaves out is lost.
    """
    headers = {name: current[name] for name in (*_CONTENT, *_KEPT) if name in current}
    hidden = METADATA + "aiostore-"
    for name in current:
        lower = name.lower()
        if lower.startswith(METADATA) and (not options.metadata or lower.startswith(hidden)):
            headers[lower] = current[name]
    return headers | write_headers(options) | lower_case(options.headers)


def refuse_conditions(if_match: Match | None, if_none_match: Match | None, *, creates: bool) -> None:
    """Raise NotSupportedError if the service would ignore a condition on a write; ``creates`` says of create-only."""
    if if_match is not None:
        raise NotSupportedError("Swift has no if_match on writes and would overwrite; write without it")
    if if_none_match is not None and (if_none_match != ANY or not creates):
        raise NotSupportedError("this service does not honour if_none_match here; write without it")


def quoted(match: Match) -> str:
    """The ETag of ``match`` as a condition has it; NotSupportedError if there is none."""
    if match.etag is None:
        raise NotSupportedError("Swift compares ETags, and this state has none; take it from head, get or put")
    return "*" if match.etag == "*" else f'"{match.etag}"'


# --- what is answered -----------------------------------------------------------------------------------------------


def read_meta(key: str, headers: Mapping[str, str], size: int) -> ObjectMeta:
    """Read the head of an answer to HEAD or GET. ``headers`` finds names in any case."""
    extra: Mapping[str, str] = NOTHING
    checksums: Mapping[str, str] = NOTHING
    etag = unquote_etag(headers.get("etag"))
    large = "x-static-large-object" in headers or "x-object-manifest" in headers
    if large:
        if (crc := own_crc32c(headers, etag)) is not None:
            checksums = {"crc32c": crc}
    elif etag is not None and _MD5.fullmatch(etag) is not None:
        checksums = {"md5": etag}
    if large or "x-delete-at" in headers:
        extra = {name: headers[name] for name in _EXTRA if name in headers}
    version = headers.get("x-object-version-id")
    meta = meta_from_headers(
        key,
        headers,
        metadata_prefix=METADATA,
        size=size,
        version=None if version == "null" else version,
        checksums=checksums,
        extra=extra,
    )
    if meta.metadata and isinstance(meta.metadata, dict):
        # A copy has our mark too, and a Ceph gateway shows its own of a large object once more as metadata.
        meta.metadata.pop(SEGMENTS, None)
        if large:
            meta.metadata.pop("static-large-object", None)
    return meta


def mark_segments(upload_id: str, etag: str, crc32c: str) -> dict[str, str]:
    """Return the header that says of a large object which upload made it, and what its bytes are."""
    return {METADATA + SEGMENTS: f"{upload_id}:{etag}:{crc32c}"}


def own_upload(headers: Mapping[str, str]) -> str | None:
    """The id of the upload that made a large object; None if it is not of ours, or no longer what we made."""
    upload_id, etag, _ = _mark(headers)
    return upload_id if upload_id and etag == unquote_etag(headers.get("etag")) else None


def own_crc32c(headers: Mapping[str, str], etag: str | None) -> str | None:
    """The CRC32C of a large object of ours; it holds for the bytes of this ETag alone."""
    _, marked, crc32c = _mark(headers)
    return crc32c if crc32c and marked == etag else None


def _mark(headers: Mapping[str, str]) -> tuple[str, str, str]:
    parts = headers.get(METADATA + SEGMENTS, "").split(":")
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 else ("", "", "")
