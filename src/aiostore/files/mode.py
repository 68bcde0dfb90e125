"""What ``open`` is asked for: mode, text layer and options, checked before anything is sent."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Final, Literal, cast

from aiostore.errors import ConfigurationError
from aiostore.handles import FileOptions

Action = Literal["r", "w", "x", "a"]

READING: Final = frozenset({"buffer_size", "concurrency", "version", "encryption", "if_match", "raw"})
"""The options that reading takes."""

WRITING: Final = frozenset(FileOptions.__annotations__) - {"version", "raw"}
"""The options that writing takes."""

APPENDING: Final = WRITING - {"if_match", "if_none_match", "if_absent", "best_effort", "compress", "level"}
"""The options that appending takes, which has a condition of its own."""

UPDATING: Final = APPENDING | {"best_effort"}
"""The options that changing an object in place takes, which has a condition of its own, too."""


@dataclass(frozen=True, slots=True)
class Mode:
    """A mode as it was given, and what it means."""

    text: str
    action: Action
    binary: bool
    updating: bool


def parse(mode: str, key: str) -> Mode:
    """What ``mode`` means; its characters may come in any order.

    Raises:
        ConfigurationError: if it is none.
    """
    if not isinstance(mode, str):
        raise TypeError(f"open {key!r}: the mode is a str, not {type(mode).__name__}")
    given = set(mode)
    actions = given & set("rwxa")
    if given - set("rwxabt+") or len(given) < len(mode) or len(actions) != 1 or given >= {"b", "t"}:
        raise ConfigurationError(
            f"invalid mode: {mode!r}; the modes are r, w, x and a, each with b for bytes or t for text (the default),"
            " and + to read and write",
            key=key,
            operation="open",
        )
    return Mode(mode, cast("Action", actions.pop()), "b" in given, "+" in given)


def check_options(mode: Mode, options: FileOptions, key: str) -> None:
    """Raise TypeError for an unknown option, ConfigurationError for one that the mode does not take."""
    if mode.updating and mode.action in {"r", "a"}:
        known = UPDATING
    else:
        known = {"r": READING, "a": APPENDING}.get(mode.action, WRITING)
    for name in options:
        if name not in WRITING | READING:
            raise TypeError(f"open() got an unexpected keyword argument {name!r}")
        if name not in known:
            raise ConfigurationError(f"mode {mode.text!r} does not take {name}", key=key, operation="open")
    for name, value in (("buffer_size", options.get("buffer_size")), ("concurrency", options.get("concurrency"))):
        if value is not None and value <= 0:
            raise ConfigurationError(f"{name}={value!r}: must be greater than 0", key=key, operation="open")


def check_text(mode: Mode, encoding: str | None, errors: str | None, newline: str | None, key: str) -> None:
    """Check the text layer's arguments, which a binary file has none of.

    Raises:
        TypeError: if one is neither a str nor None.
        LookupError: if encoding or error handler are unknown.
        ConfigurationError: if they do not fit the mode, or ``newline`` is none.
    """
    for name, value in (("encoding", encoding), ("errors", errors), ("newline", newline)):
        if value is not None and not isinstance(value, str):
            raise TypeError(f"open() argument {name!r} must be str or None, not {type(value).__name__}")
        if value is not None and mode.binary:
            raise ConfigurationError(f"a file in binary mode takes no {name}", key=key, operation="open")
    if newline not in {None, "", "\n", "\r", "\r\n"}:
        raise ConfigurationError(f"illegal newline value: {newline!r}", key=key, operation="open")
    if encoding is not None and not codecs.lookup(encoding)._is_text_encoding:
        raise LookupError(f"{encoding!r} is not a text encoding; open the file in binary mode and decode the bytes")
    if errors is not None:
        codecs.lookup_error(errors)
