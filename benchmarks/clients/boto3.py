"""boto3, the AWS SDK, in threads."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, Self

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from . import Target, ThreadClient


class Boto3Client(ThreadClient):
    packages = ("boto3", "botocore", "s3transfer")
    note = "threads for tasks; 64 pooled connections; streams with `download_fileobj`, 10 ranges at a time"

    def __init__(self, client: Any, bucket: str) -> None:
        self.client, self.bucket = client, bucket

    @classmethod
    def connect(cls, target: Target) -> Self:
        client = boto3.client(
            "s3",
            endpoint_url=target.endpoint,
            region_name=target.region,
            aws_access_key_id=target.access_key_id,
            aws_secret_access_key=target.secret_access_key,
            verify=target.ca_bundle or None,
            config=Config(max_pool_connections=64, s3={"addressing_style": "path"}),
        )
        return cls(client, target.bucket)

    def close(self) -> None:
        self.client.close()

    def get(self, key: str) -> int:
        return len(self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read())

    def head(self, key: str) -> int:
        return int(self.client.head_object(Bucket=self.bucket, Key=key)["ContentLength"])

    def put(self, key: str, data: bytes) -> None:
        self.client.put_object(Bucket=self.bucket, Key=key, Body=data)

    def read_stream(self, key: str) -> int:
        sink = Sink()
        self.client.download_fileobj(self.bucket, key, sink)
        return sink.total

    def put_stream(self, key: str, source: Iterator[bytes], part_size: int | None) -> None:
        config = TransferConfig() if part_size is None else TransferConfig(multipart_chunksize=part_size)
        self.client.upload_fileobj(Source(source), self.bucket, key, Config=config)

    def list_keys(self, prefix: str) -> int:
        count = 0
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
            for _meta in page.get("Contents", ()):
                count += 1
        return count


class Sink(io.RawIOBase):
    """Counts what is written, in order: it cannot seek."""

    def __init__(self) -> None:
        self.total = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self.total += len(data)
        return len(data)


class Source(io.RawIOBase):
    """A file that reads what an iterator yields."""

    def __init__(self, source: Iterator[bytes]) -> None:
        self.source = source
        self.rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        held, have = [self.rest], len(self.rest)
        while size < 0 or have < size:
            chunk = next(self.source, None)
            if chunk is None:
                break
            held.append(chunk)
            have += len(chunk)
        joined = b"".join(held)
        if size < 0:
            size = have
        self.rest = joined[size:]
        return joined[:size]
