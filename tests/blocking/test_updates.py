"""Files that are read and written in place, in blocking code: io's own, over a private copy."""

from __future__ import annotations

import gc
import io
import pickle
import resource
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

import aiostore
from aiostore import MemoryStore
from aiostore.blocking import BlockingStore


@pytest.fixture
def store() -> Iterator[BlockingStore]:
    with aiostore.blocking.wrap(MemoryStore()) as store:
        store.put("k", b"0123456789", metadata={"made": "here"})
        yield store


def test_an_object_is_a_buffered_random_file(store: BlockingStore) -> None:
    with store.open("k", "r+b") as file:
        assert isinstance(file, io.BufferedRandom)
        assert isinstance(file.raw, io.RawIOBase)
        assert (file.name, file.mode) == ("k", "rb+")
        assert file.read(2) == b"01"
        file.write(b"XX")
        file.seek(0)
        assert file.truncate(6) == 6
        assert file.read() == b"01XX45"
        with pytest.raises(TypeError, match="cannot pickle"):
            pickle.dumps(file)
        with pytest.raises(OSError, match="fileno"):
            file.fileno()
        assert store["k"] == b"0123456789"
    assert store["k"] == b"01XX45"
    assert file.result is not None
    assert dict(store.head("k").metadata) == {"made": "here"}


def test_text_can_be_changed_in_place(store: BlockingStore) -> None:
    with store.open("t", "w+", encoding="utf-16") as file:
        file.write("été\n")
        file.seek(0)
        assert file.read() == "été\n"
    with store.open("t", "a+", encoding="utf-16") as file:
        file.write("2")
        file.seek(0)
        assert list(file) == ["été\n", "2"]
    assert store["t"].decode("utf-16") == "été\n2"


def test_a_library_may_read_back_what_it_writes(store: BlockingStore) -> None:
    image = Image.linear_gradient("L")
    with store.open("image", "w+b") as file:
        image.save(file, "tiff")
    with store.open("image", "rb") as read, Image.open(read) as again:
        assert again.tobytes() == image.tobytes()


def test_modes_w_x_and_a_make_what_is_not_there(store: BlockingStore) -> None:
    for key, mode in (("w", "w+b"), ("x", "x+b"), ("a", "a+b")):
        with store.open(key, mode):  # type: ignore[call-overload]  # each is one that it takes
            pass
        assert store[key] == b""
    with pytest.raises(FileExistsError), store.open("k", "x+b") as file:
        file.write(b"1")
    with pytest.raises(FileNotFoundError):
        store.open("missing", "r+b")
    assert store["k"] == b"0123456789"


def test_a_change_that_ends_badly_is_none(store: BlockingStore) -> None:
    before = store.head("k")
    with pytest.raises(ZeroDivisionError), store.open("k", "r+b") as file:
        file.write(b"X")
        raise ZeroDivisionError
    with store.open("k", "r+") as text:
        text.write("X")
        text.abort()
    dropped = store.open("k", "r+")
    dropped.write("X")
    with pytest.warns(ResourceWarning, match="unclosed file"):
        dropped = gc.collect()  # type: ignore[assignment]  # let go
    with store.open("k", "r+b") as file:
        file.read()
    assert store.head("k") == before


def test_nobody_else_s_change_is_lost(store: BlockingStore) -> None:
    file = store.open("k", "r+b")
    file.write(b"mine")
    store["k"] = b"theirs"
    with pytest.raises(aiostore.PreconditionFailedError, match="open it again"):
        file.close()
    assert file.closed
    assert store["k"] == b"theirs"


def test_a_write_that_fails_leaves_the_object_as_it_was(store: BlockingStore) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    file = store.open("k", "r+b")
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            file.write(bytes(2_000_000))
        with pytest.raises(aiostore.StoreError, match="nothing is published"):
            file.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert file.closed
    assert store["k"] == b"0123456789"


def test_options_that_make_no_sense_are_refused(store: BlockingStore) -> None:
    for name in ("if_match", "if_absent", "version"):
        with pytest.raises(ValueError, match=name):
            store.open("k", "r+b", **{name: "x"})  # type: ignore[call-overload]  # wrong on purpose


def test_the_copy_is_private_and_gone_in_the_end(store: BlockingStore) -> None:
    directory = Path(tempfile.gettempdir())
    before = set(directory.iterdir())
    with store.open("k", "r+b"):
        (copy,) = set(directory.iterdir()) - before
        assert copy.stat().st_mode & 0o777 == 0o600
    assert set(directory.iterdir()) == before
