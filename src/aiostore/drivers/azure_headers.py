"""Options to request headers, and response headers to what is known of an object.

Names are in lower case, as the signature wants them.
https://learn.microsoft.com/rest/api/storageservices/put-blob
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import format_datetime
from functools import lru_cache
from hashlib import sha256
from typing import Final
from urllib.parse import quote

from aiostore._http.failure import Demand
from aiostore._http.metadata import decode_value, encode_value
from aiostore._http.request_headers import is_token, lower_case, plain, quoted_etag
from aiostore._http.status import http_date, range_header, unquote_etag
from aiostore.drivers.azure_auth import SNAPSHOT
from aiostore.drivers.azure_client import Query
from aiostore.drivers.base_conditions import refuse_options
from aiostore.errors import ConfigurationError, NotFoundError, NotSupportedError
from aiostore.types import NOTHING, Encryption, GetOptions, Match, ObjectMeta, PutOptions, object_meta

_METADATA: Final = "x-ms-meta-"

_IDENTIFIER: Final = re.compile(r"[a-z_][a-z0-9_]*")
_FOREIGN: Final = re.compile(r"^[0-9]|[^a-z0-9_]|_(?=x[0-9a-f]{4}_)")
_ESCAPE: Final = re.compile(r"_x([0-9a-f]{4})_")

_PLAIN, _EXTRA, _OWN = range(3)
_HAVE_FIELDS: Final = frozenset({
    "x-ms-access-tier", "x-ms-blob-content-md5", "x-ms-client-request-id", "x-ms-content-crc64", "x-ms-request-id",
    "x-ms-server-encrypted", "x-ms-version", "x-ms-version-id",
})  # fmt: skip


# --- what is sent ---------------------------------------------------------------------------------------------------


def read_headers(options: GetOptions) -> dict[str, str]:
    """Return what ``options`` ask of a HEAD or GET."""
    headers: dict[str, str] = {}
    if options.start is not None or options.stop is not None:
        wanted = range_header(options.start, options.stop)
        if wanted is not None:
            headers["range"] = wanted
    if options.if_match is not None:
        headers["if-match"] = quoted(options.if_match)
    if options.if_none_match is not None:
        headers["if-none-match"] = quoted(options.if_none_match)
    if options.if_modified_since is not None:
        headers["if-modified-since"] = format_datetime(options.if_modified_since.astimezone(UTC), usegmt=True)
    if options.encryption is not None:
        headers |= customer_key(options.encryption)
    if options.headers:
        headers |= lower_case(options.headers)
    return headers


def write_headers(options: PutOptions) -> dict[str, str]:
    """Return what is stored with an object, as Put Blob and Put Block List want it; conditions and checksums are not.

    Raises:
        ConfigurationError: if a header cannot hold what is given.
        NotSupportedError: if ``acl`` is given: containers have access lists, objects none.
    """
    refuse_options(options, "acl")
    headers = content_headers(options)
    for name, value in options.metadata.items():
        headers[_METADATA + encode_name(name)] = encode_value(name, value)
    if options.tags:
        headers["x-ms-tags"] = tags_header(options.tags)
    if options.storage_class is not None:
        headers["x-ms-access-tier"] = plain("storage_class", options.storage_class)
    if options.encryption is not None:
        headers |= encryption_headers(options.encryption)
    return headers


def content_headers(options: PutOptions) -> dict[str, str]:
    """Return the content headers alone."""
    headers: dict[str, str] = {}
    if options.content_type is not None:
        headers["x-ms-blob-content-type"] = plain("content_type", options.content_type)
    if options.content_encoding is not None:
        headers["x-ms-blob-content-encoding"] = plain("content_encoding", options.content_encoding)
    if options.content_disposition is not None:
        headers["x-ms-blob-content-disposition"] = plain("content_disposition", options.content_disposition)
    if options.content_language is not None:
        headers["x-ms-blob-content-language"] = plain("content_language", options.content_language)
    if options.cache_control is not None:
        headers["x-ms-blob-cache-control"] = plain("cache_control", options.cache_control)
    return headers


def metadata_headers(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return the metadata alone."""
    return {_METADATA + encode_name(name): encode_value(name, value) for name, value in metadata.items()}


def tags_header(tags: Mapping[str, str]) -> str:
    """Return tags as a header holds them."""
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in tags.items())


def encryption_headers(encryption: Encryption) -> dict[str, str]:
    """Return the headers that encrypt a written object: with a customer's key, or a scope that ``kms_key`` names.

    Everything is encrypted with the account's key anyway, which is what ``algorithm="AES256"`` asks for.

    Raises:
        ConfigurationError: if the combination does not exist.
    """
    if encryption.algorithm not in {None, "AES256"}:
        raise ConfigurationError(f"Azure encrypts with AES256, not {encryption.algorithm!r}; kms_key names a scope")
    if encryption.customer_key is not None:
        return customer_key(encryption)
    return {} if encryption.kms_key is None else {"x-ms-encryption-scope": plain("kms_key", encryption.kms_key)}


def customer_key(encryption: Encryption) -> dict[str, str]:
    """Return the headers of a customer's key, which reads need too; none if the service holds the key.

    https://learn.microsoft.com/azure/storage/blobs/encryption-customer-provided-keys
    """
    key = encryption.customer_key
    if key is None:
        return {}
    if len(key) != 32 or encryption.kms_key is not None:
        raise ConfigurationError("a customer_key has 32 bytes and excludes kms_key")
    return {
        "x-ms-encryption-key": base64.b64encode(key).decode(),
        "x-ms-encryption-key-sha256": base64.b64encode(sha256(key).digest()).decode(),
        "x-ms-encryption-algorithm": "AES256",
    }


def check_encrypted(encryption: Encryption | None, headers: Mapping[str, str]) -> None:
    """Check that the answer to a write repeats its encryption, as Azure does.

    Raises:
        NotSupportedError: if it does not, for then the service has ignored it.
    """
    if encryption is None:
        return
    wanted = "x-ms-encryption-key-sha256" if encryption.customer_key is not None else "x-ms-encryption-scope"
    if (encryption.customer_key is not None or encryption.kms_key is not None) and wanted not in headers:
        raise NotSupportedError("the service has ignored the encryption and stored the bytes as they are; delete them")


def target_conditions(if_match: Match | None, if_none_match: Match | None) -> dict[str, str]:
    """Return the headers of the conditions on an object that is written, deleted or copied to."""
    headers: dict[str, str] = {}
    if if_none_match is not None:
        headers["if-none-match"] = quoted(if_none_match)
    if if_match is not None:
        headers["if-match"] = quoted(if_match)
    return headers


def demand_of(if_match: Match | None, if_none_match: Match | None) -> Demand:
    """What a write under these conditions demands."""
    if if_none_match is not None and if_none_match.etag == "*":
        return "absent"
    return "" if if_match is None else "match"


def version_query(version: str | None) -> Query:
    """Return the parameter that names a version or a snapshot."""
    if version is None:
        return ()
    if version.startswith(SNAPSHOT):
        return (("snapshot", version.removeprefix(SNAPSHOT)),)
    return (("versionid", version),)


def quoted(match: Match) -> str:
    """Return an ETag as conditions hold it."""
    return quoted_etag(match, "Azure")


def encode_name(name: str) -> str:
    """Return what Azure calls the metadata ``name``: names are identifiers there, so others are escaped as in XML.

    ``with-dash`` is stored as ``with_x002d_dash``; letters have no case.

    Raises:
        ConfigurationError: if no header could have the name.
    """
    lower = name.lower()
    if _IDENTIFIER.fullmatch(lower) is not None and "_x" not in lower:
        return lower
    if not is_token(name):
        raise ConfigurationError(f"{name!r} cannot name metadata: use letters, digits, '_' and '-'")
    return _FOREIGN.sub(lambda found: f"_x{ord(found[0]):04x}_", lower)


def decode_name(name: str) -> str:
    """Return the name that `encode_name` was given, in lower case."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), name) if "_x" in name else name


# --- what is answered -----------------------------------------------------------------------------------------------


def read_meta(key: str, headers: Mapping[str, str], size: int, version: str | None, *, whole: bool) -> ObjectMeta:
    """Read the head of an answer to HEAD or GET. ``whole``: Content-MD5 is that of the whole object.

    ``headers`` finds names in any case, and is quickest in lower case. ``version`` is the one that was asked for.

    Raises:
        NotFoundError: if it is a directory of a hierarchical account.
    """
    metadata: dict[str, str] | None = None
    extra: dict[str, str] | None = None
    for name in headers:
        kind, own_name = _kind(name)
        if kind == _PLAIN:
            continue
        value = headers[name]
        if kind == _EXTRA:
            if extra is None:
                extra = {}
            extra[own_name] = value
        else:
            if metadata is None:
                metadata = {}
            metadata[own_name] = decode_value(value) if value.startswith("=?") else value
    if extra is not None and extra.get("x-ms-resource-type") == "directory":
        raise NotFoundError("there is no such object, but a directory of this name", key=key)
    if metadata is not None and metadata.get("hdi_isfolder") == "true":
        raise NotFoundError("there is no such object, but the mark of a directory of this name", key=key)
    get = headers.get
    modified = get("last-modified")
    md5 = get("x-ms-blob-content-md5")
    if md5 is None and whole:
        md5 = get("content-md5")
    return object_meta(
        key,
        size,
        None if modified is None else http_date(modified),
        unquote_etag(get("etag")) or None,
        get("x-ms-version-id") or version,
        get("content-type"),
        get("content-encoding"),
        get("content-disposition"),
        get("content-language"),
        get("cache-control"),
        get("x-ms-access-tier"),
        NOTHING if metadata is None else metadata,
        NOTHING if md5 is None or (digest := from_base64(md5)) is None else {"md5": digest},
        NOTHING if extra is None else extra,
    )


@lru_cache(maxsize=4096)
def _kind(name: str) -> tuple[int, str]:
    """What a header is: told by a field or not at all, Azure's alone, or metadata; and its own name."""
    name = name.lower()
    if name.startswith(_METADATA):
        return _OWN, decode_name(name.removeprefix(_METADATA))
    if not name.startswith("x-ms-") or name in _HAVE_FIELDS:
        return _PLAIN, name
    return _EXTRA, name


def from_base64(value: str) -> str | None:
    """Turn base64 into hexadecimal digits; None if it is not base64."""
    try:
        return base64.b64decode(value, validate=True).hex()
    except (binascii.Error, ValueError):
        return None


def to_base64(digest: str) -> str:
    """Turn hexadecimal digits into base64."""
    return base64.b64encode(bytes.fromhex(digest)).decode()


def crc64_header(digest: str) -> str:
    """Turn a CRC64 in hexadecimal digits into what its header holds: the lowest byte first, in base64."""
    return base64.b64encode(bytes.fromhex(digest)[::-1]).decode()


def range_checksums(headers: Mapping[str, str]) -> Mapping[str, str]:
    """The checksum of the range that is answered, which was asked for."""
    if (crc := headers.get("x-ms-content-crc64")) is not None and (digest := from_base64(crc)) is not None:
        return {"crc64nvme": bytes.fromhex(digest)[::-1].hex()}
    md5 = headers.get("content-md5")
    return NOTHING if md5 is None or (digest := from_base64(md5)) is None else {"md5": digest}
