"""The store that blocking code holds."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO, overload

from aiostore._engine.probe import ProbeResult
from aiostore._engine.update import ATTEMPTS
from aiostore.blocking import portal
from aiostore.blocking.bulk import BulkStore
from aiostore.blocking.core import LISTED_AHEAD
from aiostore.blocking.lease import BlockingLease
from aiostore.types import (
    Buffer,
    Condition,
    Container,
    Encryption,
    ListPage,
    ObjectMeta,
    ObjectVersion,
    Progress,
    PutResult,
    SignedPost,
    Upload,
)


class BlockingStore(BulkStore):
    """A :class:`~aiostore.Store` for code that does not await: the same verbs, with the same arguments and results.

    It may be used by any number of threads, and after a fork. A thread that runs an event loop gets a RuntimeError.
    ``with`` (or ``close``) closes the store below.
    """

    def with_prefix(self, prefix: str) -> BlockingStore:
        """The same store, seeing only keys that start with ``prefix`` (added to its own), without it."""
        return BlockingStore(self._store.with_prefix(prefix))

    def sibling(self, container: str) -> BlockingStore:
        """Another container of the same service and account, without prefix."""
        return BlockingStore(self._store.sibling(container))

    def get_json(self, key: str) -> Any:  # JSON is any value
        """The object, parsed as JSON."""
        return portal.run(self._store.get_json(key))

    def size(self, key: str) -> int:
        """The size of the stored object in bytes."""
        return portal.run(self._store.size(key))

    def download(
        self,
        key: str,
        target: Path | BinaryIO,
        *,
        version: str | None = None,
        raw: bool = False,
        progress: Progress | None = None,
    ) -> ObjectMeta:
        """Write the object to a local path, atomically, or to an open binary file, from its position on."""
        return portal.run(self._store.download(key, target, version=version, raw=raw, progress=progress))

    def put_json(self, key: str, value: object, *, if_match: Condition | None = None) -> PutResult:
        """Write ``value`` as JSON (UTF-8, compact)."""
        return portal.run(self._store.put_json(key, value, if_match=if_match))

    def upload(
        self, path: Path | str, key: str, *, content_type: str | None = None, progress: Progress | None = None
    ) -> PutResult:
        """Write a local file; its type is guessed from its own name."""
        return portal.run(self._store.upload(path, key, content_type=content_type, progress=progress))

    @overload
    def update(
        self, key: str, fn: Callable[[bytes | None], Buffer | Awaitable[Buffer]], *, attempts: int = ...,
        default: None = None, encryption: Encryption | None = None, best_effort: bool = False,
    ) -> PutResult: ...  # fmt: skip
    @overload
    def update(
        self, key: str, fn: Callable[[bytes], Buffer | Awaitable[Buffer]], *, attempts: int = ..., default: bytes,
        encryption: Encryption | None = None, best_effort: bool = False,
    ) -> PutResult: ...  # fmt: skip
    def update(
        self,
        key: str,
        fn: Callable[..., Buffer | Awaitable[Buffer]],
        *,
        attempts: int = ATTEMPTS,
        default: bytes | None = None,
        encryption: Encryption | None = None,
        best_effort: bool = False,
    ) -> PutResult:
        """Replace the object by what ``fn(old bytes)`` returns, without losing anybody's change.

        ``fn`` is called in a worker thread; see :meth:`aiostore.Store.update`.
        """

        async def change(old: bytes | None) -> Buffer:
            new = await asyncio.to_thread(fn, old)
            return await new if inspect.isawaitable(new) else new

        return portal.run(_update(self._store.update, key, change, attempts, default, encryption, best_effort))

    def probe(self, prefix: str = "aiostore-probe/") -> ProbeResult:
        """Find out what this endpoint really honours, by trying it on new objects below ``prefix``."""
        return portal.run(self._store.probe(prefix))

    def lease(self, key: str, *, ttl: float = 30.0, wait: float | None = None) -> BlockingLease:
        """The right to do what only one may do at a time: ``with store.lease(key) as lease``.

        It is renewed in the background, also while the program computes; see :meth:`aiostore.Store.lease`.
        """
        return BlockingLease(self._store.lease(key, ttl=ttl, wait=wait))

    def list_pages(
        self,
        prefix: str = "",
        *,
        delimiter: str | None = None,
        start_after: str | None = None,
        limit: int | None = None,
    ) -> Iterator[ListPage]:
        """A listing page by page: objects and common prefixes as the service answers them, in constant memory."""
        pages = self._store.list_pages(prefix, delimiter=delimiter, start_after=start_after, limit=limit)
        return portal.iterate(pages)

    def uploads(self, prefix: str = "", *, older_than: timedelta | None = None) -> Iterator[Upload]:
        """Multipart uploads under way below ``prefix``; only those that began at least ``older_than`` ago."""
        return portal.iterate(self._store.uploads(prefix, older_than=older_than), ahead=LISTED_AHEAD)

    def abort_upload(self, upload: Upload) -> None:
        """Drop a multipart upload that nobody continues; a missing one is no error."""
        portal.run(self._store.abort_upload(upload))

    def list_versions(self, prefix: str = "") -> Iterator[ObjectVersion]:
        """Every version and delete marker below ``prefix``, newest first within a key."""
        return portal.iterate(self._store.list_versions(prefix), ahead=LISTED_AHEAD)

    # --- metadata, tags, signatures

    def set_metadata(
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
        return portal.run(
            self._store.set_metadata(
                key,
                content_type=content_type,
                content_encoding=content_encoding,
                content_disposition=content_disposition,
                content_language=content_language,
                cache_control=cache_control,
                metadata=metadata,
            )
        )

    def get_tags(self, key: str, *, version: str | None = None) -> dict[str, str]:
        """The object's tags."""
        return portal.run(self._store.get_tags(key, version=version))

    def set_tags(self, key: str, tags: Mapping[str, str], *, version: str | None = None) -> None:
        """Replace the object's tags; an empty mapping removes them."""
        portal.run(self._store.set_tags(key, tags, version=version))

    def restore(self, key: str, *, version: str | None = None, days: int | None = None) -> None:
        """Make an older or deleted version current again, or fetch an archived object back for ``days`` days."""
        portal.run(self._store.restore(key, version=version, days=days))

    def sign_post(
        self,
        key: str,
        *,
        expires_in: float = 3600,
        min_size: int = 0,
        max_size: int | None = None,
        content_type: str | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> SignedPost:
        """A form with which a browser uploads one file under ``key``, for ``expires_in`` seconds."""
        return portal.run(
            self._store.sign_post(
                key,
                expires_in=expires_in,
                min_size=min_size,
                max_size=max_size,
                content_type=content_type,
                fields=fields,
            )
        )

    # --- containers

    def container_exists(self) -> bool:
        """Whether the container of this store exists (and may be listed). Other errors than "not found" are raised."""
        return portal.run(self._store.container_exists())

    def create_container(self) -> None:
        """Create the container of this store."""
        portal.run(self._store.create_container())

    def delete_container(self, *, force: bool = False) -> None:
        """Delete the container of this store; a missing one is no error. ``force`` deletes its objects first."""
        portal.run(self._store.delete_container(force=force))

    def list_containers(self) -> Iterator[Container]:
        """Every container of the account."""
        return portal.iterate(self._store.list_containers(), ahead=LISTED_AHEAD)


async def _update(
    update: Callable[..., Awaitable[PutResult]],
    key: str,
    change: Callable[[bytes | None], Awaitable[Buffer]],
    attempts: int,
    default: bytes | None,
    encryption: Encryption | None,
    best_effort: bool,
) -> PutResult:
    # The overloads tell a default from none for the sake of the function's type, which is known here to take both.
    return await update(key, change, attempts=attempts, default=default, encryption=encryption, best_effort=best_effort)
