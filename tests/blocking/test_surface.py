"""The blocking store has the verbs of ``Store``, each with the same parameters."""

from __future__ import annotations

import inspect

import pytest

import aiostore
from aiostore.blocking import BlockingStore

RENAMED = {"aclose": "close"}


def public(cls: type) -> set[str]:
    return {name for name in dir(cls) if not name.startswith("_")}


def test_it_has_the_verbs_of_a_store_and_no_others() -> None:
    wanted = {RENAMED.get(name, name) for name in public(aiostore.Store)}
    assert public(BlockingStore) - {"store"} == wanted


@pytest.mark.parametrize("name", sorted(public(aiostore.Store) - {"aclose", "location", "capabilities", "open"}))
def test_a_verb_takes_what_the_store_takes(name: str) -> None:
    def parameters(cls: type) -> list[tuple[str, object, object, object]]:
        signature = inspect.signature(getattr(cls, name))
        return [(one.name, one.kind, one.default, one.annotation) for one in signature.parameters.values()]

    assert parameters(BlockingStore) == parameters(aiostore.Store)


def test_no_verb_is_made_up_at_run_time() -> None:
    assert not hasattr(BlockingStore, "__getattr__")
    assert "__getattribute__" not in vars(BlockingStore)
