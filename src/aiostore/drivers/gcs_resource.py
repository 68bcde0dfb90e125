"""Objects as the JSON API shows and takes them.

https://docs.cloud.google.com/storage/docs/json_api/v1/objects
"""

from __future__ import annotations

import base64
import hashlib
import re
from binascii import a2b_base64
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias

from aiostore._http.status import http_date
from aiostore.errors import ConfigurationError, NotSupportedError
from aiostore.types import NOTHING, Encryption, ObjectMeta, PutOptions, PutResult, object_meta

Resource: TypeAlias = dict[str, Any]
"""A JSON object, as it was parsed or is to be written."""

LISTED: Final = (
    "name,size,updated,etag,generation,md5Hash,crc32c,contentType,contentEncoding,contentDisposition,"
    "contentLanguage,cacheControl,storageClass,metadata,customTime,componentCount,kmsKeyName,"
    "customerEncryption,timeDeleted,softDeleteTime,hardDeleteTime,temporaryHold,eventBasedHold,retentionExpirationTime"
)
"""What is asked of each object of a listing: the rest is links and access lists, longer than all of these."""

FIELDS: Final = f"{LISTED},metageneration"
"""What is asked of one object."""

WRITTEN: Final = "size,etag,generation,md5Hash,crc32c"
"""What is asked of an object that was written."""

_EXTRA: Final = frozenset({
    "metageneration", "customTime", "componentCount", "kmsKeyName", "timeDeleted", "softDeleteTime",
    "hardDeleteTime", "temporaryHold", "eventBasedHold", "retentionExpirationTime", "customerEncryption",
})  # fmt: skip

_HEADERS: Final = {
    "x-goog-metageneration": "metageneration",
    "x-goog-component-count": "componentCount",
    "x-goog-custom-time": "customTime",
    "x-goog-encryption-kms-key-name": "kmsKeyName",
    "x-goog-encryption-key-sha256": "keySha256",
    "x-goog-expiration": "expiration",
}
"""The XML API's names for what goes into ``extra``."""

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")

_META: Final = "x-goog-meta-"

_OPTIONS: Final = (
    ("content_type", "contentType"),
    ("content_encoding", "contentEncoding"),
    ("content_disposition", "contentDisposition"),
    ("content_language", "contentLanguage"),
    ("cache_control", "cacheControl"),
    ("storage_class", "storageClass"),
)

CONTENT: Final = (*(field for _, field in _OPTIONS if field != "storageClass"), "metadata")
"""The content headers and the metadata."""


# --- what is answered -----------------------------------------------------------------------------------------------


def to_meta(resource: Resource) -> ObjectMeta:
    """What a resource says of its object.

    The ETag is that of the XML API, which is what browsers and caches see: the MD5 where there is one.
    """
    return to_metas((resource,))[0]


def to_metas(resources: Iterable[Resource]) -> list[ObjectMeta]:
    """The same of many: of the work of a listing this is the larger part."""
    metas = []
    etag: str | None
    checksums: Mapping[str, str]
    for resource in resources:
        get = resource.get
        md5, crc32c, updated = get("md5Hash"), get("crc32c"), get("updated")
        if md5:
            etag = digest = a2b_base64(md5).hex()
            checksums = {"crc32c": a2b_base64(crc32c).hex(), "md5": digest} if crc32c else {"md5": digest}
        else:
            etag = _etag(resource, NOTHING)
            checksums = {"crc32c": a2b_base64(crc32c).hex()} if crc32c else NOTHING
        metadata = get("metadata")
        metas.append(
            object_meta(
                resource["name"],
                int(get("size", 0)),
                datetime.fromisoformat(updated) if updated else None,
                etag,
                get("generation"),
                get("contentType"),
                get("contentEncoding"),
                get("contentDisposition"),
                get("contentLanguage"),
                get("cacheControl"),
                get("storageClass"),
                {name.lower(): value for name, value in metadata.items()} if metadata else NOTHING,
                checksums,
                NOTHING if _EXTRA.isdisjoint(resource) else _extra(resource),
            )
        )
    return metas


def to_result(resource: Resource) -> PutResult:
    """What a write answered."""
    checksums = _checksums(resource)
    return PutResult(
        etag=_etag(resource, checksums),
        version=resource.get("generation"),
        size=int(resource.get("size", 0)),
        checksums=checksums,
    )


def own_etags(resource: Resource) -> frozenset[str]:
    """The ETag of the JSON API, and that of the XML API for what has no MD5: they change with the metadata."""
    own = str(resource.get("etag", "")).strip('"')
    return frozenset((own, f"-{own}"))


def etags(resource: Resource) -> frozenset[str]:
    """The ETags that an object has in either API."""
    return own_etags(resource) | frozenset(filter(None, (_etag(resource, _checksums(resource)),)))


def _etag(resource: Resource, checksums: Mapping[str, str]) -> str | None:
    if (md5 := checksums.get("md5")) is not None:
        return md5
    own = resource.get("etag")
    return None if own is None else "-" + own.strip('"')


def _checksums(resource: Resource) -> Mapping[str, str]:
    crc32c, md5 = resource.get("crc32c"), resource.get("md5Hash")
    if crc32c and md5:
        return {"crc32c": a2b_base64(crc32c).hex(), "md5": a2b_base64(md5).hex()}
    if crc32c:
        return {"crc32c": a2b_base64(crc32c).hex()}
    return {"md5": a2b_base64(md5).hex()} if md5 else NOTHING


def _extra(resource: Resource) -> Mapping[str, str]:
    extra: dict[str, str] = {}
    for name in _EXTRA.intersection(resource):
        value = resource[name]
        if name == "customerEncryption":
            extra["keySha256"] = str(value.get("keySha256", ""))
        else:
            extra[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return extra


def headers_to_meta(key: str, headers: Mapping[str, str], size: int) -> ObjectMeta:
    """What the head of the XML API's answer says; the same as :func:`to_meta` of the same object."""
    metadata: dict[str, str] | None = None
    checksums: dict[str, str] = {}
    extra: dict[str, str] = {}
    for name, value in headers.items():
        if name[:7].lower() != "x-goog-":
            continue
        lower = name.lower()
        if lower.startswith(_META):
            if metadata is None:
                metadata = {}
            metadata[lower[12:]] = value
        elif lower == "x-goog-hash":
            # One header for each algorithm, or all in one.
            for item in value.split(","):
                algorithm, _, digest = item.strip().partition("=")
                checksums[algorithm] = a2b_base64(digest).hex()
        elif lower in _HEADERS:
            extra[_HEADERS[lower]] = value
    get = headers.get
    modified = get("Last-Modified")
    etag = get("ETag")
    return object_meta(
        key,
        size,
        None if modified is None else http_date(modified),
        checksums.get("md5") or (None if etag is None else etag.strip('"')),
        get("x-goog-generation"),
        get("Content-Type"),
        get("Content-Encoding"),
        get("Content-Disposition"),
        get("Content-Language"),
        get("Cache-Control"),
        get("x-goog-storage-class"),
        NOTHING if metadata is None else metadata,
        checksums or NOTHING,
        extra or NOTHING,
    )


# --- what is sent ---------------------------------------------------------------------------------------------------


def to_resource(options: PutOptions) -> Resource:
    """What an object is written with; its name, conditions and checksums are not in it.

    Raises:
        ConfigurationError: if metadata could not be read again as headers, which is how downloads show it.
    """
    resource: Resource = {}
    for option, field in _OPTIONS:
        if (value := getattr(options, option)) is not None:
            resource[field] = value
    if options.metadata:
        resource["metadata"] = check_metadata(options.metadata)
    if options.tags:
        resource["contexts"] = to_contexts(options.tags)
    for name, value in options.headers.items():
        if name.lower() == "x-goog-custom-time":
            resource["customTime"] = value
    return resource


def from_resource(resource: Resource) -> Resource:
    """What a resource holds of the content headers and metadata that a copy of it is written with."""
    kept = (*CONTENT, "storageClass", "customTime", "contexts")
    return {name: resource[name] for name in kept if name in resource}


def kms_key(resource: Resource) -> str | None:
    """The key of the service that an object is encrypted with, whatever version of it."""
    name: str | None = resource.get("kmsKeyName")
    return None if name is None else name.partition("/cryptoKeyVersions/")[0]


def to_headers(options: PutOptions) -> dict[str, str]:
    """The same as :func:`to_resource`, for the XML API."""
    resource = to_resource(options)
    headers = {_META + name: value for name, value in resource.get("metadata", {}).items()}
    for field, name in (
        ("contentType", "content-type"),
        ("contentEncoding", "content-encoding"),
        ("contentDisposition", "content-disposition"),
        ("contentLanguage", "content-language"),
        ("cacheControl", "cache-control"),
        ("storageClass", "x-goog-storage-class"),
    ):
        if field in resource:
            headers[name] = resource[field]
    for field, value in headers.items():
        if _CONTROL.search(value) is not None:
            raise ConfigurationError(f"the value of {field} holds a control character, which no header can carry")
    if options.acl is not None:
        headers["x-goog-acl"] = _dashed(options.acl)
    if options.encryption is not None and options.encryption.kms_key is not None:
        headers["x-goog-encryption-kms-key-name"] = options.encryption.kms_key
    return headers


def check_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """``metadata`` with the names in lower case.

    Raises:
        ConfigurationError: if a header could not carry it.
    """
    for name, value in metadata.items():
        if _NAME.fullmatch(name) is None:
            raise ConfigurationError(f"{name!r} cannot name metadata: use letters, digits, and '-'")
        if _CONTROL.search(value) is not None or value.strip() != value:
            raise ConfigurationError(
                f"the metadata {name!r} has a control character, or white space at an end, which no header can carry"
            )
    return {name.lower(): value for name, value in metadata.items()}


def to_contexts(tags: Mapping[str, str | None]) -> Resource:
    """Tags as object contexts; None removes one.

    https://docs.cloud.google.com/storage/docs/object-contexts
    """
    return {"custom": {name: None if value is None else {"value": value} for name, value in tags.items()}}


def to_tags(resource: Resource) -> dict[str, str]:
    """The object contexts of a resource as tags."""
    custom = (resource.get("contexts") or {}).get("custom") or {}
    return {name: payload.get("value", "") for name, payload in custom.items()}


def predefined_acl(acl: str) -> str:
    """The JSON API's name of a predefined access list: ``public-read`` is ``publicRead`` there."""
    first, *rest = acl.split("-")
    return first + "".join(word.capitalize() for word in rest)


def _dashed(acl: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", lambda match: "-" + match[1].lower(), acl)


def customer_key(encryption: Encryption | None, *, source: bool = False) -> dict[str, str]:
    """The headers that carry a customer-supplied key, which reads need too; none if the service holds the key.

    https://docs.cloud.google.com/storage/docs/encryption/customer-supplied-keys

    Raises:
        ConfigurationError: if it is not 32 bytes, or comes with another kind of encryption.
        NotSupportedError: if the algorithm is another one than the service's.
    """
    if encryption is None:
        return {}
    key = encryption.customer_key
    if encryption.algorithm not in {None, "AES256"}:
        raise NotSupportedError("Google Cloud Storage encrypts with AES256; give kms_key or customer_key, or neither")
    if key is None:
        return {}
    if len(key) != 32 or encryption.kms_key is not None:
        raise ConfigurationError("a customer_key has 32 bytes, goes with AES256 and excludes kms_key")
    prefix = "x-goog-copy-source-encryption-" if source else "x-goog-encryption-"
    return {
        f"{prefix}algorithm": "AES256",
        f"{prefix}key": base64.b64encode(key).decode(),
        f"{prefix}key-sha256": base64.b64encode(hashlib.sha256(key).digest()).decode(),
    }


def encode_digest(digest: str) -> str:
    """Turn hexadecimal digits into base64."""
    return base64.b64encode(bytes.fromhex(digest)).decode()
