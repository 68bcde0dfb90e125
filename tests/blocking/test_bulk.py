"""Many objects in one blocking call."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import aiostore
from aiostore.blocking import BlockingStore


def test_many_objects_are_written_read_and_deleted() -> None:
    keys = [f"{number:02}" for number in range(20)]
    with BlockingStore(aiostore.MemoryStore()) as store:
        written = store.put_many((key, key.encode()) for key in keys)
        assert [result.key for result in written] == keys
        assert [result.unwrap() for result in store.get_many(keys, ordered=True)] == [key.encode() for key in keys]
        assert [result.value for result in store.exists_many(["00", "x"], ordered=True)] == [True, False]
        assert [result.value for result in store.size_many(meta for meta in store.list())] == [2] * 20
        assert {result.unwrap().key for result in store.head_many(keys)} == set(keys)
        assert all(result.error is None for result in store.delete_many(iter(keys)))
        assert [*store.list()] == []


def test_a_source_that_blocks_is_advanced_in_another_thread_and_left_where_its_reader_stops() -> None:
    threads = set()

    def keys() -> Iterator[str]:
        while True:
            threads.add(threading.current_thread().name)
            yield "key"

    with BlockingStore(aiostore.MemoryStore()) as store:
        store["key"] = b"value"
        with store.get_many(keys(), concurrency=2) as results:
            assert next(results).unwrap() == b"value"
    assert not any("aiostore-blocking" in name for name in threads)
