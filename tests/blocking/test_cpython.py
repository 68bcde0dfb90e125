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
    "test_buffered_file_io": SEEKS,
    "test_closefd": DESCRIPTORS,
    "test_closefd_attr": DESCRIPTORS,
    "test_fileio_closefd": DESCRIPTORS,
    "test_flush_error_on_close": DESCRIPTORS,
    "test_fspath_support": DESCRIPTORS,
    "test_large_file_ops": "copies 2 GiB; large objects have tests of their own",
    "test_no_closefd_with_filename": DESCRIPTORS,
    "test_nonblock_pipe_write_bigbuf": DESCRIPTORS,
    "test_nonblock_pipe_write_smallbuf": DESCRIPTORS,
    "test_open_pipe_with_append": DESCRIPTORS,
    "test_opener": DESCRIPTORS,
    "test_opener_invalid_fd": DESCRIPTORS,
    "test_raw_file_io": SEEKS,
    "test_read_closed": DESCRIPTORS,
    "test_seek_append_bom": SEEKS,
    "test_seek_with_encoder_state": SEEKS,
    "test_unbounded_file": "needs a 32-bit address space",
}
"""Tests that cannot apply, and why."""

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
    adapted = type(cls.__name__, (cls,), {**namespace, "open": staticmethod(OPENERS[backend]())})
    result = unittest.TestResult()
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        adapted(name).run(result)
    problems = [text for _, text in [*result.errors, *result.failures]]
    assert not problems, "\n".join(problems)
    assert result.testsRun == 1
    assert not result.skipped, result.skipped


def test_what_cannot_apply_is_there_at_all() -> None:
    names = {name for cls in CLASSES for name in unittest.defaultTestLoader.getTestCaseNames(cls)}
    assert {*NOT_APPLICABLE, *NOT_IN_MEMORY} <= names
