"""Checksums: computed natively, named as in ``ObjectMeta.checksums``, CRCs combined by arithmetic.

CRC32C and CRC64-NVME come from awscrt (26 GiB/s, without the GIL), CRC32 from zlib, MD5 and SHA from hashlib. CRC64
(ECMA-182, as xz and OSS use it) needs a native library that is not required here, so it is reported and not computed.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Collection
from functools import lru_cache
from typing import Final, Protocol, TypeAlias

from aiostore.errors import ConfigurationError
from aiostore.types import Buffer

PREFERENCE: Final = ("crc64nvme", "crc32c", "crc32", "sha256", "sha1", "md5")
"""The algorithms that can be computed here, those that cost least first."""

_Update: TypeAlias = Callable[[Buffer, int], int]

_POLYNOMIALS: Final = {
    # Reflected, as the CRCs are: https://reveng.sourceforge.io/crc-catalogue/all.htm
    "crc32": (32, 0xEDB88320),
    "crc32c": (32, 0x82F63B78),
    "crc64nvme": (64, 0x9A6C9329AC4BC9B5),
    "crc64": (64, 0xC96C5795D7870F42),
}


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


def best(available: Collection[str]) -> str | None:
    """The algorithm to verify with, of those ``available``; None if none of them can be computed here."""
    for algorithm in PREFERENCE:
        if algorithm in available:
            return algorithm
    return None


def new(algorithm: str) -> Hasher:
    """Begin a checksum.

    Raises:
        ConfigurationError: if the algorithm is unknown.
    """
    if algorithm == "md5":
        return hashlib.md5(usedforsecurity=False)
    if algorithm == "sha256":
        return hashlib.sha256()
    if algorithm == "sha1":
        return hashlib.sha1(usedforsecurity=False)
    if algorithm in PREFERENCE:
        return _Crc(_native(algorithm), _POLYNOMIALS[algorithm][0])
    raise ConfigurationError(f"checksum {algorithm!r} cannot be computed here; there are {', '.join(PREFERENCE)}")


@lru_cache(maxsize=None)
def _native(algorithm: str) -> _Update:
    if algorithm == "crc32":
        return zlib.crc32
    from awscrt import checksums as crt

    update: _Update = crt.crc32c if algorithm == "crc32c" else crt.crc64nvme
    return update


def combinable(algorithm: str) -> bool:
    """Whether the checksum of a whole follows from those of its ranges."""
    return algorithm in _POLYNOMIALS


def combine(algorithm: str, first: int, second: int, length: int) -> int:
    """The CRC of ``a + b``, out of that of ``a``, that of ``b``, and ``len(b)``.

    Appending ``length`` zero bytes to ``a`` multiplies its polynomial by x**(8 * length); the rest is addition.
    """
    return _multiply(algorithm, _power(algorithm, 8 * length), first) ^ second


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
