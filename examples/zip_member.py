"""Read one member of a large zip archive where it lies: its directory, and the bytes of that member, no more.

    python examples/zip_member.py s3://bucket/archive.zip                    list the members
    python examples/zip_member.py s3://bucket/archive.zip data/day.csv       write one to the standard output
    python examples/zip_member.py 's3://bucket/archive.zip?endpoint=http://127.0.0.1:9000' data/day.csv > day.csv

Credentials and region come from the AWS_* environment. `zipfile` knows nothing of objects: it seeks and reads in a real
`io.BufferedReader`, and an observer counts what that costs.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import zipfile

import aiostore
from aiostore import blocking
from aiostore.url import split
from aiostore.wrappers.observe import Event

BUFFER = 32 * 1024
"""Bytes that a request asks for at least: `zipfile` looks at many small places."""


class Meter:
    """Counts what the service is asked for."""

    def __init__(self) -> None:
        self.requests = 0
        self.fetched = 0

    def __call__(self, event: Event) -> None:
        self.requests += 1
        self.fetched += event.received


def run(url: str, member: str | None) -> None:
    container, key = split(url)
    meter = Meter()
    with blocking.connect(container, observers=[meter]) as store, store.open(key, "rb", buffer_size=BUFFER) as opened:
        with zipfile.ZipFile(opened) as archive:
            if member is None:
                for info in archive.infolist():
                    print(f"{info.file_size:>14,}  {info.filename}")
            else:
                with archive.open(member) as file:
                    shutil.copyfileobj(file, sys.stdout.buffer)
        say(f"fetched {meter.fetched:,} of {opened.meta.size:,} bytes in {meter.requests} requests")


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
