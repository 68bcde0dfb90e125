"""The store that application code holds: the core verbs, and all that is made of them or passed on to the service."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, overload
from weakref import WeakSet

from aiostore._engine import delete as _delete
from aiostore._engine import download as _download
from aiostore._engine import listing, options
from aiostore._engine import probe as _probe
from aiostore._engine import update as _update
from aiostore._engine.lease import Lease
from aiostore._engine.probe import ProbeResult
from aiostore.bulk import BulkStore
from aiostore.errors import (
    AlreadyExistsError,
    ConfigurationError,
    NotFoundError,
    NotSupportedError,
)
from aiostore.keys import check_key, check_prefix
from aiostore.types import (
    Buffer,
    Condition,
    Container,
    Encryption,
    GetOptions,
    ListOptions,
    ListPage,
    ObjectMeta,
    ObjectVersion,
    PostOptions,
    Progress,
    PutOptions,
    PutResult,
    SignedPost,
    Upload,
)


class Store(BulkStore):
    """A container (and prefix) of some service, as application code sees it; see :class:`aiostore.AsyncObjectStore`.

    ``timeouts`` are those of the driver's connections, if it has any. ``observers`` are called with an
    :class:`~aiostore.wrappers.observe.Event` after each request. The store opens its connections on first use and may
    be a module global: every event loop, thread and forked process that uses it gets its own. ``async with`` (or
    ``aclose``) closes those of the running loop. It can be pickled: its configuration is, its connections are not.
    """

    def with_prefix(self, prefix: str) -> Store:
        """The same store, seeing only keys that start with ``prefix`` (added to its own), without it.

        Connections, limits and credentials are shared: closing the store that all were made from closes every one.
        """
        return self._prefixed(self._prefix + check_prefix(prefix, "with_prefix"))

    def _prefixed(self, prefix: str) -> Store:
        """The same container, seen below ``prefix`` instead of the store's own."""
        derived = Store.__new__(Store)
        derived._raw, derived._recipe, derived._derived = self._raw, self._recipe, WeakSet()
        derived._adopt(self._base, prefix, self._owner or self)
        return derived

    def sibling(self, container: str) -> Store:
        """Another container of the same service and account, without prefix; shared and closed as by ``with_prefix``.

        Raises:
            NotSupportedError: if the service has no containers.
        """
        derived = Store.__new__(Store)
        derived._raw, derived._recipe, derived._derived = self._raw.sibling(container), self._recipe, WeakSet()
        context = replace(self._base, driver=self._base.driver.sibling(container))
        derived._adopt(context, "", self._owner or self)
        return derived

    async def get_json(self, key: str) -> Any:  # JSON is any value
        """The object, parsed as JSON.

        Raises:
            json.JSONDecodeError: if it is not JSON.
        """
        return json.loads(await self.get(key))

    async def size(self, key: str) -> int:
        """The size of the stored object in bytes.

        Raises:
            NotSupportedError: if the service does not say it.
        """
        size = (await self.head(key)).size
        if size < 0:
            raise NotSupportedError(
                "the service does not say how long the object is; read it", key=key, operation="size",
                store=self.location,
            )  # fmt: skip
        return size

    async def download(
        self,
        key: str,
        target: Path | BinaryIO,
        *,
        version: str | None = None,
        raw: bool = False,
        progress: Progress | None = None,
    ) -> ObjectMeta:
        """Write the object to a local path, atomically, or to an open binary file, from its position on.

        It is decoded as its Content-Encoding says, unless ``raw``.

        Raises:
            CorruptedError: if the bytes do not match their checksum, also after they were read again. A path is then
                what it was; in a file the last bytes are missing.
            OSError: if the local side fails.
        """
        check_key(key, "download")
        wanted = options.WHOLE if version is None else GetOptions(version=version)
        if isinstance(target, Path):
            return await _download.to_path(self._context, key, target, wanted, progress, raw=raw)
        if not hasattr(target, "write"):
            raise TypeError(
                f"download {key!r}: the target is a Path or an open binary file, not {type(target).__name__}"
            )
        return await _download.to_file(self._context, key, target, wanted, progress, raw=raw)

    async def put_json(self, key: str, value: object, *, if_match: Condition | None = None) -> PutResult:
        """Write ``value`` as JSON (UTF-8, compact).

        Raises:
            TypeError: if it is not made of what JSON has.
        """
        data = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
        return await self.put(key, data, content_type="application/json", if_match=if_match)

    async def upload(
        self, path: Path | str, key: str, *, content_type: str | None = None, progress: Progress | None = None
    ) -> PutResult:
        """Write a local file; its type is guessed from its own name.

        Raises:
            OSError: if it cannot be read.
        """
        path = Path(path)
        return await self.put(
            key,
            path,
            content_type=content_type or options.content_type(path.name) or options.content_type(key),
            progress=progress,
        )

    @overload
    async def update(
        self, key: str, fn: Callable[[bytes | None], Buffer | Awaitable[Buffer]], *, attempts: int = ...,
        default: None = None, encryption: Encryption | None = None, best_effort: bool = False,
    ) -> PutResult: ...  # fmt: skip
    @overload
    async def update(
        self, key: str, fn: Callable[[bytes], Buffer | Awaitable[Buffer]], *, attempts: int = ..., default: bytes,
        encryption: Encryption | None = None, best_effort: bool = False,
    ) -> PutResult: ...  # fmt: skip
    async def update(
        self,
        key: str,
        fn: Callable[..., Buffer | Awaitable[Buffer]],
        *,
        attempts: int = _update.ATTEMPTS,
        default: bytes | None = None,
        encryption: Encryption | None = None,
        best_effort: bool = False,
    ) -> PutResult:
        """Replace the object by what ``fn(old bytes)`` returns, or awaits, without losing anybody's change.

        ``fn`` gets ``default`` where there is no object. It may be called several times, with what others wrote
        meanwhile, and should do nothing but compute; what it raises leaves the object as it is. The change is made
        exactly once, also if answers are lost, as long as everybody writes the object with ``update``: the ids of the
        last 64 updates are kept in the object's (hidden) metadata. Content headers, metadata and storage class stay;
        tags, access lists and encryption are those of a new object unless ``encryption`` is given. The result has
        neither ETag nor version if others replaced the object before its lost answer could be looked up.

        An ETag that is a digest of the bytes alone, as S3's, cannot tell a state from an earlier one with the same
        bytes. Where a value can come back (a counter that goes down), put a revision number beside it.

        Raises:
            NotSupportedError: if conditions on puts are not atomic on this service and ``best_effort`` is false.
            PreconditionFailedError: if others were faster ``attempts`` times; the object is as they left it.
            WriteOutcomeUnknownError: if an answer was lost and somebody who does not use ``update`` wrote since.
        """
        check_key(key, "update")
        return await _update.update(
            self._context,
            key,
            fn,
            attempts=attempts,
            default=default,
            encryption=encryption,
            best_effort=best_effort,
        )

    async def probe(self, prefix: str = "aiostore-probe/") -> ProbeResult:
        """Find out what this endpoint really honours, by trying it on new objects below ``prefix``.

        Conditions are tried one after the other and in races of concurrent writers; ranges, the order of listings and
        metadata are compared with what was written. The result sets what was seen beside what the driver claims: it is
        evidence, not proof, because a race that was not lost is no guarantee. This takes some hundred small requests.
        Everything that was written is deleted in the end, also if the call is cancelled; on a container that keeps
        versions this takes the right to list and delete them. A process that is killed leaves objects below ``prefix``.

        Raises:
            NotSupportedError: if the store cannot be written, listed or deleted from.
        """
        return await _probe.probe(self._context, check_prefix(prefix, "probe"))

    def lease(self, key: str, *, ttl: float = 30.0, wait: float | None = None) -> Lease:
        """The right to do what only one may do at a time, kept in an object: ``async with store.lease(key) as lease``.

        Entering waits until the lease is free, at most ``wait`` seconds (0: one try; None: no limit of its own, use
        :func:`asyncio.timeout`). Then it is renewed in the background, and released at the end. A holder that dies, or
        that cannot reach the service, loses it: others may take it over about ``ttl`` seconds after its last renewal.
        No clock is compared with another machine's. Whoever held the lease knows first: ``lease.lost`` is an event,
        ``lease.check()`` raises :class:`~aiostore.LeaseLostError`, and so does leaving the body.

        A process that was paused may still act before it notices. What must never happen twice needs ``lease.token``,
        which is greater for every later holder: hand it on with each action, and let the system that acts refuse a
        token that is smaller than one it has seen. For an object in a store, keep the token in the object and write
        with ``if_match`` of a state whose token is not greater, as ``update`` does with a function that checks it.

        The object is never deleted, so that tokens increase for ever; do not delete it while anybody uses the lease.
        A cancelled holder releases the lease; what cannot be released runs out by itself. Leave the lease before you
        close the store.

        Raises:
            NotSupportedError: if conditions on puts are not atomic on this service.
            PreconditionFailedError: (on entering) if another holds the lease, and it was not free within ``wait``.
            LeaseLostError: (on leaving) if the lease was lost meanwhile.
        """
        return Lease(self._context, check_key(key, "lease"), ttl=ttl, wait=wait)

    def list_pages(
        self,
        prefix: str = "",
        *,
        delimiter: str | None = None,
        start_after: str | None = None,
        limit: int | None = None,
    ) -> AsyncGenerator[ListPage, None]:
        """A listing page by page: objects and common prefixes as the service answers them, in constant memory.

        Without ``delimiter`` every key is an object. A page holds at most ``limit`` entries; it may be empty and not
        the last.
        """
        check_prefix(prefix, "list_pages")
        if delimiter == "" or (limit is not None and limit < 1):
            raise ConfigurationError("list_pages: the delimiter cannot be empty, nor the limit less than 1")
        return listing.list_pages(self._context, prefix, delimiter, start_after, limit)

    async def uploads(self, prefix: str = "", *, older_than: timedelta | None = None) -> AsyncIterator[Upload]:
        """Multipart uploads under way below ``prefix``; only those that began at least ``older_than`` ago."""
        check_prefix(prefix, "uploads")
        before = None if older_than is None else datetime.now(UTC) - older_than
        driver = self._context.driver
        async for page in listing.pages(lambda token: driver.list_multipart(prefix, token), driver.location):
            for upload in page.uploads:
                if before is None or (upload.started is not None and upload.started <= before):
                    yield upload

    async def abort_upload(self, upload: Upload) -> None:
        """Drop a multipart upload that nobody continues; a missing one is no error."""
        await self._context.driver.abort_multipart(upload)

    async def list_versions(self, prefix: str = "") -> AsyncIterator[ObjectVersion]:
        """Every version and delete marker below ``prefix``, newest first within a key."""
        check_prefix(prefix, "list_versions")
        driver = self._context.driver
        async for page in listing.pages(lambda token: driver.list_versions(prefix, token), driver.location):
            for version in page.versions:
                yield version

    # --- metadata, tags, signatures

    async def set_metadata(
        self,
        key: str,
        *,
        content_type: str | None = None,
        content_encoding: str | None = None,
        content_disposition: str | None = None,
        content_language: str | None = None,
        cache_control: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> PutResult:
        """Change content headers and metadata in place; what is left out is kept, given ``metadata`` replaces all."""
        check_key(key, "set_metadata")
        changes = PutOptions(
            content_type=content_type,
            content_encoding=content_encoding,
            content_disposition=content_disposition,
            content_language=content_language,
            cache_control=cache_control,
            metadata=options.pairs("metadata", metadata, key),
        )
        return await self._context.driver.set_metadata(key, changes)

    async def get_tags(self, key: str, *, version: str | None = None) -> dict[str, str]:
        """The object's tags."""
        return dict(await self._context.driver.get_tags(check_key(key, "get_tags"), version))

    async def set_tags(self, key: str, tags: Mapping[str, str], *, version: str | None = None) -> None:
        """Replace the object's tags; an empty mapping removes them."""
        await self._context.driver.set_tags(check_key(key, "set_tags"), options.pairs("tags", tags, key), version)

    async def restore(self, key: str, *, version: str | None = None, days: int | None = None) -> None:
        """Make an older or deleted version current again, or fetch an archived object back for ``days`` days."""
        await self._context.driver.restore(check_key(key, "restore"), version, days)

    async def sign_post(
        self,
        key: str,
        *,
        expires_in: float = 3600,
        min_size: int = 0,
        max_size: int | None = None,
        content_type: str | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> SignedPost:
        """A form with which a browser uploads one file under ``key``, for ``expires_in`` seconds.

        The service refuses a file of fewer than ``min_size`` or more than ``max_size`` bytes, and one of another
        ``content_type``; one that ends in ``/`` allows all types that begin so. ``fields`` are further fields of the
        form, which must arrive as they are. In ``key``, ``${filename}`` stands for the file's own name.

        Raises:
            NotSupportedError: if the service has no such forms.
        """
        check_key(key, "sign_post")
        if min_size < 0 or (max_size is not None and max_size < min_size):
            raise ConfigurationError(
                f"min_size={min_size}, max_size={max_size}: no file has such a size", key=key, operation="sign_post"
            )
        wanted = PostOptions(
            expires_in=expires_in,
            min_size=min_size,
            max_size=max_size,
            content_type=content_type,
            fields=options.pairs("fields", fields, key),
        )
        return await self._context.driver.sign_post(key, wanted)

    # --- containers

    async def container_exists(self) -> bool:
        """Whether the container of this store exists (and may be listed). Other errors than "not found" are raised."""
        try:
            await self._context.driver.list_page(ListOptions(limit=1))
        except NotFoundError:
            return False
        return True

    async def create_container(self) -> None:
        """Create the container of this store.

        Raises:
            AlreadyExistsError: if it exists.
        """
        try:
            await self._context.driver.create_container()
        except AlreadyExistsError as error:
            if not error.unanswered:
                raise

    async def delete_container(self, *, force: bool = False) -> None:
        """Delete the container of this store; a missing one is no error. ``force`` deletes its objects first.

        Raises:
            StoreError: if it is not empty and ``force`` is false.
        """
        if force:
            await _delete.empty(self._base)
        await self._context.driver.delete_container()

    async def list_containers(self) -> AsyncIterator[Container]:
        """Every container of the account."""
        driver = self._context.driver
        async for page in listing.pages(driver.list_containers, driver.location):
            for container in page.containers:
                yield container
