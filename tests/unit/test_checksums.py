"""Checksums: the published check values, combination against an oracle, and what is loaded when."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence

import pytest
from awscrt import checksums as native
from hypothesis import given
from hypothesis import strategies as st

from aiostore import checksums
from aiostore.errors import ConfigurationError
from aiostore.types import Buffer

# https://reveng.sourceforge.io/crc-catalogue/all.htm, and RFC 1321 and FIPS 180 through coreutils.
CHECK = {
    "crc32": "cbf43926",
    "crc32c": "e3069283",
    "crc64nvme": "ae8b14860a799888",
    "crc64": "995dc9bbdf1939fa",
    "md5": "25f9e794323b453885f5181f1b624d0b",
    "sha1": "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
    "sha256": "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
}
CRCS = ("crc32", "crc32c", "crc64nvme", "crc64")


def checksum(algorithm: str, *buffers: bytes | bytearray | memoryview) -> str:
    hasher = checksums.new(algorithm)
    for buffer in buffers:
        hasher.update(buffer)
    return hasher.hexdigest()


@pytest.mark.parametrize("algorithm", CHECK)
def test_every_algorithm_gives_its_published_check_value(algorithm: str) -> None:
    assert checksum(algorithm, b"1234", bytearray(b"56"), memoryview(b"x789")[1:]) == CHECK[algorithm]


@pytest.mark.parametrize("algorithm", CRCS)
def test_the_checksum_of_nothing_has_all_its_digits(algorithm: str) -> None:
    assert checksum(algorithm) == "0" * len(CHECK[algorithm])


@pytest.mark.parametrize("algorithm", CRCS)
@given(a=st.binary(max_size=300), b=st.binary(max_size=300), repeats=st.integers(1, 1000))
def test_two_crcs_combine_to_that_of_both_parts(algorithm: str, a: bytes, b: bytes, repeats: int) -> None:
    b *= repeats
    combined = checksums.combine(algorithm, int(checksum(algorithm, a), 16), int(checksum(algorithm, b), 16), len(b))
    assert combined == int(checksum(algorithm, a, b), 16)


@given(length=st.integers(1, 5 * 1024**4), first=st.integers(0, 2**32 - 1), second=st.integers(0, 2**32 - 1))
def test_lengths_beyond_memory_combine_as_in_the_native_library(length: int, first: int, second: int) -> None:
    assert checksums.combine("crc32c", first, second, length) == native.combine_crc32c(first, second, length)


def test_the_cheapest_algorithm_is_taken_first() -> None:
    assert checksums.best(["md5", "sha256", "crc32", "crc32c", "crc64nvme"]) == "crc64nvme"
    assert checksums.best({"md5": "…", "sha1": "…", "sha256": "…"}) == "sha256"
    assert checksums.best(["sha512"]) is None


def test_an_unknown_algorithm_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"'sha512'.*crc64nvme"):
        checksums.new("sha512")


@pytest.fixture
def without_crc64(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "fastcrc", None)
    monkeypatch.setitem(sys.modules, "crcmod.crcmod", None)
    checksums._crc64.cache_clear()
    checksums._native.cache_clear()
    yield
    checksums._crc64.cache_clear()
    checksums._native.cache_clear()


@pytest.mark.usefixtures("without_crc64")
def test_crc64_without_a_native_library_is_passed_over_and_says_what_to_install() -> None:
    assert checksums.best(["crc64", "md5"]) == "md5"
    with pytest.raises(ConfigurationError, match="pip install fastcrc"):
        checksums.new("crc64")


@pytest.mark.parametrize(("size", "elsewhere"), [(1000, False), (1024**2, True)])
async def test_long_digests_are_made_in_a_worker_thread(
    monkeypatch: pytest.MonkeyPatch, size: int, elsewhere: bool
) -> None:
    threads: list[threading.Thread] = []
    update = checksums._update

    def spy(hashers: Iterable[checksums.Hasher], buffers: Sequence[Buffer]) -> None:
        threads.append(threading.current_thread())
        update(hashers, buffers)

    monkeypatch.setattr(checksums, "_update", spy)
    data = b"x" * size
    assert await checksums.digest("md5", [data[:10], data[10:]]) == checksum("md5", data)
    assert (threads[0] is not threading.current_thread()) is elsewhere


async def test_a_long_digest_leaves_the_loop_running() -> None:
    digest = asyncio.create_task(checksums.digest("sha256", [b"x" * (8 * 1024**2)]))
    turns = 0
    while not digest.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 3


def test_the_native_library_is_loaded_on_first_use_only() -> None:
    before = "import sys, aiostore.checksums; assert 'awscrt' not in sys.modules"
    after = "aiostore.checksums.new('crc32c'); assert 'awscrt' in sys.modules"
    subprocess.run([sys.executable, "-c", f"{before}; {after}"], check=True)


@given(
    data=st.binary(max_size=300), sizes=st.lists(st.integers(1, 90), min_size=1, max_size=5), cuts=st.integers(1, 50)
)
def test_md5_of_parts_is_what_s3_makes_an_etag_of(data: bytes, sizes: list[int], cuts: int) -> None:
    sizes = [*sizes, 1000]
    hasher = checksums.PartsHasher(iter(sizes))
    for start in range(0, len(data), cuts):
        hasher.update(data[start : start + cuts])
    parts = []
    rest = data
    for size in sizes:
        parts.append(hashlib.md5(rest[:size]).digest())
        rest = rest[size:]
        if not rest:
            break
    assert hasher.hexdigest() == f"{hashlib.md5(b''.join(parts)).hexdigest()}-{len(parts)}"
