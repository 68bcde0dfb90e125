"""Signatures of version 4 and 1, in headers, URLs and forms: pure functions of a request, credentials and the time.

https://www.alibabacloud.com/help/en/oss/developer-reference/recommend-to-use-signature-version-4
https://www.alibabacloud.com/help/en/oss/developer-reference/include-signatures-in-the-authorization-header
"""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import lru_cache
from hashlib import sha256
from typing import Final, Literal, TypeAlias
from urllib.parse import quote

from aiostore._http.path import encode_path
from aiostore.errors import ConfigurationError

SignatureVersion: TypeAlias = Literal["v4", "v1"]

Query: TypeAlias = Sequence[tuple[str, str]]
"""The query of a request, not encoded. A parameter without a value is written without ``=``."""

MAX_EXPIRES_IN: Final = 604_800
"""Seconds that a URL or form of version 4 may be used at most."""

_ALGORITHM: Final = "OSS4-HMAC-SHA256"
_PAYLOAD: Final = "UNSIGNED-PAYLOAD"

_SUBRESOURCES: Final = frozenset(
    {
        *("acl", "append", "asyncFetch", "bucketInfo", "callback", "callback-var", "cloudboxes", "cname", "comp"),
        *("continuation-token", "delete", "encryption", "endTime", "live", "location", "objectInfo", "objectMeta"),
        *("partNumber", "policy", "position", "qos", "regionList", "resourceGroup", "response-cache-control"),
        *("response-content-disposition", "response-content-encoding", "response-content-language"),
        *("response-content-type", "response-expires", "restore", "security-token", "sequential", "startTime"),
        *("stat", "status", "style", "styleName", "symlink", "tagging", "uploadId", "uploads", "versionId"),
        *("versioning", "versions", "vod"),
    }
)
"""The parameters of a query that version 1 signs, beside those that begin with ``x-oss-``."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """One set of keys; its repr shows the access key id and nothing else."""

    access_key_id: str
    access_key_secret: str = field(repr=False)
    security_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is signed: ``headers`` have names in lower case, ``bucket`` is empty for the account itself."""

    method: str
    bucket: str = ""
    key: str = ""
    query: Query = ()
    headers: Mapping[str, str]


# --- headers --------------------------------------------------------------------------------------------------------


def sign_headers(
    request: Request, credentials: Credentials, now: float, region: str, version: SignatureVersion
) -> dict[str, str]:
    """Return the headers of ``request`` and those of its signature."""
    headers = dict(request.headers)
    if credentials.security_token:
        headers["x-oss-security-token"] = credentials.security_token
    if version == "v1":
        headers["date"] = formatdate(now, usegmt=True)
        text = _text_1(request, headers, request.query, headers["date"])
        headers["authorization"] = f"OSS {credentials.access_key_id}:{_sign_1(text, credentials)}"
        return headers
    timestamp = _timestamp(now)
    scope = _scope(timestamp, region)
    headers["x-oss-date"] = timestamp
    headers["x-oss-content-sha256"] = _PAYLOAD
    digest = _digest_4(request, headers, request.query, ())
    signature = _sign_4(f"{_ALGORITHM}\n{timestamp}\n{scope}\n{digest}", credentials, timestamp, region)
    headers["authorization"] = f"{_ALGORITHM} Credential={credentials.access_key_id}/{scope},Signature={signature}"
    return headers


# --- URLs and forms -------------------------------------------------------------------------------------------------


def sign_query(
    request: Request, credentials: Credentials, now: float, region: str, version: SignatureVersion, expires_in: float
) -> Query:
    """Return the query of a URL that allows ``request``, whose headers must be sent along, for ``expires_in`` seconds.

    Raises:
        ConfigurationError: if ``expires_in`` is not within 1 second and 7 days, or the signature cannot cover a header.
    """
    _check_expires_in(expires_in)
    if version == "v1":
        loose = [name for name in request.headers if not _is_signed(name)]
        if loose:
            raise ConfigurationError(f"signatures of version 1 cannot cover the header {loose[0]!r}; use version 4")
        pairs = list(request.query)
        if credentials.security_token:
            pairs.append(("security-token", credentials.security_token))
        until = str(int(now) + int(expires_in))
        signature = _sign_1(_text_1(request, request.headers, pairs, until), credentials)
        return [*pairs, ("OSSAccessKeyId", credentials.access_key_id), ("Expires", until), ("Signature", signature)]
    timestamp = _timestamp(now)
    scope = _scope(timestamp, region)
    more = sorted(name for name in request.headers if not _is_signed(name))
    pairs = [
        *request.query,
        ("x-oss-signature-version", _ALGORITHM),
        ("x-oss-credential", f"{credentials.access_key_id}/{scope}"),
        ("x-oss-date", timestamp),
        ("x-oss-expires", str(int(expires_in))),
    ]
    if credentials.security_token:
        pairs.append(("x-oss-security-token", credentials.security_token))
    if more:
        pairs.append(("x-oss-additional-headers", ";".join(more)))
    digest = _digest_4(request, request.headers, pairs, more)
    signature = _sign_4(f"{_ALGORITHM}\n{timestamp}\n{scope}\n{digest}", credentials, timestamp, region)
    return [*pairs, ("x-oss-signature", signature)]


def sign_form(
    bucket: str,
    key: str,
    conditions: Sequence[Sequence[object]],
    fields: Mapping[str, str],
    credentials: Credentials,
    now: float,
    region: str,
    version: SignatureVersion,
    expires_in: float,
) -> dict[str, str]:
    """Return the fields of a form that uploads one file under ``key``, where ``${filename}`` is the file's own name.

    https://www.alibabacloud.com/help/en/oss/developer-reference/signature-version-4-recommend

    Raises:
        ConfigurationError: if ``expires_in`` is not within 1 second and 7 days.
    """
    _check_expires_in(expires_in)
    own = {} if credentials.security_token is None else {"x-oss-security-token": credentials.security_token}
    timestamp = _timestamp(now)
    if version == "v4":
        own["x-oss-signature-version"] = _ALGORITHM
        own["x-oss-credential"] = f"{credentials.access_key_id}/{_scope(timestamp, region)}"
        own["x-oss-date"] = timestamp
    before, filename, _ = key.partition("${filename}")
    demands: list[object] = [{"bucket": bucket}, ["starts-with", "$key", before] if filename else {"key": key}]
    demands += [*conditions, *({name: value} for name, value in {**fields, **own}.items())]
    expiration = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(int(now) + int(expires_in)))
    policy = base64.b64encode(json.dumps({"expiration": expiration, "conditions": demands}).encode()).decode()
    if version == "v1":
        own["OSSAccessKeyId"] = credentials.access_key_id
        own["Signature"] = _sign_1(policy, credentials)
    else:
        own["x-oss-signature"] = _sign_4(policy, credentials, timestamp, region)
    return {**fields, "key": key, **own, "policy": policy}


def _check_expires_in(expires_in: float) -> None:
    if not 1 <= expires_in <= MAX_EXPIRES_IN:
        raise ConfigurationError(
            f"expires_in is {expires_in} s; choose from 1 s to {MAX_EXPIRES_IN} s (7 days)", operation="sign"
        )


# --- encoding -------------------------------------------------------------------------------------------------------


def encode_query(pairs: Query) -> str:
    """Return a query as it is sent and signed."""
    return "&".join(
        f"{quote(name, safe='~')}={quote(value, safe='~')}" if value else quote(name, safe="~") for name, value in pairs
    )


# --- version 4 ------------------------------------------------------------------------------------------------------


def _is_signed(name: str) -> bool:
    return name.startswith("x-oss-") or name in {"content-type", "content-md5"}


def _digest_4(request: Request, headers: Mapping[str, str], query: Query, more: Sequence[str]) -> str:
    """The hash of the canonical request."""
    bucket = f"/{request.bucket}/" if request.bucket else "/"
    pairs = sorted((quote(name, safe="~"), quote(value, safe="~")) for name, value in query)
    lines = [f"{name}:{headers[name].strip()}" for name in sorted(headers) if _is_signed(name) or name in more]
    text = "\n".join(
        [
            request.method,
            bucket + encode_path(request.key),
            "&".join(f"{name}={value}" if value else name for name, value in pairs),
            *lines,
            "",
            ";".join(more),
            _PAYLOAD,
        ]
    )
    return sha256(text.encode()).hexdigest()


@lru_cache(maxsize=64)
def _signing_key(access_key_secret: str, day: str, region: str) -> bytes:
    key = f"aliyun_v4{access_key_secret}".encode()
    for part in (day, region, "oss", "aliyun_v4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _sign_4(text: str, credentials: Credentials, timestamp: str, region: str) -> str:
    key = _signing_key(credentials.access_key_secret, timestamp[:8], region)
    return hmac.digest(key, text.encode(), "sha256").hex()


@lru_cache(maxsize=4)
def _format(now: int) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))


def _timestamp(now: float) -> str:
    return _format(int(now))


def _scope(timestamp: str, region: str) -> str:
    return f"{timestamp[:8]}/{region}/oss/aliyun_v4_request"


# --- version 1 ------------------------------------------------------------------------------------------------------


def _text_1(request: Request, headers: Mapping[str, str], query: Query, date: str) -> str:
    """The string to sign: nothing in it is encoded."""
    own = "".join(f"{name}:{headers[name].strip()}\n" for name in sorted(headers) if name.startswith("x-oss-"))
    resource = f"/{request.bucket}/{request.key}" if request.bucket else "/"
    signed = sorted(pair for pair in query if pair[0] in _SUBRESOURCES or pair[0].startswith("x-oss-"))
    if signed:
        resource += "?" + "&".join(f"{name}={value}" if value else name for name, value in signed)
    md5, kind = headers.get("content-md5", ""), headers.get("content-type", "")
    return f"{request.method}\n{md5}\n{kind}\n{date}\n{own}{resource}"


def _sign_1(text: str, credentials: Credentials) -> str:
    digest = hmac.digest(credentials.access_key_secret.encode(), text.encode(), "sha1")
    return base64.b64encode(digest).decode()
