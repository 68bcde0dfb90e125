"""What the services that speak S3 really do. A fact stands here because it was seen or documented, never hoped for.

A service that is not named gets :data:`UNKNOWN`, which promises as little as is true nearly everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aiostore.capabilities import Conditions, Guarantee
from aiostore.drivers.s3_address import Endpoint
from aiostore.errors import ConfigurationError

_ATOMIC: Final = Conditions(if_absent=Guarantee.ATOMIC, if_match=Guarantee.ATOMIC)
_NONE: Final = Conditions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One S3.

    ``put``, ``complete``, ``copy`` and ``delete`` are the guarantees of conditions on the *target*;
    ``source_conditions`` says whether ``x-amz-copy-source-if-match`` is honoured. ``quoted_if_match``: whether
    If-Match of a write has the ETag in quotes. ``checksums`` are those of ``x-amz-checksum-*`` that are checked on
    upload, stored and told on reads, best first. ``md5_etags``: 32 hexadecimal digits as the ETag of an object that is
    not encrypted are its MD5; ``sse_s3_md5_etags``: also if it is encrypted with the service's own key (KMS and
    customer keys never). ``parts_etags``: that of an object made of parts is the MD5 of their MD5s, ``-`` and their
    number. ``payload_checked``: a signed payload hash is compared with the body; ``md5_checked``: so is
    Content-MD5. ``equal_parts``: all parts but the last have one size. ``missing`` names primitives that are refused.
    ``encryptions`` are the kinds that are not silently ignored, ``"customer"`` for SSE-C. ``tags_in_copies``: a copy
    with new metadata keeps the tags, or takes those that go with it. ``locations``: creating a bucket names its region.
    ``underscores``: names of metadata keep them. ``encoded_listings``: listings may be asked to encode their keys.
    ``silently_encoded_uploads``: the listing of uploads encodes keys and does not say so.
    """

    name: str
    put: Conditions = _NONE
    complete: Conditions = _NONE
    copy: Conditions = _NONE
    delete: Conditions = _NONE
    source_conditions: bool = True
    quoted_if_match: bool = True
    checksums: tuple[str, ...] = ()
    md5_etags: bool = False
    parts_etags: bool = False
    sse_s3_md5_etags: bool = False
    payload_checked: bool = True
    md5_checked: bool = True
    equal_parts: bool = False
    ordered_listing: bool = True
    encryptions: frozenset[str] = frozenset({"AES256", "aws:kms", "aws:kms:dsse", "customer"})
    tags_in_copies: bool = True
    locations: bool = False
    underscores: bool = True
    encoded_listings: bool = True
    silently_encoded_uploads: bool = False
    missing: frozenset[str] = frozenset()

    @property
    def upload_checksums(self) -> tuple[str, ...]:
        """The algorithms that are checked on upload, best first."""
        algorithms = list(self.checksums)
        if self.payload_checked and "sha256" not in algorithms:
            algorithms.append("sha256")
        if self.md5_checked:
            algorithms.append("md5")
        return tuple(algorithms)


UNKNOWN: Final = Dialect(
    name="",
    # If-None-Match: * is honoured by most services, but no one vouches for what two writers see at the same moment.
    put=Conditions(if_absent=Guarantee.BEST_EFFORT, if_match=Guarantee.BEST_EFFORT),
    payload_checked=False,
    md5_checked=False,
)

_DIALECTS: Final = (
    UNKNOWN,
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
    Dialect(
        name="aws",
        put=_ATOMIC,
        complete=_ATOMIC,
        copy=_ATOMIC,
        delete=Conditions(if_match=Guarantee.ATOMIC),
        checksums=("crc64nvme", "crc32c", "crc32", "sha256", "sha1"),
        md5_etags=True,
        parts_etags=True,
        sse_s3_md5_etags=True,
        locations=True,
    ),
    # https://developers.cloudflare.com/r2/api/s3/api/
    Dialect(
        name="r2",
        encryptions=frozenset({"customer"}),
        put=_ATOMIC,
        md5_etags=True,
        equal_parts=True,
        missing=frozenset({"get_tags", "set_tags", "list_versions", "restore"}),
    ),
    # Conditions are evaluated under the object's lock, and an ETag that is no MD5 ends with "-1":
    # https://github.com/minio/minio/blob/master/cmd/object-handlers-common.go, cmd/utils.go (ToS3ETag)
    Dialect(name="minio", put=_ATOMIC, complete=_ATOMIC, md5_etags=True),
    # RADOS Gateway up to Reef. Newer ones honour more, and nothing is lost by not relying on it.
    Dialect(
        name="ceph",
        put=_ATOMIC,
        source_conditions=False,
        quoted_if_match=False,
        md5_etags=True,
        parts_etags=True,
        encryptions=frozenset({"aws:kms", "customer"}),
        tags_in_copies=False,
        underscores=False,
        silently_encoded_uploads=True,
    ),
    # The XML API knows create-only writes as x-goog-if-generation-match, which cannot be mixed with x-amz- headers:
    # https://cloud.google.com/storage/docs/xml-api/reference-headers
    Dialect(
        name="gcs-xml",
        encryptions=frozenset(),
        source_conditions=False,
        md5_etags=True,
        missing=frozenset({"get_tags", "set_tags", "list_versions", "restore"}),
    ),
    # OpenStack Swift's s3api asks several storage nodes, or looks before it writes, so two creators may both win.
    Dialect(
        name="swift",
        encryptions=frozenset(),
        put=Conditions(if_absent=Guarantee.BEST_EFFORT),
        complete=Conditions(if_absent=Guarantee.BEST_EFFORT),
        copy=Conditions(if_absent=Guarantee.BEST_EFFORT),
        delete=Conditions(if_match=Guarantee.BEST_EFFORT),
        md5_etags=True,
        parts_etags=True,
        missing=frozenset({"get_tags", "set_tags"}),
    ),
    # It compares encoded keys, so that pages lose keys, and publishes two completions that come together.
    Dialect(
        name="localstack",
        put=_ATOMIC,
        complete=Conditions(if_absent=Guarantee.BEST_EFFORT, if_match=Guarantee.BEST_EFFORT),
        encoded_listings=False,
        checksums=("crc64nvme", "crc32c", "crc32", "sha256", "sha1"),
        md5_etags=True,
        parts_etags=True,
        sse_s3_md5_etags=True,
        payload_checked=False,
        locations=True,
    ),
)

DIALECTS: Final = {dialect.name: dialect for dialect in _DIALECTS}


def choose(name: str | None, endpoint: Endpoint) -> Dialect:
    """Return the dialect called ``name``; of None it is the one that the endpoint's host stands for.

    Raises:
        ConfigurationError: if there is no such dialect.
    """
    if name is None:
        return DIALECTS[_of_host(endpoint)]
    try:
        return DIALECTS[name]
    except KeyError:
        known = ", ".join(repr(known) for known in DIALECTS if known)
        raise ConfigurationError(
            f"there is no S3 dialect {name!r}; known are {known}, and '' for any other service"
        ) from None


def _of_host(endpoint: Endpoint) -> str:
    if endpoint.is_aws:
        return "aws"
    host = endpoint.host
    if host.endswith(".r2.cloudflarestorage.com"):
        return "r2"
    if host == "storage.googleapis.com" or host.endswith(".storage.googleapis.com"):
        return "gcs-xml"
    return ""
