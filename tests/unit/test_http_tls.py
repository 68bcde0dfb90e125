"""TLS and proxies: who is trusted, and which way requests go."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from aiostore._http.client import Transport
from aiostore.body import Buffers
from aiostore.errors import ConfigurationError, ConnectionLostError
from aiostore.policies import ClientOptions
from tests.servers.tls import Certificate, issue
from tests.unit.raw_http import OK, Request, Server, serve, transport

VARIABLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return issue(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def tls(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.certificate, certificate.key)
    return context


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


async def get(client: Transport, url: str) -> bytes:
    return await (await client.request("GET", f"{url}/a?b=c", {"X-Key": "value"})).read()


# --- certificates -----------------------------------------------------------------------------------------------------


async def test_a_certificate_of_an_unknown_authority_is_refused_with_what_to_do(tls: ssl.SSLContext) -> None:
    async with serve(OK, tls=tls) as server, transport() as client:
        with pytest.raises(ConfigurationError, match=r"certificate of https://127\.0\.0\.1:\d+ .* ca_bundle"):
            await get(client, server.url)
        assert server.requests == []


async def test_a_certificate_for_another_name_is_refused(tls: ssl.SSLContext, certificate: Certificate) -> None:
    options = ClientOptions(ca_bundle=str(certificate.authority))
    async with serve(OK, tls=tls, host="127.0.0.2") as server, transport(options) as client:
        with pytest.raises(ConfigurationError, match="certificate"):
            await get(client, server.url)
        assert server.requests == []


async def test_the_bundle_of_the_options_is_trusted(tls: ssl.SSLContext, certificate: Certificate) -> None:
    async with serve(OK, tls=tls) as server, transport(ClientOptions(ca_bundle=str(certificate.authority))) as client:
        for _ in range(2):
            assert await get(client, server.url) == b"ok"
        response = await client.request("PUT", f"{server.url}/a", {}, Buffers([bytes(3 * 1024**2)]))
        assert await response.read() == b"ok"
        assert server.connections == 1


@pytest.mark.parametrize("name", VARIABLES)
async def test_the_bundle_of_the_environment_is_trusted(
    tls: ssl.SSLContext, certificate: Certificate, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, str(certificate.authority))
    async with serve(OK, tls=tls) as server, transport() as client:
        assert await get(client, server.url) == b"ok"


async def test_unverified_tls_trusts_everyone(tls: ssl.SSLContext) -> None:
    async with serve(OK, tls=tls) as server, transport(ClientOptions(verify_tls=False)) as client:
        assert await get(client, server.url) == b"ok"


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_a_bundle_that_is_none_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "bundle.pem"
    if content is not None:
        path.write_text(content)
    async with transport(ClientOptions(ca_bundle=str(path))) as client:
        with pytest.raises(ConfigurationError, match=r"ca_bundle=.*bundle\.pem"):
            await get(client, "https://127.0.0.1:1")


async def test_plain_http_behind_an_https_url_is_named() -> None:
    plain = await asyncio.start_server(_say_hello, "127.0.0.1", 0)
    port = plain.sockets[0].getsockname()[1]
    async with transport() as client:
        with pytest.raises(ConfigurationError, match="does not speak TLS"):
            await get(client, f"https://127.0.0.1:{port}")
    plain.close()
    await plain.wait_closed()


async def _say_hello(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await writer.drain()
    writer.close()


# --- proxies ----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def proxy(status: str = "200 Connection established") -> AsyncIterator[Server]:
    """A proxy that tunnels, and hands plain requests on."""

    async def relay(request: Request) -> None:
        method, target, _ = request.line.split()
        if method != "CONNECT":
            request.send(OK)
            return
        request.send(f"HTTP/1.1 {status}\r\n\r\n".encode())
        if not status.startswith("200"):
            return
        host, _, port = target.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                sink.write(data)
            sink.close()

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(pump(reader, request.writer))
                group.create_task(pump(request.reader, writer))
        except* ConnectionError:
            pass
        finally:
            writer.transport.abort()
            request.writer.close()

    async with serve(relay) as server:
        yield server


async def test_plain_requests_go_to_the_proxy_with_the_whole_url() -> None:
    async with proxy() as way, transport(ClientOptions(proxy=f"http://user:pa%40ss@127.0.0.1:{way.port}")) as client:
        for _ in range(2):
            assert await get(client, "http://bucket.example:8080") == b"ok"
        first, second = way.requests
        assert first.line == "GET http://bucket.example:8080/a?b=c HTTP/1.1"
        assert dict(first.headers)["Host"] == "bucket.example:8080"
        assert dict(first.headers)["Proxy-Authorization"] == "Basic " + base64.b64encode(b"user:pa@ss").decode()
        assert second.head == first.head
        assert way.connections == 1


async def test_tls_goes_through_a_tunnel_that_alone_carries_the_proxys_credentials(
    tls: ssl.SSLContext, certificate: Certificate
) -> None:
    async with serve(OK, tls=tls) as server, proxy() as way:
        options = ClientOptions(proxy=f"http://user:secret@127.0.0.1:{way.port}", ca_bundle=str(certificate.authority))
        async with transport(options) as client:
            for _ in range(2):
                assert await get(client, server.url) == b"ok"
        (tunnel,) = way.requests
        assert tunnel.line == f"CONNECT 127.0.0.1:{server.port} HTTP/1.1"
        assert "Proxy-Authorization" in dict(tunnel.headers)
        assert [request.line for request in server.requests] == ["GET /a?b=c HTTP/1.1"] * 2
        assert "Proxy-Authorization" not in dict(server.requests[0].headers)


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy"])
async def test_the_environments_proxy_is_used(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    async with proxy() as way, transport() as client:
        monkeypatch.setenv(name, f"127.0.0.1:{way.port}")
        assert await get(client, "http://bucket.example") == b"ok"
        assert len(way.requests) == 1


@pytest.mark.parametrize("exceptions", ["127.0.0.1", "*", "localhost,127.0.0.1"])
async def test_hosts_that_need_no_proxy_are_asked_directly(monkeypatch: pytest.MonkeyPatch, exceptions: str) -> None:
    async with proxy() as way, serve(OK) as server, transport() as client:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{way.port}")
        monkeypatch.setenv("no_proxy", exceptions)
        assert await get(client, server.url) == b"ok"
        assert (len(way.requests), len(server.requests)) == (0, 1)


async def test_the_options_proxy_comes_before_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    async with proxy() as way, transport(ClientOptions(proxy=f"http://127.0.0.1:{way.port}")) as client:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        monkeypatch.setenv("no_proxy", "*")
        assert await get(client, "http://bucket.example") == b"ok"


@pytest.mark.parametrize("url", ["socks5://secret@127.0.0.1:1", "http://", "http://[secret"])
async def test_what_is_no_proxy_is_refused_without_showing_it(url: str) -> None:
    async with transport(ClientOptions(proxy=url)) as client:
        with pytest.raises(ConfigurationError, match="proxy") as caught:
            await get(client, "http://bucket.example")
        assert "secret" not in str(caught.value)


async def test_a_proxy_that_is_not_there_surely_sent_nothing() -> None:
    async with proxy() as way:
        pass
    async with transport(ClientOptions(proxy=f"http://user:secret@127.0.0.1:{way.port}")) as client:
        with pytest.raises(ConnectionLostError, match="proxy") as caught:
            await get(client, "http://bucket.example")
        assert caught.value.answered
        assert "secret" not in str(caught.value) + repr(caught.value.__cause__)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("407 Proxy Authentication Required", ConfigurationError),
        ("403 Forbidden", ConfigurationError),
        ("502 Bad Gateway", ConnectionLostError),
    ],
)
async def test_a_refused_tunnel_says_why(status: str, kind: type[Exception]) -> None:
    async with proxy(status) as way, transport(ClientOptions(proxy=f"http://127.0.0.1:{way.port}")) as client:
        with pytest.raises(kind, match=f"tunnel to https://bucket.example: {status}"):
            await get(client, "https://bucket.example")
