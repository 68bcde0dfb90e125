"""Who asks: signatures of version 4 and 1, in headers, URLs and forms, with and without a token of STS.

https://www.alibabacloud.com/help/en/oss/developer-reference/recommend-to-use-signature-version-4
https://www.alibabacloud.com/help/en/oss/developer-reference/include-signatures-in-the-authorization-header
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import quote

from tests.servers.oss_server.asked import Asked
from tests.servers.oss_server.refusal import Refusal

REGION = "cn-hangzhou"
ALGORITHM = "OSS4-HMAC-SHA256"
CLOCK_LIMIT = 900


class Account(NamedTuple):
    """Who may ask: a secret, and the token that must go with it."""

    secret: str
    token: str | None = None


ACCOUNTS = {
    "LTAI5tTestAccessKeyId000": Account("TestAccessKeySecret0123456789"),
    "STS.TestTemporaryKeyId00": Account("TestTemporarySecret0123456789", "CAISTestSecurityToken0123456789+/=="),
}

_SUBRESOURCES = frozenset(
    {
        *("acl", "append", "bucketInfo", "callback", "callback-var", "cname"),
        *("comp", "continuation-token", "cors", "delete", "encryption", "endTime"),
        *("group", "lifecycle", "link", "live", "location", "logging"),
        *("objectMeta", "objectInfo", "partNumber", "policy", "position", "qos"),
        *(
            "referer",
            "replication",
            "requestPayment",
            "response-cache-control",
            "response-content-disposition",
            "response-content-encoding",
        ),
        *(
            "response-content-language",
            "response-content-type",
            "response-expires",
            "restore",
            "security-token",
            "sequential",
        ),
        *("startTime", "stat", "status", "style", "styleName", "symlink"),
        *("tagging", "transferAcceleration", "uploadId", "uploads", "versionId", "versioning"),
        *("versions", "vod", "website", "worm"),
    }
)


def authenticate(asked: Asked) -> str | None:
    """Check the signature; return the access key, None if there is no signature."""
    given, query = asked.headers.get("Authorization", ""), asked.query
    if given.startswith(ALGORITHM) or query.get("x-oss-signature-version") == ALGORITHM:
        return _version_4(asked, given)
    if given.startswith("OSS ") or "OSSAccessKeyId" in query:
        return _version_1(asked, given)
    if given:
        raise Refusal(400, "InvalidArgument", "Authorization header is invalid.")
    return None


def account(access_key: str) -> Account:
    if access_key not in ACCOUNTS:
        message = "The OSS Access Key Id you provided does not exist in our records."
        raise Refusal(403, "InvalidAccessKeyId", message, fields={"OSSAccessKeyId": access_key})
    return ACCOUNTS[access_key]


def signed_4(text: str, secret: str, day: str, region: str = REGION) -> str:
    key = f"aliyun_v4{secret}".encode()
    for step in (day, region, "oss", "aliyun_v4_request"):
        key = hmac.digest(key, step.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


def signed_1(text: str, secret: str) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), text.encode(), "sha1")).decode()


def scope_of(credential: str) -> tuple[str, str]:
    """The access key and the day of ``key/day/region/oss/aliyun_v4_request``."""
    access_key, _, rest = credential.partition("/")
    day, _, rest = rest.partition("/")
    region, _, rest = rest.partition("/")
    if rest != "oss/aliyun_v4_request":
        raise Refusal(400, "InvalidArgument", "The credential in the signature is invalid.")
    if region != REGION:
        raise Refusal(400, "InvalidArgument", f"Invalid signing region in Authorization header: {region}.")
    return access_key, day


def check_token(access_key: str, token: str | None) -> None:
    expected = account(access_key).token
    if expected == token:
        return
    if token is None or expected is None:
        raise Refusal(403, "InvalidAccessKeyId", "The OSS Access Key Id you provided does not exist in our records.")
    raise Refusal(403, "SecurityTokenExpired", "The security token you provided has expired.")


def compare(expected: str, given: str, text: str) -> None:
    if not hmac.compare_digest(expected, given):
        raise Refusal(
            403,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. Check your key and "
            "signing method.",
            fields={"SignatureProvided": given, "StringToSign": text},
        )


def check_clock(sent: float) -> None:
    if abs(time.time() - sent) > CLOCK_LIMIT:
        message = "The difference between the request time and the current time is too large."
        raise Refusal(403, "RequestTimeTooSkewed", message)


def expired(when: float) -> None:
    if time.time() > when:
        raise Refusal(403, "AccessDenied", "Request has expired.")


def _version_4(asked: Asked, given: str) -> str:
    query = asked.query
    headers = {name.lower(): value.strip() for name, value in asked.headers.items()}
    if given:
        pairs = (item.strip().partition("=") for item in given.removeprefix(ALGORITHM).split(","))
        fields = {name: value for name, _, value in pairs}
        credential, signature = fields.get("Credential", ""), fields.get("Signature", "")
        additional, date = fields.get("AdditionalHeaders", ""), headers.get("x-oss-date", "")
        token = headers.get("x-oss-security-token")
        if headers.get("x-oss-content-sha256") != "UNSIGNED-PAYLOAD":
            raise Refusal(400, "InvalidArgument", "x-oss-content-sha256 must be UNSIGNED-PAYLOAD.")
    else:
        credential, signature = query.get("x-oss-credential", ""), query.get("x-oss-signature", "")
        additional, date = query.get("x-oss-additional-headers", ""), query.get("x-oss-date", "")
        token = query.get("x-oss-security-token")
    access_key, day = scope_of(credential)
    secret = account(access_key).secret
    try:
        sent = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise Refusal(403, "AccessDenied", "OSS authentication requires a valid Date.") from None
    if not date.startswith(day):
        raise Refusal(403, "AccessDenied", "The date in the credential is not that of the request.")
    if given:
        check_clock(sent)
    else:
        lifetime = query.get("x-oss-expires", "")
        if not lifetime.isdecimal() or not 0 < int(lifetime) <= 604_800:
            raise Refusal(400, "InvalidArgument", "x-oss-expires must be between 1 and 604800.")
        expired(sent + int(lifetime))
    more = sorted(name for name in additional.split(";") if name)
    if any(name not in headers for name in more):
        raise Refusal(403, "SignatureDoesNotMatch", "An additional header is missing.")
    request = "\n".join([asked.method, _resource(asked), _query(query), _signed_headers(headers, more)])
    request += "\n".join(["", ";".join(more), "UNSIGNED-PAYLOAD"])
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = f"{ALGORITHM}\n{date}\n{day}/{REGION}/oss/aliyun_v4_request\n{digest}"
    compare(signed_4(text, secret, day), signature, text)
    check_token(access_key, token)
    return access_key


def _resource(asked: Asked) -> str:
    if not asked.bucket:
        return "/"
    return f"/{quote(asked.bucket, safe='')}/{quote(asked.key, safe='/~')}"


def _query(query: Mapping[str, str]) -> str:
    pairs = ((quote(name, safe="~"), quote(value, safe="~")) for name, value in query.items())
    return "&".join(f"{name}={value}" if value else name for name, value in sorted(pairs) if name != "x-oss-signature")


def _signed_headers(headers: Mapping[str, str], more: list[str]) -> str:
    names = (
        name
        for name in sorted(headers)
        if name in {"content-type", "content-md5"} or name.startswith("x-oss-") or name in more
    )
    return "".join(f"{name}:{headers[name]}\n" for name in names)


def _version_1(asked: Asked, given: str) -> str:
    query = asked.query
    headers = {name.lower(): value.strip() for name, value in asked.headers.items()}
    if given:
        access_key, _, signature = given.removeprefix("OSS ").partition(":")
        date = headers.get("x-oss-date") or headers.get("date", "")
        try:
            check_clock(parsedate_to_datetime(date).timestamp())
        except ValueError:
            raise Refusal(403, "AccessDenied", "OSS authentication requires a valid Date.") from None
        token = headers.get("x-oss-security-token")
    else:
        access_key, signature = query["OSSAccessKeyId"], query.get("Signature", "")
        date, token = query.get("Expires", ""), query.get("security-token")
        if re.fullmatch(r"\d+", date) is None:
            raise Refusal(403, "AccessDenied", "Query-string authentication requires Expires.")
        expired(float(date))
    names = (name for name in sorted(headers) if name.startswith("x-oss-"))
    own = "".join(f"{name}:{headers[name]}\n" for name in names)
    resource = f"/{asked.bucket}/{asked.key}" if asked.bucket else "/"
    asked_for = sorted((name, value) for name, value in query.items() if name in _SUBRESOURCES or name[:6] == "x-oss-")
    if asked_for:
        resource += "?" + "&".join(f"{name}={value}" if value else name for name, value in asked_for)
    md5, kind = headers.get("content-md5", ""), headers.get("content-type", "")
    text = "\n".join([asked.method, md5, kind, date, own + resource])
    compare(signed_1(text, account(access_key).secret), signature, text)
    check_token(access_key, token)
    return access_key
