"""Objects in this process's memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aiostore.location import Location
from aiostore.policies import Integrity, Limits, RetryPolicy, Timeouts
from aiostore.schemes import Place, Scheme
from aiostore.store import Store
from aiostore.wrappers.observe import Observer

if TYPE_CHECKING:
    from aiostore.drivers.memory_container import Account


class MemoryStore(Store):
    """Objects in this process's memory, for tests and caches: every feature, atomic conditions.

    Stores with one ``account`` share its containers. ``versioning`` keeps what is overwritten or deleted.
    """

    def __init__(
        self,
        container: str = "memory",
        *,
        account: Account | None = None,
        versioning: bool = False,
        prefix: str = "",
        retry: RetryPolicy | None = None,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        integrity: Integrity = "auto",
        observers: Sequence[Observer] = (),
    ) -> None:
        from aiostore.drivers.memory import MemoryDriver

        super().__init__(
            MemoryDriver(container, account=account, versioning=versioning),
            prefix=prefix,
            retry=retry,
            limits=limits,
            integrity=integrity,
            observers=observers,
        )


def place(location: Location) -> Place:
    """``memory://container/prefix``; one without a container is ``memory``.

    Whoever names a container in this process gets the same one.
    """
    from aiostore.drivers.memory_container import named_account

    container = location.host or "memory"
    versioning = location.options.get("versioning", "").lower() in {"true", "1", "yes"}
    return Place(names=(container,), options={"account": named_account(container, versioning=versioning)})


SCHEME = Scheme(store=MemoryStore, place=place)
