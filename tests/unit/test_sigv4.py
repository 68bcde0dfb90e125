from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from types import SimpleNamespace
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

import pytest
import yarl
from botocore.auth import S3SigV4Auth, S3SigV4PostAuth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from botocore.utils import percent_encode
from hypothesis import example, given
from hypothesis import strategies as st

from aiostore.drivers.sigv4 import (
    EMPTY_PAYLOAD,
    UNSIGNED_PAYLOAD,
    Credentials,
    PostCondition,
    Signer,
    encode_path,
    encode_query,
    presign,
    presigned_post,
    signing_key,
)
from aiostore.errors import ConfigurationError

# --- the examples of the S3 API reference ---------------------------------------------------------------------------

EXAMPLE_HOST = "examplebucket.s3.amazonaws.com"
EXAMPLE_NOW = datetime(2013, 5, 24, tzinfo=UTC).timestamp()
EXAMPLE = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
SESSION = Credentials("ASIAIOSFODNN7EXAMPLE", "another/secret", "FwoG//token==")


def sign_example(
    method: str, path: str, query: str, headers: Mapping[str, str] | None, payload_hash: str = EMPTY_PAYLOAD
) -> tuple[str, str]:
    """Return the signed headers and the signature of a request of the documentation."""
    signed = Signer("us-east-1").sign(method, EXAMPLE_HOST, path, query, headers, payload_hash, EXAMPLE, EXAMPLE_NOW)
    assert signed["x-amz-date"] == "20130524T000000Z"
    assert signed["x-amz-content-sha256"] == payload_hash
    credential, names, signature = signed["authorization"].split(", ")
    assert credential == "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"
    return names.removeprefix("SignedHeaders="), signature.removeprefix("Signature=")


# https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html


def test_documented_get_of_a_range() -> None:
    assert sign_example("GET", "/test.txt", "", {"range": "bytes=0-9"}) == (
        "host;range;x-amz-content-sha256;x-amz-date",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    )


def test_documented_put() -> None:
    headers = {"date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"}
    payload_hash = sha256(b"Welcome to Amazon S3.").hexdigest()
    assert sign_example("PUT", "/" + encode_path("test$file.text"), "", headers, payload_hash) == (
        "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    )


def test_documented_get_of_the_bucket_lifecycle() -> None:
    assert sign_example("GET", "/", encode_query([("lifecycle", "")]), None) == (
        "host;x-amz-content-sha256;x-amz-date",
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    )


def test_documented_list_of_objects() -> None:
    assert sign_example("GET", "/", encode_query([("prefix", "J"), ("max-keys", "2")]), None) == (
        "host;x-amz-content-sha256;x-amz-date",
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    )


# https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
def test_documented_presigned_url() -> None:
    url = presign("GET", "https", EXAMPLE_HOST, "/test.txt", "", None, EXAMPLE, "us-east-1", 86400, EXAMPLE_NOW)
    assert url == (
        "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )


# https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-post-example.html
def test_documented_signature_of_a_post_policy() -> None:
    policy = """{ "expiration": "2015-12-30T12:00:00.000Z",
  "conditions": [
    {"bucket": "sigv4examplebucket"},
    ["starts-with", "$key", "user/user1/"],
    {"acl": "public-read"},
    {"success_action_redirect": "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html"},
    ["starts-with", "$Content-Type", "image/"],
    {"x-amz-meta-uuid": "14365123651274"},
    {"x-amz-server-side-encryption": "AES256"},
    ["starts-with", "$x-amz-meta-tag", ""],

    {"x-amz-credential": "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"},
    {"x-amz-algorithm": "AWS4-HMAC-SHA256"},
    {"x-amz-date": "20151229T000000Z" }
  ]
}"""
    key = signing_key(EXAMPLE.secret_access_key, "20151229", "us-east-1", "s3")
    signature = hmac.digest(key, base64.b64encode(policy.replace("\n", "\r\n").encode()), "sha256").hex()
    assert signature == "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e"


# --- the same as botocore, whatever the request ---------------------------------------------------------------------

METHODS = st.sampled_from(["GET", "HEAD", "PUT", "POST", "DELETE"])
SCHEMES = st.sampled_from(["http", "https"])
HOSTS = st.sampled_from(["bucket.s3.eu-west-1.amazonaws.com", "127.0.0.1:9000", "[::1]:8080", "s3.example.com"])
REGIONS = st.sampled_from(["us-east-1", "eu-west-1", "ap-southeast-2", "auto", ""])
CHARACTERS = st.characters(exclude_categories=["Cs"])
KEYS = st.one_of(
    st.text(st.sampled_from("ab/.~ +%?#&=$:@é漢😀\\\"'\t\n\x00"), min_size=1, max_size=40),
    st.text(CHARACTERS, min_size=1, max_size=40),
    st.sampled_from(["a" * 1024, "é" * 512, "a b" * 341, "//", "/a", "a//b", ".", "..", "a/../b", "./a", "%41", "a+b"]),
)
QUERIES = st.lists(
    st.tuples(
        st.text(st.one_of(st.sampled_from("ab-=~/ +%"), CHARACTERS), min_size=1, max_size=8), st.text(max_size=12)
    ),
    unique_by=lambda pair: pair[0],
    max_size=5,
)
TOKEN_CHARACTERS = "abcxyz019!#$%&'*+-.^_`|~"
HEADER_NAMES = st.one_of(
    st.sampled_from(
        ["content-type", "content-md5", "range", "if-none-match", "cache-control", "x-amz-checksum-crc32c"]
    ),
    st.text(TOKEN_CHARACTERS, min_size=1, max_size=8).map("x-amz-meta-".__add__),
    # Around the names that signing adds, wherever they sort.
    st.sampled_from(["a", "hosts", "hos", "x-amz-", "x-amz-content-sha255", "x-amz-dat", "x-amz-date-", "zz", "50%s"]),
)
HEADER_VALUES = st.text(
    st.one_of(st.sampled_from('a:,%" \t'), st.characters(min_codepoint=33, max_codepoint=126)), max_size=20
)
HEADERS = st.dictionaries(HEADER_NAMES, HEADER_VALUES, max_size=6)
# Most fall into one second, for that is when what was prepared is used again; a corrected clock may also go back.
MOVES = st.sampled_from([0, 0, 0, 0, 1, -1, 86_400])
SECONDS = st.integers(0, 4_102_444_799)  # to the end of 2099
FRACTIONS = st.sampled_from([0.0, 0.25, 0.875])
CREDENTIALS = st.builds(
    Credentials,
    st.text(st.sampled_from("AKIA0123456789"), min_size=1, max_size=20),
    st.text(min_size=1, max_size=40, alphabet=CHARACTERS),
    st.one_of(st.none(), st.text(st.sampled_from("aZ0+/=% "), min_size=1, max_size=60).filter(str.strip)),
)
LIFETIMES = st.integers(1, 604_800)


@contextmanager
def botocore_at(now: float) -> Iterator[None]:
    instant = datetime.fromtimestamp(now, UTC).replace(tzinfo=None)
    with patch("botocore.auth.get_current_datetime", lambda: instant):
        yield


def to_botocore(credentials: Credentials) -> BotocoreCredentials:
    return BotocoreCredentials(
        credentials.access_key_id, credentials.secret_access_key, credentials.session_token or None
    )


@dataclass(frozen=True)
class Request:
    method: str
    scheme: str
    host: str
    key: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes | None  # None: not signed

    @property
    def path(self) -> str:
        return f"/bucket/{encode_path(self.key)}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}/bucket/{percent_encode(self.key, safe='/~')}"


REQUESTS = st.builds(
    Request, METHODS, SCHEMES, HOSTS, KEYS, QUERIES, HEADERS, st.one_of(st.none(), st.binary(max_size=20))
)


def sign_by_botocore(request: Request, credentials: Credentials, region: str, now: float) -> dict[str, str]:
    signed = AWSRequest(request.method, request.url, request.headers, request.body, params=dict(request.query))
    signed.context["client_config"] = SimpleNamespace(s3={"payload_signing_enabled": request.body is not None})
    with botocore_at(now):
        S3SigV4Auth(to_botocore(credentials), "s3", region).add_auth(signed)
    return {name.lower(): value for name, value in signed.headers.items() if name.lower() not in request.headers}


@given(
    st.lists(st.tuples(REQUESTS, st.integers(0, 1), MOVES, FRACTIONS), min_size=1, max_size=6),
    st.tuples(CREDENTIALS, CREDENTIALS),
    REGIONS,
    SECONDS,
)
def test_signed_headers_are_those_of_botocore_whatever_was_signed_before(
    steps: list[tuple[Request, int, int, float]], keys: tuple[Credentials, Credentials], region: str, start: int
) -> None:
    signer = Signer(region)
    for request, which, move, fraction in steps:
        now = max(0, start + move) + fraction
        payload_hash = UNSIGNED_PAYLOAD if request.body is None else sha256(request.body).hexdigest()
        query = encode_query(request.query)
        args = (request.method, request.host, request.path, query, request.headers, payload_hash)
        assert signer.sign(*args, keys[which], now) == sign_by_botocore(request, keys[which], region, now)


@given(REQUESTS, CREDENTIALS, REGIONS, LIFETIMES, SECONDS, FRACTIONS)
# "a=" sorts before "a-b=" although "=" comes after "-".
@example(Request("GET", "https", "h", "k", [("a-b", "1"), ("a", "1")], {}, None), SESSION, "auto", 60, 0, 0.0)
def test_presigned_urls_are_those_of_botocore(
    request: Request, credentials: Credentials, region: str, expires_in: int, second: int, fraction: float
) -> None:
    query, now = encode_query(request.query), second + fraction
    signed = AWSRequest(request.method, f"{request.url}?{query}" if query else request.url, request.headers)
    with botocore_at(now):
        S3SigV4QueryAuth(to_botocore(credentials), "s3", region, expires=expires_in).add_auth(signed)
    args = (request.method, request.scheme, request.host, request.path, query, request.headers)
    assert presign(*args, credentials, region, expires_in, now) == signed.url


FIELDS = st.dictionaries(st.sampled_from(["acl", "Content-Type", "x-amz-meta-a", "success_action_status"]), st.text())
OTHER_CONDITIONS: st.SearchStrategy[list[PostCondition]] = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 9), st.integers(10, 99)).map(lambda limits: ["content-length-range", *limits]),
        st.text(max_size=5).map(lambda value: ["starts-with", "$x-amz-meta-b", value]),
        st.text(max_size=5).map(lambda value: {"x-amz-meta-c": value}),
    ),
    max_size=3,
)


@given(KEYS, OTHER_CONDITIONS, FIELDS, LIFETIMES, CREDENTIALS, REGIONS, SECONDS, FRACTIONS)
@example("up/${filename}", [], {}, 60, SESSION, "eu-west-1", 0, 0.875)
def test_presigned_posts_are_those_of_botocore(
    key: str,
    others: list[PostCondition],
    fields: dict[str, str],
    expires_in: int,
    credentials: Credentials,
    region: str,
    second: int,
    fraction: float,
) -> None:
    now = second + fraction
    covering: list[PostCondition] = [{name: value} for name, value in fields.items()]
    expiration = datetime.fromtimestamp(second + expires_in, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    key_condition = ["starts-with", "$key", "up/"] if key == "up/${filename}" else {"key": key}
    request = AWSRequest("PUT", "https://s3.example.com/bucket")
    request.context["s3-presign-post-fields"] = {**fields, "key": key}
    request.context["s3-presign-post-policy"] = {
        "expiration": expiration,
        "conditions": [*others, *covering, {"bucket": "bucket"}, key_condition],
    }
    with botocore_at(now):
        S3SigV4PostAuth(to_botocore(credentials), "s3", region).add_auth(request)
    args = ("https://s3.example.com/bucket", "bucket", key, [*others, *covering], fields, expires_in)
    assert presigned_post(*args, credentials, region, now) == (
        "https://s3.example.com/bucket",
        request.context["s3-presign-post-fields"],
    )


# --- encoding -------------------------------------------------------------------------------------------------------


@given(KEYS)
def test_a_key_is_encoded_as_botocore_does_it(key: str) -> None:
    assert encode_path(key) == percent_encode(key, safe="/~")


@given(KEYS)
@example("a/../b")
@example("./a")
@example("a//b")
@example("%2E%2E/a")
def test_an_encoded_key_reaches_the_wire_as_it_was_signed(key: str) -> None:
    path = f"/bucket/{encode_path(key)}"
    assert yarl.URL(f"http://127.0.0.1{path}", encoded=True).raw_path_qs == path


@pytest.mark.parametrize(
    ("key", "encoded"),
    [
        ("plain/key-1_2.3~4", "plain/key-1_2.3~4"),
        ("a b", "a%20b"),
        ("a+b", "a%2Bb"),
        ("100%", "100%25"),
        ("%41", "%2541"),
        ("//a//", "//a//"),
        ("/a", "/a"),
        ("a/../b/./c", "a/../b/./c"),
        ("é", "%C3%A9"),
        ("?q#f&=", "%3Fq%23f%26%3D"),
        ("a\n", "a%0A"),
    ],
)
def test_a_key_is_encoded_once_and_never_normalised(key: str, encoded: str) -> None:
    assert encode_path(key) == encoded


def test_query_is_sorted_by_encoded_name_then_value() -> None:
    pairs = [("b", ""), ("a-b", "1"), ("a", "2"), ("a", "1/ +~"), ("é", "x")]
    assert encode_query(pairs) == "%C3%A9=x&a=1%2F%20%2B~&a=2&a-b=1&b="


# --- headers --------------------------------------------------------------------------------------------------------


def authorization(
    signer: Signer,
    headers: Mapping[str, str] | None = None,
    credentials: Credentials = EXAMPLE,
    now: float = EXAMPLE_NOW,
) -> str:
    return signer.sign("GET", EXAMPLE_HOST, "/k", "", headers, EMPTY_PAYLOAD, credentials, now)["authorization"]


@pytest.mark.parametrize("value", ["one  two", " one two", "one two ", "one\ttwo", "\tone two", "  one \t two  "])
def test_odd_spacing_in_a_header_does_not_change_the_signature(value: str) -> None:
    signer = Signer("us-east-1")
    tidy = authorization(signer, {"x-amz-meta-a": "one two", "x-amz-meta-b": ""})
    assert authorization(signer, {"x-amz-meta-a": value, "x-amz-meta-b": ""}) == tidy


def test_a_no_break_space_in_a_header_is_signed_as_it_is() -> None:
    signer = Signer("us-east-1")
    assert authorization(signer, {"x-amz-meta-a": "a\u00a0b  c"}) != authorization(signer, {"x-amz-meta-a": "a b c"})


def test_the_order_of_headers_does_not_change_the_signature() -> None:
    signer = Signer("us-east-1")
    headers = {"x-amz-meta-a": "1", "content-type": "text/plain", "range": "bytes=0-1"}
    assert authorization(signer, dict(reversed(headers.items()))) == authorization(signer, headers)


def test_headers_that_signing_adds_win_over_those_given() -> None:
    signer = Signer("us-east-1")
    stale = {"host": "elsewhere", "x-amz-date": "19700101T000000Z", "x-amz-content-sha256": "0"}
    assert authorization(signer, stale) == authorization(signer, None)


def test_no_headers_sign_as_an_empty_mapping_does() -> None:
    assert authorization(Signer("us-east-1"), None) == authorization(Signer("us-east-1"), {})


@pytest.mark.parametrize("token", [None, ""])
def test_without_a_session_token_none_is_sent(token: str | None) -> None:
    credentials = Credentials("AKIA", "secret", token)
    signed = Signer("r").sign("GET", "h", "/", "", None, EMPTY_PAYLOAD, credentials, 0.0)
    assert signed.keys() == {"x-amz-date", "x-amz-content-sha256", "authorization"}
    assert "Security-Token" not in presign("GET", "https", "h", "/", "", None, credentials, "r", 60, 0.0)
    assert "x-amz-security-token" not in presigned_post("https://h", "b", "k", [], {}, 60, credentials, "r", 0.0)[1]


# --- presigned URLs and forms ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("expires_in", [0, 0.9, -1, 604_800.5, 604_801, float("inf"), float("nan")])
def test_a_lifetime_that_s3_refuses_is_refused(expires_in: float) -> None:
    with pytest.raises(ConfigurationError, match="604800"):
        presign("GET", "https", "h", "/k", "", None, EXAMPLE, "us-east-1", expires_in, EXAMPLE_NOW)
    with pytest.raises(ConfigurationError, match="604800"):
        presigned_post("https://h", "b", "k", [], {}, expires_in, EXAMPLE, "us-east-1", EXAMPLE_NOW)


@pytest.mark.parametrize(("expires_in", "sent"), [(1, "1"), (1.9, "1"), (604_800, "604800"), (604_800.0, "604800")])
def test_a_lifetime_is_sent_in_whole_seconds(expires_in: float, sent: str) -> None:
    url = presign("GET", "https", "h", "/k", "", None, EXAMPLE, "us-east-1", expires_in, EXAMPLE_NOW)
    assert parse_qs(urlsplit(url).query)["X-Amz-Expires"] == [sent]


def test_a_presigned_url_can_pin_the_body() -> None:
    headers = {"x-amz-content-sha256": sha256(b"body").hexdigest()}
    signed = AWSRequest("PUT", f"https://{EXAMPLE_HOST}/k", headers)
    with botocore_at(EXAMPLE_NOW):
        S3SigV4QueryAuth(to_botocore(EXAMPLE), "s3", "us-east-1", expires=60).add_auth(signed)
    assert presign("PUT", "https", EXAMPLE_HOST, "/k", "", headers, EXAMPLE, "us-east-1", 60, EXAMPLE_NOW) == signed.url


def post_conditions(key: str, conditions: list[PostCondition], fields: dict[str, str]) -> list[object]:
    _, form = presigned_post("https://h", "b", key, conditions, fields, 60, EXAMPLE, "us-east-1", EXAMPLE_NOW)
    policy = json.loads(base64.b64decode(form["policy"]))
    assert policy["expiration"] == "2013-05-24T00:01:00Z"
    assert isinstance(policy["conditions"], list)
    return [c for c in policy["conditions"] if not (isinstance(c, dict) and any(n.startswith("x-amz-") for n in c))]


def test_a_form_field_that_no_condition_speaks_of_is_pinned() -> None:
    conditions: list[PostCondition] = [["starts-with", "$Content-type", "image/"], ["content-length-range", 0, 9]]
    assert post_conditions("k", conditions, {"content-Type": "image/png", "acl": "private"}) == [
        ["starts-with", "$Content-type", "image/"],
        ["content-length-range", 0, 9],
        {"acl": "private"},
        {"bucket": "b"},
        {"key": "k"},
    ]


def test_a_form_key_may_end_with_the_name_of_the_file() -> None:
    assert post_conditions("up/${filename}", [], {}) == [{"bucket": "b"}, ["starts-with", "$key", "up/"]]


def test_the_key_of_a_form_is_not_taken_from_its_fields() -> None:
    assert post_conditions("k", [], {"key": "other"}) == [{"bucket": "b"}, {"key": "k"}]


# --- secrets --------------------------------------------------------------------------------------------------------


def test_credentials_do_not_show_their_secrets() -> None:
    shown = f"{SESSION!r} {SESSION}"
    assert "ASIAIOSFODNN7EXAMPLE" in shown
    assert SESSION.secret_access_key not in shown
    assert "FwoG" not in shown
