"""Uploads that nobody goes on with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

from aiostore.store import Store
from aiostore.transfer import journal
from aiostore.types import Upload


async def sweep(store: Store, *, older_than: timedelta, dry_run: bool = False) -> AsyncIterator[Upload]:
    """Drop the multipart uploads of a store that began at least ``older_than`` ago, and yield each of them.

    That frees what their parts take. With ``dry_run`` they are only listed. Choose a time that no write takes: an
    upload that a living process, or an interrupted transfer, would go on with begins anew. The journals of what was
    dropped, in this user's directory of journals, are removed.

    Raises:
        NotSupportedError: if the service does not list uploads (Azure drops blocks by itself after a week).
    """
    known = {upload.id: path for upload, path in journal.uploads(journal.directory(), store.location)}
    async for upload in store.uploads(older_than=older_than):
        if not dry_run:
            await store.abort_upload(upload)
            if upload.id in known:
                journal.remove(known[upload.id])
        yield upload
