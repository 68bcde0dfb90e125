"""The OSS driver beside Alibaba's own SDK on the same buckets, and what is OSS's alone."""

from __future__ import annotations

import pickle
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import oss2
import pytest
from oss2.models import BucketVersioningConfig
from yarl import URL

from aiostore import (
    AlreadyExistsError,
    ConfigurationError,
    NotFoundError,
    NotSupportedError,
    OSSStore,
    PermissionDeniedError,
    UnauthenticatedError,
    connect,
)
from aiostore.errors import StoreError
from tests.servers.oss import OSSEndpoint
from tests.unit.raw_http import Request, serve

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def sdk(oss: OSSEndpoint, name: str) -> oss2.Bucket:
    auth = oss2.AuthV4(oss.access_key_id, oss.access_key_secret)
    bucket = oss2.Bucket(auth, oss.url, name, region=oss.region)
    bucket.create_bucket()
    return bucket


@asynccontextmanager
async def bucket_on(oss: OSSEndpoint, **options: Any) -> AsyncIterator[tuple[OSSStore, oss2.Bucket]]:
    """A new bucket, in our client and in Alibaba's. The server forgets it when it ends."""
    name = f"test-{secrets.token_hex(8)}"
    settings: dict[str, Any] = {
        "endpoint": oss.url,
        "region": oss.region,
        "access_key_id": oss.access_key_id,
        "access_key_secret": oss.access_key_secret,
    }
    bucket = sdk(oss, name)
    async with OSSStore(name, **(settings | options)) as store:
        yield store, bucket


async def test_the_sdk_reads_what_we_write(oss: OSSEndpoint) -> None:
    async with bucket_on(oss) as (store, bucket):
        options: dict[str, Any] = {"metadata": {"color": "blue"}, "tags": {"a": "b c"}, "cache_control": "no-store"}
        result = await store.put("a b/ü+%", b"hello" * 1000, content_type="text/plain", **options)
        found = bucket.get_object("a b/ü+%")
        assert found.read() == b"hello" * 1000
        assert (found.headers["x-oss-meta-color"], found.headers["Cache-Control"]) == ("blue", "no-store")
        assert result.checksums["crc64"] == f"{found.server_crc:016x}"
        assert bucket.get_object_tagging("a b/ü+%").tag_set.tagging_rule == {"a": "b c"}
        await store.put("big", bytes(300_000), part_size=100 * 1024, acl="public-read")
        assert bucket.get_object("big").read() == bytes(300_000)
        assert bucket.get_object_acl("big").acl == "public-read"


async def test_we_read_what_the_sdk_writes(oss: OSSEndpoint) -> None:
    async with bucket_on(oss) as (store, bucket):
        bucket.put_object("a b/ü+%", b"hello", headers={"x-oss-meta-Color": "blue", "x-oss-tagging": "a=b"})
        bucket.append_object("log", 0, b"one")
        meta = await store.head("a b/ü+%")
        assert (meta.metadata, meta.size, meta.storage_class) == ({"color": "blue"}, 5, "Standard")
        assert await store.get("a b/ü+%") == b"hello"
        assert await store.get_tags("a b/ü+%") == {"a": "b"}
        assert [one.key async for one in store.list()] == ["a b/ü+%", "log"]
        async with store.open("log", "ab") as file:
            await file.write(b"two")
        assert bucket.head_object("log").object_type == "Appendable"
        assert bucket.get_object("log").read() == b"onetwo"


@pytest.mark.parametrize("version", ["v1", "v4"])
async def test_each_signature_serves_every_kind_of_request(oss: OSSEndpoint, version: str) -> None:
    async with bucket_on(oss, signature_version=version) as (store, _):
        await store.put("a b/ü+%", b"hello", tags={"a": "b"})
        await store.set_tags("a b/ü+%", {"c": "d"})
        await store.copy("a b/ü+%", "copy")
        assert [meta.key async for meta in store.list("a b", start_after="a")] == ["a b/ü+%"]
        assert [one.error async for one in store.delete_many(["copy"])] == [None]
        url = await store.sign("a b/ü+%", params={"response-content-type": "text/css"})
        form = await store.sign_post("up/key", max_size=10)
        async with aiohttp.ClientSession() as session:
            async with session.get(URL(url, encoded=True)) as answer:
                assert (await answer.read(), answer.headers["Content-Type"]) == (b"hello", "text/css")
            for data, status in ((b"too long for it", 400), (b"short", 204)):
                sent = aiohttp.FormData(form.fields)
                sent.add_field("file", data, filename="x")
                async with session.post(form.url, data=sent) as answer:
                    assert answer.status == status
        assert await store.get("up/key") == b"short"


@pytest.mark.parametrize("version", ["v1", "v4"])
async def test_temporary_keys_are_asked_for_again_when_they_are_refused(oss: OSSEndpoint, version: str) -> None:
    tokens = ["CAISexpired0123456789", oss.security_token]

    def credentials() -> dict[str, str]:
        keys = {"access_key_id": oss.temporary_key_id, "access_key_secret": oss.temporary_key_secret}
        return {**keys, "security_token": tokens.pop(0)}

    options = {"access_key_id": None, "access_key_secret": None, "credentials": credentials}
    async with bucket_on(oss, signature_version=version, **options) as (store, _):
        await store.put("key", b"value")
        async with aiohttp.ClientSession() as session, session.get(await store.sign("key")) as answer:
            assert await answer.read() == b"value"


@pytest.mark.parametrize("host", ["oss-cn-hangzhou", "oss-cn-hangzhou-internal", "oss-accelerate"])
async def test_the_bucket_is_part_of_the_host_name(oss: OSSEndpoint, host: str) -> None:
    options = {"endpoint": f"http://{host}.aliyuncs.com", "client_options": {"proxy": oss.url}}
    async with bucket_on(oss, **options) as (store, bucket):
        await store.put("a/b", b"value")
        assert bucket.get_object("a/b").read() == b"value"


async def test_keys_and_endpoint_come_from_the_environment(oss: OSSEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSS_ENDPOINT", oss.url)
    monkeypatch.setenv("OSS_REGION", oss.region)
    monkeypatch.setenv("OSS_ACCESS_KEY_ID", oss.temporary_key_id)
    monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", oss.temporary_key_secret)
    monkeypatch.setenv("OSS_SESSION_TOKEN", oss.security_token)
    bucket = sdk(oss, f"test-{secrets.token_hex(8)}")
    async with connect(f"oss://{bucket.bucket_name}/prefix/") as store:
        await store.put("key", b"value")
        async with pickle.loads(pickle.dumps(store)) as again:
            assert await again.get("key") == b"value"
    assert bucket.get_object("prefix/key").read() == b"value"


async def test_headers_for_every_request_are_signed_where_oss_wants_it(oss: OSSEndpoint) -> None:
    headers = {"X-OSS-Request-Payer": "requester", "X-Other": "value"}
    async with bucket_on(oss, client_options={"headers": headers}) as (store, _):
        await store.put("key", b"value")
        assert await store.get("key") == b"value"


async def test_everybody_reads_what_is_public(oss: OSSEndpoint) -> None:
    async with bucket_on(oss) as (store, bucket):
        await store.put("open", b"value", acl="public-read")
        await store.put("closed", b"value")
        async with OSSStore(bucket.bucket_name, endpoint=oss.url, skip_signature=True) as anyone:
            assert await anyone.get("open") == b"value"
            with pytest.raises(PermissionDeniedError):
                await anyone.get("closed")


async def test_create_only_is_refused_where_versions_are_kept(oss: OSSEndpoint) -> None:
    async with bucket_on(oss) as (store, bucket):
        await store.put("key", b"first", if_absent=True)
        with pytest.raises(AlreadyExistsError):
            await store.put("key", b"second", if_absent=True)
        bucket.put_bucket_versioning(BucketVersioningConfig("Enabled"))
        with pytest.raises(NotSupportedError, match="versions"):
            await store.put("key", b"third", if_absent=True)
        assert await store.get("key") == b"first"
        await store.delete("key")
        await store.restore("key")
        assert await store.get("key") == b"first"


async def test_an_archived_object_is_restored_before_it_is_read(oss: OSSEndpoint) -> None:
    async with bucket_on(oss) as (store, _):
        await store.put("key", b"value", storage_class="Archive")
        with pytest.raises(PermissionDeniedError, match="restore"):
            await store.get("key")
        await store.restore("key", days=1)
        assert 'ongoing-request="true"' in (await store.head("key")).extra["x-oss-restore"]
        assert await store.get("key") == b"value"


async def test_a_restoration_that_is_under_way_is_not_asked_for_in_vain(oss: OSSEndpoint) -> None:
    async with bucket_on(oss) as (store, _):
        await store.put("key", b"value", storage_class="Archive")
        await store.restore("key", days=1)
        await store.restore("key", days=1)


async def test_a_callback_that_failed_is_no_success() -> None:
    said = b"<Error><Code>CallbackFailed</Code><Message>Response body is not valid json format.</Message></Error>"

    async def respond(request: Request) -> None:
        await request.body()
        request.send(b"HTTP/1.1 203 Non-Authoritative\r\nContent-Length: %d\r\n\r\n%b" % (len(said), said))

    options: dict[str, Any] = {"region": "cn-hangzhou", "skip_signature": True}
    async with serve(respond) as server, OSSStore("bucket", endpoint=server.url, **options) as store:
        with pytest.raises(StoreError, match="is written, but"):
            await store.put("key", b"value", headers={"x-oss-callback": "e30="})
        assert len(server.requests) == 1


async def test_a_symbolic_link_is_read_as_what_it_points_to(oss: OSSEndpoint) -> None:
    async with bucket_on(oss) as (store, bucket):
        await store.put("target", b"value", metadata={"color": "blue"})
        bucket.put_symlink("target", "link")
        assert await store.get("link") == b"value"
        assert [chunk async for chunk in store.stream("link", start=1)] == [b"alue"]
        assert (await store.head("link")).size == 5
        assert [meta.key async for meta in store.list()] == ["link", "target"]
        await store.delete("link")
        assert await store.get("target") == b"value"
        bucket.put_symlink("nothing", "link")
        with pytest.raises(NotFoundError, match="symbolic link"):
            await store.get("link")


async def test_wrong_keys_are_said_to_be_wrong_and_not_shown(oss: OSSEndpoint) -> None:
    async with bucket_on(oss, access_key_secret="WrongSecret0123456789") as (store, _):
        with pytest.raises(UnauthenticatedError, match="access_key_secret") as caught:
            await store.get("key")
        assert "WrongSecret0123456789" not in f"{caught.value!r}{store!r}"


@pytest.mark.parametrize("version", ["v1", "v4"])
async def test_a_bucket_is_found_in_another_region(oss: OSSEndpoint, version: str) -> None:
    options = {"endpoint": "http://oss-cn-beijing.aliyuncs.com", "client_options": {"proxy": oss.url}, "region": None}
    async with bucket_on(oss, signature_version=version, **options) as (store, bucket):
        assert not await store.exists("key")
        await store.put("key", b"value")
        assert bucket.get_object("key").read() == b"value"
        signed = await store.sign("key")
        assert signed.startswith(f"http://{bucket.bucket_name}.oss-cn-hangzhou.aliyuncs.com/key?")
        assert await store.sibling(bucket.bucket_name).get("key") == b"value"


async def test_a_signature_for_another_region_than_the_endpoints_is_made_anew(oss: OSSEndpoint) -> None:
    endpoint = "http://oss-cn-hangzhou-internal.aliyuncs.com"
    options = {"endpoint": endpoint, "client_options": {"proxy": oss.url}, "region": "cn-beijing"}
    async with bucket_on(oss, **options) as (store, bucket):
        await store.put("key", b"value")
        assert bucket.get_object("key").read() == b"value"


async def test_a_region_that_nothing_tells_is_a_matter_of_configuration(oss: OSSEndpoint) -> None:
    async with bucket_on(oss, region="cn-beijing") as (store, _):
        with pytest.raises(ConfigurationError, match="region"):
            await store.get("key")


async def test_internal_endpoints_of_other_regions_are_not_tried(oss: OSSEndpoint) -> None:
    endpoint = "http://oss-cn-beijing-internal.aliyuncs.com"
    async with bucket_on(oss, endpoint=endpoint, client_options={"proxy": oss.url}, region=None) as (store, _):
        with pytest.raises(ConfigurationError, match=r"oss-cn-hangzhou\.aliyuncs\.com"):
            await store.get("key")


@pytest.mark.parametrize(
    "home",
    [
        "oss-cn-hangzhou.example.com",
        "oss-cn-hangzhou.aliyuncs.com.example.com",
        "example.com/oss-cn-hangzhou.aliyuncs.com",
        "user@oss-cn-hangzhou.aliyuncs.com",
        "oss-cn-hangzhou.aliyuncs.com:8080",
        "oss-cn-hangzhou.aliyuncs.com\n",
    ],
)
async def test_signatures_go_to_no_host_that_an_answer_names(home: str) -> None:
    said = f"<Error><Code>AccessDenied</Code><Message>Elsewhere.</Message><Endpoint>{home}</Endpoint></Error>".encode()

    async def respond(request: Request) -> None:
        await request.body()
        request.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n%b" % (len(said), said))

    options: dict[str, Any] = {"access_key_id": "LTAI5tExample", "access_key_secret": "ExampleSecret0123"}
    async with serve(respond) as server:
        proxy = {"proxy": server.url}
        endpoint = "http://oss-cn-beijing.aliyuncs.com"
        async with OSSStore("bucket", endpoint=endpoint, client_options=proxy, **options) as store:
            with pytest.raises((ConfigurationError, PermissionDeniedError)):
                await store.get("key")
        assert {dict(request.headers)["Host"] for request in server.requests} == {"bucket.oss-cn-beijing.aliyuncs.com"}


@pytest.mark.parametrize(
    "options",
    [
        {"region": "cn-hangzhou", "access_key_id": "id"},
        {"region": "cn-hangzhou", "access_key_id": "id", "access_key_secret": "s", "skip_signature": True},
        {"region": "cn-hangzhou", "internal": True, "accelerate": True},
        {"endpoint": "https://custom.example"},
        {"endpoint": "https://oss-cn-hangzhou.aliyuncs.com", "internal": True},
        {"endpoint": "ftp://oss-cn-hangzhou.aliyuncs.com"},
        {},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        OSSStore("bucket", **options)
