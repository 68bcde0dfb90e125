"""The functions of :mod:`os`, :mod:`os.path`, :mod:`shutil` and :mod:`glob`, on URLs and local paths alike.

They have the names, parameters and errors of the standard library; those that look at more than the path are awaited.
A path is a URL such as ``s3://bucket/some/key``, a local path, or a :class:`~aiostore.StorePath`. With ``store=``, a
``str`` is a key of that store instead, while path objects stay what they are. Local paths are the standard library's
business, in worker threads. The stores behind URLs are kept for the running event loop until it ends, or ``aclose``.

On a service, a directory is what the consoles show: it exists if a key is below it, or its *marker*, an object without
bytes whose key ends with a slash, which ``mkdir`` makes.
"""

from __future__ import annotations

from aiostore.fs.copies import copy, copyfile, copytree, move, rename, replace
from aiostore.fs.entries import DirEntry, Scan, listdir, scandir, walk
from aiostore.fs.lexical import basename, dirname, isabs, join, normpath, relpath, split, splitdrive, splitext
from aiostore.fs.opening import open_shared as open
from aiostore.fs.patterns import escape, glob, iglob
from aiostore.fs.queries import (
    exists,
    getctime,
    getmtime,
    getsize,
    isdir,
    isfile,
    islink,
    ismount,
    lexists,
    lstat,
    samefile,
    stat,
)
from aiostore.fs.removal import makedirs, mkdir, remove, rmdir, rmtree, unlink
from aiostore.fs.status import StatResult
from aiostore.fs.stores import aclose

__all__ = [
    "DirEntry",
    "Scan",
    "StatResult",
    "aclose",
    "basename",
    "copy",
    "copyfile",
    "copytree",
    "dirname",
    "escape",
    "exists",
    "getctime",
    "getmtime",
    "getsize",
    "glob",
    "iglob",
    "isabs",
    "isdir",
    "isfile",
    "islink",
    "ismount",
    "join",
    "lexists",
    "listdir",
    "lstat",
    "makedirs",
    "mkdir",
    "move",
    "normpath",
    "open",
    "relpath",
    "remove",
    "rename",
    "replace",
    "rmdir",
    "rmtree",
    "samefile",
    "scandir",
    "split",
    "splitdrive",
    "splitext",
    "stat",
    "unlink",
    "walk",
]
