"""The same stores for code that does not await: scripts, threads, and libraries that take files.

``connect(url)`` makes a store, ``wrap(store)`` puts the blocking verbs before an asynchronous one, and ``open(path)``
opens what a URL or local path names, as a file of :mod:`io`; ``StorePath`` is such a path as an object. All of them
share one event loop in a thread of its own, which the first call starts.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from aiostore import url as _url
from aiostore.blocking import fs
from aiostore.blocking.lease import BlockingLease
from aiostore.blocking.opening import open_url as open
from aiostore.blocking.path import StorePath
from aiostore.blocking.store import BlockingStore
from aiostore.blocking.stream import BlockingStream
from aiostore.blocking.temporary import local_copy
from aiostore.store import Store

__all__ = [
    "BlockingLease",
    "BlockingStore",
    "BlockingStream",
    "StorePath",
    "connect",
    "fs",
    "local_copy",
    "open",
    "wrap",
]


def connect(
    url: str | Path,
    *,
    secrets: str | os.PathLike[str] | Mapping[str, object] | None = None,
    **options: object,
) -> BlockingStore:
    """The store that a URL or local path names; see :func:`aiostore.connect`."""
    return BlockingStore(_url.connect(url, secrets=secrets, **options))


def wrap(store: Store) -> BlockingStore:
    """The blocking verbs over an asynchronous store, which may go on being used by event loops.

    Closing the result closes the store.
    """
    return BlockingStore(store)
