"""What the table must know of an HTTP service: how its requests look, and how it words what goes wrong."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from aiostore import Limits, RetryPolicy, Store, Timeouts
from aiostore.policies import Integrity
from aiostore.types import ObjectMeta
from tests.faults.faults import Answer
from tests.faults.relay import Request
from tests.faults.table.expectation import Rule
from tests.servers.server import Endpoint

if TYPE_CHECKING:
    from tests.faults.table.cells import Cell

PART = 64 * 1024
"""Bytes of a range that is read in parallel."""

RETRY = RetryPolicy(attempts=8, first_delay=0.002, max_delay=0.02, refill=0)

PATIENT = Timeouts(connect=5, stall=10, response=20, slow_response=20)
"""Longer than any test takes: only what is made to wait is given up, see ``impatience.py``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the store under test is made. ``options`` are arguments of its constructor that only its service has."""

    timeouts: Timeouts = PATIENT
    reads: int = 4
    integrity: Integrity = "auto"
    host: str = "127.0.0.1"
    options: Mapping[str, object] = field(default_factory=dict)

    @property
    def limits(self) -> Limits:
        """Small parts, so that small objects are read in several."""
        return Limits(part_size=PART, gap=1000, reads=self.reads)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """A container on a server, and which of the backends it is for."""

    backend: Backend
    endpoint: Endpoint
    name: str


class Scene(ABC):
    """A fault that each service acts out in its own way, such as credentials that expire. Made anew for every cell."""

    @abstractmethod
    def settings(self, bucket: Bucket) -> Settings:
        """How the store must be made for it to happen."""

    @abstractmethod
    def begin(self, cell: Cell) -> None:
        """The operation comes next: inject into the cell's proxy what is to happen."""

    @abstractmethod
    def assert_struck(self, cell: Cell) -> None:
        """It has happened, and no more was asked of the service than it takes to heal it."""


class Backend(ABC):
    """One HTTP driver against one server. A module for each service; instances are values without state."""

    name: ClassVar[str]
    """The driver's, in the names of the cells; ``tests/faults/conftest.py`` has a fixture ``{name}_bucket``."""

    part_size: ClassVar[int]
    """Bytes of the smallest part that is not the last one."""

    request_bodies: ClassVar[frozenset[str]] = frozenset(
        {"put", "put_part", "complete_multipart", "delete_many", "set_tags"}
    )
    """The primitives whose requests have a body."""

    answer_bodies: ClassVar[frozenset[str]] = frozenset(
        {"get", "get_range", "list_page", "get_tags", "copy", "create_multipart", "complete_multipart", "delete_many"}
    )
    """The primitives whose answers have a body."""

    primitives: ClassVar[Mapping[str, frozenset[str]]] = {}
    """What operations make of themselves here, where that is not what they say."""

    etags_written: ClassVar[bool] = True
    """Whether answers to writes tell the ETag."""

    errors_in_200: ClassVar[Mapping[str, bytes]] = {}
    """By primitive: the body of an answer that says 200 and is an error."""

    scenes: ClassVar[Mapping[str, Callable[[], Scene]]] = {}
    """By the fault's name, those of identity and place. A service that knows one of them not has a rule instead."""

    rules: ClassVar[Sequence[Rule]] = ()
    """What holds here before the common rules: what the service cannot do or suffer and why, and what else is so."""

    @abstractmethod
    def store(
        self, bucket: Bucket, prefix: str, settings: Settings, url: str | None = None, limits: Limits | None = None
    ) -> Store:
        """A store that finds the service at ``url``, by default where it is, with the table's policies."""

    @abstractmethod
    def primitive_of(self, request: Request) -> str:
        """The driver's primitive that sends such a request; the read of a range is ``get_range``."""

    def direct(self, bucket: Bucket, prefix: str) -> Store:
        """What sees and changes the same objects beside the fault."""
        return self.store(bucket, prefix, Settings(), limits=Limits())

    @abstractmethod
    def url(self, bucket: Bucket) -> str:
        """Where the service is."""

    def error(self, status: int, headers: Mapping[str, str] | None = None) -> Answer:
        """An error as the service words it."""
        return Answer(status=status, headers=headers or {})

    def throttled(self) -> Answer:
        """What the service says when there are too many requests."""
        return self.error(503)

    def conflict(self) -> Answer:
        """What the service says when another write of the object is under way."""
        return self.error(409)

    def headers(self, meta: ObjectMeta) -> dict[str, str]:
        """What an answer to a read says of the object's state."""
        return {"ETag": f'"{meta.etag}"'}

    async def leftovers(self, store: Store) -> list[str]:
        """What unfinished writes have left below the store's prefix."""
        return await unfinished(store)


async def unfinished(store: Store) -> list[str]:
    """The keys of the multipart uploads under way."""
    return [upload.key async for upload in store.uploads()]
