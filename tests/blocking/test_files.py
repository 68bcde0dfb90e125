"""Files of ``io`` over objects: what they are, what they refuse, and when they publish."""

from __future__ import annotations

import asyncio
import gc
import io
import itertools
import os
import pickle
import random
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import aiostore
from aiostore import Limits, MemoryStore
from aiostore.blocking import BlockingStore
from aiostore.blocking.files import WRITE_BUFFER
from aiostore.budget import BUDGET
from aiostore.handles import BinaryMode, TextMode
from tests.blocking.test_portal import run, until

DATA = bytes(range(256)) * 2000


@pytest.fixture
def store() -> Iterator[BlockingStore]:
    with aiostore.blocking.wrap(MemoryStore(limits=Limits(part_size=64 * 1024, reads=4))) as store:
        store["k"] = DATA
        yield store


# --- what they are


def test_files_are_those_of_io(store: BlockingStore) -> None:
    kinds: list[tuple[io.IOBase, type, str]] = [
        (store.open("k", "rb"), io.BufferedReader, "rb"),
        (store.open("w", "wb"), io.BufferedWriter, "wb"),
        (store.open("x", "xb"), io.BufferedWriter, "xb"),
        (store.open("k", "ab"), io.BufferedWriter, "ab"),
        (store.open("k", "rb", 0), io.RawIOBase, "rb"),
        (store.open("k", errors="replace"), io.TextIOWrapper, "r"),
        (store.open("w", "wt"), io.TextIOWrapper, "wt"),
    ]
    for file, kind, mode in kinds:
        with file:
            assert isinstance(file, kind)
            assert (file.name, file.mode) in {("k", mode), ("w", mode), ("x", mode)}  # type: ignore[attr-defined]  # as io's
            assert not file.isatty()
            with pytest.raises(OSError, match="fileno"):
                file.fileno()
            with pytest.raises(TypeError, match="cannot pickle"):
                pickle.dumps(file)
        assert file.closed
        file.close()
        with pytest.raises(ValueError, match="closed file"):
            file.flush()


def test_a_reader_moves_peeks_and_fills_buffers(store: BlockingStore) -> None:
    with store.open("k", "rb") as file:
        assert file.meta.size == len(DATA)
        assert file.peek(10)[:10] == DATA[:10]
        assert file.read(10) == DATA[:10]
        assert file.seek(-10, io.SEEK_END) == len(DATA) - 10
        assert file.read() == DATA[-10:]
        assert file.read(1) == b""
        assert file.seek(300_000) == 300_000
        buffer = bytearray(100_000)
        assert file.readinto(buffer) == 100_000
        assert buffer == DATA[300_000:400_000]
        assert file.tell() == 400_000
        assert file.seek(-5, io.SEEK_CUR) == 399_995
        some = file.read1(10_000_000)
        assert some == DATA[399_995 : 399_995 + len(some)]
        assert some
        assert file.seek(10**9) == 10**9
        assert file.read(1) == b""


def test_a_compressed_object_is_read_decoded_and_from_its_end(store: BlockingStore) -> None:
    store.put("packed", DATA, compress="gzip")
    with store.open("packed", "rb") as file:
        assert file.read(1000) == DATA[:1000]
        assert file.read() == DATA[1000:]
        assert file.read() == b""
    with store.open("packed", "rb") as file:
        assert file.seek(-10, io.SEEK_END) == len(DATA) - 10
        assert file.read(100) == DATA[-10:]
        assert file.seek(300_000) == 300_000
        assert file.read(100_000) == DATA[300_000:400_000]
    with store.open("packed", "rb", raw=True) as file:
        assert file.read(2) == b"\x1f\x8b"


def test_whatever_is_read_in_whatever_order_is_the_object(store: BlockingStore) -> None:
    model, dice = io.BytesIO(DATA), random.Random(3)
    with store.open("k", "rb") as file:
        for _ in range(300):
            if dice.random() < 0.5:
                place = dice.randrange(len(DATA) + 100)
                assert file.seek(place) == model.seek(place)
            size = dice.choice([0, 1, 100, 65_536, 70_000, 200_000, -1])
            if dice.random() < 0.5:
                assert file.read(size) == model.read(size)
            else:
                into, wanted = bytearray(max(size, 0)), bytearray(max(size, 0))
                assert file.readinto(into) == model.readinto(wanted)
                assert into == wanted
            assert file.tell() == model.tell()


def test_layers_can_be_taken_apart(store: BlockingStore) -> None:
    text = store.open("k", errors="replace")
    binary = text.detach()
    assert isinstance(binary, io.BufferedReader)
    raw = binary.detach()
    assert raw.read(3) == DATA[:3]
    assert raw.readall() == DATA[3:]
    raw.close()
    with io.TextIOWrapper(store.open("lines", "wb"), "utf-16", newline="\r\n") as wrapped:
        wrapped.write("a\nb\n")
    assert store["lines"].decode("utf-16") == "a\r\nb\r\n"


def test_appending_goes_behind_what_is_there(store: BlockingStore) -> None:
    with store.open("k", "ab") as file:
        assert file.tell() == len(DATA)
        file.write(b"more")
    assert store["k"] == DATA + b"more"


def test_the_options_of_a_write_reach_the_object(store: BlockingStore) -> None:
    with store.open("typed", "w", content_type="text/x-odd", metadata={"a": "b"}) as file:
        file.write("été\n")
    meta = store.head("typed")
    assert (meta.content_type, dict(meta.metadata)) == ("text/x-odd", {"a": "b"})
    with store.open("result", "wb") as binary:
        binary.write(b"12")
    assert binary.result.size == 2


def test_an_unbuffered_file_hands_on_each_write(store: BlockingStore) -> None:
    with store.open("raw", "wb", 0) as file:
        assert file.write(b"12") == 2
        assert file.write(memoryview(b"3456")[::2].tobytes()) == 2
        assert file.tell() == 4
    assert store["raw"] == b"1235"


@pytest.mark.parametrize("make", [bytes, bytearray, memoryview, lambda data: memoryview(data).cast("H")])
def test_large_writes_go_between_small_ones(store: BlockingStore, make: Callable[[bytes], Any]) -> None:
    data = random.Random(5).randbytes(WRITE_BUFFER)
    with store.open("large", "wb") as file:
        file.write(b"a")
        large = make(data)
        assert file.write(large) == WRITE_BUFFER
        if isinstance(large, bytearray):
            large[:] = bytes(WRITE_BUFFER)
        file.write(b"b")
        assert file.tell() == WRITE_BUFFER + 2
    assert store["large"] == b"a" + data + b"b"
    with pytest.raises(ValueError, match="closed file"):
        file.write(data)


def test_threads_that_share_a_writer_mix_no_bytes_of_a_write(store: BlockingStore) -> None:
    sizes = [1, 100_000, WRITE_BUFFER, WRITE_BUFFER + 1, 3 * WRITE_BUFFER]
    with store.open("shared", "wb") as file, ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: file.write(bytes([number]) * sizes[number % 5]), range(40)))
    runs = [(value, len(list(same))) for value, same in itertools.groupby(store["shared"])]
    assert sorted(runs) == [(number, sizes[number % 5]) for number in range(40)]


# --- opening by URL or path


def test_local_paths_are_opened_as_open_does(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    with aiostore.blocking.open(path, "w") as file:
        file.write("é\n")
    assert path.read_bytes() == "é\n".encode()
    with aiostore.blocking.open(str(path)) as file:
        assert file.name == str(path)
        assert list(file) == ["é\n"]
    with pytest.raises(FileNotFoundError) as caught:
        aiostore.blocking.open(tmp_path / "missing")
    assert caught.value.filename == str(tmp_path / "missing")
    with pytest.raises(IsADirectoryError):
        aiostore.blocking.open(tmp_path)
    with pytest.raises(FileNotFoundError):
        aiostore.blocking.open(tmp_path / "no" / "directory", "w")


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
@pytest.mark.parametrize("mode", ["w", "a", "r+", "w+"])
def test_a_local_file_that_is_written_again_keeps_its_mode(tmp_path: Path, mode: TextMode) -> None:
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o600)
    (tmp_path / "link").symlink_to(path)
    for name in ("secret", "link"):
        with aiostore.blocking.open(tmp_path / name, mode) as file:
            file.write("new")
        assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text().endswith("new")


def test_urls_are_opened_over_stores_that_are_kept() -> None:
    with aiostore.blocking.open("memory://files/a/b.txt", "x") as file:
        file.write("1")
    with aiostore.blocking.open("memory://files/a/b.txt") as file:
        assert file.read() == "1"
    with pytest.raises(FileExistsError):
        aiostore.blocking.open("memory://files/a/b.txt", "x").close()


# --- refusals


@pytest.mark.parametrize(
    ("mode", "arguments", "error"),
    [
        ("rw", {}, ValueError),
        ("", {}, ValueError),
        ("rbt", {}, ValueError),
        ("rb", {"encoding": "utf-8"}, ValueError),
        ("rb", {"newline": "\n"}, ValueError),
        ("r", {"newline": "x"}, ValueError),
        ("r", {"encoding": "nonsense"}, LookupError),
        ("r", {"encoding": "rot13"}, LookupError),
        ("r", {"errors": "nonsense"}, LookupError),
        ("r", {"buffering": 0}, ValueError),
        ("r", {"buffering": "1"}, TypeError),
        ("r", {"nonsense": 1}, TypeError),
        (1, {}, TypeError),
    ],
)
def test_wrong_arguments_are_the_errors_of_open(
    store: BlockingStore, mode: Any, arguments: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        store.open("k", mode, **arguments)
    with pytest.raises(error):
        aiostore.blocking.open("memory://files/k", mode, **arguments)


def test_what_a_reader_or_writer_cannot_do_is_unsupported(store: BlockingStore) -> None:
    with store.open("k", "rb") as reader:
        refusals: list[Callable[[], object]] = [
            lambda: reader.write(b"1"), lambda: reader.truncate(0), lambda: reader.raw.write(b"1"),
        ]  # fmt: skip
        for refused in refusals:
            with pytest.raises(io.UnsupportedOperation):
                refused()
    with store.open("w", "wb") as writer:
        refusals = [
            lambda: writer.read(1), lambda: writer.seek(0), lambda: writer.truncate(0), lambda: writer.raw.readall(),
        ]  # fmt: skip
        for refused in refusals:
            with pytest.raises(io.UnsupportedOperation):
                refused()
    with pytest.warns(RuntimeWarning, match="line buffering"):
        store.open("k", "rb", 1).close()


async def test_a_file_opened_on_the_thread_of_a_loop_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="await"):
        aiostore.blocking.open(tmp_path / "file", "w")
    with await asyncio.to_thread(aiostore.blocking.open, tmp_path / "file", "w") as file:
        await asyncio.to_thread(file.write, "1")
        await asyncio.to_thread(file.close)
    assert (tmp_path / "file").read_text() == "1"


# --- publishing


@pytest.mark.parametrize("mode", ["w", "wb", "x", "xb"])
@pytest.mark.parametrize("size", [10, 3_000_000])
def test_a_with_that_fails_publishes_nothing(store: BlockingStore, mode: str, size: int) -> None:
    file: Any = store.open("new", mode)  # type: ignore[call-overload]  # each is one that it takes
    with pytest.raises(ZeroDivisionError), file:
        file.write(bytes(size) if "b" in mode else "x" * size)
        raise ZeroDivisionError
    assert file.closed
    assert not store.exists("new")
    assert BUDGET.used == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda store: store.open("new", "w"),
        lambda store: io.TextIOWrapper(store.open("new", "wb")),
        lambda store: io.TextIOWrapper(io.BufferedWriter(store.open("new", "wb", 0))),
    ],
)
@pytest.mark.parametrize("size", [10, 3_000_000])
def test_a_writer_that_is_dropped_publishes_nothing(
    store: BlockingStore, make: Callable[[BlockingStore], Any], size: int
) -> None:
    file = make(store)
    file.write("x" * size)
    with pytest.warns(ResourceWarning, match="unclosed file"):
        file = gc.collect()
    until(lambda: BUDGET.used == 0)
    assert not store.exists("new")


@pytest.mark.parametrize("mode", ["rb", "wb", "r+b"])
def test_an_unbuffered_file_that_is_dropped_warns_once_as_io_s_do(store: BlockingStore, mode: BinaryMode) -> None:
    files = [store.open("k", mode, 0)]
    with pytest.warns(ResourceWarning, match="unclosed file") as caught:
        files.clear()
    assert len(caught) == 1
    assert store["k"] == DATA


def test_a_dropped_file_in_a_cycle_publishes_nothing(store: BlockingStore) -> None:
    cycle: list[object] = []
    cycle.append(store.open("new", "wb"))
    cycle.append(cycle)
    cycle[0].write(bytes(3_000_000))  # type: ignore[attr-defined]  # the file
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        del cycle
        gc.collect()
    until(lambda: BUDGET.used == 0)
    assert not store.exists("new")


def test_abort_closes_and_publishes_nothing(store: BlockingStore) -> None:
    with store.open("new", "w") as text:
        text.write("x")
        text.abort()
        assert text.closed
    with store.open("new", "wb") as file:
        file.write(b"x")
    file.abort()
    assert store["new"] == b"x"


def test_a_store_closed_under_a_file_is_an_error_and_publishes_nothing(store: BlockingStore) -> None:
    view = store.with_prefix("")
    reader, writer = view.open("k", "rb"), view.open("new", "wb")
    reader.read(1)
    writer.write(b"1")
    view.close()
    with pytest.raises(aiostore.StoreClosedError):
        reader.seek(400_000)
        reader.read(1)
    reader.close()
    with pytest.raises(aiostore.StoreClosedError):
        writer.close()
    assert writer.closed
    assert not store.exists("new")


def test_an_object_replaced_while_it_is_read_is_an_error(store: BlockingStore) -> None:
    with store.open("k", "rb") as file:
        file.read(10)
        store["k"] = DATA[::-1]
        with pytest.raises(aiostore.ObjectChangedError):
            file.read()


def test_an_interrupted_write_poisons_the_file() -> None:
    out = run(
        """
        import os, signal, threading, aiostore
        store = aiostore.blocking.connect("memory://x")
        file = store.open("k", "wb")
        file.write(bytes(100))
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()

        import asyncio
        inner = file.raw._file

        class Slow:
            def __getattr__(self, name):
                return getattr(inner, name)
            async def write(self, data):
                file.raw._file = inner
                await asyncio.sleep(60)
        file.raw._file = Slow()
        try:
            file.flush()
        except KeyboardInterrupt:
            print("interrupted")
        try:
            file.close()
        except aiostore.StoreError as error:
            print(type(error).__name__)
        print(store.exists("k"), file.closed)
        """
    )
    assert out.split() == ["interrupted", "StoreError", "False", "True"]


def test_files_left_open_end_in_silence() -> None:
    run(
        """
        import warnings, aiostore
        warnings.simplefilter("ignore", ResourceWarning)
        store = aiostore.blocking.connect("memory://x")
        writer = store.open("k", "w")
        writer.write("x" * 20_000_000)
        store["l"] = bytes(20_000_000)
        reader = store.open("l", "rb")
        reader.read(100_000)
        """
    )
