"""Transfers between stores: what is copied, what is left alone, what is deleted, and what becomes of failures."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiostore import (
    ConfigurationError,
    CorruptedError,
    Limits,
    LocalStore,
    MemoryStore,
    NotFoundError,
    Store,
    StoreError,
    transfer,
)
from aiostore.body import Buffers
from aiostore.drivers.memory import MemoryDriver
from aiostore.errors import PermissionDeniedError
from aiostore.testing import Fail, FaultyDriver
from aiostore.testing.faults import Hold
from aiostore.types import ListOptions, ListPage
from aiostore.wrappers.observe import Event
from tests.conformance.buckets import empty_bucket
from tests.servers.ceph import CephEndpoint

KEYS = st.sampled_from(["a", "a/b", "a.b", "b/c/d", "é", "\uff61", "\U0001f600", "z z"])


async def filled(objects: Mapping[str, bytes]) -> MemoryStore:
    store = MemoryStore()
    await store.put_many(list(objects.items()), stop_on_error=True)
    return store


async def contents(store: Store) -> dict[str, bytes]:
    return {result.key: result.unwrap() async for result in store.get_many(store.list())}


@given(
    mine=st.dictionaries(KEYS, st.binary(max_size=3)),
    theirs=st.dictionaries(KEYS, st.binary(max_size=3)),
    delete=st.booleans(),
)
def test_a_sync_makes_the_target_like_the_source(
    mine: dict[str, bytes], theirs: dict[str, bytes], delete: bool
) -> None:
    async def check() -> None:
        async with await filled(mine) as source, await filled(theirs) as target:
            planned = Counter(
                [action.kind async for action in transfer.plan(source, target, compare="checksum", delete=delete)]
            )
            dry = await transfer.sync(source, target, compare="checksum", delete=delete, dry_run=True)
            assert await contents(target) == theirs
            summary = await transfer.sync(source, target, compare="checksum", delete=delete)
            assert await contents(target) == (mine if delete else theirs | mine)
            counted = Counter(
                copy=summary.copied, replace=summary.replaced, skip=summary.skipped, delete=summary.deleted
            )
            assert counted == planned
            assert (dry.copied, dry.replaced, dry.deleted) == (summary.copied, summary.replaced, summary.deleted)
            again = await transfer.sync(source, target, compare="checksum", delete=delete)
            assert (again.copied, again.replaced, again.deleted, again.failed) == (0, 0, 0, 0)

    asyncio.run(check())


async def test_a_directory_goes_to_a_gateway_and_back(ceph: CephEndpoint, tmp_path: Path) -> None:
    root = tmp_path / "source"
    objects = {f"{number:02}/file é {number}.txt": os.urandom(1000 * number) for number in range(20)}
    for name, data in objects.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    async with empty_bucket(ceph, "ceph") as bucket:
        up = await transfer.copy(root, bucket, verify=True)
        assert (up.copied, up.failed, up.bytes) == (20, 0, sum(map(len, objects.values())))
        assert (await transfer.copy(root, bucket)).skipped == 20
        down = await transfer.copy(bucket, tmp_path / "made" / "target")
        assert down.copied == 20
        found = {str(path.relative_to(tmp_path / "made/target")): path for path in (tmp_path / "made").rglob("*.txt")}
        assert {name: path.read_bytes() for name, path in found.items()} == objects
        assert (await bucket.head("01/file é 1.txt")).content_type == "text/plain"


async def test_content_headers_and_metadata_go_along() -> None:
    async with MemoryStore() as source, MemoryStore() as target:
        await source.put("key", b"value" * 100, compress="gzip", metadata={"colour": "blue"}, cache_control="no-store")
        await transfer.copy(source, target)
        before, after = await source.head("key"), await target.head("key")
        assert (after.content_encoding, after.metadata, after.cache_control) == ("gzip", {"colour": "blue"}, "no-store")
        assert after.size == before.size
        assert await target.get("key") == b"value" * 100


async def test_what_is_stored_with_the_copies_can_be_chosen() -> None:
    async with MemoryStore() as source, MemoryStore() as target:
        await source.put("key.txt", b"value", metadata={"colour": "blue"}, cache_control="no-store")
        wanted = transfer.Headers(content_type="text/x-other", metadata={"shape": "round"})
        await transfer.copy(source, target, replace=wanted)
        after = await target.head("key.txt")
        assert (after.content_type, after.metadata, after.cache_control) == (
            "text/x-other", {"shape": "round"}, "no-store",
        )  # fmt: skip


async def test_nothing_is_replaced_if_it_must_be_absent() -> None:
    class Late(MemoryDriver):
        """Does not list what is there, as if it had been written since."""

        async def list_page(self, options: ListOptions) -> ListPage:
            page = await super().list_page(options)
            return ListPage(objects=[meta for meta in page.objects if meta.key != "late"])

    async with await filled({"a": b"new", "b": b"new", "late": b"new"}) as source, Store(Late()) as target:
        await target.put("a", b"old")
        await target.put("late", b"old")
        summary = await transfer.copy(source, target, compare="never", if_absent=True)
        assert (summary.copied, summary.replaced, summary.skipped, summary.failed) == (1, 0, 2, 0)
        assert [await target.get(key) for key in ("a", "b", "late")] == [b"old", b"new", b"old"]


@pytest.mark.parametrize(("encoding", "stored"), [("gzip", "gzip"), ("br", "br"), ("zstd", "zstd"), ("none", None)])
async def test_a_transfer_changes_the_encoding_on_the_way(encoding: str, stored: str | None) -> None:
    async with MemoryStore() as source, MemoryStore() as target:
        await source.put("key", b"value" * 1000, compress="gzip")
        await source.put("plain", b"value" * 1000)
        summary = await transfer.copy(source, target, reencode=encoding)
        assert summary.copied == 2
        assert [(await target.head(key)).content_encoding for key in ("key", "plain")] == [stored, stored]
        assert await contents(target) == {"key": b"value" * 1000, "plain": b"value" * 1000}
        assert (await transfer.copy(source, target, reencode=encoding)).skipped == 2


async def test_containers_of_one_service_are_copied_there(ceph: CephEndpoint) -> None:
    async with empty_bucket(ceph, "ceph") as bucket:
        events: list[Event] = []
        watched = Store(bucket._raw, prefix="one/", observers=[events.append])
        await bucket.put("one/a", b"1")
        await bucket.put("one/b", b"2")
        summary = await transfer.copy(watched, bucket.with_prefix("two/"))
        assert summary.copied == 2
        assert await contents(bucket.with_prefix("two/")) == {"a": b"1", "b": b"2"}
        assert "get" not in {event.operation for event in events}


async def test_equal_size_and_a_newer_target_are_skipped() -> None:
    source = await filled({"old": b"1", "new": b"1", "long": b"1"})
    target = await filled({"old": b"2", "new": b"2", "long": b"22"})
    async with source, target:
        await source.put("new", b"3")
        kinds = {action.key: action.kind async for action in transfer.plan(source, target)}
        assert kinds == {"old": "skip", "new": "replace", "long": "replace"}
        by_size = {action.key: action.kind async for action in transfer.plan(source, target, compare="size")}
        assert by_size == {"old": "skip", "new": "skip", "long": "replace"}
        assert await transfer.copy(source, target, compare="never", dry_run=True) == transfer.Summary(
            replaced=3, bytes=3, dry_run=True
        )


async def test_a_plan_can_be_looked_at_and_carried_out_later() -> None:
    source = await filled({"a": b"1", "b": b"2", "c": b"3"})
    target = await filled({"c": b"3", "d": b"4", "e": b"5"})
    async with source, target:
        actions = [action async for action in transfer.plan(source, target, compare="size", delete=True)]
        wanted = [action for action in actions if action.key not in {"b", "e"}]
        summary = await transfer.execute(wanted, source, target)
        assert (summary.copied, summary.skipped, summary.deleted, summary.failed) == (1, 1, 1, 0)
        assert await contents(target) == {"a": b"1", "c": b"3", "e": b"5"}
        await transfer.execute(transfer.plan(source, target, compare="size", delete=True), source, target)
        assert await contents(target) == {"a": b"1", "b": b"2", "c": b"3"}


async def test_what_failed_by_a_plan_keeps_what_was_to_be_deleted() -> None:
    async with await filled({"a": b"1"}) as source, await filled({"b": b"2"}) as target:
        actions = [action async for action in transfer.plan(source, target, delete=True)]
        await source.delete("a")
        summary = await transfer.execute(actions, source, target)
        assert (summary.copied, summary.failed, summary.deleted, summary.kept) == (0, 1, 0, 1)
        assert await contents(target) == {"b": b"2"}


async def test_what_is_decoded_to_be_encoded_anew_is_bounded() -> None:
    async with MemoryStore(limits=Limits(max_decompressed_size=1000)) as source, MemoryStore() as target:
        await source.put("bomb", bytes(100_000), compress="gzip")
        summary = await transfer.copy(source, target, reencode="zstd")
        assert summary.failed == 1
        assert "more than 1000 bytes" in str(summary.failures[0].error)
        assert await contents(target) == {}


async def test_patterns_choose_keys_on_both_sides() -> None:
    source = await filled({"a.txt": b"", "b/c.txt": b"", "b/d.jpg": b""})
    target = await filled({"old.txt": b"", "old.jpg": b""})
    async with source, target:
        await transfer.sync(source, target, include=["*.txt"], exclude=["b/*"], delete=True)
        assert set(await contents(target)) == {"a.txt", "old.jpg"}
        with pytest.raises(TypeError, match=r"\['\*'\]"):
            await transfer.copy(source, target, include="*")


async def test_nothing_is_deleted_if_anything_could_not_be_copied() -> None:
    driver = MemoryDriver()
    refused = Fail("put", error=PermissionDeniedError("read only"), calls={1})
    async with await filled({"a": b"1", "b": b"2"}) as source, Store(driver) as direct:
        await direct.put("extra", b"")
        async with Store(FaultyDriver(driver, [refused])) as target:
            summary = await transfer.sync(source, target, delete=True, concurrency=1)
        assert (summary.copied, summary.failed, summary.deleted) == (1, 1, 0)
        assert [type(failure.error) for failure in summary.failures] == [PermissionDeniedError]
        assert set(await contents(direct)) == {"extra", *({"a", "b"} - {summary.failures[0].key})}


async def test_a_listing_out_of_order_ends_before_anything_is_deleted() -> None:
    class Disorderly(MemoryDriver):
        async def list_page(self, options: ListOptions) -> ListPage:
            page = await super().list_page(options)
            return ListPage(objects=page.objects[::-1], next_token=page.next_token)

    driver = Disorderly()
    async with await filled({"x": b""}) as target, Store(driver) as source:
        await source.put("a", b"")
        await source.put("b", b"")
        with pytest.raises(StoreError, match="not in order"):
            await transfer.sync(source, target, delete=True)
        assert await target.exists("x")


@pytest.mark.parametrize("delete", [False, True])
async def test_both_ends_are_listed_once(delete: bool) -> None:
    source, target = FaultyDriver(MemoryDriver(page_size=10)), FaultyDriver(MemoryDriver(page_size=10))
    async with Store(source) as first, Store(target) as second:
        await first.put_many([(f"{number:03}", b"") for number in range(100)])
        await second.put_many([(f"{number:03}", b"") for number in range(50, 150)])
        summary = await transfer.sync(first, second, compare="size", delete=delete)
        assert (summary.copied, summary.skipped, summary.deleted) == (50, 50, 50 if delete else 0)
    # Ten pages each, and a look whether the container is there.
    assert source.count("list_page") == 11
    assert target.count("list_page") == 11


@pytest.mark.parametrize("compare", ["checksum", "bytes"])
async def test_comparisons_that_take_requests_are_made_at_once_and_planned_in_order(
    compare: transfer.Compare,
) -> None:
    asked = Hold(primitive="head", calls=range(1, 20))
    objects = {f"{number}": b"%d" % number for number in range(9)}
    driver = MemoryDriver()
    async with Store(driver) as direct, await filled({**objects, "3": b"x", "9": b"gone"}) as target:
        await direct.put_many(list(objects.items()))
        faulty = FaultyDriver(driver, [asked])

        async def planned() -> list[tuple[str, str]]:
            found = transfer.plan(Store(faulty), target, compare=compare, delete=True)
            return [(action.key, action.kind) async for action in found]

        planning = asyncio.create_task(planned())
        while faulty.count("head") < 9:
            await asyncio.sleep(0)
        asked.released.set()
        kinds = {"3": "replace", "9": "delete"}
        assert await planning == [(f"{number}", kinds.get(f"{number}", "skip")) for number in range(10)]


async def test_a_service_without_an_order_is_sorted_first() -> None:
    class Utf16(MemoryDriver):
        @property
        def capabilities(self):  # type: ignore[no-untyped-def]  # as the base class has it
            return replace(super().capabilities, ordered_listing=False)

        async def list_page(self, options: ListOptions) -> ListPage:
            page = await super().list_page(options)
            return ListPage(objects=page.objects[::-1], next_token=page.next_token)

    objects = {key: key.encode() for key in ("a", "b", "é", "\uff61", "\U0001f600")}
    async with Store(Utf16()) as source, await filled({"b": b"x", "c": b"x"}) as target:
        await source.put_many(list(objects.items()))
        await transfer.sync(source, target, delete=True, compare="checksum")
        assert await contents(target) == objects


async def test_places_within_each_other_are_refused(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    async with MemoryStore() as store:
        for source, target in (
            (store, store.with_prefix("copy/")),
            (store.with_prefix("a/"), store),
            (store, store),
            (tmp_path, tmp_path / "inner"),
            (tmp_path / "inner", str(tmp_path)),
        ):
            with pytest.raises(ConfigurationError, match="apart"):
                await transfer.copy(source, target)


async def test_a_missing_source_is_said_and_makes_no_target(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        await transfer.copy(tmp_path / "missing", tmp_path / "target")
    assert [*tmp_path.iterdir()] == []


async def test_wrong_options_are_said_before_anything_happens() -> None:
    async with await filled({"a": b""}) as source, MemoryStore() as target:
        with pytest.raises(ConfigurationError, match="compare='date'"):
            await transfer.copy(source, target, compare="date")  # type: ignore[arg-type]
        with pytest.raises(ConfigurationError, match="unknown compression 'rar'"):
            await transfer.copy(source, target, reencode="rar")
        assert await contents(target) == {}


async def test_what_arrives_otherwise_is_found_out() -> None:
    class Forgetful(MemoryDriver):
        """Keeps other bytes than it was sent, and no checksum that would tell."""

        async def put(self, key, body, options):  # type: ignore[no-untyped-def]  # as the base class has it
            return await super().put(key, Buffers((b"wrong",), 5), options)

    async with await filled({"a": b"right"}) as source, Store(Forgetful(), integrity="off") as target:
        summary = await transfer.copy(source, target, verify=True)
        assert [type(failure.error) for failure in summary.failures] == [CorruptedError]


async def test_one_object_can_be_copied_by_itself(tmp_path: Path) -> None:
    async with await filled({"a": b"value"}) as source, LocalStore(tmp_path) as target:
        await transfer.copy_object(source, "a", target, "b")
        assert (tmp_path / "b").read_bytes() == b"value"
        with pytest.raises(FileExistsError):
            await transfer.copy_object(source, "a", target, "b", if_absent=True)


async def test_progress_is_told_in_bytes() -> None:
    seen: list[tuple[int, int | None]] = []
    async with await filled({"a": b"123", "b": b"45"}) as source, MemoryStore() as target:
        await transfer.copy(source, target, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (5, None)


MILLION = """
import asyncio, resource
from aiostore import Store, transfer
from aiostore.body import Buffers
from aiostore.drivers.memory import MemoryDriver
from aiostore.types import ListPage, object_meta

COUNT = 1_000_000

class Generated(MemoryDriver):
    def __init__(self, step):
        super().__init__()
        self.step = step

    async def list_page(self, options):
        begin = int(options.page_token or 0)
        end = min(begin + 1000 * self.step, COUNT)
        objects = [object_meta(f"{number:07}", 1) for number in range(begin, end, self.step)]
        return ListPage(objects=objects, next_token=None if end == COUNT else str(end))

async def main():
    async with Store(Generated(1)) as source, Store(Generated(2)) as target:
        async for action in transfer.plan(source, target, compare="size"):
            break
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        summary = await transfer.sync(source, target, compare="size", delete=True, dry_run=True)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(summary.copied, summary.skipped, grown)

asyncio.run(main())
"""


def test_a_million_keys_are_merged_in_constant_memory() -> None:
    result = subprocess.run([sys.executable, "-c", MILLION], capture_output=True, text=True, check=True, timeout=600)
    copied, skipped, grown = map(int, result.stdout.split())
    assert (copied, skipped) == (500_000, 500_000)
    assert grown < 32 * 1024, f"{grown} KiB"
