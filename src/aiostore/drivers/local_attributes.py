"""What is known of an object beside its bytes, and where that is kept.

One short text, the *record*, belongs to each file: ``1 <mtime> <size> <crc64nvme> [JSON]``, numbers in hexadecimal,
mtime in nanoseconds; the JSON has the content headers under their names in ``PutOptions``, ``metadata`` and ``tags``.
It stands in the extended attribute ``user.aiostore`` of the file itself, set before the file becomes visible: so it
appears, moves, and goes with exactly these bytes, and a program that copies attributes copies it. A record whose mtime
and size are not the file's is ignored: another program has written the file in place.

Where the file system has no extended attributes, or too little room in them, the record is a *sidecar*, a file under
``.aiostore/attributes`` in the root that is called like the object's ETag, which names one state of one file.
A file without a record is an object without metadata and checksum.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from aiostore.drivers.local_directory import descend, descend_or_make
from aiostore.drivers.local_draft import Draft
from aiostore.drivers.local_file import CHECKSUM
from aiostore.drivers.local_keys import RESERVED
from aiostore.types import NOTHING, ObjectMeta, PutOptions, PutResult

XATTR: Final = "user.aiostore"
DIRECTORY: Final = (RESERVED, "attributes")
HEADERS: Final = ("content_type", "content_encoding", "content_disposition", "content_language", "cache_control")

_ELSEWHERE: Final = b"@"
"""The extended attribute of a file whose record is too long for one."""
_ABSENT: Final = frozenset({errno.ENODATA, getattr(errno, "ENOATTR", errno.ENODATA)})
_NO_XATTRS: Final = frozenset({errno.EOPNOTSUPP, errno.ENOSYS})
_NO_ROOM: Final = frozenset({errno.E2BIG, errno.ENOSPC, errno.ERANGE, errno.EDQUOT})
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Attributes(NamedTuple):
    """The record of one file."""

    checksum: str | None = None
    headers: Mapping[str, str] = NOTHING
    metadata: Mapping[str, str] = NOTHING
    tags: Mapping[str, str] = NOTHING

    @classmethod
    def of(cls, options: PutOptions, checksum: str | None = None) -> Attributes:
        """What ``options`` says."""
        headers = {name: value for name in HEADERS if (value := getattr(options, name)) is not None}
        return cls(checksum, headers or NOTHING, options.metadata, options.tags)

    def updated(self, options: PutOptions) -> Attributes:
        """These, with what ``options`` does not leave out."""
        new = Attributes.of(options)
        return self._replace(
            headers={**self.headers, **new.headers},
            metadata=new.metadata or self.metadata,
            tags=new.tags or self.tags,
        )


PLAIN: Final = Attributes()
"""Of a file that has no record."""


def told(attributes: Attributes, encoding: str | None) -> Attributes:
    """The attributes, with the content encoding that the name of the file tells."""
    if encoding is None:
        return attributes
    return attributes._replace(headers={**attributes.headers, "content_encoding": encoding})


def etag_of(status: os.stat_result) -> str:
    """The ETag: it changes with every write through a store, and whenever another program changes time or size."""
    return f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"


def meta_of(key: str, status: os.stat_result, attributes: Attributes = PLAIN) -> ObjectMeta:
    """What a store says of the file."""
    modified = _EPOCH + timedelta(microseconds=status.st_mtime_ns // 1000)
    headers = attributes.headers.get
    return ObjectMeta(
        key=key,
        size=status.st_size,
        last_modified=modified,
        etag=etag_of(status),
        content_type=headers("content_type"),
        content_encoding=headers("content_encoding"),
        content_disposition=headers("content_disposition"),
        content_language=headers("content_language"),
        cache_control=headers("cache_control"),
        metadata=attributes.metadata,
        checksums={CHECKSUM: attributes.checksum} if attributes.checksum else NOTHING,
        extra={"tag-count": str(len(attributes.tags))} if attributes.tags else NOTHING,
    )


def put_result(status: os.stat_result, checksum: str | None = None) -> PutResult:
    """What a write answers that made the file."""
    return PutResult(etag=etag_of(status), size=status.st_size, checksums={CHECKSUM: checksum} if checksum else NOTHING)


def store(root: str, descriptor: int, status: os.stat_result, attributes: Attributes, *, sync: bool) -> None:
    """Keep ``attributes`` for the open file that ``status`` describes, in the place of those it had."""
    record = _encode(attributes, status)
    if _set(descriptor, record):
        return
    with Draft.begin(descend_or_make(root, DIRECTORY, sync=sync)) as draft:
        if os.write(draft.descriptor, record) != len(record):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if sync:
            os.fsync(draft.descriptor)
        draft.publish(etag_of(status), None, create=False)
        if sync:
            draft.directory.sync()
    _set(descriptor, _ELSEWHERE)


def load(root: str, descriptor: int, status: os.stat_result) -> Attributes | None:
    """The attributes of the open file that ``status`` describes.

    None means that they are kept elsewhere and were not found there: because there are none, or because the file has
    been replaced since it was opened, and they with it.
    """
    if hasattr(os, "getxattr"):
        try:
            record = os.getxattr(descriptor, XATTR)
        except OSError as error:
            if error.errno in _ABSENT:
                return PLAIN
            if error.errno not in _NO_XATTRS:
                raise
        else:
            if record != _ELSEWHERE:
                return _decode(record, status)
    try:
        with descend(root, DIRECTORY) as directory:
            sidecar = directory.open(etag_of(status), os.O_RDONLY)
            with open(sidecar, "rb") as file:
                return _decode(file.read(), status)
    except FileNotFoundError:
        return None


def forget(root: str, status: os.stat_result) -> None:
    """Remove the sidecar of a file that is gone, if it had one."""
    if os.path.exists(f"{root}/{RESERVED}"):
        with suppress(OSError), descend(root, DIRECTORY) as directory:
            directory.remove(etag_of(status))


def _set(descriptor: int, record: bytes) -> bool:
    """Set the extended attribute; False where that is not possible."""
    if not hasattr(os, "setxattr"):
        return False
    try:
        os.setxattr(descriptor, XATTR, record)
    except OSError as error:
        if error.errno not in _NO_XATTRS | _NO_ROOM:
            raise
        return False
    return True


def _encode(attributes: Attributes, status: os.stat_result) -> bytes:
    fields = dict(attributes.headers)
    values: dict[str, object] = {**fields}
    if attributes.metadata:
        values["metadata"] = dict(attributes.metadata)
    if attributes.tags:
        values["tags"] = dict(attributes.tags)
    # Short enough for the inode itself where there is no JSON: a block of its own would double a small file.
    head = f"1 {status.st_mtime_ns:x} {status.st_size:x} {attributes.checksum or '-'}"
    return f"{head} {json.dumps(values, ensure_ascii=False)}".encode() if values else head.encode()


def _decode(record: bytes, status: os.stat_result) -> Attributes:
    """The attributes, or PLAIN if the record is not one, or not that of the file's present state."""
    try:
        version, mtime, size, checksum, *rest = record.decode().split(" ", 4)
        if version != "1" or int(mtime, 16) != status.st_mtime_ns or int(size, 16) != status.st_size:
            return PLAIN
        known = None if checksum == "-" else checksum
        if not rest:
            return Attributes(known)
        values = json.loads(rest[0])
        return Attributes(
            known,
            _strings({name: values[name] for name in HEADERS if name in values}),
            _strings(values.get("metadata", {})),
            _strings(values.get("tags", {})),
        )
    except (ValueError, AttributeError, TypeError):
        return PLAIN


def _strings(values: Mapping[object, object]) -> Mapping[str, str]:
    return {str(name): str(value) for name, value in values.items()} or NOTHING
