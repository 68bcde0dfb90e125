"""Uploads that nobody goes on with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from aiostore.store import Store
from aiostore.transfer import journal
from aiostore.types import Upload


async def sweep(store: Store, *, older_than: timedelta, dry_run: bool = False) -> AsyncIterator[Upload]:
    """Drop the multipart uploads of a store that began at least ``older_than`` ago, and yield each of them.

    That frees what their parts take. With ``dry_run`` they are only listed. Choose a time that no write takes: an
    upload that a living process, or an interrupted transfer, would go on with begins anew. Journals of what is dropped,
    or was long ago, are removed from this user's directory of journals.

    Raises:
        NotSupportedError: if the service does not list uploads (Azure drops blocks by itself after a week).
    """
    before = datetime.now(UTC) - older_than
    journals = {upload.id: path for upload, path in journal.uploads(journal.directory(), store.location)}
    async for upload in store.uploads():
        path = journals.pop(upload.id, None)
        if upload.started is None or upload.started > before:
            continue
        if not dry_run:
            await store.abort_upload(upload)
            if path is not None:
                journal.remove(path)
        yield upload
    for path in journals.values() if not dry_run else ():
        journal.remove(path, unless_after=before.timestamp())
