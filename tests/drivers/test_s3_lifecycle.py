from __future__ import annotations

import asyncio
import os
import pickle
import threading
import uuid
from collections.abc import Iterator

import pytest

from aiostore import S3Store
from tests.servers.server import S3Endpoint


@pytest.fixture
def store(ceph: S3Endpoint) -> Iterator[S3Store]:
    """A store with a bucket, used by no event loop that is still running."""
    store = S3Store(
        f"life-{uuid.uuid4().hex[:12]}",
        endpoint=ceph.url,
        region=ceph.region,
        access_key_id=ceph.access_key_id,
        secret_access_key=ceph.secret_access_key,
    )

    async def create() -> None:
        await store.create_container()
        await store.put("k", b"parent")

    asyncio.run(create())
    yield store

    async def delete() -> None:
        await store.delete_container(force=True)
        await store.aclose()

    asyncio.run(delete())


def test_a_forked_child_and_its_parent_both_go_on(store: S3Store) -> None:
    async def both() -> None:
        assert await store.get("k") == b"parent"  # the connection stays open over the fork
        child = os.fork()
        if child == 0:
            os._exit(_in_child(store))
        _, status = await asyncio.to_thread(os.waitpid, child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert await store.get("k") == b"parent"
        assert await store.get("from-child") == b"child"

    asyncio.run(both())


def _in_child(store: S3Store) -> int:
    async def use() -> bytes:
        await store.put("from-child", b"child")
        return await store.get("k")

    try:
        # The parent's loop counts as running here too; a thread has none.
        result: list[bytes] = []
        thread = threading.Thread(target=lambda: result.append(asyncio.run(use())))
        thread.start()
        thread.join(20)
        return 0 if result == [b"parent"] else 1
    except BaseException:
        return 2


def test_loops_in_several_threads_use_it_at_once(store: S3Store) -> None:
    errors: list[BaseException] = []

    def work(number: int) -> None:
        async def use() -> None:
            for turn in range(10):
                await store.put(f"{number}/{turn}", b"%d" % turn)
                assert await store.get(f"{number}/{turn}") == b"%d" % turn

        try:
            asyncio.run(use())
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []


def test_one_loop_after_the_other_uses_it(store: S3Store) -> None:
    for _ in range(3):
        assert asyncio.run(store.get("k")) == b"parent"


def test_a_pickled_copy_works(store: S3Store) -> None:
    copy: S3Store = pickle.loads(pickle.dumps(store))

    async def use() -> bytes:
        async with copy:
            return await copy.get("k")

    assert asyncio.run(use()) == b"parent"
