"""Libraries that take files, over objects of a real S3 service."""

from __future__ import annotations

import csv
import gzip
import io
import json
import pickle
import secrets
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import aiostore
from aiostore import Limits, S3Store
from aiostore.blocking import BlockingStore
from tests.servers.ceph import CephEndpoint

MIB = 1024**2
ROWS = 2000


@pytest.fixture(scope="module")
def store(ceph: CephEndpoint) -> Iterator[BlockingStore]:
    below = S3Store(
        f"libraries-{secrets.token_hex(8)}",
        endpoint=ceph.url,
        region=ceph.region,
        access_key_id=ceph.access_key_id,
        secret_access_key=ceph.secret_access_key,
        dialect="ceph",
        limits=Limits(part_size=5 * MIB),
    )
    with aiostore.blocking.wrap(below) as store:
        store.create_container()
        yield store
        store.delete_container(force=True)


def frame() -> pd.DataFrame:
    return pd.DataFrame({"number": range(ROWS), "text": [f"été {number}" for number in range(ROWS)]})


def test_pandas_reads_and_writes_csv(store: BlockingStore) -> None:
    with store.open("a.csv", "w") as file:
        frame().to_csv(file, index=False)
    with store.open("a.csv") as file:
        pd.testing.assert_frame_equal(pd.read_csv(file), frame())
    with store.open("a.csv", "rb") as binary:
        pd.testing.assert_frame_equal(pd.read_csv(binary), frame())
        assert not binary.closed


def test_pandas_reads_and_writes_parquet(store: BlockingStore) -> None:
    with store.open("a.parquet", "wb") as file:
        frame().to_parquet(file)
    with store.open("a.parquet", "rb") as read:
        pd.testing.assert_frame_equal(pd.read_parquet(read), frame())
        read.seek(0)
        assert list(pd.read_parquet(read, columns=["number"])) == ["number"]


def test_csv_reads_and_writes_rows(store: BlockingStore) -> None:
    rows = [["a", "b\nc", 'd"e'], ["1", "2", "3"]]
    with store.open("rows.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    with store.open("rows.csv", newline="") as file:
        assert list(csv.reader(file)) == rows


def test_pickle_and_json_dump_and_load(store: BlockingStore) -> None:
    value = {"numbers": list(range(ROWS)), "text": "é" * 1000, "buffer": "x" * 3_000_000}
    with store.open("pickle", "wb") as file:
        pickle.dump(value, file)
    with store.open("pickle", "rb") as read:
        assert pickle.load(read) == value
    with store.open("json", "w") as text:
        json.dump(value, text)
    with store.open("json") as text:
        assert json.load(text) == value


def test_zipfile_writes_reads_and_reads_one_member_alone(store: BlockingStore) -> None:
    noise = secrets.token_bytes(2 * MIB)
    with store.open("a.zip", "wb") as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr("noise", noise)
        archive.writestr("small.txt", b"small" * 1000, zipfile.ZIP_DEFLATED)
        archive.writestr("more", noise)
    with store.open("a.zip", "rb") as read, zipfile.ZipFile(read) as archive:
        assert archive.namelist() == ["noise", "small.txt", "more"]
        assert archive.read("small.txt") == b"small" * 1000
        assert archive.testzip() is None


def test_tarfile_writes_and_reads(store: BlockingStore, tmp_path: Path) -> None:
    (tmp_path / "member").write_bytes(b"member" * 100_000)
    for mode, key in (("w", "a.tar"), ("w:gz", "a.tar.gz"), ("w|", "stream.tar")):
        with store.open(key, "wb") as file, tarfile.open(fileobj=file, mode=mode) as archive:  # type: ignore[call-overload]  # each is one that it takes
            archive.add(tmp_path / "member", "member")
        with store.open(key, "rb") as read, tarfile.open(fileobj=read) as archive:
            member = archive.extractfile("member")
            assert member is not None
            assert member.read() == b"member" * 100_000


def test_gzip_writes_and_reads(store: BlockingStore) -> None:
    data = b"line\n" * 300_000
    with store.open("a.gz", "wb") as file, gzip.open(file, "wb") as packed:
        packed.write(data)
    with store.open("a.gz", "rb") as read, gzip.open(read) as unpacked:
        assert unpacked.read() == data
    with store.open("a.gz", "rb") as read, gzip.open(read, "rt") as lines:
        assert sum(1 for _ in lines) == 300_000


def test_copyfileobj_copies_both_ways(store: BlockingStore, tmp_path: Path) -> None:
    data = secrets.token_bytes(12 * MIB)
    (tmp_path / "source").write_bytes(data)
    with open(tmp_path / "source", "rb") as source, store.open("copied", "wb") as file:
        shutil.copyfileobj(source, file)
    target = io.BytesIO()
    with store.open("copied", "rb") as read:
        shutil.copyfileobj(read, target)
    assert target.getvalue() == data


def test_pillow_saves_and_opens_images(store: BlockingStore) -> None:
    image = Image.linear_gradient("L")
    for kind in ("png", "jpeg"):
        with store.open(f"image.{kind}", "wb") as file:
            image.save(file, kind)
        with store.open(f"image.{kind}", "rb") as read, Image.open(read) as again:
            assert (again.format, again.size) == (kind.upper(), (256, 256))
            again.load()


def test_numpy_saves_and_loads(store: BlockingStore) -> None:
    array = np.arange(500_000).reshape(500, 1000)
    with store.open("a.npy", "wb") as file:
        np.save(file, array)
    with store.open("a.npy", "rb") as read:
        assert (np.load(read) == array).all()
    with store.open("a.npz", "wb") as file:
        np.savez_compressed(file, array=array, other=array[:3])
    with store.open("a.npz", "rb") as read, np.load(read) as loaded:
        assert (loaded["other"] == array[:3]).all()
