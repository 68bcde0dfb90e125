"""The fourteen verbs of ``AsyncObjectStore`` over a driver, and the life of a store."""

from __future__ import annotations

import builtins
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar, TypeVarTuple, Unpack, overload
from weakref import WeakSet

from aiostore import files
from aiostore._engine import copy as _copy
from aiostore._engine import decoding, encoding, listing, options, own_write, read, write
from aiostore._engine import delete as _delete
from aiostore._engine.context import Context
from aiostore._engine.object_stream import Stream
from aiostore._engine.window import FIRST_READS, FIRST_WRITES, Window
from aiostore.capabilities import Capabilities
from aiostore.errors import (
    ConfigurationError,
    StoreClosedError,
)
from aiostore.handles import AsyncBinaryFile, AsyncTextFile, BinaryMode, FileOptions, TextMode
from aiostore.keys import check_key, check_prefix
from aiostore.policies import Integrity, Limits, RetryPolicy, Timeouts
from aiostore.protocol import Driver, Source, TimedDriver
from aiostore.types import (
    Condition,
    DeleteOptions,
    Encryption,
    GetOptions,
    ListResult,
    ObjectMeta,
    Progress,
    PutResult,
    SignOptions,
)
from aiostore.wrappers.limits import LimitDriver
from aiostore.wrappers.observe import ObserveDriver, Observer
from aiostore.wrappers.prefix import PrefixDriver
from aiostore.wrappers.retry import RetryBudget, RetryDriver
from aiostore.wrappers.wrapper import Wrapper

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

DELETE = DeleteOptions()
"""Nothing but the object itself."""


def stack(
    driver: Driver, retry: RetryPolicy, retry_budget: RetryBudget, limits: Limits, observers: Sequence[Observer]
) -> Driver:
    """The policies around a driver: observe(retry(limit(driver))). Timeouts belong to the transport below."""
    stacked: Driver = RetryDriver(LimitDriver(driver, limits.requests, adaptive=limits.adaptive), retry, retry_budget)
    return ObserveDriver(stacked, observers) if observers else stacked


class _Closed(Wrapper):
    """What a closed store has for a driver: it refuses everything, at no cost to a store that is open."""

    __slots__ = ()

    async def around(self, operation: str, key: str | None, call: Callable[[*Ts], Awaitable[T]], *arguments: *Ts) -> T:
        raise StoreClosedError(
            "the store is closed; make a new one, or use it inside its `async with`",
            key=key,
            operation=operation,
            store=self.location,
        )


class CoreStore:
    """The core verbs; :class:`~aiostore.store.Store` adds the others."""

    def __init__(
        self,
        driver: Driver,
        *,
        prefix: str = "",
        retry: RetryPolicy | None = None,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        integrity: Integrity = "auto",
        observers: Sequence[Observer] = (),
    ) -> None:
        if timeouts is not None and isinstance(driver, TimedDriver):
            driver.use_timeouts(timeouts)
        if integrity not in {"auto", "require", "off"}:
            raise ConfigurationError(f'integrity={integrity!r}: it is "auto", "require" or "off"')
        retry, limits = retry or RetryPolicy(), limits or Limits()
        self._recipe = {"retry": retry, "limits": limits, "integrity": integrity, "observers": tuple(observers)}
        self._raw = driver
        self._derived: WeakSet[CoreStore] = WeakSet()
        budget = RetryBudget(retry)
        base = stack(driver, retry, budget, limits, observers)
        self._adopt(
            Context(
                driver=base,
                retry=retry,
                retry_budget=budget,
                limits=limits,
                integrity=integrity,
                reads=Window(limits.reads, adaptive=limits.adaptive, first=FIRST_READS),
                writes=Window(
                    limits.writes,
                    adaptive=limits.adaptive,
                    first=FIRST_WRITES,
                    opened=limits.writes,
                    # Payloads are hashed in other threads.
                    occupied=time.process_time,
                ),
            ),
            prefix,
            None,
        )

    def _adopt(self, context: Context, prefix: str, owner: CoreStore | None) -> None:
        """Take over a stack. What belongs to an ``owner`` shares its connections, permits and retry budget."""
        base = context.driver
        self._base = context
        self._prefix = check_prefix(prefix, "prefix")
        self._context = replace(context, driver=PrefixDriver(base, prefix)) if prefix else replace(context)
        self._owner = owner
        if owner is not None:
            owner._derived.add(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self._raw, self._prefix, self._recipe)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.location}>"

    @property
    def location(self) -> str:
        """The store's URL, without credentials."""
        return self._context.driver.location

    @property
    def capabilities(self) -> Capabilities:
        """What the service can do and promise."""
        return self._context.driver.capabilities

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections of the running loop, and the store for good. Safe to repeat.

        A store made by ``with_prefix`` or ``sibling`` leaves the connections to the one it was made from.
        """
        for store in [self, *self._derived]:
            # Streams hold the context and must not open the driver again; files see that it is another one now.
            store._context.driver = _closed(store._context.driver)
            store._context = replace(store._context)
        if self._owner is None:
            await self._base.driver.aclose()

    # --- reading

    async def get(
        self,
        key: str,
        *,
        start: int | None = None,
        stop: int | None = None,
        if_match: Condition | None = None,
        if_none_match: Condition | None = None,
        if_modified_since: datetime | None = None,
        version: str | None = None,
        encryption: Encryption | None = None,
        raw: bool = False,
    ) -> bytes:
        """Read an object, or the bytes ``[start, stop)`` of it; see :meth:`AsyncObjectStore.get`."""
        check_key(key, "get")
        get_options = options.get_options(
            key, "get", start, stop, if_match, if_none_match, if_modified_since, version, encryption
        )
        meta, data = await read.read_with_meta(self._context, key, get_options)
        if meta.content_encoding is None or raw or start is not None or stop is not None:
            return data
        return await decoding.decoded(self._context, meta, data)

    def stream(
        self,
        key: str,
        *,
        start: int | None = None,
        stop: int | None = None,
        if_match: Condition | None = None,
        if_none_match: Condition | None = None,
        if_modified_since: datetime | None = None,
        version: str | None = None,
        encryption: Encryption | None = None,
        raw: bool = False,
        chunk_size: int | None = None,
        concurrency: int | None = None,
    ) -> Stream:
        """Read an object in chunks, ahead and in order; see :meth:`AsyncObjectStore.stream`."""
        check_key(key, "stream")
        get_options = options.get_options(
            key, "stream", start, stop, if_match, if_none_match, if_modified_since, version, encryption
        )
        return Stream(self._context, key, get_options, chunk_size=chunk_size, concurrency=concurrency, raw=raw)

    async def get_range(self, key: str, start: int, stop: int | None = None) -> bytes:
        """The bytes ``[start, stop)`` of the stored object; a negative ``start`` counts from the end."""
        check_key(key, "get_range")
        get_options = options.get_options(key, "get_range", start, stop, None, None, None, None, None)
        return await read.read(self._context, key, get_options)

    async def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> builtins.list[bytes]:
        """Several ranges of one state of the object; see :meth:`AsyncObjectStore.get_ranges`."""
        return await read.read_ranges(self._context, check_key(key, "get_ranges"), ranges)

    async def head(self, key: str, *, version: str | None = None, encryption: Encryption | None = None) -> ObjectMeta:
        """What the service says of the object, without its bytes."""
        check_key(key, "head")
        wanted = (
            options.WHOLE
            if version is None and encryption is None
            else GetOptions(version=version, encryption=encryption)
        )
        return own_write.hide(await self._context.driver.head(key, wanted))

    async def exists(self, key: str) -> bool:
        """Whether the object exists. Errors other than "not found" are raised."""
        return await read.exists(self._context, check_key(key, "exists"))

    # --- files

    @overload
    def open(
        self, key: str, mode: TextMode = "r", *, encoding: str | None = None, errors: str | None = None,
        newline: str | None = None, **options: Unpack[FileOptions],
    ) -> AsyncTextFile: ...  # fmt: skip
    @overload
    def open(self, key: str, mode: BinaryMode, **options: Unpack[FileOptions]) -> AsyncBinaryFile: ...
    def open(
        self, key: str, mode: str = "r", *, encoding: str | None = None, errors: str | None = None,
        newline: str | None = None, **options: Unpack[FileOptions],
    ) -> AsyncTextFile | AsyncBinaryFile:  # fmt: skip
        """A buffered file over one object; see :meth:`AsyncObjectStore.open`."""
        check_key(key, "open")
        return files.open_file(lambda: self._context, key, mode, encoding, errors, newline, options)

    # --- writing

    async def put(
        self,
        key: str,
        data: Source,
        *,
        content_type: str | None = None,
        content_encoding: str | None = None,
        content_disposition: str | None = None,
        content_language: str | None = None,
        cache_control: str | None = None,
        metadata: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        storage_class: str | None = None,
        encryption: Encryption | None = None,
        acl: str | None = None,
        if_match: Condition | None = None,
        if_none_match: Condition | None = None,
        if_absent: bool = False,
        compress: str | None = None,
        level: int | None = None,
        part_size: int | None = None,
        concurrency: int | None = None,
        progress: Progress | None = None,
        headers: Mapping[str, str] | None = None,
        best_effort: bool = False,
    ) -> PutResult:
        """Write one object of any size, atomically; see :meth:`AsyncObjectStore.put`.

        ``content_type`` is guessed from the key's suffix if it is not given.
        """
        check_key(key, "put")
        if content_type is None:
            content_type = options.content_type(key)
        encoder = None
        if compress is not None or level is not None:
            encoder = encoding.encoder(compress, level, content_encoding, key)
            content_encoding = compress
        if (
            metadata is None and content_encoding is None and content_disposition is None and content_language is None
            and cache_control is None and tags is None and storage_class is None and encryption is None
            and acl is None and if_match is None and if_none_match is None and headers is None and not if_absent
        ):  # fmt: skip
            put_options = options.typed(content_type)
        else:
            put_options = options.put_options(
                key,
                "put",
                content_type=content_type,
                content_encoding=content_encoding,
                content_disposition=content_disposition,
                content_language=content_language,
                cache_control=cache_control,
                metadata=metadata,
                tags=tags,
                storage_class=storage_class,
                encryption=encryption,
                acl=acl,
                if_match=if_match,
                if_none_match=if_none_match,
                if_absent=if_absent,
                headers=headers,
            )
        if encoder is not None:
            data = encoding.encoded(data, encoder, key)
        return await write.put(
            self._context,
            key,
            data,
            put_options,
            part_size=part_size,
            concurrency=concurrency,
            progress=progress,
            best_effort=best_effort,
        )

    async def delete(
        self, key: str, *, version: str | None = None, if_match: Condition | None = None, best_effort: bool = False
    ) -> None:
        """Delete the object. A missing one is no error, so that a delete can be repeated."""
        check_key(key, "delete")
        wanted = DELETE
        if version is not None or if_match is not None:
            wanted = DeleteOptions(version=version, if_match=options.match(if_match, "if_match"))
        await _delete.delete(self._context, key, wanted, best_effort=best_effort)

    async def copy(
        self,
        source: str,
        target: str,
        *,
        source_container: str | None = None,
        if_absent: bool = False,
        best_effort: bool = False,
    ) -> PutResult:
        """Copy within the store, on the service's side, with metadata, whatever the size.

        ``source_container`` is another container of the same service and account, as of ``sibling``; a prefix of this
        store goes before both keys.
        """
        check_key(source, "copy")
        check_key(target, "copy")
        return await _copy.copy(
            self._context,
            source,
            target,
            source_container=source_container,
            if_absent=if_absent,
            best_effort=best_effort,
        )

    async def rename(
        self, source: str, target: str, *, if_absent: bool = False, best_effort: bool = False
    ) -> PutResult:
        """Copy, then delete the source; where the service renames, one atomic step."""
        check_key(source, "rename")
        check_key(target, "rename")
        return await _copy.rename(self._context, source, target, if_absent=if_absent, best_effort=best_effort)

    # --- listing

    def list(self, prefix: str = "", *, start_after: str | None = None) -> AsyncIterator[ObjectMeta]:
        """Every object whose key starts with ``prefix`` and sorts after ``start_after``, page by page."""
        check_prefix(prefix, "list")
        return listing.objects(self._context, prefix, start_after)

    async def list_with_delimiter(self, prefix: str = "", *, delimiter: str = "/") -> ListResult:
        """One level: the objects below ``prefix`` up to the next ``delimiter``, and the common prefixes."""
        check_prefix(prefix, "list_with_delimiter")
        if not delimiter:
            raise ConfigurationError("list_with_delimiter: the delimiter cannot be empty; use list() for all keys")
        return await listing.level(self._context, prefix, delimiter)

    async def sign(
        self,
        key: str,
        *,
        method: str = "GET",
        expires_in: float = 3600,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """A URL that allows ``method`` on this object to whoever holds it, for ``expires_in`` seconds."""
        check_key(key, "sign")
        if not expires_in > 0:
            raise ConfigurationError(
                f"expires_in={expires_in!r}: a URL is valid for more than 0 seconds", key=key, operation="sign"
            )
        wanted = SignOptions(
            method=method.upper(),
            expires_in=expires_in,
            params=options.pairs("params", params, key),
            headers=options.pairs("headers", headers, key),
        )
        return await self._context.driver.sign(key, wanted)


def _rebuild(cls: type[CoreStore], driver: Driver, prefix: str, recipe: dict[str, Any]) -> CoreStore:
    store = cls.__new__(cls)
    CoreStore.__init__(store, driver, prefix=prefix, **recipe)
    return store


def _closed(driver: Driver) -> Driver:
    return driver if isinstance(driver, _Closed) else _Closed(driver)
