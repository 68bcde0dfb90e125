"""aiostore beside gcloud-aio-storage, obstore and gcsfs on one look-alike of the service: `python -m benchmarks.gcs`.

Each client works in a process of its own, interleaved round by round. For small requests what is compared is the
client's CPU time for one operation, which a busy machine disturbs less than the time that passes. ``link`` is the same
server behind 30 ms to the first byte and 60 MiB/s for each connection: there it is the time that passes. A second table
shows how busy the server was, which is the limit where it comes near to one. Listings show whole resources, as the
service does, to whoever does not ask for less. aiostore verifies what it reads and writes, which the others do not.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from benchmarks.server import GOOGLE_BUCKET, Link, Server, list_prefix, object_key, serve

KIB, MIB = 1024, 1024**2
CLIENTS = ("aiostore", "gcloud-aio", "obstore", "gcsfs")
LARGE = 256 * MIB
SMALL = object_key(KIB)
LINK = Link(delay=0.03, rate=60 * MIB)

# What is done, how often, and how many at once.
WORKLOADS: dict[str, tuple[int, int]] = {
    "GET 1 KiB": (2000, 16),
    "PUT 1 KiB": (2000, 16),
    "list 1,000": (30, 1),
    "stream 256 MiB": (2, 1),
    "put 256 MiB": (2, 1),
    "stream 256 MiB over the link": (1, 1),
    "put 256 MiB over the link": (1, 1),
}

MOVED = {"GET": KIB, "PUT": KIB, "list": 100 * KIB, "stream": LARGE, "put": LARGE}
"""Bytes of one operation, at least."""

LONGEST = 120.0
"""Seconds of one measurement."""

Call = Callable[[], Awaitable[object]]


class Calls:
    """The operations of one client."""

    get: Call
    put: Call
    list: Call
    read: Callable[[str], Awaitable[int]]
    write: Callable[[int], Awaitable[object]]
    close: Call


async def aiostore_calls(state: dict[str, Any], url: str) -> Calls:
    from aiostore import GCSStore

    store, calls = GCSStore(GOOGLE_BUCKET, endpoint=url, credentials=state["account"]), Calls()
    small = bytes(KIB)

    async def count() -> int:
        return len([meta async for meta in store.list(list_prefix(1000))])

    async def read(key: str) -> int:
        return sum([len(chunk) async for chunk in store.stream(key)])

    async def source(size: int) -> AsyncIterator[bytes]:
        for _ in range(size // MIB):
            yield _BLOCK

    calls.get, calls.put, calls.list = lambda: store.get(SMALL), lambda: store.put("put", small), count
    calls.read, calls.write, calls.close = read, lambda size: store.put("written", source(size)), store.aclose
    return calls


async def gcloud_calls(state: dict[str, Any], url: str) -> Calls:
    import aiohttp
    from gcloud.aio.auth import Token
    from gcloud.aio.storage import Storage

    session, calls = aiohttp.ClientSession(), Calls()
    scopes = ["https://www.googleapis.com/auth/devstorage.full_control"]
    shared: Any = session
    token = Token(service_file=io.StringIO(json.dumps(state["account"])), session=shared, scopes=scopes)
    storage = Storage(token=token, session=shared, api_root=url, api_is_dev=False)
    small = bytes(KIB)

    async def read(key: str) -> int:
        total = 0
        stream = await storage.download_stream(GOOGLE_BUCKET, key, timeout=600)
        while chunk := await stream.read(MIB):
            total += len(chunk)
        return total

    calls.get = lambda: storage.download(GOOGLE_BUCKET, SMALL)
    calls.put = lambda: storage.upload(GOOGLE_BUCKET, "put", small)
    calls.list = lambda: storage.list_objects(GOOGLE_BUCKET, params={"prefix": list_prefix(1000)})
    calls.read = read
    calls.write = lambda size: storage.upload(GOOGLE_BUCKET, "written", bytes(size), timeout=600)
    calls.close = session.close
    return calls


async def obstore_calls(state: dict[str, Any], url: str) -> Calls:
    import obstore
    from obstore.store import GCSStore

    account = json.dumps({**state["account"], "gcs_base_url": url, "disable_oauth": False})
    options: Any = {"allow_http": True, "timeout": "600 seconds"}
    store, calls = GCSStore(GOOGLE_BUCKET, service_account_key=account, client_options=options), Calls()
    small = bytes(KIB)

    async def get() -> object:
        return await (await obstore.get_async(store, SMALL)).bytes_async()

    async def count() -> int:
        return sum([len(page) async for page in obstore.list(store, list_prefix(1000).rstrip("/"))])

    async def read(key: str) -> int:
        return sum([len(chunk) async for chunk in (await obstore.get_async(store, key)).stream()])

    async def nothing() -> None: ...

    calls.get, calls.list, calls.read, calls.close = get, count, read, nothing
    calls.put = lambda: obstore.put_async(store, "put", small)
    calls.write = lambda size: obstore.put_async(store, "written", bytes(size))
    return calls


async def gcsfs_calls(state: dict[str, Any], url: str) -> Calls:
    from gcsfs import GCSFileSystem
    from google.oauth2.credentials import Credentials

    make: Any = Credentials
    files, calls = GCSFileSystem(endpoint_url=url, token=make(token=state["token"]), asynchronous=True), Calls()
    await files._set_session()
    small = bytes(KIB)

    async def count() -> int:
        files.invalidate_cache()
        return len(await files._ls(f"{GOOGLE_BUCKET}/{list_prefix(1000)}"))

    async def read(key: str) -> int:
        return len(await files._cat_file(f"{GOOGLE_BUCKET}/{key}"))

    async def nothing() -> None: ...

    calls.get, calls.list, calls.read, calls.close = lambda: read(SMALL), count, read, nothing
    calls.put = lambda: files._pipe_file(f"{GOOGLE_BUCKET}/put", small)
    calls.write = lambda size: files._pipe_file(f"{GOOGLE_BUCKET}/written", bytes(size))
    return calls


MAKERS = {"aiostore": aiostore_calls, "gcloud-aio": gcloud_calls, "obstore": obstore_calls, "gcsfs": gcsfs_calls}
_BLOCK = bytes(MIB)


async def work(client: str, workload: str, state: dict[str, Any]) -> dict[str, float]:
    """Do one workload; the seconds and the CPU seconds of one operation."""
    url = state["link" if workload.endswith("over the link") else "url"]
    calls = await MAKERS[client](state, url)
    count, concurrency = WORKLOADS[workload]
    call: Call = {
        "GET": calls.get,
        "PUT": calls.put,
        "list": calls.list,
        "stream": lambda: calls.read(object_key(LARGE)),
        "put": lambda: calls.write(LARGE),
    }[workload.partition(" ")[0]]
    numbers = iter(range(count))

    async def one_after_the_other() -> None:
        for _ in numbers:
            await call()

    await calls.get()
    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(one_after_the_other() for _ in range(concurrency)))
    result = {"cpu": (time.process_time() - cpu) / count, "wall": (time.perf_counter() - began) / count}
    await calls.close()
    return result


def measure(client: str, workload: str, state: Path, server: Server) -> dict[str, float] | None:
    command = (sys.executable, "-m", "benchmarks.gcs", "--work", client, workload, str(state))
    # gcsfs would ask Google's gRPC service for the kind of the bucket.
    environment = {**os.environ, "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"}
    before = server.stats()
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=LONGEST)
    except subprocess.TimeoutExpired:
        print(f"{client}: {workload}: took more than {LONGEST} s", file=sys.stderr)
        return None
    if done.returncode:
        print(f"{client}: {workload}: status {done.returncode}: {done.stderr.strip()[-300:]}", file=sys.stderr)
        return None
    found: dict[str, float] = json.loads(done.stdout)
    after, count = server.stats(), WORKLOADS[workload][0]
    if (
        after.bytes_in - before.bytes_in + after.bytes_out - before.bytes_out
        < count * MOVED[workload.partition(" ")[0]]
    ):
        raise RuntimeError(f"{client} did not do what {workload} says")
    found["busy"] = (after.cpu - before.cpu) / (found["wall"] * count)
    return found


def report(found: dict[tuple[str, str], list[dict[str, float]]]) -> None:
    def table(cell: Callable[[dict[str, float]], str]) -> None:
        print(f"| | {' | '.join(CLIENTS)} |\n|---|{'---:|' * len(CLIENTS)}")
        for workload in WORKLOADS:
            cells = []
            for client in CLIENTS:
                rounds = found.get((client, workload))
                names = ("cpu", "wall", "busy")
                medians = {name: statistics.median(one[name] for one in rounds) for name in names} if rounds else {}
                cells.append(cell(medians) if medians else "")
            print(f"| {workload} | {' | '.join(cells)} |")

    print("The median of the rounds: CPU milliseconds (and milliseconds in all) of one operation\n")
    table(lambda one: f"{one['cpu'] * 1e3:,.3f} ({one['wall'] * 1e3:,.2f})")
    print("\nThe share of the time in which the server worked\n")
    table(lambda one: f"{one['busy']:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="workloads whose names contain this")
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        client, workload, path = options.work
        print(json.dumps(asyncio.run(work(client, workload, json.loads(Path(path).read_text())))), flush=True)
        # Not every client's threads survive the end of the interpreter.
        os._exit(0)
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    sizes = (KIB, LARGE)
    with (
        serve(sizes=sizes, tls=False) as plain,
        serve(sizes=sizes, tls=False, link=LINK) as link,
        tempfile.NamedTemporaryFile("w", suffix=".json") as state,
    ):
        json.dump({"url": plain.http, "link": link.http, "account": account(plain.http), "token": "ya29.x"}, state)
        state.flush()
        for _ in range(options.rounds):
            for workload in (name for name in WORKLOADS if options.only in name):
                server = link if workload.endswith("over the link") else plain
                for client in CLIENTS:
                    if (result := measure(client, workload, Path(state.name), server)) is not None:
                        found.setdefault((client, workload), []).append(result)
    report(found)


def account(url: str) -> dict[str, str]:
    """A service account's key file, for tokens that the look-alike gives to everybody."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return {
        "type": "service_account",
        "project_id": "benchmark",
        "private_key_id": "benchmark",
        "private_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "client_email": "benchmark@benchmark.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": f"{url}/token",
    }


if __name__ == "__main__":
    main()
