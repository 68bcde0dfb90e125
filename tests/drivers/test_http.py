"""Web servers that are only read: nginx with its odd corners, plain and over TLS."""

from __future__ import annotations

import asyncio
import os
import pickle
import shutil
import uuid
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

import aiostore
from aiostore import (
    Capabilities,
    ConfigurationError,
    HTTPStore,
    InvalidKeyError,
    InvalidRangeError,
    Limits,
    NotFoundError,
    NotModifiedError,
    NotSupportedError,
    ObjectChangedError,
    ObjectMeta,
    PermissionDeniedError,
    PreconditionFailedError,
    RateLimitedError,
    RetryPolicy,
    StoreError,
    Timeouts,
    UnauthenticatedError,
    UnavailableError,
)
from aiostore.testing.conformance.suite import payload
from tests.faults.faults import Answer
from tests.faults.proxy import FaultProxy
from tests.servers.apache import ApacheEndpoint
from tests.servers.nginx import TOKEN, NginxEndpoint

ONCE = RetryPolicy(attempts=1)
KEYS = ["a b.txt", "a%2Fb", "a-b", "dir/sub/deep.bin", "dir/é.txt", "large.bin", "small.txt", "ünï&<>#?.txt"]
"""In the order of their UTF-8."""


def content(key: str) -> bytes:
    return payload(300_000) if key == "large.bin" else key.encode()


def fill(root: Path) -> None:
    for key in KEYS:
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(content(key))
    for path in (root, *root.rglob("*")):
        path.chmod(0o755)


@pytest.fixture
def folder(nginx: NginxEndpoint) -> Iterator[str]:
    """The path of a directory on nginx with KEYS in it."""
    name = f"http-{uuid.uuid4().hex}"
    root = Path(nginx.root, name)
    fill(root)
    yield name
    shutil.rmtree(root)


def store_of(nginx: NginxEndpoint, path: str, **options: str) -> HTTPStore:
    return HTTPStore(f"{nginx.url}/{path}", retry=ONCE, limits=Limits(part_size=65_536), **options)  # type: ignore[arg-type]  # all of them are str options


# --- reading


async def test_what_a_store_can_do_is_to_read(nginx: NginxEndpoint, folder: str) -> None:
    async with store_of(nginx, folder) as store:
        assert store.capabilities == Capabilities(
            operations=frozenset({"head", "get", "list_page"}), metadata=False, max_put=2**62, max_copy=2**62
        )
        for call in (store.put("x", b""), store.delete("small.txt"), store.rename("small.txt", "x"), store.sign("x")):
            with pytest.raises(NotSupportedError):
                await call
        assert await store.exists("small.txt")


@pytest.mark.parametrize("server", ["plain", "TLS"])
async def test_objects_are_read_whole_in_ranges_and_as_streams(nginx: NginxEndpoint, folder: str, server: str) -> None:
    if server == "TLS":
        store = HTTPStore(f"{nginx.https_url}/{folder}", client_options={"ca_bundle": nginx.ca_bundle})
    else:
        store = store_of(nginx, folder)
    async with store:
        for key in KEYS:
            assert await store.get(key) == content(key)
        large = content("large.bin")
        assert await store.get_range("large.bin", 1000, 200_000) == large[1000:200_000]
        assert await store.get_range("large.bin", -7) == large[-7:]
        assert await store.get_ranges("large.bin", [(0, 5), (290_000, 299_999)]) == [large[:5], large[290_000:299_999]]
        assert b"".join([chunk async for chunk in store.stream("large.bin", concurrency=4)]) == large
        meta = await store.head("large.bin")
        assert (meta.size, meta.content_type) == (300_000, "application/octet-stream")
        assert meta.etag
        assert meta.last_modified is not None
        with pytest.raises(InvalidRangeError):
            await store.get_range("small.txt", 100)
        for missing in (store.get("missing"), store.head("missing"), store.get_range("missing", 1)):
            with pytest.raises(NotFoundError):
                await missing


async def test_a_certificate_of_an_unknown_authority_is_refused(nginx: NginxEndpoint) -> None:
    async with HTTPStore(nginx.https_url, retry=ONCE) as store:
        with pytest.raises(StoreError, match=r"(?i)certificate"):
            await store.get("hello.txt")


async def test_conditions_are_decided(nginx: NginxEndpoint, folder: str) -> None:
    async with store_of(nginx, folder) as store:
        meta = await store.head("small.txt")
        assert await store.get("small.txt", if_match=meta) == b"small.txt"
        with pytest.raises(PreconditionFailedError):
            await store.get("small.txt", if_match="other")
        with pytest.raises(NotModifiedError):
            await store.get("small.txt", if_none_match=meta)
        with pytest.raises(NotModifiedError):
            await store.get("small.txt", if_modified_since=datetime.now(UTC))
        assert await store.get("small.txt", if_modified_since=datetime(2020, 1, 1, tzinfo=UTC)) == b"small.txt"
        with pytest.raises(NotSupportedError):
            await store.get("small.txt", version="1")


async def test_a_server_without_ranges_is_asked_once(nginx: NginxEndpoint, folder: str) -> None:
    events: list[str] = []
    store = HTTPStore(
        f"{nginx.url}/norange/{folder}",
        limits=Limits(part_size=65_536),
        observers=[lambda e: events.append(e.operation)],
    )
    async with store:
        large = content("large.bin")
        assert b"".join([chunk async for chunk in store.stream("large.bin")]) == large
        assert events == ["get"]
        assert await store.get_range("large.bin", 100_000, 200_000) == large[100_000:200_000]
        assert await store.get_range("large.bin", -5) == large[-5:]


@pytest.mark.parametrize("kind", ["chunked", "weak"])
async def test_an_answer_without_a_length_is_read_to_its_end(
    nginx: NginxEndpoint, folder: str, kind: str, tmp_path: Path
) -> None:
    async with store_of(nginx, f"{kind}/{folder}") as store:
        large = content("large.bin")
        assert (await store.head("large.bin")).size == -1
        assert await store.get("large.bin") == large
        assert b"".join([chunk async for chunk in store.stream("large.bin")]) == large
        async with store.stream("large.bin") as stream:
            assert stream.meta.size == -1
        assert await store.get_range("large.bin", 1000, 2000) == large[1000:2000]
        assert await store.get_range("large.bin", 299_990) == large[299_990:]
        assert await store.get("large.bin", stop=5) == large[:5]
        async with store.open("large.bin", "rb") as file:
            assert file.meta.size == len(large)
            await file.seek(-5, 2)
            assert await file.read() == large[-5:]
        seen: list[tuple[int, int | None]] = []
        await store.download("large.bin", tmp_path / "large", progress=lambda done, total: seen.append((done, total)))
        assert (tmp_path / "large").read_bytes() == large
        assert seen[-1] == (len(large), None)
        for impossible in (store.get_range("large.bin", -5), store.size("large.bin")):
            with pytest.raises(NotSupportedError):
                await impossible
        with pytest.raises(InvalidRangeError):
            await store.get_range("large.bin", 300_000)
        with pytest.raises(NotSupportedError):
            await HTTPStore(f"{nginx.url}/{kind}/{folder}", integrity="require").get("small.txt")


async def test_a_server_without_etags_is_held_to_its_times(nginx: NginxEndpoint, folder: str) -> None:
    large = content("large.bin")
    async with store_of(nginx, f"noetag/{folder}") as store:
        assert (await store.head("large.bin")).etag is None
        assert await store.get("large.bin") == large
        assert await store.get_ranges("large.bin", [(0, 5), (290_000, 299_999)]) == [large[:5], large[290_000:299_999]]
        assert b"".join([chunk async for chunk in store.stream("large.bin", concurrency=4)]) == large
        path = Path(nginx.root, folder, "large.bin")
        with pytest.raises(ObjectChangedError):
            async for _ in store.stream("large.bin", concurrency=1):
                os.utime(path, (0, 0))


async def test_a_weak_etag_is_one(nginx: NginxEndpoint, folder: str) -> None:
    async with store_of(nginx, f"weak/{folder}") as store:
        meta = await store.head("small.txt")
        assert meta.etag
        assert not meta.etag.startswith("W/")
        assert await store.get("small.txt", if_match=meta) == b"small.txt"
        with pytest.raises(NotModifiedError):
            await store.get("small.txt", if_none_match=meta)


async def test_where_head_is_refused_a_read_tells_what_it_would(nginx: NginxEndpoint, folder: str) -> None:
    Path(nginx.root, folder, "empty.html").touch(mode=0o644)
    async with FaultProxy(nginx.url) as proxy:
        proxy.inject(Answer(status=405), method="HEAD", times=None)
        async with HTTPStore(f"{proxy.url}/{folder}") as refused, store_of(nginx, folder) as store:
            for key in ("large.bin", "empty.html"):
                assert await refused.head(key) == await store.head(key)
        # A checksum of the one byte that was asked for.
        partial = {"Content-Range": "bytes 0-0/9", "Content-Length": "1", "Content-MD5": "A8x5SZOPJI90KB0F4dBSEw=="}
        proxy.inject(Answer(status=206, headers=partial, body=b"s"), method="GET")
        async with HTTPStore(f"{proxy.url}/{folder}") as refused:
            meta = await refused.head("small.txt")
            assert (meta.size, dict(meta.checksums)) == (9, {})


async def test_nothing_is_compressed_on_the_way(nginx: NginxEndpoint, folder: str) -> None:
    async with store_of(nginx, f"gzip/{folder}") as store:
        assert await store.get("small.txt") == b"small.txt"
        assert (await store.head("small.txt")).content_encoding is None


async def test_a_directory_is_no_object(nginx: NginxEndpoint, folder: str) -> None:
    async with store_of(nginx, f"html/{folder}") as store:
        assert not await store.exists("dir")
        with pytest.raises(NotFoundError, match="directory"):
            await store.get("dir")


@pytest.mark.parametrize("key", ["../hello.txt", "dir/../../x", "..", "./small.txt", "dir/."])
async def test_no_key_leaves_the_base(nginx: NginxEndpoint, folder: str, key: str) -> None:
    async with store_of(nginx, folder) as store:
        for call in (store.get(key), store.head(key)):
            with pytest.raises(InvalidKeyError) as caught:
                await call
            assert caught.value.key == key


async def test_a_pickled_store_is_its_configuration(nginx: NginxEndpoint, folder: str) -> None:
    async with HTTPStore(f"{nginx.url}/bearer/{folder}", token=TOKEN) as store:
        await store.get("small.txt")
        async with pickle.loads(pickle.dumps(store)) as loaded:
            assert await loaded.get("small.txt") == b"small.txt"
    writer = pickle.loads(pickle.dumps(HTTPStore(nginx.dav_url, webdav=True)))
    assert "put" in writer.capabilities.operations


# --- refusals


@pytest.mark.parametrize(
    ("key", "error"),
    [
        ("500", UnavailableError),
        ("503", UnavailableError),
        ("429", RateLimitedError),
        ("denied/x", PermissionDeniedError),
        ("auth/x", UnauthenticatedError),
        ("bearer/x", UnauthenticatedError),
        ("drop", aiostore.ConnectionLostError),
        ("loop", StoreError),
    ],
)
async def test_a_refusal_is_an_error_of_its_kind(nginx: NginxEndpoint, key: str, error: type[StoreError]) -> None:
    async with store_of(nginx, "") as store:
        for call in (store.get(key), store.head(key), store.get_range(key, 1)):
            with pytest.raises(error) as caught:
                await call
            assert type(caught.value) is error
            assert caught.value.key == key
            if key in {"503", "429"}:
                assert isinstance(caught.value, aiostore.TransientError)
                assert caught.value.retry_after == 1


@pytest.mark.parametrize(("status", "error"), [(202, UnavailableError), (205, StoreError), (207, StoreError)])
async def test_what_comes_with_another_success_is_not_the_object(
    nginx: NginxEndpoint, folder: str, status: int, error: type[StoreError]
) -> None:
    async with FaultProxy(nginx.url) as proxy:
        proxy.inject(Answer(status=status, body=b"" if status == 205 else b"come back later"), times=None)
        async with HTTPStore(f"{proxy.url}/{folder}", retry=ONCE) as store:
            for call in (store.get("small.txt"), store.get_range("small.txt", 1, 3), store.head("small.txt")):
                with pytest.raises(error) as caught:
                    await call
                assert type(caught.value) is error


async def test_a_rate_limit_is_waited_for(nginx: NginxEndpoint, folder: str) -> None:
    """Fifty requests a second, and four at once, are what these allow; the others are refused with 429 and 503."""
    for path in ("limited", "few"):
        async with HTTPStore(f"{nginx.url}/{path}/{folder}") as store:
            read = await asyncio.gather(*(store.get("large.bin") for _ in range(30)))
        assert set(map(len, read)) == {300_000}


async def test_a_slow_body_is_no_stall(nginx: NginxEndpoint, folder: str) -> None:
    timeouts = Timeouts(stall=1.0)
    async with HTTPStore(f"{nginx.url}/slow/{folder}", timeouts=timeouts, limits=Limits(part_size=65_536)) as store:
        assert await store.get("large.bin") == content("large.bin")


# --- credentials, redirects


async def test_credentials_are_sent(
    nginx: NginxEndpoint, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = f"{nginx.url}/auth/{folder}"
    user, password = nginx.user, nginx.password
    for store in (
        HTTPStore(base, username=user, password=password),
        HTTPStore(base.replace("://", f"://{user}:{password}@")),
        aiostore.connect(base.replace("://", f"://{user}:{password}@")),
        aiostore.connect(f"{base}?username={user}&password={password}"),
        HTTPStore(f"{nginx.url}/bearer/{folder}", token=TOKEN),
        HTTPStore(f"{nginx.url}/bearer/{folder}", headers={"Authorization": f"Bearer {TOKEN}"}),
    ):
        async with store:
            assert await store.get("small.txt") == b"small.txt"
    for wrong in (HTTPStore(base, username=user, password="wrong"), HTTPStore(base, token="wrong")):
        async with wrong:
            with pytest.raises(UnauthenticatedError):
                await wrong.get("small.txt")
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login {user} password {password}\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    async with HTTPStore(base) as store:
        assert await store.get("small.txt") == b"small.txt"


async def said(store: aiostore.Store, key: str) -> list[str]:
    """Authorization, cookies, a header of the store, the query, and a header of the client, as the server saw them."""
    return (await store.get(key)).decode().split("|")


async def test_no_other_origin_learns_anything(nginx: NginxEndpoint) -> None:
    options = {"ca_bundle": nginx.ca_bundle, "headers": {"x-option": "of the client"}}
    store = HTTPStore(
        nginx.url, token="the token", headers={"x-private": "private"}, params={"key": "value"}, client_options=options
    )
    everything = ["Bearer the token", "", "private", "key=value", "of the client"]
    async with store:
        assert await said(store, "said") == everything
        assert await said(store, "near/said") == everything
        assert await said(store, "away/said") == ["", "", "", "", ""]
        assert await said(store, "signed/said") == [*everything[:3], "signature=of-the-server", everything[4]]


async def test_the_query_of_the_base_is_sent_as_it_is_written(nginx: NginxEndpoint) -> None:
    for query in ("token", "a%20b&c=d%2Fe+f~", "sig=x%2By%3D&sig=2"):
        async with HTTPStore(f"{nginx.url}/?{query}") as store:
            assert (await said(store, "said"))[3] == query
        async with HTTPStore(f"{nginx.url}/?{query}", params={"more": "a b"}) as store:
            assert (await said(store, "said"))[3] == f"{query}&more=a+b"


async def test_no_redirect_leads_from_https_to_http(nginx: NginxEndpoint, folder: str) -> None:
    options = {"ca_bundle": nginx.ca_bundle}
    async with HTTPStore(nginx.https_url, client_options=options) as store:
        with pytest.raises(ConfigurationError, match="from https to http"):
            await store.get(f"back/{folder}/small.txt")
    async with HTTPStore(nginx.url, client_options=options) as store:
        with pytest.raises(ConfigurationError, match="from https to http"):
            await store.get(f"there-and-back/{folder}/small.txt")


async def test_redirected_reads_keep_their_range(nginx: NginxEndpoint, folder: str) -> None:
    for path in ("near", "away"):
        async with HTTPStore(nginx.url, client_options={"ca_bundle": nginx.ca_bundle}) as store:
            assert await store.get_range(f"{path}/{folder}/small.txt", 1, 3) == b"ma"
            assert (await store.head(f"{path}/{folder}/small.txt")).size == 9


async def test_a_loop_of_redirects_ends(nginx: NginxEndpoint) -> None:
    async with store_of(nginx, "") as store:
        with pytest.raises(StoreError, match="more than 10 times"):
            await store.get("loop")


async def test_cookies_are_neither_kept_nor_sent(nginx: NginxEndpoint) -> None:
    async with store_of(nginx, "") as store:
        await store.get("said")
        assert (await said(store, "said"))[1] == ""
    with pytest.raises(ConfigurationError, match="Cookie"):
        HTTPStore(nginx.url, headers={"Cookie": "session=1"})


# --- listings


async def listed(store: aiostore.Store, prefix: str = "") -> list[ObjectMeta]:
    return [meta async for meta in store.list(prefix)]


async def check_listing(store: aiostore.Store, *, sizes: bool, times: bool) -> None:
    found = await listed(store)
    assert [meta.key for meta in found] == KEYS
    for meta in found:
        head = await store.head(meta.key)
        assert meta.size == (head.size if sizes or head.size < 1000 else -1)
        assert head.last_modified is not None
        if times:
            assert meta.last_modified is not None
            assert abs((meta.last_modified - head.last_modified).total_seconds()) < 60
        else:
            assert meta.last_modified is None
    assert [meta.key for meta in await listed(store, "dir/")] == ["dir/sub/deep.bin", "dir/é.txt"]
    assert [meta.key for meta in await listed(store, "dir/s")] == ["dir/sub/deep.bin"]
    assert [meta.key for meta in await listed(store, "missing/")] == []
    assert [meta.key async for meta in store.list(start_after="dir/sub/")] == KEYS[3:]
    level = await store.list_with_delimiter()
    assert list(level.common_prefixes) == ["dir/"]
    assert [meta.key for meta in level.objects] == [key for key in KEYS if "/" not in key]
    by_dash = await store.list_with_delimiter(delimiter="-")
    assert list(by_dash.common_prefixes) == ["a-"]
    assert len(by_dash.objects) == len(KEYS) - 1


@pytest.mark.parametrize("kind", ["html", "json"])
async def test_an_index_of_nginx_is_a_listing(nginx: NginxEndpoint, folder: str, kind: str) -> None:
    async with store_of(nginx, f"{kind}/{folder}") as store:
        await check_listing(store, sizes=True, times=True)


@pytest.mark.parametrize("kind", ["plain", "fancy", "linked", "table"])
async def test_an_index_of_apache_is_a_listing(apache: ApacheEndpoint, kind: str) -> None:
    name = f"http-{uuid.uuid4().hex}"
    fill(Path(apache.root, name))
    async with HTTPStore(f"{apache.url}/{kind}/{name}", retry=ONCE) as store:
        found = await listed(store)
        assert [meta.key for meta in found] == KEYS
        sizes = {meta.key: meta.size for meta in found}
        # 300,000 bytes are "293K" there, and a plain list has names only.
        assert sizes["large.bin"] == -1
        assert sizes["small.txt"] == (-1 if kind == "plain" else 9)
        level = await store.list_with_delimiter("dir/")
        assert [meta.key for meta in level.objects] == ["dir/é.txt"]
        assert list(level.common_prefixes) == ["dir/sub/"]
    shutil.rmtree(Path(apache.root, name))


async def test_a_listing_asks_for_one_directory_at_a_time(nginx: NginxEndpoint, folder: str) -> None:
    pages: list[str] = []
    store = HTTPStore(f"{nginx.url}/json/{folder}", observers=[lambda event: pages.append(event.operation)])
    async with store:
        async for meta in store.list():
            if meta.key == KEYS[0]:
                break
        assert len(pages) == 1
        pages.clear()
        assert [meta.key for meta in await listed(store)] == KEYS
        assert len(pages) == 3  # the base, dir/ and dir/sub/


async def test_what_is_no_index_is_not_taken_for_one(nginx: NginxEndpoint, folder: str) -> None:
    page = '<html><title>Welcome</title><a href="small.txt">read this</a></html>'
    Path(nginx.root, folder, "index.html").write_text(page)
    async with store_of(nginx, folder) as store:
        with pytest.raises(NotSupportedError, match="is no index"):
            await listed(store)
    Path(nginx.root, folder, "index.html").unlink()
    async with store_of(nginx, folder) as store:
        with pytest.raises(PermissionDeniedError):
            await listed(store)
    async with store_of(nginx, "html/not-there") as store:
        with pytest.raises(NotFoundError):
            await listed(store)
        assert not await store.container_exists()


# --- WebDAV


async def test_missing_collections_are_made(nginx: NginxEndpoint) -> None:
    """This location does not make them by itself."""
    name = f"http-{uuid.uuid4().hex}"
    async with HTTPStore(f"{nginx.url}/plain-dav/{name}", webdav=True, retry=ONCE) as store:
        with pytest.raises(NotFoundError):
            await listed(store)
        await store.put("a/b/c", b"1")
        await store.copy("a/b/c", "d/e")
        await store.rename("a/b/c", "f/g/h")
        assert [meta.key for meta in await listed(store)] == ["d/e", "f/g/h"]
    shutil.rmtree(Path(nginx.dav_root, name))


async def test_no_collection_is_deleted_moved_or_replaced(nginx: NginxEndpoint, apache: ApacheEndpoint) -> None:
    for url, root in ((nginx.dav_url, nginx.dav_root), (apache.dav_url, apache.dav_root)):
        name = f"http-{uuid.uuid4().hex}"
        async with HTTPStore(url + name, webdav=True, retry=ONCE) as store:
            await store.put("folder/precious", b"1")
            await store.put("other", b"2")
            await store.delete("folder")
            await store.delete_many(["folder"])
            for call in (store.copy("folder", "copy"), store.rename("folder", "moved")):
                with pytest.raises(NotFoundError):
                    await call
            for call in (store.copy("other", "folder"), store.rename("other", "folder"), store.put("folder", b"")):
                with pytest.raises(InvalidKeyError):
                    await call
            assert [meta.key for meta in await listed(store)] == ["folder/precious", "other"]
        shutil.rmtree(Path(root, name))


@pytest.mark.parametrize("method", ["DELETE", "COPY", "MOVE"])
async def test_an_answer_that_lists_failures_is_no_success(nginx: NginxEndpoint, method: str) -> None:
    failed = b'<?xml version="1.0"?><multistatus xmlns="DAV:"><response><status>HTTP/1.1 423 Locked</status></response>'
    async with FaultProxy(nginx.url) as proxy:
        proxy.inject(Answer(status=207, body=failed + b"</multistatus>"), method=method, times=None)
        async with HTTPStore(f"{proxy.url}/dav/http-{uuid.uuid4().hex}", webdav=True, retry=ONCE) as store:
            await store.put("key", b"value")
            calls: dict[str, Callable[[], Awaitable[object]]] = {
                "DELETE": lambda: store.delete("key"),
                "COPY": lambda: store.copy("key", "other"),
                "MOVE": lambda: store.rename("key", "other"),
            }
            with pytest.raises(StoreError, match="could not do it"):
                await calls[method]()
            assert await store.get("key") == b"value"


async def test_a_server_without_webdav_says_so(nginx: NginxEndpoint, folder: str) -> None:
    async with HTTPStore(f"{nginx.url}/{folder}", webdav=True, retry=ONCE) as store:
        for call in (store.put("x", b""), store.delete("small.txt"), listed(store)):
            with pytest.raises(StoreError):
                await call
        assert await store.exists("small.txt")


async def test_create_only_is_a_best_effort_of_copies(nginx: NginxEndpoint) -> None:
    name = f"http-{uuid.uuid4().hex}"
    async with HTTPStore(nginx.dav_url + name, webdav=True) as store:
        await store.put("a", b"a")
        await store.put("b", b"b")
        for verb in (store.copy, store.rename):
            with pytest.raises(aiostore.AlreadyExistsError):
                await verb("a", "b", if_absent=True, best_effort=True)
        assert await store.get("b") == b"b"
        await store.rename("a", "c", if_absent=True, best_effort=True)
    shutil.rmtree(Path(nginx.dav_root, name))


# --- settings


@pytest.mark.parametrize(
    ("url", "options", "reason"),
    [
        ("ftp://host/", {}, "http:// or https://"),
        ("https://", {}, "and a host"),
        ("https://host", {"password": "x"}, "needs a username"),
        ("https://host", {"password": "x", "username": "y", "token": "z"}, "choose one"),
        ("https://host", {"headers": {"Range": "bytes=0-1"}}, "Range"),
    ],
)
def test_what_cannot_be_used_is_refused(url: str, options: dict[str, str], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        HTTPStore(url, **options)  # type: ignore[arg-type]  # the point of the test


def test_the_location_shows_no_credential() -> None:
    store = HTTPStore("https://someone:password1@host.example/data?signature=secret12", token="token123")
    assert store.location == "https://host.example/data"
    assert aiostore.connect("https://me:pw@host.example/data/x?sig=a").location == "https://host.example/data/x/"
