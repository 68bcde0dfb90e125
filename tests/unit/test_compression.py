"""Every content encoding: there and back, in any pieces, with bounded memory, and never a wrong byte unnoticed."""

from __future__ import annotations

import asyncio
import bz2
import gzip
import lzma
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiostore import (
    ConfigurationError,
    CorruptedError,
    Limits,
    MemoryStore,
    NotSupportedError,
    StoreError,
    transcode,
)
from aiostore._engine import codecs

ENCODINGS = ["br", "bz2", "deflate", "gzip", "xz", "zstd"]
CONCATENATED = ["bz2", "gzip", "xz", "zstd"]
MIB = 1024**2


def compressed(encoding: str, data: bytes, level: int | None = None) -> bytes:
    encoder = codecs.encoder(encoding, level)
    return encoder.encode(data) + encoder.finish()


async def pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def recoded(data: bytes, source: str | None, target: str | None, size: int = 1000) -> bytes:
    return b"".join([chunk async for chunk in transcode(pieces(data, size), source, target)])


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("data", [b"", b"x", b"abc" * 700_000], ids=["nothing", "a byte", "2 MiB"])
async def test_what_was_put_compressed_comes_back(encoding: str, data: bytes) -> None:
    async with MemoryStore() as store:
        await store.put("key", data, compress=encoding)
        assert await store.get("key") == data
        assert b"".join([chunk async for chunk in store.stream("key")]) == data
        assert (await store.head("key")).content_encoding == encoding


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_any_bytes_survive_in_any_pieces(encoding: str) -> None:
    @given(
        data=st.binary(max_size=5000) | st.binary(max_size=20).map(lambda data: data * 3000), size=st.integers(1, 999)
    )
    def check(data: bytes, size: int) -> None:
        async def there_and_back() -> bytes:
            return await recoded(await recoded(data, None, encoding, size), encoding, None, size)

        assert asyncio.run(there_and_back()) == data

    check()


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("where", [0.1, 0.5, 0.999])
async def test_a_cut_is_noticed(encoding: str, where: float) -> None:
    data = compressed(encoding, bytes(range(256)) * 100)
    with pytest.raises(CorruptedError):
        await recoded(data[: int(len(data) * where)], encoding, None)


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_bytes_of_another_kind_are_noticed(encoding: str) -> None:
    async with MemoryStore() as store:
        await store.put("key", b"this is plain text" * 100, content_encoding=encoding)
        with pytest.raises(CorruptedError, match=r"'key'.*raw=True"):
            await store.get("key")
        with pytest.raises(CorruptedError):
            [chunk async for chunk in store.stream("key")]
        async with store.open("key", "rb") as file:
            with pytest.raises(CorruptedError):
                await file.read()


@pytest.mark.parametrize("encoding", CONCATENATED)
async def test_several_compressed_streams_in_a_row_are_one_object(encoding: str) -> None:
    data = compressed(encoding, b"first ") + compressed(encoding, b"second")
    for size in (1, 7, 10_000):
        assert await recoded(data, encoding, None, size) == b"first second"


async def test_other_programs_files_are_read() -> None:
    text = b"somebody else's text\n" * 1000
    for encoding, data in (("gzip", gzip.compress(text)), ("xz", lzma.compress(text)), ("bz2", bz2.compress(text))):
        assert await recoded(data, encoding, None) == text


async def test_other_programs_read_ours() -> None:
    text = b"our text\n" * 1000
    assert gzip.decompress(compressed("gzip", text)) == text
    assert lzma.decompress(compressed("xz", text)) == text
    assert bz2.decompress(compressed("bz2", text)) == text


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_a_bomb_ends_in_an_error_and_in_little_memory(encoding: str) -> None:
    encoder = codecs.encoder(encoding, None)
    bomb = b"".join([*(encoder.encode(bytes(MIB)) for _ in range(64)), encoder.finish()])
    async with MemoryStore() as filled:
        await filled.put("bomb", bomb, content_encoding=encoding)
        driver = filled._raw
    from aiostore import Store

    async with Store(driver, limits=Limits(max_decompressed_size=8 * MIB)) as store:
        tracemalloc.start()
        try:
            with pytest.raises(StoreError, match="max_decompressed_size"):
                [len(chunk) async for chunk in store.stream("bomb")]
            assert tracemalloc.get_traced_memory()[1] < 16 * MIB
            with pytest.raises(StoreError, match="max_decompressed_size"):
                await store.get("bomb")
            assert tracemalloc.get_traced_memory()[1] < 32 * MIB
        finally:
            tracemalloc.stop()


async def test_several_encodings_are_undone_in_their_order() -> None:
    async with MemoryStore() as store:
        data = compressed("bz2", compressed("gzip", b"value" * 100))
        await store.put("key", data, content_encoding="gzip, bz2")
        assert await store.get("key") == b"value" * 100


async def test_an_encoding_that_is_not_known_is_left_alone() -> None:
    async with MemoryStore() as store:
        await store.put("key", b"value", content_encoding="rot13")
        assert await store.get("key") == b"value"
        assert [chunk async for chunk in store.stream("key")] == [b"value"]


@pytest.mark.parametrize("kind", ["bytes", "bytearray", "path", "file", "iterable", "async iterable"])
async def test_every_kind_of_source_is_compressed(kind: str, tmp_path: Path) -> None:
    data = b"some text\n" * 300_000
    path = tmp_path / "file"
    path.write_bytes(data)

    def blocks() -> Iterator[bytes]:
        yield from (data[start : start + 70_000] for start in range(0, len(data), 70_000))

    with path.open("rb") as file:
        sources = {
            "bytes": data, "bytearray": bytearray(data), "path": path, "file": file, "iterable": blocks(),
            "async iterable": pieces(data, 70_000),
        }  # fmt: skip
        async with MemoryStore() as store:
            await store.put("key", sources[kind], compress="zstd", level=1)  # type: ignore[arg-type]  # the union of all
            assert await store.get("key") == data
            assert (await store.head("key")).size < len(data) / 10


async def test_a_compressed_object_is_downloaded_decoded_or_raw(tmp_path: Path) -> None:
    async with MemoryStore() as store:
        await store.put("key", b"value" * 1000, compress="gzip")
        seen: list[tuple[int, int | None]] = []
        await store.download("key", tmp_path / "decoded", progress=lambda done, total: seen.append((done, total)))
        assert (tmp_path / "decoded").read_bytes() == b"value" * 1000
        assert seen[-1] == (5000, None)
        await store.download("key", tmp_path / "raw", raw=True)
        assert gzip.decompress((tmp_path / "raw").read_bytes()) == b"value" * 1000


async def test_copies_and_appends_leave_stored_bytes_alone() -> None:
    async with MemoryStore() as store:
        await store.put("key", b"first ", compress="gzip")
        await store.copy("key", "copy")
        async with store.open("copy", "ab", content_encoding="gzip") as file:
            await file.write(gzip.compress(b"second"))
        assert await store.get("copy") == b"first second"


async def test_a_compressed_file_can_be_moved_in() -> None:
    data = b"".join(b"%06d\n" % number for number in range(500_000))
    async with MemoryStore(limits=Limits(part_size=64 * 1024)) as store:
        await store.put("key", data, compress="gzip")
        async with store.open("key", "rb") as file:
            for place in (0, 3_000_000, 70, 2_999_993, 3_499_993):
                await file.seek(place)
                assert await file.read(14) == data[place : place + 14]
            assert await file.seek(0, 2) == len(data)
            assert await file.read() == b""
            assert await file.seek(len(data) + 5) == len(data) + 5
            assert await file.read(1) == b""
            await file.seek(-7, 1)
        async with store.open("key", "rb", raw=True) as file:
            assert await file.read(2) == b"\x1f\x8b"


async def test_a_compressed_object_is_not_changed_in_place() -> None:
    async with MemoryStore() as store:
        await store.put("key", b"value", compress="gzip")
        with pytest.raises(NotSupportedError, match="write it anew with compress"):
            async with store.open("key", "r+b"):
                pass
        assert await store.get("key") == b"value"


async def test_bad_options_say_what_there_is() -> None:
    async with MemoryStore() as store:
        for options, message in (
            ({"compress": "rar"}, "unknown compression 'rar'; there are br, bz2"),
            ({"compress": "gzip", "level": 99}, "levels 0 to 9"),
            ({"level": 3}, "of no use without compress"),
            ({"compress": "gzip", "content_encoding": "gzip"}, "give one of them"),
        ):
            with pytest.raises(ConfigurationError, match=message):
                await store.put("key", b"value", **options)
            with pytest.raises(ConfigurationError, match=message):
                store.open("key", "wb", **options)
        with pytest.raises(TypeError):
            await store.put("key", "text", compress="gzip")  # type: ignore[arg-type]
        assert not await store.exists("key")


async def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codecs, "_optional", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"aiostore\[compression\]"):
        codecs.encoder("br", None)
    with pytest.raises(ConfigurationError, match=r"aiostore\[compression\]"):
        codecs.encoder("zstd", None)
    assert gzip.decompress(compressed("gzip", b"value")) == b"value"


async def test_a_failing_source_publishes_nothing() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"some"
        raise ZeroDivisionError

    async with MemoryStore() as store:
        with pytest.raises(ZeroDivisionError):
            await store.put("key", broken(), compress="gzip")
        assert not await store.exists("key")


async def test_transcoding_passes_identical_encodings_through() -> None:
    chunks = [b"not gzip", b" at all"]

    async def source() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    for encoding in ("gzip", "x-gzip"):
        assert [chunk async for chunk in transcode(source(), encoding, "gzip")] == chunks
    assert [chunk async for chunk in transcode(source(), None, "identity")] == chunks
    with pytest.raises(NotSupportedError, match="rot13"):
        [chunk async for chunk in transcode(source(), "rot13", "gzip")]


async def test_transcoding_changes_the_encoding_and_can_be_left() -> None:
    text = b"text " * 100_000
    assert await recoded(await recoded(compressed("br", text), "br", "zstd"), "zstd", None) == text
    async with aclosing(transcode(pieces(compressed("br", text), 100), "br", "gzip")) as chunks:
        async for _ in chunks:
            break
