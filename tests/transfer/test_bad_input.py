"""Transfers that cannot be carried out, or only in part: a clear error, a truthful summary, and nothing lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aiostore import ConfigurationError, LocalStore, MemoryStore, Store, transfer
from aiostore.drivers.memory import MemoryDriver
from aiostore.errors import InvalidKeyError, NotFoundError, PermissionDeniedError, StoreError
from aiostore.testing import Fail, FaultyDriver
from tests.transfer.test_transfer import contents, filled


async def test_a_target_inside_the_source_is_refused_also_by_another_name(tmp_path: Path) -> None:
    (tmp_path / "source" / "inner").mkdir(parents=True)
    (tmp_path / "source" / "file").write_bytes(b"value")
    (tmp_path / "link").symlink_to(tmp_path / "source" / "inner")
    for target in (tmp_path / "link", tmp_path / "source" / ".." / "source" / "inner", tmp_path / "source"):
        with pytest.raises(ConfigurationError, match="apart"):
            await transfer.sync(tmp_path / "source", target, delete=True)
    assert sorted(os.listdir(tmp_path / "source")) == ["file", "inner"]


async def test_a_missing_bucket_is_told_whichever_end_it_is(tmp_path: Path) -> None:
    async with await filled({"a": b"1"}) as store:
        missing = store.sibling("missing")
        with pytest.raises(NotFoundError, match="no such source"):
            await transfer.copy(missing, store.with_prefix("copy/"))
        summary = await transfer.copy(store, missing)
        assert (summary.copied, summary.failed) == (0, 1)
        assert isinstance(summary.failures[0].error, NotFoundError)


async def test_a_key_that_the_target_cannot_hold_fails_by_itself(tmp_path: Path) -> None:
    objects = {"good": b"1", "../evil": b"2", "a//b": b"3", "dir": b"4", "dir/file": b"5"}
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "old").write_bytes(b"kept")
    async with await filled(objects) as source, LocalStore(tmp_path / "target") as target:
        summary = await transfer.sync(source, target, delete=True)
        assert (summary.copied, summary.failed, summary.deleted, summary.kept) == (2, 3, 0, 1)
        failed = {failure.key: failure.error for failure in summary.failures}
        assert isinstance(failed.pop("../evil"), InvalidKeyError)
        assert isinstance(failed.pop("a//b"), InvalidKeyError)
        # One of the two that cannot both be there; which one came first is not said.
        ((loser, error),) = failed.items()
        assert loser in {"dir", "dir/file"}
        assert isinstance(error, StoreError)
        assert await contents(target) == {"good": b"1", "old": b"kept", **_without(objects, loser)}
    assert os.listdir(tmp_path) == ["target"]


def _without(objects: dict[str, bytes], loser: str) -> dict[str, bytes]:
    (winner,) = {"dir", "dir/file"} - {loser}
    return {winner: objects[winner]}


async def test_permission_that_is_lost_half_way_is_told_for_each_object_and_deletes_nothing() -> None:
    driver = MemoryDriver()
    denied = Fail("put", error=PermissionDeniedError("no longer"), calls=range(6, 100))
    objects = {f"{number}": b"new" for number in range(10)}
    async with await filled(objects) as source, Store(driver) as direct:
        await direct.put_many([("0", b"old!"), ("9", b"old!"), ("extra", b"")])
        summary = transfer.Summary()
        async with Store(FaultyDriver(driver, [denied])) as target:
            await transfer.sync(source, target, delete=True, concurrency=1, summary=summary)
        assert (summary.copied, summary.replaced, summary.failed, summary.deleted, summary.kept) == (4, 1, 5, 0, 1)
        assert {failure.key for failure in summary.failures} == {"5", "6", "7", "8", "9"}
        done = {f"{number}": b"new" for number in range(5)}
        assert await contents(direct) == {**done, "9": b"old!", "extra": b""}
        again = await transfer.sync(source, direct, delete=True)
        assert (again.copied, again.replaced, again.skipped, again.deleted, again.failed) == (4, 1, 5, 1, 0)
        assert await contents(direct) == objects


async def test_a_delete_that_is_refused_is_a_failure_of_that_key() -> None:
    driver = MemoryDriver()
    denied = Fail("delete_many", error=PermissionDeniedError("read only"))
    async with await filled({"a": b""}) as source, Store(driver) as direct:
        await direct.put("b", b"")
        async with Store(FaultyDriver(driver, [denied])) as target:
            summary = await transfer.sync(source, target, delete=True)
        assert (summary.copied, summary.deleted, summary.failed) == (1, 0, 1)
        assert set(await contents(direct)) == {"a", "b"}


async def test_a_listing_that_fails_half_way_leaves_a_summary_of_what_was_done() -> None:
    driver = MemoryDriver(page_size=2)
    async with Store(driver) as source, MemoryStore() as target:
        await source.put_many([(f"{number}", b"1") for number in range(6)])
        await target.put("extra", b"")
        # The first call asks whether there is a source.
        broken = Store(FaultyDriver(driver, [Fail("list_page", error=PermissionDeniedError("gone"), calls={3})]))
        summary = transfer.Summary()
        with pytest.raises(PermissionDeniedError):
            await transfer.sync(broken, target, delete=True, summary=summary)
        assert summary.deleted == 0
        assert len(await contents(target)) == 1 + summary.copied
        assert await target.exists("extra")


FULL = """
import asyncio, resource, sys
from aiostore import Limits, LocalStore, transfer

async def main():
    async with LocalStore(sys.argv[1]) as source, LocalStore(sys.argv[2], limits=Limits(part_size=100_000)) as target:
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
        summary = await transfer.sync(source, target, delete=True)
        for failure in summary.failures:
            print(failure.key, "there is no room" in str(failure.error), sep="|")
        print(summary.copied, summary.failed, summary.deleted, summary.kept)

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no limit to the size of files there")
def test_a_full_disk_fails_what_does_not_fit_and_leaves_no_half_file(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    (source / "a").write_bytes(b"small")
    (source / "at once").write_bytes(bytes(160_000))
    (source / "in parts").write_bytes(bytes(500_000))
    (source / "z").write_bytes(b"small too")
    (target / "at once").write_bytes(b"old")
    (target / "extra").write_bytes(b"kept")
    result = subprocess.run(
        [sys.executable, "-c", FULL, str(source), str(target)], capture_output=True, text=True, check=True, timeout=60
    )
    *failures, counts = result.stdout.splitlines()
    assert counts == "2 2 0 1"
    assert sorted(line.split("|") for line in failures) == [
        ["at once", "True"], ["in parts", "True"],
    ]  # fmt: skip
    assert {path.name: path.read_bytes() for path in target.iterdir() if path.is_file()} == {
        "a": b"small", "at once": b"old", "extra": b"kept", "z": b"small too",
    }  # fmt: skip
    assert [path for path in target.rglob("*") if "upload" in str(path.relative_to(target)) and path.is_file()] == []
