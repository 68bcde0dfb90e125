"""No key, token or signature is shown by anything that a failing program on OSS prints."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from urllib.parse import quote, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiostore import Limits, OSSStore
from aiostore.drivers.oss_auth import SignatureVersion
from aiostore.types import Encryption
from aiostore.wrappers.observe import Event
from tests.security.secrecy import all_logs, assert_secret, failures, of_event, of_store, shown
from tests.security.test_redaction import ANSWERS, ONCE, SECRETS, answer, calls, echo, error
from tests.unit.raw_http import SHORT, Request, serve

PART = 100 * 1024

OWN: dict[str, Callable[[Request], bytes]] = {
    "what was signed": lambda r: answer("403 Forbidden", error("SignatureDoesNotMatch", echo(r))),
    "token that has expired": lambda r: answer("403 Forbidden", error("SecurityTokenExpired", echo(r))),
    "another region": lambda r: answer("400 No", error("InvalidArgument", f"Invalid signing region {echo(r)}")),
    "request id that repeats the request": lambda r: answer("403 No", b"", f"x-oss-request-id: {echo(r)}"),
}
KINDS = {**ANSWERS, **OWN}
VERSIONS: tuple[SignatureVersion, ...] = ("v1", "v4")


@settings(max_examples=20)
@given(kind=st.sampled_from(sorted(KINDS)), version=st.sampled_from(VERSIONS), secret=SECRETS, header=SECRETS)
def test_no_failure_shows_a_secret(kind: str, version: SignatureVersion, secret: str, header: str) -> None:
    asyncio.run(fail(kind, version, secret, header))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", sorted(OWN))
def test_no_answer_makes_a_secret_show(kind: str, version: SignatureVersion) -> None:
    asyncio.run(fail(kind, version, "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY", "Private" * 4))


async def fail(kind: str, version: SignatureVersion, secret: str, header: str) -> None:
    made = KINDS[kind]
    events: list[Event] = []
    token = f"CAIS{secret[::-1]}token"

    async def respond(request: Request) -> None:
        if "content-length" in {name.lower() for name, _ in request.headers}:
            await request.body()
        request.send(made(request))
        if kind.startswith(("body", "connection", "malformed", "not")):
            request.writer.close()

    with all_logs() as logs:
        async with serve(respond) as server:
            store = OSSStore(
                "container",
                endpoint=server.url,
                region="cn-hangzhou",
                access_key_id="LTAIexample",
                access_key_secret=secret,
                security_token=token,
                signature_version=version,
                retry=ONCE,
                timeouts=SHORT,
                limits=Limits(part_size=PART),
                client_options={"headers": {"x-private": header}},
                observers=[events.append],
            )
            async with store:
                wanted = [*calls(store, Encryption()), lambda: store.restore("key", days=1)]
                errors = await failures(wanted)
                url = await store.sign("key")
                described = list(of_store(store))
            assert server.requests
            heads = b"".join(request.head for request in server.requests).decode("latin-1")
    assert errors
    signatures = set(re.findall(r"OSS LTAIexample:([\w+/=]+)", heads)) | set(
        re.findall(r"Signature=([0-9a-f]+)", heads)
    )
    assert signatures
    signed = set(re.findall(r"[?&](?:x-oss-signature|Signature)=([\w%.~-]+)", url))
    secrets = {secret, token, quote(token, safe=""), header, *signatures, *signed, *map(unquote, signed)}
    texts = [text for failure in errors for text in shown(failure)]
    texts += [text for event in events for text in of_event(event)]
    assert_secret([*texts, *logs.texts, *described], secrets)
