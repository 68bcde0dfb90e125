"""CPython's own tests of files, over ``aiostore.blocking.open`` on local paths and in memory."""

from __future__ import annotations

import importlib
import inspect
import io
import os
import secrets
import sys
import sysconfig
import unittest
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest

import aiostore
from tests.servers.install import ensure_packages
from tests.servers.running import required

if sys.version_info[:2] != (3, 11):
    pytest.skip("what cannot apply is listed for the tests of Python 3.11", allow_module_level=True)


def _tests_of_python(name: str) -> Any:
    """One of the modules with Python's own tests, which Debian has in a package of its own.

    Raises:
        ImportError: in continuous integration, if they cannot be installed. Elsewhere the tests are skipped.
    """
    try:
        return importlib.import_module(f"test.{name}")
    except ImportError:
        if not required():
            reason = f"Python's own tests are not installed; on Debian: apt-get install {PACKAGE}"
            pytest.skip(reason, allow_module_level=True)
    ensure_packages([PACKAGE], [os.path.join(sysconfig.get_path("stdlib"), "test", f"{name}.py")])
    importlib.invalidate_caches()
    return importlib.import_module(f"test.{name}")


PACKAGE: Final = "libpython3.11-testsuite"
test_file, test_io, test_univnewlines = map(_tests_of_python, ["test_file", "test_io", "test_univnewlines"])

DESCRIPTORS: Final = "objects have no file descriptors, and nothing opens a path but the store"
SEEKS: Final = "a writer cannot be moved in: what was written may have been sent; modes with a + can"
OUTSIDE: Final = "looks at the local file by other means than open()"

NOT_APPLICABLE: Final[dict[str, str]] = {
    "testBadModeArgument": "wants messages that do not name the file; ours name the key",
    "testStdin": "needs a terminal",
    "test_attributes": DESCRIPTORS,
    "test_buffered_file_io": f"{SEEKS}; with these, a test of ours does the same",
    "test_closefd": DESCRIPTORS,
    "test_closefd_attr": DESCRIPTORS,
    "test_fileio_closefd": DESCRIPTORS,
    "test_fspath_support": f"{DESCRIPTORS}; what is left of it is a test of ours",
    "test_large_file_ops": "copies 2 GiB; large objects have tests of their own",
    "test_no_closefd_with_filename": DESCRIPTORS,
    "test_nonblock_pipe_write_bigbuf": DESCRIPTORS,
    "test_nonblock_pipe_write_smallbuf": DESCRIPTORS,
    "test_open_pipe_with_append": DESCRIPTORS,
    "test_opener": DESCRIPTORS,
    "test_opener_invalid_fd": DESCRIPTORS,
    "test_raw_file_io": f"{SEEKS}; with these, a test of ours does the same",
    "test_read_closed": DESCRIPTORS,
    "test_unbounded_file": "needs a 32-bit address space",
}
"""Tests that cannot apply, and why."""

IN_PLACE: Final = {"test_seek_append_bom", "test_seek_with_encoder_state"}
"""Tests that move in what they write, for which w and a are read as w+ and a+."""

NOT_IN_MEMORY: Final[dict[str, str]] = {
    "testErrors": "compares the name with the local path; ours is the URL",
    "testTruncateOnWindows": OUTSIDE,
    "test_destructor": OUTSIDE,
    "test_garbage_collection": OUTSIDE,
    "test_open_handles_NUL_chars": "keys in memory may hold anything",
}
"""Tests that cannot apply to objects in memory, and why."""


def cases() -> Iterator[tuple[type[unittest.TestCase], str]]:
    """The tests that open files; the others are of ``io`` alone."""
    for cls in CLASSES:
        for name in unittest.defaultTestLoader.getTestCaseNames(cls):
            source = inspect.getsource(getattr(cls, name))
            opens = "self.open" in source or "self._check_" in source or not cls.__module__.endswith("test_io")
            if opens and name not in NOT_APPLICABLE:
                yield cls, name


CLASSES: Final[tuple[type[unittest.TestCase], ...]] = (
    test_io.CIOTest,
    test_io.CMiscIOTest,
    test_io.CTextIOWrapperTest,
    test_file.CAutoFileTests,
    test_file.COtherFileTests,
    test_univnewlines.CTestCRNewlines,
    test_univnewlines.CTestLFNewlines,
    test_univnewlines.CTestCRLFNewlines,
    test_univnewlines.CTestMixedNewlines,
)

MOCKS: Final = {
    name.removeprefix("C"): getattr(test_io, name)
    for name in dir(test_io)
    if name.startswith("C") and name[1:] in vars(test_io) and name[1:].endswith(("IO", "Read"))
}


def in_memory() -> Callable[..., Any]:
    """``open`` over a container of its own."""
    container = f"memory://cpython-{secrets.token_hex(8)}"

    def opened(path: str, *arguments: Any, **options: Any) -> Any:
        return aiostore.blocking.open(f"{container}/{quote(path.lstrip('/'))}", *arguments, **options)

    return opened


OPENERS: Final[dict[str, Callable[[], Callable[..., Any]]]] = {
    "local": lambda: aiostore.blocking.open,
    "memory": in_memory,
}


@pytest.mark.parametrize(
    ("backend", "cls", "name"),
    [
        pytest.param(backend, cls, name, id=f"{backend}-{cls.__name__}.{name}")
        for backend in OPENERS
        for cls, name in cases()
        if backend != "memory" or name not in NOT_IN_MEMORY
    ],
)
def test_files_behave_as_cpython_s(
    cls: type[unittest.TestCase], name: str, backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    namespace = {member: getattr(io, member) for member in io.__all__} | MOCKS | {"is_C": True}
    opened = OPENERS[backend]()

    def adapt(path: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if isinstance(path, int):
            return open(path, mode, *arguments, **options)  # a descriptor is none of our business
        return opened(path, f"{mode}+" if name in IN_PLACE and mode in {"w", "a"} else mode, *arguments, **options)

    adapted = type(cls.__name__, (cls,), {**namespace, "open": staticmethod(adapt)})
    result = unittest.TestResult()
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        adapted(name).run(result)
    problems = [text for _, text in [*result.errors, *result.failures]]
    assert not problems, "\n".join(problems)
    assert result.testsRun == 1
    assert not result.skipped, result.skipped


@pytest.mark.parametrize("backend", OPENERS)
@pytest.mark.parametrize("buffering", [0, -1])
def test_what_is_done_to_a_file_in_place_and_to_a_reader(
    backend: str, buffering: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    case, opened = test_io.CIOTest(), OPENERS[backend]()
    with opened("file", "w+b", buffering=buffering) as file:
        assert (file.writable(), file.seekable()) == (True, True)
        case.write_ops(file)
    with opened("file", "rb", buffering=buffering) as file:
        assert (file.readable(), file.writable(), file.seekable()) == (True, False, True)
        case.read_ops(file, buffering != 0)


class PathOf(os.PathLike[Any]):
    def __init__(self, path: Any) -> None:
        self._path = path

    def __fspath__(self) -> Any:
        if isinstance(self._path, type):
            raise self._path
        return self._path


def test_a_path_object_may_be_of_text_or_bytes_and_nothing_else(tmp_path: Path) -> None:
    for path in (PathOf(str(tmp_path / "a")), PathOf(os.fsencode(tmp_path / "b"))):
        with aiostore.blocking.open(path, "w") as file:
            file.write("egg\n")
        with aiostore.blocking.open(path) as file:
            assert file.read() == "egg\n"
    for wrong, error in ((None, TypeError), (3, TypeError), (FloatingPointError, FloatingPointError)):
        with pytest.raises(error):
            aiostore.blocking.open(PathOf(wrong), "w")
    for none in (None, 3, 1.5):
        with pytest.raises(TypeError):
            aiostore.blocking.open(none, "w")  # type: ignore[call-overload]  # wrong on purpose


def test_what_cannot_apply_is_there_at_all() -> None:
    names = {name for cls in CLASSES for name in unittest.defaultTestLoader.getTestCaseNames(cls)}
    assert {*NOT_APPLICABLE, *NOT_IN_MEMORY, *IN_PLACE} <= names
