"""Objects as private local files, for libraries that must have a path."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

from aiostore._engine.codecs import known
from aiostore.capabilities import Guarantee
from aiostore.errors import ConfigurationError, NotFoundError
from aiostore.fs.opening import shared_store
from aiostore.fs.place import AnyPath
from aiostore.fs.thread import in_thread
from aiostore.store import Store
from aiostore.types import ObjectMeta

CopyMode: TypeAlias = Literal["r", "r+", "a", "w", "x"]

_SUFFIXES: Final = re.compile(r"(?:\.[A-Za-z0-9_+-]{1,16}){1,3}\Z")


@asynccontextmanager
async def local_copy(path: AnyPath, mode: CopyMode = "r", *, store: Store | None = None) -> AsyncIterator[Path]:
    """A private local file with the bytes of an object and its suffix, as long as the ``async with`` lasts.

    ``r`` reads: what is written to the file is lost. The others write it back when the ``async with`` is left without
    an error, atomically: ``r+`` changes an object that is there, ``a`` begins an empty file where there is none, ``w``
    always begins with an empty one, and ``x`` creates an object that must not be there. ``r+`` and ``a`` keep content
    headers, metadata and compression, and overwrite only the state that they read, as far as the service's conditions
    go. After an error or a cancellation nothing is written. The file and its directory can be read by this user only,
    and are gone afterwards.

    Raises:
        FileNotFoundError: if there is no such object, or the file is gone when it is to be written back.
        IsADirectoryError: if the path names a directory.
        PreconditionFailedError: (on leaving) if somebody else changed the object meanwhile; nothing was written.
        AlreadyExistsError: (on leaving) if the object of mode ``x`` exists.
        NotSupportedError: (on leaving) if the service cannot decide that (mode ``x``).
    """
    if mode not in get_args(CopyMode):
        raise ConfigurationError(f"invalid mode: {mode!r}; the modes are {', '.join(get_args(CopyMode))}")
    async with AsyncExitStack() as stack:
        place, key = await shared_store(path, store, stack)
        # At once, not in a thread: a cancelled call would not learn which directory it has to remove.
        directory = tempfile.mkdtemp(prefix="aiostore-")
        stack.push_async_callback(partial(in_thread, shutil.rmtree, directory, ignore_errors=True))
        suffixes = _SUFFIXES.search(key.rpartition("/")[2])
        file = Path(directory) / f"object{suffixes[0] if suffixes else ''}"
        before = await _fetch(place, key, file, mode)
        yield file
        if mode != "r":
            await _write_back(place, key, file, mode, before)


async def _fetch(store: Store, key: str, file: Path, mode: CopyMode) -> ObjectMeta | None:
    """Fill the file; returns what was said of the object, None if there is none to be read."""
    meta = None
    if mode in {"r", "r+", "a"}:
        try:
            meta = await store.download(key, file)
        except NotFoundError:
            if mode != "a":
                raise
    await in_thread(_make_private, file)
    return meta


def _make_private(file: Path) -> None:
    file.touch(mode=0o600)
    file.chmod(0o600)


async def _write_back(store: Store, key: str, file: Path, mode: CopyMode, before: ObjectMeta | None) -> None:
    if not await in_thread(os.path.isfile, file):
        raise FileNotFoundError(errno.ENOENT, "the local copy is gone, and nothing was written back", str(file))
    guarantees = store.capabilities.put
    if mode in {"w", "x"}:
        await store.put(key, file, if_absent=mode == "x")
    elif before is None:
        absent = guarantees.if_absent is not Guarantee.NONE
        await store.put(key, file, if_absent=absent, best_effort=True)
    else:
        undone = known(before.content_encoding)
        await store.put(
            key,
            file,
            content_type=before.content_type,
            # What was decoded is encoded again; what was encoded twice is stored as it is.
            compress=undone[0].name if undone is not None and len(undone) == 1 else None,
            content_encoding=before.content_encoding if undone is None else None,
            content_disposition=before.content_disposition,
            content_language=before.content_language,
            cache_control=before.cache_control,
            metadata=before.metadata or None,
            if_match=None if guarantees.if_match is Guarantee.NONE else before,
            best_effort=True,
        )
