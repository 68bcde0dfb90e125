"""The two ends of a transfer."""

from __future__ import annotations

import os
import pickle
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote
from urllib.request import url2pathname

from aiostore.errors import ConfigurationError, NotFoundError
from aiostore.store import Store
from aiostore.url import connect

End: TypeAlias = Store | str | Path
"""A store, or the URL or local path of one, prefix included."""


@dataclass(frozen=True, slots=True)
class Ends:
    """A source and a target, and the container that the target's service copies from, if that is the source's too."""

    source: Store
    target: Store
    container: str | None

    @classmethod
    def of(cls, source: Store, target: Store) -> Ends:
        """Look at two stores; nothing is sent."""
        return cls(source, target, _container(source, target))


@asynccontextmanager
async def opened(source: End, target: End, *, make: bool) -> AsyncIterator[Ends]:
    """The stores that ``source`` and ``target`` stand for; those that are made here are closed.

    With ``make``, a local directory that is missing is made if it is the target.

    Raises:
        ConfigurationError: if a URL is none, or one end lies within the other.
        NotFoundError: if the source's container or directory is missing.
    """
    async with AsyncExitStack() as stack:
        first, second = [
            end if isinstance(end, Store) else await stack.enter_async_context(connect(end)) for end in (source, target)
        ]
        _check_apart(first, second)
        if not await first.container_exists():
            raise NotFoundError("there is no such source", operation="transfer", store=first.location)
        if make and second.location.startswith("file:") and not await second.container_exists():
            await second.create_container()
        yield Ends.of(first, second)


def _check_apart(source: Store, target: Store) -> None:
    """Refuse a transfer of a place into itself, which would never end, or delete what it has just written."""
    inner, outer = (_place(store).rstrip("/") + "/" for store in (source, target))
    one_service = inner.startswith("file:") or _service(source) == _service(target)
    if one_service and (inner.startswith(outer) or outer.startswith(inner)):
        raise ConfigurationError(
            f"{source.location} and {target.location} lie within each other; choose places that are apart"
        )


def _place(store: Store) -> str:
    """Where a store is; local directories have one name only, whatever links lead to them."""
    if not store.location.startswith("file:"):
        return store.location
    return "file:" + os.path.realpath(url2pathname(store.location.removeprefix("file://")))


def _container(source: Store, target: Store) -> str | None:
    if "copy" not in target.capabilities.operations or _service(source) != _service(target):
        return None
    _, _, name = source._raw.location.partition("://")
    return unquote(name) if name and "/" not in name else None


def _service(store: Store) -> object:
    """What is equal for the containers of one service and account."""
    driver = store._raw
    try:
        # Two drivers that are the same but for their container pickle to the same bytes.
        return pickle.dumps(driver.sibling("same"))
    except Exception:  # one that cannot be pickled, or has no siblings, is compared by itself
        return id(driver)
