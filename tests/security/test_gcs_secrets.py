"""No token, key or signature is shown by anything that a failing program on Google Cloud Storage prints."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiostore import GCSStore, Limits
from aiostore.types import Encryption
from aiostore.wrappers.observe import Event
from tests.security.secrecy import all_logs, assert_secret, failures, of_event, of_store, shown
from tests.security.test_redaction import ANSWERS, ONCE, SECRETS, answer, calls, echo
from tests.servers.fake_gcs import NamedAccount
from tests.unit.raw_http import SHORT, Request, serve

PART = 5 * 1024**2


def failure(message: str, reason: str = "forbidden") -> bytes:
    error = {"code": 403, "message": message, "errors": [{"reason": reason, "message": message}]}
    return json.dumps({"error": error}).encode()


OWN: dict[str, Callable[[Request], bytes]] = {
    "refusal in JSON that repeats the request": lambda r: answer("403 Forbidden", failure(echo(r))),
    "reason in JSON that repeats the request": lambda r: answer("400 No", failure("no", echo(r))),
    "unknown token": lambda r: answer("401 Unauthorized", failure(echo(r), "authError")),
    "failure in JSON that repeats the request": lambda r: answer("503 Oops", failure(echo(r))),
    "success that is no object": lambda r: answer("200 OK", json.dumps(echo(r)).encode()),
    "upload id that repeats the request": lambda r: answer("403 No", b"", f"x-guploader-uploadid: {echo(r)}"),
    "batch that repeats the request": lambda r: answer(
        "200 OK",
        b"--b\r\nContent-ID: <response-item:0>\r\n\r\nHTTP/1.1 403 No\r\n\r\n" + failure(echo(r)) + b"\r\n--b--",
        "Content-Type: multipart/mixed; boundary=b",
    ),
}
KINDS = {**ANSWERS, **OWN}


class Account(NamedAccount):
    """A key that can sign, and a token that a test says."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self._text = token

    async def _load(self) -> tuple[str, float | None]:
        return f"Bearer {self._text}", None


@settings(max_examples=20)
@given(kind=st.sampled_from(sorted(KINDS)), secret=SECRETS, header=SECRETS)
def test_no_failure_shows_a_secret(kind: str, secret: str, header: str) -> None:
    asyncio.run(fail(kind, secret, header, bytes(range(32))))


@pytest.mark.parametrize("kind", sorted(OWN))
def test_no_answer_makes_a_secret_show(kind: str) -> None:
    asyncio.run(fail(kind, "ya29.a0AfB_byC-1234567890/abcdefghij", "Private" * 4, bytes(range(32))))


async def fail(kind: str, secret: str, header: str, customer_key: bytes) -> None:
    made = KINDS[kind]
    events: list[Event] = []
    account = Account(secret)
    assert account.account is not None

    async def respond(request: Request) -> None:
        if "content-length" in {name.lower() for name, _ in request.headers}:
            await request.body()
        request.send(made(request))
        if kind.startswith(("body", "connection", "malformed", "not")):
            request.writer.close()

    with all_logs() as logs:
        async with serve(respond) as server:
            store = GCSStore(
                "bucket",
                endpoint=server.url,
                project="project",
                credentials=account,
                retry=ONCE,
                timeouts=SHORT,
                limits=Limits(part_size=PART),
                client_options={"headers": {"x-private": header}},
                observers=[events.append],
            )
            async with store:
                errors = await failures(calls(store, Encryption(customer_key=customer_key)))
                url = await store.sign("key")
                described = [*of_store(store), repr(account), repr(account.account)]
            assert server.requests
    assert errors
    key = base64.b64encode(customer_key).decode()
    private = account.account.private_key.splitlines()[1]
    signatures = re.findall(r"X-Goog-Signature=([0-9a-f]+)", url)
    texts = [text for error in errors for text in shown(error)]
    texts += [text for event in events for text in of_event(event)]
    assert_secret([*texts, *logs.texts, *described], {secret, header, key, private, *signatures})
