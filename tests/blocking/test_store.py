"""Stores as blocking code uses them: verbs, iterators, items and slices."""

from __future__ import annotations

import asyncio
import io
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import aiostore
from aiostore import Limits, MemoryStore
from aiostore.blocking import BlockingStore, portal
from aiostore.budget import BUDGET
from tests.blocking.test_portal import run, until


@pytest.fixture
def store() -> Iterator[BlockingStore]:
    with aiostore.blocking.wrap(MemoryStore(limits=Limits(part_size=1024, reads=4))) as store:
        yield store


def test_a_url_or_path_makes_a_store(tmp_path: Path) -> None:
    for url in (tmp_path, str(tmp_path), tmp_path.as_uri()):
        with aiostore.blocking.connect(url) as store:
            store.put("a", b"1")
            assert store.get("a") == b"1"
    with aiostore.blocking.connect("memory://demo/a", prefix="b/") as store:
        assert store.location == "memory://demo/b/"


def test_a_closed_store_says_so(store: BlockingStore) -> None:
    store.close()
    store.close()
    with pytest.raises(aiostore.StoreClosedError):
        store.get("k")


def test_whatever_can_be_written_comes_back(store: BlockingStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"path")
    store.put("bytes", b"bytes")
    store.put("path", tmp_path / "file")
    store.put("file", io.BytesIO(b"file"))
    store.put("iterable", (text.encode() for text in ["iter", "able"]))
    store.put("stream", store.stream("iterable"))
    # Made by blocking calls, one by one, while the write goes on.
    store.put("generated", (store.get(key) for key in ["bytes", "path"]))
    contents = {meta.key: store.get(meta.key) for meta in store.list()}
    assert contents == {
        "bytes": b"bytes",
        "file": b"file",
        "generated": b"bytespath",
        "iterable": b"iterable",
        "path": b"path",
        "stream": b"iterable",
    }


def test_a_stream_is_an_iterator_with_what_is_known_of_the_object(store: BlockingStore) -> None:
    data = bytes(range(256)) * 64
    store.put("k", data)
    with store.stream("k", chunk_size=1000) as stream:
        assert stream.meta.size == len(data)
        chunks = list(stream)
    assert {len(chunk) for chunk in chunks[:-1]} == {1000}
    assert b"".join(chunks) == data
    assert stream.verified
    with pytest.raises(aiostore.NotFoundError), store.stream("missing"):
        raise AssertionError


def test_a_stream_that_is_left_early_gives_its_memory_back(store: BlockingStore) -> None:
    store.put("k", bytes(100_000))
    for _ in store.stream("k"):
        break
    until(lambda: BUDGET.used == 0)


def test_a_long_listing_arrives_whole_and_in_order(store: BlockingStore) -> None:
    keys = [f"{number:05}" for number in range(2500)]
    for key in keys:
        store.put(key, b"")
    assert [meta.key for meta in store.list()] == keys
    assert [meta.key for meta in store.list(start_after="02000")] == keys[2001:]


def test_an_update_may_itself_make_blocking_calls(store: BlockingStore) -> None:
    store.put("other", b"2")
    store.update("k", lambda old: (old or b"1") + store.get("other"))
    store.update("k", lambda old: old + b"3", default=b"")
    assert store.get("k") == b"123"


def test_a_lease_is_held_while_the_program_is_busy(store: BlockingStore) -> None:
    with store.lease("lock", ttl=5) as lease:
        assert lease.token == 1
        assert not lease.lost
        lease.check()
        with pytest.raises(aiostore.PreconditionFailedError), store.lease("lock", wait=0):
            raise AssertionError
    with store.lease("lock", wait=0) as lease:
        assert lease.token == 2
    with pytest.raises(aiostore.LeaseLostError):
        lease.check()


def test_views_of_a_store_are_blocking_stores(store: BlockingStore) -> None:
    view = store.with_prefix("a/")
    view["k"] = b"1"
    assert store["a/k"] == b"1"
    assert view.with_prefix("b/").location == "memory://memory/a/b/"
    other = store.sibling("other")
    other.create_container()
    assert list(other) == []


def test_it_pickles_where_the_store_below_does(tmp_path: Path) -> None:
    store = aiostore.blocking.connect(tmp_path)
    store["k"] = b"1"
    copy = pickle.loads(pickle.dumps(store))
    assert type(copy) is BlockingStore
    assert copy["k"] == b"1"


async def test_one_store_serves_a_loop_and_blocking_threads(tmp_path: Path) -> None:
    async with aiostore.LocalStore(tmp_path) as store:
        blocking = aiostore.blocking.wrap(store)
        await store.put("k", b"1")
        assert await asyncio.to_thread(blocking.get, "k") == b"1"
        with pytest.raises(RuntimeError, match="await"):
            blocking.get("k")


def test_many_threads_use_one_store(store: BlockingStore) -> None:
    def work(number: int) -> None:
        for turn in range(50):
            store[f"{number}"] = b"%d" % turn
            assert store[f"{number}"] == b"%d" % turn

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(store)) == 8


def test_a_store_that_is_never_closed_ends_in_silence_at_once(tmp_path: Path) -> None:
    out = run(
        f"""
        import aiostore
        store = aiostore.blocking.connect({str(tmp_path)!r})
        store["k"] = bytes(100_000)
        stream = store.stream("k")
        print(len(next(stream)) > 0)
        """
    )
    assert out == "True\n"


# --- items and slices


def test_items_are_objects(store: BlockingStore) -> None:
    store["a"] = b"1"
    store["b"] = [b"2", b"3"]
    assert store["a"] == b"1"
    assert "a" in store
    assert "c" not in store
    assert 1 not in store
    assert list(store) == ["a", "b"]
    del store["a"]
    del store["a"]
    assert list(store) == ["b"]
    with pytest.raises(aiostore.NotFoundError):
        store["a"]


SLICES = [
    *(slice(start, stop) for start in (None, 0, 3, 9, 10, 11, -3, -10, -11) for stop in (None, 0, 5, 10, 20, -1, -20)),
    slice(2, 4, 1),
]


@pytest.mark.parametrize("wanted", SLICES, ids=str)
def test_a_slice_is_that_of_the_bytes(store: BlockingStore, wanted: slice) -> None:
    store["k"] = b"0123456789"
    assert store["k", wanted] == b"0123456789"[wanted]


def test_a_slice_of_nothing_is_still_nothing(store: BlockingStore) -> None:
    store["empty"] = b""
    assert store["empty", 0:3] == store["empty", -3:] == b""
    with pytest.raises(aiostore.NotFoundError):
        store["missing", 0:3]


def test_all_objects_are_copied_with_what_is_stored_with_them(store: BlockingStore) -> None:
    with aiostore.blocking.wrap(MemoryStore()) as target:
        store.put("a", b"1", content_type="text/x-a", metadata={"made": "here"})
        store["b"] = bytes(10_000)
        target["b"] = b"old"
        target["c"] = b"stays"
        target[:] = store
        assert {key: target[key] for key in target} == {"a": b"1", "b": bytes(10_000), "c": b"stays"}
        meta = target.head("a")
        assert (meta.content_type, dict(meta.metadata)) == ("text/x-a", {"made": "here"})


def test_what_is_no_item_is_refused(store: BlockingStore) -> None:
    store["k"] = b"0123"
    for item in (0, ("k",), ("k", 0), ("k", slice(0, 3, 2)), slice(None)):
        with pytest.raises(TypeError):
            store[item]  # type: ignore[index]  # the point
    with pytest.raises(TypeError, match="as a whole"):
        store["k", 0:2] = b"11"  # type: ignore[index]  # the point
    with pytest.raises(TypeError, match="another blocking store"):
        store[:] = b"all"
    with pytest.raises(TypeError, match=r"target\[:\]"):
        store["k"] = store
    with pytest.raises(TypeError, match="delete_many"):
        del store["k", "l"]  # type: ignore[arg-type]  # the point


def test_the_portal_has_no_task_left(store: BlockingStore) -> None:
    store["k"] = b"1"

    async def tasks() -> int:
        return len(asyncio.all_tasks())

    until(lambda: portal.run(tasks()) == 2)
