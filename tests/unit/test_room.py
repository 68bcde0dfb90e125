"""Memory that is filled in place and given away."""

from __future__ import annotations

import ctypes
import mmap
import os
import random
from pathlib import Path

import pytest

from aiostore import room
from aiostore.drivers.local_file import ShortFileError, read_whole
from aiostore.room import HUGE_PAGE, LEAST_HUGE, Room


@pytest.mark.parametrize("size", [0, 1, 4096, LEAST_HUGE - 1, LEAST_HUGE, LEAST_HUGE + HUGE_PAGE + 12_345])
def test_what_was_filled_in_is_what_is_given_away(size: int) -> None:
    memory = Room(size)
    assert len(memory.view) == size
    wanted = random.Random(size).randbytes(size)
    memory.view[:] = wanted
    assert memory.take() == wanted


def test_it_is_given_away_without_a_copy() -> None:
    memory = Room(LEAST_HUGE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory.view))
    data = memory.take()
    assert ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value == address


def test_only_whole_pages_within_it_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int, int]] = []

    def advise(begin: int, size: int, advice: int) -> int:
        asked.append((begin, size, advice))
        return -1

    monkeypatch.setattr(room, "_advise", lambda: advise)
    memory = Room(LEAST_HUGE + 5)
    first = ctypes.addressof(ctypes.c_char.from_buffer(memory.view))
    ((begin, size, advice),) = asked
    assert begin % HUGE_PAGE == size % HUGE_PAGE == 0
    assert first <= begin < begin + size <= first + LEAST_HUGE + 5
    assert advice == mmap.MADV_HUGEPAGE


def test_a_system_without_such_pages_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    room._advise.cache_clear()
    monkeypatch.delattr(mmap, "MADV_HUGEPAGE")
    assert len(Room(LEAST_HUGE).take()) == LEAST_HUGE
    room._advise.cache_clear()


def test_a_large_file_is_read_from_anywhere_and_a_short_one_noticed(tmp_path: Path) -> None:
    data = os.urandom(1024**2) * 33
    path = tmp_path / "file"
    path.write_bytes(data)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        assert read_whole(descriptor, len(data), 0) == data
        assert read_whole(descriptor, LEAST_HUGE, 777) == data[777 : 777 + LEAST_HUGE]
        with pytest.raises(ShortFileError):
            read_whole(descriptor, len(data), 1)
    finally:
        os.close(descriptor)
