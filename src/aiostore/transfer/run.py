"""Carrying a plan out."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from aiostore._engine import codecs
from aiostore._engine.bulk import Bulk, each
from aiostore._engine.gather import gather
from aiostore.errors import AlreadyExistsError, ConfigurationError
from aiostore.transfer import worker
from aiostore.transfer.ends import End, Ends, opened
from aiostore.transfer.objects import Headers, Verify, copy_between
from aiostore.transfer.plan import Action, Compare, actions
from aiostore.types import Progress

FAILURES = 1000
"""Failures that a summary lists; all are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What became of a key that could not be transferred or deleted: it is as it was."""

    key: str
    error: Exception


@dataclass(slots=True, kw_only=True)
class Summary:
    """What a transfer did, or with ``dry_run`` would do. ``bytes`` are those of the objects copied."""

    copied: int = 0
    replaced: int = 0
    skipped: int = 0
    deleted: int = 0
    failed: int = 0
    bytes: int = 0
    failures: list[Failure] = field(default_factory=list)
    dry_run: bool = False

    def add(self, action: Action, error: Exception | None = None) -> None:
        """Count one action."""
        if error is not None:
            self.failed += 1
            if len(self.failures) < FAILURES:
                self.failures.append(Failure(key=action.key, error=error))
            return
        name = {"copy": "copied", "replace": "replaced", "skip": "skipped", "delete": "deleted"}[action.kind]
        setattr(self, name, getattr(self, name) + 1)
        if action.kind in {"copy", "replace"}:
            self.bytes += action.size

    def merge(self, other: Summary) -> None:
        """Add what another share of the same transfer did."""
        for name in ("copied", "replaced", "skipped", "deleted", "failed", "bytes"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.failures += other.failures[: FAILURES - len(self.failures)]


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
    progress: Progress | None = None,
) -> Summary:
    """Copy what the target does not have, or not the same; see :func:`plan` for what that means.

    Objects go concurrently, each atomically: in the target an object is what it was, or the whole new one. What fails
    stops no other, and is in the summary; run the same again for the rest. ``progress`` is called with (bytes copied,
    None). A cancelled call leaves no object half written. With ``processes`` the keys are spread over so many new
    processes, each with stores of its own; both ends must be URLs, paths, or stores that can be pickled.

    ``if_absent`` replaces nothing, also not what is written meanwhile, whatever ``compare`` says: what is there is
    skipped. Services that cannot promise that refuse it, unless ``best_effort`` takes what they do.

    Raises:
        ConfigurationError: if an end or option is none.
        NotFoundError: if there is no source.
    """
    options = _Options(
        include, exclude, "exists" if if_absent else compare, reencode, level, verify, dry_run, concurrency, progress,
        if_absent=if_absent, best_effort=best_effort, replace=replace,
    )  # fmt: skip
    return await _run(source, target, options, delete=False, processes=processes)


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
    progress: Progress | None = None,
) -> Summary:
    """Make the target like the source: :func:`copy`, and with ``delete`` remove what the source does not have.

    Nothing is deleted before all is copied, and nothing at all if anything could not be listed or copied.

    Raises:
        ConfigurationError: if an end or option is none.
        NotFoundError: if there is no source.
    """
    return await _run(
        source, target, _Options(include, exclude, compare, reencode, level, verify, dry_run, concurrency, progress),
        delete=delete, processes=processes,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Options:
    include: Sequence[str]
    exclude: Sequence[str]
    compare: Compare
    reencode: str | None
    level: int | None
    verify: Verify
    dry_run: bool
    concurrency: int | None
    progress: Progress | None
    share: tuple[int, int] = (0, 1)
    """Which of how many shares of the keys."""
    if_absent: bool = False
    best_effort: bool = False
    replace: Headers | None = None


async def _run(source: End, target: End, options: _Options, *, delete: bool, processes: int) -> Summary:
    if options.reencode not in {None, "none", "identity"}:
        codecs.encoder(str(options.reencode), options.level)
    if processes < 1:
        raise ConfigurationError(f"processes={processes!r}: must be greater than 0", operation="transfer")
    async with opened(source, target, make=not options.dry_run) as ends:
        if processes > 1 and not options.dry_run:
            summary = await _spread(source, target, options, processes)
        else:
            summary = Summary(dry_run=options.dry_run)
            await _copies(ends, options, summary)
        if delete and not summary.failed:
            await _deletes(ends, options, summary)
    return summary


async def _spread(source: End, target: End, options: _Options, processes: int) -> Summary:
    """Let each of several processes copy its share of the keys."""
    whole = Summary()

    async def share(number: int) -> None:
        theirs = dataclasses.replace(options, progress=None, share=(number, processes))
        whole.merge(await worker.run(_run_share, source, target, theirs))
        if options.progress is not None:
            options.progress(whole.bytes, None)

    await gather(share, range(processes), processes)
    return whole


async def _run_share(source: End, target: End, options: _Options) -> Summary:
    summary = Summary()
    async with opened(source, target, make=False) as ends:
        await _copies(ends, options, summary)
    return summary


def _actions(ends: Ends, options: _Options, *, delete: bool) -> AsyncGenerator[Action, None]:
    compare = options.compare
    if compare == "size+mtime" and options.reencode is not None:
        compare = "mtime"  # sizes change with the encoding
    return actions(
        ends, include=options.include, exclude=options.exclude, compare=compare, delete=delete, share=options.share
    )


async def _copies(ends: Ends, options: _Options, summary: Summary) -> None:
    async def one(action: Action) -> None:
        await copy_between(
            ends, action.key, action.key, options.reencode, options.level, verify=options.verify,
            if_absent=options.if_absent, best_effort=options.best_effort, replace=options.replace,
        )  # fmt: skip

    under_way: dict[int, Action] = {}

    async def copies() -> AsyncGenerator[Action, None]:
        async with aclosing(_actions(ends, options, delete=False)) as found:
            number = 0
            async for action in found:
                if action.kind == "skip" or options.dry_run:
                    summary.add(action)
                    continue
                under_way[number] = action
                number += 1
                yield action

    async with Bulk(
        copies(), each(one, lambda action: action.key), operation="transfer", limits=ends.target._context.limits,
        concurrency=options.concurrency,
    ) as results:  # fmt: skip
        async for result in results:
            action, error = under_way.pop(result.index), result.error
            if options.if_absent and isinstance(error, AlreadyExistsError):
                # Somebody wrote it since it was listed: it is left as any other that is there.
                action, error = dataclasses.replace(action, kind="skip"), None
            summary.add(action, error)
            if options.progress is not None:
                options.progress(summary.bytes, None)


async def _deletes(ends: Ends, options: _Options, summary: Summary) -> None:
    known: dict[str, int] = {}

    async def keys() -> AsyncGenerator[str, None]:
        async with aclosing(_actions(ends, options, delete=True)) as found:
            async for action in found:
                if action.kind == "delete":
                    known[action.key] = action.size
                    yield action.key

    if options.dry_run:
        async with aclosing(_actions(ends, options, delete=True)) as found:
            async for action in found:
                if action.kind == "delete":
                    summary.add(action)
        return
    async with ends.target.delete_many(keys(), concurrency=options.concurrency) as results:
        async for result in results:
            action = Action(kind="delete", key=result.key, size=known.pop(result.key), reason="not in the source")
            summary.add(action, result.error)
