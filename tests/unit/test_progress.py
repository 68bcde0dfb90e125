"""Bars for whatever takes ``progress=``: drawn on a terminal, silent elsewhere, and explained where rich is missing."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from aiostore import ConfigurationError, MemoryStore, blocking, progress, transfer
from aiostore.types import Progress


def terminal() -> tuple[Console, io.StringIO]:
    shown = io.StringIO()
    return Console(file=shown, force_terminal=True, width=200, color_system=None), shown


async def test_a_bar_follows_every_call_that_tells_its_progress(tmp_path: Path) -> None:
    console, shown = terminal()
    async with MemoryStore() as store, MemoryStore() as other:
        with progress.bar("up", console=console) as moved:
            await store.put("key", b"x" * 3 * 1024**2, progress=moved)
        assert "up " in shown.getvalue()
        assert "3.0/3.0 MiB" in shown.getvalue()
        with progress.bar("down", console=console) as moved:
            await store.download("key", tmp_path / "key", progress=moved)
        assert shown.getvalue().count("3.0/3.0 MiB") >= 2
        with progress.bar("many", unit="objects", console=console) as moved:
            await store.put_many([(f"{number}", b"") for number in range(7)], progress=moved)
        assert "7/7" in shown.getvalue()
        with progress.bar("tree", total=3 * 1024**2, console=console) as moved:
            await transfer.copy(store, other, progress=moved)
        assert shown.getvalue().count("3.0/3.0 MiB") >= 3


def test_a_bar_follows_blocking_calls() -> None:
    console, shown = terminal()
    with blocking.connect("memory://progress") as store, progress.bar("up", console=console) as moved:
        store.put("key", b"x" * 1024, progress=moved)
    assert "1.0/1.0 KiB" in shown.getvalue()


def test_several_bars_are_one_below_the_other() -> None:
    console, shown = terminal()
    with progress.Bars(console=console) as bars:
        moved: list[Progress] = [bars.add(name) for name in ("one", "two [red]\x1b[31m")]
        for each in moved:
            each(512, 1024)
    last = shown.getvalue()
    assert "one" in last
    assert "two [red] [31m" in last


def test_nothing_is_drawn_where_nobody_looks() -> None:
    shown = io.StringIO()
    with progress.bar("quiet", console=Console(file=shown)) as moved:
        moved(1, 2)
    assert shown.getvalue() == ""


def test_rich_is_imported_when_a_bar_is_begun_and_named_when_it_is_missing() -> None:
    code = """
import sys
import aiostore.progress
assert "rich" not in sys.modules
sys.modules["rich"] = None
try:
    aiostore.progress.Bars()
except aiostore.ConfigurationError as error:
    print(error)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "aiostore[cli]" in result.stdout


def test_a_missing_extra_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich", None)
    with pytest.raises(ConfigurationError, match=r"aiostore\[cli\]"), progress.bar("never"):
        pass
