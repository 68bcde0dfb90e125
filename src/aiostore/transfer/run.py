"""Carrying a plan out."""

from __future__ import annotations

import asyncio
import dataclasses
import tempfile
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

from aiostore._engine import codecs
from aiostore._engine.bulk import Bulk, each
from aiostore._engine.gather import gather
from aiostore.errors import AlreadyExistsError, ConfigurationError, StoreError
from aiostore.transfer import worker
from aiostore.transfer.ends import End, Ends, opened
from aiostore.transfer.listing import BATCH, Sorter
from aiostore.transfer.manner import Headers, Manner, Resume, Verify
from aiostore.transfer.objects import copy_between
from aiostore.transfer.plan import Action, Choice, Compare, pairs
from aiostore.transfer.summary import Summary
from aiostore.types import ObjectMeta, Progress, object_meta


async def copy(
    source: End,
    target: End,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    compare: Compare = "size+mtime",
    reencode: str | None = None,
    level: int | None = None,
    if_absent: bool = False,
    best_effort: bool = False,
    replace: Headers | None = None,
    verify: Verify = "auto",
    dry_run: bool = False,
    concurrency: int | None = None,
    processes: int = 1,
    resume: Resume = True,
    progress: Progress | None = None,
    summary: Summary | None = None,
) -> Summary:
    """Copy what the target does not have, or not the same; see :func:`plan` for what that means.

    Objects go concurrently, each atomically: in the target an object is what it was, or the whole new one. What fails
    stops no other, and is in the summary; run the same again for the rest. A ``summary`` that is given is filled as it
    goes, so that it tells what was done if the call raises or is cancelled. ``progress`` is called with (bytes copied,
    None). With ``processes`` the objects are spread over this process and so many less one new ones, each with stores
    of its own; both ends must be URLs, paths, or stores that can be pickled. ``concurrency`` is the most objects
    under way in each process.

    A call that is cancelled or killed leaves no object half written, and with ``resume`` the parts of large objects
    that the target has received: the same call goes on behind them (see ``docs/transfer.md``). :func:`sweep` drops
    what nobody goes on with. Without ``resume`` a cancelled call drops them.

    ``if_absent`` replaces nothing, also not what is written meanwhile, whatever ``compare`` says: what is there is
    skipped. Services that cannot promise that refuse it, unless ``best_effort`` takes what they do.

    Raises:
        ConfigurationError: if an end or option is none.
        NotFoundError: if there is no source.
    """
    manner = Manner(
        reencode=reencode, level=level, if_absent=if_absent, best_effort=best_effort, replace=replace, verify=verify,
        resume=resume,
    )  # fmt: skip
    choice = Choice(include=include, exclude=exclude, compare="exists" if if_absent else compare)
    options = _Options(choice=choice, manner=manner, concurrency=concurrency, dry_run=dry_run)
    return await _run(source, target, options, _Report(summary or Summary(), progress), processes=processes)


async def sync(
    source: End,
    target: End,
    *,
    delete: bool = False,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    compare: Compare = "size+mtime",
    reencode: str | None = None,
    level: int | None = None,
    verify: Verify = "auto",
    dry_run: bool = False,
    concurrency: int | None = None,
    processes: int = 1,
    resume: Resume = True,
    progress: Progress | None = None,
    summary: Summary | None = None,
) -> Summary:
    """Make the target like the source: :func:`copy`, and with ``delete`` remove what the source does not have.

    Nothing is deleted before all is copied, and nothing at all if anything could not be listed or copied.

    Raises:
        ConfigurationError: if an end or option is none.
        NotFoundError: if there is no source.
    """
    manner = Manner(reencode=reencode, level=level, verify=verify, resume=resume)
    choice = Choice(include=include, exclude=exclude, compare=compare)
    options = _Options(choice=choice, manner=manner, concurrency=concurrency, dry_run=dry_run, delete=delete)
    return await _run(source, target, options, _Report(summary or Summary(), progress), processes=processes)


async def execute(
    actions: AsyncIterable[Action] | Iterable[Action],
    source: End,
    target: End,
    *,
    reencode: str | None = None,
    level: int | None = None,
    replace: Headers | None = None,
    verify: Verify = "auto",
    concurrency: int | None = None,
    resume: Resume = True,
    progress: Progress | None = None,
    summary: Summary | None = None,
) -> Summary:
    """Carry out actions of :func:`plan`, or some of them, or those that were looked at and kept; as :func:`copy` does.

    They are taken as they come. What is to be deleted is deleted when all is copied, and nothing if anything failed.

    Raises:
        ConfigurationError: if an end or option is none.
        NotFoundError: if there is no source.
    """
    manner = Manner(reencode=reencode, level=level, replace=replace, verify=verify, resume=resume)
    options = _Options(choice=Choice(), manner=manner, concurrency=concurrency, dry_run=False)
    _check(manner)
    report = _Report(summary or Summary(), progress)
    async with opened(source, target, make=True) as ends, _gone(delete=True) as gone:
        assert gone is not None  # noqa: S101  # it was asked for
        async with aclosing(_chosen(actions, report, gone)) as items:
            await _copy_here(ends, options, items, report)
        await gone.flush()
        await _deletes(ends, options, report, gone)
    return report.summary


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    """What is transferred, and how; it can be pickled."""

    choice: Choice
    manner: Manner
    concurrency: int | None
    dry_run: bool
    delete: bool = False


class _Report(NamedTuple):
    summary: Summary
    progress: Progress | None

    def take(self, done: _Done) -> None:
        """Count what was done with one key."""
        if done.action is not None:
            self.summary.add(done.action)
        elif done.error is not None:
            self.summary.fail(done.key, done.error)
        if self.progress is not None and (done.action is None or done.action.kind != "skip"):
            self.progress(self.summary.bytes, None)


class _Done(NamedTuple):
    """What was done with one key, or the error that it met."""

    key: str
    action: Action | None = None
    error: Exception | None = None


_Item: TypeAlias = Action | tuple[ObjectMeta, ObjectMeta]
"""What is to be done with a key; or both objects, which are to be compared first."""


def _check(manner: Manner) -> None:
    """Raise ConfigurationError if there is no such encoding."""
    if manner.reencode is not None and manner.encoding(None) is not None:
        codecs.encoder(manner.reencode, manner.level)


async def _run(source: End, target: End, options: _Options, report: _Report, *, processes: int) -> Summary:
    choice, manner = options.choice, options.manner
    _check(manner)
    if processes < 1:
        raise ConfigurationError(f"processes={processes!r}: must be greater than 0", operation="transfer")
    choice.check()
    if choice.compare == "size+mtime" and manner.reencode is not None:
        # Sizes change with the encoding.
        options = dataclasses.replace(options, choice=dataclasses.replace(choice, compare="mtime"))
    summary = report.summary
    summary.dry_run = options.dry_run
    async with opened(source, target, make=not options.dry_run) as ends, _gone(delete=options.delete) as gone:
        async with aclosing(_items(ends, options, report, gone)) as items:
            if processes == 1 or options.dry_run:
                await _copy_here(ends, options, items, report)
            else:
                await _spread(source, target, ends, options, worker.Shared(items), report, processes)
        if gone is not None:
            await gone.flush()
            await _deletes(ends, options, report, gone)
    return summary


async def _copy_here(ends: Ends, options: _Options, items: AsyncIterator[_Item], report: _Report) -> None:
    async with aclosing(_carried_out(ends, options, items)) as results:
        async for done in results:
            report.take(done)


async def _spread(
    source: End, target: End, ends: Ends, options: _Options, items: worker.Shared[_Item], report: _Report,
    processes: int,
) -> None:  # fmt: skip
    """Copy in this process, which is ready already, and in others that take part as soon as they are."""

    async def here() -> None:
        await _copy_here(ends, options, items.each(), report)

    async def elsewhere() -> None:
        window = options.concurrency or ends.target._context.limits.requests
        arguments = (source, target, options)
        await worker.spread(_work, arguments, items, processes - 1, report.take, window=window)

    await gather(lambda copies: copies(), (here, elsewhere), 2)


async def _work(
    items: AsyncIterator[_Item], source: End, target: End, options: _Options
) -> AsyncGenerator[_Done, None]:
    """What another process does with its items."""
    async with opened(source, target, make=False) as ends, aclosing(_carried_out(ends, options, items)) as results:
        async for done in results:
            yield done._replace(error=_picklable(done.error, done.key))


def _picklable(error: Exception | None, key: str) -> Exception | None:
    if error is None or isinstance(error, (StoreError, OSError)):
        return error
    return StoreError(f"{type(error).__name__}: {error}", key=key)


async def _chosen(
    actions: AsyncIterable[Action] | Iterable[Action], report: _Report, gone: _Gone
) -> AsyncGenerator[_Item, None]:  # fmt: skip
    """What is to be copied; the rest is counted, or kept until all is copied."""
    async for action in _each(actions):
        if action.kind == "delete":
            await gone.add(object_meta(action.key, action.size))
        elif action.kind == "skip":
            report.take(_Done(action.key, action))
        else:
            yield action


async def _each(actions: AsyncIterable[Action] | Iterable[Action]) -> AsyncGenerator[Action, None]:
    if isinstance(actions, AsyncIterable):
        async for action in actions:
            yield action
    else:
        for action in actions:
            yield action


async def _items(
    ends: Ends, options: _Options, report: _Report, gone: _Gone | None
) -> AsyncGenerator[_Item, None]:  # fmt: skip
    """What is to be done, out of one listing of each end; what is equal by the listings is counted here."""
    choice = options.choice
    async with aclosing(pairs(ends, choice)) as found:
        async for mine, theirs in found:
            if mine is None:
                if gone is not None and theirs is not None:
                    await gone.add(theirs)
            elif theirs is not None and not choice.is_quick:
                yield mine, theirs
            elif (action := choice.at_once(mine, theirs)).kind == "skip" or options.dry_run:
                report.take(_Done(mine.key, action))
            else:
                yield action


async def _carried_out(
    ends: Ends, options: _Options, items: AsyncIterator[_Item]
) -> AsyncGenerator[_Done, None]:  # fmt: skip
    async def one(item: _Item) -> Action:
        action = item if isinstance(item, Action) else await options.choice.decide(ends, *item)
        if action.kind != "skip" and not options.dry_run:
            try:
                await copy_between(ends, action.key, action.key, options.manner, size=action.size)
            except AlreadyExistsError:
                if not options.manner.if_absent:
                    raise
                # Somebody wrote it since it was listed: it is left as any other that is there.
                return dataclasses.replace(action, kind="skip")
        return action

    def key(item: _Item) -> str:
        return item.key if isinstance(item, Action) else item[0].key

    async with Bulk(
        items, each(one, key), operation="transfer", limits=ends.target._context.limits,
        concurrency=options.concurrency,
    ) as results:  # fmt: skip
        async for result in results:
            yield _Done(result.key, result.value, result.error)


class _Gone:
    """What the source does not have, on the local disk until all is copied."""

    def __init__(self, sorter: Sorter) -> None:
        self._sorter = sorter
        self._batch: list[ObjectMeta] = []
        self.count = 0

    async def add(self, meta: ObjectMeta) -> None:
        self.count += 1
        self._batch.append(meta)
        if len(self._batch) == BATCH:
            await self.flush()

    async def flush(self) -> None:
        batch, self._batch = self._batch, []
        await asyncio.to_thread(self._sorter.add, batch)

    async def entries(self) -> AsyncGenerator[ObjectMeta, None]:
        """All of them, in the order of their keys."""
        async with aclosing(self._sorter.batches()) as batches:
            async for batch in batches:
                for meta in batch:
                    yield meta


@asynccontextmanager
async def _gone(*, delete: bool) -> AsyncIterator[_Gone | None]:
    if not delete:
        yield None
        return
    with (
        tempfile.TemporaryDirectory(prefix="aiostore-", ignore_cleanup_errors=True) as directory,
        closing(Sorter(Path(directory))) as sorter,
    ):
        yield _Gone(sorter)


async def _deletes(ends: Ends, options: _Options, report: _Report, gone: _Gone) -> None:
    """Delete from the target what is gone, unless anything failed before."""
    summary = report.summary
    if summary.failed:
        summary.kept = gone.count
        return
    if summary.dry_run:
        summary.deleted = gone.count
        return
    async with ends.target.delete_many(gone.entries(), concurrency=options.concurrency) as results:
        async for result in results:
            action = Action(kind="delete", key=result.key, size=0, reason="not in the source")
            report.take(_Done(result.key, None if result.error else action, result.error))
