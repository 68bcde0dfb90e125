"""What transfers promise of a store as a target and a source."""
# ruff: noqa: D102, S101  # a test's name says what it shows

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aiostore import transfer
from aiostore.drivers.memory import MemoryDriver
from aiostore.errors import PermissionDeniedError
from aiostore.policies import Limits
from aiostore.protocol import Driver
from aiostore.store import Store
from aiostore.testing.conformance.suite import Suite, payload, requires, supports
from aiostore.testing.faults import Fail, FaultyDriver
from aiostore.wrappers.observe import Event


class Transfers(Suite):
    """Tests of transfers from a store in memory and back."""

    @requires(supports("put", "list_page"))
    async def test_a_tree_goes_there_and_back_with_all_that_belongs_to_it(self, store: Store) -> None:
        objects = {"a.txt": b"one", "b/c.txt": b"", "b/d é.bin": payload(70_000)}
        described = self.kept(content_type="text/x-mine", cache_control="no-store", metadata={"colour": "blue"})
        tags = {"kind": "test"} if {"get_tags", "set_tags"} <= self.capabilities.operations else {}
        async with Store(MemoryDriver()) as source, Store(MemoryDriver()) as back:
            for key, data in objects.items():
                await source.put(key, data, tags=tags or None, **described)
            there = await transfer.sync(source, store, verify=True)
            assert (there.copied, there.failed, there.failures) == (3, 0, [])
            assert (await transfer.sync(source, store, compare="size")).skipped == 3
            assert (await transfer.copy(store, back, verify=True)).copied == 3
            assert [difference async for difference in transfer.differences(source, back)] == []
            for key in objects:
                meta = await back.head(key)
                assert {name: getattr(meta, name) for name in described} == described
                if tags and self.tags_are_told:
                    assert await back.get_tags(key) == tags

    @requires(supports("create_multipart", "list_parts"))
    async def test_an_interrupted_transfer_goes_on_at_its_part(self, store: Store, tmp_path: Path) -> None:
        data = payload(3 * self.part_size + 1)
        metadata = self.kept(metadata={"colour": "blue"}).get("metadata", {})
        refused = Fail("put_part", calls=range(3, 100), error=PermissionDeniedError("not now"))
        sent: list[Event] = []
        async with Store(MemoryDriver()) as source:
            await source.put("key", data, metadata=metadata)
            with pytest.raises(PermissionDeniedError):
                await self._send(source, store, FaultyDriver(store._raw, [refused]), sent, tmp_path)
            assert not await store.exists("key")
            assert len(sent) == 2
            await self._send(source, store, store._raw, sent, tmp_path)
        assert len(sent) == 4
        assert await store.get("key") == data
        assert (await store.head("key")).metadata == metadata
        assert os.listdir(tmp_path) == []

    async def _send(
        self, source: Store, store: Store, driver: Driver, sent: list[Event], journals: Path
    ) -> None:  # fmt: skip
        """Copy to the same place through another driver, one part at a time; ``sent`` are those that arrived."""

        def observe(event: Event) -> None:
            if event.operation == "put_part" and event.error is None:
                sent.append(event)

        limits = Limits(part_size=self.part_size, writes=1, adaptive=False)
        target = Store(driver, prefix=store._prefix, limits=limits, observers=[observe])
        await transfer.copy_object(source, "key", target, resume=journals)
