"""Files over S3 beside those of obstore, smart_open and s3fs: `python -m benchmarks.files [--shape 30ms,60MiB/s]`.

All clients run in this process, one after the other in each round, against the server of `benchmarks.server`; medians
over the rounds are printed, with the processor time of each MiB or read, and aiostore's ratio to each. Reads and writes
go through file objects in pieces of 1 MiB, opening and closing included. A random read is a seek and a read of 1 KiB;
s3fs and smart_open, which fetch 50 MiB or make a connection for each, are asked for a share of them. Lines end wherever
the object has a newline.

What the others do: obstore's reader gets 1 MiB at a time, one after the other, and its writer sends parts of 10 MiB,
twelve at once. s3fs gets and sends blocks of 50 MiB. smart_open reads one body and writes parts of
50 MiB, one after the other. All sign what they send.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import random
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import boto3
import obstore
import s3fs
import smart_open
from botocore.config import Config
from obstore.store import S3Store as ObstoreStore

import aiostore

from .server import BUCKET, Link, Server, object_key, pin, serve

MIB = 1024**2
SIZE = 256 * MIB
LINES = 8 * MIB
PIECE = os.urandom(MIB)
SEED = 7
IDENTITY = {"access_key_id": "benchmark", "secret_access_key": "benchmark-secret"}


def read_all(file: Any) -> None:
    count = 0
    while piece := file.read(MIB):
        count += len(piece)
    assert count == SIZE, count


def write_all(file: Any) -> None:
    for _ in range(SIZE // MIB):
        file.write(PIECE)


def read_lines(file: Any) -> None:
    assert sum(len(line) for line in file) == LINES


def read_randomly(file: Any, count: int) -> None:
    places = random.Random(SEED)
    for _ in range(count):
        file.seek(places.randrange(SIZE - 1024))
        assert len(bytes(file.read(1024))) == 1024


class Blocking:
    """How one library opens a file for reading and writing."""

    def __init__(
        self, reader: Callable[[str], Any], writer: Callable[[str], Any], *, lines: bool = True, seeks: float = 1
    ) -> None:
        self.reader, self.writer, self.has_lines = reader, writer, lines
        self.seeks = seeks
        """The share of the random reads that it is asked for, where all of them would take minutes."""

    def read(self) -> float:
        with self.reader(object_key(SIZE)) as file:
            read_all(file)
        return SIZE / MIB

    def write(self) -> float:
        with self.writer("written") as file:
            write_all(file)
        return SIZE / MIB

    def lines(self) -> float:
        with self.reader(object_key(LINES)) as file:
            read_lines(file)
        return LINES / MIB

    def random(self, count: int) -> float:
        count = max(1, round(count * self.seeks))
        with self.reader(object_key(SIZE)) as file:
            read_randomly(file, count)
        return count


def closing(file: Any) -> Any:
    """obstore's readers are no context managers, and hold nothing."""

    class Closing:
        def __enter__(self) -> Any:
            return file

        def __exit__(self, *_: object) -> None:
            return None

    return Closing()


def blocking_clients(server: Server) -> dict[str, Blocking]:
    store = aiostore.blocking.wrap(ours(server))
    rust = theirs(server)
    filesystem = s3fs.S3FileSystem(
        key=IDENTITY["access_key_id"],
        secret=IDENTITY["secret_access_key"],
        endpoint_url=server.http,
        client_kwargs={"region_name": "us-east-1"},
        config_kwargs={"max_pool_connections": 64, "s3": {"addressing_style": "path"}},
    )
    client = boto3.client(
        "s3",
        endpoint_url=server.http,
        region_name="us-east-1",
        aws_access_key_id=IDENTITY["access_key_id"],
        aws_secret_access_key=IDENTITY["secret_access_key"],
        config=Config(s3={"addressing_style": "path"}),
    )

    def smart(mode: str) -> Callable[[str], Any]:
        return lambda key: smart_open.open(f"s3://{BUCKET}/{key}", mode, transport_params={"client": client})

    return {
        "aiostore": Blocking(lambda key: store.open(key, "rb"), lambda key: store.open(key, "wb")),
        "obstore": Blocking(
            lambda key: closing(obstore.open_reader(rust, key)),
            lambda key: obstore.open_writer(rust, key),
            lines=False,
        ),
        "smart_open": Blocking(smart("rb"), smart("wb"), seeks=0.05),
        "s3fs": Blocking(
            lambda key: filesystem.open(f"{BUCKET}/{key}", "rb"),
            lambda key: filesystem.open(f"{BUCKET}/{key}", "wb"),
            seeks=0.005,
        ),
        "s3fs, no cache": Blocking(
            lambda key: filesystem.open(f"{BUCKET}/{key}", "rb", cache_type="none"),
            lambda key: filesystem.open(f"{BUCKET}/{key}", "wb"),
        ),
    }


def ours(server: Server) -> aiostore.Store:
    return aiostore.S3Store(
        BUCKET,
        endpoint=server.http,
        region="us-east-1",
        access_key_id=IDENTITY["access_key_id"],
        secret_access_key=IDENTITY["secret_access_key"],
    )


def theirs(server: Server) -> ObstoreStore:
    return ObstoreStore(
        BUCKET,
        config={
            "endpoint": server.http,
            "region": "us-east-1",
            "virtual_hosted_style_request": False,
            "access_key_id": IDENTITY["access_key_id"],
            "secret_access_key": IDENTITY["secret_access_key"],
        },
        client_options={"allow_http": True},
    )


async def ours_reads(store: aiostore.Store) -> None:
    count = 0
    async with store.open(object_key(SIZE), "rb") as file:
        while piece := await file.read(MIB):
            count += len(piece)
    assert count == SIZE


async def ours_writes(store: aiostore.Store) -> None:
    async with store.open("written", "wb") as file:
        for _ in range(SIZE // MIB):
            await file.write(PIECE)


async def theirs_reads(store: ObstoreStore) -> None:
    count = 0
    file = await obstore.open_reader_async(store, object_key(SIZE))
    while piece := await file.read(MIB):
        count += len(piece)
    assert count == SIZE


async def theirs_writes(store: ObstoreStore) -> None:
    async with obstore.open_writer_async(store, "written") as file:
        for _ in range(SIZE // MIB):
            await file.write(PIECE)


async def s3fs_reads(filesystem: Any) -> None:
    count = 0
    file = await filesystem.open_async(f"{BUCKET}/{object_key(SIZE)}", "rb")
    while piece := await file.read(MIB):
        count += len(piece)
    assert count == SIZE


class Awaiting:
    """The coroutines of all libraries, in a loop of their own."""

    def __init__(self, server: Server) -> None:
        self.runner = asyncio.Runner()
        self.store, self.rust = ours(server), theirs(server)
        self.filesystem = s3fs.S3FileSystem(
            asynchronous=True,
            skip_instance_cache=True,
            key=IDENTITY["access_key_id"],
            secret=IDENTITY["secret_access_key"],
            endpoint_url=server.http,
            client_kwargs={"region_name": "us-east-1"},
            config_kwargs={"max_pool_connections": 64, "s3": {"addressing_style": "path"}},
        )
        self.runner.run(self.filesystem.set_session())

    def call(self, work: Callable[[], Awaitable[None]]) -> Callable[[], float]:
        async def run() -> None:
            await work()

        def measured() -> float:
            self.runner.run(run())
            return SIZE / MIB

        return measured

    def workloads(self) -> dict[str, dict[str, Callable[[], float]]]:
        return {
            "async read": {
                "aiostore": self.call(lambda: ours_reads(self.store)),
                "obstore": self.call(lambda: theirs_reads(self.rust)),
                "s3fs": self.call(lambda: s3fs_reads(self.filesystem)),
            },
            "async write": {
                "aiostore": self.call(lambda: ours_writes(self.store)),
                "obstore": self.call(lambda: theirs_writes(self.rust)),
            },
        }


def measure(call: Callable[[], float]) -> tuple[float, float]:
    """How much it does in a second, and the processor time of each unit in microseconds, of all threads."""
    begun, used = time.perf_counter(), time.process_time()
    done = call()
    return done / (time.perf_counter() - begun), (time.process_time() - used) / done * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", type=Link.parse, help="delay and rate of every connection, as 30ms,60MiB/s")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--reads", type=int, default=10_000, help="random reads")
    parser.add_argument("--only", default="", help="workloads whose name contains this")
    parser.add_argument("--client-core", type=int, action="append", default=[], help="core for this process")
    parser.add_argument("--server-core", type=int, action="append", default=[], help="core for the server")
    options = parser.parse_args()
    pin(0, options.client_core)
    with serve(sizes=[SIZE, LINES], tls=False, cores=options.server_core, link=options.shape) as server:
        clients = blocking_clients(server)
        workloads: dict[str, dict[str, Callable[[], float]]] = {
            "blocking read": {name: client.read for name, client in clients.items() if "cache" not in name},
            "blocking write": {name: client.write for name, client in clients.items() if "cache" not in name},
            "lines": {name: client.lines for name, client in clients.items() if client.has_lines},
            "random reads": {
                name: lambda client=client: client.random(options.reads)  # type: ignore[misc]
                for name, client in clients.items()
            },
            **Awaiting(server).workloads(),
        }
        print(f"{options.shape or 'plain loopback'}, {options.rounds} rounds")
        for workload, calls in workloads.items():
            if options.only not in workload:
                continue
            found: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
            for _ in range(options.rounds):
                for name, call in calls.items():
                    with suppress(io.UnsupportedOperation):
                        found[name].append(measure(call))
            unit = "reads/s" if "random" in workload else "MiB/s"
            rates = {name: statistics.median(rate for rate, _ in pairs) for name, pairs in found.items() if pairs}
            for name, rate in rates.items():
                used = statistics.median(cost for _, cost in found[name])
                ratio = f"{rates['aiostore'] / rate:6.2f}x" if name != "aiostore" else ""
                print(f"{workload:15} {name:15} {rate:10,.0f} {unit:8} {used:8,.0f} us each {ratio}", flush=True)


if __name__ == "__main__":
    main()
