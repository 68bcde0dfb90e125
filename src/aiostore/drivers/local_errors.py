"""What the operating system's errors mean for a caller."""

from __future__ import annotations

import errno
from typing import Final

from aiostore.errors import InvalidKeyError, NotFoundError, PermissionDeniedError, StoreError, UnavailableError

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_BUSY: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EBUSY, errno.ESTALE, errno.ETIMEDOUT})
_REFUSED: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_UNNAMEABLE: Final = frozenset({errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL})
_NO_PATH: Final = frozenset({errno.ENOTDIR, errno.EISDIR, errno.ELOOP})


def to_store_error(error: OSError) -> StoreError:
    """The StoreError that an error of the operating system means."""
    code, reason = error.errno or 0, error.strerror or type(error).__name__
    if code in _FULL:
        return StoreError(f"there is no room for the object ({reason}); free some and write it again")
    if code == errno.ENOENT:
        return NotFoundError("no such object; list the keys to see what there is")
    if code in _REFUSED:
        return PermissionDeniedError(f"the operating system refuses it ({reason}); check owner, mode and mount")
    if code in _UNNAMEABLE:
        return InvalidKeyError(f"the file system cannot hold this name ({reason}); choose another key")
    if code in _NO_PATH:
        return InvalidKeyError("a segment of the key is an object, or the key is a directory; choose another key")
    if code in _BUSY:
        return UnavailableError(f"the operating system cannot do it now ({reason}); try again")
    return StoreError(f"the file system failed ({reason}); check the disk, and the system's log")
