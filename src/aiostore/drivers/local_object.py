"""What is done to whole objects in a worker thread: opened, copied, renamed, deleted, described anew."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress

from aiostore.drivers.base_conditions import check_read, check_write, refuse_options
from aiostore.drivers.local_attributes import PLAIN, Attributes, etag_of, forget, load, meta_of, put_result, store, told
from aiostore.drivers.local_directory import Directory, descend, descend_or_make, existing, linked, persist, prune
from aiostore.drivers.local_errors import to_store_error
from aiostore.drivers.local_file import CHECKSUM
from aiostore.drivers.local_keys import split_key
from aiostore.drivers.local_spelling import EXACT, Present, Spelling, present, remove_others
from aiostore.drivers.local_thread import Stop
from aiostore.drivers.local_write import ObjectWriting, check_of, creates, filed
from aiostore.errors import AlreadyExistsError, CorruptedError, NotFoundError, StoreError, UnavailableError
from aiostore.types import CopyOptions, DeleteOptions, DeleteResult, GetOptions, Match, PutResult

_ATTEMPTS = 10


def open_object(root: str, key: str, spelling: Spelling) -> tuple[int, os.stat_result, Attributes]:
    """The object's file, opened for reading, and what is known of it.

    Raises:
        NotFoundError: if there is no file of that name, or no root.
        InvalidKeyError: if no file can have that name, or a link has it.
    """
    names = split_key(key)
    try:
        for _ in range(_ATTEMPTS):
            with descend(root, names[:-1]) as directory:
                descriptor, file = _open(directory, names[-1], spelling)
                try:
                    status = os.fstat(descriptor)
                    if not stat.S_ISREG(status.st_mode):
                        raise NotFoundError("the key is a directory or a device, not an object")
                    attributes = load(root, descriptor, status)
                    if attributes is not None or etag_of(directory.status(file)) == etag_of(status):
                        return descriptor, status, told(attributes or PLAIN, spelling.parse(file)[1])
                except BaseException:
                    os.close(descriptor)
                    raise
                os.close(descriptor)
    except NotFoundError:
        raise
    except (FileNotFoundError, NotADirectoryError):
        raise NotFoundError("no such object; list the keys to see what there is") from None
    raise UnavailableError("the object is replaced faster than it can be opened; try again")


def _open(directory: Directory, name: str, spelling: Spelling) -> tuple[int, str]:
    """Open the file of an object for reading; which one it is."""
    if spelling is EXACT:
        return directory.open(name, os.O_RDONLY), name
    for file, _ in present(directory, name, spelling):
        with suppress(FileNotFoundError):
            return directory.open(file, os.O_RDONLY), file
    # A writer may have changed from one name to another behind our back.
    with directory.locked():
        for file, _ in present(directory, name, spelling):
            return directory.open(file, os.O_RDONLY), file
    raise FileNotFoundError(name)


def open_source(
    root: str, key: str, options: CopyOptions, spelling: Spelling
) -> tuple[int, os.stat_result, Attributes]:
    """The object that a copy reads; errors name it."""
    try:
        refuse_options(GetOptions(version=options.source_version, encryption=options.source_encryption), *READ_OPTIONS)
        descriptor, status, attributes = open_object(root, key, spelling)
        try:
            check_read(GetOptions(if_match=options.source_if_match), meta_of(key, status))
        except BaseException:
            os.close(descriptor)
            raise
    except StoreError as error:
        error.locate(key=key)
        raise
    except OSError as error:
        raise to_store_error(error).locate(key=key) from error
    return descriptor, status, attributes


READ_OPTIONS = ("version", "encryption")
"""What no read of a file can have."""


def copy_object(
    source_root: str,
    source: str,
    root: str,
    target: str,
    options: CopyOptions,
    stop: Stop,
    spelling: Spelling,
    *,
    sync: bool,
) -> PutResult:
    """Write the object anew under another key, verified on the way.

    Raises:
        CorruptedError: if the source's bytes are not those that were once written.
    """
    names = split_key(target)
    descriptor, status, attributes = open_source(source_root, source, options, spelling)
    try:
        with ObjectWriting(root, names, stop, (CHECKSUM,), spelling, sync=sync) as writing:
            writing.writer.copy(descriptor, 0, status.st_size)
            checksum = writing.writer.digests()[CHECKSUM]
            if attributes.checksum not in {None, checksum}:
                raise CorruptedError(
                    f"the source's bytes have the {CHECKSUM} {checksum}, not {attributes.checksum} as when they were"
                    " written; restore it from a backup",
                    key=source,
                )
            if options.replace is not None:
                tags = options.replace.tags or attributes.tags
                attributes = Attributes.of(options.replace)._replace(tags=tags)
            attributes = attributes._replace(checksum=checksum)
            return writing.finish(attributes, check_of(target, options), create=creates(options))
    finally:
        os.close(descriptor)


def rename_object(
    root: str, source: str, target: str, options: CopyOptions, spelling: Spelling, *, sync: bool
) -> PutResult:
    """Give the object another key, in one step; create-only takes a second, between which both keys exist."""
    old, new = split_key(source), split_key(target)
    conditional = options.if_match is not None or options.source_if_match is not None

    def attempt() -> tuple[PutResult, list[os.stat_result]]:
        with ExitStack() as stack:
            before = stack.enter_context(_parent(root, old, source))
            after = stack.enter_context(descend_or_make(root, new[:-1], sync=sync))
            # Always in the same order, so that two renames between two directories cannot wait for each other.
            for directory in sorted({_identity(each): each for each in (before, after)}.items()):
                stack.enter_context(directory[1].locked(required=conditional))
            return _move(before, old[-1], after, new[-1], spelling, (source, target, options))

    try:
        result, replaced = persist(attempt)
    except BaseException:
        prune(root, new[:-1])
        raise
    for status in replaced:
        forget(root, status)
    if sync:
        for names in {tuple(names[:-1]) for names in (old, new)}:
            with descend(root, names) as directory:
                directory.sync()
    prune(root, old[:-1])
    return result


def _parent(root: str, names: Sequence[str], key: str) -> Directory:
    try:
        return descend(root, names[:-1])
    except NotFoundError:
        raise
    except (FileNotFoundError, NotADirectoryError):
        raise NotFoundError("no such object; list the keys to see what there is", key=key) from None


def _identity(directory: Directory) -> tuple[int, int]:
    status = directory.status(".")
    return status.st_dev, status.st_ino


def _move(
    before: Directory,
    old: str,
    after: Directory,
    new: str,
    spelling: Spelling,
    about: tuple[str, str, CopyOptions],
) -> tuple[PutResult, list[os.stat_result]]:
    """Rename within locked directories; says what was replaced."""
    source, target, options = about
    sources = present(before, old, spelling)
    if not sources:
        raise NotFoundError("no such object; list the keys to see what there is", key=source)
    file, status = sources[0]
    check_read(GetOptions(if_match=options.source_if_match), meta_of(source, status))
    name = spelling.file_name(new, spelling.parse(file)[1], target)
    if spelling is not EXACT:
        existing(after, name)
    targets = present(after, new, spelling)
    current = targets[0][1] if targets else None
    check = check_of(target, options)
    if check is not None:
        try:
            check(current)
        except StoreError as error:
            error.locate(key=target)
            raise
    result = put_result(status)
    if current is not None and (current.st_dev, current.st_ino) == (status.st_dev, status.st_ino):
        # One file with both names, which a rename would leave as it is; or the object itself.
        if source != target:
            before.remove(file)
        return result, []
    replaced = remove_others(before, sources[1:], None)
    if creates(options):
        try:
            if targets:
                raise FileExistsError
            before.link(file, after, name)
        except FileExistsError:
            raise AlreadyExistsError("the object exists already; choose another key", key=target) from None
        before.remove(file)
    else:
        before.replace(file, after, name)
    replaced += [status for other, status in targets if other == name]
    return result, replaced + remove_others(after, [found for found in targets if found[0] != name], None)


def delete_objects(
    root: str, keys: Sequence[str], options: DeleteOptions, stop: Stop, spelling: Spelling, *, sync: bool
) -> Sequence[DeleteResult]:
    """Delete objects, then sync each of their directories once, and remove those that have become empty."""
    results = []
    touched: set[tuple[str, ...]] = set()
    for key in keys:
        stop.check()
        try:
            if _delete(root, key, options.if_match, spelling):
                touched.add(tuple(split_key(key)[:-1]))
        except NotFoundError:
            # Only a missing root is one here.
            raise
        except StoreError as error:
            results.append(DeleteResult(key=key, error=error))
        except OSError as error:
            results.append(DeleteResult(key=key, error=to_store_error(error)))
        else:
            results.append(DeleteResult(key=key))
    for names in sorted(touched, reverse=True):
        if sync:
            try:
                with descend(root, names) as directory:
                    directory.sync()
            except FileNotFoundError:
                continue
        prune(root, names)
    return results


def _delete(root: str, key: str, if_match: Match | None, spelling: Spelling) -> bool:
    """Delete one object; whether there was one."""
    names = split_key(key)
    try:
        with descend(root, names[:-1]) as directory, directory.locked(required=if_match is not None):
            found = _deletable(directory, names[-1], spelling)
            if not found:
                return False
            if if_match is not None:
                check_write(if_match, None, meta_of(key, found[0][1]))
            removed = remove_others(directory, found, None)
    except NotFoundError:
        raise
    except (FileNotFoundError, NotADirectoryError):
        return False
    for status in removed:
        forget(root, status)
    return True


def _deletable(directory: Directory, name: str, spelling: Spelling) -> Sequence[Present]:
    """The files of an object; a directory of its name is none."""
    if spelling is not EXACT:
        return present(directory, name, spelling)
    status = directory.status(name)
    if stat.S_ISLNK(status.st_mode):
        raise linked(name)
    return [(name, status)] if stat.S_ISREG(status.st_mode) else []


def amend_object(
    root: str,
    key: str,
    change: Callable[[Attributes], Attributes],
    if_match: Match | None,
    spelling: Spelling,
    *,
    sync: bool,
) -> PutResult:
    """Describe the object anew, in place, in one step; its bytes, time and ETag stay."""
    names = split_key(key)
    with _parent(root, names, key) as directory, directory.locked(required=if_match is not None):
        descriptor, status, attributes = open_object(root, key, spelling)
        try:
            check_write(if_match, None, meta_of(key, status))
            file, kept = filed(names, change(attributes), spelling)
            store(root, descriptor, status, kept, sync=sync)
            if spelling is not EXACT:
                found = present(directory, names[-1], spelling)
                if found[0][0] != file:
                    directory.replace(found[0][0], directory, file)
                remove_others(directory, found[1:], file)
            if sync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return put_result(status, attributes.checksum)


def tags_of(root: str, key: str, spelling: Spelling) -> Mapping[str, str]:
    """The object's tags."""
    descriptor, _, attributes = open_object(root, key, spelling)
    os.close(descriptor)
    return attributes.tags
