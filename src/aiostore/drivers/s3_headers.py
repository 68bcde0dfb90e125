"""Options to request headers, and response headers to what is known of an object.

Names are in lower case, as the signature wants them.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import format_datetime
from functools import lru_cache
from typing import Final

from aiostore._http.failure import Demand
from aiostore._http.metadata import decode_value, encode_value
from aiostore._http.request_headers import is_token, lower_case, plain, quoted_etag
from aiostore._http.status import http_date, range_header, unquote_etag
from aiostore.capabilities import Conditions, Guarantee
from aiostore.checksums import MD5_OF_PARTS
from aiostore.drivers.s3_dialect import Dialect
from aiostore.drivers.sigv4 import encode_query
from aiostore.errors import ConfigurationError, NotSupportedError
from aiostore.types import ANY, NOTHING, Encryption, GetOptions, Match, ObjectMeta, PutOptions, object_meta

_METADATA: Final = "x-amz-meta-"
_CHECKSUM: Final = "x-amz-checksum-"
_SSE: Final = "x-amz-server-side-encryption"
_COPY_SOURCE: Final = "x-amz-copy-source-"

_MD5: Final = re.compile(r"[0-9a-f]{32}")
_MD5_OF_PARTS: Final = re.compile(r"[0-9a-f]{32}-[0-9]+")

_PLAIN, _EXTRA, _OWN = range(3)
_HAVE_FIELDS: Final = frozenset({"x-amz-request-id", "x-amz-id-2", "x-amz-version-id", "x-amz-storage-class"})


# --- what is sent ---------------------------------------------------------------------------------------------------


def read_headers(options: GetOptions, headers: dict[str, str]) -> None:
    """Add what ``options`` ask of a HEAD or GET to ``headers``."""
    if options.start is not None or options.stop is not None:
        wanted = range_header(options.start, options.stop)
        if wanted is not None:
            headers["range"] = wanted
    if options.if_match is not None:
        headers["if-match"] = _quoted(options.if_match)
    if options.if_none_match is not None:
        headers["if-none-match"] = _quoted(options.if_none_match)
    if options.if_modified_since is not None:
        headers["if-modified-since"] = format_datetime(options.if_modified_since.astimezone(UTC), usegmt=True)
    if options.encryption is not None:
        headers.update(customer_key(options.encryption))
    if options.headers:
        headers.update(lower_case(options.headers))


def write_headers(options: PutOptions, dialect: Dialect) -> dict[str, str]:
    """Return the headers of a put or of the creation of a multipart upload, but for its conditions and checksums.

    Raises:
        ConfigurationError: if a header cannot hold what is given.
    """
    headers: dict[str, str] = {}
    if options.content_type is not None:
        headers["content-type"] = plain("content_type", options.content_type)
    if options.content_encoding is not None:
        headers["content-encoding"] = plain("content_encoding", options.content_encoding)
    if options.content_disposition is not None:
        headers["content-disposition"] = plain("content_disposition", options.content_disposition)
    if options.content_language is not None:
        headers["content-language"] = plain("content_language", options.content_language)
    if options.cache_control is not None:
        headers["cache-control"] = plain("cache_control", options.cache_control)
    for name, value in options.metadata.items():
        if not is_token(name):
            raise ConfigurationError(f"{name!r} cannot name metadata: use letters, digits, and '-'")
        if "_" in name and not dialect.underscores:
            raise ConfigurationError(f"this service would turn the '_' of {name!r}, which names metadata, into '-'")
        headers[_METADATA + name.lower()] = encode_value(name, value)
    if options.tags:
        headers["x-amz-tagging"] = encode_query(options.tags.items())
    if options.storage_class is not None:
        headers["x-amz-storage-class"] = plain("storage_class", options.storage_class)
    if options.acl is not None:
        headers["x-amz-acl"] = plain("acl", options.acl)
    if options.encryption is not None:
        headers.update(encryption_headers(options.encryption, dialect))
    return headers


def encryption_headers(encryption: Encryption, dialect: Dialect) -> dict[str, str]:
    """Return the headers that encrypt a written object: with the service's, a KMS or the customer's key.

    Raises:
        ConfigurationError: if a customer key is not 32 bytes, or comes with another kind of encryption.
        NotSupportedError: if the service would store the object as it is.
    """
    algorithm = encryption.algorithm or ("aws:kms" if encryption.kms_key else "AES256")
    if (algorithm if encryption.customer_key is None else "customer") not in dialect.encryptions:
        raise NotSupportedError(
            "this service would ignore this encryption; encrypt before writing, or write without it"
        )
    if encryption.customer_key is not None:
        return customer_key(encryption)
    headers = {_SSE: plain("algorithm", algorithm)}
    if encryption.kms_key is not None:
        headers[f"{_SSE}-aws-kms-key-id"] = plain("kms_key", encryption.kms_key)
    return headers


def customer_key(encryption: Encryption, *, source: bool = False) -> dict[str, str]:
    """Return the headers of SSE-C, which reads need too; none if the service holds the key.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerSideEncryptionCustomerKeys.html
    """
    key = encryption.customer_key
    if key is None:
        return {}
    if len(key) != 32 or encryption.kms_key is not None or encryption.algorithm not in {None, "AES256"}:
        raise ConfigurationError("a customer_key has 32 bytes, goes with AES256 and excludes kms_key")
    prefix = f"{_COPY_SOURCE if source else 'x-amz-'}server-side-encryption-customer-"
    digest = hashlib.md5(key, usedforsecurity=False).digest()
    return {
        f"{prefix}algorithm": "AES256",
        f"{prefix}key": base64.b64encode(key).decode(),
        f"{prefix}key-md5": base64.b64encode(digest).decode(),
    }


def check_encrypted(encryption: Encryption, headers: Mapping[str, str]) -> None:
    """Check that the answer to a write, or to the creation of an upload, repeats its encryption, as S3 does.

    Raises:
        NotSupportedError: if it does not, for then the service has ignored it.
    """
    name = _SSE if encryption.customer_key is None else f"{_SSE}-customer-algorithm"
    if name not in headers:
        raise NotSupportedError("the service has ignored the encryption and stored the object as it is; delete it")


def target_conditions(
    if_match: Match | None, if_none_match: Match | None, honoured: Conditions, dialect: Dialect
) -> dict[str, str]:
    """Return the headers of the conditions on an object that is written, deleted or copied to.

    Raises:
        NotSupportedError: if the service would ignore the condition, for then it would overwrite.
    """
    headers: dict[str, str] = {}
    if if_none_match is not None:
        if if_none_match != ANY:
            raise NotSupportedError(
                "S3 writes know only create-only (if_absent); use if_match to replace a known state"
            )
        if honoured.if_absent == Guarantee.NONE:
            raise NotSupportedError("this service does not honour create-only here; write without if_absent")
        headers["if-none-match"] = "*"
    if if_match is not None:
        if honoured.if_match == Guarantee.NONE:
            raise NotSupportedError("this service does not honour if_match here; write without it")
        value = _quoted(if_match)
        headers["if-match"] = value if dialect.quoted_if_match else value.strip('"')
    return headers


def demand_of(if_match: Match | None, if_none_match: Match | None) -> Demand:
    """What a write under these conditions demands."""
    if if_none_match is not None:
        return "absent"
    return "" if if_match is None else "match"


def source_conditions(match: Match | None) -> dict[str, str]:
    """Return the header that pins the source of a copy."""
    return {} if match is None else {f"{_COPY_SOURCE}if-match": _quoted(match)}


def _quoted(match: Match) -> str:
    return quoted_etag(match, "S3")


# --- what is answered -----------------------------------------------------------------------------------------------


def read_meta(key: str, headers: Mapping[str, str], size: int, dialect: Dialect, *, whole: bool) -> ObjectMeta:
    """Read the head of an answer to HEAD or GET. ``whole``: its body is the whole object, so its checksums are too.

    ``headers`` finds names in any case, and is quickest in lower case.
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
    get = headers.get
    etag = unquote_etag(get("etag")) or None
    modified = get("last-modified")
    version = get("x-amz-version-id")
    return object_meta(
        key,
        size,
        last_modified=None if modified is None else http_date(modified),
        etag=etag,
        version=None if version == "null" else version,
        content_type=get("content-type"),
        content_encoding=get("content-encoding"),
        content_disposition=get("content-disposition"),
        content_language=get("content-language"),
        cache_control=get("cache-control"),
        storage_class=get("x-amz-storage-class"),
        metadata=NOTHING if metadata is None else metadata,
        checksums=_checksums(headers, etag, dialect, whole=whole),
        extra=NOTHING if extra is None else extra,
    )


@lru_cache(maxsize=4096)
def _kind(name: str) -> tuple[int, str]:
    """What a header is: told by a field or not at all, S3's alone, or metadata; and its own name."""
    name = name.lower()
    if name.startswith(_METADATA):
        return _OWN, name.removeprefix(_METADATA)
    if not name.startswith("x-amz-") or name.startswith(_CHECKSUM) or name in _HAVE_FIELDS:
        return _PLAIN, name
    return _EXTRA, name


def _checksums(headers: Mapping[str, str], etag: str | None, dialect: Dialect, *, whole: bool) -> Mapping[str, str]:
    # The checksum of a ranged answer may be that of a part.
    if whole and dialect.checksums and headers.get(f"{_CHECKSUM}type") != "COMPOSITE":
        found = {}
        for algorithm in dialect.checksums:
            value = headers.get(_CHECKSUM + algorithm)
            if value is not None and (digest := checksum_to_hex(value)) is not None:
                found[algorithm] = digest
        if found:
            return found
    if dialect.md5_etags and etag is not None:
        if len(etag) == 32 and _MD5.fullmatch(etag) is not None:
            algorithm = "md5"
        elif dialect.parts_etags and _MD5_OF_PARTS.fullmatch(etag) is not None:
            algorithm = MD5_OF_PARTS
        else:
            return NOTHING
        encryption = encryption_of(headers)
        if not encryption or (encryption == "AES256" and dialect.sse_s3_md5_etags):
            return {algorithm: etag}
    return NOTHING


def encryption_of(headers: Mapping[str, str]) -> str:
    """How the object of an answer is encrypted: AES256 or a kind of KMS, ``"customer"``, and ``""`` if it is not."""
    return "customer" if f"{_SSE}-customer-algorithm" in headers else headers.get(_SSE, "")


def checksum_to_hex(value: str) -> str | None:
    """Turn base64 into hexadecimal digits; None for the composite form, which ends with ``-`` and a count."""
    try:
        return binascii.a2b_base64(value, strict_mode=True).hex()
    except ValueError:
        return None


def checksum_from_hex(digest: str) -> str:
    """Turn hexadecimal digits into base64."""
    return base64.b64encode(bytes.fromhex(digest)).decode()
