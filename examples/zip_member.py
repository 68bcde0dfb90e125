"""Read one member of a large zip archive where it lies: its directory, and the bytes of that member, no more.

    python examples/zip_member.py s3://bucket/archive.zip                    list the members
    python examples/zip_member.py s3://bucket/archive.zip data/day.csv       write one to the standard output
    python examples/zip_member.py 's3://bucket/archive.zip?endpoint=http://127.0.0.1:9000' data/day.csv > day.csv

Credentials and region come from the AWS_* environment. `zipfile` knows nothing of objects: it seeks and reads in a real
`io.BufferedReader`, and what was fetched is counted below it.
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
import zipfile
from typing import TYPE_CHECKING

import aiostore
from aiostore import blocking

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BUFFER = 16 * 1024
"""Bytes of one read: `zipfile` looks at many small places, and each would be a request of its own."""


class Meter(io.RawIOBase):
    """An unbuffered file that counts what is read from another one."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw
        self.fetched = 0
        self.reads = 0

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        count = self._raw.readinto(buffer) or 0
        self.fetched += count
        self.reads += 1
        return count

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._raw.seek(offset, whence)

    def tell(self) -> int:
        return self._raw.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True


def run(url: str, member: str | None) -> None:
    with blocking.open(url, "rb", buffering=0) as raw:
        size = raw.seek(0, io.SEEK_END)
        meter = Meter(raw)
        with zipfile.ZipFile(io.BufferedReader(meter, BUFFER)) as archive:
            if member is None:
                for info in archive.infolist():
                    print(f"{info.file_size:>14,}  {info.filename}")
            else:
                with archive.open(member) as file:
                    shutil.copyfileobj(file, sys.stdout.buffer)
    say(f"fetched {meter.fetched:,} of {size:,} bytes in {meter.reads} reads")


def say(text: str) -> None:
    sys.stdout.flush()
    print(f"zip_member: {text}", file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(description="One member of a zip archive, without the others.")
    parser.add_argument("url", help="such as s3://bucket/archive.zip, or a local path")
    parser.add_argument("member", nargs="?", help="the member's name; without it, all are listed")
    arguments = parser.parse_args()
    try:
        run(arguments.url, arguments.member)
    except (aiostore.StoreError, OSError, zipfile.BadZipFile, KeyError) as error:
        say(str(error.args[0] if isinstance(error, KeyError) else error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
