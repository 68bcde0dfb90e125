"""The conformance suite over memory inside every wrapper, and behind services that can do less than memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, TypeVar, TypeVarTuple

import pytest

from aiostore.capabilities import Capabilities, Conditions, Guarantee, PartLimits
from aiostore.drivers.memory import MemoryDriver
from aiostore.errors import NotSupportedError, PermissionDeniedError
from aiostore.policies import Limits, RetryPolicy
from aiostore.protocol import Driver
from aiostore.store import Store
from aiostore.testing import FailRandomly, FaultyDriver, StoreConformance
from aiostore.types import GetOptions, GetResult, Part, PutOptions, PutResult, Upload
from aiostore.wrappers.observe import Event
from aiostore.wrappers.prefix import PrefixDriver
from aiostore.wrappers.readonly import ReadonlyDriver
from aiostore.wrappers.wrapper import Wrapper
from tests.conformance.test_memory import KIB, SMALL

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

SMALL_LIMITS = Limits(part_size=64 * KIB, gap=100, reads=4, writes=4)
AT_ONCE = RetryPolicy(first_delay=0, attempts=30, budget=10**6)


def small_memory() -> MemoryDriver:
    return MemoryDriver(parts=SMALL.multipart, max_put=SMALL.max_put, max_copy=SMALL.max_copy, page_size=7,
                        delete_batch=SMALL.delete_batch)  # fmt: skip


class TestPrefix(StoreConformance):
    """Below a prefix with neighbours on both sides, as plain text sorts them."""

    capabilities = SMALL

    @pytest.fixture
    async def store(self) -> AsyncIterator[Store]:
        driver = small_memory()
        async with Store(driver) as outer:
            for neighbour in ("a", "be low/é%", "be low/é$/key", "be low/é&/key", "key", "z"):
                await outer.put(neighbour, b"neighbour")
        async with Store(PrefixDriver(driver, "be low/é%/"), limits=SMALL_LIMITS) as store:
            yield store


class TestObserved(StoreConformance):
    """With observers, one of which fails."""

    capabilities = SMALL

    @pytest.fixture
    async def store(self, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Store]:
        def fail(event: Event) -> None:
            raise ZeroDivisionError(event.operation)

        caplog.set_level("CRITICAL", logger="aiostore")
        events: list[Event] = []
        observers = [events.append, fail]
        async with Store(small_memory(), limits=SMALL_LIMITS, observers=observers) as store:
            yield store


class TestOneRequestAtATime(StoreConformance):
    """Nothing may hold a permit while it waits for another."""

    capabilities = SMALL

    @pytest.fixture
    async def store(self) -> AsyncIterator[Store]:
        async with Store(small_memory(), limits=replace(SMALL_LIMITS, requests=1)) as store:
            yield store


class TestFaulty(StoreConformance):
    """Every seventh call fails, half of these after it was carried out, and bodies are cut."""

    capabilities = SMALL

    @pytest.fixture
    async def store(self) -> AsyncIterator[Store]:
        self.driver = FaultyDriver(small_memory(), [FailRandomly(1 / 7, seed=1)])
        async with Store(self.driver, limits=SMALL_LIMITS, retry=AT_ONCE) as store:
            yield store

    async def leftovers(self, store: Store) -> list[str]:
        bodies = [f"{self.driver.open_bodies} bodies"] if self.driver.open_bodies else []
        return bodies + await super().leftovers(store)


class Lesser(Wrapper):
    """A service that can do less than memory: it holds the engine to what its capabilities say."""

    def __init__(self, inner: Driver, capabilities: Capabilities) -> None:
        super().__init__(inner)
        self._capabilities = capabilities

    def rewrap(self, inner: Driver) -> Driver:
        return Lesser(inner, self._capabilities)

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    async def around(self, operation: str, key: str | None, call: Callable[[*Ts], Awaitable[T]], *arguments: *Ts) -> T:
        if operation not in self._capabilities.operations:
            raise NotSupportedError("not here", key=key, operation=operation, store=self.location)
        return await call(*arguments)

    def get(self, key: str, options: GetOptions) -> Coroutine[Any, Any, GetResult]:
        suffix = options.start is not None and options.start < 0
        assert self._capabilities.suffix_range or not suffix, "the service has no suffix ranges"
        return super().get(key, options if self._capabilities.ranges else replace(options, start=None, stop=None))

    def complete_multipart(
        self, upload: Upload, parts: Sequence[Part], options: PutOptions
    ) -> Coroutine[Any, Any, PutResult]:
        limits = self._capabilities.multipart
        assert limits is not None
        assert not limits.equal or len({part.size for part in parts[:-1]}) <= 1, "the parts are not of one size"
        return super().complete_multipart(upload, parts, options)


def lesser(capabilities: Capabilities) -> Store:
    return Store(Lesser(small_memory(), capabilities), limits=SMALL_LIMITS)


class TestWithoutRanges(StoreConformance):
    """Every answer is the whole body."""

    capabilities = replace(SMALL, ranges=False, suffix_range=False)

    @pytest.fixture
    async def store(self) -> AsyncIterator[Store]:
        async with lesser(self.capabilities) as store:
            yield store


class TestWithoutSuffixRanges(StoreConformance):
    capabilities = replace(SMALL, suffix_range=False)

    @pytest.fixture
    async def store(self) -> AsyncIterator[Store]:
        async with lesser(self.capabilities) as store:
            yield store


class TestEqualParts(StoreConformance):
    capabilities = replace(SMALL, multipart=PartLimits(min_size=64 * KIB, max_size=128 * KIB, equal=True))

    @pytest.fixture
    async def store(self) -> AsyncIterator[Store]:
        async with lesser(self.capabilities) as store:
            yield store


class TestWithoutConditions(StoreConformance):
    """Conditions are ignored, so they may not be promised."""

    capabilities = replace(
        SMALL, put=Conditions(), complete=Conditions(), copy=Conditions(), delete=Conditions(),
        operations=SMALL.operations - {"rename"},
    )  # fmt: skip

    @pytest.fixture
    async def store(self) -> AsyncIterator[Store]:
        async with lesser(self.capabilities) as store:
            yield store


class TestConditionsOfOneRequest(StoreConformance):
    """As on Ceph: put keeps conditions, the completion of an upload ignores them."""

    capabilities = replace(SMALL, complete=Conditions(), max_put=5 * 1024**3)

    @pytest.fixture
    async def store(self) -> AsyncIterator[Store]:
        driver = MemoryDriver(parts=SMALL.multipart, max_copy=SMALL.max_copy, page_size=7, delete_batch=7)
        async with Store(Lesser(driver, self.capabilities), limits=SMALL_LIMITS) as store:
            yield store

    async def test_a_large_conditional_write_of_known_size_is_one_request(self, store: Store) -> None:
        data = bytes(500 * KIB)
        await store.put("key", data, if_absent=True)
        assert await store.get("key") == data


class TestBare(StoreConformance):
    """Only what no store can do without."""

    capabilities = replace(
        SMALL,
        operations=frozenset({"head", "get", "put", "delete", "list_page"}),
        multipart=None,
        copy=Conditions(),
        complete=Conditions(),
        delete_batch=1,
        max_put=5 * 1024**3,
    )

    @pytest.fixture
    async def store(self) -> AsyncIterator[Store]:
        async with Store(Lesser(MemoryDriver(page_size=7), self.capabilities), limits=SMALL_LIMITS) as store:
            yield store


class TestReadonly:
    """A store that changes nothing still reads everything."""

    @pytest.fixture
    async def memory(self) -> MemoryDriver:
        memory = small_memory()
        async with Store(memory) as store:
            await store.put("key", b"value", metadata={"name": "value"})
        return memory

    @pytest.fixture
    async def store(self, memory: MemoryDriver) -> AsyncIterator[Store]:
        async with Store(ReadonlyDriver(memory), limits=SMALL_LIMITS) as store:
            yield store

    async def test_reading_works(self, store: Store) -> None:
        assert await store.get("key") == b"value"
        assert await store.get_range("key", -3) == b"lue"
        assert b"".join([chunk async for chunk in store.stream("key")]) == b"value"
        assert dict((await store.head("key")).metadata) == {"name": "value"}
        assert [meta.key async for meta in store.list()] == ["key"]

    @pytest.mark.parametrize(
        "write",
        [
            lambda store: store.put("new", b"value"),
            lambda store: store.put("new", bytes(300 * KIB), part_size=64 * KIB),
            lambda store: store.delete("key"),
            lambda store: store.copy("key", "new"),
            lambda store: store.rename("key", "new"),
            lambda store: store.create_container(),
            lambda store: store.delete_container(),
            lambda store: store.with_prefix("k").delete("ey"),
        ],
        ids=["put", "put in parts", "delete", "copy", "rename", "create container", "delete container", "prefix"],
    )
    async def test_writing_is_refused(
        self, store: Store, memory: MemoryDriver, write: Callable[[Store], Awaitable[object]]
    ) -> None:
        with pytest.raises(PermissionDeniedError):
            await write(store)
        async with Store(memory) as outer:
            assert [meta.key async for meta in outer.list()] == ["key"]
            assert await outer.get("key") == b"value"

    async def test_a_bulk_delete_reports_the_refusal_for_each_key(self, store: Store) -> None:
        results = await store.delete_many(["key", "other"])
        assert [type(result.error) for result in results] == [PermissionDeniedError] * 2
        assert await store.exists("key")

    async def test_its_capabilities_name_no_writes(self, store: Store) -> None:
        assert not store.capabilities.operations & {"put", "delete", "copy", "create_multipart", "create_container"}
        assert store.capabilities.put.if_absent is Guarantee.ATOMIC
