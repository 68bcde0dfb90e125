"""A lease that blocking code holds."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from aiostore._engine.lease import Lease
from aiostore.blocking import portal


class BlockingLease:
    """The right to do something that only one may do at a time; see :meth:`aiostore.Store.lease`."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._portal = portal.current()

    def __repr__(self) -> str:
        return f"<Blocking{repr(self._lease)[1:]}"

    @property
    def token(self) -> int:
        """The fencing token: greater than that of every holder before.

        Raises:
            StoreClosedError: before the lease was acquired.
        """
        return self._lease.token

    @property
    def lost(self) -> bool:
        """Whether this process knows that it no longer holds the lease."""
        return self._lease.lost.is_set()

    def check(self) -> None:
        """Return if the lease is held at this moment, by this machine's clock.

        Raises:
            LeaseLostError: if it ran out, was taken over, or was released.
        """
        self._portal.run(self._check())

    async def _check(self) -> None:
        self._lease.check()

    def __enter__(self) -> Self:
        self._portal.run(self._lease.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._portal.run(self._lease.__aexit__(kind, error, trace))
