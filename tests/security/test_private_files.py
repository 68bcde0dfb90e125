"""What is written on the way to somewhere else is for the eyes of its owner only."""

from __future__ import annotations

import asyncio
import os
import stat
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from aiostore import LocalStore
from aiostore._engine.spool import Spool
from aiostore.drivers import local_draft
from aiostore.drivers.memory import MemoryDriver
from aiostore.store import Store
from aiostore.testing import FaultyDriver, Hold

MIB = 1024**2


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def modes(directory: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.rglob("*") if path.is_file()}


def open_modes() -> list[int]:
    """Of the files that have no name but are open."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            status = os.stat(f"/proc/self/fd/{name}")
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode) and not status.st_nlink:
            found.append(stat.S_IMODE(status.st_mode))
    return found


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.002)


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("verb", ["put", "upload"])
async def test_what_is_being_stored_is_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool, verb: str
) -> None:
    if named:
        monkeypatch.setattr(local_draft, "_O_TMPFILE", 0)
    seen: list[int] = []

    async def pieces() -> AsyncIterator[bytes]:
        for number in range(6):
            yield bytes(2 * MIB)
            if number > 3:
                seen.extend([*modes(tmp_path).values(), *open_modes()])

    async with LocalStore(tmp_path, fsync=False) as store:
        size = 5 * MIB if verb == "upload" else None
        await store.put("secret", pieces(), part_size=size)
    assert seen
    assert set(seen) == {0o600}


async def test_what_is_being_downloaded_is_private(tmp_path: Path) -> None:
    inner = MemoryDriver()
    hold = Hold(primitive="get")
    async with Store(inner) as direct, Store(FaultyDriver(inner, [hold])) as store:
        await direct.put("key", bytes(3 * MIB))
        target = tmp_path / "target"
        task = asyncio.create_task(store.download("key", target))
        await hold.reached.wait()
        before = modes(tmp_path) | {str(number): mode for number, mode in enumerate(open_modes())}
        hold.released.set()
        await task
    assert set(before.values()) == {0o600}
    assert target.read_bytes() == bytes(3 * MIB)


async def test_what_is_spooled_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen: list[int] = []
    spool = Spool()
    await spool.write(b"12345678" * MIB)
    seen.extend(modes(tmp_path).values())
    await spool.aclose()
    assert seen == [0o600]
    assert list(tmp_path.iterdir()) == []
