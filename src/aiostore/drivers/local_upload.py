"""Multipart uploads that survive their process: one hidden file with the bytes, one with what is known of the parts.

The bytes lie in a file beside the future object, each part written at its offset. The state is a file under
``.aiostore/uploads``: a line of JSON for the upload, and one more appended for each part that was written, which is
atomic between processes; of several lines of one part the last counts. Nothing of an upload is synced before it is
complete. So what was written before the machine last started is only believed if its checksum proves it.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from aiostore import checksums
from aiostore.capabilities import PartLimits
from aiostore.drivers.base_conditions import check_checksums
from aiostore.drivers.local_attributes import HEADERS, Attributes
from aiostore.drivers.local_directory import Directory, descend, descend_or_make, existing, prune
from aiostore.drivers.local_draft import Draft
from aiostore.drivers.local_file import CHECKSUM, Writer
from aiostore.drivers.local_keys import RESERVED, split_key
from aiostore.drivers.local_spelling import Spelling
from aiostore.drivers.local_thread import Stop
from aiostore.drivers.local_write import check_of, creates, publish
from aiostore.errors import NotFoundError, StoreError
from aiostore.types import Part, PartPage, PutOptions, PutResult, Upload, UploadPage

DIRECTORY: Final = (RESERVED, "uploads")
DATA: Final = f"{RESERVED}-upload-"
"""What the names of the files with the bytes begin with."""
LIMITS: Final = PartLimits(min_size=1, max_size=2**40, max_count=10_000)


@dataclass(frozen=True, slots=True)
class Stored:
    """A part as the state has it."""

    part: Part
    offset: int


@dataclass(frozen=True, slots=True)
class State:
    """All that is known of an upload."""

    upload: Upload
    boot: str
    parts: Mapping[int, Stored]


def begin(root: str, key: str, options: PutOptions, spelling: Spelling, *, sync: bool) -> Upload:
    """Begin an upload: its state first, so that no file with bytes is ever without one."""
    names = split_key(key)
    upload = Upload(key=key, id=secrets.token_hex(16), options=options, started=datetime.now(UTC))
    with descend_or_make(root, names[:-1], sync=sync) as directory:
        existing(directory, spelling.file_name(names[-1], options.content_encoding, key))
        with descend_or_make(root, DIRECTORY, sync=False) as states:
            _append(states, upload.id, _describe(upload), os.O_CREAT | os.O_EXCL)
        try:
            os.close(directory.open(DATA + upload.id, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except BaseException:
            drop(root, upload)
            raise
    return upload


def open_data(root: str, upload: Upload) -> tuple[Directory, int]:
    """The directory of the future object, and the open file with the bytes.

    Raises:
        NotFoundError: if there is no such upload.
    """
    try:
        directory = descend(root, split_key(upload.key)[:-1])
        try:
            return directory, directory.open(DATA + _checked(upload), os.O_RDWR)
        except BaseException:
            directory.close()
            raise
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _gone(error) from None


def check_number(number: int) -> None:
    """Raise StoreError if no part can have this number."""
    if not 1 <= number <= LIMITS.max_count:
        raise StoreError(f"part {number} cannot be: parts have the numbers 1 to {LIMITS.max_count}")


def record(root: str, upload: Upload, number: int, offset: int, writer: Writer) -> Part:
    """Keep what was written as part ``number``.

    Raises:
        NotFoundError: if the upload was aborted meanwhile.
    """
    digest = writer.digests()[CHECKSUM]
    line = {"number": number, "offset": offset, "size": writer.size, CHECKSUM: digest}
    try:
        with descend(root, DIRECTORY) as states:
            _append(states, _checked(upload), line, 0)
    except FileNotFoundError as error:
        raise _gone(error) from None
    return Part(number=number, size=writer.size, etag=digest, checksums={CHECKSUM: digest})


def load(root: str, upload: Upload) -> State:
    """What is known of the upload; parts that did not outlive a crash of the machine are left out.

    Raises:
        NotFoundError: if there is no such upload.
    """
    try:
        with descend(root, DIRECTORY) as states:
            state = _read(states, _checked(upload))
    except FileNotFoundError as error:
        raise _gone(error) from None
    if state is None or state.upload.key != upload.key:
        raise _gone(None)
    if state.boot == _boot():
        return state
    directory, descriptor = open_data(root, upload)
    with directory:
        try:
            return replace(
                state, parts={number: held for number, held in state.parts.items() if _is_intact(descriptor, held)}
            )
        finally:
            os.close(descriptor)


def chosen(state: State, parts: Sequence[Part]) -> int:
    """The size of the object that ``parts`` make.

    Raises:
        StoreError: if a part is missing, another one, out of order, or does not begin where the one before it ends.
    """
    if not parts:
        raise StoreError("an upload without parts cannot be completed; put an empty object instead")
    position = 0
    for index, part in enumerate(parts):
        held = state.parts.get(part.number)
        if held is None or part.etag not in {None, held.part.etag}:
            raise StoreError(f"part {part.number} is not the one that was stored; list the parts and send it again")
        if index and part.number <= parts[index - 1].number:
            raise StoreError(f"part {part.number} is out of order; parts ascend by number")
        if held.offset != position:
            raise StoreError(f"part {part.number} begins at {held.offset}, not at {position} where the others end")
        position += held.part.size
    return position


def whole_checksum(state: State, parts: Sequence[Part]) -> str:
    """The checksum of the object that ``parts`` make, out of theirs."""
    value = 0
    for part in parts:
        held = state.parts[part.number].part
        value = checksums.combine(CHECKSUM, value, int(held.checksums[CHECKSUM], 16), held.size)
    return f"{value:016x}"


def drop(root: str, upload: Upload) -> None:
    """Forget the upload and remove its bytes; nothing need be there any more."""
    try:
        name = _checked(upload)
    except NotFoundError:
        return
    with suppress(FileNotFoundError), descend(root, DIRECTORY) as states:
        states.remove(name)
    names = split_key(upload.key)[:-1]
    with suppress(FileNotFoundError, NotADirectoryError), descend(root, names) as directory:
        directory.remove(DATA + name)
    prune(root, names)


def under_way(root: str, prefix: str) -> Iterator[Upload]:
    """The uploads whose keys start with ``prefix``, in no order."""
    try:
        states = descend(root, DIRECTORY)
    except FileNotFoundError as error:
        if isinstance(error, NotFoundError):
            raise
        return
    with states:
        for name in [entry.name for entry in states.scan()]:
            with suppress(FileNotFoundError):
                state = _read(states, name)
                if state is not None and state.upload.key.startswith(prefix):
                    directory, descriptor = open_data(root, state.upload)
                    os.close(descriptor)
                    directory.close()
                    yield state.upload


def part_page(root: str, upload: Upload, token: str | None, size: int) -> PartPage:
    """One page of the parts, by number."""
    held = load(root, upload).parts
    numbers = sorted(number for number in held if number > int(token or 0))
    page = numbers[:size]
    more = len(page) < len(numbers)
    return PartPage(parts=[held[number].part for number in page], next_token=str(page[-1]) if more else None)


def upload_page(root: str, prefix: str, token: str | None, size: int) -> UploadPage:
    """One page of the uploads, by key and then by id."""
    found = {f"{upload.key}\0{upload.id}": upload for upload in under_way(root, prefix)}
    tokens = sorted(place for place in found if place > (token or ""))
    page = tokens[:size]
    more = len(page) < len(tokens)
    return UploadPage(uploads=[found[place] for place in page], next_token=page[-1] if more else None)


def complete(
    root: str, upload: Upload, parts: Sequence[Part], options: PutOptions, spelling: Spelling, *, sync: bool
) -> PutResult:
    """Make the object of ``parts`` visible; where that is refused the upload stays as it is.

    Raises:
        StoreError: as :func:`chosen` does, or what the conditions of ``options`` say.
    """
    state = load(root, upload)
    size = chosen(state, parts)
    checksum = whole_checksum(state, parts)
    check_checksums({CHECKSUM: options.checksums.get(CHECKSUM, checksum)}, {CHECKSUM: checksum})
    directory, descriptor = open_data(root, upload)
    draft = Draft(directory, descriptor, DATA + upload.id)
    try:
        os.truncate(descriptor, size)
        result = publish(
            root,
            split_key(upload.key),
            draft,
            Attributes.of(state.upload.options, checksum),
            check_of(upload.key, options),
            spelling,
            create=creates(options),
            sync=sync,
        )
    finally:
        draft.close(keep=True)
    drop(root, upload)
    return result


def _append(states: Directory, name: str, line: Mapping[str, object], flags: int) -> None:
    descriptor = states.open(name, os.O_WRONLY | os.O_APPEND | flags, 0o600)
    try:
        # A newline first: what a full disk cut short then spoils no other line.
        os.write(descriptor, b"\n" + json.dumps(line).encode())
    finally:
        os.close(descriptor)


def _describe(upload: Upload) -> Mapping[str, object]:
    options = upload.options
    return {
        "key": upload.key,
        "started": upload.started.isoformat() if upload.started else None,
        "boot": _boot(),
        "headers": {name: value for name in HEADERS if (value := getattr(options, name)) is not None},
        "metadata": dict(options.metadata),
        "tags": dict(options.tags),
    }


def _read(states: Directory, name: str) -> State | None:
    """The state in a file; None if it is not one."""
    with open(states.open(name, os.O_RDONLY), "rb") as file:
        content = file.read()
    try:
        _, head, *lines = content.split(b"\n")
        about = json.loads(head)
        options = PutOptions(metadata=about["metadata"], tags=about["tags"], **about["headers"])
        upload = Upload(key=about["key"], id=name, options=options, started=datetime.fromisoformat(about["started"]))
        split_key(upload.key)
        parts = {}
        for line in lines:
            with suppress(json.JSONDecodeError):
                values = json.loads(line)
                digest = values[CHECKSUM]
                part = Part(number=values["number"], size=values["size"], etag=digest, checksums={CHECKSUM: digest})
                parts[part.number] = Stored(part, values["offset"])
        return State(upload, about["boot"], parts)
    except (ValueError, KeyError, TypeError):
        return None


def _is_intact(descriptor: int, held: Stored) -> bool:
    """Whether the bytes of a part are the ones that were written."""
    with open(os.devnull, "wb") as nowhere:
        check = Writer(nowhere.fileno(), 0, Stop())
        try:
            check.copy(descriptor, held.offset, held.offset + held.part.size)
        except StoreError:
            return False
    return check.digests()[CHECKSUM] == held.part.etag


def _boot() -> str:
    """What is different each time the machine has started; empty where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def _checked(upload: Upload) -> str:
    """The upload's id, which is part of file names.

    Raises:
        NotFoundError: if it cannot be one of ours.
    """
    if len(upload.id) != 32 or not upload.id.isalnum() or not upload.id.isascii():
        raise _gone(None)
    return upload.id


def _gone(error: OSError | None) -> NotFoundError:
    if isinstance(error, NotFoundError):
        return error
    return NotFoundError("no such upload: it was completed or aborted; begin a new one")
