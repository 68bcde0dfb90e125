"""Objects as private local files, for libraries that must have a path."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aiostore.blocking import portal
from aiostore.blocking.core import BlockingCoreStore
from aiostore.fs.place import AnyPath
from aiostore.fs.temporary import CopyMode
from aiostore.fs.temporary import local_copy as _local_copy
from aiostore.store import Store


@contextmanager
def local_copy(
    path: AnyPath, mode: CopyMode = "r", *, store: BlockingCoreStore | Store | None = None
) -> Iterator[Path]:
    """A private local file with the bytes of an object, as long as the ``with`` lasts.

    See :func:`aiostore.local_copy`.
    """
    below = store.store if isinstance(store, BlockingCoreStore) else store
    copy = _local_copy(path, mode, store=below)
    file = portal.run(copy.__aenter__())
    try:
        yield file
    except BaseException as error:
        portal.run(copy.__aexit__(type(error), error, error.__traceback__))
        raise
    portal.run(copy.__aexit__(None, None, None))
