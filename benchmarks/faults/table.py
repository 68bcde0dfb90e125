"""The project's own table of faults for any client: operation x fault x client, generated from the lists of each.

The faults are those of ``tests/faults/table`` that happen on the wire. Left out are those that act in the process of
aiostore itself (its clocks, names, credentials and disk), and stalls, which every client gives up by limits of its own.
"""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from aiostore import NotFoundError, Store
from benchmarks.faults.calls import MIB, RANGES, Client
from benchmarks.faults.calls_of_botocore import Boto3
from benchmarks.faults.clients import SEVERAL
from tests.faults.proxy import FaultProxy, Rule
from tests.faults.relay import Request
from tests.faults.table.backend import Backend
from tests.faults.table.cells import Cell, cell_on
from tests.faults.table.faults import FAULTS, READS, GivenUp, Replaced, TableFault
from tests.faults.table.s3 import S3Bucket

DEADLINE = 60.0
NOT_STRUCK = "-"
HEALS = "heals"

ON_THE_WIRE = tuple(
    fault for fault in FAULTS if fault.on_the_wire is not TableFault.on_the_wire and not issubclass(fault, GivenUp)
)
"""The faults that a proxy can do to anybody."""


@dataclass(frozen=True, slots=True)
class Data:
    """What is read and written."""

    large: bytes
    small: bytes
    old: bytes = b"as it was before"


class Operation(ABC):
    """One call of a client on keys below a prefix; ``name`` stands in the table."""

    name: ClassVar[str]
    wrong: ClassVar[str] = "not done"
    """What it is called if no error tells that it went wrong."""

    async def prepare(self, store: Store, data: Data) -> None:
        """Make what it needs, beside the fault."""
        await store.put("object", data.old)

    @abstractmethod
    async def act(self, client: Client, prefix: str, data: Data) -> object:
        """Do it."""

    @abstractmethod
    async def is_right(self, store: Store, result: object, data: Data) -> bool:
        """Whether the result, and what is visible now, is what was asked for."""

    async def is_done(self, store: Store, data: Data) -> bool:
        """Whether it was carried out although it failed."""
        return await self.is_right(store, None, data)


class ReadOnce(Operation):
    name = "read by one request"
    wrong = "wrong bytes"

    async def prepare(self, store: Store, data: Data) -> None:
        await store.put("object", self.bytes_of(data))

    def bytes_of(self, data: Data) -> bytes:
        return data.small

    def call(self, client: Client) -> str:
        return client.reads[0]

    async def act(self, client: Client, prefix: str, data: Data) -> object:
        with tempfile.TemporaryDirectory() as directory:
            return await client.read(self.call(client), f"{prefix}object", Path(directory))

    async def is_right(self, store: Store, result: object, data: Data) -> bool:
        whole = self.bytes_of(data)
        # An object that was replaced is read as it was before or as it is after, never as a mixture.
        states = (whole, bytes(len(whole)))
        return result in states or result in [b"".join(state[start:stop] for start, stop in RANGES) for state in states]

    async def is_done(self, store: Store, data: Data) -> bool:
        return False


class ReadSeveral(ReadOnce):
    name = "read by several requests"

    def bytes_of(self, data: Data) -> bytes:
        return data.large

    def call(self, client: Client) -> str:
        return SEVERAL[client.name]


class Put(Operation):
    name = "put"
    wrong = "writes wrong bytes"

    async def act(self, client: Client, prefix: str, data: Data) -> object:
        await client.put(f"{prefix}object", data.small)
        return None

    def written(self, data: Data) -> bytes:
        return data.small

    async def is_right(self, store: Store, result: object, data: Data) -> bool:
        return await visible(store, "object") == self.written(data)


class Create(Put):
    name = "create-only put"

    async def prepare(self, store: Store, data: Data) -> None:
        """Nothing: there must be no object."""

    async def act(self, client: Client, prefix: str, data: Data) -> object:
        await client.create(f"{prefix}object", data.small)
        return None


class Upload(Put):
    name = "upload in parts"

    def written(self, data: Data) -> bytes:
        return data.large

    async def act(self, client: Client, prefix: str, data: Data) -> object:
        async def pieces() -> AsyncIterator[bytes]:
            for start in range(0, len(data.large), MIB):
                yield data.large[start : start + MIB]

        await client.upload(f"{prefix}object", pieces())
        return None


class Copy(Operation):
    name = "copy"

    async def act(self, client: Client, prefix: str, data: Data) -> object:
        await client.copy(f"{prefix}object", f"{prefix}target")
        return None

    async def is_right(self, store: Store, result: object, data: Data) -> bool:
        return await visible(store, "target") == data.old


class Delete(Operation):
    name = "delete"

    async def act(self, client: Client, prefix: str, data: Data) -> object:
        await client.delete(f"{prefix}object")
        return None

    async def is_right(self, store: Store, result: object, data: Data) -> bool:
        return await visible(store, "object") is None


class Size(Operation):
    name = "size"
    wrong = "another size"

    async def act(self, client: Client, prefix: str, data: Data) -> object:
        return await client.size(f"{prefix}object")

    async def is_right(self, store: Store, result: object, data: Data) -> bool:
        return result == len(data.old)


class List(Operation):
    name = "list"
    wrong = "other keys"

    async def act(self, client: Client, prefix: str, data: Data) -> object:
        return {key.removeprefix(prefix) for key in await client.list(prefix)}

    async def is_right(self, store: Store, result: object, data: Data) -> bool:
        return result == {"object"}


OPERATIONS: Sequence[Operation] = (
    ReadOnce(), ReadSeveral(), Put(), Create(), Upload(), Copy(), Delete(), Size(), List(),
)  # fmt: skip


async def visible(store: Store, key: str) -> bytes | None:
    """The object as everybody sees it; None if there is none."""
    try:
        return await store.get(key)
    except NotFoundError:
        return None


class Table:
    """Tries every cell on one bucket, the clients beside each other."""

    def __init__(self, bucket: S3Bucket, clients: Sequence[type[Client]], data: Data) -> None:
        self._bucket = bucket
        self._clients = clients
        self._data = data

    async def rows(self, operation: Operation) -> dict[str, list[str]]:
        """What each client makes of each fault."""
        shared = f"{secrets.token_hex(6)}/"
        async with self._bucket.backend.direct(self._bucket, shared) as store:
            if isinstance(operation, ReadOnce):
                # By boto3, so that the object has the checksum that most clients know.
                async with Boto3(self._bucket.endpoint, self._bucket.endpoint.url, self._bucket.name) as writer:
                    await writer.put(f"{shared}object", operation.bytes_of(self._data))
            found = {}
            for fault in ON_THE_WIRE:
                prefix = shared if isinstance(operation, ReadOnce) and not issubclass(fault, Replaced) else None
                cells = (self._verdict(operation, fault(), kind, prefix) for kind in self._clients)
                found[fault.name] = list(await asyncio.gather(*cells))
            await store.delete("object")
        return found

    async def _verdict(self, operation: Operation, fault: TableFault, kind: type[Client], shared: str | None) -> str:
        """What a client makes of a fault, which strikes the first request of each primitive that it can happen to."""
        bucket, data = self._bucket, self._data
        backend, prefix = bucket.backend, shared or f"{secrets.token_hex(6)}/"
        async with AsyncExitStack() as stack:
            store = await stack.enter_async_context(backend.direct(bucket, prefix))
            proxy = await stack.enter_async_context(FaultProxy(backend.url(bucket)))
            client = await stack.enter_async_context(kind(bucket.endpoint, proxy.url, bucket.name))
            if shared is None:
                await operation.prepare(store, data)
            cell = cell_on(bucket, store, store, Path(), prefix, proxy)
            cell.small, cell.large = data.small, data.large
            if await store.exists("object"):
                cell.metas["object"] = await store.head("object")
            rules = strike(cell, fault, isinstance(operation, ReadOnce))
            try:
                async with asyncio.timeout(DEADLINE):
                    result: object = await operation.act(client, prefix, data)
            except Exception as error:
                result = error
            if not any(rule.applied for rule in rules):
                return NOT_STRUCK
            found = await judged(operation, store, result, data)
            if shared is None:
                found += await cleaned(store)
            return found


def strike(cell: Cell, fault: TableFault, reads: bool) -> list[Rule]:
    """Tell the proxy what is to happen."""
    assert cell.backend is not None
    assert cell.proxy is not None
    backend, rules = cell.backend, []
    for primitive in sorted(fault.strikes(backend)):
        if not reads and fault.primitives and fault.primitives <= READS:
            continue
        happening = fault.on_the_wire(cell, primitive)
        if happening is not None:
            rules.append(cell.proxy.inject(happening, when=_is(backend, primitive), times=fault.times))
    return rules


def _is(backend: Backend, primitive: str) -> Callable[[Request], bool]:
    return lambda request: backend.primitive_of(request) == primitive


async def judged(operation: Operation, store: Store, result: object, data: Data) -> str:
    """The outcome, in a word or two."""
    if not isinstance(result, Exception):
        return HEALS if await operation.is_right(store, result, data) else f"**{operation.wrong}**"
    if type(result) is TimeoutError:
        return f"hangs ({DEADLINE:g} s)"
    return f"raises `{type(result).__name__}`" + (" although done" if await operation.is_done(store, data) else "")


async def cleaned(store: Store) -> str:
    """Delete all that was made; says if an upload was left."""
    uploads = [upload async for upload in store.uploads()]
    for upload in uploads:
        await store.abort_upload(upload)
    for key in [meta.key async for meta in store.list()]:
        await store.delete(key)
    return ", **leaves an upload**" if uploads else ""


async def report(bucket: S3Bucket, clients: Sequence[type[Client]], data: Data) -> None:
    """Print the table of each operation; what all clients heal stands below it."""
    for operation in OPERATIONS:
        found = await Table(bucket, clients, data).rows(operation)
        struck = {fault: cells for fault, cells in found.items() if set(cells) != {NOT_STRUCK}}
        shown = {fault: cells for fault, cells in struck.items() if set(cells) - {HEALS, NOT_STRUCK}}
        lines = [[operation.name, *(kind.name for kind in clients)], ["---"] * (len(clients) + 1)]
        lines += [[fault, *cells] for fault, cells in shown.items()]
        print("\n".join("| " + " | ".join(line) + " |" for line in lines))
        print(f"\nHealed by all: {', '.join(fault for fault in struck if fault not in shown)}.\n", flush=True)
