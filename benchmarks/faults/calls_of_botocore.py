"""The calls of the clients that are made of botocore, with their defaults."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.faults.calls import MIB, PART, RANGES, Client
from tests.servers.server import S3Endpoint


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

    async def size(self, key: str) -> int:
        return int((await self.filesystem._info(self._path(key), refresh=True))["size"])

    async def list(self, prefix: str) -> set[str]:
        found = await self.filesystem._find(self._path(prefix), refresh=True)
        return {path.partition("/")[2] for path in found}

    async def copy(self, source: str, target: str) -> None:
        await self.filesystem._cp_file(self._path(source), self._path(target))

    async def delete(self, key: str) -> None:
        await self.filesystem._rm_file(self._path(key))


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

    async def size(self, key: str) -> int:
        return int((await asyncio.to_thread(self.client.head_object, Bucket=self.bucket, Key=key))["ContentLength"])

    async def list(self, prefix: str) -> set[str]:
        answer = await asyncio.to_thread(self.client.list_objects_v2, Bucket=self.bucket, Prefix=prefix)
        return {entry["Key"] for entry in answer.get("Contents", ())}

    async def copy(self, source: str, target: str) -> None:
        where = {"Bucket": self.bucket, "Key": source}
        await asyncio.to_thread(self.client.copy_object, Bucket=self.bucket, Key=target, CopySource=where)

    async def delete(self, key: str) -> None:
        await asyncio.to_thread(self.client.delete_object, Bucket=self.bucket, Key=key)


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

    async def size(self, key: str) -> int:
        return int((await self.client.head_object(Bucket=self.bucket, Key=key))["ContentLength"])

    async def list(self, prefix: str) -> set[str]:
        answer = await self.client.list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return {entry["Key"] for entry in answer.get("Contents", ())}

    async def copy(self, source: str, target: str) -> None:
        where = {"Bucket": self.bucket, "Key": source}
        await self.client.copy_object(Bucket=self.bucket, Key=target, CopySource=where)

    async def delete(self, key: str) -> None:
        await self.client.delete_object(Bucket=self.bucket, Key=key)
