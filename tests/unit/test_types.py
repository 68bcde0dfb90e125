from __future__ import annotations

import dataclasses
import pickle

import pytest

from aiostore.types import ObjectMeta, object_meta


def test_the_quick_constructor_makes_what_the_plain_one_makes() -> None:
    fields = {field.name: field.name for field in dataclasses.fields(ObjectMeta)}
    quick, plain = object_meta(**fields), ObjectMeta(**fields)  # type: ignore[arg-type]  # any value will do
    assert quick == plain
    assert type(quick) is ObjectMeta
    assert pickle.loads(pickle.dumps(quick)) == plain
    assert object_meta("k", 1) == ObjectMeta(key="k", size=1)


def test_what_it_makes_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        object_meta("k", 1).size = 2  # type: ignore[misc]  # the point of the test
