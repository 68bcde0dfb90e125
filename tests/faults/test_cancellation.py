"""A call may be cancelled wherever it waits: what is visible is the old or the new object, whole, and nothing is left.

Every step of every task that an operation consists of is counted, and the operation is run again and again, cancelled
one step later each time, until it ends before that.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import anyio
import pytest

from aiostore.testing import Call, Fault
from tests.faults.faults import Delay
from tests.faults.table.backend import PART
from tests.faults.table.buckets import primitive_of_request
from tests.faults.table.cells import Cell, behind_faulty_driver, behind_proxy, is_of_proxy
from tests.faults.table.s3 import S3Bucket

MOST_STEPS = 1000


class Steps:
    """Counts the steps of all tasks that begin while it is active, and calls ``at`` after the one with the number.

    With ``on`` it is called again after each that follows.
    """

    def __init__(self, number: int, at: Callable[[], object], *, on: bool = False) -> None:
        self.count = 0
        self.reached = False
        self._number = number
        self._at = at
        self._on = on

    def step(self) -> None:
        self.count += 1
        if self.count == self._number or (self._on and self.count > self._number):
            self.reached = True
            self._at()

    def task(self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        """The loop's task factory."""
        if not is_of_proxy(coroutine):
            coroutine = _Stepped(coroutine, self.step)
        return asyncio.Task(coroutine, loop=loop, **options)


class _Stepped(Coroutine[Any, Any, Any]):
    """A coroutine that tells when it waits for something."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], step: Callable[[], None]) -> None:
        self._coroutine = coroutine
        self._step = step

    def send(self, value: Any) -> Any:
        waited_for = self._coroutine.send(value)
        self._step()
        return waited_for

    def throw(self, *error: Any) -> Any:
        waited_for = self._coroutine.throw(*error)
        self._step()
        return waited_for

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        raise NotImplementedError


# --- ways to cancel ---------------------------------------------------------------------------------------------------

Way = Callable[[Callable[[], Awaitable[None]], int], Awaitable[bool]]
"""Runs an operation and cancels it after so many steps; returns whether it came so far."""


@asynccontextmanager
async def counting(steps: Steps) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    loop.set_task_factory(steps.task)
    try:
        yield
    finally:
        loop.set_task_factory(None)


async def _run(operation: Callable[[], Awaitable[None]], number: int, *, on: bool) -> bool:
    steps = Steps(number, lambda: task.cancel(), on=on)
    async with counting(steps):
        task = asyncio.ensure_future(_coroutine(operation))
        await asyncio.wait({task})
    if not task.cancelled():
        task.result()
    return steps.reached


async def _coroutine(operation: Callable[[], Awaitable[None]]) -> None:
    await operation()


async def once(operation: Callable[[], Awaitable[None]], number: int) -> bool:
    """task.cancel()"""
    return await _run(operation, number, on=False)


async def again_and_again(operation: Callable[[], Awaitable[None]], number: int) -> bool:
    """task.cancel() after every further step, also those of the cleaning up."""
    return await _run(operation, number, on=True)


async def timeout(operation: Callable[[], Awaitable[None]], number: int) -> bool:
    """asyncio.timeout()"""
    limit = asyncio.timeout(None)
    steps = Steps(number, lambda: limit.reschedule(asyncio.get_running_loop().time() - 1))

    async def within() -> None:
        try:
            async with limit:
                await operation()
        except TimeoutError:
            assert limit.expired()

    async with counting(steps):
        await asyncio.create_task(within())
    return steps.reached


async def scope(operation: Callable[[], Awaitable[None]], number: int) -> bool:
    """anyio.move_on_after(), which cancels again and again."""
    scopes: list[anyio.CancelScope] = []
    steps = Steps(number, lambda: scopes[0].cancel())

    async def within() -> None:
        with anyio.move_on_after(60) as limit:
            scopes.append(limit)
            await operation()

    async with counting(steps):
        await asyncio.create_task(within())
    return steps.reached


class SiblingError(Exception):
    """What fails beside the operation."""


async def sibling(operation: Callable[[], Awaitable[None]], number: int) -> bool:
    """Another task of the same group fails."""
    failing = asyncio.Event()
    steps = Steps(number, failing.set)

    async def fail() -> None:
        await failing.wait()
        raise SiblingError

    async def within() -> None:
        try:
            async with asyncio.TaskGroup() as group:
                beside = group.create_task(fail())
                await operation()
                beside.cancel()
        except* SiblingError:
            pass

    async with counting(steps):
        await asyncio.create_task(within())
    return steps.reached


WAYS: tuple[Way, ...] = (once, again_and_again, timeout, scope, sibling)


# --- operations -------------------------------------------------------------------------------------------------------


async def put_small(cell: Cell) -> None:
    await cell.store.put("object", cell.small)


async def put_if_absent(cell: Cell) -> None:
    await cell.store.put("new", cell.small, if_absent=True)


async def put_large(cell: Cell) -> None:
    await cell.store.put("object", cell.parts, part_size=cell.part_size)


async def put_pieces(cell: Cell) -> None:
    data = cell.parts

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(data), cell.part_size // 2):
            await asyncio.sleep(0)
            yield data[start : start + cell.part_size // 2]

    await cell.store.put("object", pieces(), part_size=cell.part_size)


async def get_small(cell: Cell) -> None:
    assert await cell.store.get("small") == cell.small


async def get_large(cell: Cell) -> None:
    assert await cell.store.get("large") == cell.large


async def stream(cell: Cell) -> None:
    async for _ in cell.store.stream("large"):
        await asyncio.sleep(0)


async def stream_entered(cell: Cell) -> None:
    async with cell.store.stream("large", chunk_size=PART) as chunks:
        async for _ in chunks:
            await asyncio.sleep(0)


async def get_ranges(cell: Cell) -> None:
    await cell.store.get_ranges("large", [(0, 10), (2 * PART, 2 * PART + 10), (4 * PART, 4 * PART + 10)])


async def download(cell: Cell) -> None:
    await cell.store.download("large", cell.directory / "file")


async def upload(cell: Cell) -> None:
    await cell.store.upload(cell.directory / "source", "object")


async def copy(cell: Cell) -> None:
    await cell.store.copy("small", "object")


async def rename(cell: Cell) -> None:
    await cell.store.rename("small", "object")


async def delete_many(cell: Cell) -> None:
    await cell.store.delete_many(["object", "missing"])


async def write_file(cell: Cell) -> None:
    async with cell.store.open("object", "wb", part_size=cell.part_size) as file:
        for start in range(0, len(cell.parts), cell.part_size // 2):
            await file.write(cell.parts[start : start + cell.part_size // 2])


async def append_to_file(cell: Cell) -> None:
    async with cell.store.open("object", "ab") as file:
        await file.write(cell.small)


async def change_file(cell: Cell) -> None:
    async with cell.store.open("object", "r+b") as file:
        await file.write(cell.small)


async def read_file(cell: Cell) -> None:
    async with cell.store.open("large", "rb", buffer_size=PART // 2) as file:
        assert await file.read() == cell.large


async def update(cell: Cell) -> None:
    async def change(old: bytes | None) -> bytes:
        await asyncio.sleep(0)
        return cell.small

    await cell.store.update("object", change)


async def lease(cell: Cell) -> None:
    async with cell.store.lease("lock", ttl=60, wait=0) as held:
        await asyncio.sleep(0)
        held.check()


OPERATIONS = (
    put_small, put_if_absent, put_large, put_pieces, upload, get_small, get_large, stream, stream_entered, get_ranges,
    download, copy, rename, delete_many, write_file, append_to_file, change_file, read_file, update, lease,
)  # fmt: skip

Run = Callable[[Cell], Awaitable[None]]


async def sweep(cell: Cell, run: Run, way: Way) -> None:
    """Cancel ``run`` after every step, and look at what is left each time."""
    await cell.put("large", cell.large)
    (cell.directory / "source").write_bytes(cell.parts)
    spools = cell.directory.parent / f"{cell.directory.name}-spools"
    spools.mkdir()
    tasks = asyncio.all_tasks()
    gone = (None,) if run is delete_many else ()
    new = (cell.small, cell.parts, cell.old + cell.small, *gone)
    for number in range(1, MOST_STEPS):
        await cell.put("small", cell.small)
        await cell.put("object", cell.old)
        with mock.patch("tempfile.tempdir", str(spools)):
            reached = await way(lambda: run(cell), number)
        assert not [*spools.iterdir()]
        if cell.driver == "local":
            root = cell.directory.parent / f"{cell.directory.name}-objects"
            files = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
            assert files == {meta.key async for meta in cell.direct.list()}
        await cell.assert_nothing_is_left(tasks)
        assert await cell.visible("object") in (cell.old, *new)
        assert await cell.visible("new") in (None, cell.small)
        if run is rename:
            assert cell.small in (await cell.visible("small"), await cell.visible("object"))
        if run is lease:
            async with cell.direct.lease("lock", wait=0):
                pass
        await cell.direct.delete("new")
        assert {path.name for path in cell.directory.iterdir()} <= {"source", "file"}
        target = cell.directory / "file"
        assert not target.exists() or target.read_bytes() == cell.large
        target.unlink(missing_ok=True)
        if not reached:
            assert number > 1
            return
    pytest.fail("the operation does not end")


class Pause(Fault):
    """Memory answers at once; every call waits a little before and after it is carried out."""

    async def before(self, call: Call) -> None:
        await asyncio.sleep(0)

    async def after(self, call: Call) -> None:
        await asyncio.sleep(0)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("run", OPERATIONS)
async def test_in_memory(run: Run, way: Way, tmp_path: Path) -> None:
    async with behind_faulty_driver("memory", tmp_path) as cell:
        assert cell.faulty is not None
        cell.faulty.plan = [Pause()]
        await sweep(cell, run, way)


@pytest.mark.parametrize("way", [once, again_and_again, scope])
@pytest.mark.parametrize("run", OPERATIONS)
async def test_in_a_directory(run: Run, way: Way, tmp_path: Path) -> None:
    async with behind_faulty_driver("local", tmp_path) as cell:
        await sweep(cell, run, way)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("run", OPERATIONS)
async def test_on_a_service(run: Run, way: Way, ceph_bucket: S3Bucket, tmp_path: Path) -> None:
    async with behind_proxy(ceph_bucket, tmp_path) as cell:
        await sweep(cell, run, way)


def later(seconds: float) -> Way:
    """task.cancel() so long after the step: while the service works, or its answer is on the way."""

    async def way(operation: Callable[[], Awaitable[None]], number: int) -> bool:
        loop = asyncio.get_running_loop()
        steps = Steps(number, lambda: loop.call_later(seconds, task.cancel))
        async with counting(steps):
            task = asyncio.ensure_future(_coroutine(operation))
            await asyncio.wait({task})
        if not task.cancelled():
            task.result()
        return steps.reached

    return way


@pytest.mark.parametrize("milliseconds", [1, 3, 9, 27])
@pytest.mark.parametrize("run", [put_small, put_if_absent, put_large, put_pieces, upload, copy, delete_many])
async def test_while_the_service_works(run: Run, milliseconds: int, ceph_bucket: S3Bucket, tmp_path: Path) -> None:
    async with behind_proxy(ceph_bucket, tmp_path) as cell:
        await sweep(cell, run, later(milliseconds / 1000))


async def test_a_completion_that_was_sent_is_seen_through(ceph_bucket: S3Bucket, tmp_path: Path) -> None:
    async with behind_proxy(ceph_bucket, tmp_path) as cell:
        assert cell.proxy is not None
        answer = asyncio.Event()
        rule = cell.proxy.inject(
            Delay(until=answer), when=lambda request: primitive_of_request(request) == "complete_multipart"
        )
        tasks = asyncio.all_tasks()
        task = asyncio.create_task(put_pieces(cell))
        await cell.proxy.wait_until(lambda: rule.applied == 1)
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0.01)
        assert not task.done()
        answer.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await cell.visible("object") == cell.parts
        await cell.assert_nothing_is_left(tasks)


# --- KeyboardInterrupt ------------------------------------------------------------------------------------------------

PROGRAM = """
import asyncio, sys
from pathlib import Path
from aiostore import S3Store

url, bucket, key_id, secret, verb, target = sys.argv[1:]
data = bytes(6 * 1024**2)

async def pieces():
    for start in range(0, len(data), 500_000):
        yield data[start : start + 500_000]

async def main():
    store = S3Store(bucket, endpoint=url, access_key_id=key_id, secret_access_key=secret, region="us-east-1",
                    dialect="ceph")
    if verb == "put":
        await store.put("interrupted", pieces(), part_size=5 * 1024**2)
    elif verb == "open":
        async with store.open("interrupted", "wb", part_size=5 * 1024**2) as file:
            async for piece in pieces():
                await file.write(piece)
    elif verb == "update":
        await store.update("interrupted", lambda _: data)
    else:
        await store.download("whole", Path(target))

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("verb", "primitive"),
    [
        ("put", "create_multipart"),
        ("put", "put_part"),
        ("put", "complete_multipart"),
        ("open", "put_part"),
        ("update", "put"),
        ("download", "get"),
    ],
)
async def test_an_interrupt_from_the_keyboard(verb: str, primitive: str, ceph_bucket: S3Bucket, tmp_path: Path) -> None:
    async with behind_proxy(ceph_bucket, tmp_path) as cell:
        assert cell.proxy is not None
        whole = bytes(6 * 1024**2)
        direct = ceph_bucket.backend.direct(ceph_bucket, "")
        await direct.put("whole", whole)
        release = asyncio.Event()
        rule = cell.proxy.inject(Delay(until=release), when=lambda request: primitive_of_request(request) == primitive)
        endpoint = ceph_bucket.endpoint
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, cell.proxy.url, ceph_bucket.name, endpoint.access_key_id,
            endpoint.secret_access_key, verb, str(tmp_path / "file"), stderr=subprocess.PIPE,
        )  # fmt: skip
        await cell.proxy.wait_until(lambda: rule.applied == 1)
        process.send_signal(signal.SIGINT)
        # What was sent is seen through, for which its answer is needed; the rest ends without it.
        release.set()
        async with asyncio.timeout(20):
            _, said = await process.communicate()
        assert said.decode().rstrip().endswith("KeyboardInterrupt")
        assert [upload async for upload in direct.uploads()] == []
        assert list(tmp_path.iterdir()) == []
        if await direct.exists("interrupted"):
            assert primitive in {"complete_multipart", "put"}
            assert (await direct.head("interrupted")).size == len(whole)
            await direct.delete("interrupted")
        await direct.delete("whole")
        await direct.aclose()
