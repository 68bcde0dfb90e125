"""What the documentation shows works: every Python block runs, in the order of its file, as one program.

A block that needs what a test does not have is preceded by a line ``<!-- not run: the reason -->``.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from unittest import mock

import pytest

import aiostore

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*|\{[\w:-]+\}.*)$")
_NOT_RUN = re.compile(r"<!-- not run: \S.*-->$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A Python block of a page; ``line`` is where its first line stands, from 1."""

    line: int
    text: str
    runs: bool

    def compiled(self, page: str) -> CodeType:
        # Empty lines before it, so that a traceback shows the page's own line numbers.
        lines = "\n" * (self.line - 1) + self.text
        code: CodeType = compile(lines, page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        return code


def blocks(text: str) -> Iterator[Block]:
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        fence = _FENCE.match(lines[number])
        number += 1
        if fence is None:
            continue
        first, close = number, fence["indent"] + "```"
        while lines[number] != close:
            number += 1
        if fence["language"] == "python":
            runs = first < 2 or _NOT_RUN.match(lines[first - 2].strip()) is None
            code = "\n".join(line.removeprefix(fence["indent"]) for line in lines[first:number])
            yield Block(line=first + 1, text=code, runs=runs)
        number += 1


def run(page: str, text: str) -> int:
    """Run a page's blocks in one namespace and event loop; returns how many there were."""
    count = 0
    namespace: dict[str, object] = {"__name__": "__page__", "aiostore": aiostore}
    with asyncio.Runner() as runner:
        for block in blocks(text):
            code = block.compiled(page)
            if not block.runs:
                continue
            count += 1
            result = eval(code, namespace)  # noqa: S307  # our own documentation
            if inspect.iscoroutine(result):
                runner.run(result)
    return count


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = page.read_text()
    # An indented or differently marked fence would be passed over in silence.
    assert text.count("```python") == len(list(blocks(text)))
    with mock.patch.dict(os.environ):  # which a page may change
        run(str(page), text)


def test_the_readme_runs_what_it_shows_first() -> None:
    first = next(blocks((ROOT / "README.md").read_text()))
    assert first.runs
    assert len([line for line in first.text.splitlines() if line.strip()]) <= 20


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_a_block_that_fails_is_noticed() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        run(
            "page.md", "# Page\n\n```python\nimport asyncio\nawait asyncio.sleep(0)\n```\ntext\n```python\n1 / 0\n```\n"
        )
    assert caught.traceback[-1].lineno == 8


def test_a_block_is_left_out_only_with_a_reason() -> None:
    shown = "```python\nmissing\n```\n"
    assert run("page.md", f"<!-- not run: needs a bucket -->\n{shown}") == 0
    with pytest.raises(NameError):
        run("page.md", f"<!-- not run: -->\n{shown}")
