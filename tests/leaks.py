"""After every test, nothing is left behind: no task, transport, held memory or temporary file; no error in the loop.

A test that must leave something says so: ``@pytest.mark.may_leak("why")``.
"""

from __future__ import annotations

import asyncio
import gc
import tempfile
import time
from collections.abc import AsyncIterator, Generator, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from aiostore.budget import BUDGET

PATIENCE = 2.0
"""Seconds that connections which are being closed get to finish."""

KEPT_OUT_EVERY = 50
"""Tests after which what is left of them is taken for what will stay."""

_over = count(1)


@pytest.fixture(scope="session")
def _temporary_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where ``tempfile`` puts what the tests, and the code they run, do not place themselves."""
    directory = tmp_path_factory.mktemp("temporary-files")
    before, tempfile.tempdir = tempfile.tempdir, str(directory)
    yield directory
    tempfile.tempdir = before


@pytest.fixture(autouse=True)
def leak_check(request: pytest.FixtureRequest, _temporary_files: Path) -> Iterator[None]:
    """Set up before, and therefore torn down after, the test's own fixtures."""
    if request.node.get_closest_marker("may_leak"):
        yield
        return
    if request.node.get_closest_marker("asyncio"):
        request.getfixturevalue("_clean_loop")
    held = BUDGET.used
    yield
    left = sorted(path.name for path in _temporary_files.iterdir())
    for name in left:
        (_temporary_files / name).rename(_temporary_files.with_name(f"left-{time.monotonic_ns()}-{name}"))
    assert BUDGET.used == held, f"{BUDGET.used - held} bytes of the memory budget were not given back"
    assert not left, f"temporary files are left: {left}"


@pytest.fixture
async def _clean_loop() -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    reported: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _loop, context: reported.append(context))
    already = asyncio.all_tasks()
    yield
    this = asyncio.current_task()

    def left() -> list[asyncio.Task[object]]:
        return [task for task in asyncio.all_tasks() - already if task is not this]

    deadline = time.monotonic() + PATIENCE
    await asyncio.sleep(0)
    while left() and time.monotonic() < deadline:
        await asyncio.sleep(0.005)
    tasks = left()
    # What nobody refers to any more says so now, as a warning, which pytest makes an error of this very test.
    gc.collect()
    await asyncio.sleep(0)
    loop.set_exception_handler(None)
    assert not tasks, f"tasks are left: {tasks}"
    assert not reported, f"the loop reported: {[context.get('message') for context in reported]}: {reported}"


def pytest_collection_finish() -> None:
    """Keep what was imported so far out of the collections that follow: each then takes a millisecond, not fifty."""
    _keep_out()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """Keep out what pytest remembers of the tests that are over, too: after thousands it would take fifty again."""
    result = yield
    if next(_over) % KEPT_OUT_EVERY == 0:
        _keep_out()
    return result


def _keep_out() -> None:
    gc.collect()
    gc.freeze()
