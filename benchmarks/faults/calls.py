"""The calls that are compared: each client used as its documentation shows it, with its defaults.

Those that are made of botocore are in ``calls_of_botocore``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from tests.servers.server import S3Endpoint

if TYPE_CHECKING:
    from aiostore import Store

MIB = 1024**2
PART = 8 * MIB
RANGES = [(0, 4 * MIB), (8 * MIB, 12 * MIB), (16 * MIB, 20 * MIB)]
"""Too far from each other to be read as one."""


class Client(ABC):
    """``reads`` names the calls that return an object of 20 MiB, ``writes`` those that write one.

    A read returns the bytes that it got. ``read ranges`` returns those of RANGES, one after the other.
    """

    name: ClassVar[str]
    packages: ClassVar[Sequence[str]]
    reads: ClassVar[Sequence[str]]
    uploads: ClassVar[Literal["async", "blocking", "none"]] = "async"
    """How it streams an upload by itself; what blocks cannot be cancelled."""

    def __init__(self, endpoint: S3Endpoint, url: str, bucket: str) -> None:
        self.endpoint, self.url, self.bucket = endpoint, url, bucket
        self.stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stack.aclose()

    @abstractmethod
    async def open(self) -> None:
        """Connect."""

    @abstractmethod
    async def read(self, call: str, key: str, directory: Path) -> bytes: ...

    @abstractmethod
    async def create(self, key: str, data: bytes) -> None:
        """Write the object unless it exists."""

    @abstractmethod
    async def put(self, key: str, data: bytes) -> None:
        """Write a small object."""

    @abstractmethod
    async def upload(self, key: str, pieces: AsyncIterator[bytes]) -> None:
        """Write a large object, as it comes, in parts of 8 MiB."""

    @abstractmethod
    async def size(self, key: str) -> int: ...

    @abstractmethod
    async def list(self, prefix: str) -> set[str]:
        """The keys below the prefix."""

    @abstractmethod
    async def copy(self, source: str, target: str) -> None: ...

    @abstractmethod
    async def delete(self, key: str) -> None: ...


class Aiostore(Client):
    name = "aiostore"
    packages = ("aiostore", "aiohttp")
    reads = ("get", "stream", "get_ranges", "get_ranges, integrity='require'", "download")

    async def open(self) -> None:
        from aiostore import S3Store

        endpoint = self.endpoint

        def connect(integrity: Literal["auto", "require"]) -> Store:
            return S3Store(
                self.bucket,
                endpoint=self.url,
                region=endpoint.region,
                access_key_id=endpoint.access_key_id,
                secret_access_key=endpoint.secret_access_key,
                dialect="ceph" if "Ceph" in endpoint.server else "localstack",
                integrity=integrity,
            )

        self.store = await self.stack.enter_async_context(connect("auto"))
        self.strict = await self.stack.enter_async_context(connect("require"))

    async def read(self, call: str, key: str, directory: Path) -> bytes:
        match call:
            case "get":
                return await self.store.get(key)
            case "stream":
                return b"".join([chunk async for chunk in self.store.stream(key)])
            case "get_ranges":
                return b"".join(await self.store.get_ranges(key, RANGES))
            case "get_ranges, integrity='require'":
                return b"".join(await self.strict.get_ranges(key, RANGES))
            case _:
                await self.store.download(key, directory / "file")
                return (directory / "file").read_bytes()

    async def create(self, key: str, data: bytes) -> None:
        await self.store.put(key, data, if_absent=True)

    async def put(self, key: str, data: bytes) -> None:
        await self.store.put(key, data)

    async def upload(self, key: str, pieces: AsyncIterator[bytes]) -> None:
        await self.store.put(key, pieces, part_size=PART)

    async def size(self, key: str) -> int:
        return await self.store.size(key)

    async def list(self, prefix: str) -> set[str]:
        return {meta.key async for meta in self.store.list(prefix)}

    async def copy(self, source: str, target: str) -> None:
        await self.store.copy(source, target)

    async def delete(self, key: str) -> None:
        await self.store.delete(key)


class Obstore(Client):
    name = "obstore"
    packages = ("obstore",)
    reads = ("get", "stream", "get_ranges")

    async def open(self) -> None:
        from obstore.store import S3Store

        endpoint = self.endpoint
        self.store = S3Store(
            self.bucket,
            config={
                "endpoint": self.url,
                "region": endpoint.region,
                "access_key_id": endpoint.access_key_id,
                "secret_access_key": endpoint.secret_access_key,
                "virtual_hosted_style_request": False,
            },
            client_options={"allow_http": True},
        )

    async def read(self, call: str, key: str, directory: Path) -> bytes:
        match call:
            case "get":
                return bytes(await (await self.store.get_async(key)).bytes_async())
            case "stream":
                return b"".join([bytes(chunk) async for chunk in await self.store.get_async(key)])
            case _:
                starts, ends = zip(*RANGES, strict=True)
                return b"".join(map(bytes, await self.store.get_ranges_async(key, starts=starts, ends=ends)))

    async def create(self, key: str, data: bytes) -> None:
        await self.store.put_async(key, data, mode="create")

    async def put(self, key: str, data: bytes) -> None:
        await self.store.put_async(key, data)

    async def upload(self, key: str, pieces: AsyncIterator[bytes]) -> None:
        await self.store.put_async(key, pieces, chunk_size=PART)

    async def size(self, key: str) -> int:
        return (await self.store.head_async(key))["size"]

    async def list(self, prefix: str) -> set[str]:
        return {meta["path"] async for page in self.store.list(prefix) for meta in page}

    async def copy(self, source: str, target: str) -> None:
        await self.store.copy_async(source, target)

    async def delete(self, key: str) -> None:
        await self.store.delete_async(key)


class Opendal(Client):
    name = "opendal"
    packages = ("opendal",)
    reads = ("read", "read in chunks", "open")

    async def open(self) -> None:
        import opendal

        endpoint = self.endpoint
        operator = opendal.AsyncOperator(
            "s3",
            bucket=self.bucket,
            endpoint=self.url,
            region=endpoint.region,
            access_key_id=endpoint.access_key_id,
            secret_access_key=endpoint.secret_access_key,
            disable_config_load="true",
            disable_ec2_metadata="true",
        )
        # Without its layer it does not retry at all.
        self.operator = operator.layer(opendal.layers.RetryLayer())

    async def read(self, call: str, key: str, directory: Path) -> bytes:
        match call:
            case "read":
                return bytes(await self.operator.read(key))
            case "read in chunks":
                return bytes(await self.operator.read(key, chunk=PART, concurrent=4))
            case _:
                file = await self.operator.open(key, "rb")
                data = bytes(await file.read())
                await file.close()
                return data

    async def create(self, key: str, data: bytes) -> None:
        await self.operator.write(key, data, if_not_exists=True)

    async def put(self, key: str, data: bytes) -> None:
        await self.operator.write(key, data)

    async def upload(self, key: str, pieces: AsyncIterator[bytes]) -> None:
        file: Any = await self.operator.open(key, "wb", chunk=PART)
        async with file:
            async for piece in pieces:
                await file.write(piece)

    async def size(self, key: str) -> int:
        return (await self.operator.stat(key)).content_length

    async def list(self, prefix: str) -> set[str]:
        return {entry.path async for entry in await self.operator.list(prefix) if not entry.path.endswith("/")}

    async def copy(self, source: str, target: str) -> None:
        await self.operator.copy(source, target)

    async def delete(self, key: str) -> None:
        await self.operator.delete(key)
