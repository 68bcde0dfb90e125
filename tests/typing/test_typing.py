"""What type checkers accept of the public API, and what they refuse."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest

HERE: Final = Path(__file__).parent

PREAMBLE: Final = """
import aiostore
from aiostore import AsyncObjectStore, LocalStore, MemoryStore, ObjectMeta, S3Store, Store

async def example(store: AsyncObjectStore, whole: Store, meta: ObjectMeta, driver: aiostore.Driver) -> None:
"""

REFUSED: Final[Mapping[str, tuple[str, str]]] = {
    "text as data": ('await store.put("key", "text")', "arg-type"),
    "text in an iterable": ('await store.put("key", (text for text in ["text"]))', "misc"),
    "a number as data": ('await store.put("key", 1)', "arg-type"),
    "bytes as a key": ('await store.get(b"key")', "arg-type"),
    "a missing key": ("await store.get()", "call-arg"),
    "options by position": ('await store.get("key", 0, 5)', "call-arg"),
    "an unknown option": ('await store.put("key", b"", if_missing=True)', "call-arg"),
    "a number as a condition": ('await store.get("key", if_match=1)', "arg-type"),
    "metadata of numbers": ('await store.put("key", b"", metadata={"name": 1})', "dict-item"),
    "awaiting a stream": ('await store.stream("key")', "misc"),
    "awaiting a listing": ("await store.list()", "misc"),
    "iterating get": ('[chunk async for chunk in store.get("key")]', "attr-defined"),
    "a forgotten await": ('store.put("key", b"value")', "unused-coroutine"),
    "using a forgotten await": ('len(store.get("key"))', "arg-type"),
    "changing an object's meta": ("meta.size = 1", "misc"),
    "a positional meta": ('ObjectMeta("key", 1)', "call-arg"),
    "a range as one argument": ('await store.get_range("key", (0, 5))', "arg-type"),
    "ranges of one number": ('await store.get_ranges("key", [1])', "list-item"),
    "an unknown integrity": ('Store(driver, integrity="maybe")', "arg-type"),
    "an unknown policy": ("Store(driver, retry=3)", "arg-type"),
    "an unknown limit": ("aiostore.Limits(connections=3)", "call-arg"),
    "a store as a driver": ("Store(whole)", "arg-type"),
    "a bucket that is no str": ("S3Store(1)", "arg-type"),
    "a root that is no path": ("LocalStore(1)", "arg-type"),
    "a verb that only a Store has": ('await store.size("key")', "attr-defined"),
}


def _mypy(*arguments: str, directory: Path) -> Sequence[str]:
    """The lines of mypy's output for a user, who has the package installed and no configuration of ours."""
    result = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--show-error-codes", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=directory,
    )
    assert result.returncode in {0, 1}, result.stdout + result.stderr
    return result.stdout.splitlines()


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[str]]:
    """What mypy says of each example; one run for all of them."""
    directory = tmp_path_factory.mktemp("typing")
    lines = PREAMBLE.splitlines()
    named: dict[int, str] = {}
    for name, (code, _) in REFUSED.items():
        lines.append(f"    {code}")
        named[len(lines)] = name
    (directory / "examples.py").write_text("\n".join(lines) + "\n")
    said: defaultdict[str, list[str]] = defaultdict(list)
    for line in _mypy("examples.py", directory=directory):
        if ": error: " in line:
            number = int(line.split(":")[1])
            assert number in named, line
            said[named[number]].append(line)
    return said


@pytest.mark.parametrize("name", REFUSED)
def test_a_mistake_is_refused(refusals: Mapping[str, list[str]], name: str) -> None:
    code, kind = REFUSED[name]
    assert [line for line in refusals.get(name, []) if line.endswith(f"[{kind}]")], (
        f"mypy accepts {code!r}, or says something else: {refusals.get(name)}"
    )


@pytest.mark.parametrize("name", ["public_api.py", "public_files.py", "public_paths.py"])
def test_the_public_api_has_the_documented_types(tmp_path: Path, name: str) -> None:
    assert _mypy(str(HERE / name), directory=tmp_path)[-1].startswith("Success")
