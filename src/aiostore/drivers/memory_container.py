"""What the memory driver keeps: an account of containers, each with its objects, versions and uploads.

Nothing here waits or computes for long. Whoever changes anything holds :data:`LOCK`; single look-ups need no lock,
because what is stored is never changed in place.
"""

from __future__ import annotations

import itertools
import os
import threading
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from aiostore.errors import NotFoundError
from aiostore.types import (
    NOTHING,
    ListOptions,
    ListPage,
    ObjectMeta,
    ObjectVersion,
    Part,
    Upload,
    VersionPage,
)

LOCK: Final = threading.Lock()
"""One for all accounts: it is held for microseconds, and a fork can then wait for it in one place."""

if hasattr(os, "register_at_fork"):
    # The child gets a copy of every account: it must not be one that another thread was in the middle of changing.
    os.register_at_fork(before=LOCK.acquire, after_in_parent=LOCK.release, after_in_child=LOCK.release)

_NUMBERS = itertools.count(1)


def new_id() -> str:
    """An identifier for a version or upload that no other of this process has."""
    return f"{next(_NUMBERS):016x}"


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """One state of an object; without ``data`` it is a delete marker."""

    data: bytes | None
    meta: ObjectMeta
    tags: Mapping[str, str]
    ranges: Sequence[Part] = ()
    """The parts that it was made of."""

    @property
    def described(self) -> ObjectMeta:
        """What a read tells of it: also how many tags it has."""
        return replace(self.meta, extra={"tag-count": str(len(self.tags))}) if self.tags else self.meta


@dataclass(slots=True)
class Pending:
    """A multipart upload under way."""

    upload: Upload
    parts: dict[int, tuple[Part, int, bytes]] = field(default_factory=dict)
    """The part, its offset and its bytes by part number."""


class Container:
    """The objects of one container."""

    def __init__(self, name: str, *, versioning: bool) -> None:
        self.name = name
        self.created = datetime.now(UTC)
        self.objects: dict[str, Stored] = {}
        self.uploads: dict[str, Pending] = {}
        self._history: dict[str, list[Stored]] | None = {} if versioning else None
        self._keys = _SortedKeys()

    @property
    def empty(self) -> bool:
        """Whether there is neither an object nor an older version; uploads do not count."""
        return not self.objects and not self._history

    def find(self, key: str, version: str | None = None) -> Stored:
        """The object, or one version of it.

        Raises:
            NotFoundError: if there is none, or only a delete marker.
        """
        if version is None:
            found = self.objects.get(key)
        else:
            found = next((old for old in self.versions_of(key) if old.meta.version == version), None)
        if found is None or found.data is None:
            what = "no such object" if version is None else f"the object has no version {version!r} that can be read"
            raise NotFoundError(f"{what}; list the keys to see what there is")
        return found

    def versions_of(self, key: str) -> Sequence[Stored]:
        """Every state that is kept of the object, oldest first."""
        if self._history is not None:
            return self._history.get(key, ())
        return [self.objects[key]] if key in self.objects else ()

    def add(self, key: str, stored: Stored) -> ObjectMeta:
        """Make ``stored`` the current state of the object."""
        if self._history is not None:
            stored = replace(stored, meta=replace(stored.meta, version=new_id()))
            self._history.setdefault(key, []).append(stored)
        self._set_current(key, stored)
        return stored.meta

    def amend(self, key: str, old: Stored, new: Stored) -> None:
        """Put ``new`` in the place of the state ``old``, which may be an older version."""
        if self._history is not None:
            states = self._history[key]
            states[states.index(old)] = new
        if self.objects.get(key) is old:
            self.objects[key] = new

    def remove(self, key: str, version: str | None) -> None:
        """Delete the object, leaving a delete marker where versions are kept, or one version for good."""
        if self._history is None:
            if version is None and self.objects.pop(key, None) is not None:
                self._keys.discard(key)
            return
        states = self._history.get(key, [])
        if version is None:
            if key in self.objects:
                marker = ObjectMeta(key=key, size=0, last_modified=datetime.now(UTC), version=new_id())
                states.append(Stored(None, marker, NOTHING))
        else:
            states[:] = [state for state in states if state.meta.version != version]
        self._set_current(key, states[-1] if states else None)
        if not states:
            self._history.pop(key, None)

    def _set_current(self, key: str, stored: Stored | None) -> None:
        if stored is None or stored.data is None:
            if self.objects.pop(key, None) is not None:
                self._keys.discard(key)
        else:
            if key not in self.objects:
                self._keys.add(key)
            self.objects[key] = stored

    def page(self, options: ListOptions, size: int) -> ListPage:
        """One page of at most ``size`` keys and common prefixes together."""
        keys, prefix, delimiter = self._keys.sorted(), options.prefix, options.delimiter
        objects: list[ObjectMeta] = []
        prefixes: list[str] = []
        at = bisect_left(keys, prefix)
        if options.page_token is not None:
            after = options.page_token[1:]
            at = max(at, bisect_right(keys, after) if options.page_token[0] == "k" else _first_past(keys, after))
        elif options.start_after is not None:
            at = max(at, bisect_right(keys, options.start_after))
        token = None
        while at < len(keys) and (key := keys[at]).startswith(prefix):
            stored = self.objects.get(key)
            if stored is None:
                at += 1
                continue
            if len(objects) + len(prefixes) >= size:
                return ListPage(objects=objects, common_prefixes=prefixes, next_token=token)
            end = key.find(delimiter, len(prefix)) if delimiter else -1
            if delimiter and end >= 0:
                common = key[: end + len(delimiter)]
                prefixes.append(common)
                token = "p" + common
                at = _first_past(keys, common)
            else:
                objects.append(stored.meta)
                token = "k" + key
                at += 1
        return ListPage(objects=objects, common_prefixes=prefixes)

    def version_page(self, prefix: str, token: str | None, size: int) -> VersionPage:
        """One page of about ``size`` versions; all versions of one key are on the same page."""
        source = self.objects if self._history is None else self._history
        keys = sorted(key for key in source if key.startswith(prefix) and (token is None or key > token))
        versions: list[ObjectVersion] = []
        for index, key in enumerate(keys):
            newest_first = reversed(self.versions_of(key))
            versions += (
                ObjectVersion(meta=state.meta, is_latest=rank == 0, is_delete_marker=state.data is None)
                for rank, state in enumerate(newest_first)
            )
            if len(versions) >= size and index + 1 < len(keys):
                return VersionPage(versions=versions, next_token=key)
        return VersionPage(versions=versions)


class Account:
    """The containers that a memory driver and its siblings share."""

    def __init__(self) -> None:
        self._containers: dict[str, Container] = {}

    def __iter__(self) -> Iterator[Container]:
        return iter([self._containers[name] for name in sorted(self._containers)])

    def __contains__(self, name: str) -> bool:
        return name in self._containers

    def find(self, name: str) -> Container:
        """The container.

        Raises:
            NotFoundError: if there is none.
        """
        try:
            return self._containers[name]
        except KeyError:
            raise NotFoundError(f"there is no container {name!r}; create it with create_container()") from None

    def add(self, container: Container) -> None:
        """Keep a container whose name is free."""
        self._containers[container.name] = container

    def remove(self, name: str) -> None:
        """Forget a container; a missing one is no error."""
        self._containers.pop(name, None)


_NAMED: Final = Account()
_NAMES: Final[set[str]] = set()


def named_account(container: str, *, versioning: bool) -> Account:
    """The account that URLs name, one for the process; ``container`` is made the first time that it is named."""
    with LOCK:
        if container not in _NAMES:
            _NAMES.add(container)
            _NAMED.add(Container(container, versioning=versioning))
    return _NAMED


class _SortedKeys:
    """A set of keys that can be had sorted. Many changes between two listings cost one merge, not one move each.

    Strings are compared by code point, which is the order of their UTF-8 bytes.
    """

    def __init__(self) -> None:
        self._sorted: list[str] = []
        self._added: set[str] = set()
        self._removed: set[str] = set()

    def add(self, key: str) -> None:
        if key in self._removed:
            self._removed.remove(key)
        else:
            self._added.add(key)

    def discard(self, key: str) -> None:
        if key in self._added:
            self._added.remove(key)
        else:
            self._removed.add(key)

    def sorted(self) -> list[str]:
        """All keys in order; up to a third of the list may be keys that were removed."""
        if len(self._removed) * 3 > len(self._sorted):
            self._sorted = [key for key in self._sorted if key not in self._removed]
            self._removed.clear()
        if len(self._added) < 16:
            for key in self._added:
                insort(self._sorted, key)
        else:
            self._sorted += self._added
            self._sorted.sort()
        self._added.clear()
        return self._sorted


def _first_past(keys: Sequence[str], prefix: str) -> int:
    """The index of the first key that sorts after every key that starts with ``prefix``."""
    return bisect_left(keys, True, lo=bisect_left(keys, prefix), key=lambda key: not key.startswith(prefix))
