"""Empty containers for the tests of one module, some of them shared: making and deleting one may take its time."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import pytest

from aiostore import Store

FAMILIES: Final = frozenset({"odd_key", "odd_key_in_parts", "key", "kind"})
"""Parameters of what is tried with many keys and sources: making and deleting a container takes longer than most."""


class EmptyContainers:
    """Empty containers beside the one of ``account``, whose token all tests share."""

    def __init__(self, account: Store) -> None:
        self._account = account
        self._shared: Store | None = None

    @asynccontextmanager
    async def empty(self, request: pytest.FixtureRequest) -> AsyncIterator[Store]:
        """A container for one test: of its own, but for those of ``FAMILIES``, which leave one empty for each other."""
        if not FAMILIES & getattr(request.node, "callspec", _Alone).params.keys():
            store = await self._made()
            try:
                yield store
            finally:
                await store.delete_container(force=True)
            return
        if self._shared is None:
            self._shared = await self._made()
        try:
            yield self._shared
        finally:
            keys = [meta.key async for meta in self._shared.list()]
            assert [result.error for result in await self._shared.delete_many(keys)] == [None] * len(keys)

    async def aclose(self) -> None:
        """Delete the container that was shared."""
        if self._shared is not None:
            await self._shared.delete_container(force=True)
        await self._account.aclose()

    async def _made(self) -> Store:
        store = self._account.sibling(f"conformance-{secrets.token_hex(8)}")
        await store.create_container()
        return store


class _Alone:
    """Of a test without parameters."""

    params: Mapping[str, object] = {}


def containers_of(account: Store) -> Iterator[EmptyContainers]:
    """For a fixture of a module."""
    containers = EmptyContainers(account)
    yield containers
    asyncio.run(containers.aclose())
