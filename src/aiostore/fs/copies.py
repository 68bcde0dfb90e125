"""Copies and moves: on the service's side where both ends are one service, streamed otherwise."""

from __future__ import annotations

import errno
import os
import posixpath
import shutil
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from aiostore._engine.gather import gather
from aiostore.capabilities import Guarantee
from aiostore.errors import NotFoundError, NotSupportedError, PermissionDeniedError
from aiostore.fs.entries import walk
from aiostore.fs.place import AnyPath, Place, Remote, locate
from aiostore.fs.queries import exists_at, same, stat
from aiostore.fs.remote import first, head, is_directory, not_a_directory, not_a_file, pages, put_marker
from aiostore.fs.removal import remove_tree, state
from aiostore.fs.thread import in_thread
from aiostore.store import Store
from aiostore.transfer.ends import Ends
from aiostore.transfer.manner import Manner
from aiostore.transfer.streamed import stream_object
from aiostore.url import sibling

CONCURRENCY: Final = 16
"""Files of one tree that are copied at a time."""

BATCH: Final = 500
"""Files that wait for it, so that small directories do not hold it up."""

Ignore: TypeAlias = Callable[[str, list[str]], Iterable[str]]
"""Called with a directory and the names in it; returns those that are not to be copied."""


async def copyfile(src: AnyPath, dst: AnyPath, *, follow_symlinks: bool = True, store: Store | None = None) -> AnyPath:
    """Copy one file to another name, with content headers and metadata where both are objects; returns ``dst``.

    Other readers see the old file or the whole new one (but where both are local paths, as with :mod:`shutil`).

    Raises:
        FileNotFoundError: if there is no such file, or no local directory to copy it to.
        IsADirectoryError: if one of the two is a directory.
        shutil.SameFileError: if both are the same file.
    """
    source, target = locate(src, store), locate(dst, store)
    await _refuse_same(source, target)
    if isinstance(target, Remote) and await first(target):
        await stat(src, store=store)
        raise target.error(errno.EISDIR)
    await copy_place(source, target, follow_symlinks=follow_symlinks)
    return dst


async def copy_place(source: Place, target: Place, *, follow_symlinks: bool = True) -> None:
    """:func:`copyfile`."""
    if isinstance(target, Remote) and (target.slash or not target.key):
        raise target.error(errno.EISDIR)
    if not isinstance(source, Remote):
        if isinstance(target, Remote):
            await _upload(source, target)
        else:
            await in_thread(shutil.copyfile, source, target, follow_symlinks=follow_symlinks)
        return
    if source.slash or not source.key:
        raise await not_a_file(source)
    try:
        if not isinstance(target, Remote):
            await source.store.download(source.key, Path(target))
        else:
            await _copy(source, target)
    except NotFoundError as error:
        if await head(source) is not None:
            raise  # it is the target's container that is missing
        raise await not_a_file(source) from error


async def _upload(source: str, target: Remote) -> None:
    if await in_thread(os.path.isdir, source):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), source)
    await target.store.upload(source, target.key)


async def _refuse_same(source: Place, target: Place) -> None:
    if isinstance(source, Remote) and isinstance(target, Remote) and same(source, target):
        if not await exists_at(source):
            raise source.missing()
        raise shutil.SameFileError(f"{source.shown!r} and {target.shown!r} are the same file")


async def _copy(source: Remote, target: Remote) -> None:
    if source.store is target.store:
        await target.store.copy(source.key, target.key)
        return
    container = _container(source, target)
    if container is not None:
        try:
            await target.store.copy(source.key, target.key, source_container=container)
        except (PermissionDeniedError, NotSupportedError):
            # Who may write to one container need not be allowed to read the other one, which has its own store.
            pass
        else:
            return
    await stream_object(Ends(source.store, target.store, None), source.key, target.key, Manner())


def _container(source: Remote, target: Remote) -> str | None:
    """The container that the service of ``target`` copies from, if it is the one of ``source`` too."""
    if source.address is None or target.address is None:
        return None
    if not {"copy", "sibling"} <= target.store.capabilities.operations:
        return None
    return sibling(source.address.container, target.address.container)


async def copy(src: AnyPath, dst: AnyPath, *, follow_symlinks: bool = True, store: Store | None = None) -> str:
    """Copy one file to a name, or into a directory under its own name; returns where it is.

    Raises:
        OSError: as :func:`copyfile`.
    """
    source, target = locate(src, store), locate(dst, store)
    if not isinstance(source, Remote) and not isinstance(target, Remote):
        made: str = await in_thread(shutil.copy, source, target, follow_symlinks=follow_symlinks)
        return made
    target = await _into(source, target)
    await _refuse_same(source, target)
    await copy_place(source, target, follow_symlinks=follow_symlinks)
    return text(target)


async def _into(source: Place, target: Place) -> Place:
    """``target``, or the name of ``source`` in it if it is a directory."""
    name = posixpath.basename(source.key) if isinstance(source, Remote) else os.path.basename(source.rstrip(os.sep))
    if not isinstance(target, Remote):
        return os.path.join(target, name) if await in_thread(os.path.isdir, target) else target
    if target.slash or not target.key or await first(target):
        return target.at(target.directory + name)
    return target


def text(place: Place) -> str:
    """A path that leads to ``place``."""
    return place.path(place.key) if isinstance(place, Remote) else place


async def copytree(
    src: AnyPath,
    dst: AnyPath,
    symlinks: bool = False,
    ignore: Ignore | None = None,
    *,
    dirs_exist_ok: bool = False,
    store: Store | None = None,
) -> AnyPath:
    """Copy a directory with all that is in it, several files at a time; returns ``dst``.

    ``symlinks`` keeps links where both are local; otherwise what they lead to is copied. The first error ends the copy,
    and what was copied stays.

    Raises:
        FileExistsError: if ``dst`` exists and ``dirs_exist_ok`` is false.
        NotADirectoryError: if ``src`` is a file.
        OSError: (``EINVAL``) if a key cannot be a path below the local directory ``dst``; as :func:`copyfile`.
    """
    source, target = locate(src, store), locate(dst, store)
    if not isinstance(source, Remote) and not isinstance(target, Remote):
        copier = partial(shutil.copytree, symlinks=symlinks, ignore=ignore, dirs_exist_ok=dirs_exist_ok)
        await in_thread(copier, source, target)
        return dst
    if isinstance(source, Remote) and not await is_directory(source):
        raise await not_a_directory(source)
    if not isinstance(source, Remote) and not await in_thread(os.path.isdir, source):
        code = errno.ENOTDIR if await in_thread(os.path.exists, source) else errno.ENOENT
        raise OSError(code, os.strerror(code), source)
    await _begin(target, dirs_exist_ok=dirs_exist_ok)
    if isinstance(source, Remote) and ignore is None:
        await _copy_keys(source, target)
    else:
        await _copy_levels(source, target, ignore)
    return dst


async def _begin(target: Place, *, dirs_exist_ok: bool) -> None:
    """Make the directory that a tree is copied to; on a service that is done when it is empty."""
    if not isinstance(target, Remote):
        await in_thread(os.makedirs, target, exist_ok=dirs_exist_ok)
    elif not dirs_exist_ok and (await first(target) or await head(target) is not None):
        raise target.error(errno.EEXIST)


async def _copy_keys(source: Remote, target: Place) -> set[int]:
    """Copy every key below a directory, as they are listed; returns the states that were copied."""
    skip = len(source.directory)
    copied: set[int] = set()

    async def one(key: str) -> None:
        name = key[skip:]
        if name.endswith("/") or not name:
            await _make_directory(_below(target, name.rstrip("/").split("/") if name else []))
        else:
            place = _below(target, name.split("/"))
            if isinstance(place, str) and "/" in name:
                await in_thread(os.makedirs, os.path.dirname(place), exist_ok=True)
            await copy_place(source.at(key), place)

    async for page in pages(source):
        await gather(one, [meta.key for meta in page.objects], CONCURRENCY)
        copied.update(map(state, page.objects))
    return copied


def _below(directory: Place, names: Sequence[str]) -> Place:
    """A path below a directory.

    Raises:
        OSError: (``EINVAL``) if it would be another local path than these names say: what a service lists must not
            choose where files are written.
    """
    if isinstance(directory, Remote):
        return directory.at(directory.directory + "/".join(names))
    for name in names:
        if name in {"", os.curdir, os.pardir} or os.sep in name or (os.altsep and os.altsep in name) or "\0" in name:
            raise OSError(errno.EINVAL, f"{'/'.join(names)!r} is no path below", directory)
    return os.path.join(directory, *names)


async def _make_directory(place: Place) -> None:
    if not isinstance(place, Remote):
        await in_thread(os.makedirs, place, exist_ok=True)
    elif place.key and not await first(place):
        await put_marker(place)


async def _copy_levels(source: Place, target: Place, ignore: Ignore | None) -> None:
    """Copy directory by directory, asking ``ignore`` for each; files of several directories at a time."""
    given = source.store if isinstance(source, Remote) and source.address is None else None
    waiting: list[tuple[Place, Place]] = []
    async for path, directories, files in walk(text(source), onerror=_raise, followlinks=True, store=given):
        left_out = set(ignore(path, directories + files)) if ignore is not None else set()
        directories[:] = [name for name in directories if name not in left_out]
        here = locate(path, given)
        names = _names_between(source, here)
        wanted = [name for name in files if name not in left_out]
        if not isinstance(target, Remote) or not (wanted or directories):
            await _make_directory(_below(target, names))
        for name in wanted:
            child = here.at(here.directory + name) if isinstance(here, Remote) else os.path.join(here, name)
            waiting.append((child, _below(target, [*names, name])))
        if len(waiting) >= BATCH:
            await gather(_copy_pair, waiting, CONCURRENCY)
            waiting.clear()
    await gather(_copy_pair, waiting, CONCURRENCY)


async def _copy_pair(pair: tuple[Place, Place]) -> None:
    await copy_place(*pair)


def _raise(error: OSError) -> None:
    raise error


def _names_between(top: Place, place: Place) -> list[str]:
    """The names of the directories from ``top`` down to ``place``."""
    if isinstance(top, Remote) and isinstance(place, Remote):
        rest = place.key[len(top.directory) :]
        return rest.split("/") if rest else []
    rest = os.path.relpath(text(place), text(top))
    return [] if rest == os.curdir else rest.split(os.sep)


async def rename(src: AnyPath, dst: AnyPath, *, store: Store | None = None) -> None:
    """Give a file or directory another name in its own file system or service; a file of that name is replaced.

    On a service it is a copy and a delete, but where the service renames; of a directory, those of every key below it.
    If it is interrupted, the rest is still at ``src``, and it can be repeated with ``move``.

    Raises:
        OSError: ``EXDEV`` if the two are in different places (use :func:`move`), ``ENOTEMPTY`` if ``dst`` is a
            directory with something in it, ``EINVAL`` if it is below ``src``.
        FileNotFoundError, IsADirectoryError, NotADirectoryError: as :func:`os.rename`.
    """
    source, target = locate(src, store), locate(dst, store)
    if not isinstance(source, Remote) and not isinstance(target, Remote):
        await in_thread(os.rename, source, target)
        return
    if not isinstance(source, Remote) or not isinstance(target, Remote) or not _one_service(source, target):
        shown = [place.shown if isinstance(place, Remote) else place for place in (source, target)]
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), shown[0], None, shown[1])
    await _rename(source, target)


replace = rename


def _one_service(source: Remote, target: Remote) -> bool:
    return source.store is target.store or _container(source, target) is not None


async def _rename_file(source: Remote, target: Remote) -> None:
    if target.slash:
        raise target.error(errno.ENOTDIR)
    if not target.key or await first(target):
        raise target.error(errno.EISDIR)
    if source.store is target.store:
        await source.store.rename(source.key, target.key)
    elif not same(source, target):
        await _copy(source, target)
        await source.store.delete(source.key)


async def _rename_directory(source: Remote, target: Remote) -> None:
    if not source.key or not target.key:
        raise source.error(errno.EBUSY)
    if same(source, target):
        return
    if source.store is target.store and target.key.startswith(source.directory):
        raise source.error(errno.EINVAL)
    if await head(target.at(target.key)) is not None:
        raise target.error(errno.ENOTDIR)
    if any(meta.key != target.directory for meta in await first(target, 2)):
        raise target.error(errno.ENOTEMPTY)
    copied = await _copy_keys(source, target)
    await remove_tree(source, only=copied)


async def move(src: AnyPath, dst: AnyPath, *, store: Store | None = None) -> str:
    """Move a file or directory to a name, or into a directory under its own name; returns where it is.

    Within one service as :func:`rename`, otherwise it is copied, and deleted when all was copied. What others write
    below the directory meanwhile is not deleted.

    Raises:
        shutil.Error: if the directory has something of this name, or a directory were moved into itself.
        OSError: as :func:`rename` and :func:`copytree`; ``ENOTEMPTY`` if something is left that others wrote meanwhile.
        PreconditionFailedError: if the file was changed meanwhile; both are there.
    """
    source, target = locate(src, store), locate(dst, store)
    if not isinstance(source, Remote) and not isinstance(target, Remote):
        made: str = await in_thread(shutil.move, source, target)
        return made
    into = await _into(source, target)
    if into is not target:
        exists = await in_thread(os.path.lexists, into) if isinstance(into, str) else await exists_at(into)
        if exists:
            raise shutil.Error(f"{text(into) if isinstance(into, str) else into.shown!r} already exists")
    if isinstance(source, Remote) and isinstance(into, Remote) and _one_service(source, into):
        if source.store is into.store and into.key.startswith(source.directory) and source.key != into.key:
            raise shutil.Error(f"cannot move {source.shown!r} into itself, {into.shown!r}")
        await _rename(source, into)
    else:
        await _transfer(source, into)
    return text(into)


async def _rename(source: Remote, target: Remote) -> None:
    if await head(source) is not None:
        await _rename_file(source, target)
    elif await is_directory(source):
        await _rename_directory(source, target)
    else:
        raise await not_a_directory(source)


async def _transfer(source: Place, target: Place) -> None:
    """Copy, and delete what was copied when all of it was."""
    delete: Callable[[], Awaitable[None]]
    if isinstance(source, Remote):
        if (meta := await head(source)) is not None:
            await copy_place(source, target)
            atomic = source.store.capabilities.delete.if_match is Guarantee.ATOMIC
            delete = partial(source.store.delete, source.key, if_match=meta if atomic else None)
        else:
            if not source.key:
                raise source.error(errno.EBUSY)
            if not await is_directory(source):
                raise await not_a_directory(source)
            await _begin(target, dirs_exist_ok=False)
            copied = await _copy_keys(source, target)
            delete = partial(remove_tree, source, only=copied)
    elif await in_thread(os.path.isdir, source):
        await _begin(target, dirs_exist_ok=False)
        await _copy_levels(source, target, None)
        delete = partial(in_thread, shutil.rmtree, source)
    else:
        await copy_place(source, target)
        delete = partial(in_thread, os.remove, source)
    await delete()
