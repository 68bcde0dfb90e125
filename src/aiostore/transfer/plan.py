"""What a transfer would do, worked out lazily from two listings."""

from __future__ import annotations

import fnmatch
import re
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from aiostore import checksums
from aiostore.errors import ConfigurationError
from aiostore.transfer.ends import End, Ends, opened
from aiostore.transfer.listing import in_order, merged
from aiostore.transfer.objects import digest
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
    async with (
        opened(source, target, make=False) as ends,
        aclosing(actions(ends, include=include, exclude=exclude, compare=compare, delete=delete)) as found,
    ):
        async for action in found:
            yield action


async def differences(first: End, second: End) -> AsyncIterator[Action]:
    """Every key of which the two places do not hold the same bytes, compared by checksum, or by reading both.

    Raises:
        NotFoundError: if the first is missing; where the second is, every key differs.
    """
    async with (
        opened(first, second, make=False) as ends,
        aclosing(actions(ends, include=(), exclude=(), compare="bytes", delete=True)) as found,
    ):
        async for action in found:
            if action.kind != "skip":
                yield action


async def actions(
    ends: Ends,
    *,
    include: Sequence[str],
    exclude: Sequence[str],
    compare: Compare,
    delete: bool,
    share: tuple[int, int] = (0, 1),
) -> AsyncGenerator[Action, None]:
    """:func:`plan`, for ends that are open, and for one of several equal shares of the keys."""
    same = _COMPARISONS.get(compare)
    if same is None:
        raise ConfigurationError(f"compare={compare!r}: there are {', '.join(_COMPARISONS)}")
    wanted = _filter(include, exclude, *share)
    async with (
        aclosing(in_order(ends.source, wanted)) as sources,
        aclosing(in_order(ends.target, wanted, may_miss=True)) as targets,
        aclosing(merged(sources, targets)) as pairs,
    ):
        async for mine, theirs in pairs:
            if mine is None:
                if delete and theirs is not None:
                    yield Action(kind="delete", key=theirs.key, size=theirs.size, reason="not in the source")
            elif theirs is None:
                yield Action(kind="copy", key=mine.key, size=mine.size, reason="not in the target")
            elif reason := await same(ends, mine, theirs):
                yield Action(kind="replace", key=mine.key, size=mine.size, reason=reason)
            else:
                yield Action(kind="skip", key=mine.key, size=mine.size, reason="equal")


def _filter(include: Sequence[str], exclude: Sequence[str], number: int, count: int) -> Callable[[str], bool]:
    for name, patterns in (("include", include), ("exclude", exclude)):
        if isinstance(patterns, str):
            raise TypeError(f"{name} is a list of patterns, not one str: use [{patterns!r}]")
    taken, left = _pattern(include), _pattern(exclude)

    def wanted(key: str) -> bool:
        if (taken is not None and taken.match(key) is None) or (left is not None and left.match(key) is not None):
            return False
        return count == 1 or zlib.crc32(key.encode()) % count == number

    return wanted


def _pattern(patterns: Sequence[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(map(fnmatch.translate, patterns))) if patterns else None


async def _by_size(_ends: Ends, mine: ObjectMeta, theirs: ObjectMeta) -> str:
    return "" if mine.size == theirs.size else "another size"


async def _by_time(_ends: Ends, mine: ObjectMeta, theirs: ObjectMeta) -> str:
    if mine.last_modified is None or theirs.last_modified is None:
        return "its time is not known"
    return "" if mine.last_modified <= theirs.last_modified else "newer in the source"


async def _by_size_and_time(ends: Ends, mine: ObjectMeta, theirs: ObjectMeta) -> str:
    return await _by_size(ends, mine, theirs) or await _by_time(ends, mine, theirs)


async def _by_etag(_ends: Ends, mine: ObjectMeta, theirs: ObjectMeta) -> str:
    return "" if mine.etag is not None and mine.etag == theirs.etag else "another ETag"


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


async def _always(_ends: Ends, _mine: ObjectMeta, _theirs: ObjectMeta) -> str:
    return ""


async def _never(_ends: Ends, _mine: ObjectMeta, _theirs: ObjectMeta) -> str:
    return "asked for"


_UNKNOWN: Final = "no checksum that both stores hold"

_COMPARISONS = {
    "size+mtime": _by_size_and_time,
    "mtime": _by_time,
    "size": _by_size,
    "etag": _by_etag,
    "checksum": _by_checksum,
    "bytes": _by_bytes,
    "exists": _always,
    "never": _never,
}
