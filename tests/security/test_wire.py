"""What is given by callers stays inside its place on the wire, and credentials go to the endpoint alone."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aiostore import ConfigurationError, InvalidKeyError, RetryPolicy, S3Store, StoreError
from tests.security.secrecy import failures
from tests.servers.tls import Certificate, issue
from tests.unit.raw_http import EMPTY, OK, SHORT, Request, Server, serve

ONCE = RetryPolicy(attempts=2, first_delay=0, max_delay=0.001)
HOSTILE = st.text(
    st.sampled_from("\r\n\0 \t:?&#%=/\\;'\"ab\x0b\x85\u2028\u010a\u010d") | st.characters(codec="utf-8"), max_size=20
)


def store_at(url: str, **options: object) -> S3Store:
    settings: dict[str, object] = {
        "endpoint": url,
        "region": "eu-west-1",
        "dialect": "aws",
        "access_key_id": "AKIAEXAMPLE",
        "secret_access_key": "secret",
        "retry": ONCE,
        "timeouts": SHORT,
        **options,
    }
    return S3Store("bucket", **settings)  # type: ignore[arg-type]  # the tests' own names


def heads(server: Server) -> list[bytes]:
    return [request.head for request in server.requests]


def assert_one_request_each(server: Server) -> None:
    """Every request is one of ours: a method, one line each for headers that we know, and no raw byte of a control."""
    known = re.compile(
        rb"(host|user-agent|authorization|content-length|x-amz-[a-z0-9-]+|x-amz-meta-[!#$%&'*+.^_`|~0-9a-z-]+|if-match|if-none-match|range|content-type|"
        rb"content-encoding|content-disposition|content-language|cache-control|content-md5|x-own)",
        re.IGNORECASE,
    )
    for head in heads(server):
        line, *fields = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        assert re.fullmatch(rb"(GET|PUT|HEAD|POST|DELETE) /bucket[/!-~]* HTTP/1\.1", line), line
        for field in fields:
            name, colon, value = field.partition(b": ")
            assert colon, field
            assert known.fullmatch(name), field
            assert not re.search(rb"[\r\n\0]", value), field


# --- redirects --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("code", ["TemporaryRedirect", "PermanentRedirect", ""])
async def test_no_request_follows_a_redirect_to_another_origin(status: int, code: str) -> None:
    async with serve(OK) as elsewhere:
        body = f"<Error><Code>{code}</Code><Endpoint>127.0.0.1:{elsewhere.port}</Endpoint></Error>".encode()
        location = f"Location: {elsewhere.url}/bucket/key\r\nContent-Length: {len(body)}"
        answer = f"HTTP/1.1 {status} Elsewhere\r\n{location}\r\n\r\n".encode() + body

        async def redirect(request: Request) -> None:
            await request.body()
            request.send(answer if not request.line.startswith("HEAD") else answer.removesuffix(body))

        async with serve(redirect) as server, store_at(server.url) as store:
            errors = await failures(
                [
                    lambda: store.get("key"),
                    lambda: store.head("key"),
                    lambda: store.put("key", b"value"),
                    lambda: store.put("key", bytes(100_000)),
                    lambda: store.copy("key", "other"),
                    lambda: store.delete("key"),
                    lambda: store.list_with_delimiter(),
                ]
            )
        assert [type(error) for error in errors if not isinstance(error, StoreError)] == []
        assert len(errors) == 7
        assert elsewhere.connections == 0


# --- headers and queries ----------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(text=HOSTILE)
@example(text="a\r\nx-amz-acl: public-read")
@example(text="a\nb")
@example(text="a\0b")
@example(text="\u010d\u010a")
def test_no_text_of_a_caller_adds_a_header(text: str) -> None:
    async def run() -> None:
        async with serve(EMPTY) as server, store_at(server.url) as store:
            errors = await failures(
                [
                    lambda: store.put("key", b"", metadata={"name": text}),
                    lambda: store.put("key", b"", metadata={text: "value"}),
                    lambda: store.put("key", b"", content_type=text),
                    lambda: store.put("key", b"", content_encoding=text),
                    lambda: store.put("key", b"", content_disposition=text),
                    lambda: store.put("key", b"", content_language=text),
                    lambda: store.put("key", b"", cache_control=text),
                    lambda: store.put("key", b"", storage_class=text),
                    lambda: store.put("key", b"", acl=text),
                    lambda: store.put("key", b"", headers={"x-own": text}),
                    lambda: store.put("key", b"", tags={"a": text, text: "b"}),
                    lambda: store.put("key", b"", if_match=text),
                    lambda: store.get("key", if_match=text),
                    lambda: store.get("key", if_none_match=text),
                    lambda: store.get("key", version=text),
                    lambda: store.with_prefix(text or "a").get("key"),
                    lambda: store.list_with_delimiter(text),
                    lambda: store.copy("key", text or "b"),
                    lambda: store.copy(text or "b", "key"),
                ]
            )
            assert_one_request_each(server)
        for error in errors:
            assert isinstance(error, StoreError), repr(error)

    asyncio.run(run())


@pytest.mark.parametrize("text", ["a\r\nb: c", "a\nb", "a\rb", "a\0b"])
@pytest.mark.parametrize(
    "call",
    [
        lambda s, text: s.put("key", b"", metadata={"name": text}),
        lambda s, text: s.put("key", b"", metadata={text: "value"}),
        lambda s, text: s.put("key", b"", content_type=text),
        lambda s, text: s.put("key", b"", headers={"x-own": text}),
        lambda s, text: s.put("key", b"", headers={text: "value"}),
        lambda s, text: s.put("key", b"", if_match=text),
        lambda s, text: s.get("key", if_none_match=text),
    ],
)
async def test_a_line_break_is_refused_before_anything_is_sent(
    call: Callable[[S3Store, str], Awaitable[object]], text: str
) -> None:
    async with serve(EMPTY) as server, store_at(server.url) as store:
        with pytest.raises(ConfigurationError):
            await call(store, text)
        assert server.connections == 0


@given(key=HOSTILE.filter(bool))
@example(key="a?versionId=1")
@example(key="a&acl")
@example(key="a#b")
@example(key="a%0d%0aX: y")
@example(key="../other/secret")
@example(key="a HTTP/1.1\r\nHost: x\r\n\r\n")
def test_a_key_is_the_path_and_nothing_else(key: str) -> None:
    async def run() -> None:
        async with serve(EMPTY) as server, store_at(server.url) as store:
            try:
                await store.put(key, b"")
            except InvalidKeyError:
                assert server.connections == 0
                return
            signed = urlsplit(await store.sign(key, params={"response-content-type": key}))
            assert_one_request_each(server)
            (request,) = server.requests
            target = request.line.split(" ")[1]
            assert "?" not in target
            assert unquote(target) == f"/bucket/{key}"
            assert unquote(signed.path) == f"/bucket/{key}"
            assert (signed.fragment, signed.netloc) == ("", urlsplit(server.url).netloc)
            query = dict(parse_qsl(signed.query, strict_parsing=True))
            assert query["response-content-type"] == key
            assert {name.lower() for name in query} - {"response-content-type"} == {
                "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-expires", "x-amz-signedheaders",
                "x-amz-signature",
            }  # fmt: skip

    asyncio.run(run())


@pytest.mark.parametrize("name", ["x-%s", "x-%", "x-%(a)s", "x-{}"])
async def test_the_name_of_a_header_means_nothing_else(name: str) -> None:
    async with serve(EMPTY) as server, store_at(server.url) as store:
        try:
            await store.put("key", b"", headers={name: "100 %s"})
        except ConfigurationError:
            assert server.requests == []
        else:
            assert dict(server.requests[0].headers)[name] == "100 %s"


# --- signed URLs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0, -1, 0.5, 604_801, float("inf"), float("nan"), 10**30])
async def test_the_lifetime_of_a_signature_is_checked(seconds: float) -> None:
    async with store_at("http://127.0.0.1:9") as store:
        with pytest.raises(ConfigurationError, match="expires_in"):
            await store.sign("key", expires_in=seconds)
        with pytest.raises(ConfigurationError, match="expires_in"):
            await store.sign_post("key", expires_in=seconds)


@pytest.mark.parametrize("seconds", [1, 3600, 604_800])
async def test_up_to_seven_days_are_signed(seconds: int) -> None:
    async with store_at("http://127.0.0.1:9") as store:
        assert f"X-Amz-Expires={seconds}&" in await store.sign("key", expires_in=seconds)


@pytest.mark.parametrize("text", ["a\r\nb", "a\nb", "a\0b"])
async def test_what_is_signed_holds_no_line_break(text: str) -> None:
    async with store_at("http://127.0.0.1:9") as store:
        with pytest.raises(ConfigurationError):
            await store.sign("key", method=f"GET{text}")
        with pytest.raises(ConfigurationError):
            await store.sign("key", headers={"x-own": text})
        with pytest.raises(ConfigurationError):
            await store.sign("key", headers={text: "value"})


# --- TLS --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return issue(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def tls(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.certificate, certificate.key)
    return context


@pytest.fixture(autouse=True)
def no_bundles(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)


ONE = b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nETag: "1"\r\n\r\nok'


async def test_a_certificate_that_nobody_vouches_for_is_refused_and_says_what_to_do(tls: ssl.SSLContext) -> None:
    async with serve(ONE, tls=tls) as server, store_at(server.url) as store:
        with pytest.raises(ConfigurationError, match=r"is not trusted.*ca_bundle"):
            await store.get("key")
        assert server.requests == []


async def test_certificates_are_not_checked_if_that_is_switched_off(tls: ssl.SSLContext) -> None:
    async with (
        serve(ONE, tls=tls) as server,
        store_at(server.url, integrity="off", client_options={"verify_tls": False}) as store,
    ):
        assert await store.get("key") == b"ok"


async def test_the_bundle_of_a_private_authority_is_trusted(tls: ssl.SSLContext, certificate: Certificate) -> None:
    options = {"ca_bundle": str(certificate.authority)}
    async with (
        serve(ONE, tls=tls) as server,
        store_at(server.url, integrity="off", client_options=options) as store,
    ):
        assert await store.get("key") == b"ok"


async def test_a_bundle_that_is_missing_does_not_switch_checks_off(tls: ssl.SSLContext, tmp_path: Path) -> None:
    options = {"ca_bundle": str(tmp_path / "missing.pem")}
    async with serve(ONE, tls=tls) as server, store_at(server.url, client_options=options) as store:
        with pytest.raises(ConfigurationError, match="ca_bundle"):
            await store.get("key")
        assert server.requests == []
