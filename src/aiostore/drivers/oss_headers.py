"""Options to request headers, and response headers to what is known of an object. Names are in lower case.

https://www.alibabacloud.com/help/en/oss/developer-reference/putobject
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC
from email.utils import format_datetime
from typing import Final
from urllib.parse import quote

from aiostore._http.metadata import decode_value, encode_value
from aiostore._http.request_headers import lower_case, plain, quoted_etag
from aiostore._http.status import meta_from_headers, range_header
from aiostore.errors import ConfigurationError, NotSupportedError
from aiostore.types import ANY, Encryption, GetOptions, Match, ObjectMeta, PutOptions

_METADATA: Final = "x-oss-meta-"
_ENCRYPTION: Final = "x-oss-server-side-encryption"
_CRC64: Final = "x-oss-hash-crc64ecma"
_HAVE_FIELDS: Final = frozenset({"x-oss-request-id", "x-oss-version-id", "x-oss-storage-class", _CRC64})

_NAME: Final = re.compile(r"[0-9A-Za-z-]+")

# --- what is sent ---------------------------------------------------------------------------------------------------


def read_headers(options: GetOptions) -> dict[str, str]:
    """Return what ``options`` ask of a HEAD or GET."""
    headers: dict[str, str] = {}
    if options.start is not None or options.stop is not None:
        wanted = range_header(options.start, options.stop)
        if wanted is not None:
            headers["range"] = wanted
            # Without it, a range that does not fit into the object is answered with all of it.
            headers["x-oss-range-behavior"] = "standard"
    if options.if_match is not None:
        headers["if-match"] = quoted(options.if_match)
    if options.if_none_match is not None:
        headers["if-none-match"] = quoted(options.if_none_match)
    if options.if_modified_since is not None:
        headers["if-modified-since"] = format_datetime(options.if_modified_since.astimezone(UTC), usegmt=True)
    if options.encryption is not None and options.encryption.customer_key is not None:
        raise _no_customer_keys()
    return headers | lower_case(options.headers)


def write_headers(options: PutOptions) -> dict[str, str]:
    """Return the headers of a put, append or creation of an upload, but for its conditions and checksums.

    Raises:
        ConfigurationError: if a header cannot hold what is given.
        NotSupportedError: if the service does not have an option.
    """
    headers: dict[str, str] = {}
    for name, value in (
        ("content-type", options.content_type),
        ("content-encoding", options.content_encoding),
        ("content-disposition", options.content_disposition),
        ("content-language", options.content_language),
        ("cache-control", options.cache_control),
        ("x-oss-storage-class", options.storage_class),
        ("x-oss-object-acl", options.acl),
    ):
        if value is not None:
            headers[name] = plain(name, value)
    for name, value in options.metadata.items():
        if _NAME.fullmatch(name) is None:
            raise ConfigurationError(f"{name!r} cannot name metadata of OSS: use letters, digits, and '-'")
        headers[_METADATA + name.lower()] = encode_value(name, value)
    if options.tags:
        headers["x-oss-tagging"] = encode_tags(options.tags)
    if options.encryption is not None:
        headers |= encryption_headers(options.encryption)
    return headers


def encode_tags(tags: Mapping[str, str]) -> str:
    """Return tags as a header holds them."""
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in tags.items())


def encryption_headers(encryption: Encryption) -> dict[str, str]:
    """Return the headers that encrypt a written object with the service's key or one of its KMS.

    Raises:
        NotSupportedError: if it is the customer's key, which OSS does not take.
    """
    if encryption.customer_key is not None:
        raise _no_customer_keys()
    algorithm = encryption.algorithm or ("KMS" if encryption.kms_key else "AES256")
    headers = {_ENCRYPTION: plain("algorithm", algorithm)}
    if encryption.kms_key is not None:
        headers[f"{_ENCRYPTION}-key-id"] = plain("kms_key", encryption.kms_key)
    return headers


def _no_customer_keys() -> NotSupportedError:
    return NotSupportedError("OSS takes no customer_key; use a key of its KMS, or encrypt before writing")


def target_conditions(if_match: Match | None, if_none_match: Match | None) -> dict[str, str]:
    """Return the headers of the conditions on an object that is written.

    https://www.alibabacloud.com/help/en/oss/developer-reference/prevent-objects-from-being-overwritten-by-objects-with-the-same-names-1

    Raises:
        NotSupportedError: if the service would ignore the condition, for then it would overwrite.
    """
    if if_match is not None:
        raise NotSupportedError("OSS does not compare the state of an object that is written; write without if_match")
    if if_none_match is None:
        return {}
    if if_none_match != ANY:
        raise NotSupportedError("OSS's writes know only create-only (if_absent)")
    return {"x-oss-forbid-overwrite": "true"}


def quoted(match: Match) -> str:
    """Return an ETag as a condition holds it."""
    return quoted_etag(match, "OSS")


def from_hex(digest: str) -> str:
    """Turn hexadecimal digits into base64."""
    return base64.b64encode(bytes.fromhex(digest)).decode()


# --- what is answered -----------------------------------------------------------------------------------------------


def crc64_to_hex(value: str | None) -> str | None:
    """Turn the decimal CRC of an answer into hexadecimal digits; None if there is none."""
    return f"{int(value):016x}" if value and value.isascii() and value.isdecimal() else None


def stored_crc64(headers: Mapping[str, str]) -> str | None:
    """The CRC that the service has computed of what it stored."""
    return crc64_to_hex(headers.get(_CRC64))


def version_of(headers: Mapping[str, str]) -> str | None:
    """The version that an answer is about; None in a bucket that keeps none."""
    version = headers.get("x-oss-version-id")
    return None if version == "null" else version


def read_meta(key: str, headers: Mapping[str, str], size: int) -> ObjectMeta:
    """Read the head of an answer to HEAD or GET. Its CRC is always that of the whole object."""
    crc = stored_crc64(headers)
    extra = {
        name.lower(): value
        for name, value in headers.items()
        if (low := name.lower()).startswith("x-oss-") and low not in _HAVE_FIELDS and not low.startswith(_METADATA)
    }
    meta = meta_from_headers(
        key,
        headers,
        metadata_prefix=_METADATA,
        size=size,
        version=version_of(headers),
        storage_class=headers.get("x-oss-storage-class"),
        checksums={} if crc is None else {"crc64": crc},
        extra=extra,
    )
    if any(value.startswith("=?") for value in meta.metadata.values()):
        decoded = {name: decode_value(value) for name, value in meta.metadata.items()}
        return replace(meta, metadata=decoded)
    return meta
