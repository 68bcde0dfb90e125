"""Writes of large objects that a later process goes on with, at the part where an earlier one stopped.

Nothing that a service tells of an upload says whose it is, or of which bytes its parts are. So a journal outside the
service keeps that, and the service is asked which of these parts it holds. A part is not sent again only if both agree
on its number, size, ETag and checksums, and if the bytes of the source are the ones that were sent then.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import NamedTuple, Protocol

from aiostore import checksums
from aiostore._engine.context import Context
from aiostore._engine.listing import pages
from aiostore._engine.multipart import Multipart, part_sizes
from aiostore.body import Buffers
from aiostore.errors import (
    CorruptedError,
    NotFoundError,
    ObjectChangedError,
    PermissionDeniedError,
    StoreError,
    TransientError,
    UnauthenticatedError,
)
from aiostore.types import Buffer, Part, PartPage, PutOptions, PutResult, Upload


class Sent(NamedTuple):
    """A part that was sent and answered, and the checksum of its bytes."""

    part: Part
    checksum: str


class Journal(Protocol):
    """What is kept of one upload outside the service, and survives this process."""

    @property
    def kept(self) -> tuple[Upload, Mapping[int, Sent]] | None:
        """The upload that an earlier process began for the same source and target, with its parts by number."""
        ...

    def begin(self, upload: Upload) -> None:
        """Keep this upload from now on, and no other."""
        ...

    def add(self, sent: Sent) -> None:
        """Keep a part."""
        ...

    def forget(self) -> None:
        """Keep nothing more."""
        ...


class Source(Protocol):
    """One state of an object of known size."""

    def open(self, start: int, stop: int) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The bytes ``[start, stop)`` in order.

        Raises (while they are read):
            ObjectChangedError: if the object is not in that state any more.
            CorruptedError: if they are not the bytes that were written once.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a source is sent.

    All parts but the last have ``part_size`` bytes. ``algorithm`` is that of the parts' checksums, and ``checksum``
    the one of the whole, if it is known. With ``again`` the whole source is read, and parts that were sent before are
    compared with it; otherwise their bytes are not asked for.
    """

    size: int
    part_size: int
    algorithm: str
    checksum: str | None
    again: bool

    def parts(self) -> Iterator[_Piece]:
        for number, start in enumerate(range(0, self.size, self.part_size), 1):
            yield _Piece(number, start, min(start + self.part_size, self.size))


class _Piece(NamedTuple):
    number: int
    start: int
    stop: int


def part_size(context: Context, size: int) -> int | None:
    """The size of the parts of an object that is worth a journal; None if it is not, or the service has no parts."""
    capabilities = context.driver.capabilities
    limits = capabilities.multipart
    if limits is None or "list_parts" not in capabilities.operations or size <= 2 * context.limits.part_size:
        return None
    return next(part_sizes(limits, context.limits.part_size, size))


async def write(
    context: Context, key: str, options: PutOptions, source: Source, layout: Layout, journal: Journal
) -> tuple[PutResult, Mapping[str, str]]:
    """Write ``source`` to ``key`` in parts, and go on with what the journal knows of; also the checksum of its bytes.

    If it is cancelled, or the service fails or refuses for now, the parts that were sent stay there for the next call;
    after any other error they are dropped.

    Raises:
        ObjectChangedError: if the source was replaced or changed its length.
        CorruptedError: if its bytes are not those that were written once. Nothing is published then.
    """
    held = await _held(context, journal)
    if held:
        try:
            return await _Write(context, key, options, source, layout, journal, held).run()
        except CorruptedError:
            # As far as one can tell from here, of the parts that were sent before.
            return await _Write(context, key, options, source, layout, journal, {}).run()
    await _drop_kept(context, journal)
    return await _Write(context, key, options, source, layout, journal, {}).run()


def _may_go_on(error: BaseException) -> bool:
    """Whether the parts that were sent are of use after this."""
    passing = isinstance(error, (TransientError, UnauthenticatedError, PermissionDeniedError))
    return passing or not isinstance(error, Exception)


async def _held(context: Context, journal: Journal) -> Mapping[int, Sent]:
    """The parts that both the journal and the service know of."""
    if journal.kept is None:
        return {}
    upload, known = journal.kept
    driver = context.driver
    held: dict[int, Sent] = {}

    async def call(token: str | None) -> PartPage:
        return await driver.list_parts(upload, token)

    try:
        async for page in pages(call, driver.location):
            held |= {part.number: known[part.number] for part in page.parts if _agree(part, known.get(part.number))}
    except NotFoundError:
        return {}
    return held


def _agree(part: Part, sent: Sent | None) -> bool:
    if sent is None or part.size != sent.part.size:
        return False
    if part.etag is not None and sent.part.etag is not None and part.etag != sent.part.etag:
        return False
    both = part.checksums.keys() & sent.part.checksums.keys()
    return all(part.checksums[name] == sent.part.checksums[name] for name in both)


async def _drop_kept(context: Context, journal: Journal) -> None:
    """Drop an upload that cannot be continued; one that cannot be dropped is listed as abandoned."""
    if journal.kept is None:
        return
    upload, _ = journal.kept
    try:
        await context.driver.abort_multipart(upload)
    except StoreError:
        return


class _Write:
    """One upload, begun or continued; it sends the parts that are not ``held`` by the service."""

    def __init__(
        self,
        context: Context,
        key: str,
        options: PutOptions,
        source: Source,
        layout: Layout,
        journal: Journal,
        held: Mapping[int, Sent],
    ) -> None:
        self._context = context
        self._key = key
        self._source = source
        self._layout = layout
        self._journal = journal
        self._held = held
        self._sums: dict[int, str] = {}
        self._multipart = Multipart(
            context, key, options, concurrency=None, progress=None, total=layout.size, part_size=layout.part_size
        )

    async def run(self) -> tuple[PutResult, Mapping[str, str]]:
        multipart, journal = self._multipart, self._journal
        if journal.kept is not None and self._held:
            multipart.go_on(journal.kept[0])
        else:
            await multipart.begin()
            journal.begin(multipart.upload)
        try:
            await self._send()
            whole = self._checksum()
            result = await multipart.complete()
        except BaseException as error:
            if _may_go_on(error):
                await multipart.leave()
            else:
                await multipart.abort()
                journal.forget()
            raise
        journal.forget()
        return result, {self._layout.algorithm: whole}

    def _checksum(self) -> str:
        """The checksum of the whole, which is compared with the source's."""
        layout = self._layout
        pieces = [(self._sums[piece.number], piece.stop - piece.start) for piece in layout.parts()]
        whole = checksums.combine_digests(layout.algorithm, pieces)
        if layout.checksum not in {None, whole}:
            raise CorruptedError(
                f"the bytes that were read do not match the source's {layout.algorithm} checksum; nothing was written",
                key=self._key,
                operation="transfer",
                store=self._context.driver.location,
            )
        return whole

    async def _send(self) -> None:
        for missing, run in groupby(self._layout.parts(), self._is_read):
            pieces = list(run)
            if missing:
                await self._send_run(pieces)
            else:
                for piece in pieces:
                    self._pass_over(self._held[piece.number])

    def _is_read(self, piece: _Piece) -> bool:
        return self._layout.again or piece.number not in self._held

    def _pass_over(self, sent: Sent) -> None:
        self._sums[sent.part.number] = sent.checksum
        self._multipart.pass_over(sent.part)

    async def _send_run(self, pieces: Sequence[_Piece]) -> None:
        async with self._source.open(pieces[0].start, pieces[-1].stop) as chunks:
            cutter = _Cutter(chunks)
            for piece in pieces:
                size = piece.stop - piece.start
                reservation = await self._multipart.reserve(size)
                try:
                    buffers = await cutter.take(size)
                    digest = await checksums.digest(self._layout.algorithm, buffers)
                except BaseException:
                    self._multipart.drop(reservation)
                    raise
                sent = self._held.get(piece.number)
                if sent is not None and sent.checksum == digest:
                    self._multipart.drop(reservation)
                    self._pass_over(sent)
                    continue
                self._sums[piece.number] = digest
                self._multipart.send(size, partial(self._put, Buffers(buffers, size), digest), reservation)
            await cutter.end()

    async def _put(self, body: Buffers, digest: str, upload: Upload, number: int, offset: int) -> Part:
        part = await self._context.driver.put_part(upload, number, offset, body)
        self._journal.add(Sent(part, digest))
        return part


class _Cutter:
    """Cuts chunks into parts, without copying them."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    async def take(self, size: int) -> list[Buffer]:
        """The next ``size`` bytes."""
        buffers: list[Buffer] = []
        while size:
            if not self._rest:
                chunk = await anext(self._chunks, None)
                if chunk is None:
                    raise _changed("shorter")
                self._rest = memoryview(chunk)
            buffer, self._rest = self._rest[:size], self._rest[size:]
            buffers.append(buffer)
            size -= len(buffer)
        return buffers

    async def end(self) -> None:
        """Read to the end, which is where the bytes are proved."""
        if self._rest or await anext(self._chunks, None) is not None:
            raise _changed("longer")


def _changed(how: str) -> ObjectChangedError:
    return ObjectChangedError(f"the source became {how} while it was read; nothing was written, transfer it again")
