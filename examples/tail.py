"""Count the lines of logs, show the last ones, and follow one as it grows.

    python examples/tail.py --count 's3://bucket/logs/**/*.log'       the number of lines of each, and of all
    python examples/tail.py -n 20 s3://bucket/logs/today.log          the last 20 lines: only the end is fetched
    python examples/tail.py --follow s3://bucket/logs/today.log       ... and then what is appended, until Ctrl-C

URLs and local paths are the same to it. Credentials and region come from the AWS_* environment.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator

import aiostore
from aiostore import fs

BLOCK = 64 * 1024
"""Bytes that are read at a time, from the end backwards."""


async def count(pattern: str) -> int:
    """Print how many lines each matching file has; returns how many all have."""
    total = 0
    async for url in fs.iglob(pattern, recursive=True):
        if await fs.isfile(url):
            lines = 0
            async with fs.open(url, "rb") as file:
                async for _ in file:
                    lines += 1
            print(f"{lines:>12,}  {url.partition('?')[0]}")
            total += lines
    print(f"{total:>12,}  total")
    return total


async def tail(url: str, lines: int) -> tuple[bytes, int]:
    """The last lines of a file, and its size in bytes."""
    async with fs.open(url, "rb") as file:
        size = start = await file.seek(0, 2)
        end = b""
        # One newline more than there are lines: the last line ends with one, which begins nothing.
        while start > 0 and end.count(b"\n") <= lines:
            stop, start = start, max(0, start - BLOCK)
            await file.seek(start)
            end = await file.read(stop - start) + end
    return b"".join(end.splitlines(keepends=True)[-lines:] if lines else []), size


async def follow(url: str, position: int, interval: float) -> AsyncIterator[bytes]:
    """What is appended to a file behind ``position``; all of it, when it is replaced by a shorter one."""
    while True:
        await asyncio.sleep(interval)
        try:
            size = await fs.getsize(url)
            if size < position:
                position = 0
            if size > position:
                # The file is opened as it is now, which may be longer than it was a moment ago.
                async with fs.open(url, "rb") as file:
                    await file.seek(position)
                    data = await file.read()
                position += len(data)
                yield data
        except FileNotFoundError:
            position = 0  # it is being rotated


async def run(url: str, lines: int, interval: float, *, counting: bool, following: bool) -> None:
    try:
        if counting:
            await count(url)
            return
        end, size = await tail(url, lines)
        show(end)
        if following:
            async for data in follow(url, size, interval):
                show(data)
    finally:
        await fs.aclose()


def show(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description="The end of a log, wherever it lies.")
    parser.add_argument("url", help="a URL or local path; with --count a pattern")
    parser.add_argument("-n", "--lines", type=int, default=10, help="how many lines (10)")
    parser.add_argument("--interval", type=float, default=1.0, help="seconds between two looks while following (1)")
    parser.add_argument("--count", action="store_true", help="count lines instead")
    parser.add_argument("-f", "--follow", action="store_true", help="wait for more")
    arguments = parser.parse_args()
    try:
        asyncio.run(
            run(
                arguments.url,
                max(arguments.lines, 0),
                arguments.interval,
                counting=arguments.count,
                following=arguments.follow,
            )
        )
    except KeyboardInterrupt:
        return 130
    except (aiostore.StoreError, OSError) as error:
        print(f"tail: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
