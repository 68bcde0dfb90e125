"""Temporary URLs and forms, used as strangers use them, against the services that they are for."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Mapping
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from yarl import URL

from aiostore import ConfigurationError, NotSupportedError, SignedPost, Store
from tests.drivers.test_swift import make_store
from tests.servers.ceph import CephEndpoint
from tests.servers.swift import SwiftEndpoint
from tests.servers.swift_account import TEMP_URL_KEY


@pytest.fixture
async def swift(swift_s3: SwiftEndpoint) -> AsyncIterator[Store]:
    async with make_store(swift_s3, f"forms-{secrets.token_hex(8)}", temp_url_key=TEMP_URL_KEY) as store:
        await store.create_container()
        yield store
        await store.delete_container(force=True)


async def submit(
    form: SignedPost,
    *files: bytes,
    name: str = "a b.txt",
    changed: Mapping[str, str] | None = None,
    url: str | None = None,
) -> tuple[int, str]:
    """Send the form as a browser does, the files last; the status, and where the browser is sent then."""
    data = aiohttp.FormData(quote_fields=False)
    for field, value in {**form.fields, **(changed or {})}.items():
        data.add_field(field, value)
    for number, file in enumerate(files):
        data.add_field(f"file{number}", file, filename=name, content_type="text/x-test")
    async with (
        aiohttp.ClientSession() as session,
        session.post(URL(url or form.url, encoded=True), data=data, allow_redirects=False) as response,
    ):
        await response.read()
        return response.status, response.headers.get("Location", "")


async def test_a_form_uploads_a_file_under_its_own_name(swift: Store) -> None:
    form = await swift.sign_post("in/é ${filename}", max_size=10)
    assert await submit(form, b"0123456789") == (201, "")
    assert await swift.get("in/é a b.txt") == b"0123456789"
    assert (await swift.head("in/é a b.txt")).content_type == "text/x-test"
    assert TEMP_URL_KEY not in repr(form) + str(form.fields) + form.url


async def test_a_form_of_a_prefix_uploads_below_it(swift: Store) -> None:
    form = await swift.with_prefix("below/").sign_post("${filename}", max_size=10)
    assert (await submit(form, b"value"))[0] == 201
    assert await swift.get("below/a b.txt") == b"value"
    form = await swift.sign_post("${filename}")
    assert (await submit(form, b"value"))[0] == 201
    assert await swift.get("a b.txt") == b"value"


async def test_a_form_takes_one_file_of_no_more_than_its_size(swift: Store) -> None:
    form = await swift.sign_post("in/${filename}", max_size=10)
    assert (await submit(form, b"0123456789x"))[0] == 400
    assert [meta.key async for meta in swift.list()] == []
    assert (await submit(form, b"one", b"two"))[0] == 400
    assert await swift.get("in/a b.txt") == b"one"


async def test_a_form_that_was_changed_is_refused(swift: Store) -> None:
    form = await swift.sign_post("in/${filename}", max_size=10)
    later = str(int(time.time()) + 7200)
    for changed in ({"max_file_size": "100"}, {"max_file_count": "9"}, {"expires": later}, {"signature": "0" * 40}):
        assert (await submit(form, b"value", changed=changed))[0] == 401
    assert (await submit(form, b"value", url=form.url.replace("in/", "elsewhere/")))[0] == 401
    assert [meta.key async for meta in swift.list()] == []


async def test_a_form_ends(swift: Store) -> None:
    form = await swift.sign_post("in/${filename}", expires_in=0.001)
    assert int(form.fields["expires"]) < time.time()
    assert (await submit(form, b"value"))[0] == 401
    assert not await swift.exists("in/a b.txt")


async def test_a_form_sends_the_browser_on_and_lets_the_file_expire(swift: Store) -> None:
    fields = {"redirect": "https://example.com/done?x=1", "x_delete_after": "10000"}
    form = await swift.sign_post("in/${filename}", fields=fields)
    status, location = await submit(form, b"value")
    assert (status, parse_qs(urlsplit(location).query)["status"]) == (303, ["201"])
    expiry = (await swift.head("in/a b.txt")).extra["x-delete-at"]
    assert abs(int(expiry) - time.time() - 10_000) < 60
    assert (await submit(form, b"value", changed={"redirect": "https://elsewhere.example"}))[0] == 401


async def test_what_no_form_of_swift_can_demand_is_refused(swift: Store) -> None:
    for key in ("key", "${filename}.txt", "${filename}/${filename}"):
        with pytest.raises(NotSupportedError, match="end it in"):
            await swift.sign_post(key)
    with pytest.raises(NotSupportedError, match="from above"):
        await swift.sign_post("${filename}", min_size=1)
    with pytest.raises(NotSupportedError, match="from above"):
        await swift.sign_post("${filename}", content_type="image/")
    with pytest.raises(NotSupportedError, match="no field 'acl'"):
        await swift.sign_post("${filename}", fields={"acl": "public"})
    with pytest.raises(ConfigurationError, match="ends with a dash"):
        await swift.sign_post("${filename}", fields={"redirect": "https://example.com/a-"})
    async with swift.sibling("any") as sibling:
        assert "sign_post" in sibling.capabilities.operations


async def test_without_a_key_there_are_no_forms(swift_s3: SwiftEndpoint) -> None:
    async with make_store(swift_s3, "any") as store:
        assert not {"sign", "sign_post"} & store.capabilities.operations
        with pytest.raises(NotSupportedError):
            await store.sign_post("${filename}")


async def test_there_are_no_forms_on_a_ceph_gateway(ceph: CephEndpoint) -> None:
    async with make_store(ceph, "any", temp_url_key=TEMP_URL_KEY) as store:
        assert "sign" in store.capabilities.operations
        with pytest.raises(NotSupportedError):
            await store.sign_post("${filename}")


# --- temporary URLs ---------------------------------------------------------------------------------------------------


async def get(url: str) -> tuple[int, bytes]:
    async with aiohttp.ClientSession() as session, session.get(URL(url, encoded=True)) as response:
        return response.status, await response.read()


@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha512"])
async def test_a_url_is_signed_with_each_digest(swift_s3: SwiftEndpoint, swift: Store, digest: str) -> None:
    await swift.put("key", b"value")
    name = swift.location.removeprefix("swift://")
    async with make_store(swift_s3, name, temp_url_key=TEMP_URL_KEY, temp_url_digest=digest) as store:
        assert await get(await store.sign("key")) == (200, b"value")
        form = await store.sign_post("${filename}")
        assert (await submit(form, b"value"))[0] == 201
    async with make_store(swift_s3, name, temp_url_key="another", temp_url_digest=digest) as store:
        assert (await get(await store.sign("key")))[0] == 401


async def test_a_url_of_a_prefix_is_good_for_all_keys_that_begin_so(swift: Store) -> None:
    for key in ("in/é/a", "in/é/b", "in/e"):
        await swift.put(key, key.encode())
    url = await swift.sign("in/é/a", params={"temp_url_prefix": "in/é/"})
    assert await get(url) == (200, "in/é/a".encode())
    assert await get(url.replace("/a?", "/b?")) == (200, "in/é/b".encode())
    assert (await get(url.replace("/%C3%A9/a?", "/e?")))[0] == 401
    with pytest.raises(ConfigurationError, match="temp_url_prefix"):
        await swift.sign("in/e", params={"temp_url_prefix": "in/é/"})


async def test_a_url_is_good_for_the_addresses_that_it_names(swift: Store) -> None:
    await swift.put("key", b"value")
    for addresses, status in (("127.0.0.0/8", 200), ("10.0.0.1", 401)):
        assert (await get(await swift.sign("key", params={"temp_url_ip_range": addresses})))[0] == status
