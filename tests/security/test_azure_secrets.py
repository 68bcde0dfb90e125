"""No key, SAS token, token of Entra or signature is shown by anything that a failing program on Azure prints."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable
from urllib.parse import parse_qs, quote, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiostore import AzureStore, Limits, Store
from aiostore._http.client import Transport
from aiostore.drivers.azure import AzureDriver
from aiostore.drivers.azure_address import Address
from aiostore.drivers.azure_client import Client, Service
from aiostore.drivers.azure_credentials import TokenAuthorizer
from aiostore.drivers.azure_delegation import Signing
from aiostore.drivers.azure_guard import Guarding
from aiostore.policies import ClientOptions
from aiostore.types import Encryption
from aiostore.wrappers.observe import Event
from tests.drivers.azure_containers import Token
from tests.security.secrecy import all_logs, assert_secret, failures, of_event, of_store, shown
from tests.security.test_redaction import ANSWERS, ONCE, SECRETS, answer, calls, echo, error
from tests.unit.raw_http import SHORT, Request, serve

PART = 5 * 1024**2

OWN: dict[str, Callable[[Request], bytes]] = {
    "what was signed": lambda r: answer("403 Forbidden", error("AuthenticationFailed", echo(r))),
    "source that cannot be read": lambda r: answer("404 No", error("CannotVerifyCopySource", echo(r))),
    "code in the head": lambda r: answer("409 Conflict", b"", f"x-ms-error-code: {echo(r)}"),
    "request id that repeats the request": lambda r: answer("403 No", b"", f"x-ms-request-id: {echo(r)}"),
    "copy that failed": lambda r: answer(
        "202 Accepted", b"", "x-ms-copy-status: failed", f"x-ms-copy-status-description: {echo(r)}"
    ),
}
KINDS = {**ANSWERS, **OWN}


class Credential:
    """Answers with one token for ever."""

    def __init__(self, token: str) -> None:
        self.token = token

    async def get_token(self, *_scopes: str, **_options: object) -> Token:
        return Token(self.token, 2**40)


def with_token(url: str, token: str, header: str, observers: list[Callable[[Event], None]]) -> Store:
    """The constructor sends no token in the clear."""
    transport = Transport(ClientOptions(headers={"x-private": header}), SHORT)
    authorizer = TokenAuthorizer(Credential(token))
    service = Service(Address("account", url, "/", emulator=False), authorizer, transport, crc64=True)
    driver = AzureDriver(
        Client(service, "container"), Guarding(crc64=True, wanted=True), Signing(Client(service, None))
    )
    return Store(driver, retry=ONCE, limits=Limits(part_size=PART), observers=observers)


@settings(max_examples=30)
@given(
    kind=st.sampled_from(sorted(KINDS)), way=st.sampled_from(["key", "sas", "token"]), secret=SECRETS, header=SECRETS
)
def test_no_failure_shows_a_secret(kind: str, way: str, secret: str, header: str) -> None:
    asyncio.run(fail(kind, way, secret, header, bytes(range(32))))


@pytest.mark.parametrize("way", ["key", "sas", "token"])
@pytest.mark.parametrize("kind", sorted(OWN))
def test_no_answer_makes_a_secret_show(kind: str, way: str) -> None:
    asyncio.run(fail(kind, way, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "Private" * 4, bytes(range(32))))


async def fail(kind: str, way: str, secret: str, header: str, customer_key: bytes) -> None:
    made = KINDS[kind]
    events: list[Event] = []
    key = base64.b64encode(secret.encode()).decode()
    sas = f"sv=2024-11-04&sp=rwdl&sig={quote(key, safe='')}"

    async def respond(request: Request) -> None:
        if "content-length" in {name.lower() for name, _ in request.headers}:
            await request.body()
        request.send(made(request))
        if kind.startswith(("body", "connection", "malformed", "not")):
            request.writer.close()

    with all_logs() as logs:
        async with serve(respond) as server:
            if way == "token":
                store = with_token(server.url, secret, header, [events.append])
            else:
                store = AzureStore(
                    "container",
                    endpoint=f"{server.url}/account",
                    account_key=key if way == "key" else None,
                    sas_token=sas if way == "sas" else None,
                    retry=ONCE,
                    timeouts=SHORT,
                    limits=Limits(part_size=PART),
                    client_options={"headers": {"x-private": header}},
                    observers=[events.append],
                )
            async with store:
                wanted = [*calls(store, Encryption(customer_key=customer_key)), lambda: store.restore("key", days=1)]
                errors = await failures(wanted)
                url = await store.sign("key") if way == "key" else ""
                described = list(of_store(store))
            assert server.requests
            heads = b"".join(request.head for request in server.requests).decode("latin-1")
    assert errors
    signatures = set(re.findall(r"SharedKey account:([\w+/=]+)", heads)) if way == "key" else set()
    signed = set(re.findall(r"[?&]sig=([\w%.~-]+)", heads + url))
    secrets = {secret, key, quote(key, safe=""), header, base64.b64encode(customer_key).decode(), *signatures, *signed}
    secrets |= {unquote(signature) for signature in signed} | set(parse_qs(url.partition("?")[2]).get("sig", ()))
    texts = [text for failure in errors for text in shown(failure)]
    texts += [text for event in events for text in of_event(event)]
    assert_secret([*texts, *logs.texts, *described], secrets)
