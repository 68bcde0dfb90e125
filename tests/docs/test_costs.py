"""The requests that the page on transfers counts are those that are sent."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from aiostore import MemoryStore, Store, transfer
from aiostore.cli.command import aiostore
from aiostore.drivers.memory import MemoryDriver

PAGE = (Path(__file__).parents[2] / "docs/transfer.md").read_text()
ROWS: dict[str, str] = dict(re.findall(r"^\| (`.+?) \| (.+?) \|$", PAGE.partition("### Requests")[2], re.M))
COMMANDS = {row.strip("`"): cells for row, cells in ROWS.items() if row.startswith("`aiostore ")}

NAMES = {
    "list_page": "list", "delete_many": "batch", "create_multipart": "start", "put_part": "part",
    "complete_multipart": "complete",
}  # fmt: skip
"""What the page calls the primitives that have another name."""

N, P = 5, 3
LARGE = P * 8 * 1024**2


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts what is asked of stores in memory."""
    counts: Counter[str] = Counter()
    inside: list[str] = []

    def watch(name: str) -> None:
        primitive = getattr(MemoryDriver, name)

        async def counted(self: MemoryDriver, *arguments: Any, **keywords: Any) -> Any:
            if not inside:  # a batch deletes its keys one by one here
                counts[NAMES.get(name, name)] += 1
            if name == "delete_many":
                inside.append(name)
            try:
                return await primitive(self, *arguments, **keywords)
            finally:
                if name == "delete_many":
                    inside.pop()

        monkeypatch.setattr(MemoryDriver, name, counted)

    for name in ("head", "get", "put", "copy", "delete", "list_parts", "list_multipart", *NAMES):
        watch(name)
    return counts


def said(cells: str) -> Counter[str]:
    """The numbers of a row: ``2 lists, n gets``."""
    found: Counter[str] = Counter()
    for number, name in re.findall(r"(\w+) (\w+)", cells):
        times = {"n": N, "2n": 2 * N, "p": P}.get(number) or int(number)
        found[name if name == "complete" else re.sub(r"(ch)?es$|s$", r"\1", name)] += times
    return found


def test_commands_send_what_the_page_says(sent: Counter[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "TREE").mkdir()
    for number in range(N):
        (tmp_path / "TREE" / f"{number}").write_bytes(b"x")
    (tmp_path / "FILE").write_bytes(b"x")
    (tmp_path / "BIG").write_bytes(bytes(LARGE))
    assert len(COMMANDS) > 20
    for command, cells in COMMANDS.items():
        words = [re.sub(r"^(T?HERE)", r"memory://costs-\1", word) for word in command.split()[1:]]
        sent.clear()
        result = CliRunner().invoke(aiostore, words)
        assert (result.exit_code, result.stderr) == (0, ""), command
        assert sent == said(cells), command


async def filled(sent: Counter[str]) -> MemoryStore:
    store = MemoryStore()
    await store.put_many([(f"{number}", b"x") for number in range(N)], stop_on_error=True)
    sent.clear()
    return store


async def test_bulk_calls_send_what_the_page_says(sent: Counter[str]) -> None:
    keys = [f"{number}" for number in range(N)]
    for row in ("`get_many`", "`put_many`", "`head_many`, `exists_many`, `size_many`", "`delete_many`"):
        for name in re.findall(r"`(\w+)`", row):
            store = await filled(sent)
            items = [(key, b"y") for key in keys] if name == "put_many" else keys
            await getattr(store, name)(items)
            assert sent == said(ROWS[row]), name


async def test_transfers_send_what_the_page_says(sent: Counter[str], tmp_path: Path) -> None:
    async def copied(source: Store, target: Store, row: str, **options: Any) -> None:
        sent.clear()
        summary = await transfer.sync(source, target, resume=tmp_path, **options)
        assert summary.failed == 0
        assert sent == said(ROWS[row]), row

    source, target = await filled(sent), MemoryStore()
    await copied(source, target, "`transfer.copy`, small objects")
    await copied(source, target, "`transfer.copy` again")
    await copied(source, target, '`compare="checksum"`, equal objects', compare="checksum")
    await copied(MemoryStore(), target, "`transfer.sync(delete=True)`, nothing but deletes", delete=True)
    large = MemoryStore()
    await large.put("large", bytes(LARGE))
    await copied(large, target, "`transfer.copy`, a large object")
    await asyncio.gather(*(store.aclose() for store in (source, target, large)))
