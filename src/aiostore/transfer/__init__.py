"""Many objects from one store, prefix or local directory to another: planned lazily, run concurrently, verified.

::

    from aiostore import transfer

    summary = await transfer.copy("./photos", "s3://bucket/photos")
    summary = await transfer.sync("s3://bucket/photos", "swift://backup/photos", delete=True)
    async for action in transfer.plan("./photos", "s3://bucket/photos"):
        print(action.kind, action.key, action.reason)

A source or target is a :class:`~aiostore.Store`, a URL or a local path; keys are kept relative to it. What is already
there and equal is skipped, and large objects go on at the part where they stopped, so a transfer that was interrupted
is simply run again. Bytes travel as they are stored,
without being decoded, together with content headers and metadata; where both ends are one service, it copies by itself.
"""

from __future__ import annotations

from aiostore.transfer.manner import Headers
from aiostore.transfer.objects import copy_object
from aiostore.transfer.plan import Action, Compare, differences, plan
from aiostore.transfer.run import copy, execute, sync
from aiostore.transfer.summary import Failure, Summary
from aiostore.transfer.sweep import sweep

__all__ = [
    "Action",
    "Compare",
    "Failure",
    "Headers",
    "Summary",
    "copy",
    "copy_object",
    "differences",
    "execute",
    "plan",
    "sweep",
    "sync",
]
