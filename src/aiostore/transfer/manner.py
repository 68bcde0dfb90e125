"""How objects are copied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from aiostore.transfer import journal

Verify: TypeAlias = Literal["auto", True]
"""``"auto"``: source and target each prove their own bytes, as their stores' integrity says. True: the target is
compared with the source once more, and read again for that if it holds no checksum (not if it is re-encoded)."""

Resume: TypeAlias = bool | Path
"""Whether large objects go on where an earlier transfer stopped, and if so, the directory of journals (True: that of
:func:`aiostore.transfer.journal.directory`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Headers:
    """What is stored with the copies instead of what their sources have; None keeps that."""

    content_type: str | None = None
    cache_control: str | None = None
    metadata: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """The options of :func:`aiostore.transfer.copy_object`. It can be pickled."""

    reencode: str | None = None
    level: int | None = None
    if_absent: bool = False
    best_effort: bool = False
    replace: Headers | None = None
    verify: Verify = "auto"
    resume: Resume = False

    @property
    def journals(self) -> Path | None:
        """Where the journals of large objects are kept, if they are."""
        if self.if_absent or self.resume is False:
            return None
        return journal.directory() if self.resume is True else self.resume

    def encoding(self, stored: str | None) -> str | None:
        """The content encoding of a copy whose source has ``stored``."""
        if self.reencode is None:
            return stored
        return None if self.reencode in {"none", "identity", ""} else self.reencode
