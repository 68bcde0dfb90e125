"""Every verb and every option of the command is exercised by a test; those that forget one fail here."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs import command

CALLS = {"within", "fails", "invoke", "run", "start", "on_a_terminal"}
"""What runs the command in these tests, beside a shell itself."""

SHELLS = {"shell", "ceph_shell", "swift_shell", "local_shell", "named", "SHELL"}
EVERYWHERE = "test_command.py"
"""Its tests run on every backend, in a process of their own."""


def words(tree: ast.AST) -> Iterator[tuple[str, ...]]:
    """The literal words of each command line in a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in CALLS or name in SHELLS:
                yield tuple(literals(node.args))
        elif isinstance(node, (ast.Tuple, ast.List)):  # those that tests are parametrized with
            yield tuple(literals(node.elts))


def literals(nodes: list[ast.expr]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.Starred) and isinstance(node.value, ast.Name):
            yield from NAMED.get(node.value.id, ())


NAMED = {"flags": ("-m", "--content-type", "--cache-control"), "how": ("--if-absent", "--best-effort")}
"""What is spread into command lines from variables of these names."""


def used(pattern: str) -> dict[str, set[str]]:
    """The options that each verb is called with."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in Path(__file__).parent.glob(pattern):
        for line in words(ast.parse(path.read_text())):
            verb = " ".join(line[:2]) if line[:1] == ("alias",) else "".join(line[:1])
            found[verb].update(option for word in line[1:] for option in split(word))
    return found


def split(word: str) -> Iterator[str]:
    yield word
    if word.startswith("-") and not word.startswith("--"):
        yield from (f"-{letter}" for letter in word[1:])


VERBS = {name.removeprefix("aiostore "): verb for name, verb in command.verbs() if not hasattr(verb, "commands")}


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_a_verb_is_run_as_a_process_on_every_backend(verb: str) -> None:
    assert verb in used(EVERYWHERE)


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_option_of_a_verb_is_given_somewhere(verb: str) -> None:
    given = used("test_*.py")[verb]
    assert [option.opts for option in command.options(VERBS[verb]) if not given & set(option.opts)] == []


def test_a_forgotten_option_is_noticed() -> None:
    assert "--forgotten" not in used("test_*.py")["ls"]
    assert len(VERBS) == 18
