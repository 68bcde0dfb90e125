"""A store against a dict: whatever is done to both, in whatever order, they agree."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from aiostore import LocalStore
from aiostore.capabilities import PartLimits
from aiostore.drivers.memory import MemoryDriver
from aiostore.errors import (
    AlreadyExistsError,
    InvalidRangeError,
    NotFoundError,
    NotModifiedError,
    PreconditionFailedError,
)
from aiostore.policies import Limits, RetryPolicy
from aiostore.store import Store
from aiostore.testing import FailRandomly, FaultyDriver
from aiostore.types import ItemResult, PutResult

T = TypeVar("T")

PART = 1000

# Few keys, so that they meet; none continues another with a slash, which local files cannot hold.
KEYS = st.sampled_from(["a", "b", "b c", "d/e", "d/f", "d/g/h", "é", "\uff61", "\U0001f600", "A"])
PREFIXES = st.sampled_from(["", "a", "b", "d", "d/", "d/g/", "é", "x"])
DATA = st.one_of(st.binary(max_size=20), st.integers(0, 4 * PART).map(lambda size: bytes(range(256)) * (size // 256)))
METADATA = st.dictionaries(st.sampled_from(["one", "two"]), st.sampled_from(["x", "y z"]))
WHENCE = st.integers(-5 * PART, 5 * PART)


class StoreMachine(RuleBasedStateMachine):
    """Does the same to a store and to a dict. Subclasses say which store."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.model: dict[str, tuple[bytes, dict[str, str]]] = {}
        self.written: dict[str, PutResult] = {}
        self.older: PutResult = PutResult(etag="0" * 32)
        self.store = self.make()

    def make(self) -> Store:
        raise NotImplementedError

    def teardown(self) -> None:
        self.run(self.store.aclose())
        assert not self.run(self._tasks())
        self.runner.close()

    async def _tasks(self) -> set[asyncio.Task[Any]]:
        return asyncio.all_tasks() - {asyncio.current_task()}

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(call)

    def wrote(self, key: str, result: PutResult, data: bytes, metadata: dict[str, str]) -> None:
        self.older = self.written.get(key, self.older)
        self.written[key] = result
        self.model[key] = data, metadata

    @initialize(key=KEYS, data=DATA)
    def begin(self, key: str, data: bytes) -> None:
        self.put(key, data, {}, 1)

    @rule(key=KEYS, data=DATA, metadata=METADATA, pieces=st.integers(0, 5))
    def put(self, key: str, data: bytes, metadata: dict[str, str], pieces: int) -> None:
        source = data if not pieces else [data[start::pieces] for start in range(pieces)]
        stored = data if isinstance(source, bytes) else b"".join(source)
        self.wrote(key, self.run(self.store.put(key, source, metadata=metadata, part_size=PART)), stored, metadata)

    @rule(key=KEYS, data=DATA)
    def create(self, key: str, data: bytes) -> None:
        if key in self.model:
            with pytest.raises(AlreadyExistsError):
                self.run(self.store.put(key, data, if_absent=True, part_size=PART))
        else:
            self.wrote(key, self.run(self.store.put(key, data, if_absent=True, part_size=PART)), data, {})

    @rule(key=KEYS, data=DATA)
    def swap(self, key: str, data: bytes) -> None:
        if key in self.model:
            result = self.run(self.store.put(key, data, if_match=self.written[key], part_size=PART))
            self.wrote(key, result, data, {})

    @rule(key=KEYS)
    def refuse_to_swap(self, key: str) -> None:
        if key not in self.model or self.written[key].etag == self.older.etag:
            return
        with pytest.raises(PreconditionFailedError):
            self.run(self.store.put(key, b"never", if_match=self.older))

    @rule(key=KEYS)
    def get(self, key: str) -> None:
        if key in self.model:
            data, metadata = self.model[key]
            assert self.run(self.store.get(key)) == data
            meta = self.run(self.store.head(key))
            assert (meta.size, dict(meta.metadata), meta.etag) == (len(data), metadata, self.written[key].etag)
            with pytest.raises(NotModifiedError):
                self.run(self.store.get(key, if_none_match=meta))
        else:
            with pytest.raises(NotFoundError):
                self.run(self.store.get(key))
            assert not self.run(self.store.exists(key))

    @rule(key=KEYS, start=WHENCE, length=st.none() | st.integers(0, 3 * PART))
    def get_range(self, key: str, start: int, length: int | None) -> None:
        if key not in self.model:
            return
        data = self.model[key][0]
        stop = None if length is None or start < 0 else start + length
        if start > 0 and start >= len(data):
            with pytest.raises(InvalidRangeError):
                self.run(self.store.get_range(key, start, stop))
        else:
            assert self.run(self.store.get_range(key, start, stop)) == data[start:stop]

    @rule(key=KEYS, chunk_size=st.integers(1, 2 * PART))
    def stream(self, key: str, chunk_size: int) -> None:
        async def read() -> list[bytes]:
            return [chunk async for chunk in self.store.stream(key, chunk_size=chunk_size)]

        if key in self.model:
            data = self.model[key][0]
            expected = [data[start : start + chunk_size] for start in range(0, len(data), chunk_size)]
            assert self.run(read()) == expected

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        self.run(self.store.delete(key))
        self.model.pop(key, None)

    @rule(keys=st.lists(KEYS, max_size=6))
    def delete_many(self, keys: Sequence[str]) -> None:
        async def delete() -> Sequence[ItemResult[None]]:
            return await self.store.delete_many(keys)

        results = self.run(delete())
        assert [(result.key, result.error) for result in results] == [(key, None) for key in keys]
        for key in keys:
            self.model.pop(key, None)

    @rule(source=KEYS, destination=KEYS, move=st.booleans(), if_absent=st.booleans())
    def copy(self, source: str, destination: str, move: bool, if_absent: bool) -> None:
        verb = self.store.rename if move else self.store.copy
        call = verb(source, destination, if_absent=if_absent)
        if source not in self.model:
            with pytest.raises((NotFoundError, AlreadyExistsError) if if_absent else NotFoundError):
                self.run(call)
        elif if_absent and destination in self.model:
            with pytest.raises(AlreadyExistsError):
                self.run(call)
        else:
            self.wrote(destination, self.run(call), *self.model[source])
            if move and source != destination:
                del self.model[source]

    @rule(prefix=PREFIXES, start_after=st.none() | KEYS)
    def list_after(self, prefix: str, start_after: str | None) -> None:
        expected = [
            key
            for key in sorted(self.model, key=str.encode)
            if key.startswith(prefix) and (start_after is None or key.encode() > start_after.encode())
        ]
        assert self.run(self._keys(prefix, start_after)) == expected

    @rule(prefix=PREFIXES)
    def list_level(self, prefix: str) -> None:
        level = self.run(self.store.list_with_delimiter(prefix))
        rests = [key[len(prefix) :] for key in self.model if key.startswith(prefix)]
        assert sorted(meta.key for meta in level.objects) == sorted(prefix + rest for rest in rests if "/" not in rest)
        prefixes = {prefix + rest.partition("/")[0] + "/" for rest in rests if "/" in rest}
        assert sorted(level.common_prefixes) == sorted(prefixes)

    @invariant()
    def the_listing_is_the_dict(self) -> None:
        async def sizes() -> dict[str, int]:
            return {meta.key: meta.size async for meta in self.store.list()}

        assert self.run(sizes()) == {key: len(data) for key, (data, _) in self.model.items()}

    @invariant()
    def no_upload_is_left(self) -> None:
        async def uploads() -> list[str]:
            return [upload.id async for upload in self.store.uploads()]

        if "list_multipart" in self.store.capabilities.operations:
            assert self.run(uploads()) == []

    async def _keys(self, prefix: str, start_after: str | None) -> list[str]:
        return [meta.key async for meta in self.store.list(prefix, start_after=start_after)]


def _memory() -> MemoryDriver:
    return MemoryDriver(parts=PartLimits(min_size=PART, max_size=10 * PART), page_size=3, delete_batch=2)


class MemoryMachine(StoreMachine):
    def make(self) -> Store:
        return Store(_memory(), limits=Limits(part_size=PART, gap=100))


class FlakyMachine(StoreMachine):
    """Every fifth call fails, half of these after it was carried out, and bodies are cut."""

    def make(self) -> Store:
        driver = FaultyDriver(_memory(), [FailRandomly(0.2, seed=1)])
        return Store(driver, limits=Limits(part_size=PART, gap=100), retry=RetryPolicy(first_delay=0, budget=10**9))


class LocalMachine(StoreMachine):
    def make(self) -> Store:
        self.root = Path(tempfile.mkdtemp())
        return LocalStore(self.root, fsync=False, limits=Limits(part_size=PART, gap=100))

    def teardown(self) -> None:
        super().teardown()
        shutil.rmtree(self.root)


@pytest.mark.parametrize(("machine", "examples"), [(MemoryMachine, 60), (FlakyMachine, 60), (LocalMachine, 20)])
def test_a_store_behaves_like_a_dict(machine: type[StoreMachine], examples: int) -> None:
    checks = settings(
        max_examples=examples, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(machine, settings=checks)
