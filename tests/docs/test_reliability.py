"""The tests that the page on reliability names are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = sorted(set(re.findall(r"`(tests/[^`]+)`", (ROOT / "docs/reliability.md").read_text())))


@pytest.mark.parametrize("name", NAMED)
def test_a_named_test_is_there(name: str) -> None:
    assert (ROOT / name).exists()


def test_some_are_named() -> None:
    assert len(NAMED) > 10
