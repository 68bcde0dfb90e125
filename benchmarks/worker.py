"""The process of one client: reads commands on standard input, one JSON object a line, and answers each with one."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, TextIO

from .clients import AsyncClient, Target, ThreadClient, find_client
from .server import list_prefix, pin
from .workloads import WORKLOADS, Result, Workload, measure_async, measure_threads


def commands(lines: TextIO) -> Iterator[float]:
    """How long each measurement shall take, in seconds, until the input ends."""
    for line in lines:
        yield float(json.loads(line))


def ready() -> None:
    """Tells that everything is imported and connected: nobody is measured while another still does that."""
    print(json.dumps({"ready": True}), flush=True)


def answer(result: Result) -> None:
    print(json.dumps(asdict(result)), flush=True)


def refuse(error: Exception) -> None:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    print(json.dumps({"error": f"{type(error).__name__}: {error}"[:500]}), flush=True)


async def serve_async(kind: type[AsyncClient], target: Target, work: Workload) -> None:
    client = await kind.connect(target)
    ready()
    try:
        for seconds in commands(sys.stdin):
            try:
                answer(await measure_async(client, work, list_prefix(work.size), seconds))
            except Exception as error:
                refuse(error)
    finally:
        await client.close()


def serve_threads(kind: type[ThreadClient], target: Target, work: Workload) -> None:
    client = kind.connect(target)
    ready()
    try:
        for seconds in commands(sys.stdin):
            try:
                answer(measure_threads(client, work, list_prefix(work.size), seconds))
            except Exception as error:
                refuse(error)
    finally:
        client.close()


def main() -> None:
    setup: dict[str, Any] = json.loads(sys.stdin.readline())
    pin(0, setup["cores"])
    target = Target(**setup["target"])
    work = next(work for work in WORKLOADS if work.name == setup["workload"])
    kind = find_client(setup["client"], local=bool(target.root))
    if issubclass(kind, AsyncClient):
        factory = None
        if setup["loop"] == "uvloop" and importlib.util.find_spec("uvloop"):
            import uvloop

            factory = uvloop.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(serve_async(kind, target, work))
    else:
        serve_threads(kind, target, work)


if __name__ == "__main__":
    main()
