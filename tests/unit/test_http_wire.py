"""What goes over the wire: exactly what the driver asked for, once."""

from __future__ import annotations

import pytest

from aiostore._http.body import write
from aiostore._http.exchange import Exchange
from aiostore.body import Buffers
from aiostore.errors import ConfigurationError, ConnectionLostError
from aiostore.policies import ClientOptions
from aiostore.types import Buffer
from tests.unit.raw_http import EMPTY, OK, Request, serve, transport


@pytest.mark.parametrize(
    "target",
    [
        "/bucket/a/../b",
        "/bucket/./a//b/",
        "/bucket/%2E%2E/%2F%41%61",
        "/bucket/a%20b+c?list-type=2&prefix=a%2Fb&x=%2B",
        "/bucket/a;b=c:d@e!$&'()*,~",
        "/?uploads",
        "/bucket?prefix=https://x/y?z",
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_the_url_goes_out_byte_for_byte(method: str, target: str) -> None:
    async with serve(OK) as server, transport() as client:
        await (await client.request(method, server.url + target, {})).read()
        assert server.requests[0].line == f"{method} {target} HTTP/1.1"


async def test_a_get_carries_host_user_agent_and_the_given_headers_and_no_other() -> None:
    async with serve(OK) as server, transport(ClientOptions(user_agent="mine/1")) as client:
        await (await client.request("GET", f"{server.url}/a", {"Range": "bytes=0-1", "x-Meta": "ä"})).read()
        assert server.requests[0].headers == [
            ("Host", f"127.0.0.1:{server.port}"),
            ("User-Agent", "mine/1"),
            ("Range", "bytes=0-1"),
            ("x-Meta", "ä"),
        ]


@pytest.mark.parametrize(
    ("method", "body", "length"),
    [
        ("GET", None, None),
        ("HEAD", None, None),
        ("DELETE", None, None),
        ("PUT", None, "0"),
        ("POST", None, "0"),
        ("PUT", Buffers([]), "0"),
        ("PUT", Buffers([b"abc"]), "3"),
        ("DELETE", Buffers([b"abc"]), "3"),
    ],
)
async def test_content_length_is_set_where_a_body_may_be(method: str, body: Buffers | None, length: str | None) -> None:
    async with serve(EMPTY) as server, transport() as client:
        await (await client.request(method, f"{server.url}/a", {"content-length": "77"}, body)).read()
        headers = {name.lower(): value for name, value in server.requests[0].headers}
        assert headers.get("content-length") == length
        assert not headers.keys() & {"transfer-encoding", "content-type", "accept", "accept-encoding", "connection"}


async def test_the_default_user_agent_names_this_library() -> None:
    async with serve(OK) as server, transport() as client:
        await (await client.request("GET", f"{server.url}/a", {})).read()
        assert dict(server.requests[0].headers)["User-Agent"].startswith("aiostore")


async def test_headers_of_the_options_go_with_every_request_unless_it_has_its_own() -> None:
    async with serve(OK) as server, transport(ClientOptions(headers={"X-One": "100%", "X-Two": "2"})) as client:
        for headers in ({}, {"x-two": "own", "host": "other.example"}):
            await (await client.request("GET", f"{server.url}/a", headers)).read()
        first, second = (request.headers for request in server.requests)
        assert first[2:] == [("X-One", "100%"), ("X-Two", "2")]
        assert second[1:] == [("X-One", "100%"), ("x-two", "own"), ("host", "other.example")]


async def test_redirects_are_handed_over_not_followed() -> None:
    moved = b"HTTP/1.1 307 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
    async with serve(moved) as server, transport() as client:
        response = await client.request("GET", f"{server.url}/a", {"Authorization": "secret"})
        assert (response.status, response.headers["location"]) == (307, "/elsewhere")
        assert len(server.requests) == 1


async def test_bodies_are_handed_over_compressed() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00"
    async with serve(answer) as server, transport() as client:
        assert await (await client.request("GET", f"{server.url}/a", {})).read() == b"\x1f\x8b\x08\x00"


async def test_cookies_are_not_kept() -> None:
    answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    async with serve(answer) as server, transport() as client:
        for _ in range(2):
            await (await client.request("GET", f"{server.url}/a", {})).read()
        assert "Cookie" not in dict(server.requests[1].headers)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_a_request_lost_on_a_reused_connection_is_not_sent_again(method: str) -> None:
    async def answer_once(request: Request) -> None:
        if request is server.requests[0]:
            request.send(OK)
        else:
            request.reset()

    async with serve(answer_once) as server, transport() as client:
        await (await client.request("GET", f"{server.url}/a", {})).read()
        with pytest.raises(ConnectionLostError) as caught:
            await client.request(method, f"{server.url}/a?signature=secret", {})
        assert not caught.value.answered
        assert "secret" not in str(caught.value)
        assert (server.connections, len(server.requests)) == (1, 2)


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\0b"])
async def test_a_header_value_that_would_break_its_line_is_refused(value: str) -> None:
    async with serve(OK) as server, transport() as client:
        with pytest.raises(ConfigurationError, match="x-amz-meta-name") as caught:
            await client.request("GET", f"{server.url}/a", {"x-amz-meta-name": value})
        assert "Evil" not in str(caught.value)
        assert server.requests == []


@pytest.mark.parametrize("name", ["a b", "a:b", "a\r\nb", "", "ä", "Transfer-Encoding", "connection", "Expect"])
async def test_a_header_name_that_is_none_or_the_transports_own_is_refused(name: str) -> None:
    async with serve(OK) as server, transport() as client:
        with pytest.raises(ConfigurationError, match="header"):
            await client.request("GET", f"{server.url}/a", {name: "1"})
        assert server.requests == []


@pytest.mark.parametrize("target", ["/a b", "/a\r\nX: 1", "/ä", "/a\nb", "/a#fragment", "/a\0", "/a?b c"], ids=ascii)
async def test_a_url_that_is_not_encoded_is_refused(target: str) -> None:
    async with serve(OK) as server, transport() as client:
        with pytest.raises(ConfigurationError, match="percent-encoded"):
            await client.request("GET", server.url + target, {})
        assert server.requests == []


@pytest.mark.parametrize(
    "url",
    ["", "/a", "ftp://host/a", "http://", "https:///a", "http://user:secret@host/a", "http://h st/a", "http://h:x/a"],
)
async def test_a_url_that_leads_nowhere_is_refused_without_showing_credentials(url: str) -> None:
    async with transport() as client:
        with pytest.raises(ConfigurationError) as caught:
            await client.request("GET", url, {})
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize("method", ["G T", "GET\r\n", "", "GÉT"])
async def test_a_method_that_is_none_is_refused(method: str) -> None:
    async with serve(OK) as server, transport() as client:
        with pytest.raises(ConfigurationError, match="method"):
            await client.request(method, f"{server.url}/a", {})


async def test_a_small_body_goes_out_together_with_its_head(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []

    def spy(exchange: Exchange, data: Buffer) -> None:
        written.append(bytes(data))
        write(exchange, data)

    monkeypatch.setattr("aiostore._http.client.write", spy)
    async with serve(EMPTY) as server, transport() as client:
        body = Buffers([b"a" * 1000, memoryview(b"b" * 1000)])
        await (await client.request("PUT", f"{server.url}/a", {}, body)).read()
        assert written == [server.requests[0].head + b"a" * 1000 + b"b" * 1000]


async def test_interim_answers_are_passed_over() -> None:
    async with serve(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK) as server, transport() as client:
        response = await client.request("GET", f"{server.url}/a", {})
        assert (response.status, await response.read()) == (200, b"ok")


async def test_what_is_not_http_is_a_lost_connection() -> None:
    async with serve(b"SSH-2.0-OpenSSH\r\n\r\n") as server, transport() as client:
        with pytest.raises(ConnectionLostError) as caught:
            await client.request("GET", f"{server.url}/a", {})
        assert not caught.value.answered


async def test_many_and_long_headers_are_taken() -> None:
    many = b"".join(b"x-amz-meta-%d: %s\r\n" % (n, b"v" * 100) for n in range(500))
    head = b"HTTP/1.1 200 OK\r\n%sx-long: %s\r\nContent-Length: 0\r\n\r\n" % (many, b"l" * 20_000)
    async with serve(head) as server, transport() as client:
        response = await client.request("GET", f"{server.url}/a", {})
        assert response.headers["X-AMZ-META-499"] == "v" * 100
        assert len(response.headers["x-long"]) == 20_000
