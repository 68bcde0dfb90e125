"""Objects as private local files."""

from __future__ import annotations

import asyncio
import stat
import tempfile
from pathlib import Path

import pytest

import aiostore
from aiostore import AlreadyExistsError, ConfigurationError, MemoryStore, NotSupportedError, PreconditionFailedError, fs
from aiostore.fs.temporary import CopyMode


async def put(url: str, data: bytes) -> None:
    async with fs.open(url, "wb") as file:
        await file.write(data)


async def read(url: str) -> bytes:
    async with fs.open(url, "rb") as file:
        return await file.read()


async def test_a_copy_is_private_and_gone_afterwards(root: str) -> None:
    url = fs.join(root, "some.tar.gz")
    await put(url, b"data")
    async with aiostore.local_copy(url) as path:
        assert path.read_bytes() == b"data"
        assert path.suffixes == [".tar", ".gz"]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        path.write_bytes(b"lost")
    assert not path.parent.exists()
    assert await read(url) == b"data"


async def test_what_was_changed_is_written_back(root: str) -> None:
    url = fs.join(root, "file.json")
    async with aiostore.local_copy(url, "x") as path:
        assert path.read_bytes() == b""
        path.write_bytes(b"one")
    async with aiostore.local_copy(url, "r+") as path:
        path.write_bytes(path.read_bytes() + b" two")
    async with aiostore.local_copy(url, "a") as path:
        path.write_bytes(path.read_bytes() + b" three")
    assert await read(url) == b"one two three"
    async with aiostore.local_copy(url, "w") as path:
        assert path.read_bytes() == b""
        path.unlink()
        path.write_bytes(b"four")
    assert await read(url) == b"four"
    async with aiostore.local_copy(fs.join(root, "new"), "a") as path:
        path.write_bytes(b"five")
    assert await read(fs.join(root, "new")) == b"five"


async def test_nothing_is_written_back_after_an_error_or_a_cancellation(root: str) -> None:
    url = fs.join(root, "file")
    await put(url, b"data")
    modes: tuple[CopyMode, ...] = ("r+", "w", "a")
    for mode in modes:
        with pytest.raises(KeyError):
            async with aiostore.local_copy(url, mode) as path:
                path.write_bytes(b"broken")
                raise KeyError
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01), aiostore.local_copy(url, mode) as path:
                path.write_bytes(b"broken")
                await asyncio.Event().wait()
        assert not path.parent.exists()
    with pytest.raises(FileNotFoundError, match="gone"):
        async with aiostore.local_copy(url, "w") as path:
            path.unlink()
    assert await read(url) == b"data"


async def test_what_somebody_else_wrote_meanwhile_is_not_overwritten(root: str) -> None:
    url = fs.join(root, "file")
    await put(url, b"data")
    with pytest.raises(PreconditionFailedError):
        async with aiostore.local_copy(url, "r+") as path:
            path.write_bytes(b"mine")
            await put(url, b"theirs")
    with pytest.raises(AlreadyExistsError):
        async with aiostore.local_copy(url, "x") as path:
            path.write_bytes(b"mine")
    with pytest.raises((AlreadyExistsError, PreconditionFailedError)):
        async with aiostore.local_copy(fs.join(root, "new"), "a") as path:
            path.write_bytes(b"mine")
            await put(fs.join(root, "new"), b"theirs")
    assert await read(url) == await read(fs.join(root, "new")) == b"theirs"


@pytest.mark.parametrize(("compress", "encoding"), [(None, None), ("gzip", "gzip"), (None, "of-my-own")])
async def test_headers_metadata_and_compression_stay(compress: str | None, encoding: str | None) -> None:
    async with MemoryStore() as store:
        await store.put(
            "key",
            b"1" * 999,
            content_type="text/x-own",
            content_encoding=None if compress else encoding,
            metadata={"kept": "yes"},
            compress=compress,
        )
        async with aiostore.local_copy("key", "r+", store=store) as path:
            path.write_bytes(path.read_bytes() + b"2")
        meta = await store.head("key")
        assert await store.get("key") == b"1" * 999 + b"2"
        assert (meta.size < 100) == (compress is not None)
        assert (meta.content_type, meta.metadata, meta.content_encoding) == ("text/x-own", {"kept": "yes"}, encoding)


async def test_headers_and_metadata_stay() -> None:
    async with MemoryStore() as store:
        await store.put("key", b"1", content_type="text/x-own", metadata={"kept": "yes"})
        async with aiostore.local_copy("key", "r+", store=store) as path:
            path.write_bytes(b"2")
        meta = await store.head("key")
        assert (await store.get("key"), meta.content_type, meta.metadata) == (b"2", "text/x-own", {"kept": "yes"})


@pytest.mark.parametrize("mode", ["r", "r+"])
async def test_a_missing_object_leaves_nothing(root: str, mode: CopyMode) -> None:
    with pytest.raises(FileNotFoundError):
        async with aiostore.local_copy(fs.join(root, "missing"), mode):
            pass
    assert not list(Path(tempfile.gettempdir()).iterdir())


async def test_a_wrong_mode_or_a_directory_is_told(memory: str) -> None:
    with pytest.raises(ConfigurationError, match="the modes are"):
        async with aiostore.local_copy(f"{memory}/key", "rb"):  # type: ignore[arg-type]  # the point of the test
            pass
    with pytest.raises(IsADirectoryError):
        async with aiostore.local_copy(f"{memory}/directory/"):
            pass


@pytest.mark.parametrize("key", ["a.../x", "x.", "x.sh;rm", "x." + "y" * 300, "..", "x.a\0b"])
async def test_a_key_chooses_no_more_than_a_harmless_suffix(key: str) -> None:
    async with MemoryStore() as store:
        await store.put(key, b"")
        async with aiostore.local_copy(key, store=store) as path:
            assert path.name == "object"


async def test_a_service_that_cannot_create_only_says_so(s3: str) -> None:
    blind = s3.replace("&dialect=ceph", "")
    with pytest.raises(NotSupportedError):
        async with aiostore.local_copy(fs.join(blind, "new"), "x") as path:
            path.write_bytes(b"")
