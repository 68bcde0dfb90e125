"""Show what clients make of faults: `python -m benchmarks.faults --help`."""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import random
import secrets
import tempfile
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from aiostore import NotSupportedError, S3Store, Store
from benchmarks.clients import version
from benchmarks.faults.calls import MIB, RANGES, Client
from benchmarks.faults.calls_of_botocore import Boto3
from benchmarks.faults.clients import CLIENTS, IN_RANGES
from benchmarks.faults.table import Data
from benchmarks.faults.table import report as report_whole
from tests.faults.faults import CutResponse, Delay, Flip, LoseResponse
from tests.faults.proxy import FaultProxy
from tests.faults.relay import Request
from tests.faults.table.s3 import CEPH, LOCALSTACK, S3Bucket
from tests.servers.ceph import Ceph
from tests.servers.localstack import LocalStack
from tests.servers.running import shared
from tests.servers.server import S3Endpoint, Server

SERVERS: dict[str, type[Server[S3Endpoint]]] = {"ceph": Ceph, "localstack": LocalStack}
DATA = random.Random(1).randbytes(20 * MIB)
ONE = DATA[:MIB]
"""So little that nobody reads it by several requests."""
SMALL = DATA[:1000]
DEADLINE = 60.0
CUT = 1_000_001
NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Place:
    """Where clients are tried: a server, and a store beside the faults that sees what they did."""

    endpoint: S3Endpoint
    bucket: str
    beside: Store


def is_get(request: Request) -> bool:
    return request.method == "GET" and "list-type" not in request.query and "location" not in request.query


def start_of(request: Request) -> int:
    """Where the range of a request begins."""
    value = request.headers.get("range", "bytes=0-")
    return int(value.removeprefix("bytes=").partition("-")[0] or 0)


async def outcome(call: Awaitable[object]) -> object:
    """What it returns, or the error that it raises."""
    try:
        async with asyncio.timeout(DEADLINE):
            return await call
    except Exception as error:
        return error


def said(error: Exception) -> str:
    """An error in a table."""
    if isinstance(error, TimeoutError) and type(error).__module__ == "builtins":
        return f"hangs ({DEADLINE:g} s)"
    return f"raises `{type(error).__name__}`"


# --- reads ------------------------------------------------------------------------------------------------------------


async def cut(kind: type[Client], call: str, place: Place) -> str:
    """The first GET is reset in the middle of its body."""
    async with FaultProxy(place.endpoint.url) as proxy:
        rule = proxy.inject(CutResponse(after=CUT), when=is_get)
        result = await read(kind, call, place, proxy)
        struck = next(exchange for exchange in proxy.exchanges if exchange.fault is rule.fault).request
        again = [request for request in proxy.requests if is_get(request)]
        again = again[again.index(struck) + 1 :]
        if isinstance(result, Exception):
            return f"refuses: {said(result)}" if is_refusal(result) else said(result)
        if result != expected(call):
            return "**wrong bytes**"
        begun = start_of(struck)
        return "resumes at the byte" if begun + CUT in map(start_of, again) else "begins that request again"


async def flip_whole(kind: type[Client], call: str, place: Place) -> str:
    """One byte of an object that one GET brings is wrong."""
    return NOTHING if call in IN_RANGES else await flip(kind, call, place, "one", lambda request: True)


async def flip_range(kind: type[Client], call: str, place: Place) -> str:
    """One byte of a later one of several GETs is wrong."""
    return await flip(kind, call, place, "object", lambda request: start_of(request) > 0)


async def flip(kind: type[Client], call: str, place: Place, key: str, when: Callable[[Request], bool]) -> str:
    async with FaultProxy(place.endpoint.url) as proxy:
        rule = proxy.inject(Flip(at=CUT, mask=1), when=lambda request: is_get(request) and when(request))
        result = await read(kind, call, place, proxy, key)
    if isinstance(result, Exception):
        return f"refuses: {said(result)}" if is_refusal(result) else f"detected: {said(result)}"
    if not rule.applied:
        return NOTHING
    return "heals" if result == expected(call, key) else "**wrong bytes**"


def is_refusal(error: Exception) -> bool:
    """Whether it says that the bytes cannot be verified, rather than that they are wrong."""
    return isinstance(error, NotSupportedError)


async def read(kind: type[Client], call: str, place: Place, proxy: FaultProxy, key: str = "object") -> object:
    with tempfile.TemporaryDirectory() as directory:
        async with kind(place.endpoint, proxy.url, place.bucket) as client:
            return await outcome(client.read(call, key, Path(directory)))


def expected(call: str, key: str = "object") -> bytes:
    if call in IN_RANGES:
        return b"".join(DATA[start:stop] for start, stop in RANGES)
    return ONE if key == "one" else DATA


# --- writes -----------------------------------------------------------------------------------------------------------


async def pieces() -> AsyncIterator[bytes]:
    for start in range(0, len(DATA), MIB):
        yield DATA[start : start + MIB]
        await asyncio.sleep(0)


async def lost(kind: type[Client], place: Place, verb: str, when: Callable[[Request], bool]) -> str:
    """The service carries the first such request out, and its answer is lost."""
    key = f"written/{secrets.token_hex(4)}"
    async with FaultProxy(place.endpoint.url) as proxy, kind(place.endpoint, proxy.url, place.bucket) as client:
        rule = proxy.inject(LoseResponse(), when=when)
        if verb == "upload":
            result = await outcome(client.upload(key, pieces()))
        else:
            result = await outcome(getattr(client, verb)(key, SMALL))
        if not isinstance(result, Exception):
            found = "succeeds" if rule.applied else NOTHING
        elif rule.applied and await place.beside.exists(key):
            found = f"{said(result)} for its own write"
        else:
            found = said(result)
        return found + await left(place, key)


async def lost_put(kind: type[Client], place: Place) -> str:
    """put"""
    return await lost(kind, place, "put", lambda request: request.method == "PUT")


async def lost_create(kind: type[Client], place: Place) -> str:
    """create-only put"""
    return await lost(kind, place, "create", lambda request: request.method == "PUT")


async def lost_complete(kind: type[Client], place: Place) -> str:
    """completion of an upload in parts"""
    return await lost(kind, place, "upload", lambda request: request.method == "POST" and "uploadId" in request.query)


async def source_fails(kind: type[Client], place: Place) -> str:
    """the source of an upload raises after 10 of 20 MiB"""
    if kind.uploads == "none":
        return NOTHING
    key = f"written/{secrets.token_hex(4)}"

    async def failing() -> AsyncIterator[bytes]:
        for start in range(0, len(DATA) // 2, MIB):
            yield DATA[start : start + MIB]
        raise RuntimeError("the source fails")

    async with kind(place.endpoint, place.endpoint.url, place.bucket) as client:
        result = await outcome(client.upload(key, failing()))
    return ("fails" if isinstance(result, Exception) else "**succeeds**") + await left(place, key)


async def cancelled(kind: type[Client], place: Place) -> str:
    """the task of an upload is cancelled while a part is on its way"""
    key = f"written/{secrets.token_hex(4)}"
    if kind.uploads != "async":
        return NOTHING
    async with FaultProxy(place.endpoint.url) as proxy, kind(place.endpoint, proxy.url, place.bucket) as client:
        arrived = asyncio.Event()
        rule = proxy.inject(Delay(until=arrived), when=lambda request: "partNumber" in request.query, nth=2)
        task = asyncio.ensure_future(client.upload(key, pieces()))
        async with asyncio.timeout(DEADLINE):
            await proxy.wait_until(lambda: rule.applied == 1)
        task.cancel()
        arrived.set()
        result = await asyncio.gather(task, return_exceptions=True)
        # What goes on in the background gets time to end.
        await asyncio.sleep(1)
    return ("is cancelled" if isinstance(result[0], asyncio.CancelledError) else "goes on") + await left(place, key)


async def left(place: Place, key: str) -> str:
    """What is on the server that should not be."""
    found = ""
    if await place.beside.exists(key):
        size = await place.beside.size(key)
        if size not in {len(DATA), len(SMALL)}:
            found += f", **publishes {size / MIB:.0f} of {len(DATA) // MIB} MiB**"
    uploads = [upload async for upload in place.beside.uploads(key)]
    for upload in uploads:
        await place.beside.abort_upload(upload)
    return found + (", **leaves an upload**" if uploads else "")


# --- tables -----------------------------------------------------------------------------------------------------------

READS = {
    "the first GET is cut": cut,
    "a byte is flipped, one GET": flip_whole,
    "a byte is flipped, several GETs": flip_range,
}
LOST = {"`put`": lost_put, "create-only `put`": lost_create, "completion of parts": lost_complete}
UPLOADS = {"the source raises after 10 of 20 MiB": source_fails, "the task is cancelled": cancelled}


def table(head: list[str], rows: list[list[str]]) -> str:
    """As Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


async def report(place: Place, clients: list[type[Client]]) -> None:
    endpoint = place.endpoint
    packages = [f"{package} {version(package)}" for kind in clients for package in kind.packages]
    print(f"{endpoint.server} {endpoint.version}; {', '.join(packages)}\n")
    rows = [
        [f"{kind.name} `{call}`", *[await probe(kind, call, place) for probe in READS.values()]]
        for kind in clients
        for call in kind.reads
    ]
    print(table(["read", *READS], rows), "\n")
    rows = [[kind.name, *[await probe(kind, place) for probe in LOST.values()]] for kind in clients]
    print(table(["its answer is lost", *LOST], rows), "\n")
    rows = [[kind.name, *[await probe(kind, place) for probe in UPLOADS.values()]] for kind in clients]
    print(table(["streamed upload", *UPLOADS], rows), "\n")


async def run(endpoint: S3Endpoint, clients: list[type[Client]], *, whole: bool) -> None:
    backend = CEPH if "Ceph" in endpoint.server else LOCALSTACK
    # What some clients leave behind is told by the tables.
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
    beside = S3Store(
        f"faults-{secrets.token_hex(6)}",
        endpoint=endpoint.url,
        region=endpoint.region,
        access_key_id=endpoint.access_key_id,
        secret_access_key=endpoint.secret_access_key,
        dialect=backend.name,
    )
    async with beside:
        await beside.create_container()
        try:
            bucket = beside.location.removeprefix("s3://").strip("/")
            if whole:
                await report_whole(
                    S3Bucket(backend=backend, endpoint=endpoint, name=bucket), clients, Data(DATA, SMALL)
                )
                return
            # By boto3, so that the objects have the checksum that most clients know.
            async with Boto3(endpoint, endpoint.url, bucket) as writer:
                await writer.put("object", DATA)
                await writer.put("one", ONE)
            await report(Place(endpoint, bucket, beside), clients)
        finally:
            await beside.delete_container(force=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--server", choices=sorted(SERVERS), default="localstack", help="started if none is shared")
    parser.add_argument("--whole", action="store_true", help="the whole table of faults, which takes some minutes")
    parser.add_argument("--clients", default="", help="names, separated by commas; all that are installed by default")
    options = parser.parse_args()
    wanted = set(options.clients.split(",")) - {""}
    clients = [
        kind
        for kind in CLIENTS
        if (not wanted or kind.name in wanted) and importlib.util.find_spec(kind.packages[0]) is not None
    ]
    warnings.simplefilter("ignore")
    kind = SERVERS[options.server]
    running = shared(kind)
    if running is not None:
        asyncio.run(run(running, clients, whole=options.whole))
        return
    server = kind()
    try:
        asyncio.run(run(server.start(), clients, whole=options.whole))
    finally:
        server.stop()


if __name__ == "__main__":
    main()
