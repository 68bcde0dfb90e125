"""Web servers that mean ill: indexes that point elsewhere, redirects that lure, and answers that repeat secrets."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
import time
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiostore import ConfigurationError, HTTPStore, ObjectMeta, RetryPolicy, Store, StoreError
from aiostore.drivers.http_index import Entry, child, parse
from aiostore.wrappers.observe import Event
from tests.security.secrecy import all_logs, assert_secret, failures, of_event, shown
from tests.unit.raw_http import SHORT, Request, serve

ONCE = RetryPolicy(attempts=1)
HTML = "text/html; charset=utf-8"
XML = "application/xml"


def answer(body: str | bytes, kind: str = HTML, status: str = "200 OK", *headers: str) -> bytes:
    data = body if isinstance(body, bytes) else body.encode("utf-8", "surrogateescape")
    lines = "".join(f"{line}\r\n" for line in (f"Content-Type: {kind}", f"Content-Length: {len(data)}", *headers))
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + data


async def listed(store: Store, prefix: str = "") -> list[ObjectMeta]:
    return [meta async for meta in store.list(prefix)]


# --- indexes

ESCAPES = [
    "..", "../", "../x", ".", "./", "/", "//", "/x", "/base", "/base/", "/base/../x", "/base/a/b", "/other/base/x",
    "//elsewhere.example/base/x", "https://elsewhere.example/x", "a/b", "a/../../b", "%2e%2e/", "%2e%2e%2fx", "..%2fx",
    "a%2f..%2f..%2fx", "%2fetc%2fpasswd", "a%00b", "?C=N;O=D", "#top", "x?y", "x#y", "javascript:/x/y", "", "http://[",
    "\udcff", "%ff", "&#46;&#46;/", "&sol;etc&sol;passwd", "/base/%2e%2e/",
]  # fmt: skip


@pytest.mark.parametrize("link", ESCAPES, ids=ascii)
async def test_no_link_of_an_index_leads_out_of_its_directory(link: str) -> None:
    page = f'<h1>Index of /base/</h1><a href="../">../</a><a href="{link}">x</a> <a href="fine">fine</a>'

    async def respond(request: Request) -> None:
        request.send(answer(page))

    async with serve(respond) as server, HTTPStore(f"{server.url}/base", retry=ONCE, timeouts=SHORT) as store:
        assert [meta.key for meta in await listed(store)] == ["fine"]
        assert {request.line.split()[1] for request in server.requests} == {"/base/"}


@given(link=st.text(st.sampled_from("ab./%2ef:?#\\&;\0é") | st.characters(), max_size=12))
def test_a_link_is_a_name_in_the_directory_or_nothing(link: str) -> None:
    name = child(link, "/base/")
    if name is not None:
        bare = name.removesuffix("/")
        assert bare not in {"", ".", ".."}
        assert "/" not in bare
        assert "\0" not in bare
        bare.encode()


@pytest.mark.parametrize(
    "page",
    [
        "<a " * 400_000,
        "<a href=" * 200_000,
        '<a href="' * 200_000,
        '<a href="x"' * 200_000,
        "<a href='" + "<" * 1_000_000,
        "<a" + " " * 1_000_000,
        '<a href="x">' + "<" * 1_000_000,
        '<a href="x">x</a>' + " " * 1_000_000,
        '<a href="x">x</a>' * 100_000,
    ],
    ids=lambda page: page[:16],
)
def test_no_page_takes_longer_than_its_length(page: str) -> None:
    began = time.process_time()
    assert isinstance(parse(f"<h1>Index of /</h1>{page}".encode(), HTML, "/"), list)
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '[{"name":', "{}", '[{"name": 5}]', "[5]", "null", f"[{'9' * 10_000}]"],
    ids=lambda text: text[:12],
)
def test_no_json_breaks_the_parser(text: str) -> None:
    with contextlib.suppress(StoreError):
        assert parse(text.encode(), "application/json", "/") is None


@given(
    st.lists(
        st.fixed_dictionaries(
            {"name": st.text(max_size=8)},
            optional={
                "type": st.sampled_from(["file", "directory", "other", None]),
                "size": st.integers() | st.text(max_size=3) | st.floats(),
                "mtime": st.text(max_size=30) | st.just("Sun, 06 Nov 1994 08:49:37 GMT"),
                "mod_time": st.text(max_size=30) | st.just("0001-01-01T00:00:00+23:59"),
                "is_dir": st.booleans(),
            },
        )
    )
)
def test_json_gives_names_sizes_and_times_or_nothing(listing: list[dict[str, object]]) -> None:
    for entry in parse(json.dumps(listing).encode(), "application/json", "/") or ():
        assert isinstance(entry, Entry)
        assert entry.size >= -1
        assert "/" not in entry.name.removesuffix("/")


async def test_directories_within_themselves_end() -> None:
    async def respond(request: Request) -> None:
        request.send(answer('<h1>Index of /</h1><a href="../">../</a><a href="' + "again" * 100 + '/">again</a>'))

    async with serve(respond) as server, HTTPStore(server.url, retry=ONCE, timeouts=SHORT) as store:
        with pytest.raises(StoreError, match="nest without an end"):
            await listed(store)
        assert len(server.requests) < 20


async def test_an_index_without_an_end_is_given_up() -> None:
    async def flood(request: Request) -> None:
        request.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<h1>Index of /</h1>")
        while not request.writer.is_closing():
            request.send(bytes(1024 * 1024))
            try:
                await request.writer.drain()
            except ConnectionError:
                return

    async with serve(flood) as server, HTTPStore(server.url, retry=ONCE) as store:
        with pytest.raises(StoreError, match="more than 16777216 bytes"):
            await listed(store)


# --- WebDAV


def multistatus(*hrefs: str) -> str:
    response = "<d:response><d:href>{}</d:href><d:propstat><d:prop><d:resourcetype/></d:prop>"
    response += "<d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>"
    return f'<d:multistatus xmlns:d="DAV:">{"".join(response.format(href) for href in hrefs)}</d:multistatus>'


@pytest.mark.parametrize(
    "link", [link for link in ESCAPES if link.isprintable() and not re.search("&|//.*base/x", link)], ids=ascii
)
async def test_no_href_of_webdav_leads_out_of_its_collection(link: str) -> None:
    async def respond(request: Request) -> None:
        await request.body()
        request.send(answer(multistatus("/base/", link, "/base/fine"), XML, "207 Multi-Status"))

    async with serve(respond) as server, HTTPStore(f"{server.url}/base", webdav=True, retry=ONCE) as store:
        assert [meta.key for meta in await listed(store)] == ["fine"]


@pytest.mark.parametrize(
    "document",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;">]><d:multistatus xmlns:d="DAV:">&b;</d:multistatus>',
        "<d:multistatus", "", "\0", "<a>" * 600_000, multistatus("/elsewhere/x"),
    ],
    ids=lambda document: document[:12],
)  # fmt: skip
async def test_no_document_of_webdav_is_taken_for_what_it_is_not(document: str) -> None:
    async def respond(request: Request) -> None:
        await request.body()
        request.send(answer(document, XML, "207 Multi-Status"))

    async with serve(respond) as server, HTTPStore(f"{server.url}/base", webdav=True, retry=ONCE) as store:
        with pytest.raises(StoreError):
            await listed(store)


# --- redirects


@pytest.mark.parametrize(
    "target",
    ["file:///etc/passwd", "javascript:x", "ftp://host/", "//", "http://", "http://[", "http://user:pw@127.0.0.1/", ""],
)
async def test_a_redirect_leads_to_the_web_or_nowhere(target: str) -> None:
    async def respond(request: Request) -> None:
        request.send(answer("", HTML, "302 Found", f"Location: {target}"))

    async with serve(respond) as server, HTTPStore(server.url, retry=ONCE, timeouts=SHORT) as store:
        with pytest.raises(StoreError):
            await store.get("key")


async def test_a_write_is_not_redirected() -> None:
    async def respond(request: Request) -> None:
        await request.body()
        request.send(answer("", HTML, "307 Temporary Redirect", "Location: https://elsewhere.example/key"))

    async with serve(respond) as server, HTTPStore(server.url, webdav=True, token="secret", retry=ONCE) as store:
        with pytest.raises(ConfigurationError, match=r"https://elsewhere\.example"):
            await store.put("key", b"precious")


# --- secrets


def echo(request: Request) -> str:
    return request.head.decode("latin-1").replace("\r\n", " | ")


ANSWERS: dict[str, Callable[[Request], bytes]] = {
    "403": lambda r: answer(echo(r), HTML, "403 Forbidden"),
    "reason": lambda r: answer("", HTML, f"403 {echo(r)}"),
    "503": lambda r: answer(echo(r), HTML, "503 Unavailable", f"Retry-After: {echo(r)}"),
    "an error that none has heard of": lambda r: answer(echo(r), HTML, "499 Strange"),
    "redirect": lambda r: answer("", HTML, "301 Moved", f"Location: ftp://{quote(echo(r))}"),
    "redirect to the same": lambda r: answer("", HTML, "302 Moved", f"Location: /again?{quote(echo(r))}"),
    "index": lambda r: answer(f"<h1>Index of /</h1>{echo(r)}"),
    "no index": lambda r: answer(echo(r)),
    "JSON": lambda r: answer('["' + echo(r), "application/json"),
    "XML": lambda r: answer("<a>" + echo(r), XML, "207 Multi-Status"),
    "not HTTP": lambda r: echo(r).encode() + b"\r\n\r\n",
    "range": lambda r: answer("", HTML, "206 Partial Content", f"Content-Range: {echo(r)}"),
    "length": lambda r: f"HTTP/1.1 200 OK\r\nContent-Length: {echo(r)}\r\n\r\n".encode(),
}


@settings(max_examples=20)
@given(kind=st.sampled_from(sorted(ANSWERS)), number=st.integers(10**20, 10**21), webdav=st.booleans())
def test_no_failure_shows_a_secret(kind: str, number: int, webdav: bool) -> None:
    asyncio.run(fail(kind, number, webdav=webdav))


@pytest.mark.parametrize("kind", sorted(ANSWERS))
def test_no_answer_makes_a_secret_show(kind: str) -> None:
    asyncio.run(fail(kind, 10**20, webdav=kind == "XML"))


async def fail(kind: str, number: int, *, webdav: bool) -> None:
    password, header, option, param = (f"{name}{number}" for name in ("pa55/", "head", "opt", "par"))
    pair = base64.b64encode(f"someone:{password}".encode()).decode()
    events: list[Event] = []

    async def respond(request: Request) -> None:
        await request.body()
        request.send(ANSWERS[kind](request))
        if kind in {"not HTTP", "length"}:
            request.writer.close()

    with all_logs() as logs:
        async with serve(respond) as server:
            store = HTTPStore(
                server.url.replace("://", f"://someone:{quote(password, safe='')}@") + f"/base?key={param}",
                headers={"x-private": header},
                webdav=webdav,
                retry=RetryPolicy(attempts=2, first_delay=0, max_delay=0.001, max_retry_after=0.001),
                timeouts=SHORT,
                client_options={"headers": {"x-option": option}},
                observers=[events.append],
            )
            async with store:
                errors = await failures(
                    [
                        lambda: store.get("key"),
                        lambda: store.get_range("key", 1, 5),
                        lambda: store.head("key"),
                        lambda: listed(store),
                        lambda: store.put("key", b"value"),
                        lambda: store.delete("key"),
                        lambda: store.copy("key", "other"),
                    ]
                )
                raw = store._raw
                described = [repr(store), store.location, repr(raw), repr(vars(raw)), repr(store.capabilities)]
            heads = b"".join(request.head for request in server.requests).decode("latin-1")
    assert errors
    assert pair in heads
    assert param in heads
    texts = [text for error in errors for text in shown(error)]
    texts += [text for event in events for text in of_event(event)]
    assert_secret([*texts, *logs.texts, *described], {password, quote(password, safe=""), pair, header, option, param})
