"""Memory that is filled in place and then given away as bytes, without a copy."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable
from functools import cache, partial
from io import BytesIO
from typing import Final

HUGE_PAGE: Final = 2 * 1024**2

LEAST_HUGE: Final = 32 * 1024**2
"""Bytes from which on huge pages are asked for: glibc takes less than this from memory that the process has already."""

_Advise = Callable[[int, int, int], int]


class Room:
    """``size`` bytes of memory. ``view`` is where they are filled, all of them; `take` gives them away."""

    __slots__ = ("_buffer", "view")

    def __init__(self, size: int) -> None:
        self._buffer = BytesIO(unfilled(size))
        self.view = self._buffer.getbuffer()
        if size >= LEAST_HUGE:
            _ask_for_huge_pages(self.view)

    def take(self) -> bytes:
        """The bytes, once. No part of ``view`` may be in use any more."""
        self.view.release()
        return self._buffer.getvalue()


def _allocate() -> Callable[[int], bytes]:
    try:
        allocate = ctypes.pythonapi.PyBytes_FromStringAndSize
    except AttributeError:
        return bytes
    allocate.argtypes, allocate.restype = (ctypes.c_char_p, ctypes.c_ssize_t), ctypes.py_object
    return partial(allocate, None)


unfilled: Final = _allocate()
"""Makes so many bytes whose values are whatever lay there: for a buffer that is filled before anybody sees them.

``bytes(size)`` would write zeros first, which takes up to a tenth of the time of receiving a body.
https://docs.python.org/3/c-api/bytes.html#c.PyBytes_FromStringAndSize
"""


def _ask_for_huge_pages(view: memoryview) -> None:
    """Have the kernel give this memory in pages of 2 MiB, where it knows them.

    Fresh memory comes a page at a time, at the first touch: with pages of 4 KiB that takes a third of the time of
    reading a file that the system has cached. https://man7.org/linux/man-pages/man2/madvise.2.html
    """
    if (advise := _advise()) is None:
        return
    address = ctypes.addressof(ctypes.c_char.from_buffer(view))
    begin = -(-address // HUGE_PAGE) * HUGE_PAGE
    # It is no more than a wish, so what it answers changes nothing.
    advise(begin, (address + len(view) - begin) // HUGE_PAGE * HUGE_PAGE, mmap.MADV_HUGEPAGE)


@cache
def _advise() -> _Advise | None:
    if not hasattr(mmap, "MADV_HUGEPAGE"):
        return None
    try:
        advise = ctypes.CDLL(None).madvise
    except (OSError, AttributeError):
        return None
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    answer: _Advise = advise
    return answer
