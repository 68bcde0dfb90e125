"""Standard input, and local files that are read as it is: block by block, so that an interruption is heeded."""

from __future__ import annotations

import asyncio
import os
import select
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

STANDARD: Final = "-"
"""Standard input as a source, standard output as a target."""

BLOCK: Final = 1024**2


async def blocks(source: str) -> AsyncGenerator[bytes, None]:
    """The bytes of a local file, of a pipe, or with ``-`` of standard input.

    Raises:
        OSError: if it cannot be read.
    """
    if source == STANDARD:
        async with aclosing(_of(sys.stdin.fileno())) as found:
            async for block in found:
                yield block
        return
    # Without waiting for somebody who writes to a pipe: that would be in a thread which nothing interrupts.
    descriptor = os.open(source, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        async with aclosing(_of(descriptor)) as found:
            async for block in found:
                yield block
    finally:
        os.close(descriptor)


async def _of(descriptor: int) -> AsyncGenerator[bytes, None]:
    """What an open file brings. A thread that waited for a terminal or a pipe would outlive the interruption."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        loop.add_reader(descriptor, ready.set)
    except (OSError, NotImplementedError):  # a regular file, which is always ready; Windows
        while block := await asyncio.to_thread(os.read, descriptor, BLOCK):
            yield block
        return
    poll = select.poll()
    poll.register(descriptor, select.POLLIN | select.POLLHUP)
    try:
        while True:
            await ready.wait()
            ready.clear()
            # It may have been told twice of the same bytes, and a read that waited would stop everything.
            while poll.poll(0):
                try:
                    block = os.read(descriptor, BLOCK)
                except BlockingIOError:
                    break
                if not block:
                    return
                yield block
    finally:
        loop.remove_reader(descriptor)
