"""Content encodings as suffixes of files: what the tools of an encoding write are objects, and the other way round."""

from __future__ import annotations

import asyncio
import bz2
import gzip
import lzma
import os
import pickle
import subprocess
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import aiostore
from aiostore import InvalidKeyError, LocalStore, MemoryStore, NotFoundError, Store, transfer
from aiostore._engine import codecs
from aiostore.drivers.local_spelling import SUFFIXED, SUFFIXES
from aiostore.errors import AlreadyExistsError, PreconditionFailedError
from tests.conformance.buckets import empty_bucket
from tests.servers.ceph import CephEndpoint

TEXT = b"some text, " * 300
WRITTEN = {"gzip": "a.gz", "br": "a.br", "zstd": "a.zstd", "xz": "a.xz", "bz2": "a.bz2"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
async def store(root: Path) -> AsyncIterator[Store]:
    async with LocalStore(root, encoding_suffixes=True) as store:
        yield store


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


async def listed(store: Store) -> dict[str, str | None]:
    return {meta.key: meta.content_encoding async for meta in store.list()}


@pytest.mark.parametrize("encoding", WRITTEN)
async def test_the_encoding_of_an_object_is_the_suffix_of_its_file(store: Store, root: Path, encoding: str) -> None:
    await store.put("a", TEXT, compress=encoding, metadata={"colour": "blue"})
    assert files(root) == {WRITTEN[encoding]}
    meta = await store.head("a")
    assert (meta.content_encoding, meta.metadata) == (encoding, {"colour": "blue"})
    assert await listed(store) == {"a": encoding}
    assert await store.get("a") == TEXT
    assert await store.get("a", raw=True) == (root / WRITTEN[encoding]).read_bytes()
    await store.delete("a")
    assert files(root) == set()


def test_suffixes_are_those_of_known_encodings() -> None:
    assert set(SUFFIXES.values()) == set(WRITTEN)
    for encoding in WRITTEN:
        assert codecs.codec(encoding).name == encoding
        assert SUFFIXES[codecs.codec(encoding).suffix] == encoding


async def test_files_of_other_tools_are_objects(store: Store, root: Path) -> None:
    (root / "sub").mkdir()
    made = {"one.txt.gz": gzip.compress(TEXT), "sub/two.bz2": bz2.compress(TEXT), "three.xz": lzma.compress(TEXT)}
    for name, encoding in {"four.zst": "zstd", "five.br": "br"}.items():
        encoder = codecs.encoder(encoding, None)
        made[name] = encoder.encode(TEXT) + encoder.finish()
    for name, data in {**made, "plain.txt": TEXT, ".gz": b"no suffix"}.items():
        (root / name).write_bytes(data)
    assert await listed(store) == {
        ".gz": None, "five": "br", "four": "zstd", "one.txt": "gzip", "plain.txt": None, "sub/two": "bz2",
        "three": "xz",
    }  # fmt: skip
    for key in ("one.txt", "sub/two", "three", "four", "five", "plain.txt"):
        assert await store.get(key) == TEXT
    assert (await store.head("one.txt")).content_type is None


async def test_the_tool_of_an_encoding_and_the_store_read_each_others_files(store: Store, root: Path) -> None:
    (root / "theirs.txt").write_bytes(TEXT)
    subprocess.run(["gzip", "-9", str(root / "theirs.txt")], check=True)
    assert await store.get("theirs.txt") == TEXT
    await store.put("ours.txt", TEXT, compress="gzip")
    subprocess.run(["gzip", "--decompress", str(root / "ours.txt.gz")], check=True)
    assert (root / "ours.txt").read_bytes() == TEXT
    assert await listed(store) == {"ours.txt": None, "theirs.txt": "gzip"}


async def test_listings_are_in_the_order_of_keys_page_by_page(root: Path) -> None:
    names = ["a.gz", "a-b", "a/b.gz", "a0", "b.br", "b", "dir/x.zstd", "dir.gz"]
    for name in names:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"")
    async with LocalStore(root, encoding_suffixes=True) as store:
        keys = ["a", "a-b", "a/b", "a0", "b", "dir", "dir/x"]
        assert [meta.key async for meta in store.list()] == keys
        for number, key in enumerate(keys):
            assert [meta.key async for meta in store.list(start_after=key)] == keys[number + 1 :]
        pages = [[meta.key for meta in page.objects] async for page in store.list_pages(limit=1)]
        assert [key for page in pages for key in page] == keys
        level = await store.list_with_delimiter()
        assert [meta.key for meta in level.objects] == ["a", "a-b", "a0", "b", "dir"]
        assert level.common_prefixes == ["a/", "dir/"]


@pytest.mark.parametrize("key", ["a.gz", "dir/a.tar.gz", "a.zst", "a.br"])
async def test_a_key_that_would_be_taken_for_another_is_refused(store: Store, root: Path, key: str) -> None:
    await store.put("b", b"")
    for write in (store.put(key, b""), store.copy("b", key), store.rename("b", key)):
        with pytest.raises(InvalidKeyError, match="content encoding"):
            await write
    with pytest.raises(NotFoundError):
        await store.get(key)
    await store.put(key, TEXT, compress="br")
    assert await store.get(key) == TEXT
    assert files(root) == {"b", f"{key}.br"}


@pytest.mark.parametrize("before", [None, "gzip", "br", "bz2"])
@pytest.mark.parametrize("after", [None, "gzip", "xz"])
async def test_a_write_replaces_the_object_whatever_its_encoding(
    store: Store, root: Path, before: str | None, after: str | None
) -> None:
    first = await store.put("a", b"old", compress=before)
    with pytest.raises(AlreadyExistsError):
        await store.put("a", b"new", compress=after, if_absent=True)
    with pytest.raises(PreconditionFailedError):
        await store.put("a", b"new", compress=after, if_match="other")
    await store.put("a", b"new", compress=after, if_match=first)
    assert await store.get("a") == b"new"
    assert len(files(root)) == 1


async def test_of_several_files_the_first_counts_and_a_write_leaves_one(store: Store, root: Path) -> None:
    (root / "a").write_bytes(b"plain")
    for name in ("a.gz", "a.bz2", "b.zst", "b.gz"):
        (root / name).write_bytes(gzip.compress(name.encode()))
    assert await listed(store) == {"a": None, "b": "gzip"}
    assert await store.get("a") == b"plain"
    assert await store.get("b") == b"b.gz"
    await store.put("b", b"new", compress="bz2")
    assert files(root) == {"a", "a.gz", "a.bz2", "b.bz2"}
    await store.rename("b", "a")
    assert (files(root), await store.get("a")) == ({"a.bz2"}, b"new")
    (root / "a.xz").write_bytes(b"hidden")
    await store.delete("a")
    assert files(root) == set()


async def test_copies_renames_and_appends_keep_the_encoding(store: Store, root: Path) -> None:
    await store.put("a", TEXT, compress="gzip", metadata={"colour": "blue"})
    await store.copy("a", "dir/copy")
    await store.rename("a", "moved", if_absent=True)
    assert files(root) == {"dir/copy.gz", "moved.gz"}
    with pytest.raises(AlreadyExistsError):
        await store.copy("moved", "dir/copy", if_absent=True)
    assert await store.get("moved") == await store.get("dir/copy") == TEXT
    assert (await store.head("moved")).metadata == {"colour": "blue"}
    await store.set_metadata("moved", content_encoding="x-other", metadata={"colour": "red"})
    assert files(root) == {"dir/copy.gz", "moved"}
    assert (await store.head("moved")).content_encoding == "x-other"
    await store.set_metadata("moved", content_encoding="gzip")
    assert await store.get("moved") == TEXT
    assert files(root) == {"dir/copy.gz", "moved.gz"}


async def test_large_writes_in_parts_are_called_so_too(root: Path) -> None:
    limits = aiostore.Limits(part_size=64 * 1024)
    async with LocalStore(root, encoding_suffixes=True, limits=limits) as store:
        data = os.urandom(300_000)
        await store.put("dir/large", data, compress="zstd")
        assert (files(root), await store.get("dir/large")) == ({"dir/large.zstd"}, data)


async def test_an_object_is_there_at_every_instant_while_its_encoding_changes(root: Path) -> None:
    stop = threading.Event()

    async def rewrite() -> None:
        async with LocalStore(root, encoding_suffixes=True, fsync=False) as store:
            while not stop.is_set():
                for encoding in ("gzip", None, "bz2", "br"):
                    await store.put("a", b"value", compress=encoding)

    async with LocalStore(root, encoding_suffixes=True) as store:
        await store.put("a", b"value")
        writer = threading.Thread(target=asyncio.run, args=(rewrite(),))
        writer.start()
        try:
            for _ in range(300):
                assert await store.get("a") == b"value"
                assert [meta.key async for meta in store.list()] == ["a"]
        finally:
            stop.set()
            writer.join()


async def test_a_tree_goes_to_a_gateway_and_back_under_the_same_names(ceph: CephEndpoint, root: Path) -> None:
    (root / "sub").mkdir()
    made = {"one.txt.gz": gzip.compress(TEXT), "sub/two.bz2": bz2.compress(TEXT), "plain.txt": TEXT}
    for name, data in made.items():
        (root / name).write_bytes(data)
    back = root.parent / "back"
    url = f"?{'encoding_suffixes=true'}"
    async with empty_bucket(ceph, "ceph") as bucket:
        assert (await transfer.copy(f"{root.as_uri()}{url}", bucket, verify=True)).copied == 3
        assert {meta.key async for meta in bucket.list()} == {"one.txt", "sub/two", "plain.txt"}
        assert (await bucket.head("one.txt")).content_encoding == "gzip"
        assert await bucket.get("one.txt") == TEXT
        assert (await transfer.copy(bucket, f"{back.as_uri()}{url}", verify=True)).copied == 3
        assert {name: (back / name).read_bytes() for name in files(back)} == made
        assert (await transfer.copy(bucket, f"{back.as_uri()}{url}")).skipped == 3
        await bucket.put("archive.tar.gz", b"not encoded")
        summary = await transfer.copy(bucket, f"{back.as_uri()}{url}")
        assert [type(failure.error) for failure in summary.failures] == [InvalidKeyError]


async def test_without_the_option_a_suffix_is_part_of_the_key(root: Path) -> None:
    async with LocalStore(root, encoding_suffixes=True) as store, LocalStore(root) as plain:
        await store.put("a", TEXT, compress="gzip")
        assert await listed(plain) == {"a.gz": None}
        assert gzip.decompress(await plain.get("a.gz")) == TEXT
        await plain.put("b", TEXT, compress="gzip")
        assert await listed(store) == {"a": "gzip", "b": None}
        assert await store.get("b") == TEXT


async def test_the_option_goes_with_siblings_and_pickles(store: Store, root: Path) -> None:
    (root / "a.gz").write_bytes(gzip.compress(TEXT))
    for other in (pickle.loads(pickle.dumps(store)), store.sibling("root"), store.with_prefix("")):
        assert await other.get("a") == TEXT


async def test_a_memory_store_is_the_same_to_callers(store: Store) -> None:
    async with MemoryStore() as memory:
        for each in (store, memory):
            await each.put("a", TEXT, compress="gzip")
            meta = await each.head("a")
            assert (meta.key, meta.content_encoding, await each.get("a")) == ("a", "gzip", TEXT)


def test_names_and_keys_are_each_others() -> None:
    for name in ("a", "a.gz", "a.gz.br", ".gz", "..gz", "a.", "a.GZ", "a.zst"):
        key, encoding = SUFFIXED.parse(name)
        assert name in SUFFIXED.variants(key)
        if not name.endswith(".zst"):
            assert SUFFIXED.file_name(key, encoding, key) == name
