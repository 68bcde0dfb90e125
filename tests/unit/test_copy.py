"""Copies by services that copy much in one request: the size of the source is asked for only if they refuse."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from aiostore import Store
from aiostore._engine import copy
from aiostore.capabilities import PartLimits
from aiostore.drivers.memory import MemoryDriver
from aiostore.errors import NotFoundError, NotSupportedError, PermissionDeniedError, StoreError
from aiostore.testing import Fail, Fault, FaultyDriver

MOST = 1000
"""Bytes that the service copies in one request."""


@asynccontextmanager
async def copying(*plan: Fault) -> AsyncIterator[tuple[Store, FaultyDriver]]:
    driver = FaultyDriver(MemoryDriver(max_copy=MOST, parts=PartLimits(min_size=1)), plan)
    async with Store(driver) as store:
        yield store, driver


@pytest.fixture(autouse=True)
def _much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy, "UNSEEN", MOST)


def made(driver: FaultyDriver) -> list[str]:
    """The primitives that were called after the source was written."""
    return [call.primitive for call in driver.calls][1:]


async def test_a_copy_is_one_request() -> None:
    async with copying() as (store, driver):
        await store.put("source", bytes(MOST))
        await store.copy("source", "target")
        assert made(driver) == ["copy"]


async def test_what_is_too_large_for_one_request_is_copied_in_parts() -> None:
    async with copying() as (store, driver):
        data = bytes(range(256)) * 8
        await store.put("source", data, metadata={"a": "b"})
        await store.copy("source", "target")
        assert made(driver) == ["copy", "head", "create_multipart", "copy_part", "complete_multipart"]
        assert await store.get("target") == data
        assert (await store.head("target")).metadata == {"a": "b"}


@pytest.mark.parametrize("error", [NotSupportedError("no"), StoreError("no"), PermissionDeniedError("no")])
async def test_what_is_refused_for_another_reason_stays_refused(error: StoreError) -> None:
    async with copying(Fail("copy", error=error)) as (store, driver):
        await store.put("source", b"small")
        with pytest.raises(type(error), match="no") as caught:
            await store.copy("source", "target")
        assert caught.value.operation == "copy"
        assert made(driver) in (["copy", "head"], ["copy"])


async def test_the_refusal_is_told_if_the_size_cannot_be_asked_for() -> None:
    plan = Fail("copy", error=StoreError("too large")), Fail("head", error=StoreError("nothing to see"))
    async with copying(*plan) as (store, _):
        await store.put("source", b"small")
        with pytest.raises(StoreError, match="too large"):
            await store.copy("source", "target")


async def test_a_source_that_is_missing_is_named_and_not_looked_for() -> None:
    async with copying(Fail("copy", error=NotFoundError("none", key="target"))) as (store, driver):
        await store.put("source", b"small")
        with pytest.raises(NotFoundError) as caught:
            await store.copy("source", "target")
        assert (caught.value.key, caught.value.filename) == ("source", "source")
        assert made(driver) == ["copy"]
