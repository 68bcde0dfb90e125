"""The stores behind URLs: one for each container and set of options, kept for the running event loop."""

from __future__ import annotations

import asyncio
import threading
from typing import Final
from weakref import WeakKeyDictionary

from aiostore.store import Store
from aiostore.url import connect

MOST: Final = 64
"""Stores of one loop; the one unused for longest is dropped for another, and ends when nobody uses it any more."""

_STORES: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Store]]] = WeakKeyDictionary()
_LOCK: Final = threading.Lock()


def store_at(container: str) -> Store:
    """The store of a container's URL, whose query holds its options; the same one for every call in this loop."""
    loop = asyncio.get_running_loop()
    with _LOCK:
        stores = _STORES.setdefault(loop, {})
    store = stores.pop(container, None)
    if store is None:
        store = connect(container)
        if len(stores) >= MOST:
            del stores[next(iter(stores))]
    stores[container] = store
    return store


async def aclose() -> None:
    """Close the stores that URLs have opened in the running loop, with their connections. The next call opens anew.

    Without it they end with the event loop. Do not call it while other tasks use them.
    """
    with _LOCK:
        stores = _STORES.pop(asyncio.get_running_loop(), {})
    for store in stores.values():
        await store.aclose()
