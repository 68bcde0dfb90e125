"""Content encodings: compressors and decompressors that work block by block, with bounded output.

Names are those of the `HTTP Content Coding Registry <https://www.iana.org/assignments/http-parameters>`_ (``gzip``,
``br``, ``zstd``, ``deflate`` and ``identity``), and ``xz`` and ``bz2``, which objects in the wild carry. What is not
part of Python comes with the extra ``compression`` and is imported when it is first needed.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any, Final, Protocol

from aiostore.errors import ConfigurationError
from aiostore.types import Buffer

BLOCK: Final = 1024**2
"""The most bytes that one step of a decompressor gives."""

INLINE: Final = 16 * 1024
"""Bytes that are not worth a visit to a thread."""

IDENTITY: Final = frozenset({"", "identity", "aws-chunked"})
"""Encodings that leave the bytes as they are; ``aws-chunked`` is a transfer encoding that some writers leave behind."""


class Encoder(Protocol):
    """Compresses one object. It may be used in one thread at a time."""

    def encode(self, data: Buffer) -> bytes:
        """What these bytes add to the compressed ones, perhaps nothing yet."""
        ...

    def finish(self) -> bytes:
        """The rest; nothing may be added afterwards."""
        ...


class Decoder(Protocol):
    """Decompresses one object, which may be several compressed streams one after the other."""

    def decode(self, data: bytes) -> bytes:
        """About :data:`BLOCK` bytes at most of what ``data`` adds; ``b""`` as data asks for the rest of them.

        Raises:
            ValueError: if the bytes are not of this encoding.
        """
        ...

    @property
    def hungry(self) -> bool:
        """Whether all of the last data were used up, so that only more of them give more."""
        ...

    @property
    def complete(self) -> bool:
        """Whether the data may end here."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """An encoding: its files' ``suffix``, the least and greatest of its ``levels``, and the ``level`` used unasked."""

    name: str
    suffix: str
    encoder: Callable[[int], Encoder]
    decoder: Callable[[], Decoder]
    levels: tuple[int, int]
    level: int


# --- encoders


class _Compressor:
    """Over an object with ``compress`` and ``flush``, as all of Python's have."""

    __slots__ = ("_compressor",)

    def __init__(self, compressor: Any) -> None:
        self._compressor = compressor

    def encode(self, data: Buffer) -> bytes:
        compressed: bytes = self._compressor.compress(data)
        return compressed

    def finish(self) -> bytes:
        rest: bytes = self._compressor.flush()
        return rest


class _Brotli:
    __slots__ = ("_compressor",)

    def __init__(self, level: int) -> None:
        self._compressor = _extra("brotli").Compressor(quality=level)

    def encode(self, data: Buffer) -> bytes:
        compressed: bytes = self._compressor.process(bytes(data))
        return compressed

    def finish(self) -> bytes:
        rest: bytes = self._compressor.finish()
        return rest


_GZIP: Final = 31
"""The window bits that make zlib write, and want, a gzip header."""

_ZLIB: Final = 15
"""Those of zlib's own header, which "deflate" means on the web."""


def _gzip(level: int) -> Encoder:
    # Intel's igzip has no levels above 3. Up to there it is as small as zlib's lower ones in a tenth of the time.
    if level <= 3:
        library = _optional("isal.isal_zlib")
        if library is not None:
            return _Compressor(library.compressobj(level, zlib.DEFLATED, _GZIP))
    return _Compressor(zlib.compressobj(level, zlib.DEFLATED, _GZIP))


def _zstandard() -> Any:
    library = _optional("compression.zstd")
    return library if library is not None else _extra("backports.zstd")


# --- decoders


class _Members:
    """One compressed stream after the other, each with a decompressor of its own, as ``gzip`` and ``xz`` files have."""

    __slots__ = ("_begun", "_decompressor", "_make", "_rest", "hungry")

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._decompressor = make()
        self._begun = False
        self._rest = b""
        self.hungry = True

    def decode(self, data: bytes) -> bytes:
        data = self._rest + data if self._rest else data
        self._rest = b""
        if self._decompressor.eof:
            if not data:
                self.hungry = True
                return b""
            self._decompressor = self._make()
            self._begun = False
        if data:
            self._begun = True
        decoded = self._step(data)
        decompressor = self._decompressor
        if decompressor.eof:
            self._rest = decompressor.unused_data
            self.hungry = not self._rest
        else:
            self.hungry = self._is_hungry(decoded)
        return decoded

    def _step(self, data: bytes) -> bytes:
        decoded: bytes = self._decompressor.decompress(data, BLOCK)
        return decoded

    def _is_hungry(self, decoded: bytes) -> bool:
        return bool(self._decompressor.needs_input)

    @property
    def complete(self) -> bool:
        return not self._rest and (self._decompressor.eof or not self._begun)


class _Inflating(_Members):
    """zlib keeps what it did not get to in ``unconsumed_tail``, and wants it again."""

    __slots__ = ()

    def _step(self, data: bytes) -> bytes:
        decoded: bytes = self._decompressor.decompress(data, BLOCK)
        self._rest = self._decompressor.unconsumed_tail
        return decoded

    def _is_hungry(self, decoded: bytes) -> bool:
        # A full block may have more behind it although all data were taken.
        return not self._rest and len(decoded) < BLOCK


class _Unbrotli:
    __slots__ = ("_begun", "_decompressor", "_full")

    def __init__(self) -> None:
        self._decompressor = _extra("brotli").Decompressor()
        self._begun = self._full = False

    def decode(self, data: bytes) -> bytes:
        if data:
            self._begun = True
            if self._decompressor.is_finished():
                raise ValueError("there are bytes behind the end of the compressed ones")
        decoded: bytes = self._decompressor.process(data, output_buffer_limit=BLOCK)
        self._full = len(decoded) >= BLOCK
        return decoded

    @property
    def hungry(self) -> bool:
        # It may have taken all data and still hold megabytes that they stand for.
        return self.complete or (not self._full and bool(self._decompressor.can_accept_more_data()))

    @property
    def complete(self) -> bool:
        return bool(self._decompressor.is_finished()) or not self._begun


def _inflate(bits: int) -> Decoder:
    library = _optional("isal.isal_zlib") or zlib
    return _Inflating(partial(library.decompressobj, bits))


# --- what there is


def _codecs() -> Mapping[str, Codec]:
    found = (
        Codec(
            name="gzip", suffix=".gz", encoder=_gzip, decoder=partial(_inflate, _GZIP), levels=(0, 9), level=2,
        ),
        Codec(name="br", suffix=".br", encoder=_Brotli, decoder=_Unbrotli, levels=(0, 11), level=4),
        Codec(
            name="zstd", suffix=".zst",
            encoder=lambda level: _Compressor(_zstandard().ZstdCompressor(level)),
            decoder=lambda: _Members(_zstandard().ZstdDecompressor),
            levels=(1, 22), level=3,
        ),
        Codec(
            name="xz", suffix=".xz",
            encoder=lambda level: _Compressor(lzma.LZMACompressor(preset=level)),
            decoder=lambda: _Members(lzma.LZMADecompressor),
            levels=(0, 9), level=3,
        ),
        Codec(
            name="bz2", suffix=".bz2",
            encoder=lambda level: _Compressor(bz2.BZ2Compressor(level)),
            decoder=lambda: _Members(bz2.BZ2Decompressor),
            levels=(1, 9), level=9,
        ),
        Codec(
            name="deflate", suffix=".zz",
            encoder=lambda level: _Compressor(zlib.compressobj(level)),
            decoder=partial(_inflate, _ZLIB),
            levels=(0, 9), level=6,
        ),
    )  # fmt: skip
    return {codec.name: codec for codec in found} | {"x-gzip": found[0]}


CODECS: Final = _codecs()
"""The encodings by name."""

FAILURES: Final = (ValueError, OSError, EOFError, zlib.error, lzma.LZMAError)
"""What decompressors raise for bytes that are not of their encoding; those of extras are added by :func:`failures`."""


def failures() -> tuple[type[BaseException], ...]:
    """The errors that mean "these are not the bytes of this encoding", of the libraries that are there."""
    more = []
    for module, name in (
        ("brotli", "error"),
        ("compression.zstd", "ZstdError"),
        ("backports.zstd", "ZstdError"),
        ("isal.isal_zlib", "error"),
    ):
        library = _optional(module)
        if library is not None:
            more.append(getattr(library, name))
    return (*FAILURES, *more)


def codec(name: str) -> Codec:
    """The encoding of that name.

    Raises:
        ConfigurationError: if there is none.
    """
    try:
        return CODECS[name.lower()]
    except KeyError:
        raise ConfigurationError(
            f"unknown compression {name!r}; there are {', '.join(sorted(set(CODECS) - {'x-gzip'}))}"
        ) from None


def encoder(name: str, level: int | None) -> Encoder:
    """A compressor.

    Raises:
        ConfigurationError: if there is no such encoding or level, or its library is not installed.
    """
    found = codec(name)
    least, most = found.levels
    if level is None:
        level = found.level
    elif not least <= level <= most:
        raise ConfigurationError(f"level={level!r}: {found.name} has the levels {least} to {most}")
    return found.encoder(level)


def known(encoding: str | None) -> list[Codec] | None:
    """What has to be undone, first to last, for a Content-Encoding; None if one of its encodings is not known.

    An empty list means that the bytes are what they are.
    """
    if encoding is None:
        return []
    undone = []
    for name in (part.strip().lower() for part in reversed(encoding.split(","))):
        if name in IDENTITY:
            continue
        if name not in CODECS:
            return None
        undone.append(CODECS[name])
    return undone


def _optional(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        return None


def _extra(name: str) -> Any:
    library = _optional(name)
    if library is None:
        raise ConfigurationError(f"{name} is not installed; pip install 'aiostore[compression]' brings it")
    return library
