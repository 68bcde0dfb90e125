"""Whether an S3 of no known dialect uses MD5s as ETags: some servers name themselves, any other shows it by a put.

Until that is settled for a bucket its ETags prove nothing, for a server may make them up.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from aiostore._http.status import unquote_etag
from aiostore.body import Body
from aiostore.drivers.s3_dialect import Dialect
from aiostore.drivers.s3_headers import encryption_of

_LARGEST: Final = 64 * 1024
"""Bytes of a put whose MD5 is computed to compare it, some 0.1 ms."""

_MD5: Final = re.compile(r"[0-9a-f]{32}")


def are_named(headers: Mapping[str, str]) -> bool:
    """Whether the answer to a read is from a server whose plain ETags are known to be MD5s: Ceph's gateway, MinIO.

    A ``Server`` of AmazonS3 or cloudflare says nothing: the one is imitated, the other may stand before anything.
    """
    return headers.get("x-rgw-object-type") == "Normal" or headers.get("server", "").partition("/")[0] == "MinIO"


def sample(body: Body) -> str | None:
    """The MD5 of a small body, for :func:`shown`; None if this one is not suited."""
    buffers = body.buffers
    if buffers is None or not 0 < body.size <= _LARGEST:
        return None
    digest = hashlib.md5(usedforsecurity=False)
    for buffer in buffers:
        digest.update(buffer)
    return digest.hexdigest()


def shown(dialect: Dialect, md5: str, headers: Mapping[str, str]) -> Dialect:
    """``dialect``, with what the answer to the put of a body with this MD5 shows of ETags."""
    equal = unquote_etag(headers.get("etag")) == md5
    encryption = encryption_of(headers)
    return replace(
        dialect,
        md5_etags=equal and encryption in {"", "AES256"},
        sse_s3_md5_etags=equal and encryption == "AES256",
    )


def are_mistakable(etag: str | None) -> bool:
    """Whether the ETag of an object of several parts, which is never its MD5, looks like one."""
    return etag is not None and _MD5.fullmatch(etag) is not None
