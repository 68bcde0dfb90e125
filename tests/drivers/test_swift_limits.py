"""A cluster's limits, as its ``/info`` tells them: the first write in parts keeps to them already."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from aiostore import Store
from aiostore.drivers.swift_dialect import Info
from aiostore.types import GetOptions
from tests.drivers.test_swift import LARGE, PART, driver_of, make_store, segments
from tests.faults.faults import Answer
from tests.faults.proxy import FaultProxy, Rule
from tests.servers.swift import SwiftEndpoint

Told = Mapping[str, Mapping[str, int]]


@asynccontextmanager
async def on_a_cluster_that_says(endpoint: SwiftEndpoint, *answers: Answer) -> AsyncIterator[tuple[Store, list[Rule]]]:
    async with FaultProxy(endpoint.url) as proxy:
        rules = [proxy.inject(answer, path="/info", nth=number) for number, answer in enumerate(answers, 1)]
        name = f"limits-{secrets.token_hex(8)}"
        async with make_store(endpoint, name, storage_url=f"{proxy.url}/v1/AUTH_test") as store:
            await store.create_container()
            yield store, rules
            await store.delete_container(force=True)


def info(told: Told) -> Answer:
    return Answer(status=200, body=json.dumps(told).encode(), headers={"Content-Type": "application/json"})


async def pieces() -> AsyncIterator[bytes]:
    for start in range(0, len(LARGE), 5000):
        yield LARGE[start : start + 5000]


@pytest.mark.parametrize(
    ("told", "sizes"),
    [
        ({"slo": {"max_manifest_segments": 2}}, [98_305, 98_304]),
        ({"slo": {"min_segment_size": 3 * PART}}, [3 * PART, 1]),
        ({"swift": {"max_file_size": PART // 2}}, [*[PART // 2] * 6, 1]),
    ],
    ids=["fewer segments", "larger segments", "smaller segments"],
)
@pytest.mark.parametrize("known", [True, False], ids=["known size", "unknown size"])
async def test_the_first_write_in_parts_keeps_to_the_limits(
    swift_s3: SwiftEndpoint, told: Told, sizes: list[int], known: bool
) -> None:
    if not known and "max_manifest_segments" in told.get("slo", {}):
        # A stream grows its parts as it goes on, instead.
        sizes = [PART, 2 * PART, 1]
        told = {"slo": {"max_manifest_segments": 3}}
    async with on_a_cluster_that_says(swift_s3, info(told)) as (store, rules):
        await store.put("key", LARGE if known else pieces(), part_size=PART)
        meta = await store.head("key")
        parts = (await driver_of(store).list_ranges("key", meta, GetOptions())).parts
        assert [part.size for part in parts] == sizes
        assert await store.get("key") == LARGE
        assert rules[0].applied == 1


async def test_limits_are_asked_for_once_and_again_if_nobody_answered(swift_s3: SwiftEndpoint) -> None:
    unanswered, told = Answer(status=503), info({"slo": {"max_manifest_segments": 3}})
    async with on_a_cluster_that_says(swift_s3, unanswered, told, info({})) as (store, rules):
        limits = store.capabilities.multipart
        assert limits is not None
        assert limits.max_count == 1000
        for count in (4, 3, 3):
            await store.put("key", LARGE, part_size=PART)
            assert len(await segments(store)) == count
        assert [rule.applied for rule in rules] == [1, 1, 0]
        assert store.sibling("another").capabilities.multipart == store.capabilities.multipart
        assert store.capabilities.multipart != limits


async def test_what_a_real_cluster_tells_is_what_is_common(swift_s3: SwiftEndpoint) -> None:
    async with make_store(swift_s3, "any") as store:
        learnt = await driver_of(store)._client.learn()
    common = Info()
    assert (learnt.max_segments, learnt.min_segment, learnt.delete_batch, learnt.page_size) == (
        common.max_segments,
        common.min_segment,
        common.delete_batch,
        common.page_size,
    )
