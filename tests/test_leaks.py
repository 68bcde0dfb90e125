"""The leak check catches what it claims to, and lets everything else be."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest

Run: TypeAlias = Callable[[str], pytest.RunResult]

LEAKY = """
from __future__ import annotations

import asyncio
import tempfile

import pytest

from aiostore.budget import BUDGET

left = []


async def test_task():
    left.append(asyncio.create_task(asyncio.sleep(100)))


async def test_exception_nobody_saw():
    async def fail():
        raise ValueError
    asyncio.create_task(fail())
    await asyncio.sleep(0)


async def test_connection():
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    left.append(await asyncio.open_connection(*server.sockets[0].getsockname()))
    left.clear()
    server.close()


def test_file():
    left.append(tempfile.mkstemp())


def test_memory():
    BUDGET.try_acquire(1000)
"""

CLEAN = """
from __future__ import annotations

import asyncio
import tempfile

import pytest


@pytest.fixture
async def server():
    async def echo(reader, writer):
        writer.write(await reader.read(10))
        await reader.read()
        writer.close()
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    task = asyncio.create_task(asyncio.sleep(100))
    yield server.sockets[0].getsockname()
    task.cancel()
    server.close()


async def test_fixture_with_tasks(server):
    reader, writer = await asyncio.open_connection(*server)
    writer.write(b"x")
    assert await reader.read(1) == b"x"
    writer.close()


def test_own_loop():
    asyncio.run(asyncio.sleep(0))


def test_removed_file():
    tempfile.NamedTemporaryFile().close()


@pytest.mark.may_leak("to see that it may")
async def test_excused():
    asyncio.create_task(asyncio.sleep(100))
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config) -> Run:
    """Runs a file of tests as the project's own are run, with the leak check only."""
    monkeypatch.setenv("PYTHONPATH", str(pytestconfig.rootpath))

    def run(source: str) -> pytest.RunResult:
        file = pytester.makepyfile(source)
        settings = ("-c", str(pytestconfig.inipath), "--rootdir", str(pytester.path))
        return pytester.runpytest_subprocess(*settings, "-p", "tests.leaks", "-p", "no:cacheprovider", file)

    return run


def test_every_leak_fails_its_test(run: Run) -> None:
    result = run(LEAKY)
    for name in ("task", "exception_nobody_saw", "connection", "file", "memory"):
        result.stdout.re_match_lines([rf"(ERROR|FAILED) .*::test_{name}\b.*"])


def test_what_is_cleaned_up_is_no_leak(run: Run) -> None:
    run(CLEAN).assert_outcomes(passed=4)
