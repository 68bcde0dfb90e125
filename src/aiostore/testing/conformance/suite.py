"""What all families of tests share: what is expected of a store, the tests that chooses, and what may not be left."""
# ruff: noqa: S101  # assertions are what a test suite consists of

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from typing import ClassVar, Final, TypeAlias, TypedDict, TypeVar, Unpack

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

from aiostore.budget import BUDGET
from aiostore.capabilities import Capabilities
from aiostore.store import Store
from aiostore.types import ObjectMeta, PutResult

Test = TypeVar("Test", bound=Callable[..., object])
Requirement: TypeAlias = Callable[[Capabilities], bool]

PATIENCE: Final = 5.0
"""Seconds that work which ends in the background gets."""

PROPERTY: Final = settings(
    deadline=None,
    max_examples=50,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,  # all examples share one store on purpose
        HealthCheck.differing_executors,  # every driver's class inherits the same tests
        HealthCheck.too_slow,
    ],
)
"""For property tests: an example may be several requests to a real service."""

_REQUIREMENTS: Final[dict[object, tuple[Requirement, ...]]] = {}


def requires(*requirements: Requirement) -> Callable[[Test], Test]:
    """Choose a test only where the expected capabilities meet all ``requirements``. The outermost decorator."""

    def register(test: Test) -> Test:
        _REQUIREMENTS[test] = requirements
        return test

    return register


def supports(*operations: str) -> Requirement:
    """All of these primitives exist."""
    return lambda capabilities: capabilities.operations.issuperset(operations)


def lacks(operation: str) -> Requirement:
    """This primitive is refused."""
    return lambda capabilities: operation not in capabilities.operations


def payload(size: int, seed: int = 0) -> bytes:
    """``size`` bytes without a pattern, always the same for the same ``seed``."""
    return hashlib.shake_128(seed.to_bytes(8, "big")).digest(size)


async def keys_of(store: Store, prefix: str = "", *, start_after: str | None = None) -> list[str]:
    """The keys that a listing shows, in its order."""
    return [meta.key async for meta in store.list(prefix, start_after=start_after)]


class Stored(TypedDict, total=False):
    """Options of a put that not every store keeps."""

    content_type: str
    cache_control: str
    metadata: Mapping[str, str]


class Suite:
    """What a subclass of the suite says about its store.

    ``capabilities`` is what the service is expected to do, as a literal. ``refused_keys`` are those of
    :data:`~aiostore.testing.conformance.keys.ODD_KEYS` that it cannot hold; ``mangled_keys`` are those that the service
    itself is known to take for others, so that nothing is asked of them, and ``mangled_keys_in_parts`` those that it
    cannot write in parts. ``nested_keys`` is false where ``a`` and
    ``a/b`` cannot both exist, and ``empty_folders`` true where a common prefix outlives its objects.
    ``content_headers`` are those that it keeps. ``etags`` says where the service tells them: in answers to writes
    (``"written"``) and in listings (``"listed"``), and whether every state has one of its own (``"distinct"``), however
    soon it follows. ``tags_are_told`` is false where a read does not tell whether there are tags.
    ``secrets`` are strings that no error and no
    ``repr`` may show. ``upload_headers`` are those that the service wants with every upload through a signed URL.
    ``part_size`` is the size of the parts that the tests write, in bytes: the smallest that the
    service takes, but not less than 64 KiB. ``many`` objects are more than one page of a listing.
    """

    capabilities: ClassVar[Capabilities]
    refused_keys: ClassVar[Collection[str]] = ()
    mangled_keys: ClassVar[Collection[str]] = ()
    mangled_keys_in_parts: ClassVar[Collection[str]] = ()
    nested_keys: ClassVar[bool] = True
    empty_folders: ClassVar[bool] = False
    etags: ClassVar[Collection[str]] = ("written", "listed", "distinct")
    content_headers: ClassVar[Collection[str]] = (
        "content_type",
        "content_encoding",
        "content_disposition",
        "content_language",
        "cache_control",
    )
    tags_are_told: ClassVar[bool] = True
    secrets: ClassVar[Sequence[str]] = ()
    upload_headers: ClassVar[Mapping[str, str]] = {}
    part_size: ClassVar[int]
    many: ClassVar[int] = 1500

    pytestmark = pytest.mark.asyncio

    def __init_subclass__(cls, **arguments: object) -> None:
        super().__init_subclass__(**arguments)
        capabilities = getattr(cls, "capabilities", None)
        if capabilities is None:
            return
        cls.part_size = max(64 * 1024, capabilities.multipart.min_size if capabilities.multipart else 0)
        # Not a set: they are collected in the order in which they are set, and pytest-xdist wants one order everywhere.
        for name in dict.fromkeys(name for base in cls.__mro__ for name in vars(base) if name.startswith("test_")):
            test = next(vars(base)[name] for base in cls.__mro__ if vars(base).get(name) is not None)
            if test in _REQUIREMENTS:
                chosen = all(requirement(capabilities) for requirement in _REQUIREMENTS[test])
                setattr(cls, name, test if chosen else None)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Where a family makes tests of what the subclass says."""

    async def written(self, store: Store, key: str, data: bytes) -> PutResult | ObjectMeta:
        """Put ``data``; the state that was written, as the answer tells it, or else as ``head`` does."""
        result = await store.put(key, data)
        if "written" not in self.etags:
            return await store.head(key)
        assert result.etag
        return result

    def kept(self, **options: Unpack[Stored]) -> Stored:
        """Those of the options of a put that this store is expected to keep; it may refuse the others."""
        kept = Stored()
        if self.capabilities.metadata and "metadata" in options:
            kept["metadata"] = options["metadata"]
        if "content_type" in self.content_headers and "content_type" in options:
            kept["content_type"] = options["content_type"]
        if "cache_control" in self.content_headers and "cache_control" in options:
            kept["cache_control"] = options["cache_control"]
        return kept

    @pytest.fixture
    def store(self) -> Store:
        """The store under test, over an empty container. A subclass overrides this fixture."""
        raise NotImplementedError(f"{type(self).__name__} has no fixture `store`")

    async def leftovers(self, store: Store) -> list[str]:
        """What a test may not leave behind, described. By default multipart uploads; a subclass may know of more."""
        if "list_multipart" not in self.capabilities.operations:
            return []
        return [f"upload {upload.id} of {upload.key!r}" async for upload in store.uploads()]

    @pytest_asyncio.fixture(autouse=True)
    async def nothing_is_left(self, store: Store) -> AsyncIterator[None]:
        """After each test: no task, no byte of the memory budget, and none of the ``leftovers``."""
        before = asyncio.all_tasks()
        yield
        this = asyncio.current_task()
        deadline = time.monotonic() + PATIENCE
        while (tasks := asyncio.all_tasks() - before - {this}) and time.monotonic() < deadline:
            await asyncio.wait(tasks, timeout=0.1)
        assert not tasks, f"tasks are left: {tasks}"
        assert BUDGET.used == 0, f"{BUDGET.used} bytes of the memory budget are still held"
        assert await self.leftovers(store) == []
