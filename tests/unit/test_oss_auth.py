"""OSS's signatures are those that Alibaba's documents print, and those that its own SDKs make."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import SimpleNamespace
from typing import Any, Literal
from unittest import mock
from urllib.parse import parse_qsl

import oss2
import pytest
from alibabacloud_oss_v2.credentials import StaticCredentialsProvider
from alibabacloud_oss_v2.signer import SignerV1, SignerV4
from alibabacloud_oss_v2.types import HttpRequest, SigningContext
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from aiostore._http.path import encode_path
from aiostore.drivers.oss_auth import (
    Credentials,
    Request,
    encode_query,
    sign_form,
    sign_headers,
    sign_query,
)
from aiostore.errors import ConfigurationError

Version = Literal["v1", "v4"]

KEYS = Credentials("ak", "sk")
TEMPORARY = Credentials("ak", "sk", "token")

# --- what is printed --------------------------------------------------------------------------------------------------

ODD = (
    ("param1", "value1"), ("+param1", "value3"), ("|param1", "value4"), ("+param2", ""), ("|param2", ""),
    ("param2", ""),
)  # fmt: skip
"""The query of the examples of version 4."""


def odd_request(headers: dict[str, str]) -> Request:
    return Request(method="PUT", bucket="bucket", key="1234+-/123/1.txt", query=ODD, headers=headers)


@pytest.mark.parametrize(
    ("credentials", "now", "signature"),
    [
        (KEYS, 1702743657, "e21d18daa82167720f9b1047ae7e7f1ce7cb77a31e8203a7d5f4624fa0284afe"),
        (TEMPORARY, 1702784856, "b94a3f999cf85bcdc00d332fbd3734ba03e48382c36fa4d5af5df817395bd9ea"),
    ],
)
def test_recorded_headers_of_version_4(credentials: Credentials, now: int, signature: str) -> None:
    headers = {"x-oss-head1": "value", "abc": "value", "zabc": "value", "xyz": "value", "content-type": "text/plain"}
    signed = sign_headers(odd_request(headers), credentials, now, "cn-hangzhou", "v4")
    day = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d")
    assert signed["authorization"] == (
        f"OSS4-HMAC-SHA256 Credential=ak/{day}/cn-hangzhou/oss/aliyun_v4_request,Signature={signature}"
    )


@pytest.mark.parametrize(
    ("credentials", "now", "more", "signature"),
    [
        (KEYS, 1702781677, (), "a39966c61718be0d5b14e668088b3fa07601033f6518ac7b523100014269c0fe"),
        (TEMPORARY, 1702785388, (), "3817ac9d206cd6dfc90f1c09c00be45005602e55898f26f5ddb06d7892e1f8b5"),
        (KEYS, 1702783809, ("abc", "zabc"), "6bd984bfe531afb6db1f7550983a741b103a8c58e5e14f83ea474c2322dfa2b7"),
    ],
)
def test_recorded_urls_of_version_4(credentials: Credentials, now: int, more: tuple[str, ...], signature: str) -> None:
    headers = {"x-oss-head1": "value", "content-type": "application/octet-stream", **dict.fromkeys(more, "value")}
    signed = dict(sign_query(odd_request(headers), credentials, now, "cn-hangzhou", "v4", 599))
    assert signed["x-oss-signature"] == signature
    assert signed.get("x-oss-additional-headers", "") == ";".join(more)


def test_the_documents_example_of_version_1() -> None:
    request = Request(
        method="PUT",
        bucket="oss-example",
        key="nelson",
        headers={
            "content-md5": "ODBGOERFMDMzQTczRUY3NUE3NzA5QzdFNUYzMDQxNEM=",
            "content-type": "text/html",
            "x-oss-meta-author": "foo@bar.com",
            "x-oss-magic": "abracadabra",
        },
    )
    keys = Credentials("44CF9590006BF252F707", "OtxrzxIsfpFjA7SwPzILwy8Bw21TLhquhboDYROV")
    now = parsedate_to_datetime("Thu, 17 Nov 2005 18:49:58 GMT").timestamp()
    signed = sign_headers(request, keys, now, "", "v1")
    assert signed["date"] == "Thu, 17 Nov 2005 18:49:58 GMT"
    assert signed["authorization"] == "OSS 44CF9590006BF252F707:26NBxoKdsyly4EDv6inkoDft/yA="


@pytest.mark.parametrize(
    ("credentials", "key", "expires", "signature"),
    [
        (KEYS, "key", 1699807420, "dcLTea+Yh9ApirQ8o8dOPqtvJXQ="),
        (TEMPORARY, "key+123", 1699808204, "jzKYRrM5y6Br0dRFPaTGOsbrDhY="),
    ],
)
def test_recorded_urls_of_version_1(credentials: Credentials, key: str, expires: int, signature: str) -> None:
    request = Request(method="GET", bucket="bucket", key=key, query=(("versionId", "versionId"),), headers={})
    signed = dict(sign_query(request, credentials, expires - 60, "", "v1", 60))
    assert (signed["Expires"], signed["Signature"]) == (str(expires), signature)


# --- what the SDKs make -----------------------------------------------------------------------------------------------

PRINTABLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)
TEXT = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=40)
REGIONS = st.sampled_from(["cn-hangzhou", "cn-beijing", "us-west-1", "rg-china-mainland", "ap-southeast-5"])
# Both SDKs sign these in version 1, and other parameters not.
SUBRESOURCES = sorted((SignerV1._subresource_key_set & oss2.Auth._subresource_key_set) - {"security-token"})
OWN = st.from_regex(r"x-oss-(meta-)?[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True).filter(
    lambda name: name not in {"x-oss-date", "x-oss-content-sha256", "x-oss-security-token"}
)
HEADERS = st.dictionaries(st.sampled_from(["content-type", "content-md5", "range"]) | OWN, PRINTABLE, max_size=6)
QUERIES = st.dictionaries(
    st.sampled_from(SUBRESOURCES) | st.sampled_from(["prefix", "max-keys", "list-type", "X-Other"]), st.just("") | TEXT,
    max_size=6,
).map(lambda query: tuple(query.items()))  # fmt: skip
REQUESTS = st.builds(
    Request,
    method=st.sampled_from(["GET", "PUT", "HEAD", "DELETE", "POST"]),
    bucket=st.from_regex(r"[a-z0-9][a-z0-9-]{1,20}", fullmatch=True),
    key=st.just("") | TEXT,
    query=QUERIES,
    headers=HEADERS,
)
CREDENTIALS = st.builds(
    Credentials, access_key_id=st.from_regex(r"[A-Za-z0-9.]{1,20}", fullmatch=True), access_key_secret=PRINTABLE,
    security_token=st.none() | PRINTABLE,
)  # fmt: skip
TIMES = st.integers(1_600_000_000, 2_000_000_000)
LIFETIMES = st.integers(1, 604_800)


def newer(
    request: Request, credentials: Credentials, now: int, region: str, version: Version, lifetime: int | None = None
) -> SigningContext:
    """What alibabacloud-oss-v2 makes of a request: its headers, or with a ``lifetime`` its URL, are signed."""
    url = f"https://{request.bucket}.oss-{region}.aliyuncs.com/{encode_path(request.key)}"
    sent = HttpRequest(request.method, f"{url}?{encode_query(request.query)}" if request.query else url)
    sent.headers.update(request.headers)
    provider = StaticCredentialsProvider(
        credentials.access_key_id, credentials.access_key_secret, credentials.security_token
    )
    context = SigningContext(
        bucket=request.bucket, key=request.key or None, request=sent, credentials=provider.get_credentials(),
        product="oss", region=region, signing_time=datetime.fromtimestamp(now, UTC),
    )  # fmt: skip
    if lifetime is not None:
        context.auth_method_query = True
        context.expiration_time = datetime.fromtimestamp(now + lifetime, UTC)
        # Whoever uses the URL must send these too, which is said with each of them.
        context.additional_headers = set(request.headers)
    (SignerV4 if version == "v4" else SignerV1)().sign(context)
    return context


def older(credentials: Credentials, version: Version) -> Any:
    """The signer of oss2."""
    keys = (credentials.access_key_id, credentials.access_key_secret)
    if credentials.security_token is not None:
        return oss2.StsAuth(*keys, credentials.security_token, auth_version=version)
    return oss2.AuthV4(*keys) if version == "v4" else oss2.Auth(*keys)


def as_oss2(request: Request, region: str) -> Any:
    return SimpleNamespace(
        method=request.method, url="", headers=CaseInsensitiveDict(request.headers), params=dict(request.query),
        region=region, product="oss", cloudbox_id=None,
    )  # fmt: skip


@given(request=REQUESTS, credentials=CREDENTIALS, now=TIMES, region=REGIONS)
def test_headers_of_version_4_are_those_of_the_sdk(
    request: Request, credentials: Credentials, now: int, region: str
) -> None:
    theirs = newer(request, credentials, now, region, "v4").request.headers
    ours = sign_headers(request, credentials, now, region, "v4")
    assert ours["authorization"] == theirs["Authorization"]
    for name in ("x-oss-date", "x-oss-content-sha256", "x-oss-security-token"):
        assert ours.get(name) == theirs.get(name)


@given(request=REQUESTS, credentials=CREDENTIALS, now=TIMES, region=REGIONS, lifetime=LIFETIMES)
def test_urls_of_version_4_are_those_of_the_sdk(
    request: Request, credentials: Credentials, now: int, region: str, lifetime: int
) -> None:
    theirs = newer(request, credentials, now, region, "v4", lifetime).request.url
    ours = encode_query(sign_query(request, credentials, now, region, "v4", lifetime))
    assert pairs(ours) == pairs(theirs.partition("?")[2])


@given(request=REQUESTS, credentials=CREDENTIALS, now=TIMES)
def test_headers_of_version_1_are_those_of_the_sdk(request: Request, credentials: Credentials, now: int) -> None:
    sent = as_oss2(request, "")
    ours = sign_headers(request, credentials, now, "", "v1")
    with mock.patch("oss2.utils.http_date", return_value=ours["date"]):
        older(credentials, "v1")._sign_request(sent, request.bucket, request.key)
    assert ours["authorization"] == sent.headers["authorization"]
    assert ours.get("x-oss-security-token") == sent.headers.get("x-oss-security-token")


@given(request=REQUESTS, credentials=CREDENTIALS, now=TIMES, lifetime=LIFETIMES)
def test_urls_of_version_1_are_those_of_the_sdk(
    request: Request, credentials: Credentials, now: int, lifetime: int
) -> None:
    if "range" in request.headers:
        with pytest.raises(ConfigurationError, match="range"):
            sign_query(request, credentials, now, "", "v1", lifetime)
        return
    theirs = newer(request, credentials, now, "cn-hangzhou", "v1", lifetime).request.url
    ours = encode_query(sign_query(request, credentials, now, "", "v1", lifetime))
    assert pairs(ours) == pairs(theirs.partition("?")[2])


def pairs(query: str) -> list[tuple[str, str]]:
    return sorted(parse_qsl(query, keep_blank_values=True))


# --- forms ------------------------------------------------------------------------------------------------------------


@given(credentials=CREDENTIALS, now=TIMES, region=REGIONS, key=TEXT, lifetime=LIFETIMES)
@pytest.mark.parametrize("version", ["v1", "v4"])
def test_forms_are_signed_as_the_documents_say(
    version: Version, credentials: Credentials, now: int, region: str, key: str, lifetime: int
) -> None:
    """No SDK makes forms. What is signed is the policy as it is sent, with the key that the SDK derives."""
    fields = {"x-oss-meta-color": "blue"}
    form = sign_form(
        "bucket", key, [["content-length-range", 1, 10]], fields, credentials, now, region, version, lifetime
    )
    policy = json.loads(base64.b64decode(form["policy"]))
    secret = credentials.access_key_secret
    if version == "v4":
        day = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d")
        assert form["x-oss-signature"] == SignerV4()._calc_signature(secret, day, region, "oss", form["policy"])
        assert form["x-oss-credential"] == f"{credentials.access_key_id}/{day}/{region}/oss/aliyun_v4_request"
    else:
        digest = hmac.digest(secret.encode(), form["policy"].encode(), hashlib.sha1)
        assert (form["OSSAccessKeyId"], form["Signature"]) == (
            credentials.access_key_id,
            base64.b64encode(digest).decode(),
        )
    assert policy["expiration"] == datetime.fromtimestamp(now + lifetime, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    # Every field but the signature and what it covers is demanded, or the service refuses the form.
    demanded = {name for demand in policy["conditions"] if isinstance(demand, dict) for name in demand}
    signature = {"policy", "x-oss-signature", "Signature", "OSSAccessKeyId"}
    assert set(form) - signature == demanded - {"bucket"} | ({"key"} if "${filename}" in key else set())
