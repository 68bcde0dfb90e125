"""A directory tree goes local -> S3 -> Swift -> local, compressed on the way, and comes back byte for byte.

    python examples/round_trip.py                                     two local directories in place of the services
    python examples/round_trip.py s3://bucket/prefix swift://container/prefix     credentials from the environment
    python examples/round_trip.py --tree photos s3://bucket swift://container

The tree is the standard library of this Python unless another is named. It is encoded as Brotli while it goes to the
first store, travels to the second one as it is stored, and is decoded on the way back. Everything is written below a
prefix of its own, and removed again.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fnmatch
import hashlib
import secrets
import sys
import sysconfig
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiostore
from aiostore import transfer

MIB = 1024**2
LEFT_OUT = ["*__pycache__/*", "*site-packages/*", "dist-packages/*"]


class MismatchError(Exception):
    """What came back is not what was sent."""


async def run(tree: Path, first: str | None, second: str | None) -> None:
    with tempfile.TemporaryDirectory(prefix="aiostore-round-trip-") as directory:
        work = Path(directory)
        async with place(first or work / "first") as s3, place(second or work / "second") as swift:
            begun = time.perf_counter()
            summary = await transfer.copy(tree, s3, exclude=LEFT_OUT, reencode="br", verify=True)
            say(f"{tree} -> {s3.location}, encoded", begun, summary)
            stored = sum([meta.size async for meta in s3.list()])
            print(f"        {summary.bytes / MIB:.1f} MiB are stored as {stored / MIB:.1f} MiB of Brotli")

            begun = time.perf_counter()
            summary = await transfer.copy(s3, swift, verify=True)
            say(f"{s3.location} -> {swift.location}, as it is stored", begun, summary)
            await check_encoding(swift)

            begun = time.perf_counter()
            back = work / "back"
            summary = await transfer.copy(swift, back, reencode="none")
            say(f"{swift.location} -> {back}, decoded", begun, summary)

        begun = time.perf_counter()
        count = await asyncio.to_thread(compare, tree, back)
        print(f"compare {count:,} files, every byte: {time.perf_counter() - begun:.2f} s")


@contextlib.asynccontextmanager
async def place(url: str | Path) -> AsyncIterator[aiostore.Store]:
    """A new prefix below a URL, or a new directory, which is emptied in the end."""
    if isinstance(url, Path):
        url.mkdir()
    async with aiostore.connect(url) as whole:
        store = whole.with_prefix(f"round-trip-{secrets.token_hex(6)}/")
        try:
            yield store
        finally:
            async for result in store.delete_many(store.list()):
                if result.error is not None:
                    print(f"round trip: {result.error}", file=sys.stderr)


def say(what: str, begun: float, summary: transfer.Summary) -> None:
    for failure in summary.failures:
        raise failure.error
    seconds = time.perf_counter() - begun
    print(f"copy    {what}: {summary.copied:,} objects in {seconds:.2f} s", flush=True)


async def check_encoding(store: aiostore.Store) -> None:
    """The second store never saw the plain bytes."""
    async for meta in store.head_many(store.list()):
        if meta.unwrap().content_encoding != "br":
            raise MismatchError(f"{meta.key} is not stored as Brotli")


def compare(tree: Path, back: Path) -> int:
    """Compare names and bytes of both trees; how many files there are."""
    sent, received = digests(tree), digests(back)
    for name in sorted(sent.keys() | received.keys()):
        if sent.get(name) != received.get(name):
            raise MismatchError(f"{name} did not come back as it was")
    return len(sent)


def digests(tree: Path) -> dict[str, bytes]:
    return {
        path.relative_to(tree).as_posix(): hashlib.sha256(path.read_bytes()).digest()
        for path in files(tree)
        if not any(fnmatch.fnmatch(path.relative_to(tree).as_posix(), pattern) for pattern in LEFT_OUT)
    }


def files(directory: Path) -> Iterator[Path]:
    """The files below a directory; links are not followed, as in a store."""
    for path in directory.iterdir():
        if path.is_symlink() or path.name == "site-packages":
            continue
        if path.is_dir():
            yield from files(path)
        elif path.is_file():
            yield path


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Take a directory tree to two stores and back, and compare every byte."
    )
    parser.add_argument("first", nargs="?", help="such as s3://bucket/prefix; without it, a temporary directory")
    parser.add_argument("second", nargs="?", help="such as swift://container/prefix")
    parser.add_argument("--tree", type=Path, default=Path(sysconfig.get_path("stdlib")), help="what is sent")
    arguments = parser.parse_args()
    try:
        asyncio.run(run(arguments.tree, arguments.first, arguments.second))
    except (aiostore.StoreError, MismatchError, OSError) as error:
        print(f"round trip: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("round trip: interrupted; what was written has been removed", file=sys.stderr)
        return 130
    print("The tree came back as it was sent.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
