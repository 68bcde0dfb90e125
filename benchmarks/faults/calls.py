"""The calls that are compared: each client used as its documentation shows it, with its defaults."""

from __future__ import annotations

import asyncio
import io
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
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


class S3fs(Client):
    name = "s3fs"
    packages = ("s3fs", "fsspec")
    reads = ("cat_file", "cat_ranges", "get_file")
    uploads = "blocking"

    async def open(self) -> None:
        import s3fs

        endpoint = self.endpoint
        self.filesystem: Any = s3fs.S3FileSystem(
            asynchronous=True,
            skip_instance_cache=True,
            key=endpoint.access_key_id,
            secret=endpoint.secret_access_key,
            endpoint_url=self.url,
            client_kwargs={"region_name": endpoint.region},
            config_kwargs={"s3": {"addressing_style": "path"}, **_checksums(endpoint)},
        )
        await self.filesystem.set_session()
        self.stack.push_async_callback(self.filesystem._s3.close)

    def _path(self, key: str) -> str:
        return f"{self.bucket}/{key}"

    async def read(self, call: str, key: str, directory: Path) -> bytes:
        match call:
            case "cat_file":
                found: bytes = await self.filesystem._cat_file(self._path(key))
                return found
            case "cat_ranges":
                starts, ends = (list(side) for side in zip(*RANGES, strict=True))
                paths = [self._path(key)] * len(RANGES)
                return b"".join(await self.filesystem._cat_ranges(paths, starts, ends, on_error="raise"))
            case _:
                await self.filesystem._get_file(self._path(key), str(directory / "file"))
                return (directory / "file").read_bytes()

    async def create(self, key: str, data: bytes) -> None:
        await self.filesystem._pipe_file(self._path(key), data, mode="create")

    async def put(self, key: str, data: bytes) -> None:
        await self.filesystem._pipe_file(self._path(key), data)

    async def upload(self, key: str, pieces: AsyncIterator[bytes]) -> None:
        # Its own way to write what comes piece by piece.
        def write(data: list[bytes], failure: BaseException | None) -> None:
            with blocking.open(self._path(key), "wb", block_size=PART) as file:
                for piece in data:
                    file.write(piece)
                if failure is not None:
                    raise failure

        import s3fs

        endpoint = self.endpoint
        blocking: Any = s3fs.S3FileSystem(
            skip_instance_cache=True,
            key=endpoint.access_key_id,
            secret=endpoint.secret_access_key,
            endpoint_url=self.url,
            client_kwargs={"region_name": endpoint.region},
            config_kwargs={"s3": {"addressing_style": "path"}, **_checksums(endpoint)},
        )
        collected: list[bytes] = []
        failure: BaseException | None = None
        try:
            async for piece in pieces:
                collected += [piece]
        except Exception as error:
            failure = error
        await asyncio.to_thread(write, collected, failure)


def _checksums(endpoint: S3Endpoint) -> Mapping[str, str]:
    """An old Ceph does not know the checksums that botocore sends by default."""
    return {"request_checksum_calculation": "when_required"} if "Ceph" in endpoint.server else {}


class Boto3(Client):
    name = "boto3"
    packages = ("boto3", "botocore", "s3transfer")
    reads = ("get_object", "download_fileobj", "download_file")
    uploads = "blocking"

    async def open(self) -> None:
        import boto3
        from botocore.config import Config

        endpoint = self.endpoint
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=endpoint.region,
            aws_access_key_id=endpoint.access_key_id,
            aws_secret_access_key=endpoint.secret_access_key,
            config=Config(s3={"addressing_style": "path"}, **_checksums(endpoint)),
        )
        self.stack.callback(self.client.close)

    async def read(self, call: str, key: str, directory: Path) -> bytes:
        return await asyncio.to_thread(self._read, call, key, directory)

    def _read(self, call: str, key: str, directory: Path) -> bytes:
        match call:
            case "get_object":
                found: bytes = self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
                return found
            case "download_fileobj":
                file = io.BytesIO()
                self.client.download_fileobj(self.bucket, key, file)
                return file.getvalue()
            case _:
                self.client.download_file(self.bucket, key, str(directory / "file"))
                return (directory / "file").read_bytes()

    async def create(self, key: str, data: bytes) -> None:
        await asyncio.to_thread(self.client.put_object, Bucket=self.bucket, Key=key, Body=data, IfNoneMatch="*")

    async def put(self, key: str, data: bytes) -> None:
        await asyncio.to_thread(self.client.put_object, Bucket=self.bucket, Key=key, Body=data)

    async def upload(self, key: str, pieces: AsyncIterator[bytes]) -> None:
        from boto3.s3.transfer import TransferConfig

        collected: list[bytes] = []
        failure: BaseException | None = None
        try:
            async for piece in pieces:
                collected += [piece]
        except Exception as error:
            failure = error
        config = TransferConfig(multipart_chunksize=PART)
        source: Any = _Source(b"".join(collected), failure)
        await asyncio.to_thread(self.client.upload_fileobj, source, self.bucket, key, Config=config)


class _Source(io.RawIOBase):
    """A file that fails where its bytes end, if there is a failure."""

    def __init__(self, data: bytes, failure: BaseException | None) -> None:
        self._data = io.BytesIO(data)
        self._failure = failure

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        piece = self._data.read(size)
        if not piece and self._failure is not None:
            raise self._failure
        return piece


class Aiobotocore(Client):
    name = "aiobotocore"
    packages = ("aiobotocore",)
    reads = ("get_object", "iterate over the body", "several get_object")
    uploads = "none"

    async def open(self) -> None:
        from aiobotocore.config import AioConfig
        from aiobotocore.session import get_session

        endpoint = self.endpoint
        self.client: Any = await self.stack.enter_async_context(
            get_session().create_client(
                "s3",
                endpoint_url=self.url,
                region_name=endpoint.region,
                aws_access_key_id=endpoint.access_key_id,
                aws_secret_access_key=endpoint.secret_access_key,
                config=AioConfig(s3={"addressing_style": "path"}, **_checksums(endpoint)),
            )
        )

    async def read(self, call: str, key: str, directory: Path) -> bytes:
        match call:
            case "get_object":
                return await self._get(key)
            case "iterate over the body":
                answer = await self.client.get_object(Bucket=self.bucket, Key=key)
                async with answer["Body"] as body:
                    return b"".join([chunk async for chunk in body.iter_chunks(MIB)])
            case _:
                return b"".join(
                    await asyncio.gather(*(self._get(key, Range=f"bytes={start}-{stop - 1}") for start, stop in RANGES))
                )

    async def _get(self, key: str, **options: str) -> bytes:
        answer = await self.client.get_object(Bucket=self.bucket, Key=key, **options)
        async with answer["Body"] as body:
            found: bytes = await body.read()
            return found

    async def create(self, key: str, data: bytes) -> None:
        await self.client.put_object(Bucket=self.bucket, Key=key, Body=data, IfNoneMatch="*")

    async def put(self, key: str, data: bytes) -> None:
        await self.client.put_object(Bucket=self.bucket, Key=key, Body=data)

    async def upload(self, key: str, pieces: AsyncIterator[bytes]) -> None:
        where = {"Bucket": self.bucket, "Key": key}
        checksum = {} if "Ceph" in self.endpoint.server else {"ChecksumAlgorithm": "CRC32"}
        answer = await self.client.create_multipart_upload(**where, **checksum)
        upload = {**where, "UploadId": answer["UploadId"]}
        data = b"".join([piece async for piece in pieces])
        parts = [
            await self._part(upload, number, data[start : start + PART])
            for number, start in enumerate(range(0, len(data), PART), start=1)
        ]
        await self.client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})

    async def _part(self, upload: Mapping[str, str], number: int, data: bytes) -> dict[str, Any]:
        answer = await self.client.upload_part(**upload, PartNumber=number, Body=data)
        names = ("ETag", *(name for name in answer if name.startswith("Checksum") and name != "ChecksumType"))
        return {"PartNumber": number, **{name: answer[name] for name in names}}


CLIENTS: Sequence[type[Client]] = (Aiostore, Obstore, Opendal, S3fs, Boto3, Aiobotocore)

IN_RANGES = frozenset({"get_ranges", "get_ranges, integrity='require'", "cat_ranges", "several get_object"})
"""The calls that return RANGES instead of the whole object."""
