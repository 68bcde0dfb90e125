"""The clients that are compared: one module each, all with the same few operations, so that all do the same work.

`AsyncClient` runs on an event loop with as many tasks as a workload wants; `ThreadClient` blocks and gets as many
threads. Each is used the way its documentation shows first, with its defaults, unless its `note` says otherwise.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """Where a client works: an S3 endpoint, or a local directory."""

    endpoint: str = ""
    bucket: str = ""
    region: str = "us-east-1"
    access_key_id: str = "benchmark"
    secret_access_key: str = "benchmark-secret"
    ca_bundle: str = ""
    """PEM file of the authority that signed the endpoint's certificate; empty for plain HTTP or a public one."""
    root: str = ""
    """Local directory, when the target is one."""

    @property
    def encrypted(self) -> bool:
        return self.endpoint.startswith("https:")


class AsyncClient(ABC):
    """A client on an event loop."""

    packages: ClassVar[tuple[str, ...]]
    """Distributions whose versions belong beside the result."""
    note: ClassVar[str] = ""
    """What this client does differently from the others, for the reader of the table."""
    lacks: ClassVar[frozenset[str]] = frozenset()
    """Operations it does not have."""

    @classmethod
    @abstractmethod
    async def connect(cls, target: Target) -> Self: ...

    @abstractmethod
    async def close(self) -> None: ...

    @abstractmethod
    async def get(self, key: str) -> int:
        """Reads a whole object into memory; its length."""

    @abstractmethod
    async def head(self, key: str) -> int:
        """The object's size, from the service and not from a cache."""

    @abstractmethod
    async def put(self, key: str, data: bytes) -> None: ...

    @abstractmethod
    async def read_stream(self, key: str) -> int:
        """Consumes an object in order, chunk by chunk, with the client's defaults; the number of bytes."""

    @abstractmethod
    async def put_stream(self, key: str, source: AsyncIterator[bytes], part_size: int | None) -> None:
        """Uploads what an async iterator yields, in parts of `part_size` bytes or the client's own."""

    @abstractmethod
    async def list_keys(self, prefix: str) -> int:
        """Iterates over every object under a prefix; how many."""


class ThreadClient(ABC):
    """A blocking client; every operation may be called from many threads at once."""

    packages: ClassVar[tuple[str, ...]]
    note: ClassVar[str] = ""
    lacks: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    @abstractmethod
    def connect(cls, target: Target) -> Self: ...

    @abstractmethod
    def close(self) -> None: ...

    @abstractmethod
    def get(self, key: str) -> int: ...

    @abstractmethod
    def head(self, key: str) -> int: ...

    @abstractmethod
    def put(self, key: str, data: bytes) -> None: ...

    @abstractmethod
    def read_stream(self, key: str) -> int: ...

    @abstractmethod
    def put_stream(self, key: str, source: Iterator[bytes], part_size: int | None) -> None: ...

    @abstractmethod
    def list_keys(self, prefix: str) -> int: ...


ClientType = type[AsyncClient] | type[ThreadClient]

S3_CLIENTS = {
    "aiostore": "benchmarks.clients.aiostore:AiostoreClient",
    "aiostore-aws": "benchmarks.clients.aiostore:AiostoreAwsClient",
    "obstore": "benchmarks.clients.obstore:ObstoreClient",
    "obstore-unsigned": "benchmarks.clients.obstore:ObstoreUnsignedClient",
    "opendal": "benchmarks.clients.opendal:OpendalClient",
    "aiobotocore": "benchmarks.clients.aiobotocore:AiobotocoreClient",
    "boto3": "benchmarks.clients.boto3:Boto3Client",
    "s3fs": "benchmarks.clients.s3fs:S3fsClient",
    "aiohttp": "benchmarks.clients.aiohttp:AiohttpClient",
}
AZURE_CLIENTS = {
    "aiostore-azure": "benchmarks.clients.azure:AiostoreAzureClient",
    "obstore-azure": "benchmarks.clients.azure:ObstoreAzureClient",
    "azure-sdk": "benchmarks.clients.azure:SdkClient",
}
OSS_CLIENTS = {
    "aiostore-oss": "benchmarks.clients.oss:AiostoreOSSClient",
    "oss2": "benchmarks.clients.oss:Oss2Client",
    "oss-v2": "benchmarks.clients.oss:OssV2Client",
}
WIRE_CLIENTS = {**S3_CLIENTS, **AZURE_CLIENTS, **OSS_CLIENTS}
"""Whatever works against the server; those of Azure and OSS only where they are asked for."""

LOCAL_CLIENTS = {
    "aiostore": "benchmarks.local:LocalStoreClient",
    "open-in-thread": "benchmarks.local:PlainFiles",
    "obstore": "benchmarks.local:ObstoreFiles",
}


def find_client(name: str, *, local: bool = False) -> ClientType:
    """The class behind a name. Raises: ImportError if what it measures is not installed."""
    module, _, attribute = (LOCAL_CLIENTS if local else WIRE_CLIENTS)[name].partition(":")
    found = getattr(importlib.import_module(module), attribute)
    assert isinstance(found, type)
    assert issubclass(found, AsyncClient | ThreadClient)
    return found


def version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "source tree" if (Path(__file__).parents[2] / "src" / package).exists() else "not installed"
