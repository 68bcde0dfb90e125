"""Checksums: computed natively, named as in ``ObjectMeta.checksums``, CRCs combined by arithmetic.

CRC32C and CRC64-NVME come from awscrt (0.03 ms/MiB), CRC32 from zlib (0.2 ms/MiB), SHA-1, SHA-256 and MD5 from hashlib
(0.5, 0.5 and 1.2 ms/MiB); all of them free the GIL while they work. CRC64 (ECMA-182, as xz and OSS use it) is computed
where a native library for it is installed: fastcrc (0.06 ms/MiB), or the compiled crcmod that OSS's SDK brings
(2 ms/MiB); both keep the GIL.
"""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Iterator, Sequence
from contextlib import aclosing, suppress
from functools import cache, lru_cache
from importlib import import_module
from typing import Final, Protocol, TypeAlias, cast

from aiostore.body import Body
from aiostore.errors import ConfigurationError
from aiostore.types import Buffer

PREFERENCE: Final = ("crc64nvme", "crc32c", "crc32", "crc64", "sha256", "sha1", "md5")
"""The algorithms that can be computed, those that cost least first; crc64 only if a library for it is installed."""

LOOP_LIMITS: Final = {"md5": 128 * 1024, "sha1": 256 * 1024, "sha256": 256 * 1024, "crc32": 1024**2}
"""Bytes that take an algorithm about 0.15 ms, a few times what a worker thread costs; 4 MiB for the others."""

_LOOP_LIMIT: Final = 4 * 1024**2

_Update: TypeAlias = Callable[[Buffer, int], int]

_POLYNOMIALS: Final = {
    # Reflected, as the CRCs are: https://reveng.sourceforge.io/crc-catalogue/all.htm
    "crc32": (32, 0xEDB88320),
    "crc32c": (32, 0x82F63B78),
    "crc64nvme": (64, 0x9A6C9329AC4BC9B5),
    "crc64": (64, 0xC96C5795D7870F42),
}


MD5_OF_PARTS: Final = "md5-of-parts"
"""The MD5 of the MD5s of an object's parts, and their number: S3's ETag of it. Who knows the parts can compute it."""


class Hasher(Protocol):
    """A checksum being computed."""

    def update(self, data: Buffer, /) -> None:
        """Add bytes."""
        ...

    def hexdigest(self) -> str:
        """The checksum of all bytes so far, in lower-case hexadecimal digits."""
        ...


class _Crc:
    __slots__ = ("_update", "_value", "_width")

    def __init__(self, update: _Update, width: int) -> None:
        self._update = update
        self._value = 0
        self._width = width

    def update(self, data: Buffer, /) -> None:
        self._value = self._update(data, self._value)

    def hexdigest(self) -> str:
        return f"{self._value:0{self._width // 4}x}"


class PartsHasher:
    """Computes MD5_OF_PARTS of parts of these sizes; the last one takes what is left."""

    __slots__ = ("_count", "_digests", "_left", "_part", "_sizes")

    def __init__(self, sizes: Iterator[int]) -> None:
        self._sizes = sizes
        self._digests = bytearray()
        self._count = 0
        self._begin()

    def _begin(self) -> None:
        self._part = new("md5")
        self._count += 1
        self._left = next(self._sizes)

    def update(self, data: Buffer, /) -> None:
        """Add bytes."""
        view = memoryview(data)
        while view:
            if not self._left:
                self._digests += bytes.fromhex(self._part.hexdigest())
                self._begin()
            piece, view = view[: self._left], view[self._left :]
            self._part.update(piece)
            self._left -= len(piece)

    def hexdigest(self) -> str:
        """The digest, a dash and the number of parts."""
        whole = new("md5")
        whole.update(self._digests + bytes.fromhex(self._part.hexdigest()))
        return f"{whole.hexdigest()}-{self._count}"


def best(available: Collection[str]) -> str | None:
    """The algorithm to verify with, of those ``available``; None if none of them can be computed here."""
    for algorithm in PREFERENCE:
        if algorithm in available and (algorithm != "crc64" or _crc64() is not None):
            return algorithm
    return None


def new(algorithm: str) -> Hasher:
    """Begin a checksum.

    Raises:
        ConfigurationError: if the algorithm is unknown, or is crc64 and no library for it is installed.
    """
    if algorithm == "md5":
        return hashlib.md5(usedforsecurity=False)
    if algorithm == "sha256":
        return hashlib.sha256()
    if algorithm == "sha1":
        return hashlib.sha1(usedforsecurity=False)
    if algorithm in _POLYNOMIALS:
        return _Crc(_native(algorithm), _POLYNOMIALS[algorithm][0])
    raise ConfigurationError(f"checksum {algorithm!r} cannot be computed; there are {', '.join(PREFERENCE)}")


def of(algorithm: str, data: Buffer) -> str:
    """The checksum of a few bytes, in lower-case hexadecimal digits.

    Raises:
        ConfigurationError: as for `new`.
    """
    if algorithm in _POLYNOMIALS:
        return f"{_native(algorithm)(data, 0):0{_POLYNOMIALS[algorithm][0] // 4}x}"
    hasher = new(algorithm)
    hasher.update(data)
    return hasher.hexdigest()


async def digest(algorithm: str, buffers: Sequence[Buffer]) -> str:
    """The checksum of all ``buffers``, in lower-case hexadecimal digits; in a worker thread if it takes a while.

    Raises:
        ConfigurationError: as for `new`.
    """
    hasher = new(algorithm)
    if sum(memoryview(buffer).nbytes for buffer in buffers) <= LOOP_LIMITS.get(algorithm, _LOOP_LIMIT):
        _update((hasher,), buffers)
    else:
        await asyncio.to_thread(_update, (hasher,), buffers)
    return hasher.hexdigest()


async def digests(algorithms: Collection[str], body: Body) -> dict[str, str]:
    """Several checksums of a body, by their algorithms; in worker threads as for `digest`.

    Raises:
        ConfigurationError: as for `new`.
        OSError: if the body cannot be read.
    """
    hashers = {algorithm: new(algorithm) for algorithm in algorithms}
    buffers = body.buffers
    if buffers is not None:
        if body.size <= min(LOOP_LIMITS.get(algorithm, _LOOP_LIMIT) for algorithm in algorithms):
            _update(hashers.values(), buffers)
        else:
            await asyncio.to_thread(_update, hashers.values(), buffers)
    else:
        # The cast: a generator must be closed, which the type AsyncIterator does not tell.
        async with aclosing(cast("AsyncGenerator[Buffer, None]", body.chunks())) as chunks:
            async for chunk in chunks:
                await asyncio.to_thread(_update, hashers.values(), (chunk,))
    return {algorithm: hasher.hexdigest() for algorithm, hasher in hashers.items()}


def _update(hashers: Iterable[Hasher], buffers: Sequence[Buffer]) -> None:
    for buffer in buffers:
        for hasher in hashers:
            hasher.update(buffer)


@cache
def _native(algorithm: str) -> _Update:
    if algorithm == "crc32":
        return zlib.crc32
    if algorithm == "crc64":
        if (found := _crc64()) is None:
            raise ConfigurationError("checksum 'crc64' needs a native library: pip install fastcrc")
        return found
    from awscrt import checksums as crt

    update: _Update = crt.crc32c if algorithm == "crc32c" else crt.crc64nvme
    return update


@cache
def _crc64() -> _Update | None:
    """The CRC of ECMA-182, reflected and inverted, as in xz; None if only pure Python could compute it."""
    # Neither is a dependency, so neither's types are there to be checked.
    with suppress(ImportError):
        fast: _Update = import_module("fastcrc").crc64.xz
        return fast
    with suppress(ImportError):
        crcmod = import_module("crcmod.crcmod")
        if crcmod._usingExtension:
            compiled: _Update = crcmod.mkCrcFun(0x1_42F0_E1EB_A9EA_3693, initCrc=0, rev=True, xorOut=(1 << 64) - 1)
            return compiled
    return None


def combinable(algorithm: str) -> bool:
    """Whether the checksum of a whole follows from those of its ranges."""
    return algorithm in _POLYNOMIALS


def combine(algorithm: str, first: int, second: int, length: int) -> int:
    """The CRC of ``a + b``, out of that of ``a``, that of ``b``, and ``len(b)``.

    Appending ``length`` zero bytes to ``a`` multiplies its polynomial by x**(8 * length); the rest is addition.
    """
    return _multiply(algorithm, _power(algorithm, 8 * length), first) ^ second


def combine_digests(algorithm: str, digests: Sequence[tuple[str, int]]) -> str:
    """The CRC of a whole in hexadecimal digits, out of those of its pieces in order, each with its size."""
    first, _ = digests[0]
    whole = int(first, 16)
    for piece, size in digests[1:]:
        whole = combine(algorithm, whole, int(piece, 16), size)
    return f"{whole:0{len(first)}x}"


def _multiply(algorithm: str, left: int, right: int) -> int:
    """The product of two polynomials, modulo the CRC's; bits are reflected, so the highest stands for x**0."""
    width, polynomial = _POLYNOMIALS[algorithm]
    bit = 1 << (width - 1)
    product = 0
    while left:
        if left & bit:
            product ^= right
            left ^= bit
        bit >>= 1
        right = (right >> 1) ^ (polynomial if right & 1 else 0)
    return product


@lru_cache(maxsize=256)
def _power(algorithm: str, exponent: int) -> int:
    """x**exponent, modulo the CRC's polynomial. Ranges of one read have one length, so it is asked for again."""
    width, _ = _POLYNOMIALS[algorithm]
    result = 1 << (width - 1)
    square = 1 << (width - 2)
    while exponent:
        if exponent & 1:
            result = _multiply(algorithm, square, result)
        square = _multiply(algorithm, square, square)
        exponent >>= 1
    return result
