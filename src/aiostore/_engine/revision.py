"""Changing an object in place, which no service does: a private copy on the local disk, published as a whole.

The copy replaces the object only if that is still what was copied, so that nobody's change is lost.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

from aiostore._engine import codecs, download, own_write
from aiostore._engine import options as _options
from aiostore._engine.append import conditional, merged
from aiostore._engine.context import Context
from aiostore._engine.write import Writer, holds
from aiostore.errors import (
    AlreadyExistsError,
    NotFoundError,
    NotSupportedError,
    ObjectChangedError,
    PreconditionFailedError,
    StoreClosedError,
    StoreError,
)
from aiostore.types import ANY, GetOptions, ObjectMeta, Progress, PutOptions, PutResult


class Revision:
    """One change: ``open``, whatever is done to the file at ``path``, then ``commit`` or ``remove``.

    ``action`` is that of the mode: ``r`` begins with the object, which must be there, ``a`` with the object or nothing,
    ``w`` and ``x`` with nothing. ``options`` replace what the object is stored with, as in an append.
    """

    def __init__(
        self,
        context: Callable[[], Context],
        key: str,
        action: Literal["r", "w", "x", "a"],
        options: PutOptions,
        *,
        part_size: int | None = None,
        concurrency: int | None = None,
        progress: Progress | None = None,
        best_effort: bool = False,
    ) -> None:
        self._store = context
        self._context = context()
        self._key = key
        self._action = action
        self._options = options
        self._part_size = part_size
        self._concurrency = concurrency
        self._progress = progress
        self._best_effort = best_effort
        self._writer(options)  # which checks the part size
        self._meta: ObjectMeta | None = None
        self._path: Path | None = None
        self.result: PutResult | None = None
        """What the service answered to ``commit``."""

    @property
    def meta(self) -> ObjectMeta | None:
        """What the service said of the object that was copied; None if there was none."""
        return None if self._meta is None else own_write.hide(self._meta)

    def _writer(self, options: PutOptions) -> Writer:
        return Writer(
            self._context,
            self._key,
            options,
            part_size=self._part_size,
            concurrency=self._concurrency,
            progress=self._progress,
            best_effort=self._best_effort,
        )

    async def open(self) -> Path:
        """Make the copy; the file (mode 0600) is removed by ``commit`` and ``remove``.

        Raises:
            NotFoundError: if there is no such object, and there must be one.
            NotSupportedError: if the service does not keep the condition that the object is still what was copied, or
                the object is compressed.
            OSError: if the disk is full.
        """
        # Not in a thread: a call cancelled there would leave a file whose name nobody knows.
        descriptor, name = tempfile.mkstemp(prefix="aiostore-")
        self._path = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                if self._action in {"r", "a"}:
                    wanted = GetOptions(encryption=self._options.encryption)
                    try:
                        self._meta = await download.to_file(self._context, self._key, file, wanted, None, raw=True)
                    except NotFoundError:
                        if self._action == "r":
                            raise
            if self._meta is not None and codecs.known(self._meta.content_encoding):
                raise NotSupportedError(
                    "a compressed object is not changed in place: read it, and write it anew with compress",
                    key=self._key,
                    operation="open",
                    store=self._context.driver.location,
                )
            self._options = self._condition()
        except BaseException:
            self.remove()
            raise
        return self._path

    def _condition(self) -> PutOptions:
        if self._action in {"w", "x"}:
            options = self._options
        elif self._meta is None:
            content_type = self._options.content_type or _options.content_type(self._key)
            options = replace(self._options, content_type=content_type, if_none_match=ANY)
        else:
            options = conditional(merged(self._options, self._meta), self._meta, self._context.driver.capabilities.put)
            if options.if_match is None and not self._best_effort:
                raise self._unsupported()
        if not self._best_effort and not holds(self._context.driver.capabilities.put, options):
            raise self._unsupported()
        return options

    def _unsupported(self) -> NotSupportedError:
        return NotSupportedError(
            "this service cannot tell whether others changed the object meanwhile, so that changing it in place may"
            " lose what they wrote; pass best_effort=True to do it all the same",
            key=self._key,
            operation="open",
            store=self._context.driver.location,
        )

    async def commit(self, *, changed: bool) -> None:
        """Publish what the file holds, and remove it. An object of which nothing was ``changed`` stays as it is.

        Raises:
            PreconditionFailedError: if the object was changed since it was copied.
            AlreadyExistsError: if it must not exist.
        """
        path, meta = self._path, self._meta
        if path is None:
            return
        try:
            if self._store() is not self._context:
                raise StoreClosedError(
                    "the store was closed under the open file, so nothing is published; close files first",
                    key=self._key,
                    operation="write",
                    store=self._context.driver.location,
                )
            if meta is not None and not changed:
                self.result = PutResult(etag=meta.etag, version=meta.version, size=meta.size, checksums=meta.checksums)
                return
            try:
                self.result = await self._writer(self._options).put_file(path)
            except (AlreadyExistsError, NotFoundError, ObjectChangedError, PreconditionFailedError) as error:
                if self._action in {"w", "x"} or (meta is None and isinstance(error, NotFoundError)):
                    raise
                raise self._changed() from error
        finally:
            self.remove()

    def _changed(self) -> StoreError:
        return PreconditionFailedError(
            "the object was changed since it was opened, so nothing was written; open it again and repeat",
            key=self._key,
            operation="write",
            store=self._context.driver.location,
        )

    def remove(self) -> None:
        """Publish nothing, and leave nothing behind. Safe to repeat."""
        path, self._path = self._path, None
        if path is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
