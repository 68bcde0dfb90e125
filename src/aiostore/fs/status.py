"""What ``stat`` answers: the fields of ``os.stat_result``, and what a service knows beside them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, Self

from aiostore.types import ObjectMeta

_NANOSECONDS: Final = 1_000_000_000


class StatResult(tuple[int, ...]):
    """As :class:`os.stat_result`: ten integers with names, times also as ``float`` and in nanoseconds.

    Of an object, ``st_mode`` says that it is a file, ``st_size`` its stored bytes, and all times are its
    ``last_modified`` (0 where the service does not say). What a file system has and a service has not is 0. ``meta`` is
    what the service said of the object: None for local files, and directories without a marker of their own.
    """

    st_atime: float
    st_mtime: float
    st_ctime: float
    st_atime_ns: int
    st_mtime_ns: int
    st_ctime_ns: int
    st_blksize: int
    st_blocks: int
    st_rdev: int
    meta: ObjectMeta | None

    @classmethod
    def of_local(cls, status: os.stat_result) -> Self:
        """What the system says of a local file."""
        result = cls(int(status[index]) for index in range(len(status)))
        for name in dir(status):
            if name.startswith("st_") and name not in _INDICES:
                setattr(result, name, getattr(status, name))
        result.meta = None
        return result

    @classmethod
    def of_object(cls, meta: ObjectMeta) -> Self:
        """A file."""
        return cls._made(stat.S_IFREG | 0o644, meta.size, meta.last_modified, meta)

    @classmethod
    def of_directory(cls, meta: ObjectMeta | None = None) -> Self:
        """A directory, with its marker if it has one."""
        return cls._made(stat.S_IFDIR | 0o755, 0, meta.last_modified if meta else None, meta)

    @classmethod
    def _made(cls, mode: int, size: int, modified: datetime | None, meta: ObjectMeta | None) -> Self:
        time = modified.timestamp() if modified else 0.0
        nanoseconds = round(time * 1_000_000) * 1000
        seconds = nanoseconds // _NANOSECONDS
        result = cls((mode, 0, 0, 1, 0, 0, size, seconds, seconds, seconds))
        result.st_atime = result.st_mtime = result.st_ctime = time
        result.st_atime_ns = result.st_mtime_ns = result.st_ctime_ns = nanoseconds
        result.st_blksize, result.st_blocks, result.st_rdev = 4096, -(-size // 512), 0
        result.meta = meta
        return result

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), tuple(self), self.__dict__)

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={self[index]}" for name, index in _INDICES.items())
        return f"{type(self).__name__}({fields}{f', meta={self.meta}' if self.meta else ''})"

    @property
    def st_mode(self) -> int:
        """Kind and permissions; :mod:`stat` takes them apart."""
        return self[0]

    @property
    def st_ino(self) -> int:
        """The number of the file."""
        return self[1]

    @property
    def st_dev(self) -> int:
        """The device."""
        return self[2]

    @property
    def st_nlink(self) -> int:
        """The number of its names."""
        return self[3]

    @property
    def st_uid(self) -> int:
        """The owner."""
        return self[4]

    @property
    def st_gid(self) -> int:
        """The owner's group."""
        return self[5]

    @property
    def st_size(self) -> int:
        """Bytes."""
        return self[6]

    @property
    def etag(self) -> str | None:
        """The object's ETag."""
        return self.meta.etag if self.meta else None

    @property
    def version(self) -> str | None:
        """The object's version."""
        return self.meta.version if self.meta else None

    @property
    def content_type(self) -> str | None:
        """The object's type."""
        return self.meta.content_type if self.meta else None

    @property
    def storage_class(self) -> str | None:
        """The object's storage class."""
        return self.meta.storage_class if self.meta else None


_INDICES: Final = {
    name: index for index, name in enumerate(("st_mode", "st_ino", "st_dev", "st_nlink", "st_uid", "st_gid", "st_size"))
}


def _rebuild(cls: type[StatResult], fields: Iterable[int], more: dict[str, object]) -> StatResult:
    result = cls(fields)
    result.__dict__.update(more)
    return result
