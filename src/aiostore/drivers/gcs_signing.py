"""V4 signatures with RSA keys: signed URLs and policy documents, as pure functions up to the signature itself.

https://docs.cloud.google.com/storage/docs/authentication/signatures and
https://docs.cloud.google.com/storage/docs/authentication/canonical-requests
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias
from urllib.parse import quote

from aiostore.errors import ConfigurationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

ALGORITHM: Final = "GOOG4-RSA-SHA256"
LONGEST: Final = 7 * 24 * 3600
"""Seconds that a signed URL may be used, at most."""

PostCondition: TypeAlias = Mapping[str, str] | Sequence[str | int]

_SPACES: Final = re.compile(r"\s+")
_PORT: Final = re.compile(r":\d+$")


class Unsigned(NamedTuple):
    """What is to be signed, and the URL that the signature makes valid."""

    canonical: str
    to_sign: str
    url: str


def check_expiry(expires_in: float) -> int:
    """Whole seconds.

    Raises:
        ConfigurationError: if Google Cloud Storage does not allow so many.
    """
    seconds = int(expires_in)
    if not 1 <= seconds <= LONGEST:
        raise ConfigurationError(f"expires_in={expires_in!r}: a signature is valid for 1 second to 7 days")
    return seconds


def unsigned_url(
    method: str,
    origin: str,
    path: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    email: str,
    expires_in: float,
    now: datetime,
) -> Unsigned:
    """A URL without its signature. ``path`` is decoded and begins with a slash; ``origin`` has scheme and host."""
    seconds = check_expiry(expires_in)
    moment = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{moment[:8]}/auto/storage/goog4_request"
    canonical_headers = {name.lower(): _SPACES.sub(" ", value).strip() for name, value in headers.items()}
    # Google's published vectors leave a port out.
    canonical_headers["host"] = _PORT.sub("", origin.partition("://")[2])
    names = sorted(canonical_headers)
    signed = ";".join(names)
    parameters = {
        "X-Goog-Algorithm": ALGORITHM,
        "X-Goog-Credential": f"{email}/{scope}",
        "X-Goog-Date": moment,
        "X-Goog-Expires": str(seconds),
        "X-Goog-SignedHeaders": signed,
        **query,
    }
    pairs = sorted((quote(name, safe=""), quote(value, safe="")) for name, value in parameters.items())
    canonical_query = "&".join(f"{name}={value}" for name, value in pairs)
    encoded = quote(path, safe="/~")
    payload = canonical_headers.get("x-goog-content-sha256", "UNSIGNED-PAYLOAD")
    lines = (f"{name}:{canonical_headers[name]}\n" for name in names)
    canonical = "\n".join((method, encoded, canonical_query, "".join(lines), signed, payload))
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = "\n".join((ALGORITHM, moment, scope, digest))
    return Unsigned(canonical, to_sign, f"{origin}{encoded}?{canonical_query}")


def policy(
    bucket: str,
    key: str,
    conditions: Sequence[PostCondition],
    fields: Mapping[str, str],
    email: str,
    expires_in: float,
    now: datetime,
) -> tuple[dict[str, str], str]:
    """The fields of a form without its signature, and the policy document in base64, which is what is signed.

    https://docs.cloud.google.com/storage/docs/authentication/signatures#policy-document
    """
    seconds = check_expiry(expires_in)
    moment = now.astimezone(UTC)
    stamp = moment.strftime("%Y%m%dT%H%M%SZ")
    demanded: list[PostCondition] = [{name: value} for name, value in sorted(fields.items())]
    demanded += conditions
    own = {
        "key": key,
        "x-goog-date": stamp,
        "x-goog-credential": f"{email}/{stamp[:8]}/auto/storage/goog4_request",
        "x-goog-algorithm": ALGORITHM,
    }
    prefix, separator, _ = key.partition("${filename}")
    demanded.append({"bucket": bucket})
    demanded.append(["starts-with", "$key", prefix] if separator else {"key": key})
    demanded += [{name: value} for name, value in own.items() if name != "key"]
    expiration = datetime.fromtimestamp(moment.timestamp() + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    document = json.dumps({"conditions": demanded, "expiration": expiration}, separators=(",", ":"))
    encoded = base64.b64encode(document.encode()).decode()
    return {**fields, **own, "policy": encoded}, encoded


def sign(private_key: str, data: bytes) -> bytes:
    """The signature of ``data``: RSASSA-PKCS1-v1_5 with SHA-256.

    Raises:
        ConfigurationError: if the key is none, or cryptography is not installed.
    """
    try:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding
    except ImportError as error:
        raise ConfigurationError("signing needs cryptography: pip install 'aiostore[gcs]'") from error
    return load_key(private_key).sign(data, padding.PKCS1v15(), hashes.SHA256())


@lru_cache(maxsize=16)
def load_key(private_key: str) -> RSAPrivateKey:
    """The key of a PEM. Its numbers are checked, which takes far longer than a signature, so it is kept.

    Raises:
        ConfigurationError: if there is none in it.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    try:
        key = serialization.load_pem_private_key(private_key.encode(), password=None)
    except (ValueError, TypeError):
        # Nothing of what could not be read.
        raise ConfigurationError("the private_key of the service account is no PEM of an RSA key") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ConfigurationError("the private_key of the service account is no RSA key")
    return key
