"""Local files: `LocalStore` beside plain `open()` in a thread with the same durability.

Both publish a file the same way: a temporary file in the same directory, `fsync`, rename, `fsync` of the directory.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Self

from .clients import AsyncClient, Target

if TYPE_CHECKING:
    from obstore.store import LocalStore as ObstoreLocalStore

    from aiostore import Store

CHUNK = 1024 * 1024


class PlainFiles(AsyncClient):
    """`open()` in a thread: the baseline."""

    packages = ()
    note = "reads and writes in one call; streams in reads of 1 MiB; fsync, rename, fsync of the directory"
    lacks = frozenset({"put_stream", "list_keys"})

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    async def connect(cls, target: Target) -> Self:
        return cls(Path(target.root))

    async def close(self) -> None:
        return None

    async def get(self, key: str) -> int:
        return len(await asyncio.to_thread((self.root / key).read_bytes))

    async def head(self, key: str) -> int:
        return (await asyncio.to_thread((self.root / key).stat)).st_size

    async def put(self, key: str, data: bytes) -> None:
        await asyncio.to_thread(publish, self.root / key, data)

    async def read_stream(self, key: str) -> int:
        total = 0
        with await asyncio.to_thread(open, self.root / key, "rb", 0) as file:
            while chunk := await asyncio.to_thread(file.read, CHUNK):
                total += len(chunk)
        return total

    async def put_stream(self, key: str, source: AsyncIterator[bytes], part_size: int | None) -> None:
        raise NotImplementedError

    async def list_keys(self, prefix: str) -> int:
        raise NotImplementedError


class LocalStoreClient(AsyncClient):
    """aiostore's LocalStore."""

    packages = ("aiostore",)
    note = "defaults"
    lacks = frozenset({"list_keys"})

    def __init__(self, store: Store) -> None:
        self.store = store

    @classmethod
    async def connect(cls, target: Target) -> Self:
        from aiostore import LocalStore

        return cls(LocalStore(target.root))

    async def close(self) -> None:
        await self.store.aclose()

    async def get(self, key: str) -> int:
        return len(await self.store.get(key))

    async def head(self, key: str) -> int:
        return (await self.store.head(key)).size

    async def put(self, key: str, data: bytes) -> None:
        await self.store.put(key, data)

    async def read_stream(self, key: str) -> int:
        total = 0
        async for chunk in self.store.stream(key):
            total += len(chunk)
        return total

    async def put_stream(self, key: str, source: AsyncIterator[bytes], part_size: int | None) -> None:
        await self.store.put(key, source, part_size=part_size)

    async def list_keys(self, prefix: str) -> int:
        raise NotImplementedError


class ObstoreFiles(AsyncClient):
    """obstore's LocalStore."""

    packages = ("obstore",)
    note = "no fsync"
    lacks = frozenset({"list_keys"})

    def __init__(self, store: ObstoreLocalStore) -> None:
        self.store = store

    @classmethod
    async def connect(cls, target: Target) -> Self:
        from obstore.store import LocalStore

        return cls(LocalStore(target.root))

    async def close(self) -> None:
        return None

    async def get(self, key: str) -> int:
        answer = await self.store.get_async(key)
        return len(await answer.bytes_async())

    async def head(self, key: str) -> int:
        return (await self.store.head_async(key))["size"]

    async def put(self, key: str, data: bytes) -> None:
        await self.store.put_async(key, data, use_multipart=False)

    async def read_stream(self, key: str) -> int:
        total = 0
        async for chunk in await self.store.get_async(key):
            total += len(chunk)
        return total

    async def put_stream(self, key: str, source: AsyncIterator[bytes], part_size: int | None) -> None:
        await self.store.put_async(key, source)

    async def list_keys(self, prefix: str) -> int:
        raise NotImplementedError


def publish(path: Path, data: bytes) -> None:
    """Writes a file so that it is there whole and durable, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with open(temporary, "wb", 0) as file:
        rest = memoryview(data)
        while rest:
            rest = rest[file.write(rest) :]
        os.fsync(file.fileno())
    temporary.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def prepare(root: Path, size: int) -> None:
    """Puts the objects there that the workloads read, and removes what earlier rounds wrote."""
    shutil.rmtree(root / "put", ignore_errors=True)
    directory = root / "size" / str(size)
    directory.mkdir(parents=True, exist_ok=True)
    first = directory / "0"
    if not first.exists():
        first.write_bytes(bytes(range(256)) * (size // 256))
        for name in range(1, 1024):
            os.link(first, directory / str(name))
