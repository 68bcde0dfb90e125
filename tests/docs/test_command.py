"""The page of the command is what the commands say."""

from __future__ import annotations

import json
import re

from click.testing import CliRunner

from aiostore.cli.command import FAILED, INTERRUPTED, MISUSED, TERMINATED, aiostore
from docs import command


def test_the_verbs_are_those_of_the_command() -> None:
    assert command.written() == command.PAGE.read_text(), "run python docs/command.py"


def test_the_exit_codes_are_those_of_the_command() -> None:
    codes = re.findall(r"^\| ([0-9, ]+) \|", command.PAGE.read_text(), re.MULTILINE)
    assert [int(code) for row in codes for code in row.split(",")] == [0, FAILED, MISUSED, INTERRUPTED, TERMINATED]


def fields(verb: str) -> set[str]:
    shapes = command.PAGE.read_text().partition("With `--json`")[2].partition("Sizes are bytes")[0]
    (row,) = re.findall(rf"^\| `{verb}` \|(.*)\|$", shapes, re.MULTILINE)
    return set(re.findall(r"`(\w+)`", row))


def lines(*arguments: str) -> list[dict[str, object]]:
    result = CliRunner().invoke(aiostore, arguments)
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_lines_of_json_have_the_fields_that_the_page_names() -> None:
    place = "memory://command-page"
    assert lines("touch", f"{place}/a/key") == []
    for verb in ("ls", "du", "stat"):
        assert set(lines(verb, "--json", f"{place}/a/key")[-1]) == fields(verb)
    assert set(lines("head", "--json", f"{place}/a/key")[0]) <= fields("head")
    planned = lines("sync", "--json", "--dry-run", f"{place}/a", f"{place}/b")
    assert set(planned[0]) | set(planned[1]) == fields("sync")
    (difference,) = lines("verify", "--json", f"{place}/a", f"{place}/b")
    assert set(difference) == fields("verify")
    assert lines("rm", "-rf", f"{place}/a") == []
