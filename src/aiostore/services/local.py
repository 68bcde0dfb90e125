"""The files below a directory."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from aiostore.policies import Integrity, Limits, RetryPolicy, Timeouts
from aiostore.store import Store
from aiostore.wrappers.observe import Observer


class LocalStore(Store):
    """The files below a directory: the key ``a/b.txt`` is ``root/a/b.txt``. Nothing outside ``root`` is ever touched.

    Writes are visible whole or not at all; ``fsync`` has them on the disk before they are visible. ``root`` must exist;
    ``create_container`` makes it.
    """

    def __init__(
        self,
        root: str | PathLike[str],
        *,
        fsync: bool = True,
        prefix: str = "",
        retry: RetryPolicy | None = None,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        integrity: Integrity = "auto",
        observers: Sequence[Observer] = (),
    ) -> None:
        from aiostore.drivers.local import LocalDriver

        super().__init__(
            LocalDriver(Path(root), fsync=fsync),
            prefix=prefix,
            retry=retry,
            limits=limits,
            integrity=integrity,
            observers=observers,
        )
