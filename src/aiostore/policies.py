"""How a store behaves towards its service: retries, limits, timeouts, connections. Validated, frozen, safe to share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal, TypeAlias

from aiostore.errors import ConfigurationError
from aiostore.types import NOTHING

Integrity: TypeAlias = Literal["auto", "require", "off"]
"""``auto`` verifies what the service allows, ``require`` refuses what cannot be verified, ``off`` does not verify."""


def _check_positive(policy: object, *names: str) -> None:
    for name in names:
        value = getattr(policy, name)
        if value is not None and not value > 0:
            raise ConfigurationError(f"{type(policy).__name__}({name}={value!r}): must be greater than 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """When a failed request is sent again.

    The n-th retry waits a random time in [0, min(``max_delay``, ``first_delay`` * 2**n)] seconds ("full jitter",
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), or as long as the service's Retry-After
    asks, if that is longer and at most ``max_retry_after``; one that asks for longer is an error at once.
    ``attempts`` counts the first one too and starts anew whenever a transfer made progress. ``budget`` is a bucket of
    tokens per store: a retry takes one, a success gives ``refill`` back, and an empty bucket fails at once, so that an
    outage is not multiplied by every caller. There is no limit on the total time: use :func:`asyncio.timeout`.
    """

    attempts: int = 10
    first_delay: float = 0.05
    max_delay: float = 10.0
    max_retry_after: float = 120.0
    budget: float = 500.0
    refill: float = 0.5

    def __post_init__(self) -> None:
        _check_positive(self, "attempts", "max_delay", "max_retry_after")
        if self.first_delay < 0 or self.budget < 0 or self.refill < 0:
            raise ConfigurationError("RetryPolicy: first_delay, budget and refill cannot be negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is under way at once.

    ``requests`` bounds the reads, and apart from them the writes, of one store in one event loop (its prefixes and
    siblings share them); ``reads`` and ``writes`` bound the ranges and parts of one call that move at once.
    ``part_size`` is the bytes of one range of a parallel read and of the first parts of a write, kept within the
    service's own limits. ``gap`` is the most bytes between two ranges of ``get_ranges`` that are read in one request.
    ``max_decompressed_size`` is the most bytes that one object is decompressed to.

    With ``adaptive``, these are upper bounds: fewer requests are sent to a service that asks for fewer, and ranges and
    parts begin with a few at once, more as long as that moves more bytes. Without it they are what is done.
    """

    requests: int = 256
    reads: int = 24
    writes: int = 32
    part_size: int = 8 * 1024**2
    gap: int = 1024**2
    max_decompressed_size: int = 16 * 1024**3
    adaptive: bool = True

    def __post_init__(self) -> None:
        _check_positive(self, "requests", "reads", "writes", "part_size", "max_decompressed_size")
        if self.gap < 0:
            raise ConfigurationError("Limits(gap): cannot be negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """In seconds. No limit on a transfer as a whole: a body may take for ever as long as it moves.

    ``connect`` covers DNS, TCP and TLS. ``stall``: a body of which fewer than ``stall_bytes`` moved within this time,
    in either direction, is given up. ``response`` is how long the first byte of an answer may take once the request is
    sent; services that work before they answer (copies, completing an upload) get ``slow_response``.
    """

    connect: float = 10.0
    stall: float = 30.0
    stall_bytes: int = 1024
    response: float = 60.0
    slow_response: float = 600.0

    def __post_init__(self) -> None:
        _check_positive(self, *(item.name for item in fields(self)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """The connection to the service.

    ``ca_bundle`` is a file of PEM certificates that replaces the system's; ``verify_tls=False`` switches certificate
    checks off, which makes every byte forgeable. ``proxy`` is a URL; without it the proxy environment variables hold.
    ``max_connections`` bounds the connection pool. ``headers`` go with every request.
    """

    verify_tls: bool = True
    ca_bundle: str | None = None
    proxy: str | None = field(default=None, repr=False)
    max_connections: int = 256
    headers: Mapping[str, str] = field(default_factory=lambda: NOTHING, repr=False)
    user_agent: str | None = None

    def __post_init__(self) -> None:
        _check_positive(self, "max_connections")

    @classmethod
    def of(cls, value: ClientOptions | Mapping[str, object] | None) -> ClientOptions:
        """The options that ``value`` stands for: None is the defaults, a mapping names the fields.

        Raises:
            ConfigurationError: if the mapping has a name that is no field.
        """
        if value is None:
            return cls()
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            raise ConfigurationError(f"client_options is a ClientOptions or a mapping, not {type(value).__name__}")
        known = {item.name for item in fields(cls)}
        unknown = sorted(set(value) - known)
        if unknown:
            raise ConfigurationError(f"unknown client option {unknown[0]!r}; there are {', '.join(sorted(known))}")
        return cls(**value)  # type: ignore[arg-type]  # the fields check their own values
