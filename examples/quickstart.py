"""A first look: a tree of files into a store and back, a stream, ranges, a large write, and every byte verified.

    python examples/quickstart.py                          a local directory, removed at the end
    python examples/quickstart.py s3://bucket/prefix       credentials and region from the AWS_* environment
    python examples/quickstart.py 's3://bucket/prefix?endpoint=http://127.0.0.1:9000&region=us-east-1'

Everything is written below a prefix of its own, and removed again.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import random
import secrets
import sys
import sysconfig
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import TypeVar

import aiostore

MIB = 1024**2
AT_ONCE = 32
LARGE = 64 * MIB
SKIPPED = {"__pycache__", "site-packages", "dist-packages"}

T = TypeVar("T")


class MismatchError(Exception):
    """What came back is not what was written."""


async def run(url: str | None) -> None:
    with contextlib.nullcontext(url) if url else tempfile.TemporaryDirectory(prefix="aiostore-quickstart-") as target:
        # Fewer attempts than the default: somebody sits in front of it.
        async with aiostore.connect(target, retry=aiostore.RetryPolicy(attempts=5)) as whole:
            store = whole.with_prefix(f"aiostore-quickstart-{secrets.token_hex(6)}/")
            print(f"aiostore quickstart on {store.location}")
            # A wrong bucket, endpoint or secret shows here, before anything was written.
            await keys_and_sizes(store)
            try:
                await tour(store)
            except BaseException:
                with contextlib.suppress(aiostore.StoreError):  # the first error says more
                    await remove(store)
                raise
            begun = time.perf_counter()
            count = await remove(store)
            say("delete", begun, f"{count:,} objects, nothing is left")


async def tour(store: aiostore.Store) -> None:
    root = Path(sysconfig.get_path("stdlib"))
    files = await asyncio.to_thread(lambda: {path.relative_to(root).as_posix(): path for path in tree(root)})
    sizes = {key: path.stat().st_size for key, path in files.items()}
    total = sum(sizes.values())

    begun = time.perf_counter()
    await each(files, lambda key: store.put(key, files[key]))
    say("put", begun, f"{len(files):,} files of {root}, {AT_ONCE} at a time", total)

    begun = time.perf_counter()
    listed = await keys_and_sizes(store)
    check(dict(listed) == sizes and len(listed) == len(sizes), "the listing does not show what was written")
    if store.capabilities.ordered_listing:
        check(listed == sorted(listed), "the listing is not in order")
    say("list", begun, f"{len(listed):,} objects, keys and sizes are those of the files")

    async def compare(key: str) -> None:
        data, original = await asyncio.gather(store.get(key), asyncio.to_thread(files[key].read_bytes))
        check(data == original, f"{key}: the bytes are not those of the file")

    begun = time.perf_counter()
    await each(files, compare)
    say("get", begun, f"{len(files):,} objects, every byte compared with the file", total)

    largest = max(files, key=lambda key: sizes[key])
    original = files[largest].read_bytes()
    begun = time.perf_counter()
    async with store.stream(largest) as stream:
        data = b"".join([chunk async for chunk in stream])
    check(data == original, f"{largest}: the stream is not the file")
    say("stream", begun, f"{largest}, every byte compared; {proof(stream)}", len(data))

    size, middle = len(original), len(original) // 2
    begun = time.perf_counter()
    head, tail = await store.get_range(largest, 0, 100), await store.get_range(largest, -100)
    ranges = [(10, 20), (middle, middle + 1000), (size - 50, size)]
    pieces = await store.get_ranges(largest, ranges)
    check(head == original[:100] and tail == original[-100:], f"{largest}: get_range gave other bytes")
    check(pieces == [original[start:stop] for start, stop in ranges], f"{largest}: get_ranges gave other bytes")
    say("ranges", begun, f"the first 100 bytes, the last 100, {len(ranges)} in one call; every byte compared")

    await large(store)


async def large(store: aiostore.Store) -> None:
    """Bytes that nobody has in one piece: from a generator to the store, from the store through a hash."""
    sent, received, count = hashlib.sha256(), hashlib.sha256(), 0

    async def source() -> AsyncIterator[bytes]:
        chance = random.Random(0)
        for _ in range(LARGE // MIB):
            block = chance.randbytes(MIB)
            sent.update(block)
            yield block

    begun = time.perf_counter()
    part_size = 8 * MIB
    result = await store.put("large.bin", source(), part_size=part_size, progress=show_progress)
    how = f"parts of {part_size // MIB} MiB" if store.capabilities.multipart else "one request"
    say("put", begun, f"large.bin from an async iterator, {how}", result.size)

    begun = time.perf_counter()
    async with store.stream("large.bin") as stream:
        async for chunk in stream:
            received.update(chunk)
            count += len(chunk)
    check(count == LARGE and received.digest() == sent.digest(), "large.bin: other bytes came back")
    say("stream", begun, f"large.bin, the SHA-256 is that of what was sent; {proof(stream)}", count)


def proof(stream: aiostore.ObjectStream) -> str:
    """How aiostore itself knows that the stream was right."""
    if stream.verified is None:
        return "the service keeps no checksum of the whole"
    return f"verified against the stored {stream.verified}"


def show_progress(done: int, _total: int | None) -> None:
    """One line that is written over on a terminal, a line now and then elsewhere."""
    text = f"        {done // MIB:3} of {LARGE // MIB} MiB"
    if sys.stdout.isatty():
        print(f"\r{text}", end="\n" if done == LARGE else "", flush=True)
    elif done % (LARGE // 4) == 0:
        print(text, flush=True)


def say(step: str, begun: float, what: str, count: int | None = None) -> None:
    seconds = time.perf_counter() - begun
    amount = "" if count is None else f"{count / MIB:.1f} MiB in "
    rate = "" if count is None else f" ({count / MIB / seconds:.0f} MiB/s)"
    print(f"{step:7} {what}: {amount}{seconds:.2f} s{rate}", flush=True)


def tree(directory: Path) -> Iterable[Path]:
    """The regular files below a directory, without caches and installed packages."""
    for path in sorted(directory.iterdir()):
        if path.is_symlink() or path.name in SKIPPED:
            continue
        if path.is_dir():
            yield from tree(path)
        elif path.is_file():
            yield path


async def keys_and_sizes(store: aiostore.Store) -> list[tuple[str, int]]:
    return [(meta.key, meta.size) async for meta in store.list()]


async def remove(store: aiostore.Store) -> int:
    """Delete all that is below the store's prefix; returns how many objects that were."""
    results = await store.delete_many([key for key, _ in await keys_and_sizes(store)])
    for result in results:
        if result.error is not None:
            raise result.error
    check(not await keys_and_sizes(store), "objects are left after they were deleted")
    return len(results)


async def each(items: Iterable[T], call: Callable[[T], Awaitable[object]]) -> None:
    """Await ``call(item)`` for every item, a few at a time; the first error ends the others."""
    left = iter(items)

    async def work() -> None:
        for item in left:
            await call(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(work())
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None


def check(holds: bool, complaint: str) -> None:
    if not holds:
        raise MismatchError(complaint)


def main() -> int:
    parser = argparse.ArgumentParser(description="Try aiostore on a store of your own, or on a local directory.")
    parser.add_argument("url", nargs="?", help="such as s3://bucket/prefix; without it, a temporary directory")
    try:
        asyncio.run(run(parser.parse_args().url))
    except (aiostore.StoreError, MismatchError, OSError) as error:
        print(f"quickstart: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("quickstart: interrupted; what was written has been removed", file=sys.stderr)
        return 130
    print("All bytes came back as they were sent.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
