"""A wrong byte of an object that was written in parts is found by what the service keeps of the parts."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path

import boto3
import pytest

from aiostore import CorruptedError, Limits, NotSupportedError
from aiostore._engine.own_write import PART_SIZE
from tests.faults.conftest import existing
from tests.faults.table.backend import PART, Settings
from tests.faults.table.cells import Cell, behind_proxy, payload
from tests.faults.table.s3 import LOCALSTACK, S3, S3_PART, S3Bucket
from tests.faults.test_flips import flip
from tests.servers.swift import SwiftEndpoint


async def test_an_object_of_several_parts_is_proved_by_its_etag(ceph_bucket: S3Bucket, tmp_path: Path) -> None:
    async with behind_proxy(ceph_bucket, tmp_path) as cell:
        await cell.store.put("object", cell.parts, part_size=S3_PART)
        assert PART_SIZE not in (await cell.store.head("object")).metadata
        await check_etag(cell)

        async def pieces() -> AsyncIterator[bytes]:
            yield cell.parts

        await cell.store.put("object", pieces(), part_size=S3_PART)
        await check_etag(cell)


async def test_what_is_known_of_the_parts_stays_when_the_metadata_is_changed(
    ceph_bucket: S3Bucket, tmp_path: Path
) -> None:
    async with behind_proxy(ceph_bucket, tmp_path) as cell:
        await cell.store.put("object", cell.parts, part_size=S3_PART, metadata={"old": "value"})
        await cell.store.set_metadata("object", metadata={"new": "value"})
        assert (await cell.store.head("object")).metadata == {"new": "value"}
        stream = cell.store.stream("object")
        assert b"".join([chunk async for chunk in stream]) == cell.parts
        assert stream.verified == "md5-of-parts"


async def test_without_integrity_nothing_is_computed(ceph_bucket: S3Bucket, tmp_path: Path) -> None:
    async with behind_proxy(ceph_bucket, tmp_path, Settings(integrity="off")) as cell:
        await cell.store.put("object", cell.parts, part_size=S3_PART)
        stream = cell.store.stream("object")
        assert b"".join([chunk async for chunk in stream]) == cell.parts
        assert stream.verified is None


async def check_etag(cell: Cell) -> None:
    flip(cell, "get_range", PART // 2, nth=5)
    assert await cell.store.get("object") == cell.parts
    stream = cell.store.stream("object")
    assert b"".join([chunk async for chunk in stream]) == cell.parts
    assert stream.verified == "md5-of-parts"
    flip(cell, "get_range", PART // 2, nth=7)
    with pytest.raises(CorruptedError):
        assert [chunk async for chunk in cell.store.stream("object")]


async def test_parts_of_unknown_size_prove_nothing(ceph_bucket: S3Bucket, tmp_path: Path) -> None:
    async with behind_proxy(ceph_bucket, tmp_path) as cell:
        await written_by_another(ceph_bucket, cell, {})
        stream = cell.store.stream("object")
        assert b"".join([chunk async for chunk in stream]) == cell.parts
        assert stream.verified is None
        assert await cell.store.get("object") == cell.parts
    async with behind_proxy(ceph_bucket, tmp_path, Settings(integrity="require")) as cell:
        await written_by_another(ceph_bucket, cell, {})
        with pytest.raises(NotSupportedError):
            await cell.store.get("object")
        # Whoever copied an object in other parts took its metadata along.
        await written_by_another(ceph_bucket, cell, {PART_SIZE: str(2 * S3_PART)})
        with pytest.raises(NotSupportedError):
            await cell.store.get("object")


class SwiftS3(S3):
    """Swift by S3's requests: it keeps no checksum but the ETag, and tells the size of each part."""

    name = "swift"


@pytest.fixture(scope="module")
def swift_s3_bucket(swift_s3: SwiftEndpoint) -> Iterator[S3Bucket]:
    yield from existing(S3Bucket(backend=SwiftS3(), endpoint=swift_s3, name=f"faults-{secrets.token_hex(6)}"))


@pytest.mark.parametrize("sizes", [(S3_PART, S3_PART, 1000), (S3_PART + 1000, S3_PART, 7)], ids=["equal", "unequal"])
async def test_an_object_that_others_wrote_in_parts_is_proved_where_the_service_tells_their_sizes(
    sizes: Sequence[int], swift_s3_bucket: S3Bucket, tmp_path: Path
) -> None:
    required, limits = Settings(integrity="require"), Limits(part_size=2 * 1024**2)
    async with behind_proxy(swift_s3_bucket, tmp_path) as cell:
        assert cell.proxy is not None
        data = payload(sum(sizes), 5)
        await asyncio.to_thread(_write, swift_s3_bucket, cell.prefix + "object", data, {}, None, sizes)
        async with swift_s3_bucket.backend.store(
            swift_s3_bucket, cell.prefix, required, cell.proxy.url, limits
        ) as store:
            flip(cell, "get_range", 1000, nth=2)
            assert await store.get("object") == data
            flip(cell, "get", 1000)
            await store.download("object", tmp_path / "file")
            assert (tmp_path / "file").read_bytes() == data
            flip(cell, "get_range", 1000, nth=3)
            stream = store.stream("object")
            with pytest.raises(CorruptedError):
                assert [chunk async for chunk in stream]
            async with store.open("object", "rb") as file:
                assert await file.read() == data
            stream = store.stream("object")
            assert b"".join([chunk async for chunk in stream]) == data
            assert stream.verified == "md5-of-parts"


async def test_composite_checksums_let_a_stream_heal(localstack_bucket: S3Bucket, tmp_path: Path) -> None:
    """Other clients write them: the parts have checksums, and the whole has none."""
    for algorithm in ("SHA256", "CRC32"):
        async with behind_proxy(localstack_bucket, tmp_path) as cell:
            await written_by_another(localstack_bucket, cell, {}, algorithm)
            assert cell.proxy is not None
            limits = Limits(part_size=S3_PART, reads=4)
            required = Settings(integrity="require")
            async with LOCALSTACK.store(localstack_bucket, cell.prefix, required, cell.proxy.url, limits) as store:
                for primitive in ("get", "get_range"):
                    flip(cell, primitive, 1000)
                    stream = store.stream("object")
                    assert b"".join([chunk async for chunk in stream]) == cell.parts
                    assert stream.verified == algorithm.lower()
                assert await store.get("object") == cell.parts


async def written_by_another(
    bucket: S3Bucket, cell: Cell, metadata: Mapping[str, str], algorithm: str | None = None
) -> None:
    """The object in two parts, by another client."""
    await asyncio.to_thread(_write, bucket, cell.prefix + "object", cell.parts, dict(metadata), algorithm)


def _write(
    bucket: S3Bucket,
    key: str,
    data: bytes,
    metadata: dict[str, str],
    algorithm: str | None,
    sizes: Sequence[int] = (S3_PART, S3_PART),
) -> None:
    endpoint = bucket.endpoint
    client = boto3.client(
        "s3",
        endpoint_url=endpoint.url,
        aws_access_key_id=endpoint.access_key_id,
        aws_secret_access_key=endpoint.secret_access_key,
        region_name=endpoint.region,
    )
    where = {"Bucket": bucket.name, "Key": key}
    composite = {} if algorithm is None else {"ChecksumAlgorithm": algorithm, "ChecksumType": "COMPOSITE"}
    checked = {} if algorithm is None else {"ChecksumAlgorithm": algorithm}
    upload = {"UploadId": client.create_multipart_upload(**where, **composite, Metadata=metadata)["UploadId"]}
    parts = []
    for number, (start, size) in enumerate(zip(accumulate(sizes, initial=0), sizes, strict=False), 1):
        body = data[start : start + size]
        sent = client.upload_part(**where, **upload, **checked, PartNumber=number, Body=body)
        kept = {name: value for name, value in sent.items() if name == "ETag" or name.startswith("Checksum")}
        parts.append({"PartNumber": number, **kept})
    client.complete_multipart_upload(**where, **upload, MultipartUpload={"Parts": parts})
    client.close()


async def test_an_object_of_several_parts_is_proved_by_its_combined_checksum(
    localstack_bucket: S3Bucket, tmp_path: Path
) -> None:
    async with behind_proxy(localstack_bucket, tmp_path) as cell:
        await cell.direct.put("object", cell.parts, part_size=S3_PART)
        flip(cell, "get_range", PART // 2, nth=5)
        assert await cell.store.get("object") == cell.parts
        stream = cell.store.stream("object")
        assert b"".join([chunk async for chunk in stream]) == cell.parts
        assert stream.verified == "crc64nvme"
