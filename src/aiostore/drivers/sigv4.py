"""AWS Signature Version 4 for S3: headers, presigned URLs and POST policies.

`Signer` is on the path of every request: what depends only on the second and the credentials is computed once a
second. The rest are pure functions. The caller says what time it is, so that it can correct a skewed clock.

Encode with `encode_path` and `encode_query`, sign the result, then send exactly that. URL libraries normalise unless
they are told not to: yarl (without ``encoded=True``), httpx, urllib3 and requests all turn ``/bucket/a/../b`` into
``/bucket/b``, which is another object and another signature; yarl also decodes ``%2E%2E`` first.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
"""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from aiostore.errors import ConfigurationError

if TYPE_CHECKING:
    from _hashlib import HASH

UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
EMPTY_PAYLOAD = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
MAX_EXPIRES_IN = 604_800

PostCondition = Mapping[str, str] | Sequence[str | int]
"""``{"acl": "private"}``, ``["starts-with", "$Content-Type", "image/"]``, ``["content-length-range", 0, 1048576]``."""

_ALGORITHM = "AWS4-HMAC-SHA256"
_FILENAME = "${filename}"
_SLOT = "\0"


@dataclass(frozen=True, slots=True)
class Credentials:
    """One set of AWS keys; an empty ``session_token`` is none. Its repr shows the access key id and nothing else."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


# --- signed headers -------------------------------------------------------------------------------------------------


class _Layout(NamedTuple):
    """How the requests of one second that sign the same header names look, whatever the values."""

    template: str
    in_order: Callable[[Mapping[str, str]], tuple[str, ...]]
    authorization: str


class _Second(NamedTuple):
    """What all signatures of one second share; a new second drops it all, so the layouts cannot pile up."""

    start: int
    end: int
    credentials: Credentials
    timestamp: str
    inner: HASH
    outer: HASH
    plain: _Layout
    layouts: dict[tuple[str, ...], _Layout]


class Signer:
    """Signs requests to one region; threads and event loops may share it.

    Pass the same `Credentials` object until the credentials change: what was prepared for the current second is
    recognised by that object, and preparing it again costs several signatures.
    """

    __slots__ = ("_region", "_second", "_service")

    def __init__(self, region: str, service: str = "s3") -> None:
        self._region = region
        self._service = service
        self._second: _Second | None = None

    def sign(
        self,
        method: str,
        host: str,
        path: str,
        query: str,
        headers: Mapping[str, str] | None,
        payload_hash: str,
        credentials: Credentials,
        now: float,
    ) -> dict[str, str]:
        """Return the headers to add: the authorization, its date, the hash of the payload and the session token.

        Args:
            method: in capitals.
            host: as the Host header says it: without the port if it is the default one of the scheme.
            path: absolute, with the key as `encode_path` encodes it.
            query: what `encode_query` returned, without ``?``.
            headers: further headers to sign, names in lower case. S3 wants every ``x-amz-*`` header of the request in
                the signature, and ``content-md5``; the ones that are returned need not be given.
            payload_hash: the hexadecimal SHA-256 of the body, `EMPTY_PAYLOAD`, or a literal that S3 takes instead.
            credentials: the keys to sign with.
            now: the service's time in seconds since the epoch.
        """
        second = self._second
        if second is None or not second.start <= now < second.end or second.credentials is not credentials:
            second = self._second = self._prepare(credentials, int(now))
        _, _, _, timestamp, inner, outer, layout, layouts = second
        if headers:
            names = tuple(headers)
            if (known := layouts.get(names)) is None:
                known = layouts[names] = self._lay_out(names, timestamp, credentials)
            layout = known
            values = layout.in_order({**headers, "host": host, "x-amz-content-sha256": payload_hash})
            text = layout.template % values
            if "  " in text or ": " in text or " \n" in text or "\t" in text:
                text = layout.template % tuple(map(_trim, values))
        else:
            text = layout.template % (host, payload_hash)
        inner = inner.copy()
        inner.update(sha256(f"{method}\n{path}\n{query}\n{text}{payload_hash}".encode()).hexdigest().encode())
        outer = outer.copy()
        outer.update(inner.digest())
        signed = {
            "x-amz-date": timestamp,
            "x-amz-content-sha256": payload_hash,
            "authorization": layout.authorization + outer.hexdigest(),
        }
        if credentials.session_token:
            signed["x-amz-security-token"] = credentials.session_token
        return signed

    def _prepare(self, credentials: Credentials, start: int) -> _Second:
        timestamp = _timestamp(start)
        scope = _scope(timestamp, self._region, self._service)
        key = signing_key(credentials.secret_access_key, timestamp[:8], self._region, self._service).ljust(64, b"\0")
        # HMAC written out (RFC 2104): copies of two hash states, the inner one past the head of the string to sign,
        # take less than half the time of hmac.digest().
        inner = sha256(bytes(byte ^ 0x36 for byte in key) + f"{_ALGORITHM}\n{timestamp}\n{scope}\n".encode())
        outer = sha256(bytes(byte ^ 0x5C for byte in key))
        plain = self._lay_out((), timestamp, credentials)
        return _Second(start, start + 1, credentials, timestamp, inner, outer, plain, {})

    def _lay_out(self, names: tuple[str, ...], timestamp: str, credentials: Credentials) -> _Layout:
        fixed = {"x-amz-date": timestamp}
        if credentials.session_token:
            fixed["x-amz-security-token"] = _trim(credentials.session_token)
        signed = sorted({"host", "x-amz-content-sha256", *fixed, *names})
        # NUL marks where the values go: no header may hold it.
        lines = [f"{name}:{fixed.get(name, _SLOT)}" for name in signed]
        template = "\n".join([*lines, "", ";".join(signed), ""]).replace("%", "%%").replace(_SLOT, "%s")
        credential = f"{credentials.access_key_id}/{_scope(timestamp, self._region, self._service)}"
        return _Layout(
            template,
            itemgetter(*(name for name in signed if name not in fixed)),
            f"{_ALGORITHM} Credential={credential}, SignedHeaders={';'.join(signed)}, Signature=",
        )


# --- presigned URLs and forms ---------------------------------------------------------------------------------------


def presign(
    method: str,
    scheme: str,
    host: str,
    path: str,
    query: str,
    headers: Mapping[str, str] | None,
    credentials: Credentials,
    region: str,
    expires_in: float,
    now: float,
    service: str = "s3",
) -> str:
    """Return a URL that allows one request without credentials for ``expires_in`` seconds, fractions dropped.

    The arguments are those of `Signer.sign`; whoever uses the URL must send ``headers``. The payload is not signed,
    unless ``headers`` has its ``x-amz-content-sha256``. The URL ends with its credentials if these end earlier.

    https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html

    Raises:
        ConfigurationError: if ``expires_in`` is not within 1 second and 7 days.
    """
    _check_expires_in(expires_in)
    timestamp = _timestamp(int(now))
    scope = _scope(timestamp, region, service)
    values = {**(headers or {}), "host": host}
    signed = sorted(values)
    authorization = {
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{credentials.access_key_id}/{scope}",
        "X-Amz-Date": timestamp,
        "X-Amz-Expires": str(int(expires_in)),
        "X-Amz-SignedHeaders": ";".join(signed),
    }
    if credentials.session_token:
        authorization["X-Amz-Security-Token"] = credentials.session_token
    parameters = query.split("&") if query else []
    parameters += [f"{name}={_encode(value, _UNRESERVED, _QUERY_CODES)}" for name, value in authorization.items()]
    request = "\n".join(
        [
            method,
            path,
            # By name, then value: "a=" sorts before "a-b=" although "=" comes after "-".
            "&".join(sorted(parameters, key=lambda parameter: parameter.partition("="))),
            *(f"{name}:{_trim(values[name])}" for name in signed),
            "",
            ";".join(signed),
            values.get("x-amz-content-sha256", UNSIGNED_PAYLOAD),
        ]
    )
    text = f"{_ALGORITHM}\n{timestamp}\n{scope}\n{sha256(request.encode()).hexdigest()}"
    signature = _sign_text(text, credentials, timestamp, region, service)
    return f"{scheme}://{host}{path}?{'&'.join(parameters)}&X-Amz-Signature={signature}"


def presigned_post(
    bucket_url: str,
    bucket: str,
    key: str,
    conditions: Iterable[PostCondition],
    fields: Mapping[str, str],
    expires_in: float,
    credentials: Credentials,
    region: str,
    now: float,
    service: str = "s3",
) -> tuple[str, dict[str, str]]:
    """Return the URL and the fields of an HTML form that uploads one file; the form puts its ``file`` field last.

    In ``key``, ``${filename}`` stands for the name of the uploaded file: then anything that follows the text before it
    is allowed. A field that no condition speaks of must arrive as it is here, for S3 refuses fields without a
    condition. Limit the size with ``["content-length-range", least, most]``, in bytes.

    https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html

    Raises:
        ConfigurationError: if ``expires_in`` is not within 1 second and 7 days.
    """
    _check_expires_in(expires_in)
    timestamp = _timestamp(int(now))
    authorization = {
        "x-amz-algorithm": _ALGORITHM,
        "x-amz-credential": f"{credentials.access_key_id}/{_scope(timestamp, region, service)}",
        "x-amz-date": timestamp,
    }
    if credentials.session_token:
        authorization["x-amz-security-token"] = credentials.session_token
    demands: list[dict[str, str] | list[str | int]] = []
    named = {"key", *authorization}
    for condition in conditions:
        if isinstance(condition, Mapping):
            demands.append(dict(condition))
            named.update(name.lower() for name in condition)
        else:
            demands.append(list(condition))
            named.add(str(condition[1]).removeprefix("$").lower())
    demands += [{name: value} for name, value in fields.items() if name.lower() not in named]
    before, filename, _ = key.partition(_FILENAME)
    demands += [{"bucket": bucket}, ["starts-with", "$key", before] if filename else {"key": key}]
    demands += [{name: value} for name, value in authorization.items()]
    expiration = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(now) + int(expires_in)))
    policy = base64.b64encode(json.dumps({"expiration": expiration, "conditions": demands}).encode()).decode()
    signature = _sign_text(policy, credentials, timestamp, region, service)
    return bucket_url, {**fields, "key": key, **authorization, "policy": policy, "x-amz-signature": signature}


# --- encoding -------------------------------------------------------------------------------------------------------

_UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
_PATH_SAFE = _UNRESERVED + b"/"
_QUERY_CODES = tuple(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in range(256))
_PATH_CODES = tuple(chr(byte) if byte in _PATH_SAFE else f"%{byte:02X}" for byte in range(256))


def encode_path(key: str) -> str:
    """Percent-encode a key as S3 does it in a path: once, all but letters, digits and ``-._~/``.

    Slashes and dot segments stay as they are, also ``//``, a leading ``/`` and ``..``: the result goes behind
    ``/`` or ``/bucket/``, whatever it starts with.

    Raises:
        UnicodeEncodeError: if ``key`` holds a lone surrogate.
    """
    return _encode(key, _PATH_SAFE, _PATH_CODES)


def encode_query(pairs: Iterable[tuple[str, str]]) -> str:
    """Return the canonical query string: encoded, then sorted by name and value, ``=`` also where a value is empty."""
    return "&".join(
        f"{name}={value}"
        for name, value in sorted(
            (_encode(name, _UNRESERVED, _QUERY_CODES), _encode(value, _UNRESERVED, _QUERY_CODES))
            for name, value in pairs
        )
    )


def _encode(text: str, safe: bytes, codes: Sequence[str]) -> str:
    raw = text.encode()
    # Deleting what is safe is the quickest way to see that nothing else is there.
    return "".join([codes[byte] for byte in raw]) if raw.translate(None, safe) else text


def _trim(value: str) -> str:
    # As bytes, for only ASCII white space collapses: S3 signs a no-break space as it arrives.
    return b" ".join(value.encode().split()).decode()


# --- keys and dates -------------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def signing_key(secret_access_key: str, day: str, region: str, service: str) -> bytes:
    """Derive the key of one day, which is written YYYYMMDD."""
    key = f"AWS4{secret_access_key}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _sign_text(text: str, credentials: Credentials, timestamp: str, region: str, service: str) -> str:
    key = signing_key(credentials.secret_access_key, timestamp[:8], region, service)
    return hmac.digest(key, text.encode(), "sha256").hex()


def _timestamp(now: int) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))


def _scope(timestamp: str, region: str, service: str) -> str:
    return f"{timestamp[:8]}/{region}/{service}/aws4_request"


def _check_expires_in(expires_in: float) -> None:
    if not 1 <= expires_in <= MAX_EXPIRES_IN:
        raise ConfigurationError(
            f"expires_in is {expires_in} s; choose from 1 s to {MAX_EXPIRES_IN} s (7 days)", operation="sign"
        )
