"""What a transfer would do, worked out lazily from two listings."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from aiostore import checksums
from aiostore._engine.bulk import Bulk, each
from aiostore.errors import ConfigurationError
from aiostore.transfer.comparison import digest
from aiostore.transfer.ends import End, Ends, opened
from aiostore.transfer.listing import Pair, in_order, merged
from aiostore.types import ObjectMeta

Compare: TypeAlias = Literal["size+mtime", "mtime", "size", "etag", "checksum", "bytes", "exists", "never"]
"""When an object that is there already is taken for the same: equal size and a target that is not older, one of these
alone, equal ETags, equal checksums (one that both stores hold), equal bytes (which are read where there is no such
checksum), always, so that nothing is replaced, or never, so that everything is transferred."""

Kind: TypeAlias = Literal["copy", "replace", "skip", "delete"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What is to be done with one key, and why. ``size`` is that of the object that is copied, or deleted, in bytes."""

    kind: Kind
    key: str
    size: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which keys are transferred, and what is taken for equal."""

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    compare: Compare = "size+mtime"

    @property
    def is_quick(self) -> bool:
        """Whether the two listings are enough to compare by."""
        return self.compare in _QUICK

    def check(self) -> None:
        """Raise if there is no such comparison, or no such pattern."""
        if self.compare not in _QUICK and self.compare not in _THOROUGH:
            raise ConfigurationError(f"compare={self.compare!r}: there are {', '.join((*_QUICK, *_THOROUGH))}")
        self.filter()

    def filter(self) -> Callable[[str], bool]:
        """Whether a key is one of those that are transferred."""
        for name, patterns in (("include", self.include), ("exclude", self.exclude)):
            if isinstance(patterns, str):
                raise TypeError(f"{name} is a list of patterns, not one str: use [{patterns!r}]")
        taken, left = _pattern(self.include), _pattern(self.exclude)

        def wanted(key: str) -> bool:
            return (taken is None or taken.match(key) is not None) and (left is None or left.match(key) is None)

        return wanted

    def at_once(self, mine: ObjectMeta, theirs: ObjectMeta | None) -> Action:
        """What is to be done with a key of the source, by the listings alone."""
        return _action(mine, theirs, "" if theirs is None else _QUICK[self.compare](mine, theirs))

    async def decide(self, ends: Ends, mine: ObjectMeta, theirs: ObjectMeta | None) -> Action:
        """What is to be done with a key of the source."""
        if theirs is None or self.is_quick:
            return self.at_once(mine, theirs)
        return _action(mine, theirs, await _THOROUGH[self.compare](ends, mine, theirs))


def _action(mine: ObjectMeta, theirs: ObjectMeta | None, reason: str) -> Action:
    if theirs is None:
        return Action(kind="copy", key=mine.key, size=mine.size, reason="not in the target")
    return Action(kind="replace" if reason else "skip", key=mine.key, size=mine.size, reason=reason or "equal")


async def plan(
    source: End,
    target: End,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    compare: Compare = "size+mtime",
    delete: bool = False,
) -> AsyncIterator[Action]:
    """What :func:`copy` (or with ``delete``, :func:`sync`) would do, key by key in order. Nothing is written.

    The two listings are merged in constant memory. ``include`` and ``exclude`` are patterns as :mod:`fnmatch` has them,
    over the whole key; ``*`` also stands for slashes. A key is taken if it matches one of ``include`` (or there is
    none) and none of ``exclude``. Others are left alone on both sides.

    Raises:
        ConfigurationError: if an end or ``compare`` is none.
        NotFoundError: if there is no source.
    """
    choice = Choice(include=include, exclude=exclude, compare=compare)
    choice.check()
    async with opened(source, target, make=False) as ends, aclosing(_planned(ends, choice)) as found:
        async for action in found:
            if delete or action.kind != "delete":
                yield action


async def differences(first: End, second: End) -> AsyncIterator[Action]:
    """Every key of which the two places do not hold the same bytes, compared by checksum, or by reading both.

    Raises:
        NotFoundError: if the first is missing; where the second is, every key differs.
    """
    choice = Choice(compare="bytes")
    async with opened(first, second, make=False) as ends, aclosing(_planned(ends, choice)) as found:
        async for action in found:
            if action.kind != "skip":
                yield action


async def _planned(ends: Ends, choice: Choice) -> AsyncGenerator[Action, None]:
    async def decided(pair: Pair) -> Action:
        mine, theirs = pair
        if mine is None:
            assert theirs is not None  # noqa: S101  # one of the two is there
            return Action(kind="delete", key=theirs.key, size=theirs.size, reason="not in the source")
        return await choice.decide(ends, mine, theirs)

    async with aclosing(pairs(ends, choice)) as found:
        if choice.is_quick:
            async for pair in found:
                yield await decided(pair)
            return
        # Each comparison takes requests: several go at a time.
        job = each(decided, _key)
        async with Bulk(found, job, operation="plan", limits=ends.target._context.limits, ordered=True) as results:
            async for result in results:
                yield result.unwrap()


def _key(pair: Pair) -> str:
    mine, theirs = pair
    return mine.key if mine is not None else theirs.key if theirs is not None else ""


async def pairs(ends: Ends, choice: Choice) -> AsyncGenerator[Pair, None]:
    """Each key that is chosen, with what source and target say of it, from one listing of each."""
    wanted = choice.filter()
    async with (
        aclosing(in_order(ends.source, wanted)) as sources,
        aclosing(in_order(ends.target, wanted, may_miss=True)) as targets,
        aclosing(merged(sources, targets)) as found,
    ):
        async for pair in found:
            yield pair


def _pattern(patterns: Sequence[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(map(fnmatch.translate, patterns))) if patterns else None


def _by_size(mine: ObjectMeta, theirs: ObjectMeta) -> str:
    return "" if mine.size == theirs.size else "another size"


def _by_time(mine: ObjectMeta, theirs: ObjectMeta) -> str:
    if mine.last_modified is None or theirs.last_modified is None:
        return "its time is not known"
    return "" if mine.last_modified <= theirs.last_modified else "newer in the source"


def _by_size_and_time(mine: ObjectMeta, theirs: ObjectMeta) -> str:
    return _by_size(mine, theirs) or _by_time(mine, theirs)


def _by_etag(mine: ObjectMeta, theirs: ObjectMeta) -> str:
    return "" if mine.etag is not None and mine.etag == theirs.etag else "another ETag"


def _always(_mine: ObjectMeta, _theirs: ObjectMeta) -> str:
    return ""


def _never(_mine: ObjectMeta, _theirs: ObjectMeta) -> str:
    return "asked for"


async def _by_checksum(ends: Ends, mine: ObjectMeta, theirs: ObjectMeta) -> str:
    if mine.size != theirs.size:
        return "another size"
    held, found = (await ends.source.head(mine.key)).checksums, (await ends.target.head(theirs.key)).checksums
    algorithm = checksums.best(held.keys() & found.keys())
    if algorithm is None:
        return _UNKNOWN
    return "" if held[algorithm] == found[algorithm] else "another checksum"


async def _by_bytes(ends: Ends, mine: ObjectMeta, theirs: ObjectMeta) -> str:
    reason = await _by_checksum(ends, mine, theirs)
    if reason != _UNKNOWN:
        return reason
    same = await digest(ends.source, mine.key) == await digest(ends.target, theirs.key)
    return "" if same else "other bytes"


_UNKNOWN: Final = "no checksum that both stores hold"

_QUICK: Final[Mapping[str, Callable[[ObjectMeta, ObjectMeta], str]]] = {
    "size+mtime": _by_size_and_time,
    "mtime": _by_time,
    "size": _by_size,
    "etag": _by_etag,
    "exists": _always,
    "never": _never,
}
"""Comparisons of two entries of listings; each returns why they are not the same."""

_THOROUGH: Final[Mapping[str, Callable[[Ends, ObjectMeta, ObjectMeta], Awaitable[str]]]] = {
    "checksum": _by_checksum,
    "bytes": _by_bytes,
}
"""Those that take requests."""
