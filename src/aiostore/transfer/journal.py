"""What is known of large objects under way, kept beside the transfer: one small file for each pair of objects.

A file holds lines of JSON, each behind its CRC: first what is transferred where and the upload, then a line for each
part that was sent.
It lies in ``$XDG_STATE_HOME/aiostore/transfers`` (``~/.local/state`` without that, ``%LOCALAPPDATA%`` on Windows),
which only this user can read, and holds no credentials. While a transfer uses it, it is locked against others.
Nothing in it is believed without the service's word; a line that is damaged is a part that is sent again.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from aiostore._engine.resumable import Sent
from aiostore.types import ObjectMeta, Part, PutOptions, Upload

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

FORMAT: Final = 1
"""The number of this format; what another one wrote is dropped."""

_SUFFIX: Final = ".jsonl"
_HIDDEN: Final = "aiostore-"
"""What the names begin with that are added to an object's own metadata."""

_STORED: Final = (
    "content_type", "content_encoding", "content_disposition", "content_language", "cache_control", "storage_class",
)  # fmt: skip


def directory() -> Path:
    """Where journals lie."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    else:
        base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "aiostore" / "transfers"


def identity(source: str, meta: ObjectMeta, target: str, key: str, options: PutOptions, **layout: object) -> Any:
    """What must be the same for an upload to be continued: both places, the source's state, what is stored, how."""
    return {
        "source": [source, meta.key],
        "target": [target, key],
        "state": [meta.etag, meta.version, meta.size, meta.last_modified and meta.last_modified.isoformat()],
        "stored": _options_to_json(options),
        "layout": layout,
    }


class Journal:
    """The journal of one pair of objects, held by this process until it is closed."""

    def __init__(self, path: Path, descriptor: int, about: Mapping[str, Any]) -> None:
        self._path = path
        self._descriptor = descriptor
        self._about = about
        self.kept = _read(path, about)

    @classmethod
    def hold(cls, place: Path, about: Mapping[str, Any]) -> Journal | None:
        """The journal for these two objects; None if another transfer has it, or none can be kept."""
        name = hashlib.sha256(json.dumps([about["source"], about["target"]]).encode()).hexdigest()[:40]
        path = place / (name + _SUFFIX)
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = _lock(path)
        except OSError:  # such as a home directory that cannot be written
            return None
        return None if descriptor is None else cls(path, descriptor, about)

    def begin(self, upload: Upload) -> None:
        """Keep this upload from now on, and no other."""
        line = _line({"format": FORMAT, **self._about, "upload": _upload_to_json(upload)})
        # Without it the upload is merely not continued.
        with suppress(OSError):
            os.ftruncate(self._descriptor, 0)
            os.write(self._descriptor, line)

    def add(self, sent: Sent) -> None:
        """Keep a part."""
        part = sent.part
        line = _line([part.number, part.size, part.etag, dict(part.checksums), sent.checksum])
        with suppress(OSError):
            # A newline first: what was cut short spoils no other line.
            os.write(self._descriptor, b"\n" + line)

    def forget(self) -> None:
        """Keep nothing more."""
        with suppress(OSError):
            os.ftruncate(self._descriptor, 0)

    def close(self) -> None:
        """Let go of the journal; one that is empty is removed."""
        if sys.platform == "win32":
            # An open file cannot be removed there.
            empty = os.fstat(self._descriptor).st_size == 0
            os.close(self._descriptor)
            if empty:
                with suppress(OSError):
                    self._path.unlink()
            return
        if os.fstat(self._descriptor).st_size == 0:
            with suppress(OSError):
                self._path.unlink()
        os.close(self._descriptor)


def uploads(place: Path, target: str) -> Iterator[tuple[Upload, Path]]:
    """Every upload to this target that a journal knows of, with the journal."""
    for path in sorted(place.glob("*" + _SUFFIX)):
        with suppress(OSError, ValueError, KeyError, TypeError, IndexError):
            about = _value(path.read_bytes().partition(b"\n")[0])
            if about["target"][0] == target:
                yield _upload_from_json(about["upload"]), path


def remove(path: Path, *, unless_after: float = math.inf) -> None:
    """Remove a journal that no transfer uses, and none has written to after that time."""
    with suppress(OSError):
        if path.stat().st_mtime > unless_after:
            return
        descriptor = _lock(path)
        if descriptor is not None:
            os.close(descriptor)
            path.unlink()


def _lock(path: Path) -> int | None:
    """The file, opened and locked; None if another process has it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            if sys.platform == "win32":
                # Not where bytes are: nobody could read those.
                os.lseek(descriptor, 2**30, os.SEEK_SET)
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
                return descriptor
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever had it before may have removed it meanwhile: then it is nobody's.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                    return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _read(path: Path, about: Mapping[str, Any]) -> tuple[Upload, Mapping[int, Sent]] | None:
    """What a journal holds; of an upload of something else, no part is believed."""
    try:
        head, *lines = path.read_bytes().split(b"\n")
        found = _value(head)
        upload = _upload_from_json(found.pop("upload"))
        if upload.key != about["target"][1] or found["target"] != about["target"]:
            return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    parts: dict[int, Sent] = {}
    if found == json.loads(json.dumps({"format": FORMAT, **about})) and _is_stored_like(upload, about):
        for line in lines:
            with suppress(ValueError, TypeError):
                number, size, etag, sums, digest = _value(line)
                part = Part(number=int(number), size=int(size), etag=etag, checksums=_strings(sums))
                parts[part.number] = Sent(part, str(digest))
    return upload, parts


def _line(value: object) -> bytes:
    data = json.dumps(value).encode()
    return b"%08x %b" % (zlib.crc32(data), data)


def _value(line: bytes) -> Any:
    """What a line says.

    Raises:
        ValueError: if it is damaged.
    """
    digest, _, data = line.partition(b" ")
    if digest != b"%08x" % zlib.crc32(data):
        raise ValueError("a damaged line")
    return json.loads(data)


def _is_stored_like(upload: Upload, about: Mapping[str, Any]) -> bool:
    """Whether the upload makes an object like this, but for what is hidden in its metadata."""
    stored = _options_to_json(upload.options)
    metadata = {name: value for name, value in upload.options.metadata.items() if not name.startswith(_HIDDEN)}
    return bool({**stored, "metadata": metadata} == about["stored"])


def _upload_to_json(upload: Upload) -> Mapping[str, object]:
    return {
        "key": upload.key,
        "id": upload.id,
        "started": upload.started.isoformat() if upload.started else None,
        "extra": dict(upload.extra),
        "leaves_parts": upload.leaves_parts,
        "options": _options_to_json(upload.options),
    }


def _upload_from_json(found: Mapping[str, Any]) -> Upload:
    options, started = found["options"], found["started"]
    stored = {item.name: options[item.name] for item in fields(PutOptions) if item.name in _STORED}
    return Upload(
        key=str(found["key"]),
        id=str(found["id"]),
        started=datetime.fromisoformat(started) if started else None,
        extra=_strings(found["extra"]),
        leaves_parts=bool(found["leaves_parts"]),
        options=PutOptions(**stored, metadata=_strings(options["metadata"]), tags=_strings(options["tags"])),
    )


def _options_to_json(options: PutOptions) -> dict[str, object]:
    stored: dict[str, object] = {name: getattr(options, name) for name in _STORED}
    return {**stored, "metadata": dict(options.metadata), "tags": dict(options.tags)}


def _strings(found: Mapping[str, Any]) -> Mapping[str, str]:
    return {str(name): str(value) for name, value in found.items()}
