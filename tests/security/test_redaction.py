"""No secret, signature or signed query is shown by anything that a failing program prints."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import pickle
import re
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aiostore import ConfigurationError, Limits, RetryPolicy, S3Store, Store, aliases, connect
from aiostore.location import parse
from aiostore.policies import ClientOptions
from aiostore.types import Encryption
from aiostore.wrappers.observe import Event
from tests.security.secrecy import all_logs, assert_secret, failures, of_event, of_store, shown
from tests.unit.raw_http import SHORT, Request, serve

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
SECRETS = st.tuples(st.text(ALPHABET + "/+", min_size=20, max_size=40), st.integers(0, 2**64)).map(
    lambda pair: f"{pair[0]}{pair[1]:020}"
)
ONCE = RetryPolicy(attempts=2, first_delay=0, max_delay=0.001)


def echo(request: Request) -> str:
    """All that the request said, and a signed URL of the server's own."""
    return request.head.decode("latin-1").replace("\r\n", " | ").replace("&", "&amp;")


def error(code: str, message: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()


def answer(status: str, body: bytes = b"", *headers: str) -> bytes:
    head = "".join(f"{line}\r\n" for line in (*headers, f"Content-Length: {len(body)}"))
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode("latin-1") + body


def signed_url(request: Request) -> str:
    """Where a service may point to: the same object, signed with the signature of the request."""
    found = re.search(r"Signature=([0-9a-f]+)", echo(request))
    signature = found[1] if found else "0" * 64
    return f"https://elsewhere.example/key?X-Amz-Credential=someone&X-Amz-Signature={signature}"


def whole(data: bytes) -> Callable[[Request], bytes]:
    return lambda _: data


ANSWERS: dict[str, Callable[[Request], bytes]] = {
    "403 that repeats the request": lambda r: answer("403 Forbidden", error("AccessDenied", echo(r))),
    "400 that repeats the request": lambda r: answer("400 Bad Request", error("Strange", echo(r))),
    "500 that repeats the request": lambda r: answer("500 Oops", error("InternalError", echo(r))),
    "code that repeats the request": lambda r: answer("403 Forbidden", error(echo(r)[:900], "no")),
    "success that is an error": lambda r: answer("200 OK", error("Strange", echo(r))),
    "reason that repeats the request": lambda r: answer(f"403 {echo(r)}"),
    "request id that repeats the request": lambda r: answer("403 No", b"", f"x-amz-request-id: {echo(r)}"),
    "expired, with the token": lambda r: answer("400 Bad Request", error("ExpiredToken", echo(r))),
    "wrong signature": lambda r: answer("403 Forbidden", error("SignatureDoesNotMatch", echo(r))),
    "signed URL in the message": lambda r: answer("403 No", error("AccessDenied", signed_url(r).replace("&", "&amp;"))),
    "redirect to a signed URL": lambda r: answer("307 Elsewhere", b"", f"Location: {signed_url(r)}"),
    "redirect that is not S3's": lambda r: answer("302 Found", echo(r).encode(), f"Location: /a?{quote(echo(r))}"),
    "malformed XML": lambda r: answer("200 OK", b"<ListBucketResult><Key>" + echo(r).encode()),
    "malformed error": lambda r: answer("403 Forbidden", b"<Error><Code>X</Code><Message>" + echo(r).encode()),
    "not HTTP": lambda r: echo(r).encode() + b"\r\n\r\n",
    "malformed header": lambda r: f"HTTP/1.1 200 OK\r\n{echo(r)}\r\nbad header\r\n\r\n".encode(),
    "malformed length": lambda r: f"HTTP/1.1 200 OK\r\nContent-Length: {echo(r)}\r\n\r\n".encode(),
    "malformed status": lambda r: f"HTTP/1.1 {echo(r)}\r\n\r\n".encode(),
    "malformed chunk": lambda r: (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + echo(r).encode() + b"\r\n\r\n"
    ),
    "body that is cut": whole(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"),
    "connection that ends": whole(b""),
}


def calls(store: Store, encryption: Encryption) -> list[Callable[[], Awaitable[object]]]:
    async def all_of(items: AsyncIterator[object]) -> None:
        async for _ in items:
            pass

    return [
        lambda: store.get("key"),
        lambda: store.get("key", encryption=encryption),
        lambda: store.head("key"),
        lambda: store.put("key", b"value", encryption=encryption),
        lambda: store.put("key", b"value", if_absent=True),
        lambda: store.put("key", bytes(6 * 1024**2), part_size=5 * 1024**2),
        lambda: all_of(store.stream("key")),
        lambda: all_of(store.list()),
        lambda: store.get_ranges("key", [(0, 1), (5, 9)]),
        lambda: store.copy("key", "other"),
        lambda: store.delete("key"),
        lambda: store.delete_many(["key", "other"]),
        lambda: store.get_tags("key"),
        lambda: store.set_metadata("key", content_type="text/plain"),
        lambda: all_of(store.list_containers()),
        lambda: store.create_container(),
    ]


@settings(max_examples=30)
@given(
    kind=st.sampled_from(sorted(ANSWERS)),
    secret=SECRETS,
    token=SECRETS,
    header=SECRETS,
    customer_key=st.binary(min_size=32, max_size=32),
)
def test_no_failure_shows_a_secret(kind: str, secret: str, token: str, header: str, customer_key: bytes) -> None:
    asyncio.run(fail(kind, secret, token, header, customer_key))


@pytest.mark.parametrize("kind", sorted(ANSWERS))
def test_no_answer_makes_a_secret_show(kind: str) -> None:
    asyncio.run(fail(kind, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "T0ken" * 9, "Private" * 4, bytes(range(32))))


async def fail(kind: str, secret: str, token: str, header: str, customer_key: bytes) -> None:
    made = ANSWERS[kind]
    events: list[Event] = []

    async def respond(request: Request) -> None:
        if "content-length" in {name.lower() for name, _ in request.headers}:
            await request.body()
        request.send(made(request))
        if kind.startswith(("body", "connection", "malformed", "not")):
            request.writer.close()

    with all_logs() as logs:
        async with serve(respond) as server:
            store = S3Store(
                "bucket",
                endpoint=server.url,
                region="eu-west-1",
                dialect="aws",
                access_key_id="AKIAEXAMPLE",
                secret_access_key=secret,
                session_token=token,
                retry=ONCE,
                timeouts=SHORT,
                limits=Limits(part_size=5 * 1024**2),
                client_options={"headers": {"x-private": header}},
                observers=[events.append],
            )
            async with store:
                errors = await failures(calls(store, Encryption(customer_key=customer_key)))
                url = await store.sign("key")
                await store.sign_post("key")
                described = list(of_store(store))
            assert server.requests
            heads = b"".join(request.head for request in server.requests).decode("latin-1")
    assert errors
    signatures = set(re.findall(r"Signature=([0-9a-f]{64})", heads + url))
    assert len(signatures) > 3
    secrets = {secret, token, header, base64.b64encode(customer_key).decode(), *signatures, url.partition("?")[2]}
    texts = [text for error in errors for text in shown(error)]
    texts += [text for event in events for text in of_event(event)]
    assert_secret([*texts, *logs.texts, *described], secrets)


@settings(max_examples=10)
@given(password=SECRETS, header=SECRETS)
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("status", ["403 Forbidden", "407 Proxy Authentication Required", "502 Bad Gateway"])
def test_no_failure_of_a_proxy_shows_its_password(scheme: str, status: str, password: str, header: str) -> None:
    user = "someone"
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()

    async def run() -> None:
        events: list[Event] = []

        async def refuse(request: Request) -> None:
            request.send(answer(f"{status} {echo(request)}", error("Refused", echo(request))))
            request.writer.close()

        with all_logs() as logs:
            async with serve(refuse) as server:
                options = ClientOptions(
                    proxy=f"http://{user}:{quote(password, safe='')}@127.0.0.1:{server.port}",
                    headers={"x-private": header},
                )
                store = S3Store(
                    "bucket",
                    endpoint=f"{scheme}://storage.example",
                    region="eu-west-1",
                    dialect="aws",
                    access_key_id="AKIAEXAMPLE",
                    secret_access_key="some secret",
                    retry=ONCE,
                    timeouts=SHORT,
                    client_options=options,
                    observers=[events.append],
                )
                async with store:
                    errors = await failures([lambda: store.get("key"), lambda: store.put("key", b"")])
                    described = [*of_store(store), repr(options), str(options)]
                assert server.requests
        assert len(errors) == 2
        texts = [text for error in errors for text in shown(error)]
        texts += [text for event in events for text in of_event(event)]
        assert_secret([*texts, *logs.texts, *described], {password, quote(password, safe=""), pair, header})

    asyncio.run(run())


@given(secret=SECRETS)
@example(secret="x/y+z" * 6)
def test_no_refused_url_or_option_shows_a_secret(secret: str) -> None:
    safe = quote(secret, safe="")
    with all_logs() as logs:
        texts: list[str] = []
        for url in (
            f"s3://bucket?secret_access_key={safe}",
            f"s3://:{safe}@bucket/prefix",
            f"s3://AKIAEXAMPLE:x/{secret}@bucket/prefix",
            f"memory://user:{safe}@bucket/prefix",
            f"alias://nothing:{safe}@bucket",
            f"alias://user:{safe}@nothing/bucket",
            f"s3://bucket?access_key_id=a&secret_access_key={safe}&nothing=1",
            f"s3://bucket?access_key_id=a&secret_access_key={safe}&skip_signature=maybe",
            f"s3://bucket?endpoint={quote(f'http://user:{safe}@127.0.0.1:9000', safe='')}",
            f"s3://bucket?endpoint={quote(f'http://user:{safe}@127.0.0.1:none', safe='')}",
            f"s3://bucket?endpoint={quote(f'http://user:{safe}@[::1', safe='')}",
            f"s3://bucket?endpoint={quote(f'http://127.0.0.1:9000?token={safe}', safe='')}",
            f"s3://bucket?endpoint={quote(f'ftp://user:{safe}@127.0.0.1', safe='')}",
            f"s3://user:{safe}@[bucket",
            f"nothing://user:{safe}@host/",
            f"file://user:{safe}@host/directory",
        ):
            with pytest.raises(ConfigurationError) as caught:
                connect(url)
            texts += shown(caught.value)
    assert_secret([*texts, *logs.texts], {secret, safe})


@given(secret=SECRETS)
@example(secret="x/y+z" * 6)
def test_no_store_that_was_given_a_secret_by_its_url_or_a_file_shows_it(secret: str) -> None:
    safe = quote(secret, safe="")
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch, all_logs() as logs:
        directory = Path(name)
        (directory / "aws-secret.json").write_text(
            json.dumps({"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": secret})
        )
        (directory / "broken-aws-secret.json").write_text(f'{{"AWS_SECRET_ACCESS_KEY": "{secret}"')
        config = directory / "config.toml"
        config.write_text(
            f'[named]\nurl = "s3://"\naccess_key_id = "AKIAEXAMPLE"\nsecret_access_key = "{secret}"\n'
            f'[within]\nurl = "s3://AKIAEXAMPLE:{safe}@bucket"\n'
            f'[wrong]\nurl = "s3://AKIAEXAMPLE:{safe}@bucket"\ncolour = "{secret}"\n'
        )
        patch.setenv("AIOSTORE_CONFIG", str(config))
        described: list[str] = []
        for url, secrets in (
            (f"s3://AKIAEXAMPLE:{safe}@bucket/prefix", None),
            (f"s3://bucket/prefix?access_key_id=AKIAEXAMPLE&secret_access_key={safe}", None),
            ("named://bucket/prefix", None),
            ("alias://within/prefix", None),
            ("s3://bucket/prefix", directory),
            ("s3://bucket/prefix", {"access_key_id": "AKIAEXAMPLE", "secret_access_key": secret}),
        ):
            store = connect(url, secrets=secrets)
            assert store.location == "s3://bucket/prefix/"
            assert secret.encode() in pickle.dumps(store)  # it was taken
            described += [*of_store(store), repr(parse(url)), repr(aliases.find("named")), repr(aliases.find("within"))]
        for url in ("s3://broken", "wrong://"):
            with pytest.raises(ConfigurationError) as caught:
                connect(url, secrets=directory)
            described += shown(caught.value)
        config.write_text(f'[named]\nurl = "s3://"\nsecret_access_key = "{secret}')
        with pytest.raises(ConfigurationError) as caught:
            connect("named://bucket")
        described += shown(caught.value)
    assert_secret([*described, *logs.texts], {secret, safe})


def keys() -> dict[str, str]:
    return {"access_key_id": "AKIAEXAMPLE", "secret_access_key": "fetched by the callback", "session_token": "fetched"}


@given(secret=SECRETS, token=SECRETS)
def test_pickles_hold_what_was_given_literally_and_nothing_that_was_fetched(secret: str, token: str) -> None:
    literal = S3Store("bucket", access_key_id="a", secret_access_key=secret, session_token=token, region="eu-west-1")
    assert secret.encode() in pickle.dumps(literal)

    async def fetched(store: S3Store) -> bytes:
        await store.sign("key")
        return pickle.dumps(store)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        patch.setenv("AWS_SECRET_ACCESS_KEY", secret)
        patch.setenv("AWS_SESSION_TOKEN", token)
        pickled = asyncio.run(fetched(S3Store("bucket", region="eu-west-1")))
        assert secret.encode() not in pickled
        assert token.encode() not in pickled
    assert b"fetched" not in asyncio.run(fetched(S3Store("bucket", region="eu-west-1", credentials=keys)))


def test_the_logs_that_are_searched_are_all_of_them() -> None:
    """The search itself: a secret that some library logs at the lowest level is found."""
    with all_logs() as logs:
        logging.getLogger("asyncio.somewhere").debug("the %s", "secret")
    with pytest.raises(AssertionError):
        assert_secret(logs.texts, ["secret"])
