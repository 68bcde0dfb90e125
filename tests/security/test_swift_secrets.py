"""No password, token or key of temporary URLs is shown, though the service repeats all that it was sent."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import pytest

from aiostore import RetryPolicy, Store, SwiftStore
from tests.security.secrecy import all_logs, assert_secret, failures, of_store, shown
from tests.unit.raw_http import SHORT, Request, serve

PASSWORD, TOKEN, KEY = "pass-word/0123456789", "gAAAAAtoken0123456789", "key-of-urls-0123456789"
ONCE = RetryPolicy(attempts=2, first_delay=0, max_delay=0.001)


def echo(request: Request) -> bytes:
    return request.head + b" body: " + PASSWORD.encode() + TOKEN.encode()


def answer(status: str, body: bytes, *headers: str) -> bytes:
    lines = "".join(f"{line}\r\n" for line in (*headers, f"Content-Length: {len(body)}"))
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode("latin-1") + body


STATUSES = ("400 Bad Request", "401 Unauthorized", "403 Forbidden", "404 Not Found", "409 Conflict", "412 Precondition",
            "413 Too Large", "422 Unprocessable", "500 Internal Error", "503 Unavailable", "302 Found")  # fmt: skip


@pytest.mark.parametrize("refused", ["objects", "v1 token", "Keystone token"])
@pytest.mark.parametrize("status", STATUSES)
async def test_no_answer_makes_a_secret_show(status: str, refused: str) -> None:
    async def respond(request: Request) -> None:
        if "content-length" in {name.lower() for name, _ in request.headers}:
            await request.body()
        if refused == "objects" and b"/auth/v1.0" in request.head:
            request.send(answer("200 OK", b"", f"X-Auth-Token: {TOKEN}", f"X-Storage-Url: {server.url}/v1/AUTH_a"))
        else:
            where = f"Location: https://elsewhere.example/?token={TOKEN}"
            request.send(answer(status, echo(request), where, f"X-Trans-Id: tx{TOKEN}&"))

    with all_logs() as logs:
        async with serve(respond) as server:
            path = "/v3" if refused == "Keystone token" else "/auth/v1.0"
            async with SwiftStore(
                "container",
                auth_url=server.url + path,
                username="demo",
                password=PASSWORD,
                temp_url_key=KEY,
                storage_url=None,
                retry=ONCE,
                timeouts=SHORT,
            ) as store:
                errors = await failures(calls(store))
                described = list(of_store(store))
            assert server.requests
    assert errors
    assert_secret([*(text for error in errors for text in shown(error)), *logs.texts, *described], {
        PASSWORD, TOKEN, KEY,
    })  # fmt: skip


def calls(store: Store) -> list[Callable[[], Awaitable[object]]]:
    return [
        lambda: store.get("key"),
        lambda: store.head("key"),
        lambda: store.put("key", b"value"),
        lambda: store.put("key", bytes(200_000), part_size=100_000),
        lambda: store.delete("key"),
        lambda: store.copy("key", "copy"),
        lambda: store.delete_many(["key"]),
        lambda: store.list_with_delimiter(),
        lambda: store.set_metadata("key", metadata={"a": "b"}),
        lambda: store.create_container(),
    ]


async def test_a_signed_url_shows_no_key() -> None:
    store = SwiftStore("container", token=TOKEN, storage_url="https://swift.example/v1/AUTH_a", temp_url_key=KEY)
    url = await store.sign("key")
    assert KEY not in url
    assert TOKEN not in url
    assert re.fullmatch(r".*temp_url_expires=\d+&temp_url_sig=[0-9a-f]{64}", url)
    assert KEY not in repr(store) + str(store)
