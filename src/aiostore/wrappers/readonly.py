"""A driver that changes nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any, TypeVar, TypeVarTuple

from aiostore.capabilities import Capabilities
from aiostore.errors import PermissionDeniedError
from aiostore.protocol import Driver
from aiostore.types import SignOptions
from aiostore.wrappers.wrapper import Wrapper

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

READS = frozenset(
    {
        "head",
        "get",
        "list_page",
        "list_parts",
        "list_ranges",
        "list_multipart",
        "get_tags",
        "list_versions",
        "list_containers",
        "sign",
    }
)
"""The primitives that change nothing."""


class ReadonlyDriver(Wrapper):
    """Refuses every primitive that could change something, before a request is sent, with PermissionDeniedError."""

    __slots__ = ()

    def rewrap(self, inner: Driver) -> Driver:
        return ReadonlyDriver(inner)

    @property
    def capabilities(self) -> Capabilities:
        inner = self.inner.capabilities
        return replace(inner, operations=inner.operations & READS)

    async def around(self, operation: str, key: str | None, call: Callable[[*Ts], Awaitable[T]], *arguments: *Ts) -> T:
        if operation not in READS:
            raise PermissionDeniedError(
                "the store was opened read-only", key=key, operation=operation, store=self.location
            )
        return await call(*arguments)

    def sign(self, key: str, options: SignOptions) -> Coroutine[Any, Any, str]:
        if options.method.upper() not in {"GET", "HEAD"}:
            raise PermissionDeniedError(
                f"the store was opened read-only, and a URL for {options.method} would write",
                key=key,
                operation="sign",
                store=self.location,
            )
        return super().sign(key, options)
