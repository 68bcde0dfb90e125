"""The files below a directory."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from aiostore.errors import ConfigurationError
from aiostore.location import Location
from aiostore.policies import Integrity, Limits, RetryPolicy, Timeouts
from aiostore.schemes import Place, Scheme
from aiostore.store import Store
from aiostore.wrappers.observe import Observer


class LocalStore(Store):
    """The files below a directory: the key ``a/b.txt`` is ``root/a/b.txt``. Nothing outside ``root`` is ever touched.

    Writes are visible whole or not at all; ``fsync`` has them on the disk before they are visible. ``root`` must exist;
    ``create_container`` makes it.

    With ``encoding_suffixes`` the content encoding of an object is the suffix of its file: the key ``a`` with ``gzip``
    is the file ``a.gz``, also if another program has made it. Without, ``a.gz`` is the key of the bytes as they are,
    and the encoding is kept beside them. See ``docs/local.md``.
    """

    def __init__(
        self,
        root: str | PathLike[str],
        *,
        fsync: bool = True,
        encoding_suffixes: bool = False,
        prefix: str = "",
        retry: RetryPolicy | None = None,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        integrity: Integrity = "auto",
        observers: Sequence[Observer] = (),
    ) -> None:
        from aiostore.drivers.local import LocalDriver

        super().__init__(
            LocalDriver(Path(root), fsync=fsync, encoding_suffixes=encoding_suffixes),
            prefix=prefix,
            retry=retry,
            limits=limits,
            integrity=integrity,
            observers=observers,
        )


def place(location: Location) -> Place:
    """``file:///directory``, or a plain path.

    Raises:
        ConfigurationError: if the files are another host's.
    """
    if location.host not in {"", "localhost"}:
        raise ConfigurationError(
            f"file://{location.host}/…: the files of another host cannot be reached; a local path has three slashes"
        )
    return Place(names=(location.local_path,), depth=len(location.segments))


SCHEME = Scheme(store=LocalStore, place=place)
