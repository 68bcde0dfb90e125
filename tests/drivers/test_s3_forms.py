from __future__ import annotations

from collections.abc import Mapping

import aiohttp
import pytest

from aiostore import ConfigurationError, MemoryStore, NotSupportedError, SignedPost, Store
from aiostore.drivers.s3 import S3Driver


async def submit(form: SignedPost, file: bytes, changed: Mapping[str, str] | None = None) -> int:
    """Send the form as a browser does, the file last."""
    data = aiohttp.FormData()
    for name, value in {**form.fields, **(changed or {})}.items():
        data.add_field(name, value)
    data.add_field("file", file, filename="f.bin")
    async with aiohttp.ClientSession() as session, session.post(form.url, data=data) as response:
        await response.read()
        return response.status


async def test_a_form_uploads_a_file_of_the_size_that_it_allows(on_ceph: S3Driver) -> None:
    store = Store(on_ceph, prefix="in/")
    form = await store.sign_post("a.png", min_size=2, max_size=10, content_type="image/png")
    assert await submit(form, b"123456") == 204
    assert await store.get("a.png") == b"123456"
    assert (await store.head("a.png")).content_type == "image/png"


@pytest.mark.parametrize(("file", "why"), [(b"1", "EntityTooSmall"), (b"12345678901", "EntityTooLarge")])
async def test_a_file_of_another_size_is_refused(on_ceph: S3Driver, file: bytes, why: str) -> None:
    store = Store(on_ceph)
    form = await store.sign_post("a", min_size=2, max_size=10)
    assert await submit(form, file) == 400, why
    assert not await store.exists("a")


async def test_a_form_that_was_changed_is_refused(on_ceph: S3Driver) -> None:
    store = Store(on_ceph)
    form = await store.sign_post("a", content_type="image/")
    assert await submit(form, b"x", {"Content-Type": "text/html"}) == 403
    assert await submit(form, b"x", {"key": "b", "Content-Type": "image/png"}) == 403
    assert await submit(form, b"x", {"Content-Type": "image/png"}) == 204
    assert [meta.key async for meta in store.list()] == ["a"]


async def test_a_form_for_sizes_that_no_file_has_is_refused() -> None:
    async with MemoryStore() as store:
        with pytest.raises(ConfigurationError, match="min_size=5"):
            await store.sign_post("a", min_size=5, max_size=2)
        with pytest.raises(NotSupportedError, match="sign_post"):
            await store.sign_post("a")


async def test_whether_a_container_exists_is_told(on_ceph: S3Driver) -> None:
    async with Store(on_ceph) as store:
        assert await store.container_exists()
        assert not await store.sibling("no-such-bucket-anywhere").container_exists()
