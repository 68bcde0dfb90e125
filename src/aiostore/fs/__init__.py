"""The functions of :mod:`os`, :mod:`os.path`, :mod:`shutil` and :mod:`glob`, on URLs and local paths alike."""

from __future__ import annotations

from aiostore.fs.lexical import basename, dirname, isabs, join, normpath, relpath, split, splitdrive, splitext
from aiostore.fs.opening import open_shared as open
from aiostore.fs.status import StatResult
from aiostore.fs.stores import aclose

__all__ = [
    "StatResult",
    "aclose",
    "basename",
    "dirname",
    "isabs",
    "join",
    "normpath",
    "open",
    "relpath",
    "split",
    "splitdrive",
    "splitext",
]
