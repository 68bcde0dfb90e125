"""aiostore, opendal and fsspec over one nginx, interleaved round by round: `python -m benchmarks.http`.

Each client works in a process of its own, for a fixed number of operations; what is compared is that process's CPU time
for one operation, which a busy machine disturbs less than the time that passes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

KIB, MIB = 1024, 1024**2
CLIENTS = ("aiostore", "opendal", "fsspec")

# What is done, how often, and how many at once.
WORKLOADS: dict[str, tuple[int, int]] = {
    "GET 1 KiB": (6000, 32),
    "GET 1 KiB, one after the other": (2000, 1),
    "HEAD": (6000, 32),
    "range of 4 KiB": (6000, 32),
    "GET 16 MiB": (24, 2),
    "list 1000": (60, 1),
    "PUT 1 KiB (WebDAV)": (2000, 32),
}
Call = Callable[[int], Awaitable[object]]


async def aiostore_calls(url: str, dav: str) -> tuple[dict[str, Call], Callable[[], Awaitable[None]]]:
    from aiostore import HTTPStore

    store, writer = HTTPStore(url), HTTPStore(dav, webdav=True)
    index = HTTPStore(url.replace("/served/", "/html/"))

    async def listing(_: int) -> int:
        return len((await index.list_with_delimiter("many/")).objects)

    calls: dict[str, Call] = {
        "GET": lambda _: store.get("small"),
        "HEAD": lambda _: store.head("small"),
        "range": lambda number: store.get_range("large", number * 4096, number * 4096 + 4096),
        "GET 16 MiB": lambda _: store.get("large"),
        "list": listing,
        "PUT": lambda number: writer.put(f"put-{number}", bytes(KIB)),
    }

    async def close() -> None:
        for opened in (store, writer, index):
            await opened.aclose()

    return calls, close


async def opendal_calls(url: str, dav: str) -> tuple[dict[str, Call], Callable[[], Awaitable[None]]]:
    import opendal

    endpoint, root = url.split("/served/", maxsplit=1)[0], "/served/"
    store = opendal.AsyncOperator("http", endpoint=endpoint, root=root)
    writer = opendal.AsyncOperator("webdav", endpoint=dav.split("/dav/", maxsplit=1)[0], root="/dav/")

    async def head(_: int) -> object:
        return await store.stat("small")

    async def get_range(number: int) -> object:
        return await store.read("large", offset=number * 4096, size=4096)

    calls: dict[str, Call] = {
        "GET": lambda _: store.read("small"),
        "HEAD": head,
        "range": get_range,
        "GET 16 MiB": lambda _: store.read("large"),
        "PUT": lambda number: writer.write(f"put-{number}", bytes(KIB)),
    }

    async def close() -> None:
        """Nothing is to be closed."""

    return calls, close


async def fsspec_calls(url: str, dav: str) -> tuple[dict[str, Call], Callable[[], Awaitable[None]]]:
    from fsspec.implementations.http import HTTPFileSystem

    store = HTTPFileSystem(asynchronous=True, use_listings_cache=False)
    session = await store.set_session()
    html = url.replace("/served/", "/html/")
    calls: dict[str, Call] = {
        "GET": lambda _: store._cat_file(url + "small"),
        "HEAD": lambda _: store._info(url + "small"),
        "range": lambda number: store._cat_file(url + "large", start=number * 4096, end=number * 4096 + 4096),
        "GET 16 MiB": lambda _: store._cat_file(url + "large"),
        "list": lambda _: store._ls(html + "many/", detail=True),
    }
    return calls, session.close


async def work(client: str, workload: str, url: str, dav: str) -> dict[str, float]:
    """Do one workload; the seconds and the CPU seconds of one operation."""
    made: Any = {"aiostore": aiostore_calls, "opendal": opendal_calls, "fsspec": fsspec_calls}[client]
    calls, close = await made(url, dav)
    kind = next(name for name in ("GET 16 MiB", "GET", "HEAD", "range", "list", "PUT") if workload.startswith(name))
    call = calls[kind]
    count, concurrency = WORKLOADS[workload]
    numbers = iter(range(count))

    async def one_after_the_other() -> None:
        for number in numbers:
            await call(number % 4000)

    await call(0)
    await asyncio.gather(*(call(number) for number in range(concurrency)))
    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(one_after_the_other() for _ in range(concurrency)))
    result = {"cpu": (time.process_time() - cpu) / count, "wall": (time.perf_counter() - began) / count}
    await close()
    return result


def measure(client: str, workload: str, url: str, dav: str) -> dict[str, float] | None:
    command = (sys.executable, "-m", "benchmarks.http", "--work", client, workload, url, dav)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    if done.returncode:
        print(f"{client}: {workload}: status {done.returncode}: {done.stderr.strip()[-300:]}", file=sys.stderr)
        return None
    found: dict[str, float] = json.loads(done.stdout)
    return found


def report(found: dict[tuple[str, str], list[dict[str, float]]]) -> None:
    print("CPU microseconds (and microseconds in all) of one operation, the median of the rounds\n")
    print(f"| | {' | '.join(CLIENTS)} |\n|---|{'---:|' * len(CLIENTS)}")
    for workload in WORKLOADS:
        cells = []
        for client in CLIENTS:
            rounds = found.get((client, workload))
            if not rounds:
                cells.append("")
                continue
            cpu, wall = (statistics.median(result[name] for result in rounds) * 1e6 for name in ("cpu", "wall"))
            cells.append(f"{cpu:,.0f} ({wall:,.0f})")
        print(f"| {workload} | {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="workloads whose names contain this")
    parser.add_argument("--work", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        print(json.dumps(asyncio.run(work(*options.work))))
        return
    from tests.servers.nginx import Nginx

    with Nginx() as server:
        endpoint = server.start()
        root = Path(endpoint.root, "served")
        (root / "many").mkdir(parents=True)
        (root / "small").write_bytes(os.urandom(KIB))
        (root / "large").write_bytes(os.urandom(16 * MIB))
        for number in range(1000):
            (root / "many" / f"file-{number:04}.txt").write_bytes(b"")
        # The index is below /html/, where the same files are.
        (Path(endpoint.root) / "many").symlink_to(root / "many")
        found: dict[tuple[str, str], list[dict[str, float]]] = {}
        for _ in range(options.rounds):
            for workload in WORKLOADS:
                for client in CLIENTS:
                    missing = {"opendal": "list", "fsspec": "PUT"}.get(client)
                    known = missing is None or missing not in workload
                    if options.only in workload and known:
                        result = measure(client, workload, f"{endpoint.url}/served/", endpoint.dav_url)
                        if result is not None:
                            found.setdefault((client, workload), []).append(result)
    report(found)


if __name__ == "__main__":
    main()
