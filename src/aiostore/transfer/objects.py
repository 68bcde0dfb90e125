"""One object from one store to another, with all that is stored with it."""

from __future__ import annotations

from aiostore.errors import NotSupportedError, PermissionDeniedError
from aiostore.store import Store
from aiostore.transfer.comparison import compare
from aiostore.transfer.ends import Ends
from aiostore.transfer.manner import Headers, Manner, Resume, Verify
from aiostore.transfer.streamed import stream_object
from aiostore.types import NOTHING, PutResult


async def copy_object(
    source: Store,
    key: str,
    target: Store,
    target_key: str | None = None,
    *,
    reencode: str | None = None,
    level: int | None = None,
    if_absent: bool = False,
    best_effort: bool = False,
    replace: Headers | None = None,
    verify: Verify = "auto",
    resume: Resume = True,
) -> PutResult:
    """Copy one object with content headers, metadata and tags; on the service's side if both stores are of one service.

    Bytes travel as they are stored. ``reencode`` changes their content encoding on the way (``"none"`` undoes it).
    ``replace`` changes what is stored with them; the bytes then travel also within one service. With ``resume`` a
    large object that is streamed continues at the part where an earlier call stopped, see :func:`copy`; not if it is
    re-encoded, or with ``if_absent``.

    Raises:
        NotFoundError: if there is no such object.
        AlreadyExistsError: if ``if_absent``, and the target is there.
        CorruptedError: if the bytes are not those that were once written, or do not arrive as they were sent.
        ObjectChangedError: if the source was replaced meanwhile; nothing is written then.
    """
    manner = Manner(
        reencode=reencode, level=level, if_absent=if_absent, best_effort=best_effort, replace=replace, verify=verify,
        resume=resume,
    )  # fmt: skip
    return await copy_between(Ends.of(source, target), key, target_key or key, manner)


async def copy_between(
    ends: Ends, key: str, target_key: str, manner: Manner, *, size: int | None = None
) -> PutResult:  # fmt: skip
    """:func:`copy_object`, for ends that were looked at before, and a size that a listing may have told."""
    if ends.container is not None and manner.reencode is None and manner.replace is None:
        try:
            # Both keys with their prefixes: the copy is made by a store of the whole container.
            result = await ends.target._prefixed("").copy(
                ends.source._prefix + key,
                ends.target._prefix + target_key,
                source_container=ends.container,
                if_absent=manner.if_absent,
                best_effort=manner.best_effort,
            )
        except (PermissionDeniedError, NotSupportedError):
            # Who may write to one container need not be allowed to read the other one, which has its own store.
            pass
        else:
            if manner.verify is True:
                await compare(ends, await ends.source.head(key), target_key, NOTHING)
            return result
    return await stream_object(ends, key, target_key, manner, size=size)
