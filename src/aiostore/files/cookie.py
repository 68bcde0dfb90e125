"""Positions in text: a place in the bytes, and what it takes to go on decoding from there."""

from __future__ import annotations

import bisect
import codecs
import io
from dataclasses import dataclass
from typing import TypeAlias

Decoder: TypeAlias = codecs.IncrementalDecoder | io.IncrementalNewlineDecoder
"""What turns bytes into text as they come; the second kind recognises newlines on top of the first."""

_FIELD = 64
_MASK = (1 << _FIELD) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Cookie:
    """A place between two characters.

    Decoding goes on at byte ``start``, with a decoder in the state ``flags`` that holds no bytes. Where characters do
    not end at such a byte, ``feed`` bytes from there on (``final``: and the end of the file) bring ``skip`` characters
    that lie before the place.
    """

    start: int
    flags: int = 0
    feed: int = 0
    skip: int = 0
    final: bool = False

    def pack(self) -> int:
        """One number. For most encodings and places it is the position in bytes."""
        # The flags come last: some decoders have more than 64 bits of them.
        high = self.flags << 1 | self.final
        return ((high << _FIELD | self.skip) << _FIELD | self.feed) << _FIELD | self.start

    @classmethod
    def unpack(cls, number: int) -> Cookie:
        """The place that ``number`` stands for."""
        high = number >> 3 * _FIELD
        return cls(
            start=number & _MASK,
            feed=number >> _FIELD & _MASK,
            skip=number >> 2 * _FIELD & _MASK,
            final=bool(high & 1),
            flags=high >> 1,
        )


def locate(decoder: Decoder, start: int, flags: int, data: bytes, used: int) -> Cookie:
    """The place behind the first ``used`` characters of ``data``, which begins at byte ``start``.

    ``flags`` is the state of the decoder before them. The decoder is left as it was.
    """
    if not used:
        return Cookie(start=start, flags=flags)
    before = decoder.getstate()
    try:
        return _locate(decoder, start, flags, data, used)
    finally:
        decoder.setstate(before)


def _locate(decoder: Decoder, start: int, flags: int, data: bytes, used: int) -> Cookie:
    def count(size: int) -> int:
        decoder.setstate((b"", flags))
        return len(decoder.decode(data[:size]))

    enough = bisect.bisect_left(range(len(data) + 1), used, key=count)
    final = enough > len(data)
    begin = min(enough, len(data))
    while True:
        skip = used - count(begin)
        held, state = decoder.getstate()
        if skip >= 0 and not held:
            break
        begin -= 1
    feed = min(enough, len(data)) - begin if skip else 0
    return Cookie(start=start + begin, flags=state, feed=feed, skip=skip, final=final)
