"""The functions of ``aiostore.fs`` do what the standard library's do, on local paths and on a service.

The same steps are made with os, shutil and glob in one directory, and with fs in another one and in memory; results,
errors and the trees afterwards are compared. Directories are made with ``mkdir``, so that they stay when they are
empty, and nothing is written where there is no directory, which only a file system minds.
"""

from __future__ import annotations

import asyncio
import errno
import glob
import itertools
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from aiostore import fs
from tests.servers.ceph import CephEndpoint

NAMES = ["a", "b", "a.txt", ".hidden", "ü [1]"]
PATHS = [
    "/".join(parts) for depth in (1, 2, 3) for parts in itertools.product(NAMES[: 5 if depth < 2 else 3], repeat=depth)
]
PATTERNS = ["*", "*/*", "a*", "[a]", "?", "**", "**/*.txt", "a/**", "*/", "**/a", ".*", "a/b", "missing/*"]
ONE = ["stat", "exists", "isfile", "isdir", "islink", "lexists", "getsize", "listdir", "remove", "mkdir", "makedirs"]
ONE += ["rmdir", "rmtree", "walk", "scandir", "write", "ismount"]
TWO = ["rename", "replace", "copyfile", "copy", "copytree", "move", "samefile"]

paths = st.sampled_from(PATHS)
steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(ONE), paths),
        st.tuples(st.sampled_from(TWO), paths, paths),
        st.tuples(st.just("glob"), st.sampled_from(PATTERNS)),
        st.tuples(st.just("makedirs"), paths),
        st.tuples(st.just("write"), paths),
    ),
    max_size=25,
)

_NUMBERS = itertools.count()


async def outcome(call: Callable[[], Awaitable[Any]]) -> object:
    """What a step returns, or the kind of its error as callers tell it."""
    try:
        return await call()
    except shutil.SameFileError:
        return "same file"
    except shutil.Error:
        return "shutil.Error"
    except OSError as error:
        return errno.errorcode[error.errno or 0]


def plain(value: str, root: str) -> str:
    return value.partition("?")[0].replace(root.partition("?")[0], "ROOT")


async def by_os(step: tuple[str, ...], root: str) -> object:
    name, *rest = step
    path, *more = [os.path.join(root, part) for part in rest]
    match name:
        case "stat":
            status = os.stat(path)
            return status.st_mode & 0o170000, status.st_size if os.path.isfile(path) else 0
        case "getsize":
            return os.path.getsize(path) if not os.path.isdir(path) else 0
        case "exists" | "isfile" | "isdir" | "islink" | "lexists" | "ismount":
            return getattr(os.path, name)(path)
        case "listdir":
            return sorted(os.listdir(path))
        case "scandir":
            with os.scandir(path) as entries:
                return sorted((e.name, plain(e.path, root), e.is_dir(), e.is_file(), e.is_symlink()) for e in entries)
        case "walk":
            return sorted((plain(top, root), sorted(names), sorted(files)) for top, names, files in os.walk(path))
        case "write":
            Path(path).write_bytes(rest[0].encode())
            return None
        case "glob":
            # Some versions of glob find the directory of `missing/**`, which is not there.
            return sorted(plain(found, root) for found in glob.glob(path, recursive=True) if os.path.lexists(found))
        case "samefile":
            return os.path.samefile(path, *more)
        case _:
            made = getattr(shutil if hasattr(shutil, name) else os, name)(path, *more)
            return plain(made, root) if isinstance(made, str) else made


async def by_fs(step: tuple[str, ...], root: str) -> object:
    name, *rest = step
    path, *more = [fs.join(root, part) for part in rest]
    match name:
        case "stat":
            status = await fs.stat(path)
            return status.st_mode & 0o170000, status.st_size if await fs.isfile(path) else 0
        case "getsize":
            return await fs.getsize(path) if not await fs.isdir(path) else 0
        case "listdir":
            return sorted(await fs.listdir(path))
        case "scandir":
            async with fs.scandir(path) as entries:
                return sorted([
                    (e.name, plain(e.path, root), e.is_dir(), e.is_file(), e.is_symlink()) async for e in entries
                ])  # fmt: skip
        case "walk":
            return sorted(
                [(plain(top, root), sorted(names), sorted(files)) async for top, names, files in fs.walk(path)]
            )
        case "write":
            if await fs.isdir(path):
                raise IsADirectoryError(errno.EISDIR, "")
            async with fs.open(path, "wb") as file:
                await file.write(rest[0].encode())
            return None
        case "glob":
            matches = await fs.glob(path, recursive=True)
            return sorted([plain(found, root) for found in matches if "://" in root or os.path.lexists(found)])
        case _:
            made = await getattr(fs, name)(path, *more)
            return plain(made, root) if isinstance(made, str) else made


async def tree(root: str) -> list[tuple[str, list[str], dict[str, bytes]]]:
    found = []
    async for top, names, files in fs.walk(root):
        contents = {}
        for name in files:
            async with fs.open(fs.join(top, name), "rb") as file:
                contents[name] = await file.read()
        found.append((plain(top, root), sorted(names), contents))
    return sorted(found)


def below_a_file(root: str, path: str) -> bool:
    return any(
        os.path.isfile(os.path.join(root, above))
        for above in itertools.accumulate(path.split("/")[:-1], "{}/{}".format)
    )


async def compare(plan: list[tuple[str, ...]], root: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        model = os.path.join(scratch, "model")
        os.mkdir(model)
        await fs.makedirs(root)
        for step in plan:
            if step[0] in {"write", *TWO} and not os.path.isdir(os.path.dirname(os.path.join(model, step[-1]))):
                continue
            beyond = any(below_a_file(model, part) for part in step[1:])
            expected = await outcome(lambda step=step: by_os(step, model))  # type: ignore[misc]
            got = await outcome(lambda step=step: by_fs(step, root))  # type: ignore[misc]
            if beyond and expected == "ENOTDIR" and got == "ENOENT":
                continue  # on a service nothing is below an object, and nobody asks whether it is one
            assert (step, got) == (step, expected)
        assert await tree(root) == await tree(model)
        await fs.rmtree(root)


def run(plan: list[tuple[str, ...]], root: str) -> None:
    async def main() -> None:
        try:
            await compare(plan, root)
        finally:
            await fs.aclose()

    asyncio.run(main())


@settings(max_examples=100)
@given(plan=steps)
def test_memory_behaves_as_the_file_system_does(plan: list[tuple[str, ...]]) -> None:
    run(plan, f"memory://model/{next(_NUMBERS)}")


@settings(max_examples=20)
@given(plan=steps)
def test_local_paths_are_the_file_system(plan: list[tuple[str, ...]]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        run(plan, f"{scratch}/new")


@settings(max_examples=6)
@given(plan=steps)
def test_a_bucket_behaves_as_the_file_system_does(
    plan: list[tuple[str, ...]], gateway: str, ceph: CephEndpoint
) -> None:
    url = gateway.format(f"/model/{next(_NUMBERS)}")
    run(plan, f"{url}&access_key_id={ceph.access_key_id}&secret_access_key={ceph.secret_access_key}")
