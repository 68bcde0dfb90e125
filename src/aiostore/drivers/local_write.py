"""Writes under way: where the bytes of an object or part go until they are published, and how that is done."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from types import TracebackType
from typing import Final, Self, TypeVar

from aiostore.body import Body
from aiostore.drivers.base_conditions import check_checksums, check_write
from aiostore.drivers.local_attributes import PLAIN, Attributes, forget, meta_of, put_result, store
from aiostore.drivers.local_directory import Directory, descend_or_make, persist, prune
from aiostore.drivers.local_draft import Check, Draft
from aiostore.drivers.local_file import CHECKSUM, Writer
from aiostore.drivers.local_spelling import Spelling
from aiostore.drivers.local_thread import Stop, run
from aiostore.errors import NotFoundError
from aiostore.types import NOTHING, Buffer, CopyOptions, PutOptions, PutResult

T = TypeVar("T")
W = TypeVar("W", bound="Writing")

BATCH: Final = 4 * 1024**2
"""Bytes that are gathered from a body that arrives in pieces, for one hop to a thread."""


class Writing:
    """An open file that is being written; closed without having been finished, it leaves nothing."""

    writer: Writer

    def close(self) -> None:
        """Let everything go. Safe to repeat."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class ObjectWriting(Writing):
    """An object that is being written."""

    def __init__(
        self,
        root: str,
        names: Sequence[str],
        stop: Stop,
        checksums: Iterable[str],
        spelling: Spelling,
        *,
        sync: bool,
    ) -> None:
        self._root = root
        self._spelling = spelling
        self._names = names
        self._sync = sync
        self._draft: Draft | None = self._begin()
        self.writer = Writer(self._draft.descriptor, 0, stop, checksums)

    def _begin(self) -> Draft:
        return persist(lambda: Draft.begin(self._directory()))

    def _directory(self) -> Directory:
        return descend_or_make(self._root, self._names[:-1], sync=self._sync)

    def finish(self, attributes: Attributes, check: Check | None, *, create: bool) -> PutResult:
        """Publish what was written, with ``attributes``, if ``check`` allows it."""
        draft = self._draft
        if draft is None:
            raise RuntimeError("the write is over")
        result = publish(
            self._root, self._names, draft, attributes, check, self._spelling, create=create, sync=self._sync
        )
        self._draft = None
        draft.close()
        return result

    def close(self) -> None:
        if self._draft is not None:
            self._draft.close()
            self._draft = None
            prune(self._root, self._names[:-1])


class PartWriting(Writing):
    """A part that is being written at its place in an upload's file."""

    def __init__(self, directory: Directory, descriptor: int, offset: int, stop: Stop) -> None:
        self._directory = directory
        self._open = True
        self.writer = Writer(descriptor, offset, stop)

    def close(self) -> None:
        if self._open:
            self._open = False
            os.close(self.writer.descriptor)
            self._directory.close()


def publish(
    root: str,
    names: Sequence[str],
    draft: Draft,
    attributes: Attributes,
    check: Check | None,
    spelling: Spelling,
    *,
    create: bool,
    sync: bool,
) -> PutResult:
    """Make ``draft`` the object of ``names``, atomically, with its attributes; with ``sync``, on the disk."""
    file, attributes = filed(names, attributes, spelling)
    status = draft.seal()
    if attributes != PLAIN:
        store(root, draft.descriptor, status, attributes, sync=sync)
    if sync:
        os.fsync(draft.descriptor)

    def attempt() -> list[os.stat_result]:
        try:
            return draft.publish(names[-1], check, create=create, spelling=spelling, file=file)
        except NotFoundError:
            raise
        except FileNotFoundError:
            # Whoever deleted the last object of the directory has removed it.
            draft.enter(descend_or_make(root, names[:-1], sync=sync))
            raise

    try:
        replaced = persist(attempt)
    except BaseException:
        forget(root, status)
        raise
    for old in replaced:
        forget(root, old)
    if sync:
        draft.directory.sync()
    return put_result(status, attributes.checksum)


def filed(names: Sequence[str], attributes: Attributes, spelling: Spelling) -> tuple[str, Attributes]:
    """The name of the file of an object with these attributes, and those that its name does not tell.

    Raises:
        InvalidKeyError: if no file can have the name.
    """
    encoding = attributes.headers.get("content_encoding")
    file = spelling.file_name(names[-1], encoding, "/".join(names))
    if file == names[-1]:
        return file, attributes
    headers = {name: value for name, value in attributes.headers.items() if name != "content_encoding"}
    return file, attributes._replace(headers=headers or NOTHING)


def verified(writer: Writer, options: PutOptions) -> str | None:
    """The checksum of what was written, if it was computed.

    Raises:
        CorruptedError: if it is not what ``options`` states.
    """
    digests = writer.digests()
    check_checksums(options.checksums, digests)
    return digests.get(CHECKSUM)


def check_of(key: str, options: PutOptions | CopyOptions) -> Check | None:
    """What decides whether the file that is there may be replaced; None if it always may."""
    if options.if_match is None and options.if_none_match is None:
        return None
    return lambda current: check_write(
        options.if_match, options.if_none_match, None if current is None else meta_of(key, current)
    )


def creates(options: PutOptions | CopyOptions) -> bool:
    """Whether the write may only create."""
    return options.if_none_match is not None and options.if_none_match.etag == "*"


async def write(body: Body, begin: Callable[[Stop], W], finish: Callable[[W], T]) -> T:
    """Write ``body``: in one hop to a thread if it lies in memory, else a batch at a time, as it arrives.

    However it ends, nothing is left of a write that was not finished.
    """
    stop = Stop()
    buffers = body.buffers
    if buffers is not None:

        def whole() -> T:
            with begin(stop) as writing:
                writing.writer.write(buffers)
                return finish(writing)

        return await run(whole, stop)
    writing = await run(partial(begin, stop), stop, lambda begun: begun.close())
    try:
        batch: list[Buffer] = []
        size = 0
        async for chunk in body.chunks():
            batch.append(chunk)
            size += len(chunk)
            # Only bytes can wait for more: whoever sends another buffer may use it again for the next piece.
            if size >= BATCH or not isinstance(chunk, bytes):
                await run(partial(writing.writer.write, batch), stop)
                batch, size = [], 0

        def rest() -> T:
            with writing:
                writing.writer.write(batch)
                return finish(writing)

        return await run(rest, stop)
    except BaseException:
        await run(writing.close)
        raise
