"""What the local driver does when others interfere: rivals, killers, links, full disks, cancellation."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import gc
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.synchronize import Barrier
from pathlib import Path

import anyio
import pytest

from aiostore.body import Buffers
from aiostore.drivers import local_directory, local_draft, local_spelling, local_thread
from aiostore.drivers.local import LocalDriver
from aiostore.errors import (
    AlreadyExistsError,
    InvalidKeyError,
    NotFoundError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionFailedError,
    StoreError,
    UnavailableError,
)
from aiostore.types import (
    ANY,
    Buffer,
    CopyOptions,
    DeleteOptions,
    GetOptions,
    ListOptions,
    Match,
    PutOptions,
    PutResult,
)

MIB = 1024**2
SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture(params=["anonymous", "named"])
def drafts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where files are written: without a name, or hidden where the file system demands names."""
    if request.param == "named":
        monkeypatch.setattr(local_draft, "_O_TMPFILE", 0)
    return str(request.param)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def driver(root: Path) -> LocalDriver:
    return LocalDriver(root, fsync=False)


@pytest.fixture(autouse=True)
def no_descriptor_is_left() -> Iterator[None]:
    """Every test: no file or directory stays open."""
    gc.collect()
    before = open_files()
    yield
    gc.collect()
    assert open_files() - before == set()


def open_files() -> set[str]:
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            target = os.readlink(f"/proc/self/fd/{name}")
            if target.startswith("/") and not target.startswith("/dev/"):
                found.add(target)
    return found


async def put(driver: LocalDriver, key: str, data: bytes = b"value", options: PutOptions | None = None) -> PutResult:
    return await driver.put(key, Buffers([data]), options or PutOptions())


async def read(driver: LocalDriver, key: str) -> bytes:
    return await (await driver.get(key, GetOptions())).stream.read()


async def keys(driver: LocalDriver) -> list[str]:
    return [meta.key for meta in (await driver.list_page(ListOptions())).objects]


def files_below(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


# --- rivals in other processes --------------------------------------------------------------------------------------


def contend(root: str, number: int, rounds: int, barrier: Barrier, wins: multiprocessing.Queue[str]) -> None:
    """One of several processes that all want to create, and then to swap, the same objects."""
    driver = LocalDriver(root, fsync=False)

    async def work() -> None:
        for turn in range(rounds):
            for name, options in (
                ("created", PutOptions(if_none_match=ANY)),
                ("swapped", PutOptions(if_match=Match(etag=(await driver.head("swapped", GetOptions())).etag))),
            ):
                await asyncio.to_thread(barrier.wait)
                key = f"{name}/{turn}" if name == "created" else name
                try:
                    await put(driver, key, f"{number}".encode() * 1000, options)
                except (AlreadyExistsError, PreconditionFailedError):
                    continue
                wins.put(f"{name}/{turn}")

    asyncio.run(work())


@pytest.mark.parametrize("named", [False, True])
def test_exactly_one_of_many_processes_creates_and_one_swaps(root: Path, named: bool) -> None:
    asyncio.run(put(LocalDriver(root), "swapped"))
    writers, rounds = 4, 25
    barrier, wins = SPAWN.Barrier(writers), SPAWN.Queue()
    target: Callable[..., None] = contend_named if named else contend
    processes = [
        SPAWN.Process(target=target, args=(str(root), number, rounds, barrier, wins)) for number in range(writers)
    ]
    for process in processes:
        process.start()
    won = [wins.get(timeout=60) for _ in range(2 * rounds)]
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert wins.empty()
    assert sorted(won) == sorted(f"{name}/{turn}" for name in ("created", "swapped") for turn in range(rounds))
    assert [name for name in files_below(root) if "aiostore" in name] == []
    wins.close()
    wins.join_thread()


def contend_named(*arguments: object) -> None:
    local_draft._O_TMPFILE = 0  # type: ignore[misc]  # a constant everywhere else
    contend(*arguments)  # type: ignore[arg-type]  # handed on


@pytest.mark.parametrize("verb", ["put", "copy", "rename", "complete"])
async def test_create_only_replaces_no_file_that_another_program_makes_at_that_moment(
    driver: LocalDriver, root: Path, monkeypatch: pytest.MonkeyPatch, drafts: str, verb: str
) -> None:
    """Other programs know nothing of the lock, so looking first is not enough."""
    await put(driver, "source")
    upload = await driver.create_multipart("key", PutOptions())
    part = await driver.put_part(upload, 1, 0, Buffers([b"ours"]))
    look = local_directory.existing

    def look_and_lose(directory: local_directory.Directory, name: str) -> os.stat_result | None:
        found = look(directory, name)
        if name == "key":
            (root / "key").write_bytes(b"theirs")
        return found

    monkeypatch.setattr(local_spelling, "existing", look_and_lose)
    with pytest.raises(AlreadyExistsError):
        match verb:
            case "put":
                await put(driver, "key", b"ours", PutOptions(if_none_match=ANY))
            case "copy":
                await driver.copy("source", "key", CopyOptions(if_none_match=ANY))
            case "rename":
                await driver.rename("source", "key", CopyOptions(if_none_match=ANY))
            case _:
                await driver.complete_multipart(upload, [part], PutOptions(if_none_match=ANY))
    assert (root / "key").read_bytes() == b"theirs"
    assert (root / "source").exists()
    (root / "key").unlink()
    await put(driver, "key", b"ours")
    assert await read(driver, "key") == b"ours"
    await driver.abort_multipart(upload)


async def test_a_file_system_without_locks_promises_no_swap(
    driver: LocalDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So NFS answers."""
    first = await put(driver, "a/key")
    lock = fcntl.flock

    def refuse(descriptor: int, operation: int) -> None:
        if operation == fcntl.LOCK_EX:
            raise OSError(errno.EBADF, "Bad file descriptor")
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", refuse)
    match = Match(etag=first.etag)
    for call in (
        put(driver, "a/key", b"x", PutOptions(if_match=match)),
        driver.delete("a/key", DeleteOptions(if_match=match)),
        driver.set_metadata("a/key", PutOptions(if_match=match)),
        driver.rename("a/key", "b", CopyOptions(source_if_match=match)),
    ):
        with pytest.raises(NotSupportedError, match="cannot lock"):
            await call
    await put(driver, "created", b"x", PutOptions(if_none_match=ANY))
    with pytest.raises(AlreadyExistsError):
        await put(driver, "created", b"y", PutOptions(if_none_match=ANY))
    await put(driver, "a/key", b"y")
    await driver.rename("a/key", "b/c", CopyOptions())
    await driver.delete("b/c", DeleteOptions())
    assert await keys(driver) == ["created"]


async def test_every_swap_of_many_counters_counts(driver: LocalDriver) -> None:
    await put(driver, "counter", b"0")

    async def count() -> None:
        for _ in range(10):
            while True:
                answer = await driver.get("counter", GetOptions())
                value = int(await answer.stream.read())
                try:
                    await put(
                        driver, "counter", str(value + 1).encode(), PutOptions(if_match=Match(etag=answer.meta.etag))
                    )
                    break
                except PreconditionFailedError:
                    continue

    await asyncio.gather(*(count() for _ in range(6)))
    assert await read(driver, "counter") == b"60"


async def test_a_plain_write_is_never_lost_to_a_swap(driver: LocalDriver) -> None:
    """A swap must not replace what a plain write has put there since the swap's condition was checked."""
    for turn in range(60):
        first = await put(driver, "key", b"first")
        plain, swap = await asyncio.gather(
            put(driver, "key", b"plain"),
            put(driver, "key", b"swap", PutOptions(if_match=Match(etag=first.etag))),
            return_exceptions=True,
        )
        assert isinstance(plain, PutResult)
        assert await read(driver, "key") == b"plain", f"turn {turn}: {swap!r}"


@pytest.mark.parametrize("kind", ["xattr", "sidecar"])
async def test_metadata_and_bytes_are_of_one_write_whatever_replaces_them(
    driver: LocalDriver, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    if kind == "sidecar":
        monkeypatch.delattr(os, "setxattr")
        monkeypatch.delattr(os, "getxattr")
    await put(driver, "key", b"0" * 10, PutOptions(metadata={"n": "0"}))
    done = asyncio.Event()

    async def replace(number: int) -> None:
        for _ in range(60):
            await put(driver, "key", str(number).encode() * 10, PutOptions(metadata={"n": str(number)}))

    async def check() -> int:
        reads = 0
        while not done.is_set():
            answer = await driver.get("key", GetOptions())
            body = await answer.stream.read()
            assert body == answer.meta.metadata["n"].encode() * 10
            reads += 1
        return reads

    checking = [asyncio.create_task(check()) for _ in range(2)]
    await asyncio.gather(*(replace(number) for number in range(1, 4)))
    done.set()
    assert min(await asyncio.gather(*checking)) > 0


async def test_directories_can_be_removed_and_made_at_the_same_time(
    driver: LocalDriver, root: Path, drafts: str
) -> None:
    async def churn(number: int) -> None:
        for _ in range(60):
            key = f"a/b/c/{number}"
            await put(driver, key)
            assert await read(driver, key) == b"value"
            await driver.delete(key, DeleteOptions())

    await asyncio.gather(*(churn(number) for number in range(6)))
    assert files_below(root) == []


async def test_renames_in_both_directions_do_not_wait_for_each_other(driver: LocalDriver) -> None:
    await put(driver, "a/1")
    await put(driver, "b/2")
    await put(driver, "a/stays")
    await put(driver, "b/stays")

    async def move(source: str, target: str) -> None:
        for _ in range(50):
            await driver.rename(source, target, CopyOptions())
            await driver.rename(target, source, CopyOptions())

    async with asyncio.timeout(60):
        await asyncio.gather(move("a/1", "b/1"), move("b/2", "a/2"))
    assert await keys(driver) == ["a/1", "a/stays", "b/2", "b/stays"]


# --- killed processes -----------------------------------------------------------------------------------------------

WRITER = """
import asyncio, sys
from aiostore.drivers import local_draft
from aiostore.drivers.local import LocalDriver
from aiostore.types import PutOptions

if sys.argv[2] == "named":
    local_draft._O_TMPFILE = 0

class Endless:
    size = 1 << 40
    buffers = None
    async def chunks(self):
        while True:
            yield bytes(1 << 22)
            print("x", flush=True)
            await asyncio.sleep(0.001)

asyncio.run(LocalDriver(sys.argv[1]).put("a/key", Endless(), PutOptions()))
"""


@pytest.mark.parametrize("kind", ["anonymous", "named"])
def test_a_killed_writer_leaves_no_partial_object(root: Path, kind: str) -> None:
    driver = LocalDriver(root)
    asyncio.run(put(driver, "a/key", b"old"))
    command = [sys.executable, "-c", WRITER, str(root), kind]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout
        for _ in range(5):
            assert process.stdout.readline() == b"x\n"
        assert asyncio.run(driver.remove_leftovers(0)) == 0, "the writer still lives"
        process.send_signal(signal.SIGKILL)
    assert asyncio.run(read(driver, "a/key")) == b"old"
    assert asyncio.run(keys(driver)) == ["a/key"]
    left = [name for name in files_below(root) if name not in {"a", "a/key"}]
    assert len(left) == (1 if kind == "named" else 0)
    assert all((root / name).stat().st_mode & 0o777 == 0o600 for name in left)
    assert asyncio.run(driver.remove_leftovers()) == 0, "it is not an hour old"
    assert asyncio.run(driver.remove_leftovers(0)) == len(left)
    assert files_below(root) == ["a", "a/key"]


async def test_leftovers_of_every_kind_are_removed(
    driver: LocalDriver, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "setxattr")
    monkeypatch.delattr(os, "getxattr")
    await put(driver, "kept/key", b"value", PutOptions(metadata={"a": "b"}))
    kept = await driver.create_multipart("kept/upload", PutOptions())
    lost = [await driver.create_multipart(f"lost/{number}", PutOptions()) for number in range(2)]
    (root / "lost" / f".aiostore-upload-{lost[0].id}").unlink()
    (root / ".aiostore" / "uploads" / lost[1].id).unlink()
    (root / ".aiostore" / "attributes" / "1-2-3").write_bytes(b"1 2 3 -")
    (root / ".aiostore-tmp-x").touch()
    assert await driver.remove_leftovers() == 0
    assert await driver.remove_leftovers(0) == 4
    assert (await driver.head("kept/key", GetOptions())).metadata == {"a": "b"}
    assert [upload.id for upload in (await driver.list_multipart("")).uploads] == [kept.id]
    assert not (root / "lost").exists()
    await driver.abort_multipart(kept)


# --- links ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    directory = tmp_path / "outside"
    directory.mkdir()
    (directory / "secret").write_bytes(b"secret")
    return directory


@pytest.mark.parametrize("relative", [False, True])
async def test_no_link_leads_out_of_the_root(driver: LocalDriver, root: Path, outside: Path, relative: bool) -> None:
    (root / "inside").mkdir()
    (root / "dir").symlink_to("../outside" if relative else outside)
    (root / "file").symlink_to("../outside/secret" if relative else outside / "secret")
    (root / "inside" / "file").symlink_to(outside / "secret")
    (root / "dangling").symlink_to(outside / "new")
    await put(driver, "object")
    before = files_below(root), files_below(outside)
    for key in ("dir/secret", "dir/new", "file", "inside/file", "dangling", "dir"):
        for call in (
            driver.get(key, GetOptions()),
            driver.head(key, GetOptions()),
            driver.put(key, Buffers([b"x"]), PutOptions()),
            driver.put(key, Buffers([b"x"]), PutOptions(if_none_match=ANY)),
            driver.delete(key, DeleteOptions()),
            driver.copy("object", key, CopyOptions()),
            driver.copy(key, "copied", CopyOptions()),
            driver.rename("object", key, CopyOptions()),
            driver.rename(key, "renamed", CopyOptions()),
            driver.append(key, Buffers([b"x"]), 6, PutOptions()),
            driver.create_multipart(key, PutOptions()),
            driver.set_tags(key, {"a": "b"}),
        ):
            with pytest.raises(InvalidKeyError, match="link"):
                await call
    assert await keys(driver) == ["object"]
    for prefix in ("dir/", "dir", "inside/", "../", "../outside/", "dir/../"):
        assert (await driver.list_page(ListOptions(prefix=prefix))).objects == []
        assert (await driver.list_page(ListOptions(prefix=prefix, delimiter="/"))).common_prefixes == []
    assert (files_below(root), files_below(outside)) == before
    assert (outside / "secret").read_bytes() == b"secret"


async def test_the_root_itself_may_be_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    driver = LocalDriver(tmp_path / "link", fsync=False)
    await put(driver, "a/b")
    assert (root / "a" / "b").read_bytes() == b"value"
    assert await keys(driver) == ["a/b"]


async def test_a_link_set_in_a_race_leads_nowhere(driver: LocalDriver, root: Path, outside: Path) -> None:
    """Directory and link change places as fast as they can while objects are read and written through that name."""
    (root / "real").mkdir()
    (root / "real" / "secret").write_bytes(b"inside")
    (root / "link").symlink_to(outside)
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for first, second in (("real", "dir"), ("dir", "real"), ("link", "dir"), ("dir", "link")):
                with contextlib.suppress(OSError):
                    os.rename(root / first, root / second)

    swapping = threading.Thread(target=swap)
    swapping.start()
    seen: set[bytes | int] = set()
    refused = 0
    try:
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            for key in ("dir/secret", "dir/written"):
                with contextlib.suppress(InvalidKeyError, NotFoundError, UnavailableError):
                    await put(driver, "dir/written", b"inside")
                try:
                    seen.add(await read(driver, key))
                except InvalidKeyError:
                    refused += 1
                except NotFoundError:
                    continue
            seen |= {meta.size for meta in (await driver.list_page(ListOptions(prefix="dir/"))).objects}
            with contextlib.suppress(InvalidKeyError, NotFoundError):
                await driver.delete("dir/written", DeleteOptions())
            assert os.listdir(outside) == ["secret"]
    finally:
        stop.set()
        swapping.join()
    assert seen <= {b"inside", len(b"inside")}
    assert seen
    assert refused, "the link was never met"
    assert (outside / "secret").read_bytes() == b"secret"


async def test_a_pipe_does_not_stop_a_reader(driver: LocalDriver, root: Path) -> None:
    os.mkfifo(root / "pipe")
    async with asyncio.timeout(10):
        with pytest.raises(NotFoundError):
            await driver.get("pipe", GetOptions())
        with pytest.raises(InvalidKeyError):
            await put(driver, "pipe")


# --- modes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077, 0o000])
async def test_the_umask_is_respected(driver: LocalDriver, root: Path, drafts: str, mask: int) -> None:
    before = os.umask(mask)
    try:
        await put(driver, "a/b")
        await put(driver, "a/b")
        upload = await driver.create_multipart("a/c", PutOptions())
        part = await driver.put_part(upload, 1, 0, Buffers([b"x"]))
        assert (root / "a" / f".aiostore-upload-{upload.id}").stat().st_mode & 0o777 == 0o600
        await driver.complete_multipart(upload, [part], PutOptions())
    finally:
        os.umask(before)
    assert (root / "a").stat().st_mode & 0o777 == 0o777 & ~mask
    for name in ("b", "c"):
        assert (root / "a" / name).stat().st_mode & 0o777 == 0o666 & ~mask


async def test_a_file_is_private_while_it_is_written(driver: LocalDriver, root: Path, drafts: str) -> None:
    seen: list[int] = []

    class Spying:
        size = 6
        buffers = None

        async def chunks(self) -> AsyncIterator[Buffer]:
            yield bytearray(b"abc")
            seen.extend(path.stat().st_mode & 0o777 for path in root.iterdir())
            yield b"def"

    await driver.put("key", Spying(), PutOptions())
    assert seen == ([0o600] if drafts == "named" else [])
    assert await read(driver, "key") == b"abcdef"
    assert files_below(root) == ["key"]


# --- disks that fail ------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def mounted(directory: Path, kind: str, options: str) -> Iterator[Path]:
    """A file system of its own. Without the right to mount one, the file size limit below is the only full disk."""
    directory.mkdir()
    mount = subprocess.run(["mount", "-t", kind, "-o", options, kind, directory], capture_output=True, check=False)
    if mount.returncode:
        pytest.skip(f"no right to mount a {kind}: {mount.stderr.decode().strip()}")
    try:
        yield directory
    finally:
        subprocess.run(["umount", directory], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "disk", "tmpfs", "size=8m,nr_inodes=200") as directory:
        yield directory


async def test_a_full_disk_is_a_clear_error_and_leaves_nothing(small_disk: Path, drafts: str) -> None:
    driver = LocalDriver(small_disk)
    await put(driver, "a/key", b"old" * 1000)
    for call in (
        put(driver, "a/key", bytes(20 * MIB)),
        put(driver, "b/c/key", bytes(20 * MIB)),
        driver.append("a/key", Buffers([bytes(20 * MIB)]), 3000, PutOptions()),
    ):
        with pytest.raises(StoreError, match="no room") as caught:
            await call
        assert caught.value.__cause__
        assert isinstance(caught.value.__cause__, OSError)
        assert caught.value.__cause__.errno == errno.ENOSPC
    assert await read(driver, "a/key") == b"old" * 1000
    assert files_below(small_disk) == ["a", "a/key"]
    await put(driver, "a/key", bytes(6 * MIB))


async def test_an_upload_on_a_full_disk_can_be_aborted(small_disk: Path) -> None:
    driver = LocalDriver(small_disk)
    upload = await driver.create_multipart("a/key", PutOptions())
    await driver.put_part(upload, 1, 0, Buffers([bytes(4 * MIB)]))
    with pytest.raises(StoreError, match="no room"):
        await driver.put_part(upload, 2, 4 * MIB, Buffers([bytes(9 * MIB)]))
    await driver.abort_multipart(upload)
    assert files_below(small_disk) == [".aiostore", ".aiostore/uploads"]
    await put(driver, "key", bytes(6 * MIB))


async def test_a_disk_without_a_free_inode_is_a_clear_error(small_disk: Path, drafts: str) -> None:
    driver = LocalDriver(small_disk)
    for number in range(197):
        (small_disk / f"f{number}").touch()
    with pytest.raises(StoreError, match="no room"):
        for number in range(10):
            await put(driver, f"d/{number}/key")
    await driver.delete("f0", DeleteOptions())


async def test_a_file_system_without_attributes_keeps_metadata_in_sidecars(tmp_path: Path) -> None:
    with mounted(tmp_path / "ramfs", "ramfs", "mode=755") as directory:
        driver = LocalDriver(directory)
        await put(driver, "a/key", b"value", PutOptions(content_type="text/x"))
        assert (await driver.head("a/key", GetOptions())).content_type == "text/x"
        assert len(list((directory / ".aiostore" / "attributes").iterdir())) == 1
        await driver.delete("a/key", DeleteOptions())
        assert list((directory / ".aiostore" / "attributes").iterdir()) == []


async def test_a_read_only_disk_is_a_permission_error(small_disk: Path) -> None:
    driver = LocalDriver(small_disk)
    await put(driver, "key")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    for call in (put(driver, "key"), put(driver, "a/b"), driver.delete("key", DeleteOptions())):
        with pytest.raises(PermissionDeniedError):
            await call
    assert await read(driver, "key") == b"value"


async def test_a_file_larger_than_the_limit_is_a_clear_error(driver: LocalDriver, root: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * MIB, before[1]))
    try:
        with pytest.raises(StoreError, match="no room"):
            await put(driver, "a/key", bytes(5 * MIB))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert files_below(root) == []


async def test_too_many_open_files_may_pass(driver: LocalDriver) -> None:
    await put(driver, "key")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open("/dev/null", os.O_RDONLY))
        with pytest.raises(UnavailableError):
            await driver.get("key", GetOptions())
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert await read(driver, "key") == b"value"


# --- cancellation ---------------------------------------------------------------------------------------------------


def slow(
    monkeypatch: pytest.MonkeyPatch, place: object, name: str
) -> tuple[threading.Event, threading.Event, threading.Event]:
    """Make a function wait: events that tell that it was entered, that it may go on, and that it has ended."""
    entered, go_on, ended = threading.Event(), threading.Event(), threading.Event()
    original = getattr(place, name)

    def wait(*arguments: object, **named: object) -> object:
        entered.set()
        go_on.wait(20)
        try:
            return original(*arguments, **named)
        finally:
            ended.set()

    monkeypatch.setattr(place, name, wait)
    return entered, go_on, ended


async def until(event: threading.Event) -> None:
    deadline = time.monotonic() + 20
    while not event.is_set():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.001)


async def test_a_cancelled_write_waits_for_its_thread_and_leaves_nothing(
    driver: LocalDriver, root: Path, monkeypatch: pytest.MonkeyPatch, drafts: str
) -> None:
    entered, go_on, ended = slow(monkeypatch, os, "pwritev")
    task = asyncio.create_task(put(driver, "a/key", bytes(5 * MIB)))
    await until(entered)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0.01)
    assert not task.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()
    assert files_below(root) == []


async def test_a_scope_that_cancels_waits_for_the_thread_and_does_not_spin(
    driver: LocalDriver, root: Path, monkeypatch: pytest.MonkeyPatch, drafts: str
) -> None:
    entered, go_on, _ = slow(monkeypatch, os, "pwritev")
    loop = asyncio.get_running_loop()
    computed: list[float] = []

    def end(begun: float) -> None:
        computed.append(time.thread_time() - begun)
        go_on.set()

    async def cancel() -> None:
        await until(entered)
        scope.cancel()
        loop.call_later(0.3, end, time.thread_time())

    with anyio.CancelScope() as scope:
        canceller = asyncio.create_task(cancel())
        await put(driver, "a/key", bytes(5 * MIB))
    await canceller
    assert scope.cancelled_caught
    assert computed[0] < 0.15, "half of the waiting time was computed"
    assert files_below(root) == []


async def test_writes_that_wait_for_the_disk_leave_the_threads_of_the_loop_alone(
    driver: LocalDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, go_on, _ = slow(monkeypatch, os, "pwrite")
    writes = [asyncio.create_task(put(driver, f"key{number}", b"1")) for number in range(38)]
    await until(entered)
    names = await asyncio.wait_for(asyncio.get_running_loop().getaddrinfo("127.0.0.1", 80), 10)
    go_on.set()
    await asyncio.gather(*writes)
    assert names


async def test_a_call_cancelled_before_a_thread_takes_it_never_begins(driver: LocalDriver, root: Path) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(max_workers=1))
    go_on = threading.Event()
    busy = loop.run_in_executor(None, go_on.wait, 20)
    ran: list[int] = []
    task = asyncio.create_task(local_thread.run_briefly(lambda: ran.append(1)))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    await busy
    await loop.run_in_executor(None, go_on.wait, 20)
    assert ran == []


async def test_a_cancelled_read_closes_its_file(driver: LocalDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    await put(driver, "key", bytes(5 * MIB))
    entered, go_on, _ = slow(monkeypatch, os, "fstat")
    task = asyncio.create_task(driver.get("key", GetOptions()))
    await until(entered)
    task.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancelled_stream_closes_its_file(driver: LocalDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    await put(driver, "key", bytes(9 * MIB))
    stream = (await driver.get("key", GetOptions())).stream
    entered, go_on, _ = slow(monkeypatch, os, "pread")
    task = asyncio.create_task(stream.next_chunk())
    await until(entered)
    task.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await stream.next_chunk() == b""


async def test_a_stream_closed_while_it_reads_ends(driver: LocalDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    await put(driver, "key", bytes(9 * MIB))
    stream = (await driver.get("key", GetOptions())).stream
    entered, go_on, _ = slow(monkeypatch, os, "pread")
    task = asyncio.create_task(stream.next_chunk())
    await until(entered)
    await stream.aclose()
    go_on.set()
    assert 0 < len(await task) < 9 * MIB
    assert await stream.next_chunk() == b""


async def test_a_hung_disk_does_not_hold_a_cancelled_call_for_ever(
    driver: LocalDriver, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(driver, "key", bytes(5 * MIB))
    monkeypatch.setattr(local_thread, "PATIENCE", 0.05)
    entered, go_on, ended = slow(monkeypatch, os, "fstat")
    task = asyncio.create_task(driver.get("key", GetOptions()))
    await until(entered)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not ended.is_set()
    go_on.set()
    await until(ended)
    await asyncio.sleep(0.05)


async def test_a_write_cancelled_while_its_body_arrives_leaves_nothing(
    driver: LocalDriver, root: Path, drafts: str
) -> None:
    started = asyncio.Event()

    class Stalling:
        size = 2 * MIB
        buffers = None

        async def chunks(self) -> AsyncIterator[Buffer]:
            yield bytearray(MIB)
            started.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(driver.put("a/b/key", Stalling(), PutOptions()))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert files_below(root) == []


@pytest.mark.parametrize("moment", range(0, 40, 3))
async def test_an_upload_cancelled_at_any_moment_is_begun_or_not(driver: LocalDriver, root: Path, moment: int) -> None:
    task = asyncio.create_task(driver.create_multipart("a/key", PutOptions()))
    for _ in range(moment):
        await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await driver.abort_multipart(await task)
    assert (await driver.list_multipart("")).uploads == []
    assert [name for name in files_below(root) if name.startswith("a")] == []


async def test_a_stream_that_nobody_closed_is_closed_with_its_last_reference(driver: LocalDriver) -> None:
    await put(driver, "key", bytes(5 * MIB))
    before = open_files()
    stream = (await driver.get("key", GetOptions())).stream
    await stream.next_chunk()
    assert open_files() - before
    del stream
    # The thread that read lets go of it a moment after it has answered.
    deadline = time.monotonic() + 20
    while open_files() - before and time.monotonic() < deadline:
        await asyncio.sleep(0.001)
    assert open_files() - before == set()


async def test_the_event_loop_runs_while_a_disk_is_slow(driver: LocalDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, go_on, _ = slow(monkeypatch, os, "fsync")
    task = asyncio.create_task(put(LocalDriver(driver.location.removeprefix("file://")), "key"))
    await until(entered)
    assert await keys(driver) == []
    go_on.set()
    await task


async def test_what_was_answered_was_synced_first(root: Path, monkeypatch: pytest.MonkeyPatch, drafts: str) -> None:
    """The file before it is published, its directory after that, and new directories too."""
    order: list[str] = []
    synced, linked, replaced = os.fsync, os.link, os.replace

    def fsync(descriptor: int) -> None:
        order.append("directory" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file")
        synced(descriptor)

    def link(*arguments: object, **named: object) -> None:
        order.append("publish")
        linked(*arguments, **named)  # type: ignore[arg-type]  # handed on

    def replace(*arguments: object, **named: object) -> None:
        order.append("publish")
        replaced(*arguments, **named)  # type: ignore[arg-type]  # handed on

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "link", link)
    monkeypatch.setattr(os, "replace", replace)
    await put(LocalDriver(root), "a/b/key")
    assert order == ["directory", "directory", "file", "publish", "directory"]
    order.clear()
    await LocalDriver(root).delete("a/b/key", DeleteOptions())
    assert order == ["directory"]
    order.clear()
    await put(LocalDriver(root, fsync=False), "a/b/key")
    assert order == ["publish"]


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_no_name_enters_the_directory_itself_or_the_one_above(root: Path, name: str) -> None:
    with local_directory.Directory.root(str(root)) as directory, pytest.raises(InvalidKeyError):
        directory.enter(name)
