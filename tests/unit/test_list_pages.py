"""Listings page by page, and copies from a sibling container."""

from __future__ import annotations

import pytest

from aiostore import ConfigurationError, MemoryStore, Store, connect
from aiostore.capabilities import PartLimits
from aiostore.drivers.memory import MemoryDriver


async def test_pages_come_one_by_one_with_objects_and_common_prefixes() -> None:
    async with MemoryStore() as store:
        for key in ("a/1", "a/2", "b", "c/3", "d"):
            await store.put(key, b"")
        pages = [page async for page in store.list_pages(delimiter="/", limit=2)]
        assert [len(page.objects) + len(page.common_prefixes) for page in pages] == [2, 2]
        assert [meta.key for page in pages for meta in page.objects] == ["b", "d"]
        assert [prefix for page in pages for prefix in page.common_prefixes] == ["a/", "c/"]
        pages = [page async for page in store.list_pages("a/", start_after="a/1")]
        assert [[meta.key for meta in page.objects] for page in pages] == [["a/2"]]


def test_a_page_of_nothing_or_an_empty_delimiter_is_refused() -> None:
    for options in ({"limit": 0}, {"delimiter": ""}):
        with pytest.raises(ConfigurationError):
            MemoryStore().list_pages(**options)


@pytest.mark.parametrize("size", [3, 30])
@pytest.mark.parametrize("if_absent", [False, True])
async def test_a_copy_from_another_container_is_made_on_the_service(size: int, if_absent: bool) -> None:
    driver = MemoryDriver(parts=PartLimits(min_size=1, max_size=10), max_copy=10)
    async with Store(driver) as store:
        other = store.sibling("other")
        await other.create_container()
        await other.put("source", bytes(range(size)), metadata={"kept": "yes"})
        await store.copy("source", "target", source_container="other", if_absent=if_absent)
        assert await store.get("target") == bytes(range(size))
        assert (await store.head("target")).metadata == {"kept": "yes"}


async def test_memory_urls_name_the_same_objects() -> None:
    async with connect("memory://named-here") as store:
        await store.put("key", b"value")
    async with connect("memory://named-here/") as store:
        assert await store.get("key") == b"value"
        await store.delete("key")
